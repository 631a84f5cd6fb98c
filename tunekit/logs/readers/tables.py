"""Tables of fastai, rich, pandas and scripts in printed output. Files that are a table are elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tunekit.logs import delimited, heading, printed, source
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.printedtable import Names, header, tables, tells
from tunekit.logs.tabular import records_log

NAME = "tables"
DESCRIPTION = "printed tables with blanks or lines between their columns (fastai, rich, pandas)"

LEAST = 2
"""Rows that make a text a table."""


def recognise(path: Path) -> float:
    score = printed.recognise(path, knows)
    return min(score, 0.15) if score and _is_plain(path) else score


def _is_plain(path: Path) -> bool:
    """Whether the file is a table from its first line on that can be read without knowing how it was printed."""
    names = delimited.header(path)
    lines = source.first_lines(path, 2)
    if not names or heading.delimiter(lines[0]):
        return bool(names)
    return tuple(names) in header(lines[0]) and len(lines) > 1 and len(lines[1].split()) == len(names)


def knows(lines: Sequence[str]) -> float:
    count = len(list(islice(tables(lines, tells), LEAST)))
    return 0.5 if count == LEAST else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log: of the tables with different columns the one with the most rows."""
    rows: dict[Names, list[dict[str, float]]] = {}
    for names, row in _once(tables(lines, tells)):
        rows.setdefault(names, []).append(row)
    longest = max(rows.values(), key=len, default=[])
    notes = [f"{len(rows)} tables with different columns; the longest is judged"] if len(rows) > 1 else []
    return records_log(longest, path, NAME, train, val, name=path.stem, notes=notes)


def _once(rows: Iterable[tuple[Names, dict[str, float]]]) -> Iterator[tuple[Names, dict[str, float]]]:
    """Each row once, where a table that grows is printed anew with each of them."""
    seen: set[tuple[object, ...]] = set()
    for names, row in rows:
        key = (names, *row.values())
        if key not in seen or not any(part(name).kind in ("epoch", "step") for name in row):
            seen.add(key)
            yield names, row
