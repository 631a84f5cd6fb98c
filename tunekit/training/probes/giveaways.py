"""Columns of a table that say the target. Finds them by arithmetic alone; judges nothing."""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST = 30  # samples, below which a column may fit by chance
CLOSE = 1e-9  # share of the targets' variance that a column of the same numbers leaves, in other units and rounded


def find_giveaway(inputs: Tensor, targets: Tensor, classes: bool) -> int | None:
    """The first feature of inputs [N, F], several, that says the targets [N] or [N, 1] exactly: numbers as a linear
    function of it, classes as one value each."""
    wanted = targets.reshape(len(targets), -1)
    if len(inputs) < FEWEST or inputs.shape[1] < 2 or wanted.shape[1] != 1:
        return None
    columns, wanted = inputs.double(), wanted[:, 0].double()
    labels = wanted.unique()
    if len(labels) < 2 or not bool(torch.isfinite(columns).all() and torch.isfinite(wanted).all()):
        return None
    if classes and len(labels) ** 2 > len(wanted):
        return None
    says = _one_value_each(columns, wanted, labels) if classes else _linear(columns, wanted)
    found = says.nonzero().flatten()
    return int(found[0]) if len(found) else None


def _linear(columns: Tensor, wanted: Tensor) -> Tensor:
    """Features [F] that the targets are a linear function of."""
    x, y = columns - columns.mean(0), wanted - wanted.mean()
    spread = (x * x).sum(0)
    known = spread > 0
    explained = (x * y[:, None]).sum(0).square() / torch.where(known, spread, 1.0)
    return known & (explained >= (1 - CLOSE) * (y * y).sum())


def _one_value_each(columns: Tensor, wanted: Tensor, labels: Tensor) -> Tensor:
    """Features [F] of one value in each class, and of another in every other."""
    firsts, alike = [], torch.ones(columns.shape[1], dtype=torch.bool)
    for label in labels:
        rows = columns[wanted == label]
        firsts.append(rows[0])
        alike &= (rows == rows[0]).all(0)
    ordered = torch.stack(firsts).sort(0).values
    return alike & (ordered.diff(dim=0) > 0).all(0)
