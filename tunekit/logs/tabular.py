"""A table or a list of records to a Log in one call: what most readers are made of. No format's own quirks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from tunekit.logs import delimited, longtable, source
from tunekit.logs.asked import SHOWN, column_of
from tunekit.logs.columns import Column, Columns
from tunekit.logs.delimited import SIDES, Cells
from tunekit.logs.heading import VALUES, heading
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.roles import assemble
from tunekit.logs.table import COLUMNS, Series, from_records, to_series
from tunekit.logs.trials import are_trials
from tunekit.vocabulary import UserError

RUNS = 1000
"""Runs of one table that are told apart."""

FEWEST = 3
"""Rows of a run in a table of several: a table of results has one a run."""

UNTOLD = frozenset(("", "index", "unnamed: 0", "time", "timestamp", "wall time", "wall_time", "relative time"))
"""Columns that stand beside a value."""

Item = TypeVar("Item")

MANY = 50_000_000
"""Bytes from which only the columns whose names say something are read."""


def table_logs(  # noqa: PLR0913 - all in which formats of tables differ
    path: Path,
    format: str,
    train: str | None = None,
    val: str | None = None,
    *,
    rename: Callable[[str], str] = str,
    mend: Callable[[Columns], Columns] | None = None,
    name: str = "",
    strict: bool = False,
) -> list[Log]:
    """The logs in a CSV file, one where no column says whose a row is. `mend` undoes a format's own way of writing.

    `strict`: a table without a loss or a metric is a UserError, not an empty log.
    """
    forced = {name.strip().lower() for item in (train, val) if item for name in (item, column_of(item))}

    def wanted(column: str) -> bool:
        seen = part(rename(column))
        told = (column, rename(column), rename(column)[:SHOWN])
        named = {name.strip().lower() for name in told}
        return bool(seen.kind or (seen.side and not seen.core) or named & forced)

    top = heading(path)
    if top is not None and top.long is not None:
        columns = longtable.columns(path, top)
        log = columns_log(columns, path, format, train, val, name=name)
        if strict and not log.points:
            raise UserError(nothing(path, list(columns), top.names))
        return [log]
    large = path.stat().st_size > MANY
    bare = top is None and any(map(str.isdigit, forced))
    cells = delimited.read(path, wanted if large and not bare else lambda _: True, by_number=bare)
    columns = {rename(key): value for key, value in cells.columns().items()}
    if bare and "1" not in forced and "1" in columns and _counts(columns["1"]):
        columns["step"] = columns.pop("1")
    if strict and not forced and are_trials(columns):
        raise source.NoLog(
            f"{path}: has a row a training, whose settings change from row to row, and no curve; give the log of one"
        )
    columns = by_file(by_split(mend(columns) if mend else columns, cells), path)
    logs = several(
        by_run(columns, cells),
        lambda run: _assembled(run[1], cells, format, path, "/".join(filter(None, (name, run[0]))), train, val),
    )
    if strict and not any(log.points for log in logs):
        names = [rename(name) for name in delimited.header(path)]
        raise UserError(nothing(path, names if large else list(columns), names))
    return logs


def _counts(column: Column) -> bool:
    """Whether a column without a name holds whole numbers that rise from row to row."""
    return bool(np.all(np.diff(column.values) > 0) and np.all(column.values == np.floor(column.values)))


def _assembled(  # noqa: PLR0913 - likewise
    columns: Columns, cells: Cells, format: str, path: Path, name: str, train: str | None, val: str | None
) -> Log:
    series = to_series(columns, cells.breaks)
    series.notes += cells.notes
    return assemble(series, format, [path], name=name or path.parent.name, train=train, val=val)


def by_run(columns: Columns, cells: Cells) -> list[tuple[str, Columns]]:
    """The columns of each run of a table that says whose a row is; one run without a name of any other."""
    owners = np.array(cells.owners, dtype=np.int64)
    counts = np.bincount(owners[owners >= 0], minlength=1)
    if not 2 <= len(counts) <= RUNS or np.min(counts) < FEWEST:
        return [("", columns)]
    found: list[tuple[str, Columns]] = []
    for name, code in cells.runs.items():
        rows = np.flatnonzero(owners == code)
        own: Columns = {}
        for key, column in columns.items():
            inside = np.isin(column.rows, rows, assume_unique=True)
            if np.any(inside):
                own[key] = Column(np.searchsorted(rows, column.rows[inside]), column.values[inside])
        found.append((name, own))
    return found


def by_file(columns: Columns, path: Path) -> Columns:
    """The columns of a file whose name alone says what they measure: `accuracy.csv` with `train` and `val`."""
    said = part(path.stem)
    if said.kind not in ("loss", "score", "error") or any(
        part(name).kind in ("loss", "score", "error") for name in columns
    ):
        return columns
    sides = {name for name in columns if part(name).side and not part(name).kind and not part(name).core}
    if sides and said.kind != "loss":
        return {f"{name}/{'_'.join(said.core)}" if name in sides else name: item for name, item in columns.items()}
    others = [name for name in columns if part(name).kind not in ("step", "epoch") and name.lower() not in UNTOLD]
    values = [name for name in others if name.lower() in VALUES] or others
    if sides or len(values) != 1:
        return columns
    return {path.stem if name == values[0] else name: item for name, item in columns.items()}


def table_log(  # noqa: PLR0913 - likewise
    path: Path,
    format: str,
    train: str | None = None,
    val: str | None = None,
    *,
    rename: Callable[[str], str] = str,
    mend: Callable[[Columns], Columns] | None = None,
    name: str = "",
) -> Log:
    """The same for a format with one run a file."""
    return table_logs(path, format, train, val, rename=rename, mend=mend, name=name)[0]


def nothing(path: Path, columns: Sequence[str], empty: Sequence[str] = ()) -> str:
    """The line for a readable file in which nothing is named like a loss or a metric. `empty`: columns that hold no
    numbers, of which the line tells where no other is there."""
    named = [column for column in columns if part(column).kind not in ("step", "epoch")]
    known = ", ".join(repr(column[:SHOWN]) for column in named[:20])
    others = f" and {len(named) - 20:,} more" if len(named) > 20 else ""
    if named:
        return (
            f"{path}: no column reads as a loss or a validation metric; the columns are {known}{others}; "
            "name them with --train COLUMN and --val COLUMN"
        )
    known = ", ".join(repr(column[:SHOWN]) for column in [*columns, *empty][:20])
    told = f"of its columns ({known}) none holds numbers of a training" if known else "it has no columns with numbers"
    return f"{path}: no column reads as a loss or a validation metric; {told}"


def records_log(  # noqa: PLR0913 - likewise
    records: Iterable[Mapping[str, object]],
    path: Path,
    format: str,
    train: str | None = None,
    val: str | None = None,
    *,
    name: str = "",
    notes: Sequence[str] = (),
) -> Log:
    """The log in JSON objects, oldest first. `notes` may grow while they are read."""
    return columns_log(from_records(records), path, format, train, val, name=name, notes=notes)


def columns_log(  # noqa: PLR0913 - likewise
    columns: Columns,
    path: Path,
    format: str,
    train: str | None = None,
    val: str | None = None,
    *,
    name: str = "",
    notes: Sequence[str] = (),
    breaks: Sequence[int] = (),
) -> Log:
    """The log in columns of numbers; of too many those with a name that says something come first."""
    full = len(columns) > COLUMNS
    if full:
        named = [name for name in columns if part(name).kind]
        kept = set(list(dict.fromkeys([*named, *columns]))[:COLUMNS])
        columns = {name: column for name, column in columns.items() if name in kept}
    series = to_series(columns, breaks)
    if full:
        series.say_full()
    series.notes += notes
    return assemble(series, format, [path], name=name or path.parent.name, train=train, val=val)


def several(items: Iterable[Item], log_of: Callable[[Item], Log]) -> list[Log]:
    """The logs of a file's runs. A run that lacks a column that was asked for is left out, unless all lack it."""
    logs: list[Log] = []
    failure: UserError | None = None
    for item in items:
        try:
            logs.append(log_of(item))
        except UserError as error:
            failure = failure or error
    if failure is not None and not logs:
        raise failure
    return logs


