"""Columns of a log on one clock: gaps, resumed and appended runs, the choice of x. Not what a column means."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tunekit.logs.log import Array, curve, floats
from tunekit.logs.names import EPOCH_NAMES, STEP_NAMES, part, split
from tunekit.vocabulary import Curve

Rows = npt.NDArray[np.int64]

NAN_SHARE = 0.3
"""From this share of NaN on, regularly scattered through a column, they stand for empty cells (a pandas export)."""

JITTER = 0.2
"""Where more than this share of steps goes backwards, the rows are unsorted rather than several runs."""

COLUMNS = 10_000
"""Columns of a log that are looked at."""

RUN_SHARE = 0.2
"""The last of several appended runs is judged, unless it has less than this share of the longest one's points."""


class Column(NamedTuple):
    """The filled cells of a column: their row numbers, rising, and their values."""

    rows: Rows
    values: Array


Columns = dict[str, Column]


@dataclass
class Series:
    """Curves by name on one clock, and what was odd about them."""

    curves: dict[str, Curve] = field(default_factory=dict)
    epochs: Curve | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, x: npt.ArrayLike, y: npt.ArrayLike, unit: str = "iteration") -> None:
        """A curve with its own clock (a tag, a metric file): sorted by its x, of equal ones the last entry."""
        places, values = floats(x), floats(y)
        if not len(places):
            return
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


def from_records(records: Iterable[Mapping[str, object]]) -> Columns:
    """Columns of JSON objects: numbers only, one row an object; null is an empty cell."""
    cells: dict[str, tuple[array[int], array[float]]] = {}  # arrays, for a list holds an object a number
    for row, record in enumerate(records):
        for name, value in record.items():
            number = to_number(value)
            if number is None or (name not in cells and len(cells) >= COLUMNS):
                continue
            rows, values = cells.setdefault(name, (array("q"), array("d")))
            rows.append(row)
            values.append(number)
    return {name: Column(np.array(rows, np.int64), np.array(values)) for name, (rows, values) in cells.items()}


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
            return None
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
    step = _clock_column(columns, STEP_NAMES, busiest)
    epoch = _clock_column(columns, EPOCH_NAMES, 0) or _index_column(columns, total)
    result = Series()
    if step is not None and epoch is None:
        step = _risen(step, data, result.notes)
    x, unit = _clock(step, epoch, total, busiest)
    if len(columns) == COLUMNS:  # where from_records stops
        result.say_full()
    if unit == "iteration" and step is not None and _begins_anew(step):
        result.notes.append("the step begins anew again and again: rows are counted in its place")
        x, unit = np.arange(total, dtype=np.float64), "row"
    keep, order = _kept_rows(x, unit, data, breaks, result.notes)
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


def _within(step: Column, epoch: Column, total: int) -> bool:
    """Whether the steps of several appended runs are counted anew in each of their epochs."""
    falls = np.diff(epoch.values) < 0
    if not np.any(falls) or np.mean(falls) > JITTER:
        return False
    epochs = _spread(epoch, total)[step.rows]
    return not np.any((np.diff(step.values) < 0) & (np.diff(epochs) == 0))


def _spread(column: Column, total: int) -> Array:
    """The column's last known value for every row; rows before the first take the first."""
    place = np.searchsorted(column.rows, np.arange(total), side="right") - 1
    result: Array = column.values[np.maximum(place, 0)]
    return result


def _risen(step: Column, data: Columns, notes: list[str]) -> Column:
    """Steps that begin anew at equal lengths while the loss goes on, made to rise: an epoch that nothing names."""
    starts = np.flatnonzero(np.diff(step.values) < 0) + 1
    losses = [column for name, column in data.items() if part(name).kind == "loss" and part(name).side in ("train", "")]
    if not len(starts) or not losses:
        return step
    apart = float(np.median(np.abs(np.diff(step.values))))
    if max(np.ptp(step.values[starts - 1]), np.ptp(step.values[[0, *starts]])) > apart:
        return step
    loss = max(losses, key=lambda column: len(column.rows))
    places = np.searchsorted(loss.rows, step.rows[starts])
    levels = [np.median(loss.values[max(0, place - 3) : place]) for place in places if place]
    begun = [np.median(loss.values[place : place + 3]) for place in places if 0 < place < len(loss.rows)]
    first = float(np.median(loss.values[:3]))
    on = [abs(level - new) < abs(first - new) for level, new in zip(levels, begun, strict=False)]
    if 3 * sum(on) < 2 * len(on) or not on:
        return step
    notes.append(f"the step begins anew {len(starts)} times while the loss goes on: taken for one run")
    passed = np.searchsorted(starts, np.arange(len(step.rows)), side="right")
    return Column(step.rows, step.values + passed * (float(np.max(step.values)) + apart))


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


def _kept_rows(
    x: Array, unit: str, data: Columns, breaks: Sequence[int], notes: list[str]
) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which rows belong to the run that is judged, where the log was resumed or holds several runs.

    And whether they are in the order of their x. Runs begin where training goes back: a validation may be logged
    late, or count otherwise.
    """
    keep = np.ones(len(x), dtype=bool)
    rows = _training_rows(data)
    back = rows[1:][np.diff(x[rows]) < 0]
    if len(back) > max(3, JITTER * len(rows)):
        notes.append("rows were out of order; sorted by their step")
        return keep, False
    starts = sorted({0, *(int(row) for row in back), *(row for row in breaks if 0 < row < len(x))})
    if len(starts) == 1:
        return keep, True
    weight = np.zeros(len(x))
    for column in data.values():
        weight[column.rows] += 1.0
    runs: list[list[int]] = [[0]]  # the starts of the parts of each run
    for start in starts[1:]:
        if unit != "row" and x[start] > x[runs[-1][0]]:
            runs[-1].append(start)
        else:
            runs.append([start])
    ends = dict(zip(starts, [*starts[1:], len(x)], strict=True))
    sizes = [float(np.sum(weight[run[0] : ends[run[-1]]])) for run in runs]
    least = RUN_SHARE * max(sizes)
    chosen = max(i for i, size in enumerate(sizes) if size >= least)
    if len(runs) > 1:
        notes.append(f"{len(runs)} runs in one log; the one from row {runs[chosen][0] + 1} on is judged")
    keep[:] = False
    resumed = np.inf  # the lowest x at which the run went on later: what lies there or behind was repeated
    for start in reversed(runs[chosen]):
        keep[start : ends[start]] = x[start : ends[start]] < resumed
        resumed = min(resumed, x[start])
    if len(runs[chosen]) > 1:
        notes.append(f"resumed {len(runs[chosen]) - 1} times; repeated steps count once, by their last entry")
    return keep, True


def _training_rows(data: Columns) -> Rows:
    """The rows of the training loss; of any loss, or of everything, where there is none."""
    losses = [name for name in data if part(name).kind == "loss"]
    named = [name for name in losses if part(name).side in ("train", "")] or losses or list(data)
    filled = np.zeros(max((int(data[name].rows[-1]) + 1 for name in named), default=0), dtype=bool)
    for name in named:
        filled[data[name].rows] = True
    return np.flatnonzero(filled)


def _sorted(name: str, x: Array, y: Array, unit: str) -> Curve:
    if np.any(np.diff(x) < 0):
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    return curve(name, x, y, unit)
