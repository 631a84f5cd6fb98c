"""Rules on how training goes: spikes, rates, convergence, capacity, a late start, noise. The order is in rules.py.

Thresholds marked (47 logs) come from the project's survey of labelled logs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import REST, Measures, Side, movement, rate_drops, warm_up_ends
from tunekit.diagnosis.verdict import Outcome, percent, shown, silent, times

JUMP = 3.0
"""Times the level before it that a spike of the training loss reaches. (47 logs)"""
JUMP_NOISE = 6.0
"""... in standard deviations of its noise, of the loss and of its logarithm (step losses are skewed). (47 logs)"""
JUMP_SIZE = 0.3
"""... and as a share of the starting loss: near zero, large ratios mean nothing. (47 logs)"""
RARE = ((50, 1), (150, 2), (10**9, 3))
"""Up to so many points, so many spikes make a run unstable: in a log of each step single batches are hard."""

STRAIGHT = 0.90
"""R^2 of a line through the whole curve. (CS231n: a low rate gives a line; noise costs some)"""
HALVES = (0.40, 0.60)
"""Share of the fall that a straight line has in its first half."""
SLOW_DROP = 0.5
"""Share of the loss that a slow run has lost at its end, at most."""
SLOW_LEAST = 0.03
"""... and at least."""
SLOW_POINTS = 15
"""Points below which a short log is straight by chance."""

FALLING = -0.02
"""Change of the training loss over the last quarter, relative, that is still a fall. (47 logs)"""
VAL_FALLING = -0.01
"""The same of validation over the last 30 %, or 10 % where it has 50 points. (47 logs)"""
VAL_FALLING_CLEARLY = -0.03
"""The same, from where on it counts whatever the metric does."""
BEST_LATE = 0.7
"""Share of the run behind which a validation that still falls has its lowest value."""
TO_GAIN = 0.03
"""Share of the whole fall that the last quarter brought. (47 logs)"""
SCORE_RISING = 0.005
"""Gain of the metric over the last 30 % where there is no validation loss."""
FALLS = -1.6
"""Kendall's z below which a series falls: 5 % one-sided."""

UNDER_DROP = 0.5
"""Share of the loss that a network with too little capacity has lost at its end, at most. (47 logs)"""
UNDER_DROP_ALONE = 0.2
"""The same where no accuracy tells a poor end from a good beginning (fine-tuning starts low)."""
UNDER_RATIO = 1.25
"""Validation over training loss: above it the trouble is a gap, not capacity. (47 logs)"""
UNDER_ACCURACY = 0.6
"""Accuracy below which a converged network is poor. (AUTOTRAINER: 0.6 to 0.7)"""
SETTLED_SLOPE = 0.05
"""Relative change over the last quarter below which a curve has settled."""
HALF_SLOPE = 0.06
"""The same over the second half of the run, which noise hides less."""

LEVEL = 0.03
"""Distance from the first level within which the loss stands still. (47 logs)"""
STOOD = 0.08
"""Share of the run for which it stood at its starting level ... (47 logs)"""
STOOD_LATER = 0.15
"""... or at the level behind its first transient."""
STOOD_POINTS = 5
"""Points that a standstill needs: three in a row stand still by chance in a slow log."""
DROPPED = 0.12
"""Fall from that level afterwards. (47 logs)"""

DECAY_DROP = 0.10
"""Fall of the loss within 5 % of the run behind a decay of the rate: the rate had been too high. (47 logs)"""
NOISE = 0.3
"""Noise over level that makes a training loss noisy. (47 logs)"""
FLIPS = 0.2
"""Noise over level of an epoch's mean loss that speaks of a rate too high."""


def unstable(m: Measures) -> Outcome:
    """Spikes of the training loss that recover."""
    train = m.train
    if train is None or len(train.y) < 6 or not train.positive or m.swapped:
        return silent("too short, or a loss without a fixed zero")
    found = spikes(train)
    needed = next(count for limit, count in RARE if len(train.y) <= limit)
    if len(found) < needed:
        return silent(f"{len(found)} spikes of the training loss that recover ({needed} needed)")
    worst = max(found, key=lambda index: float(train.y[index]))
    place = f"{train.unit} {shown(float(train.x[worst]))}"
    text = (
        f"the training loss jumps {times(len(found))} and recovers, at {place} from "
        f"{shown(float(train.y[worst - 1]))} to {shown(float(train.y[worst]))}"
    )
    evidence = {"spikes": len(found), "highest": float(train.y[worst]), "x": float(train.x[worst])}
    return Outcome(True, text, evidence, float(train.y[worst] / train.y[worst - 1]) / JUMP)


