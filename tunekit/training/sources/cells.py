"""What the cells of a column mean: numbers as people write them, dates, times, yes and no, text; which are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunekit.telling import counted
from tunekit.training.sources.dates import (
    MOST,
    SINCE,
    THEN,
    are_times,
    as_days,
    date_form,
    days_of,
    nearly_all,
    no_dates,
    some,
    times,
    years_of,
)

if TYPE_CHECKING:
    from pandas import Series

Values = npt.NDArray[Any]
"""Of a column, one a row: float64 with NaN where a cell is missing, or text (objects) with None there. An infinity is
missing too: no model takes it."""

MISSING = frozenset(
    ["na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "#n/a", "<na>", "nat", "missing"]
) | {""}
"""Cells that say nothing, in any letters."""
MISSING_CLASS = frozenset(["", "na", "n/a", "nan", "null", "?", "#n/a", "<na>", "nat"])
"""Those of them that are no class either, where a target is of text: `none` and `-` may be one."""
TRUTHS = (("no", "yes"), ("false", "true"), ("off", "on"), ("n", "y"), ("f", "t"))
TRUTH = {word: float(at) for pair in (*TRUTHS, ("0", "1"), ("0.0", "1.0")) for at, word in enumerate(pair)}
"""What a cell says in a column of yes and no, of whichever pair the others are."""
SPELT_OUT = frozenset(word for pair in TRUTHS[:3] for word in pair)
"""Cells that make it such a column, where its pairs are mixed: letters and numbers may mean anything."""

POINT, COMMA = "point", "comma"
_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(?:[,'\u2019 \u00a0\u202f]\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:[.'\u2019 \u00a0\u202f]\d{3})+|\d*)(?:,\d+)?(?:[eE][+-]?\d+)?")
_GROUPS = {POINT: re.compile(r"[,'\u2019 \u00a0\u202f]"), COMMA: re.compile(r"[.'\u2019 \u00a0\u202f]")}
_SIGN = r"US\$|R\$|[$€£¥₹₽₩%]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|kr"
_BEFORE = re.compile(rf"([+-]?)\s*({_SIGN})\s*(?=[+\-.,\d])")
_BEHIND = re.compile(rf"(?<=[.,\d])\s*({_SIGN})$")
_IN_BRACKETS = re.compile(r"\(([^()+-]*\d[^()]*)\)")
_AMOUNT = re.compile(r"[+-]?\d[\d.,'\u2019 \u00a0\u202f]*|[+-]?[.,]\d+")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d*)?")
EXACT_DIGITS = 15  # of a decimal number, that a float64 tells apart from all others
_CODE = re.compile(r"0*[1-9]\d*|0+")


@dataclass(frozen=True)
class Form:
    """How the cells of a column are written. `kind`: number, truth, date, time or text. `style`: of numbers POINT or
    COMMA, of dates what strptime takes (of several forms, one after the other; behind `@` from when on the hundred
    years lie that two digits name), of truth the word for true."""

    kind: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """The cells of one column, read. `strays`: rows whose cell is filled but not of the form. `how`: what a person is
    told of the reading, where it is not the only one."""

    form: Form
    values: Values
    strays: npt.NDArray[np.int64]
    how: str = ""


def read_column(cells: Series[Any], comma: bool, decimal: str | None = None, text: bool = False) -> Column:
    """The column's form, found from its cells, and its values. `comma`: where both readings of `1,234` would do, it is
    a decimal comma. `decimal`: '.' or ',', where that is known. `text`: whatever it holds are names."""
    if cells.dtype != object:
        return read_as(cells, Form("text") if text else _typed(cells))
    codes, different = _coded(cells)
    filled = _filled(different)
    counts = np.bincount(codes, minlength=len(different))
    words = [different[at] for at in np.flatnonzero(filled).tolist()]
    form = Form("text") if text else _found(words, counts[filled], comma, decimal)
    values = _read(different, filled, form)
    how = "" if text else _how(words, values[filled], form)
    return Column(form, values[codes], _strays(values, filled, form)[codes].nonzero()[0], how)


def read_as(cells: Series[Any], form: Form) -> Column:
    """Cells of any type read by a form that is known; what is not of that form is missing."""
    kind = "text" if cells.dtype == object else _typed(cells).kind
    if kind == form.kind != "text" or (kind, form.kind) == ("truth", "number"):
        values = _typed_values(cells)
        strays = np.isinf(values)
        return Column(form, np.where(strays, np.nan, values), strays.nonzero()[0])
    codes, different = _coded(cells if cells.dtype == object else _written(cells))
    filled = _filled(different)
    values = _read(different, filled, form)
    return Column(form, values[codes], _strays(values, filled, form)[codes].nonzero()[0])


def _strays(values: Values, filled: npt.NDArray[np.bool_], form: Form) -> npt.NDArray[np.bool_]:
    """Which are filled but not of the form."""
    return np.zeros(len(values), bool) if form.kind == "text" else filled & np.isnan(values)


def told_strays(name: str, cells: Series[Any], column: Column) -> str:
    row = int(column.strays[0])
    what = "neither yes nor no" if column.form.kind == "truth" else f"no {column.form.kind}"
    several = counted(len(column.strays), "cell that is", "cells that are")
    return (
        f"{name!r} has {several} {what}, first {str(cells.iloc[row])!r} in row {row + 1:,} below the "
        "header: taken as missing"
    )


def variants(words: Iterable[str]) -> list[tuple[str, ...]]:
    """Words that differ in nothing but capitals, blanks and hyphens, or in how a number is written."""
    alike: dict[str, list[str]] = {}
    for word in sorted(words):
        alike.setdefault(_levelled(word), []).append(word)
    return [tuple(several) for several in alike.values() if len(several) > 1]


def _levelled(word: str) -> str:
    if _DECIMAL.fullmatch(word) and sum(map(str.isdigit, word)) <= EXACT_DIGITS:
        return f"{float(word):.{EXACT_DIGITS}g}"
    return re.sub(r"[\s_-]+", " ", word.casefold())


def _how(different: Sequence[str], values: Values, form: Form) -> str:
    if form.kind == "time":
        return "times of day"
    if form.kind == "truth" and not any({cell.lower() for cell in different} <= set(pair) for pair in TRUTHS):
        return f"yes or no ({', '.join(map(repr, sorted(different)))})"
    if form.kind == "date":
        return _how_dates(different, form.style)
    if form.kind == "text" and (why := no_dates(different)):
        return f"texts, for {why}"
    if form.kind == "text" and are_codes(different):
        return "names, for its numbers begin with zeros as codes do"
    if form.kind == "text" and len(units := _units(different)) > 1:
        return f"texts, for its amounts are in {', '.join(sorted(units))}"
    if form.kind == "number" and (how := _how_per_cent(different, values)):
        return how
    if form != Form("number", POINT):
        return ""
    dressed = ~_plain(different) & np.isfinite(values) if different else np.zeros(0, bool)
    if not dressed.any():
        return ""
    first = int(dressed.argmax())
    return f"numbers ({different[first]!r} as {values[first]:.15g})"


def _how_per_cent(different: Sequence[str], values: Values) -> str:
    """What is told where a per cent sign stands in some cells and not in others, which may be shares of one."""
    amounts = [(cell, value) for cell, value in zip(different, values, strict=True) if value and np.isfinite(value)]
    signed, plain = (next((one for one in amounts if ("%" in one[0]) is sign), None) for sign in (True, False))
    if signed is None or plain is None:
        return ""
    told = ", ".join(f"{cell!r} as {value:.15g}" for cell, value in (signed, plain))
    return f"numbers, some with a per cent sign and some without ({told}): write them alike"


def _how_dates(different: Sequence[str], style: str) -> str:
    forms = style.split(THEN)
    told = f"dates in {len(forms)} forms" if len(forms) > 1 else ""
    if short := [form for form in forms if SINCE in form]:
        years = years_of(days_of(different, THEN.join(short)))
        told = f"{told or 'dates'}, years of two digits as {years.min()} to {years.max()}"
    return told


def are_codes(different: Sequence[str]) -> bool:
    """Whether cells are whole numbers of which some begin with zeros, as codes of places do: these are names."""
    return all(map(_CODE.fullmatch, different)) and any(cell[0] == "0" and cell.strip("0") for cell in different)


def _units(different: Sequence[str]) -> set[str]:
    """The signs of money or per cent, where numbers stand beside them in nearly all cells."""
    for cells in (some(different), different):
        amounts = [unit for plain, unit in map(_bare, cells) if _AMOUNT.fullmatch(plain)]
        if len(amounts) < MOST * len(cells):
            return set()
    return set(amounts) - {""}


def _bare(cell: str) -> tuple[str, str]:
    """A number without its sign of money or per cent, and that sign. Brackets are an accountant's minus."""
    plain = _IN_BRACKETS.sub(r"-\1", cell.replace("\u2212", "-"))
    for pattern, sign in ((_BEFORE, 2), (_BEHIND, 1)):
        found = pattern.match(plain) if pattern is _BEFORE else pattern.search(plain)
        if found:
            kept = found[1] if pattern is _BEFORE else ""
            return f"{plain[: found.start()]}{kept}{plain[found.end() :]}", found[sign]
    return plain, ""


