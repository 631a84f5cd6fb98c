"""Numbers from curves: thinning, smoothing, noise, slopes, significance, alignment. Nothing is judged here."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tunekit.logs.log import Array

BINS = 400
"""A longer curve is thinned to this many medians: enough for every rule, and slopes over pairs stay cheap."""

MAD_TO_SIGMA = 1.4826
"""Scale of the median absolute deviation that makes it the standard deviation of normal noise."""

SIGNIFICANT = 1.6
"""Kendall's z, of either sign, from which a series moves: 5 %, one-sided. (KENDALL)"""


def thin(y: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """Medians of neighbouring points, at most BINS of them, and the index of each one's middle."""
    if len(y) <= BINS:
        return np.arange(len(y)), y
    edges = np.linspace(0, len(y), BINS + 1).astype(np.int64)
    return (edges[:-1] + edges[1:]) // 2, np.array([np.median(y[a:b]) for a, b in pairwise(edges)])


def smooth(y: Array) -> Array:
    """A running median (n/40, at least 3) and then a moving average (n/20, from 8 points on).

    The median takes single spikes out, which an average would smear; windows shrink at the ends.
    """
    n = len(y)
    middle = running_median(y, max(3, n // 40 | 1))
    return moving_average(middle, max(3, n // 20 | 1)) if n >= 8 else middle


def running_median(y: Array, window: int) -> Array:
    """Medians of a centred window of odd length; the ends repeat their last value. A shorter curve comes back."""
    if len(y) < window:
        return y
    half = window // 2
    padded = np.pad(y, half, mode="edge")
    result: Array = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    return result


def moving_average(y: Array, window: int) -> Array:
    """Means of a centred window that shrinks, symmetrically, towards the ends (so it never lags)."""
    n, half = len(y), window // 2
    place = np.arange(n)
    reach = np.minimum(np.minimum(place, n - 1 - place), half)
    total = np.zeros(n)
    for offset in range(-half, half + 1):  # sums, no differences of sums: one loss of 1e20 must not spoil the rest
        total += np.where(reach >= abs(offset), y[np.clip(place + offset, 0, n - 1)], 0.0)
    result: Array = total / (2 * reach + 1)
    return result


def ratio(value: float, level: float) -> float:
    """The quotient; infinite over zero, as a loss that underflowed is."""
    return value / level if level else math.copysign(math.inf, value) if value else 1.0


def sigma(residual: Array) -> float:
    """Robust standard deviation about the median; 0 below three points."""
    if len(residual) < 3:
        return 0.0
    return MAD_TO_SIGMA * float(np.median(np.abs(residual - np.median(residual))))


def step_noise(y: Array) -> float:
    """Noise from point to point, whatever the trend: robust spread of differences over sqrt(2)."""
    return sigma(np.diff(y)) / math.sqrt(2.0) if len(y) >= 4 else 0.0


def head(y: Array, share: float, least: int = 1) -> float:
    """Median of the first `share` of the points, of `least` at the fewest."""
    return float(np.median(y[: max(least, math.ceil(len(y) * share - 1e-9))]))


def tail(y: Array, share: float, least: int = 1) -> float:
    """Median of the last `share` of the points, of `least` at the fewest."""
    return float(np.median(y[-max(least, math.ceil(len(y) * share - 1e-9)) :]))


def slope(x: Array, y: Array) -> float:
    """Theil-Sen slope: the median over all pairs; 0 where there are none. For at most a few hundred points."""
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    pairs = run > 0
    if not np.any(pairs):
        return 0.0
    return float(np.median((y[second] - y[first])[pairs] / run[pairs]))


def trend(y: Array) -> float:
    """Kendall's z of a series against its order."""
    n = len(y)
    if n < 3:
        return 0.0
    first, second = np.triu_indices(n, 1)
    score = float(np.sum(np.sign(y[second] - y[first])))
    return score / math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)


def falls(z: float) -> bool:
    """Whether a series of this z falls significantly."""
    return z < -SIGNIFICANT


def linearity(x: Array, y: Array) -> float:
    """R^2 of the straight line through the curve; 0 where it is flat or too short."""
    if len(y) < 4 or float(np.ptp(y)) == 0.0 or float(np.ptp(x)) == 0.0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1] ** 2)


def places(x: Array, other: Array) -> tuple[Array, Array]:
    """Two curves' x as shares 0 to 1 of the run that both span, for curves that share one clock."""
    low = min(float(x[0]), float(other[0]))
    span = max(float(x[-1]), float(other[-1])) - low
    return (x - low) / (span or 1.0), (other - low) / (span or 1.0)


def shares(x: Array) -> Array:
    """One curve's x as shares of its own run: all that is left where two curves have different clocks."""
    span = float(x[-1] - x[0]) if len(x) else 0.0
    return (x - x[0]) / span if span > 0 else np.linspace(0.0, 1.0, len(x))
