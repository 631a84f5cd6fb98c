"""Curves that lie in files of their own, each with its clock: one run in several files. Not what a column means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tunekit.logs import delimited
from tunekit.logs.columns import Column
from tunekit.logs.log import Array
from tunekit.logs.names import part
from tunekit.vocabulary import UserError

Points = tuple[Array, Array]


def curves(path: Path, notes: list[str]) -> dict[str, Points]:
    """The columns of a table over its step, else its epoch, else the row; a file without rows has none."""
    cells = delimited.read(path, lambda _: True)
    columns = cells.columns()
    notes += cells.notes
    places = columns.get(_clock(list(columns))[0])
    return {name: over(places, column) for name, column in columns.items() if part(name).kind not in ("step", "epoch")}


def unit(path: Path) -> str:
    """What the curves of a file are over."""
    return _clock(delimited.header(path))[1]


def _clock(names: Sequence[str]) -> tuple[str, str]:
    """The first of the names that counts steps, else epochs, and the unit."""
    kinds = {part(name).kind: name for name in reversed(names)}
    if "step" in kinds:
        return kinds["step"], "iteration"
    return (kinds["epoch"], "epoch") if "epoch" in kinds else ("", "row")


def over(clock: Column | None, column: Column) -> Points:
    """A column's values where the clock is known too."""
    if clock is None:
        return column.rows.astype(np.float64), column.values
    _, mine, its = np.intersect1d(column.rows, clock.rows, return_indices=True)
    return clock.values[its], column.values[mine]


def readable(paths: list[Path], notes: list[str]) -> Iterator[tuple[Path, dict[str, Points]]]:
    """The files that hold a table, with its curves; UserError where none does."""
    failure: UserError | None = None
    count = 0
    for path in paths:
        try:
            yield path, curves(path, notes)
            count += 1
        except UserError as error:
            failure = failure or error
            notes.append(f"left out: {error}")
    if failure is not None and not count:
        raise failure
