"""The validation loss is the same number at every epoch: nothing that is trained reaches it."""

from __future__ import annotations

import numpy as np

from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, shown, silent
from tunekit.vocabulary import Code, Remedy

FEWEST = 5
"""Validations that must be equal to the last digit."""


def judge(m: Measures) -> Outcome:
    if m.val is None or len(m.val.y) < FEWEST:
        return silent("too few validation losses")
    if float(np.ptp(m.val.y)) > 0:
        return silent(f"the validation loss varies by {shown(float(np.ptp(m.val.y)))}")
    text = f"the validation loss is {shown(m.val.end)} at all {m.val.points} epochs"
    return Outcome(True, text, {"val_end": m.val.end})


VERDICT = Verdict(
    Code(
        "val_frozen",
        "fail",
        "The validation loss never changes.",
        f"At least {FEWEST} validation losses, all equal to the last digit.",
        "Validation of a copy of the model that is not trained, or of a loss that is cached.",
        ("validate the model that is trained", "look for a cache around the validation loss"),
        "",
    ),
    judge,
    "two validation losses that differ",
    remedies=(Remedy("inspect"),),
    near_misses=(
        Drawn("a validation that hardly moves", fall(2.3, 0.1, 5.0), lambda done: 2.3 - 1e-9 * done),
        Drawn("few validations", fall(2.3, 0.1, 5.0), level(2.3), epochs=FEWEST - 1),
    ),
)
