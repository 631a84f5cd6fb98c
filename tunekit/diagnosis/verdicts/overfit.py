"""Validation turned, or stalled far behind, or its metric lies far behind, while training went on.

Published one-number rules false-alarm on real logs (one epoch of rising validation: on 31 of the 33 sound logs of
SURVEY), so several things are asked at once.
"""

import math

import numpy as np

from tunekit.citations import AUTOTRAINER, NOTES, PRECHELT, SURVEY
from tunekit.configuration import decimal
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall, jumps
from tunekit.diagnosis.measures import END, REST, Measures, Score, Side, movement
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.prospects import best_by_metric, best_is_early
from tunekit.diagnosis.verdict import (
    NO_VALIDATION_LOSS,
    Outcome,
    Verdict,
    course_by_lowest,
    percent,
    place,
    said,
    shown,
    silent,
    unasked,
)
from tunekit.diagnosis.verdicts.train_val_mismatch import LEARNT
from tunekit.logs.log import Procedure
from tunekit.vocabulary import Code, Remedy

RISE = 0.05
"""Rise of the validation loss over its best: GL of PRECHELT at 5 %; also of the whole fall of the curve. (SURVEY)"""
RISE_NOISE = 2.0  # the same rise in standard deviations of the validation's point-to-point noise
RISE_BEFORE = 0.9  # share of the run before which the best validation lies: a late best is no turn
FELL_ON = 0.05  # share by which training went on falling since then
FALLS_AGAIN = 0.02  # share by which a validation loss still falls over the last quarter
FEW_VALIDATIONS = 5  # validations below which no turn is seen ...
SURE_RISE = 0.15  # ... unless the loss rose by this much: three epochs of fine-tuning can overfit plainly
NEAR_BEST = 0.02  # validation within this share of its best has stalled; it counts from the first such point (SURVEY)
STALL_BEFORE = 0.8  # share of the run before which it stalled
STALL_FELL_ON = 0.2  # share by which training fell since it stalled
FALL_NOISE = 1.5  # ... and in standard deviations of its noise
STALL_RATIO = 1.25  # validation over training at the end of a stalled run
GAP_NOISES = 3.0  # the gap in standard deviations of what noise leaves of one
STALL_GAP = 0.15  # the gap as a share of the whole fall of training (SURVEY)
ALIKE = 1.5  # times by which the losses differ at the start, at most, where they are of one scale
LEFT_BEHIND = 0.5  # the gap as a share of the whole fall of training, where validation did not stall but was left ...
LEFT_RATIO = 1.5  # ... and validation over training at the end
GAP = 0.08  # training minus validation accuracy that a stalled run overfits with (AUTOTRAINER: 0.07 to 0.1)
METRIC_GAP = 0.1  # the same where the metrics alone say so
WIDE_GAP = 0.2  # ... and that is overfitting however the curves end (train 95 %, validation 70 %)
METRIC_GAIN = 0.01  # gain of a metric below which it stalled (AUTOTRAINER: 0.01 is an improvement)
METRIC_FALL = 0.03  # fall of the validation metric from its best, as a fraction, where there is no loss to go by ...
METRIC_NOISES = 3.0  # ... and in standard deviations of its noise: the best of many noisy values is high by chance
MOST_DROPOUT = 0.5  # dropout up to which more of it is advised
MOST_SHRUNK = 0.05  # of the weights an iteration, up to which more decay is advised: beyond, nothing is kept of them


def judge(m: Measures) -> Outcome:
    train, val = m.train, m.val
    if val is None or train is None:
        return _apart(m) or (unasked(NO_VALIDATION_LOSS) if m.score is None else silent(_metrics_alone(m.score)))
    sides = None
    if len(val.y) >= FEW_VALIDATIONS:
        sides = _turned(m, train, val) or _stalled(m, train, val) or _left_behind(m, train, val)
    elif len(val.y) >= 3 and (rise_of(m, val) or 0.0) > SURE_RISE:
        sides = _turned(m, train, val)
    spoken = sides or _apart(m)
    if spoken is not None:
        return spoken
    if m.swapped:
        return silent(f"the validation loss went {course_by_lowest(val.log)}")
    levels = f"validation at {shown(val.log.ending)} and training at {shown(train.log.ending)} over the last tenth"
    return silent(f"the validation loss is {shown(val.log.lowest)} at its lowest, {levels}{_gap_words(m)}")


def rise_of(m: Measures, val: Side) -> float | None:
    """How far the validation loss rose from its best, relative; None where it is no turn."""
    lasting = curves.tail(val.y, END, 3) if len(val.y) >= FEW_VALIDATIONS else val.end  # one last value may be chance
    up = min(val.end, lasting) - val.low
    share = val.relative(up, val.low)
    if share <= RISE or up <= RISE * (val.start - val.low) or up <= RISE_NOISE * val.jitter:
        return None
    if val.low_at >= RISE_BEFORE * (len(val.y) - 1):
        return None
    if m.train is None or m.swapped:
        return share if share > 2 * RISE else None
    then = float(m.train_at_val[val.low_at])
    fell = m.train.relative(then - m.train.end, then)
    return share if fell > FELL_ON else None


