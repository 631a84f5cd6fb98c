"""Columns of a log on one clock: gaps, resumed and appended runs, the choice of x. Not what a column means."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt

from tunekit.logs.appended import JITTER, continued, kept_rows, risen
from tunekit.logs.columns import Column, Columns
from tunekit.logs.log import Array, curve, floats
from tunekit.logs.names import EPISODE_NAMES, EPOCH_NAMES, STEP_NAMES, part, split
from tunekit.vocabulary import Curve

NAN_SHARE = 0.3
"""From this share of NaN on, regularly scattered through a column, they stand for empty cells (a pandas export)."""


TOGETHER = 500
"""Records that are made columns at once."""

COLUMNS = 10_000
"""Columns of a log that are looked at."""

WRAPPED = re.compile(r"^(?:tensor|array|np\.float\d*|float)?[\[(]+\s*([-+.\deEinfaNI]+)")
"""A number as PyTorch and NumPy print it: `tensor(0.31, device='cuda:0')`."""


@dataclass
class Series:
    """Curves by name on one clock, and what was odd about them."""

    curves: dict[str, Curve] = field(default_factory=dict)
    epochs: Curve | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, x: npt.ArrayLike, y: npt.ArrayLike, unit: str = "iteration") -> None:
        """A curve with its own clock (a tag, a metric file): sorted by its x, of equal ones the last entry."""
        places, values = floats(x), floats(y)
        known = np.isfinite(places)
        if not np.any(known):
            return
        places, values = places[known], values[known]
        order = np.argsort(places, kind="stable")
        places, values = places[order], values[order]
        if len(self.curves) >= COLUMNS:
            self.say_full()
            return
        last = np.append(places[1:] != places[:-1], True)
        added = curve(name, places[last], values[last], unit)
        if part(name).kind == "epoch":
            self.epochs = added
        else:
            self.curves[name] = added

    def say_full(self) -> None:
        self.notes.append(f"only the first {COLUMNS:,} columns are looked at")


class Records:
    """JSON objects as columns: numbers only, one row an object; null is an empty cell."""

    def __init__(self) -> None:
        self.count = 0
        self._cells: dict[str, tuple[array[int], array[float]]] = {}  # arrays, for a list holds an object a number

    def add(self, records: Sequence[Mapping[str, object]]) -> None:
        """Further records; those of the same names are added column by column."""
        names = records[0].keys() if records else ()
        if all(record.keys() == names for record in records):
            for name in names:
                self._add(name, range(self.count, self.count + len(records)), [record[name] for record in records])
        else:
            for row, record in enumerate(records, start=self.count):
                for name, value in record.items():
                    number = value if type(value) is float else to_number(value)
                    if number is not None and (cells := self._room(name)) is not None:
                        cells[0].append(row)
                        cells[1].append(number)
        self.count += len(records)

    def _add(self, name: str, places: Sequence[int], values: Sequence[object]) -> None:
        numbers = values if set(map(type, values)) == {float} else [to_number(value) for value in values]
        if None in numbers:
            places = [place for place, number in zip(places, numbers, strict=True) if number is not None]
            numbers = [number for number in numbers if number is not None]
        if numbers and (cells := self._room(name)) is not None:
            cells[0].extend(places)
            cells[1].extend(cast(Sequence[float], numbers))

    def _room(self, name: str) -> tuple[array[int], array[float]] | None:
        """A column's cells; None where there are too many columns already."""
        cells = self._cells.get(name)
        if cells is None and len(self._cells) < COLUMNS:
            cells = self._cells[name] = (array("q"), array("d"))
        return cells

    def columns(self) -> Columns:
        return {
            name: Column(np.array(rows, np.int64), np.array(values)) for name, (rows, values) in self._cells.items()
        }


def from_records(records: Iterable[Mapping[str, object]]) -> Columns:
    """Columns of JSON objects."""
    cells = Records()
    waiting = iter(records)
    while chunk := list(islice(waiting, TOGETHER)):
        cells.add(chunk)
    return cells.columns()