def spikes(train: Side) -> list[int]:
    """First points of jumps above the level just before, which the curve comes back from."""
    y, found, index = train.y, [], 1
    factor = max(JUMP, float(np.exp(min(JUMP_NOISE * curves.step_noise(np.log(y)), 50.0))))
    while index < len(y):
        before = y[max(0, index - 3) : index]
        level = float(min(np.median(before), before[-1])) if len(before) < 3 else float(np.median(before))
        size = float(y[index]) - level
        high = y[index] > factor * level and size > JUMP_NOISE * train.sigma and size > JUMP_SIZE * train.start
        rest = y[index + 1 :]
        back = np.flatnonzero(rest < level + 0.3 * size)
        if high and len(back):
            found.append(index)
            index += 1 + int(back[0])
        index += 1
    return found


def lr_too_high(m: Measures) -> Outcome:
    """A rate above the sweep's working range; or a fall right behind a decay; or a noisy level after a fast fall."""
    train = m.train
    if train is None or len(train.y) < 6:
        return silent("too short")
    swept = working_range(m)
    if swept is not None and swept[0] > 1.01 * swept[2]:
        rate, low, high = swept
        text = f"the rate {shown(rate)} lies above the range that works ({shown(low)} to {shown(high)})"
        return Outcome(True, text, {"lr": rate, "range": [low, high]}, rate / high)
    for place in rate_drops(m):
        before = train.s[(train.u < place) & (train.u >= place - 0.1)]
        after = train.s[(train.u >= place) & (train.u <= place + 0.1)]
        if place < 0.1 or len(before) < 3 or len(after) < 2:
            continue
        fell = (float(np.median(before)) - float(np.median(after))) / abs(float(np.median(before)) or 1.0)
        flat = abs(curves.trend(before)) < 1.64
        if train.positive and fell > DECAY_DROP and flat:
            text = f"the training loss fell by {percent(fell)} when the rate was lowered at {percent(place)} of the run"
            return Outcome(True, text, {"fall_at_decay": fell, "place": place}, fell / DECAY_DROP)
    return silent("no spike, no fall at a decay of the rate")


def working_range(m: Measures) -> tuple[float, float, float] | None:
    """The rate of a tunekit run and the lowest and highest that its sweep found to work; None for other logs."""
    bounds, rate = m.context.get("sweep_range"), m.context.get("lr")
    numbers = [rate, *bounds] if isinstance(bounds, list | tuple) and len(bounds) == 2 else []
    if len(numbers) != 3 or not all(isinstance(item, int | float) and item > 0 for item in numbers):
        return None
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def rough_level(m: Measures) -> Outcome:
    """A fast fall, then a level that both splits jump about: the rate bounces out of what it should settle in."""
    train, val = m.train, m.val
    if train is None or val is None or not train.positive or not 12 <= train.n <= curves.BINS or m.derived:
        return silent("needs both losses by epochs")
    half = len(train.y) // 2
    level = float(np.median(train.y[half:]))
    rough = curves.step_noise(train.y[half:]) / level
    change, z, _ = movement(train.u, train.y, 0.5)
    settled = change > -SETTLED_SLOPE * level or z > FALLS
    fast = train.start - level > 3 * level * rough and train.early < train.start - 0.3 * (train.start - level)
    rough_val = curves.ratio(val.jitter, val.end)
    high = level > 0.25 * train.start
    by_epoch = 2 * len(val.y) >= len(train.y)  # single batches are rough by nature; means of epochs are not
    if by_epoch and rough > FLIPS and rough_val > rough / 2 and settled and fast and high:
        text = f"after a fast start the training loss jumps by {percent(rough)} about {shown(level)}"
        return Outcome(True, text, {"noise": rough, "level": level}, rough / FLIPS)
    return silent(f"the training loss jumps by {percent(rough)} about its level ({percent(FLIPS)} needed)")


