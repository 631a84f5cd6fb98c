"""A map of cells: its colours, the words in it and its marks, drawn on matplotlib's axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tunekit.charts import Cells, Mark
from tunekit.report.style import BRIGHT, COLOURS, LETTER, MARKS, literal, name_ticks, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST = 7.5  # inches of a map


def draw_cells(axes: Axes, cells: Cells, width: float) -> None:
    grid = np.asarray(cells.values, dtype=float)
    low, high = limits(cells)
    axes.imshow(
        np.ma.masked_invalid(grid),
        aspect="auto",
        origin="lower",
        cmap="viridis_r" if cells.falling else "viridis",
        vmin=low,
        vmax=high,
    )
    letters = (width - 0.8) / max(1, len(cells.columns)) / LETTER
    for i, line in enumerate(cells.words):
        for j, _ in enumerate(line):
            word = word_of(cells, i, j)
            if len(word) <= letters or mark_of(cells, i, j) == "chosen":
                axes.text(j, i, literal(word), ha="center", va="center", color=ink(cells, i, j))
    _marks(axes, cells)
    for edge in range(1, len(cells.columns)):
        axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    for edge in range(1, len(cells.rows)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
    axes.spines[["left", "bottom"]].set_visible(False)
    tick(axes.yaxis, cells.rows, HIGHEST - 0.8)
    axes.tick_params(length=0)
    name_ticks(axes, cells.columns, width)


def _marks(axes: Axes, cells: Cells) -> None:
    """Hatched what diverged, framed what is chosen; equal ones have their brackets with their words."""
    from matplotlib.patches import Rectangle

    looks: dict[str, dict[str, Any]] = {
        "diverged": {"facecolor": "#eeeeee", "hatch": "////", "edgecolor": "#777777", "linewidth": 0, "zorder": 1.5},
        "chosen": {"fill": False, "edgecolor": COLOURS["chosen"], "linewidth": 2.4, "zorder": 3, "clip_on": False},
    }
    every = [(i, j, mark) for i, row in enumerate(cells.marks or ()) for j, mark in enumerate(row)]
    for i, j, mark in every:
        if mark in looks:
            axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, label=MARKS[mark], **looks[mark]))
    if any(mark == "equal" for _, _, mark in every):
        axes.plot([], [], linestyle="", marker="$[\\;]$", markersize=9, color="black", label=MARKS["equal"])


def limits(cells: Cells) -> tuple[float, float]:
    """Between which values the colours of cells go. Where all values are one, it has the colour of a good one."""
    finite = [value for row in cells.values for value in row if value is not None and math.isfinite(value)] or [0.0]
    low = min(finite) if cells.low is None else cells.low
    high = max(finite) if cells.high is None else cells.high
    if low < high:
        return low, high
    room = abs(low) / 10 or 1.0
    return (low, low + room) if cells.falling else (low - room, low)


def mark_of(cells: Cells, i: int, j: int) -> Mark:
    return cells.marks[i][j] if cells.marks else ""


def word_of(cells: Cells, i: int, j: int) -> str:
    """What a cell says; of one that is equal to the chosen one in brackets."""
    word = cells.words[i][j]
    return f"[{word}]" if mark_of(cells, i, j) == "equal" else word


def ink(cells: Cells, i: int, j: int) -> str:
    """The colour in which a cell's word is read on its own."""
    value = cells.values[i][j]
    if value is None or not math.isfinite(value):
        return COLOURS["bad"]
    low, high = limits(cells)
    place = (value - low) / (high - low)
    return "black" if (1 - place if cells.falling else place) > BRIGHT else "white"
