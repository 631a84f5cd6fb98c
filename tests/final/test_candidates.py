"""Which of two models is kept, on candidates made by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.steps.hand_made import context_of
from tunekit.final import candidates
from tunekit.final.candidates import Asked, Candidate, chosen, with_asked


def candidate(origin, value, raw=None):
    return Candidate(origin, entry=None, value=value, epoch=3, epochs=10, told=(), raw=raw)


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """What is kept of a final training and a fine run with these values; "none" where the training diverged."""

    def choose(own, fine, origin="fine-run", epochs=None, raw=None, **facts):
        trained = None if own == "none" else candidate("train", own, raw)
        monkeypatch.setattr(candidates, "_trained", lambda *_: trained)
        context = context_of("diagnose", facts=facts)
        context = replace(context, recipe=with_asked(context.recipe, Asked(epochs=epochs)))
        supervisor = SimpleNamespace(run=SimpleNamespace(path=tmp_path), shown="runs/r-001")
        return chosen(supervisor, context, None if fine is None else candidate(origin, fine))

    return choose


def test_the_better_one_by_the_metrics_own_direction_is_kept_and_both_values_are_said(kept):
    best = kept(0.98, 0.95)
    assert best.origin == "train"
    assert best.told == (
        "val_accuracy 98.0 % of this training against 95.0 % of the fine run's weights: this one is better, and is "
        "kept",
    )
    best = kept(0.9, 0.95)
    assert best.origin == "fine-run"
    assert best.told == (
        "val_accuracy 90.0 % of this training against 95.0 % of the fine run's weights: the fine run's weights are "
        "better and kept",
    )
    assert kept(0.9, 0.95, metric="mae", maximize=False, share=False).origin == "train"
    assert kept(0.95, 0.9, metric="mae", maximize=False, share=False).origin == "fine-run"


def test_equal_ones_leave_the_one_whose_rate_fell(kept):
    assert kept(0.95, 0.95).origin == "train"
    assert "no worse" in kept(0.95, 0.95).told[0]


def test_without_a_fine_run_it_is_the_training_and_where_that_diverged_the_fine_run(kept):
    assert kept(0.5, None).told == ()
    best = kept("none", 0.9)
    assert best.origin == "fine-run"
    assert "diverged" in best.told[0]


def test_a_model_that_tuning_made_no_better_stays_unless_a_training_is_asked_for(kept):
    best = kept(0.99, 0.9, origin="untouched")
    assert best.origin == "untouched"
    assert "--epochs trains" in best.told[0]
    assert kept(0.99, 0.9, origin="untouched", epochs=5).origin == "train"
    best = kept(0.8, 0.9, origin="untouched", epochs=5)
    assert best.origin == "untouched"
    assert "the model as it came is better and kept" in best.told[0]


def test_raw_weights_that_are_better_than_what_is_handed_on_are_told_with_the_command_that_keeps_them(kept, tmp_path):
    best = kept(0.8, 0.9, raw=0.964)
    assert best.origin == "fine-run"
    assert best.told[-1] == (
        "this training's raw weights were better, val_accuracy 96.4 % against 90.0 % of what is kept: "
        "`tunekit train runs/r-001/recipe.yaml --set ema=null` keeps them"
    )
    (tmp_path / "best.yaml").touch()
    best = kept(0.8, None, raw=0.964, epochs=7)
    assert "`tunekit train runs/r-001/best.yaml --set ema=null --set train.epochs=7`" in best.told[-1]
    assert "raw" not in kept(0.8, 0.97, raw=0.964).told[-1]
    lower = {"metric": "mae", "maximize": False, "share": False}
    assert "raw weights were better" in kept(0.8, 0.9, raw=0.7, **lower).told[-1]
    assert "raw" not in kept(0.8, 0.9, raw=0.85, **lower).told[-1]


@pytest.mark.parametrize(
    ("losses", "at", "data", "rate"),
    [
        ([math.nan, math.nan], 1, True, False),
        ([2.3, 2.4, 2.2, math.nan], 4, True, True),  # a row of the fourth batch, or a rate that is far too large
        ([2.3, 9.0, 800.0, math.inf], 4, False, True),
        ([2.3, 9.0, 800.0], 3, False, True),
        ([2.3, 2.2], None, True, False),
    ],
)
def test_losses_that_never_rose_before_they_were_not_finite_point_to_the_data(losses, at, data, rate):
    told = candidates._of_no_value(losses, at, "tunekit check-init-loss r.yaml")
    assert ("tunekit check-init-loss r.yaml" in told, "a smaller rate" in told) == (data, rate)
