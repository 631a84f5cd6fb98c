"""Measures that are no curve of a training: of one case after the other, or of two units in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunekit.logs.log import Array, Metric, finite, floats
from tunekit.logs.names import BOUNDED, part, split
from tunekit.vocabulary import Curve

EVALUATION = (
    "holds measures without a loss or a step that do not get better: no course of a training, as of an evaluation"
)

PARTS = 10
"""Parts of such measures by whose medians it is told whether they get better."""

LEADS = 25
"""By how many of the 45 pairs of parts more must rise than fall."""

UNITS = 20.0
"""Times by which a fraction and a percentage of one measure lie apart, and as it has no reason to change."""


def of_cases(metrics: Sequence[Metric]) -> bool:
    """Whether measures are of one case after the other: no clock, not of two splits, and none gets better."""
    found = [(m.maximize, item) for m in metrics for item in (m.train, m.val) if item is not None]
    if any(item.unit != "row" for _, item in found) or "train" in {part(item.name).side for _, item in found}:
        return False
    long = [(maximize, floats(item.y)) for maximize, item in found if len(item.y) >= PARTS]
    return bool(long) and not any(_improves(y if maximize else -y) for maximize, y in long)


def _improves(y: Array) -> bool:
    levels = np.array([np.median(piece) for piece in np.array_split(y[np.isfinite(y)], PARTS) if len(piece)])
    first, second = np.triu_indices(len(levels), 1)
    return float(np.sum(np.sign(levels[second] - levels[first]))) >= LEADS


def mixes_units(measure: Curve) -> bool:
    """Whether a measure goes from fractions to percents and back again and again, as two that share a name do."""
    if BOUNDED.isdisjoint(split(measure.name)):
        return False
    _, y = finite(measure)
    if len(y) < 4 or float(np.min(y)) < 0.0 or not 1.5 < float(np.max(y)) <= 100.5:
        return False
    before, behind = y[:-1], y[1:]
    up = (before <= 1.0) & (behind > 1.0) & (behind >= UNITS * before)
    down = (before > 1.0) & (behind <= 1.0) & (before >= UNITS * behind)
    return int(np.sum(up)) >= 2 and int(np.sum(down)) >= 2
