"""What remains where no fault shows and too little is known to call the run good: why, and what to log."""

from tunekit.citations import PLAYBOOK
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import Outcome, Verdict
from tunekit.diagnosis.verdicts.good_fit import ANOTHER, missing
from tunekit.vocabulary import Code


def judge(m: Measures) -> Outcome:
    reasons = [why for why, _ in missing(m)] or ["the loss is no measure of progress here"]
    return Outcome(True, f"no fault shows, but whether the run went well cannot be told: {'; '.join(reasons)}")


def advice(m: Measures) -> tuple[str, ...]:
    return tuple(dict.fromkeys(what for _, what in missing(m))) or (VERDICT.code.advice if m.foreign else (ANOTHER,))


VERDICT = Verdict(
    Code(
        name="cannot_tell",
        severity="note",
        meaning="No fault shows, but the log does not say whether the run went well.",
        measured="No other verdict speaks, and one of good_fit's grounds is missing.",
        causes="Few validations, a log of a part of the run, a metric that is not there.",
        advice=("log the training loss, the validation loss and a metric at each epoch, from the first one on",),
        source=PLAYBOOK,
    ),
    judge,
    changed_by="what is missing, in a log of the next run",
    advice=advice,
    otherwise=True,
    open=True,
    near_misses=(Drawn("curves that settled", fall(2.3, 0.3, 9), fall(2.3, 0.33, 9)),),
)
