"""Tables printed with blanks or box characters among other output. Files of columns are in delimited.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tunekit.logs import source
from tunekit.logs.heading import number
from tunekit.logs.names import part

_BARS = re.compile(r"[|\u2502\u2503\u2551]")
_RULE = frozenset("-=+|: \t") | frozenset(map(chr, range(0x2500, 0x2580)))  # the box characters of Unicode
_CELL = re.compile(r"\S++")
_WIDE = re.compile(r"\s{2,}+|\t")
_NO_NAME = re.compile(r"[=!?{}:;,]|\d{3}")

MOST = 400
"""Characters of a table's line that are looked at."""

Names = tuple[str, ...]


def tables(lines: Iterable[str], is_header: Callable[[Names], bool]) -> Iterator[tuple[Names, dict[str, float]]]:
    """The rows of tables with a header that is one, each with the names of its table."""
    options: tuple[Names, ...] = ()
    above = ""
    for line in lines:
        whole = source.plain(line).rstrip()
        text = whole.lstrip()
        if not text or len(text) > MOST or _RULE.issuperset(text):
            continue
        names, cells = _aligned(text, options)
        if not names and text[0].isdigit() and len(whole) <= 2 * MOST:
            names, cells = _below(whole, above, options)
        row = {name: value for name, cell in zip(names, cells, strict=True) if (value := number(cell)) is not None}
        if len(row) >= 2 and names[0] in row and 2 * len(row) >= min(len(names), 4):
            yield names, row
        elif head := tuple(names for names in header(text) if is_header(names)):
            options, above = head, whole


def header(text: str) -> tuple[Names, ...]:
    """The names in a line that may be a table's header, in each way to part them; none for another line."""
    if _BARS.search(text):
        ways = [_cells(text)]
    else:
        narrow = text.split()  # with single blanks between them a sentence looks like names
        told = all(part(word).kind or part(word).side or word.lower() == "time" for word in narrow)
        ways = [[cell for cell in _WIDE.split(text) if cell], *([narrow] if told else [])]
    return tuple(tuple(cells) for cells in ways if len(cells) >= 2 and not any(map(_is_no_name, cells)))


def _is_no_name(cell: str) -> bool:
    return len(cell) > 40 or _NO_NAME.search(cell) is not None or number(cell) is not None


def tells(names: Names) -> bool:
    """Whether a table of such columns is a training's: a loss, or a metric by epochs or steps."""
    kinds = {part(name).kind for name in names}
    return "loss" in kinds or bool(kinds & {"epoch", "step"} and kinds & {"score", "error"})


def _aligned(text: str, options: Sequence[Names]) -> tuple[Names, list[str]]:
    """The names that fit a row's cells, and these; none for another line. A first cell without a name is an index."""
    barred = _BARS.search(text) is not None
    cells = _cells(text) if barred else text.split()
    for index in (0, 1):
        for names in options:
            if len(cells) == len(names) + index and (not index or (not barred and cells[0].isdigit())):
                return names, cells[index:]
    return (), []


def _below(line: str, above: str, options: Sequence[Names]) -> tuple[Names, list[str]]:
    """The names and cells of a row that lacks some: each cell stands below its name. None for another line."""
    cells = list(_CELL.finditer(line))
    for names in options:
        if not 2 <= len(cells) < len(names) or _BARS.search(line):
            continue
        ends, end = [], 0
        for name in names:
            end = above.find(name, end) + len(name)
            ends.append((end - len(name), end))
        places = [
            [place for place, (start, end) in enumerate(ends) if cell.start() < end and start < cell.end()]
            for cell in cells
        ]
        if all(len(place) == 1 for place in places) and len({place[0] for place in places}) == len(cells):
            row = {place[0]: cell[0] for place, cell in zip(places, cells, strict=True)}
            return names, [row.get(place, "") for place in range(len(names))]
    return (), []


def _cells(text: str) -> list[str]:
    cells = [cell.strip() for cell in _BARS.split(text)]
    return cells[bool(not cells[0]) : len(cells) - bool(not cells[-1])]
