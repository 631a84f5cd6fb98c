"""A training's rows in memory to a Log, for tunekit's own diagnose step. No file is touched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunekit.logs.log import Array, Log, Metric, Procedure, curve
from tunekit.logs.names import BOUNDED, split
from tunekit.vocabulary import Curve

Rows = Mapping[str, Sequence[float | None]]


def from_record(rows: Rows, metric: str, maximize: bool, share: bool, procedure: Procedure | None = None) -> Log:
    """The log in a record's columns (vocabulary.Record.rows): one entry an iteration, None where not measured.

    Columns are those of vocabulary.columns(metric). `share`: the metric is known to lie within 0 and 1, so that
    absolute gaps mean something; of others the name tells, as in any log.
    """
    iterations = _column(rows, "iteration")
    if not len(iterations):
        iterations = np.arange(1, 1 + max((len(column) for column in rows.values()), default=0), dtype=np.float64)

    def series(column: str) -> Curve | None:
        cells = rows.get(column, ())
        filled = np.array([cell is not None for cell in cells], dtype=bool)
        if not np.any(filled):
            return None
        return curve(column, iterations[: len(filled)][filled], _column(rows, column)[filled], "iteration")

    measured: tuple[Metric, ...] = ()
    if metric != "loss":
        pair = series(f"train_{metric}"), series(f"val_{metric}")
        if any(pair):
            bounded = maximize and (share or bool(BOUNDED & set(split(metric))))
            measured = (Metric(metric, maximize, *pair, bounded=bounded, share=share),)
    return Log(
        format="tunekit",
        train=series("train_loss"),
        val=series("val_loss"),
        metrics=measured,
        lr=series("lr"),
        epochs=series("epoch"),
        procedure=procedure or Procedure(),
    )


def _column(rows: Rows, name: str) -> Array:
    return np.array([np.nan if cell is None else cell for cell in rows.get(name, ())], dtype=np.float64)
