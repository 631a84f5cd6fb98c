"""Columns of comma-separated files: fast where they are clean, by Python's csv module where they are not."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunekit.logs import source
from tunekit.logs.log import Array
from tunekit.logs.names import part
from tunekit.logs.table import Column, Columns, Rows
from tunekit.vocabulary import UserError

BLOCK = 8_000_000
"""Characters taken apart at once: bounds the memory whatever the file's length."""

LONGEST = 200
"""Characters of a column's name."""

MISSING = frozenset(("", "na", "n/a", "#na#", "#n/a", "none", "null", "-", "--", "nil", "<na>", "missing"))
_MISSING_BYTES = frozenset(word.encode() for word in MISSING) | {b"NA", b"None", b"N/A"}

SPLIT_COLUMNS = frozenset(("phase", "split", "mode", "stage", "subset", "partition", "set"))
"""Columns of long tables that say whose numbers a row holds."""

_SENTENCE = re.compile(r"[=!?{}]|: |:$|\d{2}:\d{2}")
"""What a line of a printed log has and a column's name has not."""

_MEASURED = re.compile(r"[A-Za-z]\S*+\s++[-+]?+[\d.]++(?:[eE][-+]?+\d++)?+%?+$")
"""`train loss 0.31`: a number with its name, as in lines whose parts are set off by bars."""
_PARAMETER = re.compile(r"[:;]\w++=[^\s:;]++")
"""What CatBoost writes behind the name of a metric that has parameters."""

_WRAPPED = re.compile(r"^(?:tensor|array|np\.float\d*|float)?[\[(]+\s*([-+.\deEinfaNI]+)")


Wanted = Callable[[str], bool]
"""Whether a column of this name is read."""


@dataclass
class Cells:
    """The filled cells read so far, in pieces by column, and what was odd."""

    rows: dict[str, list[Rows]] = field(default_factory=dict)
    values: dict[str, list[Array]] = field(default_factory=dict)
    splits: dict[int, str] = field(default_factory=dict)  # row -> train, val, ... of tables with such a column
    count: int = 0
    breaks: list[int] = field(default_factory=list)
    unreadable: int = 0
    ragged: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, rows: Sequence[int] | Rows, values: Sequence[float]) -> None:
        if len(values):
            self.rows.setdefault(name, []).append(np.asarray(rows, dtype=np.int64))
            self.values.setdefault(name, []).append(np.asarray(values, dtype=np.float64))

    def columns(self) -> Columns:
        return {name: Column(np.concatenate(self.rows[name]), np.concatenate(self.values[name])) for name in self.rows}


def header(path: Path) -> list[str]:
    """The column names in a file's first line, or [] where it does not look like a table with names."""
    lines = source.first_lines(path, 2)
    if not lines or lines[0][0] in "{[<":
        return []
    separator = delimiter(lines[0])
    names = _fields(lines[0].lstrip("# "), separator)
    if not separator and len(set(names)) < len(names):  # `Step  Train loss  Test loss`: words of names
        return []
    if len(names) < 2 and not (names and part(names[0]).kind):
        return []
    if any(
        number(name) is not None or len(name) > LONGEST or _SENTENCE.search(_PARAMETER.sub("", name)) for name in names
    ):
        return []
    if 2 * sum(_MEASURED.search(name) is not None for name in names) >= len(names):
        return []
    if len(lines) > 1:
        row = _fields(lines[1], separator)
        shaped = 2 * len(row) >= len(names)
        if not (_is_header(row, frozenset(names)) or (shaped and any(number(cell) is not None for cell in row))):
            return []
    return names


def delimiter(line: str) -> str:
    """The separator that a header uses; "" for runs of blanks."""
    best = max(",;\t|", key=line.count)
    return best if best in line else ""


def read(path: Path, wanted: Wanted) -> Cells:
    """The numbers of a table's wanted columns; UserError where the file is no table with a header."""
    names = header(path)
    if not names:
        raise UserError(f"{path}: no line of column names at the top; add one, or give the format with --format")
    separator = delimiter(source.first_lines(path, 1)[0])
    cells = Cells()
    for place, block in enumerate(source.blocks(path, BLOCK)):
        if place == 0:  # without the names
            block = block.lstrip().partition("\n")[2]
        if not (separator and _read_clean(block.encode(), names, separator, cells, wanted)):
            names = _read_damaged(block, names, separator, cells, wanted)
    if cells.unreadable:
        cells.notes.append(f"{cells.unreadable} cells are no numbers; left out")
    if cells.ragged:
        cells.notes.append(f"{cells.ragged} rows have too few or too many cells; read as far as they go")
    if cells.breaks:
        cells.notes.append(f"the header is repeated {len(cells.breaks)} times: appended runs")
    return cells


