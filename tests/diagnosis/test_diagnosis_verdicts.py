"""What every verdict is held to: the order, its words, its severity, and the near misses of which it is not said."""

from __future__ import annotations

import pkgutil
import re

import pytest

from tunekit.diagnosis import codes, judge
from tunekit.diagnosis import verdicts as package
from tunekit.diagnosis.verdicts import ORDER, verdicts

SEVERITIES = {
    "fail": {"diverged", "not_learning", "train_val_mismatch", "nothing_to_learn", "reward_collapse"},
    "warn": {
        "overfit",
        "underfit",
        "unstable",
        "lr_too_high",
        "lr_too_low",
        "plateau_then_drop",
        "noisy_val",
        "val_suspicious",
        "metric_loss_disagree",
        "discontinuity",
        "no_validation",
        "insufficient_data",
    },
    "note": {"good_fit", "not_converged", "noisy_train", "cannot_tell", "other_objective"},
}
"""Codes that scripts rely on, with what each does to the exit code."""


def test_the_order_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    assert len(ORDER) == len(set(ORDER))


def test_codes_and_severities_are_the_promised_ones() -> None:
    promised = {name: severity for severity, names in SEVERITIES.items() for name in names}
    assert len(promised) == 22
    assert {name: code.severity for name, code in codes().items() if name in promised} == promised


@pytest.mark.parametrize("name", ORDER)
class TestContract:
    """What every verdict says of itself."""

    def test_its_words(self, name: str) -> None:
        code = verdicts()[name].code
        assert code.name == name
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert code.meaning.endswith(".")
        assert len(code.meaning) < 130
        assert len(code.measured) > 15
        assert all(len(line) > 10 and not line.endswith(".") for line in code.advice)
        assert code.advice
        assert code.source
        assert code.causes or name == ORDER[-1]
        assert code.symptom
        assert len(verdicts()[name].changed_by) > 10

    def test_what_it_explains_are_verdicts(self, name: str) -> None:
        assert verdicts()[name].explains <= set(ORDER) - {name}

    def test_it_stays_silent_at_its_near_misses(self, name: str) -> None:
        near_misses = verdicts()[name].near_misses
        assert near_misses
        for drawn in near_misses:
            diagnosis = judge(drawn.log())
            assert name not in {diagnosis.code, *(note.code for note in diagnosis.notes)}, drawn.why
