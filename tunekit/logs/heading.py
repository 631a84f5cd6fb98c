"""The top of a table: its names, in one row or two, below comments or above units. Its numbers are in delimited.py."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.names import EMPTY_WORDS, TEST, TRAIN, VAL, part, side, split, word_set
from tunekit.logs.table import WRAPPED

LONGEST = 200
"""Characters of a column's name."""

SAMPLE = 60
"""Rows by which it is told what a column of words says."""

SPLIT_COLUMNS = frozenset(("phase", "split", "mode", "stage", "subset", "partition", "set"))
"""Columns of long tables that say whose numbers a row holds."""

RUN_COLUMNS = word_set("run run_id run_name fold seed trial trial_id experiment exp model model_name job")
"""Columns of tables with several runs that say whose a row is."""

NAMING = frozenset(("metric", "metric_name", "metricname", "name", "tag", "key", "scalar", "variable", "measure"))
VALUES = frozenset(("value", "metric_value", "metricvalue", "val", "y"))
"""Columns of tables with a row a measure: what it is called and what it is."""

_COMMENTS = ("#", "%")
_SENTENCE = re.compile(r"[=!?{}]|: |:$|\d{2}:\d{2}")
"""What a line of a printed log has and a column's name has not."""

_MEASURED = re.compile(r"[A-Za-z]\S*+\s++[-+]?+[\d.]++(?:[eE][-+]?+\d++)?+%?+$")
"""`train loss 0.31`: a number with its name, as in lines whose parts are set off by bars."""
_PARAMETER = re.compile(r"[:;]\w++=[^\s:;]++")
"""What CatBoost writes behind the name of a metric that has parameters."""

_COMMA = re.compile(r"[-+]?+\d++,\d++(?:[eE][-+]?+\d++)?+%?+$")
_GROUPED = re.compile(r"[-+]?+[1-9]\d{0,2}+(?:,\d{3})++(?:\.\d*+)?+$")
_SIDES = TRAIN | VAL | TEST
_OF_A_SPLIT = _SIDES | EMPTY_WORDS | frozenset(("start", "begin", "done", "finished", "log", "metrics", "loop"))


@dataclass(frozen=True)
class Heading:
    """What the first lines of a table say."""

    names: tuple[str, ...]
    separator: str
    lines: int
    """Lines that are not blank above the first row of numbers."""
    decimal_comma: bool
    splits: frozenset[str]
    """Columns whose words say whose numbers a row holds."""
    runs: str | None = None
    """The column that says whose a row is."""
    long: tuple[str, str] | None = None
    """The columns with a measure's name and with its value, of a table with a row a measure."""


def heading(path: Path) -> Heading | None:
    """The heading of a file that looks like a table with names, else None."""
    return _heading(tuple(source.first_lines(path, 100)))


def numbered(path: Path) -> Heading | None:
    """The heading of a table without names: its columns by their places, counted from 1; None for any other file."""
    lines = source.first_lines(path, SAMPLE)
    separator = delimiter(lines[0]) if lines else ""
    rows = [fields(line, separator) for line in lines]
    if len(rows) < 2 or not all(_is_numbers(row) and len(row) == len(rows[0]) for row in rows):
        return None
    return _told([str(place) for place in range(1, 1 + len(rows[0]))], separator, 0, rows)


def _is_numbers(row: Sequence[str]) -> bool:
    return bool(row) and all(number(cell) is not None or not cell for cell in row) and number(row[0]) is not None


@lru_cache(maxsize=64)
def _heading(lines: Sequence[str]) -> Heading | None:
    comments = next((place for place, line in enumerate(lines) if not line.startswith(_COMMENTS)), len(lines))
    for place in (comments, comments - 1):
        if not 0 <= place < len(lines) or lines[place][0] in "{[<":
            continue
        line = lines[place].lstrip("#% ")
        separator = delimiter(line)
        names, behind = _names(line, lines[place + 1 :], separator)
        if names:
            first = place + 1 + behind
            rows = [fields(row, separator) for row in lines[first : first + SAMPLE]]
            return _told(distinct(_with_index(names, rows)), separator, first, rows)
    return None