def lr_too_low(m: Measures) -> Outcome:
    """A straight line down that has not got far, at a rate that does not change by plan."""
    train = m.train
    if train is None or len(train.y) < SLOW_POINTS:
        return silent("too short")
    swept = working_range(m)
    if swept is not None:
        rate, low, high = swept
        if rate >= 0.99 * low:
            return silent(f"the rate {shown(rate)} lies within the range that works")
        text = f"the rate {shown(rate)} lies below the range that works ({shown(low)} to {shown(high)})"
        return Outcome(True, text, {"lr": rate, "range": [low, high]}, low / rate)
    straight = curves.linearity(train.u, train.s)
    span = float(train.s[0] - train.s[-1])
    middle = float(np.interp((train.u[0] + train.u[-1]) / 2, train.u, train.s))
    first = (float(train.s[0]) - middle) / span if span > 0 else 0.0
    change, z, _ = movement(train.u, train.y, REST)
    evidence = {"r_squared": straight, "drop": m.drop, "first_half": first}
    slow = SLOW_LEAST < m.drop < SLOW_DROP
    even = HALVES[0] <= first <= HALVES[1]
    if straight > STRAIGHT and slow and even and change < 0 and z < FALLS and warm_up_ends(m) < 0.2:
        text = f"the training loss falls along a straight line (R^2 {straight:.3f}) and has lost {percent(m.drop)} only"
        return Outcome(True, text, evidence, 1.5)
    return silent(
        f"R^2 of a line {straight:.2f}, {percent(first)} of the fall in the first half, {percent(m.drop)} in all"
    )


def not_converged(m: Measures) -> Outcome:
    """Training and validation were both still falling, by enough to matter."""
    train, val, score = m.train, m.val, m.score
    if train is None:
        return silent("no training loss")
    change, z, _ = movement(train.u, train.y, REST)
    relative = train.relative(change, max(abs(train.end), abs(train.end - change)))
    whole = float(train.start - train.low)
    gain = -change / whole if whole > 0 else 0.0
    evidence = {"train_change": relative, "share_of_fall": gain}
    text = f"over the last quarter the training loss still fell by {percent(-relative)}"
    if relative >= FALLING or z >= FALLS or gain <= TO_GAIN:
        last = f"{percent(relative)} in the last quarter ({percent(gain)} of its fall)"
        return silent(f"the training loss changed by {last}")
    if val is not None:
        window = 0.1 if len(val.y) >= 50 else 0.3
        change, z, part = movement(val.u, val.y, window)
        moved = val.relative(change, val.end)
        evidence["val_change"] = moved
        turned = val.low_at < 0.9 * (len(val.y) - 1) and val.relative(val.end - val.low, val.low) > 0.05
        weak = moved > VAL_FALLING_CLEARLY and _metric_settled(m, window)
        early = int(np.argmin(val.y)) < BEST_LATE * (len(val.y) - 1)
        if moved >= VAL_FALLING or (len(part) >= 5 and z > -1.0) or turned or weak or early:
            return silent(f"validation changed by {percent(moved)} in the last {percent(window)} of the run")
        text += f" and validation's by {percent(-moved)}"
    elif score is not None:
        change, _, _ = movement(score.u, score.y, 0.3)
        evidence["metric_change"] = change
        if change < SCORE_RISING * (1.0 if score.bounded else abs(score.end)):
            return silent(f"{score.name} gained {shown(change)} in the last 30 % of the run")
        text += f" and {score.name} rose by {shown(change)}"
    return Outcome(True, text, evidence, min(relative / FALLING, gain / TO_GAIN))


def _metric_settled(m: Measures, window: float) -> bool:
    """Whether a metric between 0 and 1 gained nothing more over the last share of the run."""
    if m.score is None or not m.score.bounded:
        return False
    change, _, _ = movement(m.score.u, m.score.y, window)
    return change < SCORE_RISING


