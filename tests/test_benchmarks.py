"""The benchmarks' pieces at a tiny scale: that they run and say what they should. No time is asserted."""

import json
import subprocess
import sys
from importlib.util import find_spec
from io import StringIO

import pytest
import torch
from rich.console import Console

from tests.benchmarks import (
    augmentation,
    bookkeeping,
    by_hand,
    fresh,
    hand,
    loop,
    lr_finders,
    problems,
    sidebyside,
    workers,
)
from tests.benchmarks.__main__ import BENCHMARKS
from tunekit.training.augmentations import AUGMENTATIONS


def test_sides_alternate_and_a_ratio_is_that_of_neighbours():
    order = []
    sides = {"a": lambda: order.append("a") or 2.0, "b": lambda: order.append("b") or 1.0}
    found = sidebyside.alternate(sides, 3)
    assert order == ["a", "b"] * 3
    assert sidebyside.ratio(found["a"], found["b"]) == 2.0
    assert sidebyside.ratio([2, 200, 3], [1, 100, 1]) == 2.0
    assert sidebyside.spread([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"


def test_a_table_is_markdown_and_ends_in_the_machine():
    screen = StringIO()
    report = sidebyside.Report("Title", ["what", "ratio"], [["loop", "0.97"]], ["a note"])
    sidebyside.show(report, sidebyside.machine(("rich",)), Console(file=screen, width=100))
    lines = [line.strip() for line in screen.getvalue().splitlines() if line.strip()]
    assert lines[0] == "Title"
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["loop", "0.97"]
    assert lines[-2] == "- a note"
    assert f"torch {torch.__version__.partition('+')[0]}" in lines[-1]
    assert "load average" in lines[-1]


def test_the_program_lists_its_benchmarks_and_refuses_others():
    command = [sys.executable, "-m", "tests.benchmarks"]
    shown = subprocess.run([*command, "--help"], cwd=fresh.ROOT, capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in BENCHMARKS)
    refused = subprocess.run([*command, "lop"], cwd=fresh.ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no benchmark 'lop'" in refused.stderr


def test_a_function_runs_in_a_fresh_interpreter_and_its_failure_is_told():
    assert fresh.call("sidebyside.version", package="no-such-package") is None
    with pytest.raises(RuntimeError, match=r"problems\.model: .*is not in|problems\.model: .*"):
        fresh.call("problems.model", kind="clean")  # a module is no JSON


def test_both_loops_run_over_the_same_recipe():
    found = loop.measure("digits", iterations=23, rounds=1)
    assert len(found["tunekit"]) == len(found["bare"]) == 1
    assert found["tunekit"][0] > 0 < found["bare"][0]
    assert found["about"].startswith("fp32, ")


def test_every_augmentation_is_measured_beside_what_is_installed():
    found = augmentation.measure(turns=1, warm=0, batch=2)
    assert set(found) == set(augmentation.ROWS)
    entries = {next(iter(entry)) if isinstance(entry, dict) else entry for entry in augmentation.OURS.values()}
    assert entries == set(AUGMENTATIONS) - {"vertical_flip"}
    assert all(len(times["tunekit"]) == len(times["torchvision"]) == 1 for times in found.values())


def test_one_and_two_workers_carry_out_the_same_trainings():
    found = workers.measure("digits", iterations=3, trainings=2)
    assert [len(found[jobs]) for jobs in ("1", "2")] == [3, 3]


def test_the_books_are_kept_for_every_trial():
    found = bookkeeping.measure(30)
    assert found["seconds"] > 0 < found["again"]
    assert found["journal_megabytes"] > 0


def test_a_plan_holds_each_training_once_by_its_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(by_hand, "held_out", lambda name: [1, 2])
    base = {"lr": 0.1, "weight_decay": 0.0, "seed": 0}
    lines = {"short": "1,0.1,0.1,2.3,0.1,,", "long": "1,1.0,0.1,2.3,0.1,2.2,0.2"}
    for name, data in (
        ("short", {"subset": None, "blank": False}),
        ("long", {"subset": None, "blank": False}),
        ("tiny", {"subset": {"per_class": 10}, "blank": False}),
        ("control", {"subset": {"per_class": 10}, "blank": True}),
    ):
        folder = tmp_path / "trainings" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({**base, "data": data}))
        header = "iteration,epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"
        (folder / "metrics.csv").write_text(f"{header}\n{lines.get(name, lines['short'])}\n")
    recipe = {"name": "mnist-mlp", "model": {"target": "mlp"}, "batch_size": 128}
    (tmp_path / "environment.json").write_text(json.dumps({"recipe": recipe}))
    plan = by_hand.plan_of(tmp_path)
    assert {kind: len(plan[kind]) for kind in ("tiny", "short", "long")} == {"tiny": 1, "short": 1, "long": 1}
    assert plan["short"] == [{**base, "iterations": 1}]
    assert plan["batch_size"] == 128


@pytest.mark.parametrize(
    ("spec", "recipe_model"),
    [
        ({"target": "mlp", "args": {"hidden": [16, 8]}}, "mlp"),
        ({"target": "cnn", "args": {"channels": [4, 8], "batch_norm": True, "dropout": 0.1}}, "cnn"),
    ],
)
def test_the_models_by_hand_are_those_of_the_recipes(spec, recipe_model):
    from tunekit.training.models import MODELS

    ours = MODELS[recipe_model]((1, 28, 28), 10, **spec["args"])
    shapes = [[tuple(p.shape) for p in model.parameters()] for model in (ours, hand.model_of(spec))]
    assert shapes[0] == shapes[1]


def test_a_trial_by_hand_validates_at_the_ends_of_epochs():
    x = torch.randn(20, 1, 28, 28)
    batches = [(x[:10], torch.arange(10)), (x[10:], torch.arange(10))]
    trial = {"seed": 0, "lr": 1e-2, "weight_decay": 0.0, "iterations": 5}
    spec = {"target": "mlp", "args": {"hidden": [16, 8]}}
    accuracies = list(hand.train(spec, trial, batches, batches))
    assert len(accuracies) == 2
    assert all(0 <= value <= 1 for value in accuracies)


@pytest.mark.parametrize("kind", problems.PROBLEMS)
def test_the_problems_can_be_learned(kind):
    assert lr_finders.drop(kind, "adamw", 0, 3e-3) > 0.1
    assert lr_finders.drop(kind, "momentum", 0, 1e9) < 0


def test_the_sweep_suggests_a_rate_for_a_problem():
    rate, iterations = lr_finders.by_lr_sweep("logistic", "adamw", 0)
    assert rate is not None
    assert iterations >= 900


@pytest.mark.parametrize(
    ("package", "finder"),
    [("lightning", lr_finders.by_lightning), ("torch_lr_finder", lr_finders.by_torch_lr_finder)],
)
def test_a_peer_suggests_a_rate_where_it_is_installed(package, finder):
    if find_spec(package) is None:
        pytest.skip(f'needs {package}: pip install ".[bench]"')
    rate = finder("logistic", "adamw", 0, 60)
    assert rate is None or 1e-9 < rate < 20


def test_a_peer_that_is_missing_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setattr(lr_finders, "find_spec", lambda name: None)
    assert lr_finders._why_missing("Ray Tune") == 'not installed (pip install ".[bench]")'
