"""MLflow's file store: one file a metric below a run's `metrics` folder. Its SQLite store is not read."""

from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series
from tunekit.vocabulary import UserError

NAME = "mlflow"
DESCRIPTION = "MLflow file store (mlruns/EXPERIMENT/RUN/metrics/*)"

MOST = 2000
"""Metric files that are read of one run."""


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.95 if source.is_regular(path / "meta.yaml") and (path / "metrics").is_dir() else 0.0
    return 0.8 if path.parent.name == "metrics" and _is_metric(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log of a run's folder, or of one metric file in it together with its neighbours."""
    folder = path if path.is_dir() else path.parent.parent
    metrics = folder / "metrics"
    if not metrics.is_dir():
        raise UserError(f"{path}: is no run of an MLflow file store (a folder with meta.yaml and metrics/)")
    files = [item for item in source.matching(metrics, "**/*") if not item.name.startswith(".")]
    series = Series()
    if len(files) > MOST:
        series.notes.append(f"only the first {MOST:,} of {len(files):,} metrics are looked at")
    for file in files[:MOST]:
        name = file.relative_to(metrics).as_posix()
        if name.startswith("system/"):
            continue
        steps, values = _points(file, series.notes)
        if steps:
            series.add(name, steps, values)
    return [assemble(series, NAME, [metrics], name=_name(folder), train=train, val=val)]


def _is_metric(path: Path) -> bool:
    lines = source.first_lines(path, 1)
    words = lines[0].split() if lines else []
    return len(words) in (2, 3) and words[0].isdigit() and len(words[0]) >= 12


def _points(file: Path, notes: list[str]) -> tuple[list[float], list[float]]:
    """Steps and values of lines `timestamp value [step]`; where every step is 0, the order of writing counts."""
    steps: list[float] = []
    values: list[float] = []
    damaged = 0
    for line in source.lines(file):
        words = line.split()
        try:
            value, step = float(words[1]), float(words[2]) if len(words) > 2 else 0.0
            values.append(value)
            steps.append(step)
        except (IndexError, ValueError):
            damaged += bool(words)
    if damaged:
        notes.append(f"{damaged} lines of {file.name} are torn; left out")
    if len(steps) > 1 and min(steps) == max(steps):
        steps = [float(place) for place in range(len(steps))]
    return steps, values


def _name(folder: Path) -> str:
    """The run's name in its meta.yaml, which is flat: `key: value` lines."""
    for line in source.first_lines(folder / "meta.yaml", 50):
        key, _, value = line.partition(":")
        if key == "run_name" and value.strip():
            return value.strip().strip("'\"")
    return folder.name
