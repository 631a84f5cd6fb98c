"""The training loss stays where it started: no drop behind the first transient, and no metric that says otherwise."""

import math

import numpy as np

from tunekit.citations import AUTOTRAINER, NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.chance import HALF, guess_at
from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import EARLY, Measures, Side, warm_up_ends
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    course,
    course_by_lowest,
    losses_lacking,
    percent,
    said,
    shown,
    silent,
    unasked,
)
from tunekit.vocabulary import Code, Remedy

DEAD_DROP = 0.02  # share of the loss that a network which does not learn may lose behind the first transient (SURVEY)
DEAD_NOISE_DROP = 0.10  # ... or this share, where it is less than the noise and no trend shows
DEAD_TOTAL = 0.5
"""Share of the starting loss that may go in the first transient, if a metric shows that nothing was learnt."""
DEAD_METRIC = 0.03
"""Range of a metric that did not move, as a fraction. (AUTOTRAINER: 0.03 is an oscillation, 0.01 an improvement)"""
DEAD_NOISES = 4.0  # ... or in standard deviations of its noise: that of so many, between its 5th and 95th percentile
DEAD_ACCURACY = 0.6
"""Accuracy from which a flat curve is a trained network rather than a dead one. (AUTOTRAINER: 0.6 to 0.7)"""
DEAD_POINTS = 8  # points needed to say that nothing moves ...
FEW_POINTS = 5  # ... or these, where the loss is that of guessing, or a metric is the same in each
STUCK = 0.98  # share of guessing's loss that a loss stuck there does not fall below
ABOVE = 1.1  # times guessing's loss that it starts at, at most ...
ABOVE_TOLD = 1.6  # ... or these, where an accuracy says the same: an untrained network may be sure of what is wrong
QUIET = 0.15  # noise over level of a loss that knows nothing, at most: what jumps more has learnt some of its batches
JUMPS = 100.0  # times its median that a loss which stays where it is never reaches
STILL_DROP = 0.05  # share of a loss that stands still ever after, lost in the first transient
STILL = 2e-3  # relative spread behind the first quarter of a loss that stands still
PERFECT = 0.999  # a metric that cannot rise


def judge(m: Measures) -> Outcome:
    train, score = m.train, m.score
    lacks = losses_lacking(train, FEW_POINTS)
    if train is None or lacks:
        return unasked(lacks)
    if float(np.max(train.y)) > JUMPS * float(np.median(train.y)) > 0:
        return silent(f"the training loss went {course(train.log)}")
    stuck_at = _constant(m, train) or _at_chance(m, train) or _still(m, train)
    if stuck_at is not None:
        return stuck_at
    if len(train.y) < DEAD_POINTS:
        return unasked(losses_lacking(train, DEAD_POINTS))
    late = train.relative(train.early - train.end, train.early)
    total = m.drop
    lowest = train.relative(train.start - train.low, train.start)
    noise = train.relative(train.sigma, train.early)
    trend = curves.trend(train.y[math.ceil(EARLY * len(train.y)) :])
    evidence: dict[str, object] = {"drop": total, "late_drop": late, "noise": noise}
    moves = silent(f"the training loss went {course(train.log)}")
    if m.swapped or not m.begins or warm_up_ends(m) > 0.8 or lowest > 5 * DEAD_NOISE_DROP:
        return moves
    if score is not None and not score.bounded and score.moved:
        return silent(f"{score.name} moved: {course(score.log)}")
    if score is not None and score.bounded:
        if score.spread >= max(DEAD_METRIC, DEAD_NOISES * score.jitter) or (
            score.is_accuracy and score.best >= DEAD_ACCURACY
        ):
            return silent(
                f"{score.name} moved: {said(score.log, score.log.lowest)} at its lowest and "
                f"{said(score.log, score.log.highest)} at its highest"
            )
        evidence["metric_range"] = score.spread
    within_noise = late < noise and late < DEAD_NOISE_DROP and not curves.falls(trend)
    quiet = noise < QUIET or (score is not None and score.bounded)
    flat = (quiet and total < DEAD_DROP) or (quiet and within_noise and total < DEAD_NOISE_DROP)
    behind = train.relative(train.behind - train.end, train.behind)
    stuck = min(late, behind) < DEAD_DROP and total < DEAD_TOTAL and score is not None and score.bounded
    if not (flat or (stuck and (not curves.falls(trend) or min(late, behind) < DEAD_DROP / 2))):
        return moves
    moved = train.relative(train.log.ending - train.log.first, train.log.first)
    if abs(moved) < DEAD_NOISE_DROP:
        text = f"the training loss stays where it was: {course(train.log)}"
    elif moved > 0:
        text = f"the training loss does not fall: {course_by_lowest(train.log)}"
    else:
        text = f"the training loss stands still behind its first points: {course_by_lowest(train.log)}"
    if score is not None and score.bounded:
        text += f", {score.name} at {said(score.log, score.log.ending)} over the last tenth"
    text += _guessing(m, train.end)
    return Outcome(True, text, evidence)


def _guessing(m: Measures, loss: float) -> str:
    """That the loss is what guessing gives, where the number of classes or the expected loss is known."""
    guess = guess_at(m, loss)
    return "" if guess is None else f", which is what guessing gives ({guess.words}{shown(guess.loss)})"


