"""What goes wrong in the middle of a run: each is told, nothing is lost, and the rest goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.commands import FAST, recipe, spawn, without_seconds
from tests.gate import command, gated
from tunekit.store import is_sound

TRAINED = ("run", "fast.yaml", "--name", "r", "--jobs", "1", "--to", "coarse-grid")


def results(run: Path) -> dict[str, dict]:
    return {path.parent.name: without_seconds(path) for path in run.glob("*/result.json")}


@pytest.fixture
def fast(tmp_path: Path) -> Path:
    path = tmp_path / "fast.yaml"
    path.write_text(gated(FAST, tmp_path))
    return path


@pytest.fixture(scope="module")
def untouched(tmp_path_factory) -> dict[str, dict]:
    """The results of a run in which nothing went wrong."""
    folder = tmp_path_factory.mktemp("untouched")
    (folder / "fast.yaml").write_text(gated(FAST, folder))
    assert spawn("run", "fast.yaml", "--name", "r", "--jobs", "1", cwd=folder).returncode == 0
    return results(folder / "runs/r")


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory) -> Path:
    """The project of a run that has its grid and not yet its fine run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "fast.yaml").write_text(gated(FAST, folder))
    assert spawn(*TRAINED, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def trained(trained_once, tmp_path) -> Path:
    """That run, the project moved to where this test works."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs/r"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_checkpoint_is_noticed_said_and_trained_anew(tunekit, trained, untouched, damage):
    for path in trained.glob("trainings/*/checkpoint.pt"):
        damage(path)
        assert not is_sound(path.read_bytes())
    done = tunekit("run", "fast.yaml", "--name", "r", "--jobs", 1)
    assert done.code == 0, done.err
    assert "its files are damaged; it is trained anew" in done.out
    assert results(trained) == untouched


def test_torn_last_lines_of_metrics_and_journal_are_left_out(tunekit, trained, untouched):
    for path in trained.glob("trainings/*/metrics.csv"):
        path.write_bytes(path.read_bytes()[:-7])
    journal = trained / "studies.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 5, "worker_id": "abc", "tri')
    assert tunekit("run", "fast.yaml", "--name", "r", "--jobs", 1).code == 0
    assert results(trained) == untouched


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-40] + b'{"op_code": 5}\n',  # its end was torn, and then written on
        lambda data: data.replace(b"\n", b"\nnonsense\n", 3),
        lambda data: data + b'{"op_code": 99, "worker_id": "a"}\n',
        lambda data: data + b"[]\n",
        lambda data: data[:100] + b"\0" * 4096 + data[100:],
        lambda data: data + b"[" * 100_000 + b"\n",
    ],
    ids=["torn", "lines", "entry", "list", "zeros", "deep"],
)
def test_a_damaged_journal_is_put_aside_and_filled_anew_from_the_trainings(tunekit, trained, untouched, damage):
    journal = trained / "studies.journal"
    journal.write_bytes(damage(journal.read_bytes()))
    damaged = journal.read_bytes()
    done = tunekit("run", "fast.yaml", "--name", "r", "--jobs", 1)
    assert done.code == 0, done.err
    assert done.out.count("studies.journal was damaged: it is kept as studies.journal.damaged, and filled anew") == 1
    assert (trained / "studies.journal.damaged").read_bytes() == damaged
    again = results(trained)
    for step, result in again.items():  # what was trained before counts as trained by nobody anew
        assert result.pop("cost")["iterations"] <= untouched[step]["cost"]["iterations"]
        assert result == {name: value for name, value in untouched[step].items() if name != "cost"}
    assert again.keys() == untouched.keys()


def test_a_project_that_moved_goes_on(tunekit, fast, tmp_path, untouched, monkeypatch):
    place, moved = tmp_path / "project", tmp_path / "moved"
    place.mkdir()
    for path in [path for path in tmp_path.iterdir() if path.is_file()]:
        path.rename(place / path.name)
    monkeypatch.chdir(place)
    done = tunekit(*TRAINED)
    assert done.code == 0, done.err
    monkeypatch.chdir(tmp_path)
    place.rename(moved)
    monkeypatch.chdir(moved)
    done = tunekit("fine-run", "runs/r", "--jobs", 1)
    assert done.code == 0, done.err
    done = tunekit("run", "fast.yaml", "--name", "r", "--jobs", 1)
    assert done.code == 0, done.err
    assert done.out.count("finished before") == 5
    assert results(moved / "runs/r") == untouched


def test_a_worker_that_is_killed_costs_nothing(fast, tmp_path, untouched):
    words = ("run", "fast.yaml", "--name", "r", "--jobs", "2", "--to", "lr-sweep")
    with command(*words, cwd=tmp_path, tickets=2) as (process, gate):
        for pid in gate.held(process):
            os.kill(pid, signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    steps = ("check-init-loss", "overfit-tiny", "lr-sweep")
    assert results(tmp_path / "runs/r") == {step: untouched[step] for step in steps}


def test_sigterm_saves_and_says_how_to_go_on(fast, tmp_path):
    fast.write_text(fast.read_text().replace("iterations: 30", "iterations: 100000"))
    words = ("run", "fast.yaml", "--name", "r", "--jobs", "1", "--to", "lr-sweep")
    with command(*words, cwd=tmp_path, tickets=1) as (process, gate):
        gate.held(process)
        process.terminate()
        gate.open()
        _, err = process.communicate()
    assert process.returncode == 130
    assert "SIGTERM" in err
    assert "goes on from here" in err
    saved = list(tmp_path.glob("runs/r/trainings/*/checkpoint.pt"))
    assert saved
    assert all(is_sound(path.read_bytes()) for path in saved)


MODEL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.width = width
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))

    def forward(self, x):
        if self.width == 33:
            raise {error}
        return self.body(x)
"""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('width 33 is unlucky')", "width 33 is unlucky"),
        ("torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 9 GiB')", "smaller batch_size"),
        ("MemoryError()", "smaller batch_size"),
    ],
)
def test_one_cell_that_fails_is_told_with_its_reason_and_the_rest_go_on(tunekit, tmp_path, error, told):
    name = f"failing_{abs(hash(error))}"
    (tmp_path / f"{name}.py").write_text(MODEL.format(error=error))
    path = recipe(tmp_path, model=f"{{target: '{name}:Net'}}", search="{model.args.width: [32, 33]}")
    done = tunekit("coarse-grid", path, "--jobs", 1, "--keep-going")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "runs/fast-001/coarse-grid/result.json").read_text())
    [failed] = [finding for finding in result["findings"] if finding["code"] == "cells_failed"]
    assert told in failed["message"]
    assert result["handoff"]["model.args.width"] == 32


