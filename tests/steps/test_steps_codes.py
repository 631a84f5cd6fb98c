"""Every code stands beside what says it, and says what `tunekit explain` needs."""

import importlib
import inspect
import pkgutil
import re

import pytest

from tunekit.steps import baselines, codes, get_step, step_names, steps
from tunekit.vocabulary import Code

SAID = {
    "check-init-loss": {
        "fail": """initial_loss_high initial_loss_low outputs_are_probabilities outputs_clipped loss_not_averaged
            class_count_mismatch labels_out_of_range input_not_finite input_constant split_leak split_mismatch
            unused_parameters vanishing_gradients exploding_gradients dead_units batch_leak input_ignored
            regularization_not_added initial_loss_not_finite loss_without_gradient parameters_outside_model
            parameters_not_optimized frozen_parameters_move rate_not_used identical_units statistics_not_updated
            gradient_cut""",
        "warn": """logits_too_large input_not_normalized class_imbalance conflicting_labels frozen_parameters
            random_in_eval normalized_by_few shared_statistics weight_decay_high
            dropout_before_batch_norm""",
    },
    "overfit-tiny": {
        "fail": "cannot_overfit loss_flat loss_not_finite",
        "warn": "overfit_slow eval_mode_differs memorizes_without_input",
    },
    "lr-sweep": {"fail": "no_learning_rate_works all_diverged", "warn": "best_at_edge narrow_range ends_at_chance"},
    "coarse-grid": {"warn": "best_at_edge cells_failed", "note": "cells_diverged within_noise"},
    "fine-run": {
        "fail": "fine_run_diverged",
        "warn": "unstable_across_seeds",
        "note": "still_improving within_noise not_repeatable",
    },
}
"""Codes that people and their scripts rely on, by the step that says them and what each does to its verdict."""

UNSOURCED = {
    "batch_is_everything",
    "step_failed",
    "cells_failed",
    "not_repeatable",
    "fine_run_lengthened",
    "no_finite_value",
}
"""Codes that say what tunekit itself saw and that no paper, page or slide stands behind."""


def modules(step):
    """The modules of a step: its own, and those of its folder."""
    module = importlib.import_module(step.plan.__module__)
    package = module if hasattr(module, "__path__") else importlib.import_module(module.__package__)
    if package.__name__ == "tunekit.steps":
        return [module]
    return [
        package,
        *(importlib.import_module(f"{package.__name__}.{i.name}") for i in pkgutil.iter_modules(package.__path__)),
    ]


@pytest.mark.parametrize("name", [name for name in step_names() if not get_step(name).reads_logs])
def test_a_code_stands_in_its_step_under_its_own_name_and_is_said_and_collected(name):
    step = get_step(name)
    text = "\n".join(inspect.getsource(module) for module in (*modules(step), baselines))  # said for several steps
    named = {
        variable: code for module in modules(step) for variable, code in vars(module).items() if isinstance(code, Code)
    }
    assert {variable.lower() for variable in named} == {code.name for code in named.values()}
    assert [variable for variable in named if f"{variable}.finding(" not in text] == []
    assert {code.name for code in step.codes()} == {code.name for code in named.values()}


@pytest.mark.parametrize("step", sorted(SAID))
def test_codes_keep_their_names_steps_and_severities(step):
    severities = {code.name: code.severity for code in get_step(step).codes()}
    for severity, names in SAID[step].items():
        assert {name: severities.get(name) for name in names.split()} == dict.fromkeys(names.split(), severity)


def test_a_code_is_one_thing_whoever_says_it():
    for step in steps():
        for code in step.codes():
            assert codes()[code.name][0] is code
    assert codes()["best_at_edge"][1] == ["lr-sweep", "coarse-grid", "fine-run"]


@pytest.mark.parametrize("name", sorted(codes()))
def test_a_code_says_what_it_means_how_it_is_measured_and_what_to_do(name):
    code, said_by = codes()[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert set(said_by) <= set(step_names())
    assert code.severity in ("note", "warn", "fail")
    assert code.meaning.endswith(".")
    assert len(code.meaning) < 130
    assert len(code.measured) > 15
    assert code.advice
    assert all(len(line) > 10 and not line.endswith(".") for line in code.advice)
    assert code.causes or name == "good_fit"
    assert bool(code.source) == (name not in UNSOURCED)


def test_a_finding_has_its_codes_severity_and_advice_unless_the_caller_knows_better():
    code, _ = codes()["dead_units"]
    usual = code.finding("half", {"share": 0.9})
    assert (usual.code, usual.severity, usual.advice, usual.evidence) == (
        "dead_units",
        code.severity,
        code.advice,
        {"share": 0.9},
    )
    other = code.finding("half", severity="note", advice=("mend",))
    assert (other.severity, other.advice, other.evidence) == ("note", ("mend",), {})
