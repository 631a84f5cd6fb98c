"""A training's rows in memory to a Log, for tunekit's own diagnose step. No file is touched here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunekit.diagnosis.log import Array, Log, Metric, curve
from tunekit.diagnosis.names import BOUNDED, split
from tunekit.vocabulary import Curve


def from_record(
    rows: Mapping[str, Sequence[Any]],
    metric: str,
    maximize: bool,
    context: Mapping[str, Any] | None = None,
    name: str = "",
) -> Log:
    """The log in a record's columns (vocabulary.Record.rows): one entry an iteration, None where not measured.

    Columns: iteration, epoch, lr, train_loss, train_METRIC, val_loss, val_METRIC. `context` may hold lr,
    weight_decay, sweep_lr, sweep_range, initial_loss, expected_loss, classes, run, recipe.
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
            measured = (Metric(metric, maximize, *pair, bounded=maximize and bool(BOUNDED & set(split(metric)))),)
    return Log(
        format="tunekit",
        name=name,
        train=series("train_loss"),
        val=series("val_loss"),
        metrics=measured,
        lr=series("lr"),
        epochs=series("epoch"),
        context=dict(context or {}),
    )


def _column(rows: Mapping[str, Sequence[Any]], name: str) -> Array:
    return np.array([np.nan if cell is None else cell for cell in rows.get(name, ())], dtype=np.float64)
