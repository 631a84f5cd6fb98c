"""The live view: as wide as the terminal, plain where there is none, and text of others as text."""

import io
import re

import pytest
from rich.console import Console

from tunekit.report.console import make_console
from tunekit.report.live import Screen, View, foreseen, is_live
from tunekit.vocabulary import Advanced, Ahead, Lane, RunForeseen, StepStarted

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
        ["lr", "1e-2,", "dropout", "1e-1", "120/220", "850/s", "█▄▃▂▁", "0.123"]
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
