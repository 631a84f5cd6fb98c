"""The course of a curve that is to rise, such as a return: where it began, its best, where it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunekit.diagnosis import curves
from tunekit.logs.log import finite
from tunekit.vocabulary import Curve

TENTH = 0.1
"""Share of a curve whose median is its beginning, and its end."""


@dataclass(frozen=True)
class Course:
    """Levels of a curve: medians of its first and last tenth, and the best of running medians of a tenth."""

    name: str
    points: int
    start: float
    best: float
    best_x: float
    best_place: float  # 0 to 1
    end: float
    last_high: float  # the highest of the last tenth of the curve, smoothed
    noise: float
    unit: str


def course(source: Curve | None) -> Course | None:
    """The course of a curve of five finite points or more."""
    x, y = finite(source)
    if source is None or len(y) < 5:
        return None
    index, thin = curves.thin(y)
    window = max(3, round(TENTH * len(thin)) | 1)
    middle = curves.running_median(thin, window)
    at = int(np.argmax(middle))
    late = curves.smooth(thin)[-max(1, len(thin) // 10) :]
    return Course(
        name=source.name,
        points=len(y),
        start=curves.head(y, TENTH),
        best=float(middle[at]),
        best_x=float(x[index[at]]),
        best_place=at / max(1, len(middle) - 1),
        end=curves.tail(y, TENTH),
        last_high=float(np.max(late)),
        noise=curves.sigma(thin - curves.smooth(thin)),
        unit=source.unit,
    )
