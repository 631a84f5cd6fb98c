"""The numbers that the rules weigh, and what follows from them. How they are taken from a log is measuring's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tunekit.diagnosis import curves
from tunekit.logs.log import Array, Log, finite
from tunekit.vocabulary import Curve

START = 0.02
"""Share of a run whose median is its start."""

EARLY = 0.05
"""Share of a run after which the first transient (initialisation, warm-up) is over."""

GAINED, GAINED_NOISES = 0.1, 3.0
"""Gain of a metric, as a fraction and in standard deviations of its noise, that no dead run shows."""

MOVED = 0.25
"""Change of a metric without bounds, as a share of its start, that no dead run shows."""

BEGINS = 0.02
"""Share of the last place of a log before which its first lies where it holds the beginning of the run."""

END = 0.10
"""Share of a run whose median is its end."""

REST = 0.25
"""Share of a run over which it is asked whether the curve still moves."""


@dataclass(frozen=True)
class Points:
    """The finite points of a curve as they stand in the log: what sentences take their numbers from.

    Rules weigh smoothed levels; a person who reads "at the start" looks at the first row.
    """

    x: Array
    y: Array
    share: bool = False  # of one, told in per cent

    @property
    def first(self) -> float:
        return float(self.y[0])

    @property
    def last(self) -> float:
        return float(self.y[-1])

    @property
    def lowest(self) -> float:
        return float(np.min(self.y))

    @property
    def highest(self) -> float:
        return float(np.max(self.y))

    @property
    def lowest_x(self) -> float:
        """Where the lowest value stands first."""
        return float(self.x[int(np.argmin(self.y))])

    def lowest_until(self, x: float) -> float:
        """The lowest value before a place; the first where there is none before."""
        before = self.y[self.x < x]
        return float(np.min(before)) if len(before) else self.first

    def highest_about(self, x: Array, index: int) -> tuple[float, float]:
        """Place and value of the highest point about the point `index` of this curve, thinned to `x`."""
        after = x[index - 1] if index else -np.inf
        before = x[index + 1] if index + 1 < len(x) else np.inf
        about = ((self.x > after) & (self.x < before)) | (self.x == x[index])  # of one place there may be many points
        inside = np.flatnonzero(about) if len(x) < len(self.x) else np.array([index])
        at = int(inside[np.argmax(self.y[inside])])
        return float(self.x[at]), float(self.y[at])

    def median(self, begin: float, end: float) -> float:
        """The median from one share of the points to another, rounded up to whole points: of the last tenth of 15 that
        of 2."""
        count = len(self.y)
        first = min(count - math.ceil((1 - begin) * count - 1e-9), count - 1)
        last = max(count - math.ceil((1 - end) * count - 1e-9), first + 1) if end < 1 else count
        inside = self.y[first:last]
        middle = float(np.median(inside))
        return middle if math.isfinite(middle) else 2 * float(np.median(inside / 2))  # two of 1e308 overflow when added

    @property
    def ending(self) -> float:
        """The median of the last tenth."""
        return self.median(1 - END, 1.0)


@dataclass(frozen=True)
class Side:
    """One loss curve: finite points, thinned and smoothed, and its levels."""

    name: str
    log: Points
    points: int  # in the log, finite or not
    bad: int  # points that are not finite
    bad_end: bool  # ... and the last one is among them
    bad_x: float | None  # x of the first of them
    x: Array  # thinned, finite
    y: Array
    place: Array  # x as a share of the run that both splits span
    smoothed: Array
    start: float
    early: float
    end: float
    last: float
    low: float  # minimum of the smoothed curve (training) or of medians of three (validation)
    low_at: int
    sigma: float  # noise about the smoothed curve
    jitter: float  # noise from point to point
    unit: str

    @property
    def behind(self) -> float:
        """The median of the three points behind the first transient, or of those that there are."""
        first = min(max(1, math.ceil(EARLY * len(self.y))), len(self.y) - 1)
        return float(np.median(self.y[first : first + 3]))

    @property
    def positive(self) -> bool:
        """Whether ratios of levels mean something: no value at or below zero."""
        return bool(np.min(self.y) > 0 and np.min(self.smoothed) > 0)

    def relative(self, change: float, level: float) -> float:
        """A change relative to a level; to the range of the run where losses may be zero or negative."""
        scale = abs(level) if self.positive else max(self.start - self.low, float(np.ptp(self.smoothed)))
        return change / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class Score:
    """A metric with validation, turned so that higher is better."""

    name: str
    log: Points  # as logged
    trained: Points | None  # of training, as logged
    bounded: bool
    sign: float  # +1 as logged, -1 for an error
    place: Array  # as a Side's
    y: Array
    start: float
    end: float
    best: float
    best_at: int
    spread: float  # between the 5th and the 95th percentile of the smoothed metric, behind the early part
    jitter: float
    train_end: float | None

    @property
    def reached(self) -> float:
        """The best value as logged."""
        return self.log.highest if self.sign > 0 else self.log.lowest

    @property
    def gap(self) -> float | None:
        """Training minus validation at the end, in the metric's own unit; positive where training is better."""
        return None if self.train_end is None else self.train_end - self.end

    @property
    def gained(self) -> bool:
        """Whether it rose by more than chance gives a run that knows nothing."""
        return self.bounded and self.best - self.start > max(GAINED, GAINED_NOISES * self.jitter)

    @property
    def moved(self) -> bool:
        """Whether it is another at its best than at its start by far, whatever its unit: a quarter, and no noise."""
        far = abs(self.best - self.start) > max(MOVED * abs(self.start), GAINED_NOISES * self.jitter)
        return self.gained if self.bounded else far

    @property
    def is_accuracy(self) -> bool:
        return self.bounded and any(word in self.name for word in ("accuracy", "acc1", "top1"))


