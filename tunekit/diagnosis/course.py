"""The course of a curve that is to rise, such as a return: where it began, its best, where it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tunekit.diagnosis import curves
from tunekit.diagnosis.measures import END, Points
from tunekit.diagnosis.verdict import course_by_tenths
from tunekit.logs.log import Array, finite
from tunekit.vocabulary import Curve

TENTHS = 10
"""Parts of which means are taken: what a single episode returns says nothing of a policy."""


@dataclass(frozen=True)
class Course:
    """Levels of a curve: medians of its first and last tenth, and the means of all ten."""

    name: str
    log: Points
    means: Array  # of its ten tenths; of a shorter curve, its points
    halves: Array  # the means of both halves of each
    noise: float  # of one of the means

    @property
    def start(self) -> float:
        return self.log.median(0.0, END)

    @property
    def end(self) -> float:
        return self.log.ending

    @property
    def tenths(self) -> str:
        return course_by_tenths(self.log)

    @property
    def best(self) -> float:
        return float(np.max(self.means))

    @property
    def best_place(self) -> float:
        """Of the best tenth, 0 to 1."""
        return int(np.argmax(self.means)) / max(1, len(self.means) - 1)


def course(source: Curve | None) -> Course | None:
    """The course of a curve of five finite points or more."""
    x, y = finite(source)
    if source is None or len(y) < 5:
        return None
    halves = [float(np.mean(part)) for part in np.array_split(y, min(TENTHS, len(y) // 2) * 2)]
    tenths = np.array_split(y, min(TENTHS, len(y)))
    means = [float(np.mean(part)) for part in tenths]
    ends = (tenths[int(np.argmax(means))], tenths[-1])  # one value may make a mean, where tails are heavy
    errors = [float(np.std(part)) / math.sqrt(len(part)) for part in ends]
    apart = np.abs(np.diff(halves))[::2]
    return Course(
        name=source.name,
        log=Points(x, y),
        means=np.array(means),
        halves=np.array(halves),
        noise=max(curves.MAD_TO_SIGMA * float(np.median(apart)) / 2, *errors),
    )
