"""What a search comes to: which axes have sweeps of their own, how many, and how many cells."""

import pytest
from hand_made import context_of

from tunekit.pipeline import schema
from tunekit.recipe.text import SHORT
from tunekit.steps.coarse_grid.counting import count_search, misfit
from tunekit.steps.coarse_grid.plan import moves_rate

MOVING = (
    "batch_size",
    "clip_grad_norm",
    "optimizer.target",
    "optimizer.args.momentum",
    "model.target",
    "model.args.hidden",
    "model.args.width",
    "model.args.depth",
    "model.args.activation",
    "model.args.init",
    "model.args.batch_norm",
    "loss.target",
    "loss.args.weight",
)
SHARING = (
    "model.args.dropout",
    "data.augment",
    "data.augment_strength",
    "loss.args.label_smoothing",
    "schedule.args.warmup",
    "ema",
    "l1",
)


def test_what_moves_the_rate_and_what_regularises():
    assert all(map(moves_rate, MOVING))
    assert not any(map(moves_rate, SHARING))
    assert set(SHORT.values()) <= {*MOVING, *SHARING}


@pytest.mark.parametrize(
    ("search", "sweeps", "cells"),
    [
        ({"dropout": [0, 0.5]}, 0, 24),
        ({"batch_size": [32, 64, 128]}, 2, 36),  # the recipe's own 64 is swept by step 3
        ({"batch_size": [32, 128]}, 2, 24),
        ({"batch_size": [32, 64], "optimizer": ["adam", "sgd"], "l1": [0, 1e-5]}, 3, 96),
    ],
)
def test_sweeps_and_cells_are_counted(search, sweeps, cells):
    found = count_search(context_of("coarse-grid", search=search))
    assert (found.sweeps, found.cells) == (sweeps, cells)


def test_it_is_told_in_one_line():
    found = count_search(context_of("coarse-grid", search={"batch_size": [64, 32], "dropout": [0, 0.5]}))
    assert found.told == (
        "search: 48 cells at most before the grid grows; batch_size moves the rate: 1 more sweep; "
        "model.args.dropout shares it"
    )
    drawn = count_search(
        context_of("coarse-grid", search={"l1": [0, 1]}, steps={"coarse-grid": {"sampler": "tpe", "trials": 7}})
    )
    assert drawn.told == "search: 7 trials drawn by tpe (l1)"
    assert count_search(context_of("coarse-grid")) is None


def test_arguments_of_one_optimizer_may_be_none_of_another():
    base = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}}
    recipe = schema().model_validate({**base, "optimizer": {"target": "sgd", "args": {"momentum": 0.9}}})
    assert "optimizer.args (momentum) go to every optimizer" in misfit(recipe, {"optimizer.target": "adam"})
    assert misfit(recipe, {"optimizer.target": "sgd"}) == misfit(recipe, {"batch_size": 3}) == ""