def test_a_loss_that_turns_nan_in_the_middle_is_stored_and_final(tunekit, tmp_path):
    (tmp_path / "turning_loss.py").write_text(
        "import torch\n"
        "def loss(outputs, targets):\n"
        "    value = torch.nn.functional.cross_entropy(outputs, targets)\n"
        "    return value / 0 * 0 if float(value) < 1.2 else value\n"
    )
    path = recipe(tmp_path, loss="'turning_loss:loss'")
    done = tunekit("run", path, "--jobs", 1, "--keep-going", "--to", "lr-sweep")
    assert done.code == 0  # step 2 ends where free outputs do, just before the loss turns; some rates stay above it
    result = json.loads((tmp_path / "runs/fast-001/lr-sweep/result.json").read_text())
    words = {row["lr"]: row["verdict"] for row in result["table"]}
    assert words[1e-1].startswith("diverged at")
    for path in (tmp_path / "runs/fast-001/trainings").glob("lr1e-1*/metrics.csv"):
        lines = path.read_text().splitlines()
        assert sum("nan" in line for line in lines) == 1
        assert "nan" in lines[-1]
        assert not path.with_name("checkpoint.pt").exists()


def test_a_reader_that_hangs_is_said(monkeypatch):
    import torch
    from torch.utils.data import Dataset

    from tunekit.training import data, order
    from tunekit.vocabulary import UserError

    reading, opened = os.pipe()

    class Hanging(Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, index):
            if torch.utils.data.get_worker_info() is not None:
                os.read(reading, 1)  # comes to an end when the test has seen what it wants
            return torch.zeros(3), 0

    monkeypatch.setattr(order, "READER_TIMEOUT_S", 1)
    plan = order.BatchPlan(data.DatasetSplit(Hanging()), 0, 8, 8)
    with pytest.raises(UserError, match="gave no batch for 1 s"):
        next(plan.stream(0, 4, readers=1, pin=False))
    os.write(opened, b"\n" * 64)
    os.close(opened)
    os.close(reading)


@pytest.mark.long
def test_readers_0_reads_in_the_trainings_own_process(tmp_path):
    (tmp_path / "drawn_here.py").write_text(
        "import torch\n"
        "from torch.utils.data import Dataset, get_worker_info\n"
        "class Drawn(Dataset):\n"
        "    def __len__(self): return 64\n"
        "    def __getitem__(self, i):\n"
        "        if get_worker_info() is not None: raise RuntimeError('read elsewhere')\n"
        "        return torch.randn(4) + i % 2, i % 2\n"
        "def make(): return Drawn(), Drawn()\n"
    )
    path = recipe(tmp_path, data="{target: 'drawn_here:make'}")
    words = ("lr-sweep", path, "--keep-going", "--jobs", "1")
    here = spawn(*words, "--name", "here", "--readers", "0", cwd=tmp_path)
    assert "read elsewhere" not in here.stdout + here.stderr
    assert list((tmp_path / "runs/here/trainings").rglob("metrics.csv")), here.stderr
    elsewhere = spawn(*words, "--name", "elsewhere", "--readers", "1", cwd=tmp_path)
    assert "RuntimeError: read elsewhere (drawn_here.py, line 6)" in elsewhere.stdout + elsewhere.stderr


def test_a_source_edited_between_two_steps_is_said_and_nothing_stale_is_reused(tunekit, tmp_path):
    (tmp_path / "edited_between.py").write_text(MODEL.format(error="ValueError"))
    path = recipe(tmp_path, model="{target: 'edited_between:Net'}")
    first = tunekit("run", path, "--name", "r", "--jobs", 1, "--to", "lr-sweep")
    assert first.code == 0, first.err
    before = {p.name for p in (tmp_path / "runs/r/trainings").iterdir()}
    source = tmp_path / "edited_between.py"
    source.write_text(source.read_text().replace("nn.ReLU()", "nn.Tanh()"))
    second = spawn("lr-sweep", "runs/r", "--jobs", "1", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "edited_between.py changed since the last command" in second.stdout
    sweeps = {p.name for p in (tmp_path / "runs/r/trainings").iterdir()} - before
    assert len(sweeps) >= 5
