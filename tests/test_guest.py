"""What a person's code may do to the process that runs it, each by its smallest input."""

from __future__ import annotations

import decimal
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.commands import recipe, spawn
from tunekit import guest
from tunekit.guest import SETTINGS, Visit, take_notes
from tunekit.stopping import Stop, stopping
from tunekit.training.data import DatasetSplit
from tunekit.training.order import BatchPlan
from tunekit.vocabulary import Interrupted, UserError

LIMIT_S = 120

CODE = """
import os, subprocess, sys, time
from pathlib import Path
from torch import nn
{top}
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
        {init}
    def forward(self, x):
        {forward}
        return super().forward(x)
"""
PLACES = dict.fromkeys(("top", "init", "forward"), "pass")


def written(folder: Path, name: str, **code: str) -> Path:
    """A recipe beside a network of such code."""
    (folder / f"{name}.py").write_text(CODE.format(**{**PLACES, **code}))
    return recipe(folder, model=f"{{target: '{name}:Net'}}")


@pytest.fixture(autouse=True)
def without_earlier_notes():
    take_notes()


CHANGES = {
    "the current folder": lambda: os.chdir("/"),
    "environment variables": lambda: os.environ.update(TUNEKIT_CHANGED="secret"),
    "the recursion limit": lambda: sys.setrecursionlimit(12345),
    "what signals do": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "what NumPy does at floating-point errors": lambda: np.seterr(all="raise"),
    "the decimal context": lambda: setattr(decimal.getcontext(), "prec", 3),
    "warnings to errors": lambda: warnings.simplefilter("error"),
    "the locale": None,  # a machine may have but one
    "cuDNN's flags": lambda: setattr(torch.backends.cudnn, "benchmark", True),
}


def test_every_setting_is_changed_here():
    assert set(CHANGES) == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("name", [name for name, change in CHANGES.items() if change])
def test_what_code_changes_is_put_back_and_noted_without_values_that_may_be_secret(name):
    [setting] = [setting for setting in SETTINGS if setting.name == name]
    before = setting.read()
    with Visit("model.target: m:Net"):
        CHANGES[name]()
        assert setting.read() != before
    assert setting.read() == before
    [note] = take_notes()
    assert note.startswith(f"model.target: m:Net changed {name}")
    assert "; put back" in note
    assert "secret" not in note


def test_what_becomes_of_an_open_autocast_is_nothing_of_the_next():
    with Visit():
        torch.autocast("cpu").__enter__()
    layer = torch.nn.Linear(1, 1, bias=False)
    for value in (1.0, 2.0):
        torch.nn.init.constant_(layer.weight, value)
        with torch.autocast("cpu"):
            assert layer(torch.ones(1, 1)).item() == value  # and no weight is remembered


NUMBERS = {
    "the default dtype": lambda: torch.set_default_dtype(torch.float64),
    "the grad mode": lambda: torch.set_grad_enabled(False),
    "the deterministic mode": lambda: torch.use_deterministic_algorithms(True),
    "the float32 matmul precision": lambda: torch.set_float32_matmul_precision("high"),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "the anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "the default device": lambda: torch.set_default_device("meta"),
    "the autocast": lambda: torch.autocast("cpu").__enter__(),
    "which attentions torch takes": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "the flushing of denormal numbers": lambda: torch.set_flush_denormal(True),
    "the inference mode": None,  # which cannot be put back
}


def test_every_number_is_changed_here():
    assert set(NUMBERS) == {number.name for number in guest._table()}


@pytest.mark.parametrize("name", [name for name, change in NUMBERS.items() if change])
def test_what_torch_computes_by_is_put_back_and_noted(name):
    before = guest.numbers()
    with Visit("model.target: m:Net"):
        NUMBERS[name]()
        assert guest.numbers() != before
    assert guest.numbers() == before
    [note] = take_notes()
    assert note.startswith(f"model.target: m:Net changed {name}")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (lambda: torch.set_float32_matmul_precision("high"), "high"),
        (lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True), "high"),
        (lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32"), "one of `fp32_precision`"),
    ],
)
def test_whoever_asks_for_tf32_is_told_what_a_recipe_has_instead(change, value):
    if "fp32" in value and not hasattr(torch.backends, "fp32_precision"):
        pytest.skip("torch has it from 2.9 on")
    with Visit("m:Net"):
        change()
    assert torch.get_float32_matmul_precision() == "highest"
    assert take_notes() == [
        f"m:Net changed the float32 matmul precision to {value}; put back: "
        "a recipe has `precision: bf16` to compute faster, and none for TF32"
    ]


def test_what_cannot_be_put_back_is_told_and_all_else_is_put_back(tmp_path, monkeypatch):
    (tmp_path / "before").mkdir()
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "before")

    def leaves():
        os.chdir(tmp_path / "inside")
        (tmp_path / "before").rmdir()
        os.environ["TUNEKIT_CHANGED"] = "1"
        torch.set_default_dtype(torch.float64)

    told = r"^m:Net: the current folder cannot be put back: \[Errno 2\] [^;]*before'$"
    with pytest.raises(UserError, match=told), Visit("m:Net"):
        leaves()
    assert "TUNEKIT_CHANGED" not in os.environ
    assert torch.get_default_dtype() == torch.float32


