"""Tables with a row a training, with its settings and its results: no curves. A table of curves has none of these."""

from __future__ import annotations

import numpy as np

from tunekit.logs.columns import Column, Columns
from tunekit.logs.names import part, split, word_set

SCHEDULED = frozenset(("lr", "momentum", "wd"))
"""Settings that change within a training too."""

CHOSEN = word_set(
    "dropout batchsize hidden layers units neurons heads depth width kernel filters channels warmup augment seed "
    "optimizer gamma alpha lambda l1 l2 estimators leaves child subsample colsample patience hsv mixup mosaic "
    "fliplr params param hyperparameters config lrf lr0"
)
"""Words of settings that do not."""

TURNS = 2
"""Times that a setting turns about in a table of trials; a schedule goes one way, or up and down."""


def are_trials(columns: Columns) -> bool:
    """Whether nothing counts the rows and two settings change with them, one of them up and down."""
    if any(part(name).kind in ("step", "epoch") for name in columns):
        return False
    varied = [(name, column) for name, column in columns.items() if _is_setting(name) and np.ptp(column.values) > 0]
    chosen = [column for name, column in varied if not _is_scheduled(name)]
    return len(varied) >= 2 and any(_turns(column) >= TURNS for column in chosen)


def _is_setting(name: str) -> bool:
    if part(name).kind in ("loss", "score", "error"):
        return False
    words = set(split(name))
    return bool(words & (SCHEDULED | CHOSEN)) or words >= {"weight", "decay"} or words >= {"batch", "size"}


def _is_scheduled(name: str) -> bool:
    words = set(split(name))
    return not words & CHOSEN and not words >= {"batch", "size"}


def _turns(column: Column) -> int:
    moved = np.sign(np.diff(column.values))
    moved = moved[moved != 0]
    return int(np.sum(moved[1:] != moved[:-1]))
