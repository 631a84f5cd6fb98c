"""Mean, deviation and range of columns, over the values that are finite. Measures alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tunekit.measured import Channel


class Moments:
    """Sums of [n, C] about each column's first finite value, so that a constant column deviates by exactly zero."""

    def __init__(self, columns: int) -> None:
        self.base = np.full(columns, np.nan)
        self.count, self.missing = np.zeros(columns, dtype=np.int64), np.zeros(columns, dtype=np.int64)
        self.total, self.square = np.zeros(columns), np.zeros(columns)
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)

    def add(self, rows: npt.NDArray[np.float64]) -> None:
        finite = np.isfinite(rows)
        if finite.all():
            self._add_finite(rows)
            return
        first = np.take_along_axis(rows, finite.argmax(0)[None], 0)[0]
        self.base = np.where(np.isnan(self.base) & finite.any(0), first, self.base)
        off = np.where(finite, rows - np.where(np.isnan(self.base), 0.0, self.base), 0.0)
        self.count += finite.sum(0)
        self.missing += np.isnan(rows).sum(0)
        self.total, self.square = self.total + off.sum(0), self.square + (off * off).sum(0)
        self.low = np.minimum(self.low, np.where(finite, rows, np.inf).min(0))
        self.high = np.maximum(self.high, np.where(finite, rows, -np.inf).max(0))

    def _add_finite(self, rows: npt.NDArray[np.float64]) -> None:
        self.base = np.where(np.isnan(self.base), rows[0], self.base)
        off = rows - self.base
        self.count += len(rows)
        self.total, self.square = self.total + off.sum(0), self.square + np.einsum("nc,nc->c", off, off)
        self.low, self.high = np.minimum(self.low, rows.min(0)), np.maximum(self.high, rows.max(0))

    def channel(self, column: int, name: str) -> Channel:
        count = int(self.count[column])
        if not count:
            return Channel(name, 0, None, None, None, None, int(self.missing[column]))
        shift = self.total[column] / count
        std = max(self.square[column] / count - shift**2, 0.0) ** 0.5
        mean, low, high = float(self.base[column] + shift), float(self.low[column]), float(self.high[column])
        return Channel(name, count, mean, float(std), low, high, int(self.missing[column]))

    @property
    def means(self) -> npt.NDArray[np.float64]:
        """0 where no value is finite."""
        means: npt.NDArray[np.float64] = np.nan_to_num(self.base) + self.total / np.maximum(1, self.count)
        return means

    @property
    def stds(self) -> npt.NDArray[np.float64]:
        known = np.maximum(1, self.count)
        return np.sqrt(np.maximum(self.square / known - (self.total / known) ** 2, 0.0))