def test_a_folder_that_code_takes_away_under_itself_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inside").mkdir()
    with Visit("m:Net"):
        os.chdir(tmp_path / "inside")
        (tmp_path / "inside").rmdir()
    assert Path.cwd() == tmp_path
    assert take_notes() == ["m:Net changed the current folder; put back"]


def test_what_cannot_be_put_back_behind_an_error_is_noted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guest, "SETTINGS", (guest.Setting("it", lambda: object(), lambda _: 1 / 0),))
    with pytest.raises(ValueError, match="theirs"), Visit("m:Net"):
        raise ValueError("theirs")
    assert take_notes() == ["m:Net: it cannot be put back: division by zero"]


def test_what_a_module_sets_for_its_functions_stays_whoever_is_around(monkeypatch):
    monkeypatch.delenv("TUNEKIT_LASTING", raising=False)
    with Visit():
        with Visit("importing m", importing=True):
            os.environ["TUNEKIT_LASTING"] = "1"
        os.environ["TUNEKIT_PASSING"] = "1"
    assert os.environ.pop("TUNEKIT_LASTING") == "1"
    assert "TUNEKIT_PASSING" not in os.environ
    assert take_notes() == [f"{guest.CODE} changed environment variables (TUNEKIT_PASSING); put back"]


def test_a_library_that_is_imported_meanwhile_is_not_laid_at_the_codes_door(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/before")
    with Visit():
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = "/after"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/after"
    assert take_notes() == []


def test_places_of_imports_that_were_taken_out_come_back_and_those_that_came_stay():
    before = list(sys.path)
    with Visit():
        sys.path[:] = ["/added"]
    assert sys.path == ["/added", *before]
    sys.path[:] = before


def test_what_cannot_be_put_back_is_refused():
    opened = torch.inference_mode()
    with (
        pytest.raises(UserError, match=r"changed the inference mode, which cannot be put back; .* `with`"),
        Visit(),
    ):
        opened.__enter__()
    opened.__exit__(None, None, None)


def test_standard_streams_that_are_closed_are_opened_again_to_say_so(tmp_path):
    (tmp_path / "closes.py").write_text(
        "import os, sys\n"
        "from tunekit.guest import Visit\n"
        "from tunekit.vocabulary import UserError\n"
        "for close in (lambda: sys.stdout.close(), lambda: os.close(1), lambda: os.close(2)):\n"
        "    try:\n"
        "        with Visit('m:Net'): close()\n"
        "    except UserError as error: print(error, file=sys.stderr, flush=True)\n"
        "    os.write(1, b'whole\\n')\n"
    )
    done = subprocess.run([sys.executable, "closes.py"], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S)
    line = "m:Net closed standard output or error, where others write; leave them open\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, 3 * "whole\n", 3 * line)


def test_more_threads_than_leave_room_are_refused_in_however_many_visits_they_came(monkeypatch):
    monkeypatch.setattr(guest, "MOST_THREADS", 2)
    monkeypatch.setattr(guest, "_threads", [])
    end, other = threading.Event(), threading.Event()
    threads = [threading.Thread(target=end.wait, daemon=True) for _ in range(3)]
    before = threading.Thread(target=other.wait, daemon=True)
    before.start()
    for thread in threads[:2]:
        with Visit("m:Net"):
            thread.start()
    other.set()
    before.join()
    with pytest.raises(UserError, match="m:Net left 3 threads running; at most 2"), Visit("m:Net"):
        threads[2].start()
    end.set()
    [thread.join() for thread in threads]


def test_what_code_prints_goes_to_standard_error(capsys):
    with Visit():
        print("theirs")
    print("ours")
    assert capsys.readouterr() == ("ours\n", "theirs\n")


def test_a_keyboard_interrupt_is_the_codes_own_where_the_handlers_of_a_run_stand():
    with pytest.raises(UserError, match="raised KeyboardInterrupt"), stopping(None), Visit():
        raise KeyboardInterrupt
    with pytest.raises(Interrupted, match="interrupted"), stopping(None), Visit():
        [signal.raise_signal(signal.SIGINT) for _ in range(2)]


def test_where_nobody_asks_what_runs_is_left(monkeypatch):
    monkeypatch.setattr("tunekit.stopping.GRACE_S", 0.2)

    def hangs():
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.raise_signal(signal.SIGTERM)
        time.sleep(LIMIT_S)

    with pytest.raises(Interrupted, match="ended by SIGTERM"), stopping(None), Visit():
        hangs()


def test_where_somebody_asks_nothing_is_left():
    with stopping(None) as why:
        signal.raise_signal(signal.SIGINT)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        assert why() == "interrupted"
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        signal.raise_signal(signal.SIGALRM)  # of the code's own, late


def test_an_alarm_of_the_codes_own_is_no_request():
    with stopping(None) as why:
        signal.raise_signal(signal.SIGALRM)
        assert why() is None


@pytest.fixture
def alarms():
    """SIGALRM and its timer as a test likes them; the numbers that came."""
    came = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: came.append(number))
    yield came
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("asked", [True, False])
def test_a_timer_that_a_caller_has_set_goes_on_afterwards(alarms, asked):
    signal.setitimer(signal.ITIMER_REAL, 1000, 500)
    with stopping(None) as why:
        if asked:
            signal.raise_signal(signal.SIGINT)
            why()
        else:
            signal.alarm(900)  # the code's own, which would find nobody afterwards
    left, every = signal.getitimer(signal.ITIMER_REAL)
    assert 900 < left < 1000
    assert every == 500
    assert alarms == []


