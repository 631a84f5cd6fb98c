"""The validation loss turned and the metric did not: confidence grows, decisions hold."""

import numpy as np

from tunekit.citations import GUO
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.prospects import best_by_metric
from tunekit.diagnosis.verdict import NO_VALIDATION_LOSS, Outcome, Verdict, percent, said, shown, silent, unasked
from tunekit.diagnosis.verdicts.overfit import FEW_VALIDATIONS, GAP, METRIC_GAIN, RISE, rise_of, where
from tunekit.vocabulary import Code

METRIC_HOLDS = 0.005  # a metric within this of its best holds, whatever the loss does
BY_METRIC = (
    "choose the checkpoint by the metric",
    "label smoothing or temperature scaling for calibrated outputs",
)
MILD_RISE = 0.5  # rise of the loss up to which the metric is believed over the loss


def judge(m: Measures) -> Outcome:
    val, score = m.val, m.score
    if val is None or m.derived:
        return unasked(NO_VALIDATION_LOSS)
    if score is None:
        return unasked("no validation metric")
    if len(val.y) < FEW_VALIDATIONS:
        return unasked(f"fewer than {FEW_VALIDATIONS} validations")
    rise = rise_of(m, val)
    if rise is None:
        return silent("the validation loss has not turned")
    turn = float(val.place[val.low_at])
    since = float(np.interp(turn, score.place, curves.running_median(score.y, 3)))
    gain = score.end - since
    held = score.best - score.end <= max(METRIC_HOLDS, score.jitter)
    wide = score.gap is not None and score.gap > GAP
    evidence = {"val_rise": rise, "metric_gain_since": gain}
    far = val.relative(val.log.ending - val.log.lowest, val.log.lowest) > 2 * MILD_RISE
    if held and gain >= METRIC_GAIN and not wide and rise <= MILD_RISE and not far and score.bounded:
        text = (
            f"the validation loss rose from {shown(val.log.lowest)} at its lowest to {shown(val.log.ending)} over the "
            f"last tenth while {score.name} held: {said(score.log, score.reached)} at best, "
            f"{said(score.log, score.log.ending)} over the "
            "last tenth"
        )
        return Outcome(True, text, evidence)
    levels = f"{said(score.log, score.reached)} at best, {said(score.log, score.log.ending)} over the last tenth"
    return silent(f"the two do not disagree so: {score.name} is {levels}")


def advice(m: Measures) -> tuple[str, ...]:
    first, *others = BY_METRIC
    best = best_by_metric(m)
    return (first if best is None else f"{first}: that of {where(m, best)}", *others)


VERDICT = Verdict(
    Code(
        name="metric_loss_disagree",
        severity="warn",
        meaning="The validation loss rises while the metric holds or improves.",
        measured=f"Validation loss up by {percent(RISE)} to {percent(MILD_RISE)} from its best, metric up by "
        f"{METRIC_GAIN:g} since then and within {METRIC_HOLDS:g} of its best, no gap.",
        causes="Growing confidence: calibration suffers, the decisions do not.",
        advice=BY_METRIC,
        source=GUO,
    ),
    judge,
    advice=advice,
    changed_by="a metric that falls as well, or a validation loss that falls again",
    explains=frozenset({"overfit", "underfit"}),
    near_misses=(
        Drawn(
            "a metric that falls with the loss",
            fall(2.3, 0.1, 6),
            lambda done: 0.5 + 1.8 * np.exp(-12 * done) + 0.25 * np.maximum(done - 0.35, 0),
            fall(0.2, 0.95, 6),
            lambda done: 0.9 - 0.1 * np.maximum(done - 0.35, 0) - 0.7 * np.exp(-12 * done),
        ),
    ),
)