def underfit(m: Measures) -> Outcome:
    """Settled, no gap, and poor: by accuracy where there is one, else by how little of the loss is gone."""
    train, val, score = m.train, m.val, m.score
    if train is None or len(train.y) < 8 or m.swapped:
        return silent("too short")
    change, z, _ = movement(train.u, train.y, REST)
    relative = train.relative(change, max(abs(train.end), abs(train.end - change)))
    drop = m.drop
    evidence: dict[str, Any] = {"drop": drop, "train_change": relative}
    moves = SETTLED_SLOPE if abs(z) < -FALLS else -FALLING
    half, half_z, _ = movement(train.u, train.y, 0.5)
    falls = train.relative(half, train.end) < -HALF_SLOPE and half_z < FALLS
    if falls or (abs(relative) > moves * (1 if z < 0 else 2.5) and abs(z) > 1.0):
        return silent(f"training has not settled ({percent(relative)} in the last quarter)")
    if val is not None and val.positive and val.end > UNDER_RATIO * train.end:
        return silent(f"validation ends at {shown(curves.ratio(val.end, train.end))} times training: a gap")
    limit = UNDER_DROP_ALONE
    words = f"the training loss settled at {shown(train.end)}, {percent(drop)} below its start"
    if score is not None and score.bounded:
        level = max(score.best, score.train_end or 0.0)
        if score.is_accuracy:
            if level >= UNDER_ACCURACY:
                return silent(f"{score.name} reaches {shown(level)}")
            limit = 0.9 if drop < 0.9 else 0.0
        elif level >= UNDER_ACCURACY:
            return silent(f"{score.name} reaches {shown(level)}")
        elif level < 0.3:
            limit = UNDER_DROP
        evidence |= {"metric": score.name, "metric_level": level}
        words += f" and {score.name} at {shown(level)}"
    if drop >= limit:
        return silent(f"{percent(drop)} of the training loss is gone")
    return Outcome(
        True, words + ", with no gap to validation: it may be too little capacity", evidence, limit / max(drop, 0.05)
    )


def plateau_then_drop(m: Measures) -> Outcome:
    """A standstill from the beginning of the run that ended by itself."""
    train = m.train
    if train is None or len(train.y) < 12 or not train.positive:
        return silent("too short, or a loss without a fixed zero")
    warm = warm_up_ends(m)
    decays = rate_drops(m)
    longest = 0.0
    wobble = 2 * train.sigma / np.sqrt(max(3, len(train.y) // 20))
    if wobble > 2 * LEVEL * train.start:
        return silent(f"noise of {percent(train.sigma / train.start)} of the start hides any standstill")
    for level, least in ((curves.head(train.y, STOOD, 3), STOOD), (train.early, STOOD_LATER)):
        inside = np.abs(train.s - level) <= min(max(LEVEL * level, wobble), 2 * LEVEL * level)
        first = int(np.argmax(inside))
        if not inside[first] or train.u[first] - train.u[0] > 0.06:
            continue
        outside = np.flatnonzero(~inside[first:])
        if not len(outside):
            continue
        last = first + int(outside[0]) - 1
        share = float(train.u[last] - train.u[first])
        longest = max(longest, share)
        fell = (level - float(np.min(train.s[last:]))) / abs(level)
        then = float(np.interp(train.u[last] + share, train.u, train.s))
        # a straight line loses only twice as much in twice the time
        sudden = level - then >= 3 * max(LEVEL * abs(level), level - float(train.s[last]))
        enough = share >= least and last - first + 1 >= STOOD_POINTS and fell >= DROPPED and sudden
        by_plan = warm >= 0.8 * (train.u[last] - train.u[0]) or any(
            abs(place - train.u[last]) < 0.08 for place in decays
        )
        if enough and not by_plan:
            text = (
                f"the training loss stood at {shown(level)} for the first {percent(share)} of the run "
                f"and then fell by {percent(fell)}"
            )
            return Outcome(True, text, {"level": level, "share": share, "fall": fell}, share / least)
    return silent(f"it stood still for {percent(longest)} of the run at first ({percent(STOOD)} needed)")


def noisy_train(m: Measures) -> Outcome:
    """The training loss jumps from point to point by a good part of its level."""
    train = m.train
    if train is None or len(train.y) < 8 or not train.positive:
        return silent("too short, or a loss without a fixed zero")
    level = float(np.median(train.s[len(train.s) // 2 :]))
    share = curves.sigma((train.y - train.s)[len(train.s) // 2 :]) / level if level > 0 else 0.0
    if share > NOISE:
        text = f"the training loss jumps by {percent(share)} of its level from point to point"
        return Outcome(True, text, {"noise": share}, share / NOISE)
    return silent(f"noise of {percent(share)} of the level")
