"""Ultralytics YOLO v5 to v11: results.csv. There is no total loss, so the components are summed."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs import delimited
from tunekit.logs.log import Log, floats
from tunekit.logs.tabular import table_log

NAME = "ultralytics"
DESCRIPTION = "Ultralytics YOLO results.csv (train/box_loss, val/box_loss, metrics/mAP50-95(B), ...)"


def recognise(path: Path) -> float:
    names = delimited.header(path)
    if any(name.startswith("metrics/") for name in names) and any(name.startswith("train/") for name in names):
        return 0.97 if path.name == "results.csv" else 0.9
    return 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    log = table_log(path, NAME, train, val)
    if log.val is not None and len(log.val.y) and not np.any(floats(log.val.y)):
        log = replace(log, val=None, notes=(*log.notes, "validation losses are all zero: validation was off"))
    if not any(metric.val is not None and np.any(floats(metric.val.y)) for metric in log.metrics):
        log = replace(log, metrics=())
    return [log]
