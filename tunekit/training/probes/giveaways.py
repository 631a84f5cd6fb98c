"""Columns of a table that say the target, each by itself. Finds them by arithmetic alone; judges nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from tunekit.measured import Says

FEWEST = 30  # samples, below which a column may fit by chance
MOST_TARGETS = 16  # of a sample, that are asked one by one
CLOSE = 1e-9  # share of the targets' variance that a column of the same numbers leaves, in other units and rounded
ROUNDED = 1e-5  # of the targets' range, by which rounding may turn an order round
ONE_VALUE = 1e-3  # share of the targets' variance within equal values of a column that says them rounded
FEW_VALUES = 10  # of targets that are numbers, up to which they are asked as classes are
AT_BORDER = 6  # samples beside those of the commonest class; and on either side of a border, or ...
SHARE = 0.015  # ... of all there, that lie ...
NEAR = 0.35  # ... within so many standard deviations: what is apart by nature is sparse where it meets
STEPS = 1.5  # or the next value of a column of few


class Found(NamedTuple):
    feature: int
    target: int
    says: Says


def find_giveaway(inputs: Tensor, targets: Tensor, classes: bool) -> Found | None:
    """The first feature of inputs [N, F], several, that says the targets [N] or [N, T] exactly: numbers as a linear
    function of it or alone in its order, classes as one value each or cut off where its values lie close."""
    wanted = targets.reshape(len(targets), -1).double()
    if len(inputs) < FEWEST or inputs.shape[1] < 2 or wanted.shape[1] > MOST_TARGETS:
        return None
    columns = inputs.double()
    columns = torch.where(torch.isfinite(columns).all(0), columns, 0.0)
    for number, target in enumerate(wanted.T):
        if bool(torch.isfinite(target).all()) and (found := _says(columns, target, classes)):
            return Found(found[0], number, found[1])
    return None


def _says(columns: Tensor, wanted: Tensor, classes: bool) -> tuple[int, Says] | None:
    values, labels = wanted.unique(return_inverse=True)
    few = len(values) ** 2 <= len(wanted) and (classes or len(values) <= FEW_VALUES)
    if len(values) < 2 or (classes and not few):
        return None
    if not classes and (found := _first(_linear(columns, wanted))) is not None:
        return found, "line"
    if not few:
        rising = _in_order(columns, wanted)  # several are one another's transforms, or a growing series' earlier values
        return (int(rising.int().argmax()), "order") if rising.sum() == 1 else None
    count = len(values)
    if len(labels) - int(labels.bincount().max()) < AT_BORDER:
        return None  # a flag that is raised as seldom is equal by chance
    says = _one_value_each(columns, labels, count) | _flags(columns, labels, count) | _cut(columns, labels, count)
    found = _first(says)
    return None if found is None else (found, "class")


def _first(says: Tensor) -> int | None:
    features = says.nonzero().flatten()
    return int(features[0]) if len(features) else None


def _linear(columns: Tensor, wanted: Tensor) -> Tensor:
    """Features [F] that the targets are a linear function of."""
    x, y = columns - columns.mean(0), wanted - wanted.mean()
    spread = (x * x).sum(0)
    known = spread > 0
    explained = (x * y[:, None]).sum(0).square() / torch.where(known, spread, 1.0)
    return known & (explained >= (1 - CLOSE) * (y * y).sum())


def _in_order(columns: Tensor, wanted: Tensor) -> Tensor:
    """Features [F] in whose order the targets rise, or fall, from first to last, and of whose equal values they are
    about equal."""
    says = torch.zeros(columns.shape[1], dtype=torch.bool)
    slack = ROUNDED * (wanted.max() - wanted.min())
    for way in (1, -1):
        ranked = (way * wanted).argsort()
        order = columns[ranked].sort(dim=0, stable=True).indices
        says |= ((way * wanted)[ranked][order].diff(dim=0) >= -slack).all(0)
    for feature in says.nonzero().flatten().tolist():
        _, groups, sizes = columns[:, feature].unique(return_inverse=True, return_counts=True)
        means = torch.zeros(len(sizes), dtype=wanted.dtype).index_add(0, groups, wanted) / sizes
        says[feature] = (wanted - means[groups]).square().mean() <= ONE_VALUE * wanted.var()
    return says


def _one_value_each(columns: Tensor, labels: Tensor, count: int) -> Tensor:
    """Features [F] of one value in each class, and of another in every other."""
    firsts, alike = [], torch.ones(columns.shape[1], dtype=torch.bool)
    for label in range(count):
        rows = columns[labels == label]
        firsts.append(rows[0])
        alike &= (rows == rows[0]).all(0)
    ordered = torch.stack(firsts).sort(0).values
    return alike & (ordered.diff(dim=0) > 0).all(0)


def _flags(columns: Tensor, labels: Tensor, count: int) -> Tensor:
    """Features [F] of two values that say one class, where every class has its own: a text that became inputs."""
    low, high = columns.amin(0), columns.amax(0)
    raised = columns == high
    two = (raised | (columns == low)).all(0) & (high > low)
    flags = torch.stack([two & (raised == (labels == label)[:, None]).all(0) for label in range(count)])
    return flags.any(0) & flags.any(1).all()


def _cut(columns: Tensor, labels: Tensor, count: int) -> Tensor:
    """Features [F] that are cut into stretches of one class each, at borders with samples close by on both sides.

    Classes that a measurement tells apart by nature have few samples where they meet, and these are mixed.
    """
    ordered, order = columns.sort(0)
    turns = labels[order].diff(dim=0) != 0
    torn = (turns & (ordered.diff(dim=0) == 0)).any(0)
    says = ~torn & (turns.sum(0) < 2 * count)
    for feature in says.nonzero().flatten().tolist():
        says[feature] = _is_cut(ordered[:, feature], turns[:, feature].nonzero().flatten() + 1)
    return says


def _is_cut(values: Tensor, borders: Tensor) -> bool:
    step = STEPS * float(values.unique().diff().median())
    stretches = values.tensor_split(borders)
    if min(map(len, stretches)) < AT_BORDER:
        return False
    widths = [NEAR * float(stretch.std()) for stretch in stretches]
    for (before, after), near in zip(pairwise(stretches), pairwise(widths), strict=True):
        last, first = _nearest(before.flip(0)), _nearest(after)
        if last > near[0] or first > near[1] or float(after[0] - before[-1]) > max(min(near), step):
            return False
    return True


def _nearest(stretch: Tensor) -> float:
    """How far samples reach from the border at which a stretch begins."""
    some = max(AT_BORDER, int(SHARE * len(stretch)))
    return abs(float(stretch[some - 1] - stretch[0]))
