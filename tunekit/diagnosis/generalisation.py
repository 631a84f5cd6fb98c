"""Rules that set validation against training: overfit, mismatch, noise, leaks. The order is in rules.py.

Published one-number rules false-alarm on real logs (one epoch of rising validation: on 31 of 33 sound logs), so each
rule here asks for several things at once. Thresholds marked (47 logs) come from the project's survey.
"""

from __future__ import annotations

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.log import Array
from tunekit.diagnosis.measures import Measures, Score, Side, movement
from tunekit.diagnosis.verdict import Outcome, percent, shown, silent, times

LEARNT = 0.5
"""Share of the training loss that is gone when training surely worked. (47 logs)"""
UNMOVED = 0.2
"""Share of the validation loss whose loss would show that it followed. (47 logs)"""
UNMOVED_METRIC = 0.02
"""Gain of a metric, as a fraction, below which it did not move."""
FAR = 0.9
"""Share of the starting training loss that validation stays above where the two are not the same task."""

SPIKE = 5.0
"""Times the local median of the validation loss that makes a spike. (47 logs)"""
TOWER = 20.0
"""Times the lowest validation loss so far that makes one. (47 logs)"""
TALL = 0.5
"""... and, as a share of the starting validation loss: near zero, large ratios mean nothing."""
SPIKES = 2
"""Spikes that make validation noisy; one may be a bad batch."""
SETTLED = 0.1
"""Share of the run in which validation may jump: averages and BatchNorm statistics warm up."""

PERFECT = 0.999
"""A validation metric, as a fraction, that no honest task holds for most of a run. (47 logs; UMLAUT's 0.95 is eager)"""
PERFECT_SHARE = 0.8
"""Share of the run for which it does."""
BELOW = 0.5
"""Validation loss as a share of the training loss, besides."""
VANISHED = 1e-3
"""Share of the starting loss that both losses end below, besides a perfect metric."""

RISE = 0.05
"""Rise of the validation loss over its best: GL of Prechelt at 5 %; also of the whole fall of the curve. (47 logs)"""
RISE_NOISE = 2.0
"""The same rise in standard deviations of the validation's point-to-point noise."""
RISE_BEFORE = 0.9
"""Share of the run before which the best validation lies: a late best is no turn."""
FELL_ON = 0.05
"""Share by which training went on falling since then."""
NEAR_BEST = 0.02
"""Validation within this share of its best has stalled; it counts from the first such point. (47 logs)"""
STALL_BEFORE = 0.8
"""Share of the run before which it stalled."""
STALL_FELL_ON = 0.2
"""Share by which training fell since it stalled."""
FALL_NOISE = 1.5
"""... and in standard deviations of its noise."""
STALL_RATIO = 1.25
"""Validation over training at the end of a stalled run."""
STALL_GAP = 0.15
"""The gap as a share of the whole fall of training. (47 logs)"""
GAP = 0.08
"""Training minus validation accuracy that a stalled run overfits with. (AUTOTRAINER: 0.07 to 0.1)"""
WIDE_GAP = 0.2
"""... and that is overfitting however the curves end (train 95 %, validation 70 %)."""
METRIC_FALL = 0.03
"""Fall of the validation metric from its best, as a fraction, where there is no loss to go by."""

METRIC_HOLDS = 0.005
"""A metric within this of its best holds, whatever the loss does."""
METRIC_GAIN = 0.01
"""Gain of the metric since the loss was best that speaks for the metric."""
MILD_RISE = 0.5
"""Rise of the loss up to which the metric is believed over the loss."""


def train_val_mismatch(m: Measures) -> Outcome:
    """Training works and validation takes no part in it."""
    train, val, score = m.train, m.val, m.score
    if train is None or val is None or m.swapped or val.n < 4:
        return silent("needs both losses")
    if 2 * val.bad >= val.n and val.bad_end and not train.bad:
        text = f"{val.bad} of {val.n} validation losses are not finite while training is"
        return Outcome(True, text, {"val_not_finite": val.bad, "val_points": val.n}, 2.0)
    fell = val.relative(val.start - val.low, val.start)
    gained = None if score is None else score.best - score.start
    evidence = {"train_drop": m.drop, "val_drop": fell, "metric_gain": gained}
    text = f"training lost {percent(m.drop)} of its loss, validation {percent(fell)}"
    if m.drop <= LEARNT or fell >= UNMOVED or val.low < FAR * train.start:
        return silent(f"{text}; its best is {shown(val.low)}")
    if score is not None and score.bounded:
        chance = score.best < 0.5 or (score.gap is not None and score.gap > 0.3)
        if gained is None or gained >= UNMOVED_METRIC or not chance:
            return silent(f"{score.name} reaches {shown(score.best)}")
    elif val.end > (1 + UNMOVED) * val.start:
        return silent("validation rises: it follows training, the wrong way")
    return Outcome(True, text + ": they are not the same task", evidence, m.drop / LEARNT)


