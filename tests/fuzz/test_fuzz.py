"""Damaged logs, runs and recipes: a verdict or one line, in bounded time and memory, and nothing written elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import FAST, spawn
from tests.logs import log_samples
from tunekit.logs.readers import readers

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """What is damaged: a sample of every kind of log, a finished run, and a recipe."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "recipe.yaml").write_text(FAST)
    done = spawn("run", "recipe.yaml", "--name", "run", "--jobs", "1", cwd=folder, timeout=300)
    assert done.returncode == 0, done.stderr
    (folder / "runs/run").rename(folder / "run")
    (folder / "home").mkdir()
    assert set(log_samples.SAMPLES) == set(readers())
    for name, make in log_samples.SAMPLES.items():
        (folder / "logs" / name).mkdir(parents=True)
        make(folder / "logs" / name)
    return folder


def damaged(whole: Path, first: int, count: int, timeout: float) -> dict[str, int]:
    """How many calls of each kind were made on damaged files; none of them went wrong."""
    environment = {**os.environ, "HOME": str(whole / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(HERE / "calls.py"), str(whole), str(first), str(count)],
        env={**environment, "MPLCONFIGDIR": str(whole.parent / "matplotlib"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=whole,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    assert answer["wrong"] == []
    return answer["done"]


def test_damage_is_a_verdict_or_one_line(whole):
    assert damaged(whole, 0, 60, timeout=280) == {"log": 24, "run": 24, "recipe": 12}


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 11_000, 500))
def test_much_damage_is_a_verdict_or_one_line(whole, first):
    assert sum(damaged(whole, first, 500, timeout=1_800).values()) == 500
