"""Charts that Weights & Biases exports as CSV: a column a run and metric, with its least and greatest value beside."""

from pathlib import Path

from tunekit.logs import clocked, delimited, source
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.table import Series
from tunekit.logs.tabular import runs_logs
from tunekit.vocabulary import UserError

NAME = "wandb-csv"
DESCRIPTION = "W&B's CSV exports (Step, RUN - loss, RUN - loss__MIN, RUN - loss__MAX), a file or a folder of them"

BOUNDS = ("__MIN", "__MAX")
JOINT = " - "
"""What stands between a run's name and a metric's; a chart of one run has no names of runs."""

FILES = 500
"""Exports of one folder that are read."""


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.9 if len(_exports(path)) > 1 else 0.0
    return 0.95 if _is_export(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run: what a folder's exports hold of it together."""
    files = _exports(path) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: holds no CSV export of W&B (a column with {BOUNDS[0]} and {BOUNDS[1]} beside it)")
    notes: list[str] = []
    runs: dict[str, Series] = {}
    sources: dict[str, dict[Path, None]] = {}
    for file, curves in clocked.readable(files, notes):
        for column, (x, y) in curves.items():
            run, _, metric = column.rpartition(JOINT)
            if metric.endswith(BOUNDS) or metric.startswith("_"):
                continue
            if metric in runs.get(run, Series()).curves:  # another run of the same name, or of none
                run = f"{run}{JOINT}{file.stem}" if run else file.stem
            runs.setdefault(run, Series()).add(metric, x, y, clocked.unit(file))
            sources.setdefault(run, {})[file] = None
    return runs_logs(runs, {run: list(files) for run, files in sources.items()}, path, NAME, train, val, notes)


def _exports(folder: Path) -> list[Path]:
    return [file for file in source.matching(folder, "*.csv")[:FILES] if _is_export(file)]


def _is_export(path: Path) -> bool:
    names = delimited.header(path)
    known = frozenset(names)
    if any(name.endswith(BOUNDS[0]) and name.removesuffix(BOUNDS[0]) + BOUNDS[1] in known for name in names):
        return True
    return len(names) > 1 and part(names[0]).kind in ("step", "epoch") and all(JOINT in name for name in names[1:])
