"""What of a panel is drawn, on pictures and on a page alike: only what has a place on its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tunekit.charts import Band, Bars, Cells, Line, Panel, Points, Rule, Tiles


def drawable(panel: Panel) -> Panel:
    """The panel without curves, bars, rules and bands that have no finite value, and without their labels; a curve
    whose marked point is not finite has none."""
    return replace(panel, items=[_marked(item) for item in panel.items if _has_place(item)])


def _has_place(item: Line | Points | Bars | Rule | Band | Cells | Tiles) -> bool:
    if isinstance(item, Line | Points):
        x, y = _finite(item.x), _finite(item.y)
        return len(x) != len(y) or bool(np.any(x & y))  # a page refuses those of different length
    if isinstance(item, Bars):
        return bool(np.any(_finite(item.heights)))
    if isinstance(item, Rule):
        return bool(np.all(_finite([place for place in (item.x, item.y) if place is not None])))
    return bool(np.all(_finite([item.low, item.high]))) if isinstance(item, Band) else True


def _marked(item: Any) -> Any:
    if not isinstance(item, Line) or item.best is None or _finite([item.x[item.best], item.y[item.best]]).all():
        return item
    return replace(item, best=None)


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Means of what is finite in a centred window, shorter at the ends; a gap stays a gap."""
    y = np.asarray(values, dtype=float)
    known = np.isfinite(y)
    kernel = np.ones(max(1, min(len(y), window)))
    sums = np.convolve(np.where(known, y, 0.0), kernel, "same")
    counts = np.convolve(known, kernel, "same")
    means: list[float] = np.where(known, sums / np.maximum(counts, 1), np.nan).tolist()
    return means


def _finite(values: Sequence[float]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(np.asarray(values, dtype=float)))
