"""What the cells of a column mean: numbers as people write them, dates, yes and no, text; and which are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pandas import Series

Values = npt.NDArray[Any]
"""Of a column, one a row: float64 with NaN where a cell is missing, or text (objects) with None there. An infinity is
none of those: it stays, for step 1 to name."""

MISSING = frozenset(
    ["na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "#n/a", "<na>", "nat", "missing"]
) | {""}
"""Cells that say nothing, in any letters."""
MISSING_CLASS = frozenset(["", "na", "n/a", "nan", "null", "?", "#n/a", "<na>", "nat"])
"""Those of them that are no class either, where a target is of text: `none` and `-` may be one."""
TRUTHS = (("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t"), ("off", "on"))
NUMBERS = 0.9  # share of a column's cells that are numbers, from which on the others are slips
DIFFERENT = 20  # different numbers that such a column has at least: few of them may be names of classes
TRIED = 200  # different cells by which the form of dates is found

POINT, COMMA = "point", "comma"
_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(?:[,'\u2019 \u00a0\u202f]\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:[.'\u2019 \u00a0\u202f]\d{3})+|\d*)(?:,\d+)?(?:[eE][+-]?\d+)?")
_GROUPS = {POINT: re.compile(r"[,'\u2019 \u00a0\u202f]"), COMMA: re.compile(r"[.'\u2019 \u00a0\u202f]")}
_UNITS = re.compile(r"^[$€£¥]\s*|\s*[%$€£¥]$")
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)
_DAYS = ("ISO8601", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y")
_DAYS_MORE = ("%d.%m.%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
FORMS = tuple(f"{day}{clock}" for day in (*_DAYS, *_DAYS_MORE) for clock in _CLOCKS if day != "ISO8601" or not clock)
"""Of dates, the likelier first; the American order where both orders would do."""


@dataclass(frozen=True)
class Form:
    """How the cells of a column are written. `kind`: number, truth, date or text. `style`: of numbers POINT or COMMA,
    of dates what strptime takes, of truth the word for true."""

    kind: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """The cells of one column, read. `strays`: rows whose cell is filled but not of the form."""

    form: Form
    values: Values
    strays: npt.NDArray[np.int64]


def read_column(cells: Series[Any], comma: bool, decimal: str | None = None, text: bool = False) -> Column:
    """The column's form, found from its cells, and its values. `comma`: where both readings of `1,234` would do, it is
    a decimal comma. `decimal`: '.' or ',', where that is known. `text`: whatever it holds are names."""
    if cells.dtype != object:
        form = Form("text") if text else _typed(cells)
        return Column(form, values_of(cells, form), np.empty(0, np.int64))
    codes, different = _coded(cells)
    filled = _filled(different)
    counts = np.bincount(codes, minlength=len(different))
    words = [different[at] for at in np.flatnonzero(filled).tolist()]
    form = Form("text") if text else _found(words, counts[filled], comma, decimal)
    values = _read(different, filled, form)
    slips = np.zeros(len(different), bool) if form.kind == "text" else filled & np.isnan(values)
    return Column(form, values[codes], np.flatnonzero(slips[codes]))


def values_of(cells: Series[Any], form: Form) -> Values:
    """Cells read by a form that is known; what is not of that form is missing."""
    if cells.dtype != object:
        return _typed_values(cells, form)
    codes, different = _coded(cells)
    return _read(different, _filled(different), form)[codes]


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
    truth = next((pair for pair in TRUTHS if all(cell.lower() in pair for cell in different)), None)
    if truth:
        return Form("truth", truth[1])
    if decimal != "," and _plain(different).all():
        return Form("number", POINT)
    styles = {",": (COMMA,), ".": (POINT,)}.get(decimal or "", (COMMA, POINT) if comma else (POINT, COMMA))
    read = {style: ~np.isnan(_numbers(different, style)) for style in styles}
    style = max(styles, key=lambda one: counts[read[one]].sum())  # the first of equals
    known = read[style]
    share = counts[known].sum() / counts.sum()
    if share == 1 or (share >= NUMBERS and known.sum() >= DIFFERENT):
        return Form("number", style)
    form = _date_form(different)
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
        cell = _UNITS.sub("", different[at])
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


def _date_form(different: Sequence[str]) -> str | None:
    """What strptime takes to read all of them; None where they are no dates."""
    step = max(1, len(different) // TRIED)
    some = list(different[::step])
    if not all(_DATE.match(cell) for cell in some):
        return None
    fitting = (form for form in FORMS if not np.isnan(_days(some, form)).any())
    return next((form for form in fitting if np.isnan(_days(different, form)).mean() <= 1 - NUMBERS), None)


def _days(different: Sequence[str], form: str) -> npt.NDArray[np.float64]:
    """Days since 1970, of the time that is written (a zone of its own is taken off); NaN for what is no date."""
    import pandas as pd

    cells = pd.Series(list(different), dtype=object)
    try:
        times = pd.to_datetime(cells, format=form, errors="coerce", utc=form == "ISO8601")
    except (ValueError, OverflowError):
        return np.full(len(different), np.nan)
    return _as_days(times)


def _as_days(times: Series[Any]) -> npt.NDArray[np.float64]:
    plain = times.dt.tz_localize(None) if times.dt.tz is not None else times
    stamps = plain.to_numpy().astype("datetime64[us]")
    days = stamps.astype(np.int64) / 86_400e6
    days[np.isnat(stamps)] = np.nan
    return np.asarray(days)


def _read(different: Sequence[str], filled: npt.NDArray[np.bool_], form: Form) -> Values:
    """The values of cells that differ; `filled`: those that say something."""
    if form.kind == "text":
        words = np.empty(len(different), object)
        words[:] = [cell if says else None for cell, says in zip(different, filled, strict=True)]
        return words
    if form.kind == "truth":
        false = next(pair[0] for pair in TRUTHS if pair[1] == form.style)
        known = {form.style: 1.0, false: 0.0}
        return np.array([known.get(cell.lower(), np.nan) for cell in different])
    numbers = np.full(len(different), np.nan)
    cells = [cell for cell, says in zip(different, filled, strict=True) if says]
    if cells:
        numbers[filled] = (_numbers if form.kind == "number" else _days)(cells, form.style)
    return numbers


def _typed(cells: Series[Any]) -> Form:
    from pandas.api import types

    if types.is_bool_dtype(cells.dtype):
        return Form("truth", "true")
    return Form("date", "ISO8601") if types.is_datetime64_any_dtype(cells.dtype) else Form("number", POINT)


def _typed_values(cells: Series[Any], form: Form) -> Values:
    """Values of a column that has a type already, as .parquet has them."""
    from pandas.api import types

    if types.is_datetime64_any_dtype(cells.dtype):
        return _as_days(cells)
    numbers = np.array(cells.to_numpy(dtype=np.float64, na_value=np.nan))
    if form.kind == "text":
        words = np.empty(len(numbers), object)
        words[:] = [None if np.isnan(number) else f"{number:.15g}" for number in numbers]
        return words
    return numbers
