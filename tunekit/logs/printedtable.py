"""Tables printed with blanks or box characters among other output. Files of columns are in delimited.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from tunekit.logs import source
from tunekit.logs.delimited import number
from tunekit.logs.names import part

_BARS = re.compile(r"[|\u2502\u2503\u2551]")
_RULE = frozenset("-=+|: \t") | frozenset(map(chr, range(0x2500, 0x2580)))  # the box characters of Unicode
_WIDE = re.compile(r"\s{2,}+|\t")
_NO_NAME = re.compile(r"[=!?{}:;,]|\d{3}")

MOST = 400
"""Characters of a table's line that are looked at."""

Names = tuple[str, ...]


def tables(lines: Iterable[str], is_header: Callable[[Names], bool]) -> Iterator[tuple[Names, dict[str, float]]]:
    """The rows of tables with a header that is one, each with the names of its table."""
    names: Names = ()
    for line in lines:
        text = source.plain(line).strip()
        if not text or len(text) > MOST or _RULE.issuperset(text):
            continue
        row = _row(text, names) if names else {}
        if row:
            yield names, row
        elif (cells := header(text)) and is_header(cells):
            names = cells


def header(text: str) -> Names:
    """The names in a line that may be a table's header; none for another line."""
    cells = _cells(text) if _BARS.search(text) else [cell for cell in _WIDE.split(text) if cell]
    if len(cells) < 2:  # with single blanks a sentence looks like names
        cells = text.split()
        if not all(part(cell).kind or part(cell).side or cell.lower() == "time" for cell in cells):
            return ()
    if len(cells) < 2 or any(len(cell) > 40 or _NO_NAME.search(cell) or number(cell) is not None for cell in cells):
        return ()
    return tuple(cells)


def tells(names: Names) -> bool:
    """Whether a table of such columns is a training's: a loss, or a metric by epochs or steps."""
    kinds = {part(name).kind for name in names}
    return "loss" in kinds or bool(kinds & {"epoch", "step"} and kinds & {"score", "error"})


def _row(text: str, names: Names) -> dict[str, float]:
    """The numbers of a row below these names; none for another line. An unnamed first column is pandas' index."""
    barred = _BARS.search(text) is not None
    cells = _cells(text) if barred else text.split()
    if not barred and len(cells) == len(names) + 1:
        cells = cells[1:]
    if len(cells) != len(names):
        return {}
    values = {name: value for name, cell in zip(names, cells, strict=True) if (value := number(cell)) is not None}
    return values if names[0] in values and 2 * len(values) >= min(len(names), 4) and len(values) >= 2 else {}


def _cells(text: str) -> list[str]:
    cells = [cell.strip() for cell in _BARS.split(text)]
    return cells[bool(not cells[0]) : len(cells) - bool(not cells[-1])]
