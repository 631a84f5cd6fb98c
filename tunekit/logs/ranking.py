"""The order of several logs, the best first, and names that tell them apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs.claims import natural
from tunekit.logs.log import Log, finite


def told_apart(logs: list[Log], folder: Path) -> list[Log]:
    """The logs of a folder, those that share a name named by where they lie in it."""
    count = Counter(log.name for log in logs)
    return [replace(log, name=_place(log, folder)) if count[log.name] > 1 else log for log in logs]


def _place(log: Log, folder: Path) -> str:
    """Where a log lies below a folder, with its name behind that, once."""
    within = Path(log.files[0]) if log.files else folder
    parts = within.relative_to(folder).parts[:-1] if within.is_relative_to(folder) else ()
    return "/".join(dict.fromkeys([*parts, log.name])) or within.name


def rank(log: Log) -> tuple[object, ...]:
    """Order of several runs: those with both curves first, then the best validation, then the best training."""
    _, train = finite(log.train)
    _, val = finite(log.val)
    broken = log.train is not None and len(train) < len(log.train.y)
    complete = (len(train) >= 5) + (len(val) >= 2)
    metric = next((item for item in log.metrics if item.val is not None), None)
    score = 0.0
    if metric is not None and metric.bounded:
        _, values = finite(metric.val)
        score = float(np.max(values)) if metric.maximize and len(values) else 0.0
    level = float(np.min(val)) if len(val) else float(np.min(train)) if len(train) else np.inf
    return -complete, broken, -score, level, -log.points, *(natural(Path(file)) for file in log.files[:1])
