"""A table's file as a frame of cells: its encoding, separator, header and quotes. What cells mean: cells.py."""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunekit.files import open_regular
from tunekit.telling import counted
from tunekit.training.sources.parts import why
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from pandas import DataFrame

SEPARATORS = (",", ";", "\t", "|")
SNIFFED = 50  # lines that decide the separator
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Frame:
    """The cells of a file by column. Those of a .csv are text as it stands there; those of a .parquet have types."""

    path: Path
    cells: DataFrame
    comma: bool = False  # a comma is no separator here, so it may be a decimal point
    notes: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()  # names that the header has more than once

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self.cells.columns]


def read_frame(path: Path, separator: str | None = None) -> Frame:
    """A .csv (.tsv, .txt, any of them gzipped) with a header, or a .parquet. Errors: UserError, of one line."""
    try:
        with open_regular(path) as file:
            data = file.read()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError) as error:
        raise _unreadable(path, why(error)) from None
    if data[:4] == b"PAR1" or path.suffix in (".parquet", ".pq"):
        return _parquet(path, data)
    if data[:2] == b"PK" or path.suffix in (".xlsx", ".xls"):
        raise _unreadable(path, "it is a spreadsheet or an archive; save its sheet as .csv")
    try:
        text, notes = decoded(path, data)
    except ValueError as error:
        raise _unreadable(path, why(error)) from None
    return _csv(path, text, separator, notes)


def _unreadable(path: Path, reason: str) -> UserError:
    return UserError(f"data.args.path: {path} cannot be read as a table: {reason}")


BOMS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How texts begin that are in none of the encodings of bytes; the longer first."""


def decoded(path: Path, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what is told of how it was read. Errors: ValueError of what is none."""
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding), ()
    if b"\0" in data[: 1 << 16]:
        raise ValueError("it is no text, or in UTF-16 without its mark; save it as UTF-8")
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        note = f"{path.name} is not UTF-8 (line {line:,}): read as Latin-1; save it as UTF-8 if letters look wrong"
    try:
        return data.decode("cp1252"), (note,)
    except UnicodeDecodeError:
        return data.decode("latin-1"), (note,)


def _csv(path: Path, text: str, separator: str | None, notes: tuple[str, ...]) -> Frame:
    import pandas as pd

    first, _, rest = text.partition("\n")
    if match := re.fullmatch(r"sep=(.)\r?", first.strip("\ufeff")):  # as Excel writes it
        separator, text = separator or match[1], rest
    if not text.strip():
        raise UserError(f"data.args.path: {path} is empty: a header and rows are needed")
    separator = separator or _separator(text)
    longest = csv.field_size_limit(sys.maxsize)
    try:
        header, rows = _rows(path, text.replace("\r\n", "\n").replace("\r", "\n"), separator)
    except csv.Error as error:
        raise _unreadable(path, str(error)) from None
    finally:
        csv.field_size_limit(longest)
    if not rows:
        raise UserError(f"data.args.path: {path} is empty: a header and rows are needed")
    body = pd.DataFrame(rows, dtype=object)
    names, doubled = _named(header)
    body.columns = pd.Index(names)
    if separator != ",":
        notes = (*notes, f"cells are separated by {NAMES.get(separator, repr(separator))}")
    if doubled:
        notes = (*notes, f"the header has {', '.join(map(repr, doubled))} more than once: the later get a number")
    return Frame(path, body, separator != ",", notes, doubled)


def _separator(text: str) -> str:
    """The separator by which most lines have the header's count of cells, and of those the one with most cells."""
    lines = text[: 1 << 18].splitlines()[: SNIFFED + 1]
    best, score = ",", (0.0, 1)
    for separator in SEPARATORS:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            continue
        if counts and counts[0] > 1:
            reached = (sum(count == counts[0] for count in counts) / len(counts), counts[0])
            if reached > score:
                best, score = separator, reached
    return best


def _rows(path: Path, text: str, separator: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows, all of as many cells; lines without anything are none. Errors: UserError by the line."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=separator != "\t")
    header: list[str] = []
    rows: list[list[str]] = []
    line, lines = 1, text.count("\n")
    for row in reader:
        if row and "\n" in row[-1] and reader.line_num >= lines and text.rstrip()[-1] != '"':
            raise _unreadable(path, f"a quote opens in line {line} and never closes")
        if any(row):
            if not header:
                header = [name.strip() for name in row]
            else:
                if len(row) == len(header) + 1 and not row[-1]:
                    row.pop()  # a separator at the end of the line
                if len(row) != len(header):
                    more = f"; a cell with {NAMES.get(separator, 'separators')} in it stands in quotes"
                    hint = more if len(row) > len(header) else ""
                    raise _unreadable(
                        path, f"line {line} has {counted(len(row), 'cell')} and the header {len(header)}{hint}"
                    )
                rows.append(row)
        line = reader.line_num + 1
    return header, rows


def _named(header: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Names that differ, and those that the header has more than once. What has no name is called by its place."""
    names: list[str] = []
    doubled: dict[str, None] = {}
    for place, given in enumerate(header, start=1):
        name = given or f"column {place}"
        if name in names:
            doubled[name] = None
            name = next(f"{name}.{n}" for n in range(2, len(header) + 2) if f"{name}.{n}" not in {*names, *header})
        names.append(name)
    return names, tuple(doubled)


def _parquet(path: Path, data: bytes) -> Frame:
    import pandas as pd

    try:
        cells = pd.read_parquet(io.BytesIO(data))
    except ImportError:
        raise UserError(
            f'data.args.path: {path}: a .parquet needs pyarrow: pip install ".[parquet]" in the checkout of tunekit'
        ) from None
    except Exception as error:  # of pyarrow, which has many
        raise _unreadable(path, why(error).partition(";")[0]) from None
    names, doubled = _named([str(name) for name in cells.columns])
    cells.columns = pd.Index(names)
    if cells.empty or not names:
        raise UserError(f"data.args.path: {path} is empty: rows are needed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that pandas means to change
        cells = cells.reset_index(drop=True).apply(_plain)
    return Frame(path, cells, doubled=doubled)


def _plain(cells: Any) -> Any:
    """Numbers, dates and truth values as they are; everything else as text."""
    from pandas.api import types

    if types.is_bool_dtype(cells.dtype) or types.is_numeric_dtype(cells.dtype):
        return cells
    if types.is_datetime64_any_dtype(cells.dtype):
        return cells
    return cells.astype(object).map(lambda cell: "" if _nothing(cell) else str(cell)).astype(object)


def _nothing(cell: object) -> bool:
    return cell is None or cell != cell
