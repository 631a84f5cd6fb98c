"""The live view: as wide as the terminal, plain where there is none, and text of others as text."""

import io
import os
import re
import select
import subprocess
import sys

import pytest
from rich.console import Console

from tests.commands import FAST
from tunekit import cli
from tunekit.report.console import make_console
from tunekit.report.live import Screen, View, foreseen, is_live
from tunekit.vocabulary import Advanced, Ahead, Interrupted, Lane, RunForeseen, StepStarted

LANE = Lane({"lr": 0.01, "model.args.dropout": 0.1}, "cell", 120, 220, 850.4, (2.3, 1.2, 0.7, 0.5, 0.123))
NEWS = Advanced("coarse-grid", 1540, 2640, 7, 12, left=4000.0, lanes=(LANE, LANE), best="val_accuracy 98.6 %")
STARTED = StepStarted("coarse-grid", Ahead(12, 2640, 95.0, 9_600_000), (4, 6))


def drawn(news, width, **console):
    view = View(STARTED)
    view.news = news
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=True, markup=False, highlight=False, **console).print(view)
    return re.sub("\x1b\\[[0-9;]*m", "", out.getvalue()).splitlines()


def test_it_tells_step_workers_rate_curve_best_and_the_time_left():
    head, trials, *lanes = drawn(NEWS, 100)
    assert head == "coarse-grid 4/6  about 1 h 7 min left of all"
    assert trials == "  7/12 trials, 1,540/2,640 iterations, best val_accuracy 98.6 %"
    assert [lane.split() for lane in lanes] == [
        ["lr", "1e-2,", "dropout", "0.1", "120/220", "850/s", "█▄▃▂▁", "0.123"]
    ] * 2


@pytest.mark.parametrize("width", [12, 20, 40, 60, 80, 200])
@pytest.mark.parametrize("name", ["lr", "model.args." + "w" * 200, "\x1b[2J\u202e\n", "模" * 30])
def test_no_line_is_wider_than_the_terminal_or_more_than_one(width, name):
    lane = Lane({name: "[bold]" + "x" * 50, "lr": 1e-3}, "cell", 1, 10**9, 1e-3, (float("nan"), 1e30, -1e30, 0.0))
    lines = drawn(Advanced("coarse-grid", 1, 10**9, 0, 1, left=1e6, lanes=(lane,), best="v " + "9" * 90), width)
    assert len(lines) <= 4
    assert all(Console(width=500).measure(line).maximum < width for line in lines if line)
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


def test_where_letters_hold_no_blocks_the_curve_is_of_others():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    view = View(STARTED)
    view.news = NEWS
    Console(file=out, width=80, force_terminal=True, markup=False).print(view)
    out.flush()
    assert b" #-.._ " in out.buffer.getvalue()


@pytest.mark.parametrize(
    ("terminal", "environment", "live"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (True, {"TERM": "xterm", "CI": "false"}, True),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_lines_are_written_over_on_a_terminal_that_can_and_not_in_ci(terminal, environment, live):
    console = Console(file=io.StringIO(), force_terminal=terminal, _environ=environment)
    assert is_live(console, environment) is live


def test_no_color_is_obeyed(monkeypatch):
    """By the console that commands make."""
    for value in (None, "1"):
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.delenv("NO_COLOR", raising=False)
        if value is not None:
            monkeypatch.setenv("NO_COLOR", value)
        console = make_console()
        view = View(STARTED)
        view.news = NEWS
        with console.capture() as out:
            console.print(view)
        assert ("\x1b[3" in out.get()) == (value is None)


def test_a_run_and_a_step_say_first_what_they_will_take():
    assert foreseen(STARTED) == "coarse-grid (4 of 6): 12 trainings, 2,640 iterations, about 2 min, 9.6 MB of disk"
    assert (
        foreseen(RunForeseen(1, Ahead(0, 0, None, 0))) == "1 step to walk: nothing to train, for a time not known yet"
    )
    assert foreseen(RunForeseen(0, Ahead(0, 0, 0.0, 0))) == ""  # all is finished
    assert foreseen(StepStarted("train")) == ""


def test_in_a_pipe_there_is_a_line_now_and_then(monkeypatch):
    out = io.StringIO()
    screen = Screen(Console(file=out, width=110, no_color=True))
    clock = [0.0]
    monkeypatch.setattr("tunekit.report.live.time.monotonic", lambda: clock[0])
    screen.emit(STARTED)
    for clock[0] in range(100, 126):
        screen.emit(NEWS)
    first, *lines = out.getvalue().splitlines()
    assert first == foreseen(STARTED)
    assert (
        lines
        == ["coarse-grid: 1,540/2,640 iterations, trials 7/12, best val_accuracy 98.6 %, about 1 h 7 min left of all"]
        * 3
    )


def read(master):
    """All that was written to a terminal."""
    text = b""
    while select.select([master], [], [], 0)[0]:
        text += os.read(master, 1 << 16)
    return text.decode()


@pytest.fixture
def terminal():
    """Both ends of a terminal of 80 columns: what is written to the second is read from the first."""
    ends = os.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize(
    ("words", "where"),
    [(("run",), "pipeline.run_steps"), (("lr-sweep",), "pipeline.run_steps"), (("train",), "final.train_final")],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_an_interrupted_command_says_stays_on_the_screen(tmp_path, monkeypatch, terminal, words, where, as_json):
    def begun(*given):
        emit = next(one for one in given if callable(one))
        emit(STARTED)
        emit(NEWS)
        raise Interrupted("interrupted")

    (tmp_path / "fast.yaml").write_text(FAST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"tunekit.{where}", begun)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CI", raising=False)
    master, slave = terminal
    with open(slave, "w", buffering=1, closefd=False) as screen:
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(sys, "argv", ["tunekit", *words, "fast.yaml", *(["--json"] if as_json else [])])
        with pytest.raises(SystemExit, match="130"):
            cli.main()
    before, said, after = read(master).partition("interrupted; nothing is lost")
    assert said
    assert "\x1b[?25l" in before
    assert before.endswith("\x1b[2K")  # what was live is erased, and it alone
    assert "\x1b" not in after


def test_the_last_words_of_a_command_that_is_ended_at_once_have_a_line_of_their_own(terminal):
    """They are said in a handler of signals, which cannot close the live view."""
    code = "import os; from tunekit.stopping import *; from tunekit.stopping import _Request\n"
    code += "request = _Request(0)\ntry: request.take(2)\nexcept Stop: os.write(2, b'live'); request.take(2)"
    master, slave = terminal
    done = subprocess.run([sys.executable, "-c", code], stderr=slave, check=False)
    shown = read(master)
    assert done.returncode == 130
    assert re.match("live\r+\n\x1b\\[\\?25hinterrupted, and ended at once", shown)
