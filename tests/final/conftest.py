"""A folder with data and a model of a person's own, and recipes on them."""

import json
import shutil
from pathlib import Path

import pytest

from tunekit.final.result import FinalModel, Looks

HERE = Path(__file__).parent


@pytest.fixture
def points(tmp_path, tunekit):
    """Writes a recipe on the clouds of points; `train` gives the command `train` on it, or on its run, and its JSON."""
    shutil.copy(HERE / "points.py", tmp_path / "points.py")

    def train(*words, data="points:splits", target=None, text="", model="{target: 'points:net'}"):
        if target is None:
            target = tmp_path / "points.yaml"
            target.write_text(
                f"name: points\ndata: {{target: '{data}'}}\nmodel: {model}\n"
                f"optimizer: {{target: adam, lr: 0.01}}\nbatch_size: 20\n{text}\n"
            )
        done = tunekit("train", target, *words, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    return train


@pytest.fixture
def final_model():
    """A final model that was scored so on the test split."""

    def made(scored):
        return FinalModel("train", "val_accuracy", 0.5, 1, 1, "w/best.pt", None, (), "test", scored, Looks(1, ("m",)))

    return made