def _turned(m: Measures, train: Side, val: Side) -> Outcome | None:
    rise = rise_of(m, val)
    if rise is None:
        return None
    evidence = {"val_rise": rise, **_gaps(m)}
    text = (
        f"the validation loss rose from {shown(val.log.lowest)}, its lowest value, at {val.unit} "
        f"{place(val.log.lowest_x)} to {shown(val.log.ending)} over the last tenth"
    )
    if not m.swapped:
        text += f" while training fell on to {shown(train.log.ending)}"
    if _still_falls(val):
        text += "; it falls again at the end, so this holds so far"
    return Outcome(True, text + _gap_words(m), evidence)


def _stalled(m: Measures, train: Side, val: Side) -> Outcome | None:
    settled = max(val.low, curves.tail(val.y, 0.3, 3))  # the lowest of many noisy values comes late by chance
    near = val.smoothed <= settled + NEAR_BEST * abs(settled)
    first = int(np.argmax(near))
    if first >= STALL_BEFORE * (len(val.y) - 1) or not val.positive or not train.positive:
        return None
    then = float(m.train_at_val[first])
    fell = (then - train.end) / then
    ratio = val.end / train.end
    gap = curves.ratio(val.end - train.end, max(train.start, val.start) - train.end)
    apart = m.score.gap if m.score is not None and m.score.bounded else None
    if val.end - train.end <= GAP_NOISES * _rough(train, val):
        return None
    if fell <= STALL_FELL_ON or then - train.end <= FALL_NOISE * train.sigma or ratio <= STALL_RATIO:
        return None
    if not curves.falls(curves.trend(train.y[train.place >= val.place[first]])):
        return None
    if gap <= STALL_GAP and not (apart is not None and apart > GAP):
        return None
    evidence = {"gap": gap, **_gaps(m)}
    text = (
        f"the validation loss stands at {shown(val.log.ending)} over the last tenth, {shown(val.log.lowest)} at its "
        f"lowest, while training fell on to {shown(train.log.ending)}"
    )
    return Outcome(True, text + _gap_words(m), evidence)


def _rough(train: Side, val: Side) -> float:
    """What noise leaves of a gap over the last tenth."""
    return float(np.hypot(train.jitter, val.jitter) / np.sqrt(max(1.0, END * len(val.y))))


def _left_behind(m: Measures, train: Side, val: Side) -> Outcome | None:
    """Validation began where training did, kept less than half of what training gained, and gains no more."""
    if not (train.positive and val.positive) or not 1 / ALIKE < curves.ratio(val.start, train.start) < ALIKE:
        return None
    gap = curves.ratio(val.end - train.end, max(train.start, val.start) - train.end)
    ratio = curves.ratio(val.end, train.end)
    change, _, _ = movement(val.place, val.y, REST)
    if val.end - train.end <= GAP_NOISES * _rough(train, val):
        return None
    if gap <= LEFT_BEHIND or ratio <= LEFT_RATIO or val.relative(change, val.end) < -FALLS_AGAIN:
        return None
    evidence = {"gap": gap, **_gaps(m)}
    text = (
        "validation was left behind from a start alike: "
        f"{shown(val.log.ending)} in validation and {shown(train.log.ending)} in training over the last tenth"
    )
    return Outcome(True, text + _gap_words(m), evidence)


def _apart(m: Measures) -> Outcome | None:
    """The metrics alone: a wide gap, or a clear one with a validation metric that stalled or fell."""
    score = m.score
    if score is None or not score.bounded or len(score.y) < 3:
        return None
    fall_ = score.best - max(score.end, curves.tail(score.y, END, 3))
    early_best = score.best_at < RISE_BEFORE * (len(score.y) - 1)
    evidence = _gaps(m)
    if score.gap is not None and score.is_accuracy:
        change, _, _ = movement(score.place, score.y, 0.3)
        stalled = change < METRIC_GAIN and score.gap > METRIC_GAP and len(score.y) >= FEW_VALIDATIONS
        improves = m.val is not None and _still_falls(m.val)
        if score.gap >= WIDE_GAP or (stalled and not improves and m.drop > LEARNT):
            return Outcome(True, _gap_words(m).removeprefix("; "), evidence)
    far = fall_ > max(METRIC_FALL, METRIC_NOISES * score.jitter)
    if m.val is None and m.train is not None and m.drop > 0.1 and early_best and far and _fell_since(m, score):
        text = (
            f"validation {score.name} fell from {said(score.log, score.reached)} at best to "
            f"{said(score.log, score.log.ending)} over the "
            "last tenth while training fell on"
        )
        return Outcome(True, text, evidence)
    return None


def _fell_since(m: Measures, score: Score) -> bool:
    """Whether training fell on since the metric was at its best."""
    if m.train is None:
        return False
    then = float(np.interp(score.place[score.best_at], m.train.place, m.train.smoothed))
    return m.train.relative(then - m.train.end, then) > FELL_ON


