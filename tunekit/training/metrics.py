"""Metrics by name: means over samples (and positions), and those of a whole split, which are fed batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunekit.training import answers
from tunekit.training.streaming import Streamed
from tunekit.vocabulary import UserError

Compute = Callable[[Any, Any], Tensor]
Shares = tuple[Tensor, Tensor]
"""For each sample [B]: what it adds to a metric's numerator, and to its denominator."""

TOP = 5  # classes among which `top5` looks for the right one


@dataclass(frozen=True)
class Metric:
    """A metric by name and its direction. It is one of: the loss itself (nothing of these), the sum of all
    numerators over that of all denominators (`shares`), one that is fed batch by batch (`streamed`), or a person's
    function of a whole split (`whole`)."""

    name: str
    maximize: bool
    share: bool = False  # it lies between 0 and 1, and is shown in per cent
    shares: Callable[[Tensor, Tensor], Shares] | None = None
    whole: Compute | None = None
    streamed: Streamed | None = None
    root: bool = False  # the square root of that ratio
    decides: bool = False  # it asks on which side of zero outputs lie: probabilities are moved there first
    chances: bool = False  # it takes probabilities: scores are made into them first
    counts: bool = False  # numerators and denominators are whole numbers: added up in any order they are the same
    classes: bool = False  # of targets that are classes, not quantities
    own: bool = False  # a person's

    @property
    def is_loss(self) -> bool:
        return self.shares is None and self.whole is None and self.streamed is None

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
        return torch.tensor(math.nan if self.streamed is None else self.streamed.over(outputs, targets))


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


def _top5(outputs: Tensor, targets: Tensor) -> Shares:
    """Whether the target is among the five largest outputs. Errors: UserError where there are no more than five."""
    if outputs.dim() < 2 or outputs.shape[1] <= TOP:
        held = f", not {outputs.shape[1]}" if outputs.dim() > 1 else ""
        raise UserError(f"top{TOP} takes more than {TOP} classes{held}")
    wanted = targets.argmax(1) if targets.shape == outputs.shape else targets
    known = (wanted >= 0) & (wanted < outputs.shape[1])
    right = (outputs.topk(TOP, dim=1).indices == wanted.unsqueeze(1)).any(1)
    return _by_sample(right & known), _by_sample(known)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("loss", False),
        Metric("accuracy", True, share=True, shares=_accuracy, counts=True, classes=True),
        Metric("top5", True, share=True, shares=_top5, counts=True, classes=True),
        Metric("balanced_accuracy", True, share=True, streamed=answers.BALANCED, classes=True),
        Metric("f1", True, share=True, streamed=answers.F1, classes=True),
        Metric("auroc", True, share=True, streamed=answers.AUROC, chances=True, classes=True),
        Metric("average_precision", True, share=True, streamed=answers.PRECISION, chances=True, classes=True),
        Metric("mae", False, shares=_absolute),
        Metric("rmse", False, shares=_squared, root=True),
        Metric("r2", True, streamed=answers.R2),
    )
}
LABEL_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, share=True, shares=_decisions, decides=True, counts=True, classes=True),
        Metric("balanced_accuracy", True, share=True, streamed=answers.LABELS_BALANCED, decides=True, classes=True),
        Metric("f1", True, share=True, streamed=answers.LABELS_F1, decides=True, classes=True),
        Metric("auroc", True, share=True, streamed=answers.LABELS_AUROC, classes=True),
        Metric("average_precision", True, share=True, streamed=answers.LABELS_PRECISION, classes=True),
    )
}
"""The same where each output is a decision of its own: task binary and multilabel."""
