"""The course of a curve that is to rise, such as a return: where it began, its best, where it ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import END, Points
from tunekit.diagnosis.verdict import shown
from tunekit.logs.log import finite
from tunekit.vocabulary import Curve


@dataclass(frozen=True)
class Course:
    """Levels of a curve: medians of its first and last tenth, and the best of running medians of a tenth."""

    name: str
    log: Points
    best: float
    best_place: float  # 0 to 1
    last_high: float  # the highest of the last tenth of the curve, smoothed
    noise: float

    @property
    def start(self) -> float:
        return self.log.median(0.0, END)

    @property
    def end(self) -> float:
        return self.log.ending

    @property
    def tenths(self) -> str:
        return f"from {shown(self.start)} over its first tenth to {shown(self.end)} over its last"


def course(source: Curve | None) -> Course | None:
    """The course of a curve of five finite points or more."""
    x, y = finite(source)
    if source is None or len(y) < 5:
        return None
    _, thin = curves.thin(y)
    middle = curves.running_median(thin, max(3, round(END * len(thin)) | 1))
    at = int(np.argmax(middle))
    smooth = curves.smooth(thin)
    return Course(
        name=source.name,
        log=Points(x, y),
        best=float(middle[at]),
        best_place=at / max(1, len(middle) - 1),
        last_high=float(np.max(smooth[-max(1, len(thin) // 10) :])),
        noise=curves.sigma(thin - smooth),
    )
