"""A perfect validation metric for most of the run, and losses to match: too good to be true."""

import numpy as np

from tunekit.citations import KARPATHY, SURVEY, UMLAUT
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.verdict import (
    NO_VALIDATION_LOSS,
    Outcome,
    Verdict,
    course,
    losses_lacking,
    percent,
    shown,
    silent,
    unasked,
)
from tunekit.logs.log import finite
from tunekit.vocabulary import Code, Remedy

PERFECT = 0.999
"""A validation metric, as a fraction, that no honest task holds for most of a run. (SURVEY; UMLAUT's 0.95 is eager)"""
PERFECT_SHARE = 0.8  # share of the run for which it does
BELOW = 0.5  # validation loss as a share of the training loss, besides
ALIKE = 2.0  # times the training loss that validation's ends at, at most, where both have vanished
VANISHED = 1e-3  # ... or share of the starting loss that both losses end below


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    alone = _single(m)
    if alone is not None:
        return alone
    if train is None:
        return unasked(losses_lacking(train))
    if val is None:
        return unasked(NO_VALIDATION_LOSS)
    if score is None or not score.bounded:
        return unasked("no validation metric that has a best value")
    share = float(np.mean(score.y >= PERFECT))
    said = float(np.mean(score.sign * score.log.y >= PERFECT))
    below = val.end < BELOW * train.end
    vanished = train.end < VANISHED * train.start and val.end < VANISHED * max(val.start, train.start)
    vanished = vanished and val.end < ALIKE * train.end
    evidence = {"perfect_share": share}
    if share >= PERFECT_SHARE and len(score.y) >= 8 and (below or vanished):
        text = (
            f"validation {score.name} is {PERFECT:g} or more in {percent(said)} of its points; over the last tenth "
            f"the validation loss is {shown(val.log.ending)} and the training loss {shown(train.log.ending)}"
        )
        return Outcome(True, text, evidence)
    return silent(f"validation {score.name} is {PERFECT:g} or more in {percent(said)} of its points")


def _single(m: Measures) -> Outcome | None:
    """One validation for the whole run, whose loss is next to nothing, as training's is from early on."""
    train, values = m.train, finite(m.log.val)[1]
    if train is None or m.val is not None or len(values) != 1 or len(train.y) < 20 or m.score is not None:
        return None
    early = train.y[len(train.y) // 4 :]
    if not 0 <= values[0] < VANISHED * train.start or float(np.max(early)) > 10 * VANISHED * train.start:
        return None
    if train.end > VANISHED * train.start:
        return None
    text = f"the only validation loss is {shown(float(values[0]))}, and the training loss went {course(train.log)}"
    return Outcome(True, text, {"val_loss": float(values[0])})


VERDICT = Verdict(
    Code(
        name="val_suspicious",
        severity="warn",
        meaning="Validation is too good to be true.",
        measured=f"A metric of {PERFECT:g} or more for {percent(PERFECT_SHARE)} of the run, with a validation loss "
        f"below {percent(BELOW)} of training's or both losses below {VANISHED:g} of the start.",
        causes="Validation samples in the training split, or the label in the input.",
        advice=(
            Tried("look for duplicates across the splits: `tunekit inspect RECIPE`", "mended"),
            "test on fresh data",
        ),
        source=f"{KARPATHY}; {SURVEY}; {UMLAUT} (0.95)",
    ),
    judge,
    changed_by="the same metric on fresh data, with duplicates across the splits removed",
    remedies=(Remedy("inspect"),),
    explains=frozenset({"overfit", "not_converged"}),
    near_misses=(
        Drawn(
            "a metric that is perfect at the end alone",
            fall(2.3, 0.1, 9),
            fall(2.3, 0.02, 9),
            val_accuracy=lambda done: np.where(done < 0.6, 0.9, 1.0),
        ),
        Drawn(
            "validation below a training loss with augmentation",
            fall(6.9, 2.75, 6),
            fall(5.0, 0.8, 6),
            None,
            fall(0.1, 0.82, 6),
        ),
    ),
)
