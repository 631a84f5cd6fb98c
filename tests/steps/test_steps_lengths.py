"""What a recipe asks for that its trainings are too short for is told, each with the lengths; what fits is not."""

import pytest

from tests.steps.hand_made import context_of
from tunekit.steps.lengths import outlasting

# 20 iterations an epoch: a cell has 5 epochs or 100 iterations, the fine run 10 epochs or 200.
CELL, FINE, LAST = "a cell of coarse-grid (100 iterations)", "fine-run (200 iterations)", "train (200 iterations)"
NEVER = "the rate is never reached"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({}, []),
        ({"schedule": {"warmup": 99}}, []),
        ({"schedule": {"warmup": 100}}, [f"schedule.args.warmup: 100 iterations are not over in {CELL}: {NEVER}"]),
        (
            {"schedule": {"warmup": "10 epochs"}},
            [f"schedule.args.warmup: 200 iterations are not over in {CELL}, {FINE} and {LAST}: {NEVER}"],
        ),
        ({"schedule": {"name": "cosine", "warmup": "5 %"}}, []),
        (
            {"schedule": {"name": "cosine", "args": {"total": 300}}},
            ["schedule.args.total: 300, and train has 200 iterations: the rate does not fall to its end"],
        ),
        (
            {"schedule": {"name": "linear", "args": {"total": 100}}},
            ["schedule.args.total: 100, and train has 200 iterations: the rest trains at the last rate"],
        ),
        (
            {"schedule": {"name": "step", "args": {"every": 200}}},
            ["schedule.args.every: 200, and train has 200 iterations: the rate never falls"],
        ),
        ({"schedule": {"name": "step", "args": {"every": 100}}}, []),
        (
            {"schedule": "step", "train": {"epochs": 50}},
            ["schedule.args.every: 1,000, and train has 1,000 iterations: the rate never falls"],
        ),
        (
            {"schedule": {"name": "step", "args": {"every": 150}, "warmup": 50}},
            ["schedule.args.every: 150 behind a warm-up of 50, and train has 200 iterations: the rate never falls"],
        ),
        (
            {"schedule": {"name": "exponential", "args": {"gamma": 0.9999}}},
            ["schedule.args.gamma: 0.9999 leaves 98.0 % of the rate after 200 iterations of train"],
        ),
        ({"schedule": "exponential"}, []),
        ({"schedule": "plateau"}, []),
        (
            {"schedule": "plateau", "train": {"epochs": 6}},
            ["schedule.args.patience: 5 of 6 epochs: the rate never falls"],
        ),
        ({"train": {"patience": 8}, "steps": {"fine-run": {"patience": 8}}}, []),
        ({"train": {"patience": 9}}, ["train.patience: 9 of 10 epochs ends no training early"]),
        (
            {"steps": {"fine-run": {"epochs": 2, "patience": 1}}},
            ["steps.fine-run.patience: 1 of 2 epochs ends no training early"],
        ),
        ({"model": {"target": "mlp", "freeze": 9}}, []),
        (
            {"model": {"target": "mlp", "freeze": 10}},
            [f"model.freeze: the body never trains in {name}, of 10 epochs" for name in ("fine-run", "train")],
        ),
        ({"ema": 0.99}, []),
        ({"ema": 0.996}, [f"ema: 0.996 leaves 67.0 % of the average to the first weights in {CELL}; take less"]),
        (
            {"search": {"schedule.warmup": [0, 150]}},
            [f"schedule.args.warmup: 150 iterations are not over in {CELL}: {NEVER}"],
        ),
        (
            {"schedule": {"warmup": 80}, "search": {"batch_size": [64, 320], "dropout": [0.1]}},
            [
                "schedule.args.warmup: 80 iterations are not over in a cell of coarse-grid (20 iterations), "
                f"fine-run (40 iterations) and train (40 iterations): {NEVER} (with batch_size: 320)"
            ],
        ),
    ],
)
def test_what_outlasts_a_training_is_told_with_its_length(recipe, told):
    assert outlasting(context_of("coarse-grid", **recipe)) == told


def test_of_the_final_training_alone():
    context = context_of("coarse-grid", schedule={"warmup": 150}, train={"epochs": 5})
    [line] = outlasting(context, final_alone=True)
    assert line == f"schedule.args.warmup: 150 iterations are not over in train (100 iterations): {NEVER}"
