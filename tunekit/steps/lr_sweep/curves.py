"""The runs of a sweep by rate: how far the training loss fell, and which rates work. Pure arithmetic on records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from tunekit.configuration import decimal
from tunekit.steps.noise import ERRORS, diverged, tail, tail_mean
from tunekit.vocabulary import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LADDER = (1.0, 3.0)  # half-decades: 1, 3, 10, 30, ...
WORKS = 0.8  # share of the best drop that a working rate reaches
NEARLY = 0.9  # share of the best drop for which a rate further from divergence is preferred
SAME = 1e-6  # of a loss: closer ones are equal to the last digit of single precision
LEAST_DROP = 0.02  # of the start's scale: less is no learning, whatever the noise


def ladder(low: float, high: float) -> list[float]:
    """The decimal ladder 1, 3, 10, ... from low to high, both included where they stand on it.

    >>> ladder(1e-3, 1e-1)
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    rates = []
    for exponent in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2):
        for step in LADDER:
            rate = decimal(step * 10.0**exponent)
            if low * 0.999 <= rate <= high * 1.001:
                rates.append(rate)
    return rates or [decimal(low)]


def beyond(rate: float, up: bool) -> float:
    """The next rate of the ladder."""
    return (
        min(r for r in ladder(rate, rate * 20) if r > rate * 1.01)
        if up
        else max(r for r in ladder(rate / 20, rate) if r < rate * 0.99)
    )


@dataclass(frozen=True)
class RateCurve:
    """One rate's short run: where it ended, and how sure that is."""

    rate: float
    losses: tuple[float, ...]
    start: float
    end: float  # mean of the last tenth
    error: float  # standard error of the drop
    diverged: int | None

    @property
    def drop(self) -> float:
        return -math.inf if self.diverged else self.start - self.end

    @property
    def works(self) -> bool:
        """Whether the loss fell by more than its noise, and by more than nothing."""
        return self.drop > max(ERRORS * self.error, LEAST_DROP * max(abs(self.start), 1e-12))


def read_curves(records: Sequence[Record]) -> Mapping[float, RateCurve]:
    """The sweep's runs by rate. All saw the same batches: the start and the noise come from the lowest rate, whose
    weights hardly move. Where its loss falls by no more than noise, each rate is compared with it over the same last
    batches, whose noise is then in both."""
    import numpy as np

    runs = {record.params["lr"]: record for record in records}
    lowest = runs[min(runs)].column("train_loss")
    first = fmean(lowest[:10]) if lowest and all(map(math.isfinite, lowest[:10])) else math.nan
    still = abs(first - tail_mean(lowest)) <= ERRORS * _error(np.asarray(lowest[:10]), tail(lowest))
    curves = {}
    for rate in sorted(runs):
        losses = runs[rate].column("train_loss")
        base = np.asarray(lowest[: len(losses)], dtype=np.float64)
        window = tail(losses)
        points, beside = len(window), len(base) == len(losses) and bool(np.isfinite(base).all())
        if beside:
            window = window - base[-points:]  # noise of batches that both saw; what is left is this rate's own path
        start = tail_mean(lowest) if beside and still else first
        error = _error(window) if beside and still else _error(window, base[:points])
        curves[rate] = RateCurve(rate, tuple(losses), start, tail_mean(losses), error, diverged(runs[rate]))
    return curves


def _error(*windows: npt.NDArray[np.float64]) -> float:
    """The standard error of a mean, or of the difference of two; infinite for single points,
    NaN for what is not finite."""
    import numpy as np

    if min(map(len, windows)) < 2:
        return math.inf
    if not all(np.isfinite(window).all() for window in windows):
        return math.nan
    return math.sqrt(sum(float(window.var(ddof=1)) / len(window) for window in windows))


def steepest(curves: Mapping[float, RateCurve]) -> float | None:
    """The rate with the largest drop, among those that work."""
    working = [curve for curve in curves.values() if curve.works]
    return max(working, key=lambda curve: curve.drop).rate if working else None


def pick(curves: Mapping[float, RateCurve]) -> float | None:
    """The rate to hand on: the best, or its lower neighbour where the best stands next to divergence and the
    neighbour does nearly as well."""
    best = steepest(curves)
    if best is None:
        return None
    rates = sorted(curves)
    place = rates.index(best)
    above = curves[rates[place + 1]] if place + 1 < len(rates) else None
    below = curves[rates[place - 1]] if place else None
    close = above is not None and above.diverged is not None
    if close and below is not None and below.works and below.drop >= NEARLY * curves[best].drop:
        return below.rate
    return best


def working_range(curves: Mapping[float, RateCurve]) -> tuple[float, float] | None:
    """Lowest and highest rate around the best with at least 80 % of its drop; None where none works."""
    best = steepest(curves)
    if best is None:
        return None
    rates = sorted(curves)
    least = WORKS * curves[best].drop
    low = high = rates.index(best)
    while low > 0 and curves[rates[low - 1]].works and curves[rates[low - 1]].drop >= least:
        low -= 1
    while high + 1 < len(rates) and curves[rates[high + 1]].works and curves[rates[high + 1]].drop >= least:
        high += 1
    return rates[low], rates[high]


def is_unused(curves: Mapping[float, RateCurve]) -> bool:
    """Whether trainings of all rates are one and the same, and learn: the rate does not reach the optimizer."""
    if len(curves) < 3 or not any(curve.works for curve in curves.values()):
        return False
    first, *others = (curve.losses for curve in curves.values())
    return all(
        abs(a - b) <= SAME * max(abs(a), abs(b)) for losses in others for a, b in zip(first, losses, strict=False)
    )


def edge(curves: Mapping[float, RateCurve]) -> str | None:
    """The side on which a better rate may lie. Where nothing worked and everything diverged, lower ones may."""
    best = steepest(curves)
    if best == max(curves):
        return "highest"
    lower = best == min(curves) or (best is None and all(curve.diverged for curve in curves.values()))
    return "lowest" if lower else None
