"""What any reader gives: one run's curves, told apart by their part. No reading and no judging here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from tunekit.configuration import Values
from tunekit.jsondata import JsonData
from tunekit.logs.objectives import Objective
from tunekit.vocabulary import Curve

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A measure beside the loss, for both splits where the log has both. Percentages are kept as fractions."""

    name: str
    maximize: bool
    train: Curve | None = None
    val: Curve | None = None
    bounded: bool = False
    """It lies within 0 and 1 (accuracy, F1, AUC, mAP, ...), so that absolute gaps mean something."""
    share: bool = False
    """It is told in per cent."""


@dataclass(frozen=True)
class Procedure(JsonData):
    """What tunekit's own runs know of a training besides its curves; None where an earlier step did not say."""

    lr: float | None = None
    weight_decay: float | None = None
    dropout: tuple[float, ...] | None = None  # of the model: one, or inputs and hidden layers
    averaged: bool = False  # validation saw averaged weights
    sweep_range: tuple[float, float] | None = None  # the lowest and the highest rate that work
    expected_loss: float | None = None  # of a network without knowledge
    classes: int | None = None
    guessing: float | None = None  # what it reaches by the metric
    warned: tuple[str, ...] = ()  # what earlier steps warned of that is about this training: their codes
    wider: Values = field(default_factory=dict)  # of the recipe: keys that make its model WIDER times as wide
    still_improving: bool = False  # an earlier step saw validation improve to the end


def dropout_of(args: object) -> tuple[float, ...] | None:
    """The probabilities of dropping among a model's arguments, as they are JSON data; None where it says none, or in a
    form of its own."""
    told = args.get("dropout") if isinstance(args, Mapping) else None
    rates = told if isinstance(told, list | tuple) else [told]
    known = rates and all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates)
    return tuple(map(float, rates)) if known else None


@dataclass(frozen=True)
class Log:
    """One run as its log tells it. Curves hold NumPy arrays; a NaN in them stands in the log.

    `epochs` maps the common x to epochs where the log has both; `procedure` is None for the log of another tool;
    `objective` is None where the loss is what the training is after; `gradients` are the norms of them; `unfed` names
    parts of the training loss that are zero throughout while validation's are not; `blank` is a validation loss that is
    zero throughout and was left out.
    """

    format: str
    files: tuple[str, ...] = ()
    name: str = ""
    train: Curve | None = None
    val: Curve | None = None
    metrics: tuple[Metric, ...] = ()
    lr: Curve | None = None
    epochs: Curve | None = None
    notes: tuple[str, ...] = ()
    procedure: Procedure | None = None
    objective: Objective | None = None
    gradients: Curve | None = None
    unfed: tuple[str, ...] = ()
    blank: Curve | None = None
    classes: int | None = None
    """How many a settings file beside the log names."""

    @property
    def points(self) -> int:
        """Points of the losses, validation metrics and returns: zero for a log that says nothing."""
        others = self.objective.curves.values() if self.objective is not None else ()
        curves = [self.train, self.val, *(metric.val for metric in self.metrics), *others]
        return sum(len(curve.x) for curve in curves if curve is not None)


def curve(name: str, x: npt.ArrayLike, y: npt.ArrayLike, unit: str) -> Curve:
    """A curve over NumPy arrays: five million points as Python floats would take 300 MB."""
    return Curve(name, cast(Sequence[float], floats(x)), cast(Sequence[float], floats(y)), unit)


def floats(values: object) -> Array:
    """The values as a float array; None becomes NaN."""
    return np.asarray(values, dtype=np.float64)


def finite(source: Curve | None) -> tuple[Array, Array]:
    """x and y where both are finite; empty arrays where there is no curve."""
    if source is None:
        return np.empty(0), np.empty(0)
    x, y = floats(source.x), floats(source.y)
    keep = np.isfinite(x) & np.isfinite(y)
    return x[keep], y[keep]
