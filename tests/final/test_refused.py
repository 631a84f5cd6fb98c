"""Settings of the final model that data, model, loss or metric do not allow are refused before anything is changed, so
that a model that was there goes on working; and what a failure on the way leaves."""

from pathlib import Path

import pytest
import torch

from tests.commands import files
from tunekit.deployed import load_model
from tunekit.rundir import read_run
from tunekit.vocabulary import Interrupted, StorageError, UserError

RUN = Path("runs/points-001")
OF_PAIRS = """
from points import *
def images():
    x, y = torch.randn(60, 1, 8, 8), torch.arange(60) % 3
    return TensorDataset(x[:40], y[:40]), TensorDataset(x[40:], y[40:])
class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    def forward(self, x):
        return {"scores": self.body(x), "twice": self.body(x)}
def of_pair(outputs, targets):
    return nn.functional.cross_entropy(outputs.get("twice"), targets)
def right(outputs, targets):
    return (outputs.get("scores").argmax(1) == targets).float().mean()
def unequal():
    train, val, test = splits()
    return train, TensorDataset(torch.zeros(20, 2, 1), torch.arange(20) % 3), test
class Anything(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = net()
    def forward(self, x):
        return self.body(x.reshape(len(x), -1))
"""


@pytest.mark.parametrize(
    ("change", "back", "said", "recipe"),
    [
        ("test_time=five-crop", "single", "takes images", {}),
        (
            "test_time=five-crop",
            "single",
            "loss or metric do not take",
            {
                "data": "pairs:images",
                "model": "{target: 'pairs:Pair'}",
                "text": "loss: 'pairs:of_pair'\nmetric: 'max pairs:right'",
            },
        ),
        ("with_validation=true", "false", "cannot be joined", {"data": "points:streams"}),
        (
            "with_validation=true",
            "false",
            "differ in shape",
            {"data": "pairs:unequal", "model": "{target: 'pairs:Anything'}"},
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_changes(points, tunekit, change, back, said, recipe):
    Path("pairs.py").write_text(OF_PAIRS)
    points("--epochs", "1", **recipe)
    before = {name: file for name, file in files(RUN).items() if name.startswith(("final", "recipe.yaml"))}
    assert "final/model.safetensors" in before
    key = f"train.{change.partition('=')[0]}"
    for words in (("validate", "points.yaml"), ("train", RUN, "--epochs", "1"), ("lr-sweep", RUN)):
        done = tunekit(*words, "--set", f"train.{change}")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert f"{key}: " in done.err
        assert said in done.err
        assert f"`--set {key}={back}`" in done.err
    assert {name: file for name, file in files(RUN).items() if name in before} == before
    assert tunekit("train", RUN, "--epochs", "1").code == 0


@pytest.mark.parametrize("error", [StorageError("disk full"), UserError("no such form")])
def test_a_model_that_is_not_written_leaves_the_one_before(points, tunekit, monkeypatch, error):
    points("--epochs", "1")
    before = (RUN / "final/model.safetensors").read_bytes()

    def packed(*_):
        raise error

    monkeypatch.setattr("tunekit.deployed.packed", packed)
    done = tunekit("train", RUN, "--epochs", "2")
    assert (RUN / "final/model.safetensors").read_bytes() == before
    if isinstance(error, StorageError):
        assert (done.code, done.err.count("\n")) == (2, 1)
    else:
        assert "not written as safetensors: no such form; final/model.safetensors is still that of" in done.out
        assert "holds it" not in done.out
    assert load_model(RUN, folder=".")(torch.zeros(2, 2)).shape == (2, 3)


def test_a_training_that_has_only_begun_is_not_yet_the_final_one(points, tunekit, monkeypatch):
    points("--epochs", "1")
    final = read_run(RUN).manifest()["final"]

    def train(*_):
        raise Interrupted("cut")

    with monkeypatch.context() as patch:
        patch.setattr("tunekit.supervisor.Supervisor.train", train)
        assert tunekit("train", RUN, "--set", "train.epochs=40").code == 130
    manifest = read_run(RUN).manifest()
    assert manifest["final"] == final != manifest["finishing"]
    assert tunekit("predict", RUN, "--split", "test").code == 0


def test_a_setting_is_kept_where_a_command_is_cut_off_before_it_proved_sound(points, tunekit):
    points("--epochs", "1")
    assert tunekit("train", RUN, "--budget", "0.001s", "--set", "train.epochs=40").code == 130
    assert "epochs: 40" in (RUN / "recipe.yaml").read_text()  # the command that goes on takes it from there


def test_a_command_that_finds_the_run_taken_changes_no_setting(points, tunekit):
    points("--epochs", "1")
    before = (RUN / "recipe.yaml").read_bytes()
    with read_run(RUN).lock():
        assert tunekit("train", RUN, "--set", "train.epochs=3").code == 2
        assert tunekit("predict", RUN, "--split", "test").code == 0
    assert (RUN / "recipe.yaml").read_bytes() == before


def test_what_could_not_be_scored_is_told_with_the_place_of_its_weights(points, tunekit, tmp_path, monkeypatch):
    points("--epochs", "1")
    monkeypatch.setenv("TEST_LABELS", "5")
    (tmp_path / "runs").rename(tmp_path / "before")
    done = tunekit("train", tmp_path / "points.yaml", "--epochs", "1")
    kept = done.err.strip().rpartition("the trained weights are kept in ")[2]
    assert Path(kept).is_file()
