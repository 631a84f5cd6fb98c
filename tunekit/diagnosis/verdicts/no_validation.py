"""No validation loss and no validation metric of two points or more."""

from tunekit.citations import NOTES
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, course, silent
from tunekit.logs.log import finite
from tunekit.vocabulary import Code, Remedy

HELD_OUT = 0.1  # share of the data to hold out


FEW = 4  # values of a metric alone below which they are no curve


def judge(m: Measures) -> Outcome:
    values = len(m.score.y) if m.score is not None else 0
    if m.swapped or m.val is not None or (values >= FEW and m.blank is None):
        name = m.val.name if m.val is not None else m.score.name if m.score is not None else ""
        return silent(f"{name!r} is validation")
    text = f"{_what_there_is(m)}, so nothing can be said of generalisation"
    if m.train is not None and not m.train.bad_end:
        text += f"; the training loss went {course(m.train.log)}"
    return Outcome(True, text, {"val_points": 0}, 10.0)


def _what_there_is(m: Measures) -> str:
    if m.blank is not None:
        return f"{m.blank.name!r} is zero at each point: it was never computed"
    if m.score is not None:
        return f"the log has no validation loss, and a few values of {m.score.name} are no curve"
    if len(finite(m.log.val)[1]) == 1:
        return "the log has a single validation loss, which is no curve"
    return "the log has no validation curve"


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
    remedies=(Remedy("run", {"data.val_fraction": HELD_OUT}),),
    beside=True,
    certain=True,
    near_misses=(
        Drawn(
            "validation by its metric alone", fall(2.3, 0.3, 9), val_accuracy=lambda done: 0.9 - 0.8 * (1 - done) ** 9
        ),
    ),
)
