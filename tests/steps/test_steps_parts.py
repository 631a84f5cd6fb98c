"""Steps 1 and 2 on outputs of several parts and on losses that take outputs neither for classes nor for targets."""

import pytest
from inline_run import carry_out, context_of, recipe_of, spoken


def result(step, model, data, loss, task="classification", **fields):
    recipe = recipe_of(
        f"planted_parts:{model}", f"planted_parts:{data}", loss={"target": f"planted_parts:{loss}"}, task=task, **fields
    )
    return carry_out(context_of(step, recipe))


SOUND = {
    "experts with a term of their own": ("Experts", "digits", "balanced"),
    "thresholds between grades": ("Thresholds", "grades", "cumulative"),
    "counts under a Poisson loss": ("Rate", "counts", "poisson", "regression"),
    "triplets whose labels the loss leaves out": ("Embedding", "triplets", "triplet"),
    "pairs in order": ("Scores", "pairs", "ranked", "regression"),
}


@pytest.mark.parametrize("step", ["check-init-loss", "overfit-tiny"])
@pytest.mark.parametrize("name", SOUND)
def test_a_sound_pipeline_has_no_finding(name, step):
    assert spoken(result(step, *SOUND[name])) == {}


def test_the_best_constant_outputs_are_an_expectation():
    assert "the best outputs that are the same for every sample" in (
        result("check-init-loss", "Thresholds", "grades", "cumulative").summary
    )


def test_a_loss_without_targets_has_no_theory():
    summary = result("check-init-loss", "Embedding", "triplets", "triplet").summary
    assert "other targets do not change it" in summary
    assert "%" not in summary


def test_a_loss_of_zero_without_a_gradient_at_the_outputs():
    found = spoken(result("check-init-loss", "Embedding", "triplets", "never_violated"))
    assert found["loss_without_gradient"] == "fail"


@pytest.mark.parametrize(("loss", "known"), [("ranked", False), ("ranked_the_other_way", True)])
def test_the_direction_of_a_metric_of_several_parts(loss, known):
    found = spoken(
        result("check-init-loss", "Scores", "pairs", loss, "regression", metric="max planted_parts:in_order")
    )
    assert ("metric_direction" in found) is known
