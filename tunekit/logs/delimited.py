"""Columns of comma-separated files: fast where they are clean, by Python's csv module where they are not."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunekit.logs import source
from tunekit.logs.columns import Column, Columns, Rows
from tunekit.logs.heading import (
    SAMPLE,
    Heading,
    Wanted,
    distinct,
    fields,
    heading,
    is_header,
    names_split,
    number,
    numbered,
)
from tunekit.logs.log import Array
from tunekit.logs.names import part
from tunekit.vocabulary import UserError

BLOCK = 8_000_000
"""Characters taken apart at once: bounds the memory whatever the file's length."""

MISSING = frozenset(("", "na", "n/a", "#na#", "#n/a", "none", "null", "-", "--", "nil", "<na>", "missing"))
_MISSING_BYTES = frozenset(word.encode() for word in MISSING) | {b"NA", b"None", b"N/A"}

UNNAMED = (
    "put a line of names above them, such as epoch,train_loss,val_loss, "
    "or choose columns by number: --format csv --train 2 --val 3"
)

SIDES = ("", "train", "val", "test")
"""Splits by the codes under which they are kept."""


@dataclass
class Cells:
    """The filled cells read so far, in pieces by column, and what was odd."""

    rows: dict[str, list[Rows]] = field(default_factory=dict)
    values: dict[str, list[Array]] = field(default_factory=dict)
    sides: array[int] = field(default_factory=lambda: array("b"))  # a code of SIDES a row, of tables that say them
    owners: array[int] = field(default_factory=lambda: array("q"))  # a run a row, of tables that say them
    runs: dict[str, int] = field(default_factory=dict)  # their numbers by their names
    count: int = 0
    breaks: list[int] = field(default_factory=list)
    unreadable: int = 0
    ragged: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, rows: Sequence[int] | Rows, values: Sequence[float]) -> None:
        if len(values):
            self.rows.setdefault(name, []).append(np.asarray(rows, dtype=np.int64))
            self.values.setdefault(name, []).append(np.asarray(values, dtype=np.float64))

    def say_side(self, row: int, code: int) -> None:
        self.sides.extend(bytes(row + 1 - len(self.sides)))
        self.sides[row] = code

    def say_run(self, row: int, name: str) -> None:
        self.owners.extend([-1] * (row + 1 - len(self.owners)))
        self.owners[row] = self.run(name)

    def run(self, name: str) -> int:
        return self.runs.setdefault(name, len(self.runs))

    def columns(self) -> Columns:
        return {name: Column(np.concatenate(self.rows[name]), np.concatenate(self.values[name])) for name in self.rows}


def header(path: Path) -> list[str]:
    """The column names at a file's top, or [] where it does not look like a table with names."""
    top = heading(path)
    return [] if top is None else list(top.names)


def side_code(word: str) -> int:
    """The code of the split that a word names."""
    return SIDES.index(names_split(word))


def read(path: Path, wanted: Wanted, by_number: bool = False) -> Cells:
    """The numbers of a table's wanted columns; UserError where the file is no table with a header.

    `by_number`: a table without one has its columns by their places.
    """
    top = heading(path) or (numbered(path) if by_number else None)
    if top is None:
        raise UserError(f"{path}: no line of column names above its numbers; {UNNAMED}")
    cells, names, ends = Cells(), list(top.names), False
    for place, block in enumerate(source.blocks(path, BLOCK)):
        if place == 0:
            block = _below(block, top.lines)
            ends = _ends_with_separator(block, top)
        if top.decimal_comma and top.separator != ",":
            block = block.replace(",", ".")
        if ends:
            block = block.replace(f"{top.separator}\r\n", "\n").replace(f"{top.separator}\n", "\n")
        if not (top.separator and _read_clean(block.encode(), names, top, cells, wanted)):
            names = _read_damaged(block, names, top, cells, wanted)
    if cells.unreadable:
        cells.notes.append(f"{cells.unreadable} cells are no numbers; left out")
    if cells.ragged:
        cells.notes.append(f"{cells.ragged} rows have too few or too many cells; read as far as they go")
    if cells.breaks:
        cells.notes.append(f"the header is repeated {len(cells.breaks)} times: appended runs")
    return cells


