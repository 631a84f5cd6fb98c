"""Keras: files of the CSVLogger callback and pandas dumps of History.history. Their TensorBoard files are elsewhere."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs import delimited
from tunekit.logs.columns import Column, Columns
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.tabular import table_log
from tunekit.vocabulary import Curve

NAME = "keras"
DESCRIPTION = "Keras CSVLogger files and CSV dumps of History.history (loss, val_loss, ...)"


def recognise(path: Path) -> float:
    """A column called exactly `loss`, beside `epoch` or the twin of another (`accuracy`, `val_accuracy`)."""
    names = {name.lower() for name in delimited.header(path)}
    if "loss" not in names or "step" in names or any("/" in name for name in names):
        return 0.0
    twins = any(name.startswith("val_") and name[4:] in names for name in names)
    return 0.8 if twins else 0.6 if "epoch" in names else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. History.history has a row an epoch and no column that says so."""
    losses = {"loss", "val_loss"}.intersection(delimited.header(path))
    log = table_log(path, NAME, train, val, name=path.stem, mend=lambda columns: _with_nan(columns, losses))
    metrics = tuple(replace(item, train=_by_epoch(item.train), val=_by_epoch(item.val)) for item in log.metrics)
    return [replace(log, train=_by_epoch(log.train), val=_by_epoch(log.val), lr=_by_epoch(log.lr), metrics=metrics)]


def _with_nan(columns: Columns, losses: Collection[str]) -> Columns:
    """The losses with NaN where pandas wrote nothing: in rows that hold the other numbers of the same split."""
    mended = dict(columns)
    for loss, prefix in (("loss", ""), ("val_loss", "val_")):
        twins = [
            column
            for name, column in columns.items()
            if part(name).kind in ("score", "error") and name.startswith("val_") == bool(prefix)
        ]
        if not twins or loss not in losses:
            continue
        logged = max(twins, key=lambda column: len(column.rows)).rows
        known = columns.get(loss, Column(np.empty(0, np.int64), np.empty(0)))
        absent = np.setdiff1d(logged, known.rows)
        rows = np.concatenate([known.rows, absent])
        values = np.concatenate([known.values, np.full(len(absent), np.nan)])
        order = np.argsort(rows)
        mended[loss] = Column(rows[order], values[order])
    return mended


def _by_epoch(source: Curve | None) -> Curve | None:
    return replace(source, unit="epoch") if source is not None and source.unit == "row" else source
