"""PyTorch Lightning's CSVLogger: metrics.csv with sparse rows. Its TensorBoard files are elsewhere."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs import delimited
from tunekit.logs.log import Log, curve, floats
from tunekit.logs.tabular import table_log
from tunekit.vocabulary import Curve

NAME = "lightning"
DESCRIPTION = "PyTorch Lightning CSVLogger (lightning_logs/version_N/metrics.csv)"


def recognise(path: Path) -> float:
    if path.name != "metrics.csv":
        return 0.0
    names = set(delimited.header(path))
    if not {"epoch", "step"} <= names:
        return 0.0
    return 0.95 if re.match(r"version_\d+$", path.parent.name) else 0.85


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. `x_step` and `x_epoch` are one loss twice; names.py knows them apart by their level."""
    log = table_log(path, NAME, train, val)
    metrics = tuple(replace(metric, val=_without_extra(metric.val)) for metric in log.metrics)
    cut = replace(log, val=_without_extra(log.val), metrics=metrics)
    if cut.points < log.points:
        cut = replace(cut, notes=(*cut.notes, "a separate validate() call after training is left out"))
    return [cut]


def _without_extra(source: Curve | None) -> Curve | None:
    """The curve without a last value that stands a step behind the one before it: no training lies between."""
    if source is None or len(source.x) < 4:
        return source
    x, y = floats(source.x), floats(source.y)
    gaps = np.diff(x)
    extra = gaps[-1] <= 1 and float(np.median(gaps[:-1])) > 2
    return curve(source.name, x[:-1], y[:-1], source.unit) if extra else source