def _ends_with_separator(block: str, top: Heading) -> bool:
    """Whether each row has a separator behind its last cell, which the names have not."""
    first = block.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    return bool(top.separator) and first.endswith(top.separator) and first.count(top.separator) == len(top.names)


def _below(block: str, lines: int) -> str:
    """What stands below so many lines that are not blank."""
    while lines and block:
        line, _, block = block.partition("\n")
        lines -= bool(line.strip())
    return block


def _read_clean(block: bytes, names: list[str], top: Heading, cells: Cells, wanted: Wanted) -> bool:
    """Read a block whose every row has as many cells as the header, without quotes. False: it is not one."""
    if not block:
        return True
    split = top.separator.encode()
    if not block.endswith(b"\n"):
        block += b"\n"
    if b'"' in block:  # where a quoted cell holds a separator, its row has too many cells without the quotes
        block = block.replace(b'"', b"")
    codes = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(codes == 10)
    counts = np.diff(np.searchsorted(np.flatnonzero(codes == split[0]), ends), prepend=0)
    if not np.all(counts == len(names) - 1) or (len(names) == 1 and b"\n\n" in block):
        return False
    content = block[:-1].replace(b"\n", split).split(split)
    ready: list[tuple[str, Rows, list[float]]] = []
    codes_of_sides: list[int] = []
    owners: list[bytes] = []
    for place, name in enumerate(names):
        if name in top.splits:
            said = {
                cell: side_code(cell.decode(errors="replace").strip()) for cell in set(content[place :: len(names)])
            }
            codes_of_sides = [said[cell] for cell in content[place :: len(names)]]
            continue
        if name == top.runs:
            owners = content[place :: len(names)]
        if not wanted(name):
            continue
        column = content[place :: len(names)]
        try:
            ready.append((name, np.arange(len(column)), list(map(float, column))))
            continue
        except ValueError:
            pass
        filled = [index for index, cell in enumerate(column) if cell.strip() not in _MISSING_BYTES]
        try:
            ready.append((name, np.array(filled, dtype=np.int64), [float(column[index]) for index in filled]))
        except ValueError:
            few = (cell.decode(errors="replace") for cell in column[:SAMPLE])
            if part(name).kind or name.encode() in column or any(number(cell) is not None for cell in few):
                return False  # words among the numbers, or the header once more
    for name, rows, values in ready:
        cells.add(name, rows + cells.count, values)
    if owners:
        cells.owners.extend([-1] * (cells.count - len(cells.owners)))
        known = {name: cells.run(name.decode(errors="replace").strip()) for name in dict.fromkeys(owners)}
        cells.owners.extend([known[name] for name in owners])
    if codes_of_sides:
        cells.sides.extend(bytes(cells.count - len(cells.sides)))
        cells.sides.extend(codes_of_sides)
    cells.count += len(ends)
    return True


def _read_damaged(block: str, names: list[str], top: Heading, cells: Cells, wanted: Wanted) -> list[str]:
    """Read a block row by row; gives the header that holds at its end, since a file may repeat or change it."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    known, heads = frozenset(names), [_Head.of(name, wanted, top) for name in names]
    for line in block.split("\n"):
        row = fields(line, top.separator)
        if not any(row):
            continue
        if is_header(row, known):
            names = distinct(row)
            known, heads = frozenset(names), [_Head.of(name, wanted, top) for name in names]
            cells.breaks.append(cells.count)
            continue
        cells.ragged += len(row) != len(names)
        for head, cell in zip(heads, row, strict=False):
            if head.name == top.runs:
                cells.say_run(cells.count, cell)
            value = number(cell, top.decimal_comma)
            if value is not None:
                if head.wanted:
                    rows, values = columns.setdefault(head.name, ([], []))
                    rows.append(cells.count)
                    values.append(value)
            elif head.splits:
                cells.say_side(cells.count, side_code(cell))
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
    def of(cls, name: str, wanted: Wanted, top: Heading) -> _Head:
        return cls(name, wanted(name), name in top.splits, bool(part(name).kind))
