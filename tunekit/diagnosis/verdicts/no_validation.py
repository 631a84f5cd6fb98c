"""No validation loss and no validation metric of two points or more."""

from tunekit.citations import NOTES
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, course, silent
from tunekit.vocabulary import Code, Remedy

HELD_OUT = 0.1  # share of the data to hold out


def judge(m: Measures) -> Outcome:
    if m.swapped or m.val is not None or m.score is not None:
        name = m.val.name if m.val is not None else m.score.name if m.score is not None else ""
        return silent(f"{name!r} is validation")
    text = "the log has no validation curve, so nothing can be said of generalisation"
    if m.train is not None:
        text += f"; the training loss went {course(m.train.log)}"
    return Outcome(True, text, {"val_points": 0}, 10.0)


VERDICT = Verdict(
    Code(
        name="no_validation",
        severity="warn",
        meaning="There is no validation curve: nothing can be said of generalisation.",
        measured="No column or tag that reads as validation.",
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
