"""The final model on a split, and what it takes to build it again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from tunekit.configuration import Values
from tunekit.jsondata import JsonData

Answers = Literal["classes", "decision", "labels", "values"]
"""What outputs say of a sample: one of several classes, yes or no, several of these, or numbers."""


Averaging = Literal["classes", "decisions", "values"]
"""How outputs of several views of an image become one: by the mean probability of classes, by that of yes or no, or as
they are."""


@dataclass(frozen=True)
class Views(JsonData):
    """Five crops of an image, and their mirror images where it is `mirrored`, of which the answers are averaged."""

    mirrored: bool
    averaging: Averaging


@dataclass(frozen=True)
class PackageArgs(JsonData):
    """What the probe `package` is asked: in how many passes the model answers."""

    test_time: str = "single"


@dataclass(frozen=True)
class SplitArgs(JsonData):
    """What the probe `split` is asked: which samples, and in how many passes."""

    split: Literal["test", "val"]
    test_time: str = "single"


@dataclass(frozen=True)
class HighLoss(JsonData):
    """A sample with a high loss. `true` and `predicted`: classes by number, or numbers; `probability`: of what is
    predicted."""

    sample: int  # its place in the split
    loss: float
    true: float | None
    predicted: float | None
    probability: float | None = None
    name: str = ""  # of its file, or its row


@dataclass(frozen=True)
class Mistake(HighLoss):
    """The same with its picture: a PNG in base64, "" where the inputs are no pictures."""

    picture: str = ""


@dataclass(frozen=True)
class Missed(JsonData):
    """A class (or label) that occurs `count` times, and that the model never says."""

    name: str
    count: int


@dataclass(frozen=True)
class OfClass(JsonData):
    """A class (or label) that occurs `count` times, of which the model finds `right`, and says it `said` times."""

    name: str
    count: int
    right: int
    said: int

    @property
    def share(self) -> float | None:
        """Of its samples, that are found: its recall. None where it does not occur."""
        return self.right / self.count if self.count else None


@dataclass(frozen=True)
class SplitScored(JsonData):
    """The model on all samples of a split (probe `split`); `samples` 0: there is no such split.

    `interval`: about 95 % for the metric, None where it cannot be said; `how` it was found. `errors`: wrong answers of
    `answers` in all, where answers are right or wrong. `confusion`: samples by true class (rows) and by predicted one.
    `true` and `predicted`: of at most POINTS samples, where answers are single numbers, in the targets' own units.
    `by_class`: in the order of their numbers; of several labels a sample, how often each is on.
    """

    samples: int
    metric: str = ""
    value: float = 0.0
    loss: float = 0.0
    share: bool = False
    interval: tuple[float, float] | None = None
    how: str = ""
    errors: int | None = None
    answers: int | None = None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    true: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()
    worst: tuple[Mistake, ...] = ()
    missed: tuple[Missed, ...] = ()
    by_class: tuple[OfClass, ...] = ()

    @property
    def from_worst(self) -> list[OfClass]:
        """Its classes, those first of which the smallest share is found; last those that do not occur."""
        return sorted(self.by_class, key=lambda one: (math.inf if one.share is None else one.share, -one.count))


@dataclass(frozen=True)
class Scaling(JsonData):
    """Standardisation, (x - mean) * scale, each number of a tensor of this shape."""

    shape: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]


@dataclass(frozen=True)
class Input(JsonData):
    """An input of the model: its name where it is called by one, the shape of one sample, torch's name of its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Package(JsonData):
    """What a model must be built with (probe `package`). `inputs` as the data give them, before standardisation;
    `columns`: how a table's cells become inputs; `axis`: along which classes lie; `probabilities`: outputs are some
    already, and no scores; `views` of an image that are asked about, None for a single pass; `sources`: the person's
    modules, by digest; `left_out`: classes that the loss leaves out."""

    target: str
    args: Values
    outputs: int | None
    seed: int
    inputs: tuple[Input, ...]
    answers: Answers
    source: str
    source_args: Values = field(default_factory=dict)
    channels_last: bool = False
    axis: int = 1
    probabilities: bool = False
    classes: tuple[str, ...] = ()
    normalize: Scaling | None = None
    units: Scaling | None = None
    columns: tuple[Values, ...] | None = None
    views: Views | None = None
    sources: Values = field(default_factory=dict)
    left_out: tuple[int, ...] = ()
