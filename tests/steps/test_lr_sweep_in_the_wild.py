"""Failures of known learning-rate finders that only a real sweep can show, each named by its case number."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.commands import FAST
from tunekit.store import Store
from tunekit.training.loop import Session
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import Training, UserError
from tunekit.worker import Worker, Workspace

CPU = torch.device("cpu")


def sweep(folder: Path, configs) -> dict[float, list[float]]:
    workspace = Workspace(str(folder / "trainings"), str(folder), "cpu")
    curves, worker = {}, Worker()
    for config in configs:
        list(worker.work(Training(config, 40, {}, purpose="test"), workspace))
        curves[config.lr] = Store(folder / "trainings").entry(config).rows()["train_loss"]
    return curves


def test_case_05_a_loader_shorter_than_the_sweep_is_cycled(make_config, tmp_path):
    config = make_config(data={"val_fraction": 0.9}, batch_size=64)  # two batches a pass
    (tmp_path / "trainings").mkdir()
    [losses] = sweep(tmp_path, [config]).values()
    assert len(losses) == 40
    assert losses[-1] < losses[0]


def test_case_06_every_rate_starts_from_the_same_model_and_the_same_batches(make_config, tmp_path):
    (tmp_path / "trainings").mkdir()
    rates = [1e-4, 1e-3, 1e-2]
    curves = sweep(tmp_path, [make_config(lr=rate) for rate in rates])
    assert len({curves[rate][0] for rate in rates}) == 1
    bench = Workbench(tmp_path, CPU)
    sessions = [Session(make_config(lr=rate), bench) for rate in rates]
    for k in (0, 7, 30):
        assert len({session.batch(k).args[0].sum().item() for session in sessions}) == 1


def test_case_06_a_model_that_is_handed_out_twice_is_refused(make_config, tmp_path):
    # Its weights would go from one rate's run into the next.
    (tmp_path / "one_model.py").write_text(
        "from torch import nn\nNET = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\ndef build():\n    return NET\n"
    )
    config = make_config(model={"target": "one_model:build", "args": {}})
    bench = Workbench(tmp_path, CPU)
    Session(config, bench)
    with pytest.raises(UserError, match="build a new one at each call"):
        Session(replace(config, lr=0.5), bench)


def test_case_08_and_10_nothing_is_left_in_the_working_directory(tunekit, fast, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert tunekit("lr-sweep", fast, "--runs-dir", tmp_path / "runs", "--jobs", 1).code == 0
    assert list(elsewhere.iterdir()) == []
    [run] = (tmp_path / "runs").iterdir()
    assert not [path for path in run.rglob("*") if path.name.endswith((".part", ".tmp"))]


def test_case_13_the_sweep_does_not_change_what_later_runs_validate_on(make_config, tmp_path):
    before = Session(make_config(), Workbench(tmp_path, CPU)).evaluate()
    (tmp_path / "trainings").mkdir()
    sweep(tmp_path, [make_config(lr=0.1)])
    after = Session(make_config(), Workbench(tmp_path, CPU)).evaluate()
    assert after.loss == before.loss
    assert (after.sample_losses == before.sample_losses).all()


def test_case_16_the_suggested_rate_is_the_one_that_the_grid_trains_with(tunekit, fast, tmp_path):
    assert "lr_factors: [1, 2]" in FAST
    assert tunekit("run", fast, "--name", "r", "--jobs", 1, "--to", "coarse-grid").code == 0
    rate = json.loads((tmp_path / "runs/r/lr-sweep/result.json").read_text())["handoff"]["lr"]
    configs = [json.loads(path.read_text()) for path in (tmp_path / "runs/r/trainings").glob("*/config.json")]
    assert {rate, 2 * rate} <= {
        config["lr"] for config in configs if config["weight_decay"] == 0 and config["regularize"]
    }


def test_case_20_checkpoints_load_with_weights_only(make_config, tmp_path):
    (tmp_path / "trainings").mkdir()
    sweep(tmp_path, [make_config()])
    [saved] = tmp_path.glob("trainings/*/checkpoint.pt")
    assert torch.load(saved, weights_only=True)["iteration"] == 40


def test_case_22_a_short_last_batch_is_left_out_of_every_pass(make_config, tmp_path):
    session = Session(make_config(batch_size=100), Workbench(tmp_path, CPU))
    assert len(session.splits.train) % 100
    assert {len(session.batch(k)) for k in range(2 * session.iterations_per_epoch)} == {100}