def _constant(m: Measures, train: Side) -> Outcome | None:
    """A metric that is the same number each time, below what is perfect, beside a loss that does not fall."""
    score = m.score
    if score is None or len(score.y) < FEW_POINTS or float(np.ptp(score.y)) > 0 or not score.bounded:
        return None
    if score.end >= PERFECT or score.end <= 0 or not (m.drop < DEAD_DROP or score.is_accuracy):
        return None
    if score.is_accuracy and not m.derived and (score.end >= DEAD_ACCURACY or m.drop >= DEAD_DROP):
        wrong = 1.0 - score.end
        least = -score.end * math.log(score.end) - wrong * math.log(wrong)  # loss of one answer right so often
        if train.end < STUCK * least or (m.drop >= DEAD_DROP and train.end > ABOVE * least):
            return None
    text = f"validation {score.name} is {said(score.log, score.log.last)} at each of its {len(score.log.y)} points"
    if not m.derived:
        text += f", and the {'validation' if m.swapped else 'training'} loss went {course(train.log)}"
    return Outcome(True, text, {"points": len(score.y)})


def _at_chance(m: Measures, train: Side) -> Outcome | None:
    """A loss that comes to what guessing gives and no further, however much it lay above at the start."""
    rest = train.y[max(1, math.ceil(EARLY * len(train.y))) :]
    if len(rest) < FEW_POINTS - 1 or not train.positive or m.swapped or m.derived or warm_up_ends(m) > 0.8:
        return None
    middle, smooth = float(np.median(rest)), train.smoothed[len(train.smoothed) - len(rest) :]
    guess = guess_at(m, middle)
    if guess is None:
        return _at_half(train)
    best = m.score.best if m.score is not None and m.score.is_accuracy else 0.0
    if m.score is not None and m.score.gained:
        return None
    knows = guess.classes is not None and best > min(DEAD_ACCURACY, 1.6 / guess.classes + 0.05)
    held = float(np.min(smooth)) > STUCK * guess.loss and abs(train.end / guess.loss - 1) < DEAD_DROP
    above = ABOVE_TOLD if guess.told else ABOVE
    if knows or not held or not STUCK * guess.loss < train.start < above * guess.loss:
        return None
    text = f"the training loss comes to what guessing gives and no further: {course(train.log)}"
    if m.score is not None and m.score.bounded:
        text += f", {m.score.name} {said(m.score.log, m.score.log.ending)} over the last tenth"
    evidence = {"guessing": guess.loss, "drop": m.drop}
    return Outcome(True, f"{text} ({guess.words}{shown(guess.loss)})", evidence)


def _still(m: Measures, train: Side) -> Outcome | None:
    """A loss that is the same number behind its first points, which it had all but begun with."""
    first = max(1, math.ceil(EARLY * len(train.y)))
    rest = train.y[first:]
    if len(rest) < FEW_POINTS - 1 or m.swapped or m.derived or not 0 <= m.drop < STILL_DROP:
        return None
    if float(np.ptp(rest)) > STILL * abs(train.end) or (m.score is not None and m.score.best >= DEAD_ACCURACY):
        return None
    text = f"the training loss stands still behind its first points: {course_by_lowest(train.log)}"
    return Outcome(True, text, {"drop": m.drop})


def _at_half(train: Side) -> Outcome | None:
    """A squared error that stands still at that of a constant one half."""
    rest = train.y[len(train.y) // 4 :]
    if len(rest) < DEAD_POINTS or float(np.ptp(rest)) > 4 * STILL * HALF or abs(train.end / HALF - 1) > STILL:
        return None
    text = (
        f"the training loss stands at {shown(train.log.ending)} over the last tenth, the squared error of a constant "
        "one half where targets are zero and one"
    )
    return Outcome(True, text, {"guessing": HALF})


VERDICT = Verdict(
    Code(
        name="not_learning",
        severity="fail",
        meaning="The training loss stays where it started.",
        measured=f"A drop below {percent(DEAD_DROP)}, or below its noise and {percent(DEAD_NOISE_DROP)}; with a metric "
        f"within {DEAD_METRIC:g}, behind the first {percent(EARLY)} alone; or a loss that comes to what guessing gives "
        "and no further; or a metric that is the same number each time.",
        causes="No gradient, a rate far too small, wrong labels.",
        advice=(
            "overfit 20 samples first: if that fails, the fault is in the pipeline",
            "see that gradients reach the weights, that the optimizer holds them, and that labels belong to inputs",
            "raise the rate tenfold, and once lower it tenfold",
            "no activation behind the last layer, inputs normalised",
        ),
        source=f"{NOTES}; {AUTOTRAINER} (0.01); {SURVEY}",
    ),
    judge,
    changed_by=f"a fall of the loss by more than {percent(DEAD_DROP)} and its noise, or a metric that moves by "
    f"{DEAD_METRIC:g}",
    remedies=(Remedy("overfit-tiny"), Remedy("lr-sweep")),
    alone=True,
    of_the_loss=True,
    near_misses=(
        Drawn("a trained network that stays level", level(0.2), level(0.21), level(0.95), level(0.94)),
        Drawn("a slow fall", lambda done: 2.3 - 0.2 * done),
        Drawn("a loss that settles at ln 10 from far above", fall(10.8, 2.3, 9), fall(10.8, 2.31, 9)),
        Drawn("a loss that passes ln 2", fall(0.8, 0.2, 3), fall(0.8, 0.25, 3), epochs=8),
        Drawn("a metric that is perfect each time", fall(0.5, 0.01, 9), None, level(1.0), level(1.0)),
    ),
)
