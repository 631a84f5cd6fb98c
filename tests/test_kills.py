"""kill -9 at any moment, then the same command again: the results equal those of a run that was never killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import FAST, spawn, without_seconds
from tests.gate import command, gated
from tunekit.steps import step_names

End = Callable[[subprocess.Popen], None]


@pytest.fixture(autouse=True)
def with_a_terminal():
    """What these tests run below may ignore SIGHUP, as nohup does, and commands would inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def kill_group(process: subprocess.Popen) -> None:
    """The supervisor and its workers, at once: the machine is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def hang_up(process: subprocess.Popen) -> None:
    """The terminal is closed."""
    os.killpg(process.pid, signal.SIGHUP)
    process.wait()


def finish(
    folder: Path, words: tuple[str, ...], kills: int, longest: float, draw: random.Random, end: End = kill_group
) -> None:
    """The command, ended `kills` times at random moments, then left to end."""
    count = 0
    while count < kills:
        process = subprocess.Popen(
            [sys.executable, "-m", "tunekit.cli", *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(draw.uniform(0.2, longest))
        if process.poll() is not None:  # it was quicker, and what would be killed next had nothing to do
            shutil.rmtree(folder / "runs")
            continue
        # Sometimes the supervisor alone: its workers must notice by themselves.
        if end is kill_group and count % 3 == 2:
            process.kill()
            process.wait()
        else:
            end(process)
        count += 1
    done = spawn(*words, cwd=folder)
    assert done.returncode == 0, done.stderr


def assert_whole(run: Path) -> None:
    """No half-written file below trainings/."""
    for training in (run / "trainings").iterdir():
        names = {path.name for path in training.iterdir()}
        assert not {name for name in names if name.endswith(".part")}, training
        json.loads((training / "config.json").read_text())
        for archive in training.glob("*.pt"):
            with zipfile.ZipFile(archive) as opened:
                assert opened.testzip() is None
        metrics = training / "metrics.csv"
        if metrics.exists():
            lines = metrics.read_text().split("\n")
            assert lines[-1] == ""
            width = lines[0].count(",")
            assert all(line.count(",") == width for line in lines[:-1])
            assert [line.partition(",")[0] for line in lines[1:-1]] == [str(k) for k in range(1, len(lines) - 1)]


def check_kills(tmp_path: Path, recipe: str, kills: int, jobs: str, seed: int, end: End = kill_group) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.yaml").write_text(recipe)
    words = ("run", "recipe.yaml", "--name", "r", "--jobs", jobs)
    started = time.monotonic()
    done = spawn(*words, cwd=tmp_path / "whole")
    longest = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    finish(tmp_path / "killed", words, kills, longest, random.Random(seed), end)
    for step in step_names():
        whole, killed = (tmp_path / name / "runs/r" / step / "result.json" for name in ("whole", "killed"))
        assert without_seconds(killed) == without_seconds(whole), step
    assert_whole(tmp_path / "killed/runs/r")
    for metrics in (tmp_path / "whole/runs/r/trainings").glob("*/metrics.csv"):
        other = tmp_path / "killed/runs/r/trainings" / metrics.parent.name / "metrics.csv"
        assert other.read_bytes() == metrics.read_bytes()


@pytest.mark.long
def test_three_kills_change_nothing(tmp_path):
    check_kills(tmp_path, FAST, kills=3, jobs="2", seed=0)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_twenty_kills_change_nothing(tmp_path, jobs):
    digits = (Path(__file__).parent.parent / "recipes" / "digits.yaml").read_text()
    check_kills(tmp_path, digits, kills=20, jobs=jobs, seed=int(jobs))


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_five_closed_terminals_change_nothing(tmp_path, jobs):
    digits = (Path(__file__).parent.parent / "recipes" / "digits.yaml").read_text()
    check_kills(tmp_path, digits, kills=5, jobs=jobs, seed=int(jobs), end=hang_up)


def test_a_run_below_nohup_outlives_its_terminal(tmp_path):
    (tmp_path / "recipe.yaml").write_text(gated(FAST, tmp_path))
    words = ("run", "recipe.yaml", "--name", "r", "--jobs", "2", "--to", "lr-sweep")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does; it is inherited
    try:
        with command(*words, cwd=tmp_path, tickets=2) as (process, gate):
            gate.held(process)
            os.killpg(process.pid, signal.SIGHUP)
            gate.open()
            _, err = process.communicate()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_closed_terminal_leave_a_run_that_goes_on(tmp_path, number):
    recipe = gated(FAST.replace("iterations: 30", "iterations: 100000"), tmp_path)
    (tmp_path / "recipe.yaml").write_text(recipe)
    words = ("run", "recipe.yaml", "--name", "r", "--jobs", "2", "--to", "lr-sweep")
    with command(*words, cwd=tmp_path, tickets=2) as (process, gate):
        gate.held(process)
        os.killpg(process.pid, number)
        if number == signal.SIGHUP:
            os.killpg(process.pid, number)  # the shell sends one more
        gate.open()
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "goes on from here" in err
    assert "Traceback" not in err
    assert_whole(tmp_path / "runs/r")
    assert list((tmp_path / "runs/r/trainings").glob("*/checkpoint.pt"))