def to_number(value: object) -> float | None:
    """A number of a JSON value, or None for anything that is not one."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and len(value) < 64:
        try:
            return float(value)
        except ValueError:
            wrapped = WRAPPED.match(value) if "(" in value or "[" in value else None
            return to_number(wrapped[1]) if wrapped else None
    return None


def to_series(columns: Columns, breaks: Sequence[int] = ()) -> Series:
    """Curves of the columns on their best common clock, the last of appended runs only.

    `breaks` are rows at which the file itself says that a new part begins (a repeated header).
    """
    columns = {name: without_gaps(column) for name, column in columns.items() if len(column.rows)}
    if not columns:
        return Series()
    total = 1 + max(int(column.rows[-1]) for column in columns.values())
    data = {name: column for name, column in columns.items() if part(name).kind not in ("step", "epoch")}
    busiest = max((len(column.rows) for column in data.values()), default=0)
    epoch = _clock_column(columns, EPOCH_NAMES, 0) or _index_column(columns, total)
    step = _clock_column(columns, STEP_NAMES, busiest)
    if step is not None and epoch is not None and _is_length(step, epoch):
        step = None
    episode = _clock_column(columns, EPISODE_NAMES, busiest)
    if episode is not None and (step is None or (_falls(step) and not _falls(episode))):
        step = episode
    result = Series()
    if step is not None and epoch is None:
        step = risen(step, data, result.notes)
    if epoch is not None and step is None:
        epoch = continued(epoch, data, result.notes)
    x, unit = _clock(step, epoch, total, busiest)
    if len(columns) == COLUMNS:  # where from_records stops
        result.say_full()
    if unit == "iteration" and step is not None and _begins_anew(step):
        result.notes.append("the step begins anew again and again: rows are counted in its place")
        x, unit = np.arange(total, dtype=np.float64), "row"
    keep, order = kept_rows(x, unit, data, breaks, result.notes)
    later = 0
    for name, column in data.items():
        inside = keep[column.rows]
        places, y = x[column.rows[inside]], column.values[inside]
        if order and len(y):  # a finished run's earlier states, evaluated once more
            furthest = np.maximum.accumulate(places)
            ahead = places >= furthest
            once = int(np.argmin(ahead)) or len(ahead)
            ahead[once:] &= places[once:] > furthest[once - 1 : -1]
            later = max(later, int(np.sum(~ahead)))
            places, y = places[ahead], y[ahead]
        if len(y):
            result.curves[name] = _sorted(name, places, y, unit)
    if later:
        result.notes.append(f"{later} rows that go back behind the run's end are left out")
    if epoch is not None and unit != "epoch":
        inside = keep[epoch.rows]
        if np.any(inside):
            result.epochs = _sorted("epoch", x[epoch.rows[inside]], epoch.values[inside], unit)
    return result


def without_gaps(column: Column) -> Column:
    """The column without NaN that only mean "not logged in this row".

    They do where they come in several stretches between numbers and the last stretch is no longer than the rest.
    """
    missing = np.isnan(column.values)
    share = float(np.mean(missing))
    if share < NAN_SHARE or share == 1.0:
        return column
    present = np.flatnonzero(~missing)
    stretches = np.diff(present) - 1
    stretches = stretches[stretches > 0]
    last = len(missing) - 1 - int(present[-1])
    if len(stretches) >= 2 and last <= 2 * float(np.median(stretches)):
        return Column(column.rows[~missing], column.values[~missing])
    return column


def _clock_column(columns: Columns, names: Sequence[str], points: int) -> Column | None:
    """The best-known column of these names that is filled for at least half of the busiest column's rows."""
    known = {"_".join(split(name)): column for name, column in columns.items()}
    for name in names:
        column = known.get(name)
        if column is not None and 2 * len(column.rows) >= points:
            good = np.isfinite(column.values)
            if np.any(good) and float(np.ptp(column.values[good])) > 0:
                return Column(column.rows[good], column.values[good])
    return None


