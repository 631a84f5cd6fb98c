"""The targets of a regression in one split beside those in the other. Compares distributions; judges nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from tunekit.measured import TargetShift

COLUMNS = 64  # above which they are pixels or steps of one thing, whose mean a sample is looked at
FEWEST = 20  # samples of a split
MOST = 20_000  # samples looked at
NORMAL = 2.563  # standard deviations between the 10th and the 90th percentile


def measure_target_shift(train: Tensor, val: Tensor) -> TargetShift | None:
    """The column of targets [N, ...] whose distributions lie farthest apart for what their samples scatter."""
    if train.shape[1:] != val.shape[1:] or min(len(train), len(val)) < FEWEST:
        return None
    before, after = _columns(train), _columns(val)
    found = [_compared(before[:, column], after[:, column], column) for column in range(before.shape[1])]
    return max((one for one in found if one is not None), key=lambda one: one.apart, default=None)


def _columns(targets: Tensor) -> Tensor:
    flat = targets.reshape(len(targets), -1).double()
    return flat if flat.shape[1] <= COLUMNS else flat.mean(1, keepdim=True)


def _compared(train: Tensor, val: Tensor, column: int) -> TargetShift | None:
    """By the median and the percentiles between which four fifths lie: few values of a heavy tail do not move these."""
    train, val = train[torch.isfinite(train)], val[torch.isfinite(val)]
    if min(len(train), len(val)) < FEWEST:
        return None
    order = max(_order(train), _order(val))
    train, val = _fewer(train), _fewer(val)
    (low, middle, high), (bottom, centre, top) = _percentiles(train), _percentiles(val)
    spreads = (high - low) / NORMAL, (top - bottom) / NORMAL
    if min(spreads) <= 0:
        return None
    return TargetShift(
        column=column,
        train_median=middle,
        train_spread=spreads[0],
        val_median=centre,
        val_spread=spreads[1],
        apart=_apart(train, val),
        shapes_apart=_apart(train - middle, val - centre),
        order=order,
    )


def _fewer(values: Tensor) -> Tensor:
    return values[:: max(1, len(values) // MOST)]


def _percentiles(values: Tensor) -> tuple[float, float, float]:
    low, middle, high = torch.quantile(values, torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)).tolist()
    return low, middle, high


def _apart(first: Tensor, second: Tensor) -> float:
    """The statistic of Kolmogorov and Smirnov: 1.63 is exceeded once in a hundred times by chance, 3.5 in 2e10."""
    first, second = first.sort().values, second.sort().values
    places = torch.cat([first, second])
    shares = [torch.searchsorted(part, places, right=True) / len(part) for part in (first, second)]
    size = len(first) * len(second) / (len(first) + len(second))
    return float((shares[0] - shares[1]).abs().max() * size**0.5)


def _order(values: Tensor) -> float:
    """Correlation of the ranks of neighbouring samples: near 0 where samples stand in no order."""
    ranks = values.argsort().argsort().double()
    ranks = ranks - ranks.mean()
    return float((ranks[1:] * ranks[:-1]).sum() / (ranks * ranks).sum())
