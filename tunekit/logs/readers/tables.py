"""Tables of fastai, rich, pandas and scripts in printed output. Files that are a table are elsewhere."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from tunekit.logs import delimited, printed
from tunekit.logs.log import Log
from tunekit.logs.printedtable import Names, tables, tells
from tunekit.logs.tabular import records_log

NAME = "tables"
DESCRIPTION = "printed tables with blanks or lines between their columns (fastai, rich, pandas)"

LEAST = 2
"""Rows that make a text a table."""


def recognise(path: Path) -> float:
    score = printed.recognise(path, knows)
    return min(score, 0.3) if delimited.header(path) else score


def knows(lines: Sequence[str]) -> float:
    count = len(list(islice(tables(lines, tells), LEAST)))
    return 0.5 if count == LEAST else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log: of the tables with different columns the one with the most rows."""
    rows: dict[Names, list[dict[str, float]]] = {}
    for names, row in tables(lines, tells):
        rows.setdefault(names, []).append(row)
    longest = max(rows.values(), key=len, default=[])
    notes = [f"{len(rows)} tables with different columns; the longest is judged"] if len(rows) > 1 else []
    return records_log(longest, path, NAME, train, val, name=path.stem, notes=notes)
