"""Dates and times of day in the cells of a table, as people write them; and how many cells make a form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pandas import Series

MOST = 0.9  # share of a column's cells that a form reads, from which on the others are slips
DIFFERENT = 20  # different cells of the form that such a column has at least: few of them may be names of classes
TRIED = 200  # different cells by which a form is found
THEN = "|"  # between the forms of dates that one column has
SINCE = "@"  # between a form with years of two digits and the first of the hundred years that they are of
CENTURY = 100  # years

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
_DAY_FIRST = tuple(form for form in FORMS if not form.startswith(("%m/", "%m-")))


def nearly_all(known: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64]) -> bool:
    """Whether the cells that a form reads are so many that the others are slips."""
    share = counts[known].sum() / counts.sum()
    return bool(share == 1 or (share >= MOST and known.sum() >= DIFFERENT))


def some(different: Sequence[str]) -> Sequence[str]:
    """Cells that stand for all."""
    return different[:: max(1, len(different) // TRIED)]


def are_times(different: Sequence[str]) -> bool:
    """Whether cells are times of day."""
    return bool(np.isnan(times(different)).mean() <= 1 - MOST) and all(map(_TIME.fullmatch, different))


def times(different: Sequence[str]) -> npt.NDArray[np.float64]:
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


def date_form(different: Sequence[str], counts: npt.NDArray[np.int64]) -> str | None:
    """What strptime takes to read all of them; None where they are no dates, or where day and month stand in both
    orders."""
    if not _look_like_dates(different):
        return None
    for forms in (FORMS, _DAY_FIRST):
        fitting = _fitting(some(different), forms)
        if not fitting or _orders_differ(fitting):
            continue
        known = ~np.isnan(days_of(different, THEN.join(fitting)))
        if known.all() or (forms is FORMS and nearly_all(known, counts)):
            return THEN.join(_in_a_century(fitting, different))
    return None


def _in_a_century(forms: Sequence[str], different: Sequence[str]) -> Sequence[str]:
    """The forms, those with years of two digits with the hundred years that they are of."""
    short = [form for form in forms if "%y" in form]
    if not short:
        return forms
    full = years_of(days_of(different, THEN.join(form for form in forms if form not in short)))
    first = _first_year(years_of(days_of(different, THEN.join(short))), full, date.today().year)
    return [f"{form}{SINCE}{first}" if form in short else form for form in forms]


def _first_year(years: npt.NDArray[np.int64], full: npt.NDArray[np.int64], now: int) -> int:
    """The first of the hundred years that years of two digits are of: around the column's years of four digits; or
    else up to now, but for years on both sides of now that lie close together. `years`: of whichever century."""
    if len(full):
        return int(full.min() + full.max()) // 2 - CENTURY // 2
    first = now + 1 - CENTURY
    past = np.unique(first + (years - first) % CENTURY)
    gaps = np.diff(past, append=past[0] + CENTURY)
    widest = int(gaps.argmax())
    span = CENTURY - int(gaps[widest])
    if widest == len(past) - 1 or span >= CENTURY // 2:
        return first
    return int(past[widest + 1]) + span // 2 - CENTURY // 2


def no_dates(different: Sequence[str]) -> str:
    """Why cells that look like dates are none; nothing where they are something else."""
    if not different or not _look_like_dates(different):
        return ""
    fitting = _fitting(some(different), FORMS)
    if not fitting or np.isnan(days := days_of(different, THEN.join(fitting))).mean() > 0.5:
        return ""
    if _orders_differ(fitting):
        return "its dates have day and month in both orders: write them as 2024-12-31"
    return f"{different[int(np.isnan(days).argmax())]!r} is no date as others are: write them as 2024-12-31"


def _look_like_dates(different: Sequence[str]) -> bool:
    cells = some(different)
    return sum(map(bool, map(_DATE.match, cells))) >= MOST * len(cells)


def _fitting(cells: Sequence[str], forms: Sequence[str]) -> tuple[str, ...]:
    """The forms that read the cells: the first that reads all, or of several always the one that reads most of what
    is left."""
    read = {}
    for form in forms:
        read[form] = ~np.isnan(days_of(cells, form))
        if read[form].all():
            return (form,)
    left = np.ones(len(cells), bool)
    chosen = []
    while (counts := {form: int((read[form] & left).sum()) for form in forms}) and max(counts.values()):
        chosen.append(max(counts, key=counts.__getitem__))
        left &= ~read[chosen[-1]]
    return tuple(chosen)


def _orders_differ(forms: Sequence[str]) -> bool:
    """Whether some have the day before the month and some behind it, of dates in numbers alone."""
    return {"%d", "%m"} <= {form[:2] for form in forms if "%b" not in form.lower()}


def days_of(different: Sequence[str], style: str) -> npt.NDArray[np.float64]:
    """Days since 1970, of the time that is written (a zone of its own is taken off); NaN for what is no date."""
    days = np.full(len(different), np.nan)
    for form in style.split(THEN):
        left = np.flatnonzero(np.isnan(days))
        days[left] = _parsed([different[at] for at in left.tolist()], form)
    return days


def _parsed(cells: Sequence[str], form: str) -> npt.NDArray[np.float64]:
    import pandas as pd

    form, _, first = form.partition(SINCE)
    try:
        series = pd.Series(cells, dtype=object)
        days = as_days(pd.to_datetime(series, format=form, errors="coerce", utc=form == "ISO8601"))
    except (ValueError, OverflowError):
        return np.full(len(cells), np.nan)
    return _from(int(first), days) if first else days


def _from(first: int, days: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same days of the year, of the hundred years from `first` on."""
    known = np.isfinite(days)
    whole = np.floor(days[known])
    dates = whole.astype(np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = years_of(whole)
    moved = months + 12 * (first + (years - first) % CENTURY - years)
    there = moved.astype("datetime64[D]") + (dates - months.astype("datetime64[D]"))
    days[known] += there.astype(np.int64) - whole
    return days


def years_of(days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The years of days since 1970 that are known."""
    dates = np.floor(days[np.isfinite(days)]).astype(np.int64).astype("datetime64[D]")
    return dates.astype("datetime64[Y]").astype(np.int64) + 1970


def as_days(stamped: Series[Any]) -> npt.NDArray[np.float64]:
    """Days since 1970 of a column of pandas' times."""
    plain = stamped.dt.tz_localize(None) if stamped.dt.tz is not None else stamped
    stamps = plain.to_numpy().astype("datetime64[us]")
    days = stamps.astype(np.int64) / 86_400e6
    days[np.isnat(stamps)] = np.nan
    return np.asarray(days)
