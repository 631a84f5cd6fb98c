"""The training loss stays where it started: no drop behind the first transient, and no metric that says otherwise."""

import math

from tunekit.citations import AUTOTRAINER, NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, level
from tunekit.diagnosis.measures import EARLY, Measures, warm_up_ends
from tunekit.diagnosis.verdict import Outcome, Verdict, course, percent, shown, silent
from tunekit.vocabulary import Code, Remedy

DEAD_DROP = 0.02  # share of the loss that a network which does not learn may lose behind the first transient (SURVEY)
DEAD_NOISE_DROP = 0.10  # ... or this share, where it is less than the noise and no trend shows
DEAD_TOTAL = 0.5
"""Share of the starting loss that may go in the first transient, if a metric shows that nothing was learnt."""
DEAD_METRIC = 0.03
"""Range of a metric that did not move, as a fraction. (AUTOTRAINER: 0.03 is an oscillation, 0.01 an improvement)"""
DEAD_ACCURACY = 0.6
"""Accuracy from which a flat curve is a trained network rather than a dead one. (AUTOTRAINER: 0.6 to 0.7)"""
DEAD_POINTS = 10  # points needed to say that nothing moves


def judge(m: Measures) -> Outcome:
    train, score = m.train, m.score
    if train is None or len(train.y) < DEAD_POINTS:
        return silent("too few points to say that nothing moves")
    late = train.relative(train.early - train.end, train.early)
    total = m.drop
    lowest = train.relative(train.start - train.low, train.start)
    noise = train.relative(train.sigma, train.early)
    trend = curves.trend(train.y[math.ceil(EARLY * len(train.y)) :])
    evidence: dict[str, object] = {"drop": total, "late_drop": late, "noise": noise}
    moves = silent(f"the training loss went {course(train.log)}")
    if m.swapped or warm_up_ends(m) > 0.8 or lowest > 5 * DEAD_NOISE_DROP:
        return moves
    if score is not None and score.bounded:
        if score.spread >= DEAD_METRIC or (score.is_accuracy and score.best >= DEAD_ACCURACY):
            return silent(
                f"{score.name} moved: {shown(score.log.lowest)} at its lowest and {shown(score.log.highest)} at its "
                "highest"
            )
        evidence |= {"metric": score.name, "metric_range": score.spread, "metric_end": score.end}
    within_noise = late < noise and late < DEAD_NOISE_DROP and not curves.falls(trend)
    flat = total < DEAD_DROP or (within_noise and total < DEAD_NOISE_DROP)
    stuck = late < DEAD_DROP and total < DEAD_TOTAL and score is not None and score.bounded
    if not (flat or (stuck and (not curves.falls(trend) or late < DEAD_DROP / 2))):
        return moves
    text = f"the training loss stays where it was: {course(train.log)}"
    if score is not None and score.bounded:
        text += f", {score.name} at {shown(score.log.ending)} over the last tenth"
    text += _guessing(m, train.end)
    return Outcome(True, text, evidence, DEAD_DROP / max(abs(late), 1e-3) if flat else 1.3)


def _guessing(m: Measures, loss: float) -> str:
    """That the loss is what guessing gives, where the number of classes or the expected loss is known."""
    known = m.log.procedure
    if known is None:
        return ""
    guess = math.log(known.classes) if known.classes is not None and known.classes > 1 else known.expected_loss
    if guess is not None and guess > 0 and abs(loss - guess) < 0.01 * guess:
        return f", which is what guessing gives ({shown(guess)})"
    return ""


VERDICT = Verdict(
    Code(
        name="not_learning",
        severity="fail",
        meaning="The training loss stays where it started.",
        measured=f"A drop below {percent(DEAD_DROP)}, or below its noise and {percent(DEAD_NOISE_DROP)}; with a metric "
        f"within {DEAD_METRIC:g}, behind the first {percent(EARLY)} alone.",
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
    near_misses=(
        Drawn("a trained network that stays level", level(0.2), level(0.21), level(0.95), level(0.94)),
        Drawn("a slow fall", lambda done: 2.3 - 0.2 * done),
    ),
)