def test_a_timer_that_a_caller_has_set_and_that_ran_out_meanwhile_is_told_afterwards(alarms):
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    with stopping(None):
        time.sleep(0.05)
        assert alarms == []
    end = time.monotonic() + LIMIT_S
    while not alarms and time.monotonic() < end:
        time.sleep(0.001)
    assert alarms == [signal.SIGALRM]


@pytest.mark.parametrize("words", [("inspect",), ("check-init-loss", "--jobs", "1", "--executor", "processes")])
def test_standard_output_is_json_alone(tmp_path, words):
    says = "print('PRINTED'); os.write(1, b'RAW\\n'); os.system('echo CHILD'); sys.__stdout__.write('KEPT\\n')"
    path = written(tmp_path, "prints_all", top=f"{says}\nimport atexit; atexit.register(print, 'LAST')", init=says)
    done = spawn(words[0], path, "--json", *words[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    for word in ("PRINTED", "RAW", "CHILD", "KEPT", "LAST"):
        assert done.stderr.count(word) >= (1 if word == "LAST" else 2) or "--executor" in words, word


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_closed_standard_streams_are_no_error_and_lead_nothing_astray(tmp_path, closed):
    path = written(tmp_path, "prints_raw", init="os.write(1, b'RAW'); print('PRINTED')")
    line = f"{sys.executable} -m tunekit.cli validate {path} --json {closed}"
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if closed == "2>&-":
        json.loads(done.stdout)
    assert "Error" not in done.stderr


LOOP = "Path('hung').write_text('')\nwhile True: pass"
DEAF = """
while True:
    try:
        Path('hung').write_text('')  # in here: the signal may come as soon as the file is seen
        time.sleep(1e6)
    except BaseException as error: Path('caught').write_text(type(error).__name__)
"""


def seen(path: Path) -> None:
    end = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("words", "place", "code", "numbers", "told"),
    [
        (("run", "--jobs", "1"), "forward", LOOP, [signal.SIGINT], "goes on from here"),
        (("validate",), "init", DEAF, [signal.SIGTERM, signal.SIGINT], "ended at once"),
        (("validate",), "init", DEAF, [signal.SIGINT], "ended at once"),
    ],
)
def test_code_that_does_not_return_is_ended(tmp_path, words, place, code, numbers, told):
    """Here; of workers in test_executors.py."""
    path = written(tmp_path, "hangs_here", **{place: f"exec({code!r})"})
    command = [sys.executable, "-m", "tunekit.cli", words[0], str(path), *words[1:]]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            for number, name in zip(numbers, ("hung", "caught"), strict=False):
                seen(tmp_path / name)
                process.send_signal(number)
            _, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert told in err
    assert "Traceback" not in err


def test_what_ends_a_reader_is_told_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "ends_reader.py").write_text(
        "import sys, torch\n"
        "from torch.utils.data import Dataset, get_worker_info\n"
        "class Drawn(Dataset):\n"
        "    def __len__(self): return 640\n"
        "    def __getitem__(self, i):\n"
        "        if get_worker_info() is not None: sys.exit(0)\n"
        "        return torch.randn(4) + i % 2, i % 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    train = importlib.import_module("ends_reader").Drawn()
    plan = BatchPlan(DatasetSplit(train), seed=0, batch_size=8, per_epoch=80)
    with pytest.raises(UserError, match=r"^data: the dataset raised SystemExit: 0 \(ends_reader.py, line 6\)"):
        next(plan.stream(0, 1, readers=1, pin=False))


def test_a_thread_that_imports_as_the_program_ends_says_nothing(monkeypatch, capsys):
    from tunekit import pipeline

    def ends():
        raise RuntimeError("can't register atexit after shutdown")

    monkeypatch.setattr(pipeline, "import_importance", ends)
    thread = threading.Thread(target=pipeline._import_early)
    thread.start()
    thread.join()
    assert capsys.readouterr() == ("", "")


def test_a_thread_that_code_leaves_is_not_waited_for(tmp_path):
    path = written(
        tmp_path, "leaves_thread", init="import threading; threading.Thread(target=time.sleep, args=(1e6,)).start()"
    )
    done = spawn("validate", path, cwd=tmp_path, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr


def test_stop_is_an_interrupt_for_whoever_knows_no_better():
    assert issubclass(Stop, KeyboardInterrupt)
