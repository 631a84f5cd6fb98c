"""What the cells of a column mean: numbers as people write them, dates, times, yes and no, text; which are missing."""

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
_SIGN = r"US\$|R\$|[$€£¥₹₽₩%]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|kr"
_BEFORE = re.compile(rf"([+-]?)\s*({_SIGN})\s*(?=[+\-.,\d])")
_BEHIND = re.compile(rf"(?<=[.,\d])\s*({_SIGN})$")
_IN_BRACKETS = re.compile(r"\(([^()+-]*\d[^()]*)\)")
_AMOUNT = re.compile(r"[+-]?\d[\d.,'\u2019 \u00a0\u202f]*|[+-]?[.,]\d+")
_CODE = re.compile(r"0*[1-9]\d*|0+")
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?:[:h](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:\.\d+)?))?)?\s*(?:(?P<half>[ap])\.?m\.?|(?P<word>uhr))?",
    re.IGNORECASE,
)
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
    """How the cells of a column are written. `kind`: number, truth, date, time or text. `style`: of numbers POINT or
    COMMA, of dates what strptime takes, of truth the word for true."""

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
        form = Form("text") if text else _typed(cells)
        return Column(form, values_of(cells, form), np.empty(0, np.int64))
    codes, different = _coded(cells)
    filled = _filled(different)
    counts = np.bincount(codes, minlength=len(different))
    words = [different[at] for at in np.flatnonzero(filled).tolist()]
    form = Form("text") if text else _found(words, counts[filled], comma, decimal)
    values = _read(different, filled, form)
    slips = np.zeros(len(different), bool) if form.kind == "text" else filled & np.isnan(values)
    how = "" if text else _how(words, values[filled], form)
    return Column(form, values[codes], np.flatnonzero(slips[codes]), how)


def _how(different: Sequence[str], values: Values, form: Form) -> str:
    if form.kind == "time":
        return "times of day"
    if form.kind == "text" and are_codes(different):
        return "names, for its numbers begin with zeros as codes do"
    if form.kind == "text" and len(units := _units(different)) > 1:
        return f"texts, for its amounts are in {', '.join(sorted(units))}"
    if form != Form("number", POINT):
        return ""
    dressed = ~_plain(different) & np.isfinite(values) if different else np.zeros(0, bool)
    if not dressed.any():
        return ""
    first = int(dressed.argmax())
    return f"numbers ({different[first]!r} as {values[first]:.15g})"


def are_codes(different: Sequence[str]) -> bool:
    """Whether cells are whole numbers of which some begin with zeros, as codes of places do: these are names."""
    return all(map(_CODE.fullmatch, different)) and any(cell[0] == "0" and cell.strip("0") for cell in different)


def _units(different: Sequence[str]) -> set[str]:
    """The signs of money or per cent, where numbers stand beside them in nearly all cells."""
    for cells in (_some(different), different):
        amounts = [unit for plain, unit in map(_bare, cells) if _AMOUNT.fullmatch(plain)]
        if len(amounts) < NUMBERS * len(cells):
            return set()
    return set(amounts) - {""}


def _some(different: Sequence[str]) -> Sequence[str]:
    return different[:: max(1, len(different) // TRIED)]


def _bare(cell: str) -> tuple[str, str]:
    """A number without its sign of money or per cent, and that sign. Brackets are an accountant's minus."""
    plain = _IN_BRACKETS.sub(r"-\1", cell.replace("\u2212", "-"))
    for pattern, sign in ((_BEFORE, 2), (_BEHIND, 1)):
        found = pattern.match(plain) if pattern is _BEFORE else pattern.search(plain)
        if found:
            kept = found[1] if pattern is _BEFORE else ""
            return f"{plain[: found.start()]}{kept}{plain[found.end() :]}", found[sign]
    return plain, ""


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
    if are_codes(different):
        return Form("text")
    if decimal != "," and _plain(different).all():
        return Form("number", POINT)
    if len(_units(different)) > 1:
        return Form("text")
    styles = {",": (COMMA,), ".": (POINT,)}.get(decimal or "", (COMMA, POINT) if comma else (POINT, COMMA))
    read = {style: ~np.isnan(_numbers(different, style)) for style in styles}
    style = max(styles, key=lambda one: counts[read[one]].sum())  # the first of equals
    known = read[style]
    share = counts[known].sum() / counts.sum()
    if share == 1 or (share >= NUMBERS and known.sum() >= DIFFERENT):
        return Form("number", style)
    if _are_times(different):
        return Form("time")
    form = _date_form(different)
    return Form("text") if form is None else Form("date", form)


def _are_times(different: Sequence[str]) -> bool:
    return bool(np.isnan(_times(different)).mean() <= 1 - NUMBERS) and all(map(_TIME.fullmatch, different))


def _times(different: Sequence[str]) -> npt.NDArray[np.float64]:
    """Times of day as shares of it; NaN for what is none."""
    return np.array([_time(cell) for cell in different], np.float64)


def _time(cell: str) -> float:
    found = _TIME.fullmatch(cell)
    if found is None or not (found["minute"] or found["half"] or found["word"]):
        return np.nan
    hour, minute, second = (float(found[part] or 0) for part in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            return np.nan
        hour = hour % 12 + 12 * (found["half"].lower() == "p")
    share = (hour + minute / 60 + second / 3600) / 24
    return share if share <= 1 else np.nan


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


def _date_form(different: Sequence[str]) -> str | None:
    """What strptime takes to read all of them; None where they are no dates."""
    some = _some(different)
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
        if form.kind == "time":
            numbers[filled] = _times(cells)
        else:
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
