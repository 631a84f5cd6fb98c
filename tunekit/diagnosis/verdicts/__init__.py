"""The verdicts, one module each under the name of its code, and the order in which they are asked."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from typing import cast

from tunekit.diagnosis.verdict import Verdict
from tunekit.vocabulary import Code

ORDER = (
    # whether there is anything to judge, and whether the run broke
    "insufficient_data",
    "nothing_to_learn",
    "diverged",
    "reward_collapse",
    "discontinuity",
    "not_learning",
    # whether validation can be believed
    "train_val_mismatch",
    "noisy_val",
    "val_suspicious",
    # whether it generalises
    "metric_loss_disagree",
    "overfit",
    # whether the loss says anything of it
    "other_objective",
    # how training goes; below no_validation nothing may be said as a headline without it
    "unstable",
    "lr_too_high",
    "no_validation",
    "lr_too_low",
    "not_converged",
    "underfit",
    "plateau_then_drop",
    "noisy_train",
    # whether it went well, and what remains
    "good_fit",
    "cannot_tell",
)
"""The first that speaks is the headline, later ones are notes; the last is what remains where none speaks."""


@cache
def verdicts() -> Mapping[str, Verdict]:
    """Every verdict by its name, in order."""
    return {name: cast(Verdict, importlib.import_module(f"{__name__}.{name}").VERDICT) for name in ORDER}


def codes() -> Mapping[str, Code]:
    """The code of every verdict by its name, in order."""
    return {name: verdict.code for name, verdict in verdicts().items()}
