"""Training and validation were both still falling when the run ended, by enough to matter."""

import numpy as np

from tunekit.citations import PLAYBOOK, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import REST, Measures, Score, movement
from tunekit.diagnosis.odds import Tried
from tunekit.diagnosis.prospects import GO_ON, go_on
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    course,
    course_by_lowest,
    eighths,
    halves,
    losses_lacking,
    percent,
    shown,
    silent,
    unasked,
)
from tunekit.vocabulary import Code

FALLING = -0.02  # change of the training loss over the last quarter, relative, that is still a fall (SURVEY)
VAL_FALLING = -0.01  # the same of validation over the last 30 %, or 10 % where it has 50 points (SURVEY)
VAL_FALLING_CLEARLY = -0.03  # the same, from where on it counts whatever the metric does ...
STEADY, STEADY_POINTS = 0.05, 8  # ... or a fall by this share of its whole, over so many validations
TURNED = 0.1  # the training loss that far above its lowest has turned, whatever it does since
VAL_TURNED = 0.05  # validation that far above a best that lies in the first 90 % of the run has turned
BEST_LATE = 0.7  # share of the run behind which a validation that still falls has its lowest value
LEARNT = 0.1  # share of the loss that is gone, below which a slope may be chance ...
SURE = -2.6  # ... but for this z of Kendall's: one in two hundred
TO_GAIN = 0.03  # share of the whole fall that the last quarter brought (SURVEY)
ROUNDING = 1e-6  # of a share
SCORE_GAIN = 0.01  # gain of the metric over the last quarter that says so by itself (AUTOTRAINER: an improvement)
SCORE_RISING = 0.005  # gain of the metric over the last 30 % where there is no validation loss


def judge(m: Measures) -> Outcome:
    train, val, score = m.train, m.val, m.score
    lacks = losses_lacking(train)
    if train is None or lacks:
        return unasked(lacks)
    if m.log.procedure is not None and m.log.procedure.still_improving:
        return Outcome(True, "validation was still improving when the run ended, as the fine run saw")
    if score is not None and score.bounded and score.end >= 1 - ROUNDING:
        return silent(f"{score.name} is at its highest")
    change, z, _ = movement(train.place, train.y, REST)
    relative = train.relative(change, max(abs(train.end), abs(train.end - change)))
    whole = float(train.start - train.low)
    gain = -change / whole if whole > 0 else 0.0
    evidence = {"train_change": relative, "share_of_fall": gain}
    text = f"the training loss still fell, {eighths(train.log)}"
    late = train.low_at >= BEST_LATE * (len(train.y) - 1)
    rough = train.relative(2 * train.jitter, train.low)
    if not late and train.relative(train.end - train.low, train.low) > max(TURNED, rough):
        return silent(f"the training loss lay below its end before: {course_by_lowest(train.log)}")
    if score is not None and val is None and still_rises(score):
        change, _, _ = movement(score.place, score.y, REST)
        better = "rose" if score.sign > 0 else "fell"
        text = (
            f"validation {score.name} still {better}, {eighths(score.log)}; the training loss went {course(train.log)}"
        )
        return Outcome(True, text, {"metric_change": change})
    little = m.drop < LEARNT and z > SURE
    if relative >= FALLING or little or not curves.falls(z) or gain <= TO_GAIN:
        return silent(f"the training loss went {course(train.log)}, {eighths(train.log)}")
    if val is not None:
        window = 0.1 if len(val.y) >= 50 else 0.3
        change, z, part = movement(val.place, val.y, window)
        moved = val.relative(change, val.end)
        evidence["val_change"] = moved
        turned = val.low_at < 0.9 * (len(val.y) - 1) and val.relative(val.end - val.low, val.low) > VAL_TURNED
        settled = score is not None and score.bounded and movement(score.place, score.y, window)[0] < SCORE_RISING
        over, steady_z, of_it = movement(val.place, val.y, REST)
        steady = steady_z < SURE and -over > STEADY * (val.start - val.low) and len(of_it) >= STEADY_POINTS
        weak = moved > VAL_FALLING_CLEARLY and settled and not steady
        early = int(np.argmin(val.y)) < BEST_LATE * (len(val.y) - 1)
        before, after = halves(val.log)
        rises = val.relative(after - before, before) > -VAL_FALLING
        if rises or moved >= VAL_FALLING or (len(part) >= 5 and z > -1.0) or turned or weak or early:
            return silent(f"the validation loss went {course(val.log)}, {eighths(val.log)}")
        if not m.swapped:
            told = after < before and shown(after) != shown(before)
            text += f", and validation's {eighths(val.log) if told else course(val.log)}"
    elif score is not None:
        change, _, _ = movement(score.place, score.y, 0.3)
        evidence["metric_change"] = change
        if change < SCORE_RISING * (1.0 if score.bounded else abs(score.end)):
            return silent(f"{score.name} went {eighths(score.log)}")
        text += f", and {score.name} rose {eighths(score.log)}"
    return Outcome(True, text, evidence)


def still_rises(score: Score) -> bool:
    """Whether the metric is at its best at the end, and rose to it over the last quarter by enough to matter."""
    change, z, part = movement(score.place, score.y, REST)
    scale = 1.0 if score.bounded else max(score.best - score.start, abs(score.end))
    at_best = float(score.y[-1]) >= float(np.max(score.y))
    rises = change > SCORE_GAIN * scale and z > curves.SIGNIFICANT
    seen = len({shown(half) for half in halves(score.log)}) > 1  # in three digits
    return len(part) >= 4 and rises and at_best and seen


VERDICT = Verdict(
    Code(
        name="not_converged",
        severity="note",
        meaning="Both curves were still falling when the run ended.",
        measured=f"Significant downward slopes of training (above {percent(-FALLING)} and {percent(TO_GAIN)} of its "
        f"whole fall in the last quarter) and of validation (above {percent(-VAL_FALLING)}).",
        causes="The run was short.",
        advice=(GO_ON, Tried("a higher rate gets there sooner: `tunekit lr-sweep RECIPE`", "higher_rate")),
        source=f"{PLAYBOOK} (still improving at the end); {SURVEY}",
    ),
    judge,
    changed_by=f"a longer run whose last quarter brings less than {percent(TO_GAIN)} of the fall",
    remedies=lambda m, _known: go_on(m),
    of_the_loss=True,
    near_misses=(
        Drawn("curves that settled", fall(2.3, 0.3, 9), fall(2.3, 0.33, 9)),
        Drawn(
            "losses that fall below an accuracy of 100 %",
            fall(2.3, 0.0, 3),
            fall(2.3, 0.0, 3),
            val_accuracy=lambda done: np.minimum(1.0, 0.5 + done),
        ),
        Drawn("training that falls on alone", fall(2.3, 0.1, 1.6), fall(2.3, 0.8, 12)),
    ),
)
