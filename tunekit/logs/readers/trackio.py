"""Trackio's SQLite databases: a row a call of log(), its metrics as JSON text, runs by their name."""

from itertools import islice
from pathlib import Path

from tunekit.logs import database, nested, source
from tunekit.logs.log import Log
from tunekit.logs.table import Records
from tunekit.logs.tabular import columns_log, several
from tunekit.vocabulary import UserError

NAME = "trackio"
DESCRIPTION = "Trackio's SQLite databases (~/.cache/huggingface/trackio/PROJECT.db), a log a run"

RUNS = 10_000
"""Runs of one database that are read."""

COLUMNS = frozenset(("run_name", "step", "metrics"))


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.0
    return 0.95 if database.tables(path).get("metrics", frozenset()) >= COLUMNS else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run."""
    if not database.tables(path).get("metrics", frozenset()) >= COLUMNS:
        raise UserError(f"{path}: is no database of Trackio (no table of metrics by run)")
    runs: dict[str, Records] = {}
    rows = database.rows(path, "metrics", ("project_name", "run_name", "step", "metrics"), order="id")
    while chunk := list(islice(rows, source.CHUNK)):
        texts = [text.strip() or "-" if isinstance(text, str) else "-" for *_, text in chunk]
        records: dict[str, list[dict[str, object]]] = {}
        for (project, run, step, _), record in zip(chunk, source.parse_each(texts), strict=True):
            name = f"{project}/{run}" if project else str(run)
            if isinstance(record, dict) and (name in runs or len(runs) < RUNS):
                runs.setdefault(name, Records())
                records.setdefault(name, []).append({**nested.flat(record), "step": step})
        for name, added in records.items():
            runs[name].add(added)
    if not runs:
        return [Log(NAME, (str(path),), path.stem, notes=("the database holds no metrics of any run",))]
    return several(
        runs.items(),
        lambda run: columns_log(run[1].columns(), path, NAME, train, val, name=_short(run[0], list(runs))),
    )


def _short(name: str, names: list[str]) -> str:
    """A run's name without its project where all runs have one project, as databases of one project have."""
    projects = {other.rpartition("/")[0] for other in names}
    return name.rpartition("/")[2] if len(projects) == 1 else name
