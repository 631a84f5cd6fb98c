"""Rules for runs that broke or never began: too little data, divergence, breaks, no learning. The order is in rules.py.

Thresholds marked (47 logs) were set by the project's survey of 47 labelled logs of public projects.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import Measures, Side, movement, warm_up_ends
from tunekit.diagnosis.verdict import Outcome, percent, shown, silent

FEW_TRAIN = 5
"""Training points below which ..."""
FEW_VAL = 8
"""... and validation points below which nothing is said of a run. (47 logs)"""

BAD_POINTS = 3
"""Losses that are not finite: this many anywhere, or one at the end. (DeepLocalize: one)"""
GROWTH = 2.0
"""Times the lowest level that the end of a diverged curve lies at. (TheDeepChecker: growth of 2)"""
COLLAPSE = 0.8
"""... or share of the starting loss that a collapsed network's loss returns to, and stays at."""
BLOW_UP = 10.0
"""Times the start that a single last loss lies at when a run ends by blowing up."""

STEP = 2.0
"""Times the level before, in one step, that makes a break. (47 logs)"""
SHIFT = 2.5
"""Median behind a break over median before it. (47 logs)"""
STEP_NOISE = 4.0
"""The logarithm of that ratio in standard deviations of the noise of the loss's logarithm: step losses are skewed."""
FLOOR = 1.8
"""Times the level before it that the curve never falls below again. (47 logs)"""

DEAD_DROP = 0.02
"""Share of the loss that a network which does not learn may lose behind the first 5 %. (47 logs)"""
DEAD_NOISE_DROP = 0.10
"""... or this share, where it is less than the noise and no trend shows."""
DEAD_TOTAL = 0.5
"""Share of the starting loss that may go in the first transient, if a metric shows that nothing was learnt."""
DEAD_METRIC = 0.03
"""Range of a metric that did not move, as a fraction. (AUTOTRAINER: 0.03 is an oscillation, 0.01 an improvement)"""
DEAD_ACCURACY = 0.6
"""Accuracy from which a flat curve is a trained network rather than a dead one. (AUTOTRAINER: 0.6 to 0.7)"""
DEAD_POINTS = 10
"""Points needed to say that nothing moves."""
SIGNIFICANT = -1.6
"""Kendall's z below which a series falls: 5 % one-sided."""


def insufficient_data(m: Measures) -> Outcome:
    """Too few points for any other rule, unless the last of them says that the run diverged."""
    train = 0 if m.train is None or m.swapped else m.train.n
    val = 0 if m.val is None else m.val.n
    score = 0 if m.score is None else len(m.score.y)
    counts = {"train_points": train, "val_points": max(val, score)}
    if m.train is not None and m.train.bad_end:
        return silent("the last loss is not finite, which says enough")
    if m.train is None:
        return Outcome(True, "the log holds no loss", counts, 10.0)
    if train < FEW_TRAIN and max(val, score) < FEW_VAL:
        text = f"{train} training and {max(val, score)} validation points are too few to judge"
        return Outcome(True, text, counts, FEW_TRAIN / max(train, 1))
    return silent(f"{train} training and {max(val, score)} validation points")


def diverged(m: Measures) -> Outcome:
    """Not finite, or far above the best and the start, or back at the start after it had learnt."""
    train = m.train
    if train is None:
        return silent("no training loss")
    if train.bad_end or train.bad >= BAD_POINTS:
        evidence = {"not_finite": train.bad, "first_not_finite_x": train.bad_x, "points": train.n}
        where = f"first at {train.unit} {shown(train.bad_x or 0.0)}"
        many = "the last one among them" if train.bad_end else "and it went on"
        return Outcome(
            True, f"{train.bad} of {train.n} training losses are not finite, {where}, {many}", evidence, 10.0
        )
    evidence = {"train_start": train.start, "train_lowest": train.low, "train_end": train.end}
    levels = f"{shown(train.start)} at the start, {shown(train.low)} at best, {shown(train.end)} at the end"
    rise, span = train.end - train.low, max(train.start - train.low, 0.0)
    times = train.end / train.low if train.positive else 1.0 + curves.ratio(rise, max(span, train.sigma))
    if len(train.y) >= FEW_TRAIN and times > GROWTH and train.end - train.start > 3 * train.sigma:
        return Outcome(True, f"the training loss grew: {levels}", evidence, times / GROWTH)
    if train.positive and train.last > BLOW_UP * max(train.start, float(np.max(train.y[:-1], initial=0.0)) / 2):
        return Outcome(True, f"the last loss is {shown(train.last)}, {levels} before", evidence, 1.2)
    fell = train.positive and train.low < train.start / GROWTH
    if fell and train.end >= COLLAPSE * train.start and _flat_end(train) and rise > 6 * train.sigma:
        return Outcome(True, f"the training loss fell back to where it began: {levels}", evidence, 1.5)
    return silent(f"all finite, and the end is {shown(times)} times the lowest training loss ({shown(GROWTH)} needed)")


