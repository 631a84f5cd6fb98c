"""A table or a list of records to a Log in one call: what most readers are made of. No format's own quirks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from tunekit.logs import delimited
from tunekit.logs.delimited import Cells
from tunekit.logs.log import Log
from tunekit.logs.names import part, side
from tunekit.logs.roles import SHOWN, assemble
from tunekit.logs.table import COLUMNS, Column, Columns, from_records, to_series
from tunekit.vocabulary import UserError

Item = TypeVar("Item")

MANY = 50_000_000
"""Bytes from which only the columns whose names say something are read."""


def table_log(  # noqa: PLR0913 - all in which formats of tables differ
    path: Path,
    format: str,
    train: str | None = None,
    val: str | None = None,
    *,
    rename: Callable[[str], str] = str,
    mend: Callable[[Columns], Columns] | None = None,
    name: str = "",
    strict: bool = False,
) -> Log:
    """The log in a CSV file. `mend` undoes a format's own way of writing values.

    `strict`: a table without a loss or a metric is a UserError, not an empty log.
    """
    forced = {item.strip().lower() for item in (train, val) if item}

    def wanted(column: str) -> bool:
        seen = part(rename(column))
        named = {column.strip().lower(), rename(column).strip().lower()}
        return bool(seen.kind or (seen.side and not seen.core) or named & forced)

    large = path.stat().st_size > MANY
    cells = delimited.read(path, wanted if large else lambda _: True)
    columns = {rename(key): value for key, value in cells.columns().items()}
    columns = by_split(mend(columns) if mend else columns, cells)
    series = to_series(columns, cells.breaks)
    series.notes += cells.notes
    log = assemble(series, format, [path], name=name or path.parent.name, train=train, val=val)
    if strict and not log.points:
        names = [rename(name) for name in delimited.header(path)]
        raise UserError(nothing(path, names if large else list(columns), names))
    return log


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


def by_split(columns: Columns, cells: Cells) -> Columns:
    """A long table (one row a split, named in a column) as a wide one: `loss` becomes `train/loss`, `val/loss`."""
    sides = {row: side([word.strip().lower()]) for row, word in cells.splits.items()}
    if not any(sides.values()):
        return columns
    wide: Columns = {}
    for name, column in columns.items():
        if part(name).kind not in ("loss", "score", "error") or part(name).side:
            wide[name] = column
            continue
        owner = np.array([sides.get(int(row), "") for row in column.rows])
        for split in ("train", "val", "test"):
            inside = owner == split
            if np.any(inside):
                wide[f"{split}/{name}"] = Column(column.rows[inside], column.values[inside])
    return wide
