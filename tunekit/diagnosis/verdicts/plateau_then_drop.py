"""A standstill from the beginning of the run that ended by itself."""

import numpy as np

from tunekit.citations import KARPATHY, NOTES, SURVEY
from tunekit.diagnosis import curves
from tunekit.diagnosis.drawn import Drawn
from tunekit.diagnosis.measures import Measures, rate_drops, warm_up_ends
from tunekit.diagnosis.verdict import (
    Outcome,
    Verdict,
    jumps_of,
    late_start,
    losses_lacking,
    percent,
    place,
    shown,
    silent,
    unasked,
)
from tunekit.logs.log import Array
from tunekit.vocabulary import Code, Remedy

FEW_POINTS = 12  # below which no standstill is told
BEGINS = 0.06  # share of the run in which a standstill begins
LEVEL = 0.03  # distance from the first level within which the loss stands still (SURVEY)
STOOD = 0.08  # share of the run for which it stood at its starting level ... (SURVEY)
STOOD_LATER = 0.15  # ... or at the level behind its first transient ...
TRANSIENT = 0.12  # ... which takes this share of the run at most, where it is slow ...
NEAR_START = 0.8  # ... and leaves this share of the loss
STOOD_POINTS = 5  # points that a standstill needs: three in a row stand still by chance in a slow log
DROPPED = 0.12  # fall from that level afterwards (SURVEY) ...
LATER = 2.0  # ... and in falls to that level before: what fell at once did not stand still at first


def judge(m: Measures) -> Outcome:
    train = m.train
    lacks = losses_lacking(train, FEW_POINTS, positive=True)
    if train is None or lacks:
        return unasked(lacks)
    if not m.begins:
        return unasked(late_start(train))
    warm = warm_up_ends(m)
    decays = rate_drops(m)
    wobble = 2 * train.sigma / np.sqrt(max(3, len(train.y) // 20))
    if wobble > 2 * LEVEL * train.start:
        return silent(f"noise hides any standstill: the training loss jumps {jumps_of(train.log)}")
    behind = float(train.smoothed[int(TRANSIENT * len(train.y))])
    begun = max(train.start, train.log.first)
    levels = [(curves.head(train.y, STOOD, 3), STOOD, BEGINS), (train.early, STOOD_LATER, BEGINS)]
    if behind > NEAR_START * train.start:
        levels.append((behind, STOOD_LATER, TRANSIENT))
    for level, least, begins in levels:
        inside = np.abs(train.smoothed - level) <= min(max(LEVEL * level, wobble), 2 * LEVEL * level)
        first = int(np.argmax(inside))
        if not inside[first] or train.place[first] - train.place[0] > begins:
            continue
        outside = np.flatnonzero(~inside[first:])
        if not len(outside):
            continue
        last = first + int(outside[0]) - 1
        share = float(train.place[last] - train.place[first])
        fell = (level - float(np.min(train.smoothed[last:]))) / abs(level)
        then = float(np.interp(train.place[last] + share, train.place, train.smoothed))
        # a straight line loses only twice as much in twice the time
        later = level - float(np.min(train.smoothed[last:])) >= LATER * (begun - level)  # it fell later, not at once
        sudden = later and level - then >= 3 * max(LEVEL * abs(level), level - float(train.smoothed[last]))
        enough = share >= least and last - first + 1 >= STOOD_POINTS and fell >= DROPPED and sudden
        by_plan = warm >= 0.8 * (train.place[last] - train.place[0]) or any(
            abs(decay - train.place[last]) < 0.08 for decay in decays
        )
        if (
            enough
            and not by_plan
            and _shared(m, float(train.place[last]))
            and not _stands_again(train.smoothed[last + 1 :], level, last - first + 1, wobble)
        ):
            until = float(train.x[last])
            stood = float(np.median(train.log.y[train.log.x <= until]))
            text = (
                f"up to {train.unit} {place(until)} the training loss stood at {shown(stood)} (median), and fell then: "
                f"{shown(train.log.lowest)} at its lowest"
            )
            return Outcome(True, text, {"level": level, "share": share, "fall": fell})
    return silent("the training loss did not stand still at first and fall then")


def _shared(m: Measures, last: float) -> bool:
    """Whether validation, where it has points on both sides of the end of a standstill, falls behind it as well."""
    val = m.val
    if val is None or m.swapped:
        return True
    before, after = val.y[val.place <= last], val.y[val.place > last]
    if len(before) < 2 or len(after) < 2:
        return True
    level = float(np.median(before[-3:]))
    return val.relative(level - float(np.min(after)), level) > DROPPED / 2


def _stands_again(y: Array, level: float, points: int, wobble: float) -> bool:
    """Whether the loss falls, stands and falls once more: the stairs of passes over the same samples, or of a
    schedule."""
    half = max(STOOD_POINTS, points // 2)
    fallen = int(np.argmax(y < (1 - DROPPED) * level))
    for begin in range(fallen, max(fallen, len(y) - 2 * half)):
        step, behind = y[begin : begin + half], float(y[begin + 2 * half])
        level = float(np.median(step))
        if float(np.ptp(step)) <= 2 * max(LEVEL * level, wobble) and level - behind >= DROPPED * level:
            return True
    return False


def _late(done: Array) -> Array:
    return np.where(done < 0.2, 2.3, 0.3 + 2.0 * np.exp(-14 * np.maximum(done - 0.2, 0)))


def _stairs(done: Array) -> Array:
    return np.select([done < 0.33, done < 0.67], [1.3 - 0.1 * done, 0.75 - 0.02 * done], 0.32)


VERDICT = Verdict(
    Code(
        name="plateau_then_drop",
        severity="warn",
        meaning="The loss stood still at first and fell only later.",
        measured=f"At least {percent(STOOD)} of the run within {percent(LEVEL)} of the start, then a drop of "
        f"{percent(DROPPED)} or more that neither a warm-up nor a decay of the rate explains.",
        causes="A poor initialisation, saturated units, a rate that is too small at first.",
        advice=("He or Xavier initialisation, the last bias at the log of the class prior", "normalisation layers"),
        source=f"{NOTES}; {KARPATHY}; {SURVEY}",
    ),
    judge,
    changed_by="a start without a standstill under another initialisation or with a warm-up",
    remedies=(Remedy("check-init-loss"),),
    of_the_loss=True,
    open=True,
    near_misses=(
        Drawn("a warm-up", _late, _late, lr=lambda done: np.minimum(done / 0.2, 1.0) + 1e-4, epochs=100),
        Drawn("the stairs of passes over few samples", _stairs, epochs=300),
        Drawn("a straight line", lambda done: 2.3 - 1.5 * done),
    ),
)