def _flat_end(side: Side) -> bool:
    change, _, _ = movement(side.u, side.y, 0.10)
    return abs(side.relative(change, side.end)) < 0.10


def discontinuity(m: Measures) -> Outcome:
    """A step up to a level that holds: another state, another loss or another run from there on."""
    train = m.train
    if train is None or len(train.y) < 12 or not train.positive:
        return silent("too short, or a loss without a fixed zero")
    y, window = train.y, max(3, len(train.y) // 20)
    noise = curves.step_noise(np.log(y))
    best, found = 0.0, -1
    for index in np.flatnonzero(y[1:] > STEP * y[:-1]) + 1:
        before, after = y[max(0, index - window) : index], y[index : index + window]
        if len(before) < 3 or len(after) < max(3, window // 2):
            continue
        level = float(np.median(before))
        ratio = float(np.median(after)) / level
        holds = float(np.min(y[index:])) >= FLOOR * level
        if ratio > max(SHIFT, best) and holds and math.log(ratio) > STEP_NOISE * noise:
            best, found = ratio, int(index)
    if found < 0:
        return silent("no step up in the training loss that holds")
    place = float(train.x[found])
    text = f"the training loss steps up {shown(best)} times at {train.unit} {shown(place)} and stays there"
    return Outcome(True, text, {"ratio": best, "x": place}, best / SHIFT)


def not_learning(m: Measures) -> Outcome:
    """No drop worth the name behind the first transient, and no metric that says otherwise."""
    train, score = m.train, m.score
    if train is None or len(train.y) < DEAD_POINTS:
        return silent("too few points to say that nothing moves")
    late = train.relative(train.early - train.end, train.early)
    total = m.drop
    lowest = train.relative(train.start - train.low, train.start)
    noise = train.relative(train.sigma, train.early)
    trend = curves.trend(train.y[math.ceil(0.05 * len(train.y)) :])
    evidence: dict[str, Any] = {"drop": total, "late_drop": late, "noise": noise}
    kept = silent(f"the training loss fell by {percent(total)} in all, by {percent(late)} behind the first 5 %")
    if m.swapped or warm_up_ends(m) > 0.8 or lowest > 5 * DEAD_NOISE_DROP:
        return kept
    if score is not None and score.bounded:
        if score.spread >= DEAD_METRIC or (score.is_accuracy and score.best >= DEAD_ACCURACY):
            return silent(f"{score.name} moved by {shown(score.spread)} to {shown(score.best)}")
        evidence |= {"metric": score.name, "metric_range": score.spread, "metric_end": score.end}
    within_noise = late < noise and late < DEAD_NOISE_DROP and trend > SIGNIFICANT
    flat = total < DEAD_DROP or (within_noise and total < DEAD_NOISE_DROP)
    stuck = late < DEAD_DROP and total < DEAD_TOTAL and score is not None and score.bounded
    if not (flat or (stuck and (trend > SIGNIFICANT or late < DEAD_DROP / 2))):
        return kept
    text = f"the training loss stays at {shown(train.end)} ({shown(train.start)} at the start)"
    if score is not None and score.bounded:
        text += f", {score.name} at {shown(score.end)}"
    text += _guessing(m, train.end)
    return Outcome(True, text, evidence, DEAD_DROP / max(abs(late), 1e-3) if flat else 1.3)


def _guessing(m: Measures, level: float) -> str:
    """That the loss is what guessing gives, where the number of classes or the expected loss is known."""
    classes = m.context.get("classes")
    expected = m.context.get("expected_loss")
    guess = math.log(classes) if isinstance(classes, int) and classes > 1 else expected
    if isinstance(guess, int | float) and guess > 0 and abs(level - guess) < 0.01 * guess:
        return f", which is what guessing gives ({shown(guess)})"
    return ""


def no_validation(m: Measures) -> Outcome:
    """No validation loss and no validation metric of two points or more."""
    if m.swapped or m.val is not None or m.score is not None:
        name = m.val.name if m.val is not None else m.score.name if m.score is not None else ""
        return silent(f"{name!r} is validation")
    text = "the log has no validation curve, so nothing can be said of generalisation"
    if m.train is not None:
        text += f"; the training loss went from {shown(m.train.start)} to {shown(m.train.end)}"
    return Outcome(True, text, {"val_points": 0}, 10.0)
