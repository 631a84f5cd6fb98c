"""What remains: training and validation improved together and have settled."""

from tunekit.citations import NOTES
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict, course, percent, shown
from tunekit.diagnosis.verdicts.not_converged import TO_GAIN
from tunekit.diagnosis.verdicts.overfit import GAP, RISE
from tunekit.vocabulary import Code

FEW_VALIDATIONS = 3  # below which curves settle on nothing


def judge(m: Measures) -> Outcome:
    """The levels at which both curves settled."""
    parts = []
    for label, side in (("training", None if m.swapped else m.train), ("validation", m.val)):
        if side is not None:
            parts.append(f"{label} loss {course(side.log)}")
    if m.score is not None:
        parts.append(f"validation {m.score.name} at {shown(m.score.log.ending)} over the last tenth")
    known = m.log.procedure
    if m.val is not None and len(m.val.y) < FEW_VALIDATIONS:
        text = f"{len(m.val.y)} validations are too few to say that the curves have settled; no fault shows"
    else:
        text = "the curves have settled and no fault shows"
    if known is not None and known.warned:
        text = text.replace(
            "no fault shows", f"they show no fault beside what was warned of: {', '.join(known.warned)}"
        )
    return Outcome(True, ", ".join(parts) + f"; {text}", {}, 1.3)


def advice(m: Measures) -> tuple[str, ...]:
    refine, further = VERDICT.code.advice
    if m.score is None or m.score.gap is None or m.score.gap <= GAP:
        return refine, further
    return refine, "the gap between the metrics leaves room for augmentation and weight decay", further


VERDICT = Verdict(
    Code(
        name="good_fit",
        severity="note",
        meaning="Training and validation improved together and have settled.",
        measured="None of the other rules speaks.",
        causes="",
        advice=(
            "refine around this rate and weight decay, or stop here; evaluate on the test set once",
            "to go further: a larger model, as long as the gap stays small",
        ),
        source=NOTES,
    ),
    judge,
    changed_by=f"a longer run in which validation rises by {percent(RISE)} or the loss falls on by {percent(TO_GAIN)}",
    advice=advice,
    near_misses=(Drawn("curves that still fall", fall(2.3, 0.1, 1.6), fall(2.32, 0.15, 1.6)),),
)
