"""Metrics: those that are means over samples (and positions), and those that need a whole split at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Compute = Callable[[Any, Any], Tensor]
Shares = tuple[Tensor, Tensor]
"""For each sample [B]: what it adds to a metric's numerator, and to its denominator."""


@dataclass(frozen=True)
class Metric:
    """A metric by name and its direction. It is one of: the loss itself (neither `shares` nor `whole`), the sum of all
    numerators over that of all denominators (`shares`), or a function of a whole split (`whole`)."""

    name: str
    maximize: bool
    share: bool = False  # it lies between 0 and 1, and is shown in per cent
    shares: Callable[[Tensor, Tensor], Shares] | None = None
    whole: Compute | None = None
    root: bool = False  # the square root of that ratio
    decides: bool = False  # it asks on which side of zero outputs lie: probabilities are moved there first
    counts: bool = False  # numerators and denominators are whole numbers: added up in any order they are the same
    classes: bool = False  # of targets that are classes, not quantities
    own: bool = False  # a person's

    @property
    def is_loss(self) -> bool:
        return self.shares is None and self.whole is None

    def ratio(self, numerator: Tensor, denominator: Tensor) -> Tensor:
        """The metric of summed numerators and denominators."""
        value = numerator / denominator
        return value.sqrt() if self.root else value

    def over(self, outputs: Any, targets: Any) -> Tensor:
        """The metric over all that is given: a scalar; NaN where the loss itself is the metric."""
        if self.shares is not None:
            numerator, denominator = self.shares(outputs, targets)
            return self.ratio(numerator.sum(), denominator.sum())
        if self.whole is not None:
            return self.whole(outputs, targets)
        return torch.tensor(math.nan)


def _by_sample(values: Tensor) -> Tensor:
    values = torch.atleast_1d(values)  # a lone sample may have lost its row
    return values.reshape(len(values), -1).sum(1)


def right_and_known(outputs: Tensor, targets: Tensor) -> Shares:
    """For every sample (and position): whether the largest output [B, C, ...] is the target [B, ...] (or its largest),
    and whether it counts. Labels that are no class (-1, -100, 255: markers for "unknown", which the loss leaves out)
    do not."""
    if targets.shape == outputs.shape:
        right = outputs.argmax(1) == targets.argmax(1)
        return right, torch.ones_like(right)
    known = (targets >= 0) & (targets < outputs.shape[1])
    return (outputs.argmax(1) == targets) & known, known


def _accuracy(outputs: Tensor, targets: Tensor) -> Shares:
    right, known = right_and_known(outputs, targets)
    return _by_sample(right), _by_sample(known)


def _decisions(outputs: Tensor, targets: Tensor) -> Shares:
    right = (outputs > 0) == (targets > 0.5)
    return _by_sample(right), _by_sample(torch.ones_like(right))


def _absolute(outputs: Tensor, targets: Tensor) -> Shares:
    off = (outputs - targets).abs()
    return _by_sample(off), _by_sample(torch.ones_like(off))


def _squared(outputs: Tensor, targets: Tensor) -> Shares:
    off = (outputs - targets).square()
    return _by_sample(off), _by_sample(torch.ones_like(off))


def _flat(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs [M, C] and classes [M] of all samples and positions that count."""
    flat, wanted = outputs.movedim(1, -1).reshape(-1, outputs.shape[1]), targets.reshape(-1)
    known = (wanted >= 0) & (wanted < flat.shape[1])
    return flat[known], wanted[known]


def _balanced_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the classes that occur of the share of each that is found."""
    from torchmetrics.functional.classification import multiclass_stat_scores

    flat, wanted = _flat(outputs, targets)
    scores = multiclass_stat_scores(flat, wanted, num_classes=outputs.shape[1], average="none")
    hits, support = scores[:, 0].float(), scores[:, 4]
    return (hits / support)[support > 0].mean()


def _f1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Macro F1 over the classes that occur or are said."""
    from torchmetrics.functional.classification import multiclass_f1_score

    flat, wanted = _flat(outputs, targets)
    return multiclass_f1_score(flat, wanted, num_classes=outputs.shape[1], average="macro")


def _decided(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Decisions and truth [M, labels] of outputs above and below zero: of [B, labels, ...] for each label, else all."""
    labels = outputs.shape[1] if outputs.dim() > 1 else 1
    said, true = (
        values.reshape(len(values), labels, -1).movedim(1, -1).reshape(-1, labels)
        for values in map(torch.atleast_1d, (outputs > 0, targets > 0.5))
    )
    return said, true


def _label_f1(outputs: Tensor, targets: Tensor) -> Tensor:
    """F1 of the positive class: the mean over the labels that occur or are said."""
    said, true = _decided(outputs, targets)
    sizes = (said.sum(0) + true.sum(0)).float()
    return (2 * (said & true).sum(0) / sizes)[sizes > 0].mean()


def _balanced_labels(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over both answers of each label, where they occur, of the share of each that is found."""
    said, true = _decided(outputs, targets)
    sizes = torch.cat([true.sum(0), (~true).sum(0)])
    right = torch.cat([(said & true).sum(0), (~said & ~true).sum(0)])
    return (right / sizes)[sizes > 0].mean()


def _r2(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of the targets' variance explained, over all columns."""
    from torchmetrics.functional.regression import r2_score

    size = len(outputs)
    if size < 2:
        return torch.tensor(math.nan)
    return r2_score(outputs.reshape(size, -1), targets.reshape(size, -1), multioutput="variance_weighted")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("loss", False),
        Metric("accuracy", True, share=True, shares=_accuracy, counts=True, classes=True),
        Metric("balanced_accuracy", True, share=True, whole=_balanced_accuracy, classes=True),
        Metric("f1", True, share=True, whole=_f1, classes=True),
        Metric("mae", False, shares=_absolute),
        Metric("rmse", False, shares=_squared, root=True),
        Metric("r2", True, whole=_r2),
    )
}
LABEL_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, share=True, shares=_decisions, decides=True, counts=True, classes=True),
        Metric("balanced_accuracy", True, share=True, whole=_balanced_labels, decides=True, classes=True),
        Metric("f1", True, share=True, whole=_label_f1, decides=True, classes=True),
    )
}
"""The same where each output is a decision of its own: task binary and multilabel."""
