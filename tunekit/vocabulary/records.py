"""What comes back for a request: the rows of a training under their columns, the values of a probe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tunekit.configuration import Values
from tunekit.vocabulary.requests import Measurement, Training

SPLITS = 16  # random splits of the validation samples into two halves, over which a metric is kept


class Row(NamedTuple):
    """One iteration of a training. The metric is the loss itself where a training is judged by its loss."""

    iteration: int  # from 1
    epoch: float
    lr: float
    train_loss: float
    train_metric: float | None  # None where that of a batch says nothing of the whole
    val_loss: float | None  # at the ends of epochs
    val_metric: float | None
    raw_val_loss: float | None = None  # of the weights themselves, where validation sees their average
    raw_val_metric: float | None = None


RAW = "raw_"
"""Before a validation's column: that of the weights themselves, beside that of their average."""


def _names(metric: str, averaged: bool) -> list[str]:
    fields = Row._fields if averaged else [name for name in Row._fields if not name.startswith(RAW)]
    return [name.replace("metric", metric) for name in fields]


def columns(metric: str, averaged: bool = False) -> tuple[str, ...]:
    """The header of a training's metrics.csv: the fields of Row under the metric's name, each once. `averaged`: it
    averages its weights, and says what they validate like by themselves.

    >>> columns("loss"), columns("mae")[-1], columns("mae", averaged=True)[-2:]
    (('iteration', 'epoch', 'lr', 'train_loss', 'val_loss'), 'val_mae', ('raw_val_loss', 'raw_val_mae'))
    """
    return tuple(dict.fromkeys(_names(metric, averaged)))


def cells(row: Row, metric: str, averaged: bool = False) -> tuple[float | None, ...]:
    """The cells of a row, one for each of `columns`."""
    names = _names(metric, averaged)
    return tuple(row[place] for place, name in enumerate(names) if name not in names[:place])


def is_validation(column: str) -> bool:
    """Whether a column has its values at the ends of epochs alone."""
    return column.startswith("val_")


def judged_by(header: Iterable[str]) -> str | None:
    """The metric whose `columns` these are, or None where they are no training's."""
    names = tuple(header)
    metric = names[-1].removeprefix(RAW).removeprefix("val_") if names else ""
    return metric if names in (columns(metric), columns(metric, averaged=True)) else None


@dataclass(frozen=True, eq=False)
class Record:
    """What came back for a request. `rows` are columns of equal length, one entry an iteration, named by `columns`;
    validations are None but at the ends of epochs. `val_losses` has one array a validation: the loss of every
    validation sample, in order. `val_scores` likewise what each sample gives to a metric that is a mean over samples
    (its share of right answers, its error); nothing for another metric. `val_halves`: the metric over both halves of
    SPLITS fixed random splits of the validation samples, first halves and second ones in turn. Equal to itself alone:
    two may hold the same arrays.
    """

    request: Training | Measurement
    rows: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)  # what a probe measured
    val_losses: Any = ()  # float32 [validations, n_val]
    val_scores: Any = ()  # float32 [validations, n_val], or ()
    val_halves: Any = ()  # float32 [validations, 2 * SPLITS], or ()
    error: str | None = None

    @property
    def params(self) -> Values:
        return self.request.params

    @property
    def iterations(self) -> int:
        return len(self.rows.get("iteration", ()))

    def column(self, name: str) -> list[float]:
        """A training column, one value an iteration, finite or not."""
        return [math.nan if value is None else value for value in self.rows.get(name, ())]

    def validations(self, name: str) -> list[tuple[int, float]]:
        """(iteration, value) at the ends of epochs, for a `val_` column."""
        pairs = zip(self.rows.get("iteration", ()), self.rows.get(name, ()), strict=False)
        return [(int(iteration), value) for iteration, value in pairs if value is not None]