def _metrics_alone(score: Score) -> str:
    best, ending = (said(score.log, value) for value in (score.reached, score.log.ending))
    return f"{score.name} is {best} at best, {ending} over the last tenth"


def _still_falls(val: Side) -> bool:
    change, z, _ = movement(val.place, val.y, REST)
    return curves.falls(z) and val.relative(change, val.end) < -FALLS_AGAIN


def _gaps(m: Measures) -> dict[str, float]:
    score = m.score
    if score is None or score.trained is None:
        return {}
    trained, held = score.trained.ending, score.log.ending
    return {"train_metric": trained, "val_metric": held, "metric_gap": score.sign * (trained - held)}


def _gap_words(m: Measures) -> str:
    score = m.score
    if score is None or score.trained is None or not score.bounded or (score.gap or 0.0) <= 0:
        return ""
    trained, held = (said(points, points.ending) for points in (score.trained, score.log))
    return f"; over the last tenth {score.name} is {trained} in training and {held} in validation"


REGULARISE = Tried("more regularisation: dropout, weight decay, label smoothing", "regularised")
AUGMENT = "more augmentation: it is the cheapest new data"
UNTOLD = "which of these helps here, the curves do not tell"


def _stop(best: str) -> Tried:
    return Tried(f"an earlier stop: keep the checkpoint of {best}", "earlier_stop")


def advice(m: Measures) -> tuple[str, ...]:
    """With the best validation's epoch where the log has epochs, else its step or row.

    Its weights come first where they are better by the metric. Of what else there is for it the curves do not tell
    which helps.
    """
    best_x, _ = m.best
    if best_x is None or m.val is None:
        return AUGMENT, _stop("the best validation")
    by_metric = best_by_metric(m)
    besides = f"; by its {m.score.name} {where(m, by_metric)}" if m.score is not None and by_metric is not None else ""
    stop = (_stop(f"{where(m, best_x)}, the best in validation{besides}"),) if best_x < m.val.log.x[-1] else ()
    return (*stop, REGULARISE, AUGMENT) if best_is_early(m) else (AUGMENT, *stop, REGULARISE, UNTOLD)


def where(m: Measures, x: float) -> str:
    """A place of validation in words: its epoch where the log knows it, else its step or row."""
    unit = m.val.unit if m.val is not None else ""
    epoch = m.epoch_at(unit, x)
    return f"epoch {place(epoch)}" if epoch is not None else f"{unit} {place(x)}"


def remedies(_m: Measures, known: Procedure) -> tuple[Remedy, ...]:
    """A grid over stronger weight decays than the run's, as long as weights outlast a few iterations at twice its rate,
    and more dropout where the model has it."""
    decay = max(known.weight_decay or 0.0, 1e-4)
    most = MOST_SHRUNK / known.lr if known.lr else math.inf
    stronger = [decimal(factor * decay) for factor in (3, 10, 30, 100) if factor * decay <= most]
    grid = (Remedy("coarse-grid", {"steps.coarse-grid.weight_decays": stronger}),) if stronger else ()
    rates = known.dropout or ()
    first = min(1, len(rates) - 1)  # of several the first is that of the inputs, which is left alone
    if all(rate >= MOST_DROPOUT for rate in rates[first:]):
        return grid
    more = [decimal(rate if i < first else max(rate, min(MOST_DROPOUT, rate + 0.2))) for i, rate in enumerate(rates)]
    return *grid, Remedy("run", {"model.args.dropout": more[0] if len(more) == 1 else more})


VERDICT = Verdict(
    Code(
        name="overfit",
        severity="warn",
        meaning="Training goes on improving while validation got worse, or stands far behind.",
        measured=f"Validation loss above its best by {percent(RISE)} and {RISE_NOISE:g} times its noise while training "
        f"fell on; or a stalled validation {percent(STALL_RATIO - 1)} above a training loss that fell on by "
        f"{percent(STALL_FELL_ON)}; or a gap of {percent(LEFT_BEHIND)} of what training gained; or accuracies "
        f"{WIDE_GAP:g} apart ({METRIC_GAP:g} where validation stalled).",
        causes="More capacity or more epochs than the data bear.",
        advice=(_stop("the best validation"), REGULARISE, AUGMENT),
        source=f"{NOTES}; {PRECHELT}; {AUTOTRAINER} (0.07 to 0.1); {SURVEY}",
    ),
    judge,
    changed_by="a validation curve that improves again, or training in eval mode as far behind",
    advice=advice,
    remedies=remedies,
    explains=frozenset({"not_converged", "underfit", "lr_too_low"}),
    near_misses=(
        Drawn("one noisy last value", fall(2.3, 0.3, 9), jumps(fall(2.3, 0.33, 9), 1.3, 1.0)),
        Drawn("a rise of a loss near zero", fall(2.3, 1e-3, 20), lambda done: fall(2.3, 1e-3, 20)(done) + 5e-4 * done),
        Drawn("validation below training all run long", fall(2.3, 0.8, 9), fall(2.1, 0.4, 9)),
    ),
)