def runs_logs(  # noqa: PLR0913 - likewise
    runs: Mapping[str, Series],
    files: Mapping[str, Sequence[Path]],
    path: Path,
    format: str,
    train: str | None,
    val: str | None,
    notes: Sequence[str],
) -> list[Log]:
    """The logs of runs by name, each from `files` of its own below `path`; `notes` are of all. One without points where
    there is no run."""
    if not runs:
        return [Log(format, (str(path),), path.stem, notes=(*notes, "the export holds no values"))]
    for series in runs.values():
        series.notes[:0] = notes
    return several(
        runs.items(),
        lambda run: assemble(run[1], format, files[run[0]], name=run[0] or path.stem, train=train, val=val),
    )


def by_split(columns: Columns, cells: Cells) -> Columns:
    """A long table (one row a split, named in a column) as a wide one: `loss` becomes `train/loss`, `val/loss`."""
    if not any(cells.sides):
        return columns
    codes = np.zeros(cells.count, dtype=np.int8)
    codes[: len(cells.sides)] = cells.sides
    wide: Columns = {}
    for name, column in columns.items():
        if part(name).kind not in ("loss", "score", "error") or part(name).side:
            wide[name] = column
            continue
        owner = codes[column.rows]
        for code in np.unique(owner):
            inside = owner == code
            told = f"{SIDES[code]}/{name}" if code else name
            wide[told] = Column(column.rows[inside], column.values[inside])
    return wide
