"""Where the executors' tests train."""

import pytest

from tunekit.worker import Workspace


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "recipe").mkdir()
    return Workspace(str(tmp_path / "run" / "trainings"), str(tmp_path / "recipe"), "cpu")
