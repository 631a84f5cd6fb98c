"""A finished run with a final model, for the tests of pages."""

import shutil
from pathlib import Path

import pytest

from tests.commands import FAST, spawn
from tunekit.rundir import RunFolder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "fast.yaml").write_text(FAST)
    done = spawn("run", "fast.yaml", "--jobs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = spawn("train", "runs/fast-001", "--epochs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs/fast-001"


@pytest.fixture
def run(finished, tmp_path) -> RunFolder:
    shutil.copytree(finished, tmp_path / "runs/fast-001")
    return RunFolder(tmp_path / "runs/fast-001")