def _coded(cells: Series[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The different cells, without blanks around them, and which of them each row has."""
    import pandas as pd

    codes, different = pd.factorize(cells)
    return codes, [str(cell).strip() for cell in different]


def _filled(different: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([cell.lower() not in MISSING for cell in different], bool)


def _found(different: Sequence[str], counts: npt.NDArray[np.int64], comma: bool, decimal: str | None) -> Form:
    """The form of cells that differ; text where they have no other."""
    if not different:
        return Form("number", POINT)
    small = {cell.lower() for cell in different}
    truth = next((pair for pair in TRUTHS if small <= set(pair)), None)
    if truth:
        return Form("truth", truth[1])
    if small <= TRUTH.keys() and small & SPELT_OUT:
        return Form("truth", "true")
    if are_codes(different):
        return Form("text")
    if decimal != "," and _plain(different).all():
        return Form("number", POINT)
    if len(_units(different)) > 1:
        return Form("text")
    styles = {",": (COMMA,), ".": (POINT,)}.get(decimal or "", (COMMA, POINT) if comma else (POINT, COMMA))
    read = {style: ~np.isnan(_numbers(different, style)) for style in styles}
    style = max(styles, key=lambda one: counts[read[one]].sum())  # the first of equals
    if nearly_all(read[style], counts):
        return Form("number", style)
    if are_times(different):
        return Form("time")
    form = date_form(different, counts)
    return Form("text") if form is None else Form("date", form)


def _plain(different: Sequence[str]) -> npt.NDArray[np.bool_]:
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(different, dtype=object), errors="coerce")
    return ~np.isnan(np.array(numbers, dtype=np.float64))


def _numbers(different: Sequence[str], style: str) -> npt.NDArray[np.float64]:
    """Numbers in cells, with marks between thousands and signs of money or per cent; NaN for what is none."""
    import pandas as pd

    numbers = np.full(len(different), np.nan)
    if style == POINT:
        read = pd.to_numeric(pd.Series(different, dtype=object), errors="coerce")
        numbers = np.array(read, dtype=np.float64)
    pattern, groups = (_POINT, _GROUPS[POINT]) if style == POINT else (_COMMA, _GROUPS[COMMA])
    for at in np.flatnonzero(np.isnan(numbers)).tolist():
        cell, _ = _bare(different[at])
        if cell and pattern.fullmatch(cell):
            plain = groups.sub("", cell).replace(",", ".")
        elif style == POINT and cell != different[at]:
            plain = cell
        else:
            continue
        try:
            numbers[at] = float(plain)
        except ValueError:
            continue
    return numbers


def _read(different: Sequence[str], filled: npt.NDArray[np.bool_], form: Form) -> Values:
    """The values of cells that differ; `filled`: those that say something."""
    if form.kind == "text":
        words = np.empty(len(different), object)
        words[:] = [cell if says else None for cell, says in zip(different, filled, strict=True)]
        return words
    if form.kind == "truth":
        return np.array([TRUTH.get(cell.lower(), np.nan) for cell in different], np.float64)
    numbers = np.full(len(different), np.nan)
    cells = [cell for cell, says in zip(different, filled, strict=True) if says]
    if cells:
        if form.kind == "time":
            numbers[filled] = times(cells)
        else:
            numbers[filled] = (_numbers if form.kind == "number" else days_of)(cells, form.style)
    numbers[np.isinf(numbers)] = np.nan
    return numbers


def _typed(cells: Series[Any]) -> Form:
    from pandas.api import types

    if types.is_bool_dtype(cells.dtype):
        return Form("truth", "true")
    return Form("date", "ISO8601") if types.is_datetime64_any_dtype(cells.dtype) else Form("number", POINT)


def _typed_values(cells: Series[Any]) -> npt.NDArray[np.float64]:
    """Numbers of a column that has a type already, as .parquet has them."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(cells.dtype):
        return as_days(cells)
    return np.array(cells.to_numpy(dtype=np.float64, na_value=np.nan))


def _written(cells: Series[Any]) -> Series[Any]:
    """Cells of such a column as a .csv would have them."""
    from pandas.api import types

    plain = str if not types.is_float_dtype(cells.dtype) else "{:.15g}".format
    written = [plain(cell) if known else "" for cell, known in zip(cells, cells.notna(), strict=True)]
    return type(cells)(written, dtype=object)
