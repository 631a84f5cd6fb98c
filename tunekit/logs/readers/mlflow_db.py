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
    runs: dict[object, dict[object, Points]] = {}
    columns = ("run_uuid", "key", "value", "step", "timestamp", "is_nan")
    for run, key, value, step, time, is_nan in database.rows(path, "metrics", columns):
        points = runs.get(run, {}).get(key) or _begun(runs, run, key, names.get(run, "?"))
        number = value if type(value) is float else to_number(value)
        if points is not None and number is not None:
            points[0].append(step if type(step) is int else to_number(step) or 0.0)
            points[1].append(time if type(time) is int else to_number(time) or 0.0)
            points[2].append(float("nan") if is_nan else number)
    if not runs:
        return [Log(NAME, (str(path),), path.stem, notes=("the database holds no metrics of any run",))]
    return several(
        runs.items(),
        lambda run: assemble(_series(run[1]), NAME, [path], name=names.get(run[0], str(run[0])), train=train, val=val),
    )


def _begun(runs: dict[object, dict[object, Points]], run: object, key: object, name: str) -> Points | None:
    """Room for a metric's points; None for one that is not read: of a deleted run, of the machine, too many."""
    full = run not in runs and len(runs) >= RUNS
    if not name or full or not isinstance(key, str) or key.startswith("system/") or len(runs.get(run, {})) >= MOST:
        return None
    return runs.setdefault(run, {}).setdefault(key, (array("d"), array("d"), array("d")))


def _series(metrics: dict[object, Points]) -> Series:
    """Curves over their steps; where every step is the same, in the order of their times."""
    series = Series()
    for name, (steps, times, values) in metrics.items():
        places = np.array(steps)
        order = np.lexsort((np.array(times), places))
        counted = np.ptp(places) > 0 or len(places) == 1
        series.add(str(name), places[order] if counted else np.arange(len(places)), np.array(values)[order])
    return series
