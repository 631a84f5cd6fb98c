"""MLflow's SQLite store: a row a point in one table, runs by their id."""

from array import array
from pathlib import Path

import numpy as np

from tunekit.logs import database
from tunekit.logs.log import Log
from tunekit.logs.readers.mlflow import MOST
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series, to_number
from tunekit.logs.tabular import several
from tunekit.vocabulary import UserError

NAME = "mlflow-db"
DESCRIPTION = "MLflow's SQLite store (mlflow.db), a log a run"

RUNS = 10_000
"""Runs of one database that are read."""

Points = tuple["array[float]", "array[float]", "array[float]"]
"""Steps, times and values of one metric."""


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.0
    return 0.95 if {"run_uuid", "key", "value"} <= database.tables(path).get("metrics", frozenset()) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run that was not deleted; those without a metric are left out."""
    tables = database.tables(path)
    if not {"run_uuid", "key", "value"} <= tables.get("metrics", frozenset()):
        raise UserError(f"{path}: is no SQLite store of MLflow (no table of metrics)")
    names = {}
    if "runs" in tables:
        for run, name, stage in database.rows(path, "runs", ("run_uuid", "name", "lifecycle_stage")):
            names[run] = "" if stage == "deleted" else str(name or run)
    runs: dict[object, dict[str, Points]] = {}
    for run, key, value, step, time, is_nan in database.rows(
        path, "metrics", ("run_uuid", "key", "value", "step", "timestamp", "is_nan")
    ):
        if not names.get(run, "?") or not isinstance(key, str) or key.startswith("system/"):
            continue
        number = to_number(value)
        metrics = runs.setdefault(run, {}) if len(runs) < RUNS else runs.get(run, {})
        if number is None or (key not in metrics and len(metrics) >= MOST):
            continue
        points = metrics.setdefault(key, (array("d"), array("d"), array("d")))
        points[0].append(to_number(step) or 0.0)
        points[1].append(to_number(time) or 0.0)
        points[2].append(float("nan") if is_nan else number)
    if not runs:
        return [Log(NAME, (str(path),), path.stem, notes=("the database holds no metrics of any run",))]
    return several(
        runs.items(),
        lambda run: assemble(_series(run[1]), NAME, [path], name=names.get(run[0], str(run[0])), train=train, val=val),
    )


def _series(metrics: dict[str, Points]) -> Series:
    """Curves over their steps; where every step is the same, in the order of their times."""
    series = Series()
    for name, (steps, times, values) in metrics.items():
        places = np.array(steps)
        order = np.lexsort((np.array(times), places))
        counted = np.ptp(places) > 0 or len(places) == 1
        series.add(name, places[order] if counted else np.arange(len(places)), np.array(values)[order])
    return series
