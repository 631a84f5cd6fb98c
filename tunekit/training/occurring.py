"""Metrics of torchmetrics that hold each class against the rest, over the classes that occur: torchmetrics counts one
that is missing from a split as 0. It is asked for the value of each class, and the mean of those that have one is taken
here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tunekit.training.streaming import Sums, quiet

if TYPE_CHECKING:
    import torchmetrics

OF_PAIRS = ("AUROC", "LogAUC", "EER", "MatthewsCorrCoef")
"""Those without a value where all answers are one."""
OF_ORDER = ("AUROC", "LogAUC", "EER", "AveragePrecision")
OF_POSITIVES = (*OF_ORDER, "Recall", "MulticlassAccuracy", "MulticlassHammingDistance")
"""Those that say nothing of a class that does not occur. The others count it where it is said, as an F1 does."""


def goes_by_order(metric: torchmetrics.Metric) -> bool:
    """Whether the order of scores is all that it asks for."""
    return type(metric).__name__.endswith(OF_ORDER) and getattr(metric, "thresholds", 0) is None


class Occurring(Sums):
    """A metric of this form of answers (binary, multiclass, multilabel) that counts, beside its sums, how often each
    class is the right one. NaN where no class has a value."""

    def __init__(self, metric: torchmetrics.Metric, form: str) -> None:
        super().__init__(metric)
        name, average = type(metric).__name__, getattr(metric, "average", "micro")
        self.pairs, self.positives = name.endswith(OF_PAIRS), name.endswith(OF_POSITIVES)
        self.all = name.endswith("EER") and average == "macro"  # of curves that are averaged
        self.weighted = average == "weighted" and name.endswith("AUROC")
        # Of several classes torchmetrics leaves out what neither occurs nor is said.
        self.open = form != "multiclass" and getattr(metric, "zero_division", 1) == 0 and average != "weighted"
        if average in (None, "none", "macro") and not self.all:
            metric.average = None if self.positives or self.open else "macro"
        elif self.weighted:
            metric.average = None
        if self.open:
            metric.zero_division = math.nan
        ignored = getattr(metric, "ignore_index", None)
        self.ignored = -1 if ignored is None else ignored
        self.multiclass = form == "multiclass"
        self.counts = self.sizes = torch.zeros(1, dtype=torch.long)

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        super().update(predictions, targets)
        known = targets != self.ignored
        of_each = torch.bincount(targets[known], minlength=predictions.shape[1]) if self.multiclass else None
        self.counts = self.counts + (torch.atleast_1d((targets * known).sum(0)) if of_each is None else of_each)
        self.sizes = self.sizes + torch.atleast_1d(known.sum(0))

    def compute(self) -> float:
        if self.empty:
            return math.nan
        try:
            with quiet():
                value = torch.as_tensor(self.metric.compute()).double()
        except IndexError:  # LogAUC's, of a class without negatives
            return math.nan
        return float(self._of_each(value) if value.dim() else self._of_all(value))

    def _of_each(self, values: Tensor) -> Tensor:
        occurs = self._occurs(self.counts, self.sizes)
        if self.open:
            values = values.where(~(values.isnan() & occurs), 0.0)
        kept = ~values.isnan() & (occurs if self.positives else True)
        weights = kept * (self.counts.double() if self.weighted else 1.0)
        return (values.nan_to_num() * weights).sum() / weights.sum()

    def _of_all(self, value: Tensor) -> Tensor:
        occurs = self._occurs(self.counts, self.sizes)
        if not self.multiclass:
            occurs = self._occurs(self.counts.sum(), self.sizes.sum())
        if self.open and bool(value.isnan()) and bool(occurs):
            return torch.zeros(())
        has = occurs.all() if self.all else occurs.any()
        return value if bool(has) or not (self.pairs or self.positives) else torch.tensor(math.nan)

    def _occurs(self, counts: Tensor, sizes: Tensor) -> Tensor:
        return (counts > 0) & ((counts < sizes) if self.pairs else True)