def noisy_val(m: Measures) -> Outcome:
    """Spikes of the validation loss that training does not share and the metric does not feel."""
    train, val, score = m.train, m.val, m.score
    if train is None or val is None or len(val.y) < 6 or not val.positive:
        return silent("too few validation losses, or losses without a fixed zero")
    spikes = _val_spikes(val)
    shared = _train_spike_places(train)
    reach = 1.5 / max(len(val.y), 2)
    own = [index for index in spikes if not np.any(np.abs(shared - val.u[index]) <= reach)]
    highest = max((float(val.y[index]) for index in own), default=0.0)
    evidence = {"spikes": len(own), "highest": highest, "val_lowest": val.low}
    if len(own) < SPIKES:
        return silent(f"{len(own)} spikes of the validation loss ({SPIKES} needed)")
    ends_high = own[-1] >= len(val.y) - 2 and curves.tail(val.y, 0.1, 3) > TOWER * val.low
    if score is not None and score.best - score.end > METRIC_FALL and ends_high:
        return silent(f"{score.name} falls with the spikes")
    text = f"the validation loss spikes {times(len(own))}, up to {shown(highest)} with {shown(val.low)} at best"
    return Outcome(True, text, evidence, len(own) / SPIKES)


def _val_spikes(val: Side) -> list[int]:
    """Points behind the settling time far above their neighbours, or above all that came before."""
    first = max(1, int(np.ceil(SETTLED * len(val.y))))
    spikes = []
    for index in range(first, len(val.y)):
        around = np.concatenate([val.y[max(0, index - 3) : index], val.y[index + 1 : index + 4]])
        returns = index + 1 < len(val.y) and float(np.min(val.y[index + 1 :])) < val.y[index] / 2
        if val.y[index] < TALL * val.start:
            continue
        tower = val.y[index] > TOWER * float(np.min(val.y[:index])) and returns
        if tower or (val.y[index] > SPIKE * float(np.median(around)) and returns):
            spikes.append(index)
    return spikes


def _train_spike_places(train: Side) -> Array:
    up = np.flatnonzero(train.y[1:] > 2.0 * train.y[:-1]) + 1
    return train.u[up[train.y[up] > 0.3 * train.start]]


def val_suspicious(m: Measures) -> Outcome:
    """A perfect validation metric for most of the run, and losses to match."""
    train, val, score = m.train, m.val, m.score
    if score is None or not score.bounded or train is None or val is None:
        return silent("needs validation loss and a metric between 0 and 1")
    share = float(np.mean(score.y >= PERFECT))
    below = val.end < BELOW * train.end
    vanished = train.end < VANISHED * train.start and val.end < VANISHED * max(val.start, train.start)
    evidence = {"perfect_share": share, "val_end": val.end, "train_end": train.end}
    if share >= PERFECT_SHARE and len(score.y) >= 8 and (below or vanished):
        text = (
            f"validation {score.name} is {shown(score.end)} for {percent(share)} of the run, "
            f"with a loss of {shown(val.end)} below training's {shown(train.end)}"
        )
        return Outcome(True, text, evidence, share / PERFECT_SHARE + (below and vanished))
    return silent(f"validation {score.name} is perfect for {percent(share)} of the run")


def metric_loss_disagree(m: Measures) -> Outcome:
    """The loss turned and the metric did not: confidence grows, decisions hold."""
    val, score = m.val, m.score
    if val is None or score is None or m.derived or len(val.y) < FEW_VALIDATIONS:
        return silent("needs a validation loss and a metric")
    rise = _rise(m, val)
    if rise is None:
        return silent("the validation loss has not turned")
    place = float(val.u[val.low_at])
    since = float(np.interp(place, score.u, curves.running_median(score.y, 3) if len(score.y) > 2 else score.y))
    gain = score.end - since
    held = score.best - score.end <= max(METRIC_HOLDS, score.jitter)
    wide = score.gap is not None and score.gap > GAP
    evidence = {"val_rise": rise, "metric": score.name, "metric_gain_since": gain}
    if held and gain >= METRIC_GAIN and not wide and rise <= MILD_RISE and score.bounded:
        text = (
            f"the validation loss rose by {percent(rise)} from its best while {score.name} gained {shown(gain)} "
            f"to {shown(score.sign * score.end)}"
        )
        return Outcome(True, text, evidence, gain / METRIC_GAIN)
    return silent(f"{score.name} moved by {shown(gain)} since the loss was best, the gap is {_shown_gap(score)}")


FEW_VALIDATIONS = 5
"""Validations below which no turn is seen ..."""
SURE_RISE = 0.15
"""... unless the loss rose by this much: three epochs of fine-tuning can overfit plainly."""