def _read_clean(block: bytes, names: list[str], separator: str, cells: Cells, wanted: Wanted) -> bool:
    """Read a block whose every row has as many cells as the header, without quotes. False: it is not one."""
    if not block:
        return True
    split = separator.encode()
    if not block.endswith(b"\n"):
        block += b"\n"
    if b'"' in block or (separator == ";" and b"," in block):
        return False
    codes = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(codes == 10)
    counts = np.diff(np.searchsorted(np.flatnonzero(codes == split[0]), ends), prepend=0)
    if not np.all(counts == len(names) - 1) or (len(names) == 1 and b"\n\n" in block):
        return False
    fields = block[:-1].replace(b"\n", split).split(split)
    ready: list[tuple[str, Rows, list[float]]] = []
    for place, name in enumerate(names):
        if not wanted(name):
            continue
        column = fields[place :: len(names)]
        try:
            ready.append((name, np.arange(len(column)), list(map(float, column))))
            continue
        except ValueError:
            pass
        filled = [index for index, cell in enumerate(column) if cell.strip() not in _MISSING_BYTES]
        try:
            ready.append((name, np.array(filled, dtype=np.int64), [float(column[index]) for index in filled]))
        except ValueError:
            named = part(name).kind or name.lower() in SPLIT_COLUMNS
            if named or name.encode() in column:  # words among the numbers, or the header once more
                return False
    for name, rows, values in ready:
        cells.add(name, rows + cells.count, values)
    cells.count += len(ends)
    return True


def _read_damaged(block: str, names: list[str], separator: str, cells: Cells, wanted: Wanted) -> list[str]:
    """Read a block row by row; gives the header that holds at its end, since a file may repeat or change it."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    known, heads = frozenset(names), [_Head.of(name, wanted) for name in names]
    for line in block.split("\n"):
        row = _fields(line, separator)
        if not any(row):
            continue
        if _is_header(row, known):
            names = row
            known, heads = frozenset(names), [_Head.of(name, wanted) for name in names]
            cells.breaks.append(cells.count)
            continue
        cells.ragged += len(row) != len(names)
        for head, cell in zip(heads, row, strict=False):
            value = number(cell, decimal_comma=separator == ";")
            if value is not None:
                if head.wanted:
                    rows, values = columns.setdefault(head.name, ([], []))
                    rows.append(cells.count)
                    values.append(value)
            elif head.splits:
                cells.splits[cells.count] = cell
            elif head.tells and cell.lower() not in MISSING:
                cells.unreadable += 1
        cells.count += 1
    for name, (rows, values) in columns.items():
        cells.add(name, rows, values)
    return names


class _Head(NamedTuple):
    """What is to be known of a column for each of its cells."""

    name: str
    wanted: bool
    splits: bool  # its words say whose numbers a row holds
    tells: bool  # its name says what its numbers are

    @classmethod
    def of(cls, name: str, wanted: Wanted) -> _Head:
        return cls(name, wanted(name), name.lower() in SPLIT_COLUMNS, bool(part(name).kind))


def _is_header(row: list[str], names: frozenset[str]) -> bool:
    """A row without numbers that names at least two columns of the header that holds."""
    return len(row) >= 2 and len(names.intersection(row)) >= 2 and all(number(cell) is None for cell in row)


def _fields(line: str, separator: str) -> list[str]:
    line = line.rstrip("\r\n")
    if not separator:
        return line.split()
    if '"' in line:
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
        except csv.Error:
            line = line.replace('"', "")
    return [cell.strip() for cell in line.split(separator)]


def number(cell: str, decimal_comma: bool = False) -> float | None:
    """The number in a cell: plain, with a percent sign, or inside tensor(...) or [...]; None for none."""
    cell = (cell.replace(",", ".") if decimal_comma else cell).strip().rstrip("%")
    wrapped = _WRAPPED.match(cell) if "[" in cell or "(" in cell else None
    try:
        return float(wrapped[1] if wrapped else cell)
    except ValueError:
        return None