def _names(line: str, below: Sequence[str], separator: str) -> tuple[list[str], int]:
    """The names in a line, and how many lines below it are no rows; none where it is no line of names."""
    names = fields(line, separator)
    if len(names) < 2 and not (names and part(names[0]).kind):
        return [], 0
    if not separator and len(set(names)) < len(names):  # `Step  Train loss  Test loss`: words of names
        return [], 0
    quoted = line.count('"') >= 2 * len(names)
    if any(number(name) is not None or len(name) > LONGEST for name in names):
        return [], 0
    if not quoted and any(_SENTENCE.search(_PARAMETER.sub("", name)) for name in names):
        return [], 0
    if 2 * sum(_MEASURED.search(name) is not None for name in names) >= len(names):
        return [], 0
    if not below:
        return names, 0
    row = fields(below[0], separator)
    if not separator and len(row) not in (len(names), len(names) + 1):
        return [], 0  # between blanks no cell can be empty
    if is_header(row, frozenset(names)) or (2 * len(row) >= len(names) and _has_numbers(row)):
        return names, 0
    second = fields(below[1], separator) if len(below) > 1 else []
    if not len(row) == len(names) == len(second) or not _has_numbers(second) or not any(row):
        return [], 0
    return _of_two_rows(names, row), 1


def _has_numbers(row: Sequence[str]) -> bool:
    return any(number(cell) is not None for cell in row)


def _of_two_rows(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """`train` above `loss` as `train/loss`; names above their units as they are."""
    if not any(part(cell).kind or (part(cell).side and not part(cell).core) for cell in lower):
        return list(upper)
    names, last = [], ""
    for name, below in zip(upper, lower, strict=True):
        last = name or (last if below else "")
        names.append("/".join(word for word in (last, below) if word))
    return names


def _with_index(names: list[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The names, with one for the numbers of the rows where each row has a cell more at its beginning (as R writes)."""
    shifted = rows and all(len(row) == len(names) + 1 and all(row) for row in rows[:5])
    return ["", *names] if shifted else names


def _told(names: list[str], separator: str, first: int, rows: Sequence[Sequence[str]]) -> Heading:
    splits, words = set(), set()
    for place, name in enumerate(names):
        cells = {row[place] for row in rows if place < len(row)} - {""}
        if not cells or any(number(cell) is not None for cell in cells):
            continue
        words.add(name)
        if name.lower() in SPLIT_COLUMNS or (not part(name).kind and all(map(names_split, cells))):
            splits.add(name)
    naming = next((name for name in names if name.lower() in NAMING and name in words - splits), None)
    value = next((name for name in names if name.lower() in VALUES and name not in words), None)
    told = not any(part(name).kind in ("loss", "score", "error") for name in names)
    long = (naming, value) if naming is not None and value is not None and told else None
    runs = next((name for name in names if name.lower() in RUN_COLUMNS), None)
    return Heading(tuple(names), separator, first, _decimal_comma(rows, separator), frozenset(splits), runs, long)


@lru_cache(maxsize=1024)
def names_split(word: str) -> str:
    """The split that a word in a row names (`train`, `valid_step`), where it says nothing else; else ""."""
    words = split(word) if len(word) < 40 else []
    return side(words) if words and _OF_A_SPLIT.issuperset(words) else ""


def _decimal_comma(rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Whether numbers have a comma for their point: one has, and none is so only as thousands are set apart."""
    commas = [cell for row in rows for cell in row if "," in cell and _COMMA.match(cell)]
    if not commas or any("." in cell and number(cell) is not None for row in rows for cell in row):
        return False
    return separator == ";" or any(not _GROUPED.match(cell) for cell in commas)


def distinct(names: Sequence[str]) -> list[str]:
    """The names, those that repeat an earlier one with a number behind them (`loss.1`), as pandas tells them apart."""
    result = list(names)
    known: dict[str, int] = {}
    for place, name in enumerate(names):
        while result[place] in known:
            known[name] += 1
            result[place] = f"{name}.{known[name]}"
        known[result[place]] = 0
    return result


def delimiter(line: str) -> str:
    """The separator that a header uses; "" for runs of blanks."""
    best = max(",;\t|", key=line.count)
    return best if best in line else ""


def is_header(row: Sequence[str], names: frozenset[str]) -> bool:
    """A row without numbers that names at least two columns of the header that holds."""
    return len(row) >= 2 and len(names.intersection(row)) >= 2 and all(number(cell) is None for cell in row)


def fields(line: str, separator: str) -> list[str]:
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
    """The number in a cell: plain, with a percent sign, inside tensor(...) or [...], or with commas between thousands;
    None for none."""
    try:
        return float(cell)
    except ValueError:
        cell = (cell.replace(",", ".") if decimal_comma else cell).strip().rstrip("%")
    wrapped = WRAPPED.match(cell) if "[" in cell or "(" in cell else None
    if "," in cell and _GROUPED.match(cell):
        cell = cell.replace(",", "")
    try:
        return float(wrapped[1] if wrapped else cell)
    except ValueError:
        return None


Wanted = Callable[[str], bool]
"""Whether a column of this name is read."""
