"""No validation loss and no validation metric of two points or more."""

import numpy as np

from tunekit.citations import NOTES
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures, Side
from tunekit.diagnosis.verdict import Outcome, Verdict, course, silent
from tunekit.diagnosis.verdicts.diverged import judge as diverged
from tunekit.diagnosis.verdicts.not_converged import SURE
from tunekit.logs.log import finite
from tunekit.vocabulary import Code, Remedy

HELD_OUT = 0.1  # share of the data to hold out


ROSE = 0.02  # share by which a training loss that ends above its start rose
FEW = 4  # values of a metric alone below which they are no curve


def judge(m: Measures) -> Outcome:
    values = len(m.score.y) if m.score is not None else 0
    if m.swapped or m.val is not None or (values >= FEW and m.blank is None):
        name = m.val.name if m.val is not None else m.score.name if m.score is not None else ""
        return silent(f"{name!r} is validation")
    text = f"{_what_there_is(m)}, so nothing can be said of generalisation"
    if m.train is not None and not m.train.bad_end and not diverged(m).speaks:
        rises = _rises(m.train)
        each = " at each point" if rises and bool(np.all(np.diff(m.train.log.y) > 0)) else ""
        text += f"; the training loss {'rose' if rises else 'went'}{each}, {course(m.train.log)}"
        text = text.replace("went, ", "went ")
    return Outcome(True, text, {"val_points": 0})


def _rises(train: Side) -> bool:
    """Whether the training loss ends above where it began, by no chance."""
    ends = train.relative(train.log.ending - train.log.first, train.log.first) > ROSE
    return ends and train.end > train.start and curves.trend(train.y) > -SURE


def _what_there_is(m: Measures) -> str:
    if m.blank is not None:
        return f"{m.blank.name!r} is zero at each point: it was never computed"
    if m.score is not None:
        return f"the log has no validation loss, and a few values of {m.score.name} are no curve"
    if len(finite(m.log.val)[1]) == 1:
        return "the log has a single validation loss, which is no curve"
    return "the log has no validation curve"


def advice(m: Measures) -> tuple[str, ...]:
    if m.train is not None and m.log.objective is None and not diverged(m).speaks and _rises(m.train):
        return ("find out why the training loss rises: its sign, its rate, what it sums over", *VERDICT.code.advice)
    return VERDICT.code.advice


VERDICT = Verdict(
    Code(
        name="no_validation",
        severity="warn",
        meaning="There is no validation curve: nothing can be said of generalisation.",
        measured=f"No column or tag that reads as validation, or fewer than {FEW} values of a metric alone.",
        causes="Validation was not logged.",
        advice=("hold out a tenth of the data and log its loss each epoch",),
        source=NOTES,
    ),
    judge,
    changed_by="a validation curve",
    advice=advice,
    remedies=(Remedy("run", {"data.val_fraction": HELD_OUT}),),
    beside=True,
    near_misses=(
        Drawn(
            "validation by its metric alone", fall(2.3, 0.3, 9), val_accuracy=lambda done: 0.9 - 0.8 * (1 - done) ** 9
        ),
    ),
)
