"""What a search comes to: which axes have sweeps of their own, how many, and how many cells."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hand_made import carry_out, codes, context_of, facts_of, falling, found, judged, recipe_of, trained

from tunekit.configuration import MetricSpec
from tunekit.halves import half_means
from tunekit.measured import ChanceMeasured, Guess
from tunekit.pipeline import schema
from tunekit.recipe.text import SHORT, axis_path
from tunekit.steps.coarse_grid.counting import check_measure, count_search, misfit
from tunekit.steps.coarse_grid.plan import moves_rate
from tunekit.training.building import build_metric
from tunekit.training.meaning import follows_batch_size
from tunekit.vocabulary import Record, UserError, columns

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}

MOVING = (
    "batch_size",
    "clip_grad_norm",
    "optimizer.target",
    "optimizer.args.momentum",
    "model",
    "model.target",
    "model.args.hidden",
    "model.args.width",
    "model.args.depth",
    "model.args.activation",
    "model.args.init",
    "model.args.batch_norm",
    "loss",
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


class TestLossesOfTwoFunctions:
    """A smoothed loss, a weighted one, a focal one of another gamma: each is on a scale of its own."""

    AXES = ("loss", "loss.target", "loss.args.gamma", "label_smoothing", "loss.args.weight", "loss.args.own")

    @pytest.mark.parametrize("path", AXES)
    @pytest.mark.parametrize("metric", ["loss", "auto"])
    def test_the_loss_does_not_choose_among_them(self, path, metric):
        recipe = recipe_of(search={path: ["focal", "nll"] if path.startswith("loss") else [0, 0.1]}, metric=metric)
        with pytest.raises(
            UserError, match=rf"^search\.{axis_path(path)}: each value makes another loss.*name a metric"
        ):
            check_measure(recipe, facts_of(metric="loss", maximize=False, share=False))
        check_measure(recipe, facts_of())

    def test_a_metric_of_ones_own_that_is_called_loss_is_another(self, tmp_path):
        (tmp_path / "called_loss_t.py").write_text(
            "def loss(outputs, targets): return (outputs - targets).abs().max()\n"
        )
        metric = build_metric(MetricSpec("min called_loss_t:loss"), "regression", tmp_path)
        assert columns(metric.name)[-2:] == ("val_loss", "val_own_loss")
        check_measure(recipe_of(search={"loss.target": ["mse", "l1"]}), facts_of(metric=metric.name))

    def test_nor_among_batch_sizes_that_move_it(self):
        recipe = recipe_of(search={"batch_size": [32, 64]}, metric="loss")
        facts = facts_of(metric="loss", maximize=False, share=False)
        check_measure(recipe, facts)
        with pytest.raises(UserError, match=r"^search\.batch_size: this loss follows the batch size"):
            check_measure(recipe, replace(facts, loss_of_batches=True))

    @pytest.mark.parametrize(("lossy", "plain"), [(0.9, 0.6), (0.6, 0.9)])
    def test_cells_are_held_to_one_another_by_what_samples_give_to_the_metric(self, lossy, plain):
        """The smoothed cells lose more by construction; who is better, and what is equal, is told by accuracy."""
        right = {0.1: lossy, 0: plain}

        def answer(request):
            smoothing = request.config.loss.args.get("label_smoothing", 0)
            draw = np.random.default_rng(0).random((request.until // 20, 400))
            scores = (draw < right[smoothing]).astype(float)
            losses = np.full(scores.shape, 0.8 if smoothing else 0.3) + 0.01 * draw
            ends = list(zip(losses.mean(1), scores.mean(1), strict=True))
            made = trained(request, falling(2.3, 0.5, request.until), ends, losses)
            return Record(request, made.rows, val_losses=losses, val_scores=scores, val_halves=half_means(scores))

        context = context_of("coarse-grid", SWEPT, {"n_val": 400}, search={"label_smoothing": [0, 0.1]})
        chance = ChanceMeasured(Guess(0.1, "majority"), Guess(0.35, "prior"), 400)
        result = judged(context, carry_out(context, answer, baselines={"guessing": chance}))
        best = 0.1 if lossy > plain else 0
        assert result.handoff["loss.args.label_smoothing"] == best
        rows = [row for row in result.table if "loss.args.label_smoothing" in row]
        equal = {row["loss.args.label_smoothing"] for row in rows if row["verdict"] == "within noise"}
        assert equal == {best}
        assert "no_better_than_chance" not in codes(result)

    @pytest.mark.parametrize("context", ["coarse-grid", "fine-run"])
    def test_equal_accuracies_are_equal_and_the_gain_over_guessing_has_no_loss(self, context):
        def answer(request):
            smoothed = request.config.loss.args.get("label_smoothing", 0)
            draw = np.random.default_rng(0).random((request.until // 20, 400))
            scores, losses = (draw < 0.1).astype(float), (0.2 if smoothed else 0.9) + 0.01 * draw
            ends = list(zip(losses.mean(1), scores.mean(1), strict=True))
            made = trained(request, falling(2.3, 0.5, request.until), ends, losses)
            return Record(request, made.rows, val_losses=losses, val_scores=scores, val_halves=half_means(scores))

        top = [{"lr": 3e-3, "weight_decay": 0.0, "loss.args.label_smoothing": value} for value in (0, 0.1)]
        grid = {"val_accuracy": 0.1, "val_loss": 0.9, "iterations": 100, "training": "x", "top": top, **top[0]}
        earlier = {**SWEPT, **({"coarse-grid": grid} if context == "fine-run" else {})}
        step = context_of(context, earlier, {"n_val": 400}, search={"label_smoothing": [0, 0.1]})
        chance = ChanceMeasured(Guess(0.1, "majority"), Guess(0.5, "prior"), 400)
        result = judged(step, carry_out(step, answer, baselines={"guessing": chance}))
        told = found(result, "no_better_than_chance")
        assert told.severity == "fail"
        assert "val_loss" not in told.message
        if context == "coarse-grid":
            assert found(result, "within_noise").message.startswith("7 cells are")
            [row] = [row for row in result.table if row["lr"] == "guessing"]
            assert "val_loss" not in row  # it would stand beside losses of another function


@pytest.mark.parametrize(
    ("loss", "follows"),
    [
        (F.cross_entropy, False),
        (lambda o, t: F.cross_entropy(o, t, weight=torch.tensor([1.0, 5.0, 2.0])), False),
        (lambda o, t: F.cross_entropy(o, t, reduction="sum"), True),
        (lambda o, t: F.cross_entropy(o @ o.T, torch.arange(len(o))), True),
        (lambda o, t: F.cross_entropy(o, t) * torch.rand(()), False),
    ],
)
def test_a_loss_that_follows_the_batch_size(loss, follows):
    draw = torch.Generator().manual_seed(0)
    assert follows_batch_size(loss, torch.randn(8, 3, generator=draw), torch.arange(8) % 3) is follows
