"""Where a log was resumed, holds several runs, or counts anew: which of its rows are one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tunekit.logs.columns import Column, Columns, Rows
from tunekit.logs.log import Array
from tunekit.logs.names import part

JITTER = 0.2
"""Where more than this share of steps goes backwards, the rows are unsorted rather than several runs."""

LEARNED = 0.1
"""Share by which the loss has moved since the beginning where epochs that begin anew may go on from there."""

RUN_SHARE = 0.2
"""The last of several appended runs is judged, unless it has less than this share of the longest one's points."""


def risen(step: Column, data: Columns, notes: list[str]) -> Column:
    """Steps that begin anew at equal lengths while the loss goes on, made to rise: an epoch that nothing names."""
    starts = np.flatnonzero(np.diff(step.values) < 0) + 1
    losses = _training_losses(data)
    if not len(starts) or not losses:
        return step
    apart = float(np.median(np.abs(np.diff(step.values))))
    if max(np.ptp(step.values[starts - 1]), np.ptp(step.values[[0, *starts]])) > apart:
        return step
    first, levels = _around(step.rows[starts], losses)
    on = [abs(level - new) < abs(first - new) for level, new in levels]
    if 3 * sum(on) < 2 * len(on) or not on:
        return step
    notes.append(f"the step begins anew {len(starts)} times while the loss goes on: taken for one run")
    passed = np.searchsorted(starts, np.arange(len(step.rows)), side="right")
    return Column(step.rows, step.values + passed * (float(np.max(step.values)) + apart))


def continued(epoch: Column, data: Columns, notes: list[str]) -> Column:
    """Epochs that begin anew while the loss goes on where it was, made to rise: the stages of a fine-tuning."""
    starts = np.flatnonzero(np.diff(epoch.values) < 0) + 1
    losses = _training_losses(data)
    if not len(starts) or not losses or np.any(epoch.values[starts] > epoch.values[0]):
        return epoch
    first, levels = _around(epoch.rows[starts], losses)
    learned = [abs(first - level) > LEARNED * abs(first) for level, _ in levels]
    on = [2 * abs(level - new) < abs(first - new) for level, new in levels]
    if not levels or not all(on) or not all(learned):
        return epoch
    times = "once" if len(starts) == 1 else f"{len(starts)} times"
    notes.append(f"the epoch begins anew {times} while the loss goes on: taken for the stages of one run")
    jumps = np.zeros(len(epoch.values))
    jumps[starts] = epoch.values[starts - 1] + 1.0 - epoch.values[starts]
    return Column(epoch.rows, epoch.values + np.cumsum(jumps))


def _training_losses(data: Columns) -> list[Column]:
    return [column for name, column in data.items() if part(name).kind == "loss" and part(name).side in ("train", "")]


def _around(rows: Rows, losses: Sequence[Column]) -> tuple[float, list[tuple[float, float]]]:
    """The loss at the log's beginning, and its levels before and behind each of these rows."""
    loss = max(losses, key=lambda column: len(column.rows))
    levels = [
        (float(np.median(loss.values[max(0, place - 3) : place])), float(np.median(loss.values[place : place + 3])))
        for place in np.searchsorted(loss.rows, rows)
        if 0 < place < len(loss.rows)
    ]
    return float(np.median(loss.values[:3])), levels


def kept_rows(
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
        count = len(runs[chosen]) - 1
        times = "once" if count == 1 else f"{count} times"
        notes.append(f"resumed {times}; repeated steps count once, by their last entry")
    return keep, True


def _training_rows(data: Columns) -> Rows:
    """The rows of the training loss; of any loss, or of everything, where there is none."""
    losses = [name for name in data if part(name).kind == "loss"]
    named = [name for name in losses if part(name).side in ("train", "")] or losses or list(data)
    filled = np.zeros(max((int(data[name].rows[-1]) + 1 for name in named), default=0), dtype=bool)
    for name in named:
        filled[data[name].rows] = True
    return np.flatnonzero(filled)