@dataclass(frozen=True)
class Measures:
    """Everything measured of one log. `train` is the validation loss where `swapped`: the log has no other."""

    log: Log
    train: Side | None
    val: Side | None
    score: Score | None
    train_at_val: Array  # smoothed training loss at the validation points
    lr: tuple[Array, Array]  # place in the run, rate
    swapped: bool = False
    derived: bool = False  # losses are one minus the metric
    blank: Curve | None = None  # a validation loss that is zero at each point and was left out

    @property
    def drop(self) -> float:
        """Share of the starting training loss that is gone at the end."""
        train = self.train
        return 0.0 if train is None else train.relative(train.start - train.end, train.start)

    def called(self, text: str) -> str:
        """A sentence of losses with what they are in this log: the only one is validation's, or they are errors."""
        if self.swapped:
            text = text.replace("the training loss", "the validation loss")
            text = text.replace(" training losses", " validation losses")
        if self.derived:
            for split in ("training", "validation"):
                text = text.replace(f"{split} losses", f"{split} errors").replace(f"{split} loss", f"{split} error")
        return text

    @property
    def begins(self) -> bool:
        """Whether the log holds the beginning of the run: its first place lies near zero, as seen from its last."""
        train = self.train
        if train is None or len(train.log.x) < 2:
            return True
        first, last = float(train.log.x[0]), float(train.log.x[-1])
        step = float(np.median(np.diff(train.log.x)))
        return first <= max(1.0, 2 * step, BEGINS * last)

    @property
    def best(self) -> tuple[float | None, float | None]:
        """x and epoch of the lowest validation loss, where there is one."""
        if self.val is None or not np.any(np.isfinite(self.val.log.y)):
            return None, None
        return self.val.log.lowest_x, self.epoch_at(self.val.unit, self.val.log.lowest_x)

    @property
    def foreign(self) -> bool:
        """Whether another tool wrote the log: tunekit's own runs hold all that there is to log."""
        return self.log.procedure is None

    @property
    def beats_guessing(self) -> bool:
        """Whether the metric ends better than guessing by more than a dead run shows; False where that is not known."""
        known, score = self.log.procedure, self.score
        if known is None or known.guessing is None or score is None:
            return False
        least = GAINED if score.bounded else MOVED * abs(known.guessing)
        return score.end - score.sign * known.guessing > max(least, GAINED_NOISES * score.jitter)

    @property
    def working_range(self) -> tuple[float, float, float] | None:
        """The rate of a tunekit run and the lowest and highest that its sweep found to work; None for other logs."""
        known = self.log.procedure
        if known is None or known.lr is None or known.sweep_range is None:
            return None
        numbers = (known.lr, *known.sweep_range)
        return numbers if min(numbers) > 0 else None

    def epoch_at(self, unit: str, place: float) -> float | None:
        """The epoch at a place of a curve in this unit, where the log knows it."""
        if unit == "epoch":
            return place
        if self.log.epochs is None:
            return None
        x, epochs = finite(self.log.epochs)
        return float(np.interp(place, x, epochs)) if len(x) else None


def warm_up_ends(m: Measures) -> float:
    """Place in the run at which the rate first reaches its maximum; 0 where it starts there or is unknown."""
    place, rates = m.lr
    if len(rates) < 3 or rates[0] >= 0.9 * np.max(rates):
        return 0.0
    return float(place[int(np.argmax(rates >= 0.99 * np.max(rates)))])


def rate_drops(m: Measures) -> list[float]:
    """Places in the run at which the rate falls by half or more in one step."""
    place, rates = m.lr
    if len(rates) < 3:
        return []
    return [float(place[index + 1]) for index in np.flatnonzero(rates[1:] <= 0.5 * rates[:-1])]


def movement(place: Array, y: Array, share: float) -> tuple[float, float, Array]:
    """Change over the last share of a run by its Theil-Sen slope, Kendall's z there, and the points used."""
    inside = place >= place[-1] - share * (place[-1] - place[0]) - 1e-9
    if np.sum(inside) < 4:  # three points in a row fall by chance, and can never be significant
        inside = np.arange(len(place)) >= len(place) - 4
    x, part = place[inside], y[inside]
    if len(x) < 2:
        return 0.0, 0.0, part
    return curves.slope(x, part) * float(x[-1] - x[0]), curves.trend(part), part