def _falls(column: Column) -> bool:
    return bool(np.any(np.diff(column.values) < 0))


def _is_length(step: Column, clock: Column) -> bool:
    """Whether steps go up and down where another column counts each row: an episode's length is no clock."""
    if not np.array_equal(step.rows, clock.rows) or not np.all(np.diff(clock.values) > 0):
        return False
    return float(np.mean(np.diff(step.values) < 0)) > JITTER


def _index_column(columns: Columns, total: int) -> Column | None:
    """The unnamed index that pandas writes: 0, 1, 2, ... from the first row on."""
    unnamed = [columns[name] for name in columns if name in ("", "Unnamed: 0", "index")]
    return next((column for column in unnamed if len(column.rows) == total), None)


def _clock(step: Column | None, epoch: Column | None, total: int, points: int) -> tuple[Array, str]:
    """x of every row and its unit: steps where they rise, epochs where they are one a row, else the row.

    Steps that begin anew with each epoch are parts of epochs.
    """
    if step is not None:
        steps = _spread(step, total)
        back = np.diff(step.values) < 0
        epochs = None if epoch is None else _spread(epoch, total)
        if epochs is None or not np.any(back) or 2 * np.sum(np.diff(epochs[step.rows])[back] > 0) < np.sum(back):
            return steps, "iteration"
        return _parts(epochs, steps, step), "epoch"
    if epoch is not None:
        distinct = 1 + int(np.sum(np.diff(epoch.values) != 0))
        if 3 * distinct >= 2 * min(points, len(epoch.rows)):
            return _spread(epoch, total), "epoch"
        if np.any(np.diff(epoch.values) < 0):
            return _fractions(_spread(epoch, total)), "epoch"
    return np.arange(total, dtype=np.float64), "row"


def _spread(column: Column, total: int) -> Array:
    """The column's last known value for every row; rows before the first take the first."""
    place = np.searchsorted(column.rows, np.arange(total), side="right") - 1
    result: Array = column.values[np.maximum(place, 0)]
    return result


def _begins_anew(step: Column) -> bool:
    """Whether a step counts within parts of a run that nothing names: it falls often, and to where it began."""
    falls = np.flatnonzero(np.diff(step.values) < 0)
    often = len(falls) > max(3, JITTER * len(step.values))
    return often and float(np.mean(step.values[falls + 1] == np.min(step.values))) >= 0.8


def _parts(epochs: Array, steps: Array, step: Column) -> Array:
    """Epochs that are over at each row: those before its own, and the part of its own that its step is."""
    first = min(1.0, float(np.min(epochs)))
    low, high = float(np.min(step.values)), float(np.max(step.values))
    part_over = (steps + (low == 0)) / (high + (low == 0))
    told = np.zeros(len(epochs), dtype=bool)
    told[step.rows] = True
    fresh = np.concatenate([[True], np.diff(epochs) != 0])
    last_told = np.maximum.accumulate(np.where(told, np.arange(len(epochs)), -1))
    last_fresh = np.maximum.accumulate(np.where(fresh, np.arange(len(epochs)), -1))
    part_over[last_told < last_fresh] = 1.0  # an epoch without a step of its own: its summary
    result: Array = np.floor(epochs) - first + part_over
    return result


def _fractions(epochs: Array) -> Array:
    """Epochs that many rows share, made to rise within each by equal parts."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(epochs) != 0]))
    lengths = np.diff(np.concatenate([starts, [len(epochs)]]))
    inside = np.arange(len(epochs)) - np.repeat(starts, lengths)
    result: Array = epochs + inside / np.repeat(lengths, lengths)
    return result


def _sorted(name: str, x: Array, y: Array, unit: str) -> Curve:
    if np.any(np.diff(x) < 0):
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    return curve(name, x, y, unit)