def overfit(m: Measures) -> Outcome:
    """Validation turned, or stalled far behind, or its metric lies far behind, while training went on."""
    few = m.val is not None and len(m.val.y) < FEW_VALIDATIONS
    if few and m.val is not None and m.train is not None and len(m.val.y) >= 3:
        rise = _rise(m, m.val)
        if rise is not None and rise > SURE_RISE:
            return _turned(m, m.train, m.val) or silent("the validation loss has not turned")
    if m.val is not None and not few and m.train is not None:
        for limb in (_turned, _stalled):
            outcome = limb(m, m.train, m.val)
            if outcome is not None:
                return outcome
    gap = _gap(m)
    if gap is not None:
        return gap
    if m.val is None or m.train is None:
        return silent("no gap between the metrics")
    rise = m.val.relative(m.val.end - m.val.low, m.val.low)
    ratio = f"{shown(m.val.end)} in validation to {shown(m.train.end)} in training at the end"
    gapped = f", {m.score.name} gap {_shown_gap(m.score)}" if m.score is not None and m.score.gap is not None else ""
    return silent(f"validation is {percent(rise)} above its best, {ratio}{gapped}")


def _rise(m: Measures, val: Side) -> float | None:
    """How far the validation loss rose from its best, relative; None where it is no turn."""
    up = val.end - val.low
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
    rise = _rise(m, val)
    if rise is None:
        return None
    then = float(m.train_at_val[val.low_at])
    evidence = {"val_best": val.low, "val_end": val.end, "val_rise": rise, "train_end": train.end, **_gaps(m)}
    text = (
        f"the validation loss rose by {percent(rise)} from its best ({shown(val.low)} to {shown(val.end)}) "
        f"while training fell on from {shown(then)} to {shown(train.end)}"
    )
    change, z, _ = movement(val.u, val.y, 0.25)
    if z < -1.6 and val.relative(change, val.end) < -0.02:
        text += "; it falls again at the end, so this holds so far"
    return Outcome(True, text + _gap_words(m), evidence, rise / RISE)


def _stalled(m: Measures, train: Side, val: Side) -> Outcome | None:
    settled = max(val.low, curves.tail(val.y, 0.3, 3))  # the lowest of many noisy values comes late by chance
    near = val.s <= settled + NEAR_BEST * abs(settled)
    first = int(np.argmax(near))
    if first >= STALL_BEFORE * (len(val.y) - 1) or not val.positive or not train.positive:
        return None
    then = float(m.train_at_val[first])
    fell = (then - train.end) / then
    ratio = val.end / train.end
    gap = curves.ratio(val.end - train.end, max(train.start, val.start) - train.end)
    apart = m.score.gap if m.score is not None and m.score.bounded else None
    if fell <= STALL_FELL_ON or then - train.end <= FALL_NOISE * train.sigma or ratio <= STALL_RATIO:
        return None
    if gap <= STALL_GAP and not (apart is not None and apart > GAP):
        return None
    evidence = {"val_best": val.low, "val_end": val.end, "train_end": train.end, "gap": gap, **_gaps(m)}
    text = (
        f"the validation loss stands at {shown(val.end)} since {percent(first / (len(val.y) - 1))} of the run "
        f"while training fell on by {percent(fell)} to {shown(train.end)}"
    )
    return Outcome(True, text + _gap_words(m), evidence, min(fell / STALL_FELL_ON, ratio / STALL_RATIO))


def _gap(m: Measures) -> Outcome | None:
    """The metrics alone: a wide gap, or a clear one with a validation metric that stalled or fell."""
    score = m.score
    if score is None or not score.bounded or len(score.y) < 3:
        return None
    fall = score.best - score.end
    early_best = score.best_at < RISE_BEFORE * (len(score.y) - 1)
    evidence = {"metric": score.name, "metric_best": score.best, "metric_end": score.end, **_gaps(m)}
    if score.gap is not None and score.is_accuracy:
        change, _, _ = movement(score.u, score.y, 0.3)
        stalled = change < METRIC_GAIN and score.gap > GAP + 0.02 and len(score.y) >= FEW_VALIDATIONS
        improves = m.val is not None and _still_falls(m.val)
        if score.gap >= WIDE_GAP or (stalled and not improves and m.drop > LEARNT):
            text = f"{_gap_words(m).removeprefix('; ')}"
            return Outcome(True, text, evidence, score.gap / GAP)
    learnt = m.train is not None and m.drop > 0.1
    if m.val is None and learnt and early_best and fall > max(METRIC_FALL, 2 * score.jitter):
        text = f"validation {score.name} fell from {shown(score.best)} to {shown(score.end)} while training went on"
        return Outcome(True, text, evidence, fall / METRIC_FALL)
    return None


def _still_falls(val: Side) -> bool:
    change, z, _ = movement(val.u, val.y, 0.25)
    return z < -1.6 and val.relative(change, val.end) < -0.02


def _gaps(m: Measures) -> dict[str, float | str]:
    if m.score is None or m.score.gap is None or m.score.train_end is None:
        return {}
    sign = m.score.sign
    return {
        "metric": m.score.name,
        "train_metric": sign * m.score.train_end,
        "val_metric": sign * m.score.end,
        "metric_gap": m.score.gap,
    }


def _gap_words(m: Measures) -> str:
    score = m.score
    if score is None or score.gap is None or score.train_end is None or not score.bounded:
        return ""
    return f"; {score.name} ends at {100 * score.train_end:.1f} % in training and {100 * score.end:.1f} % in validation"


def _shown_gap(score: Score) -> str:
    return "unknown" if score.gap is None else shown(score.gap)
