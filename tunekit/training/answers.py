"""The metrics of a whole split that are built in: how each reads outputs and targets, and what it is made of. Counts
are torchmetrics' own sums; what goes by the order of scores keeps the scores alone.

Nothing that cannot be said is a number: where one class alone occurs there is no AUROC, without positives no average
precision, of equal targets no R^2. These are NaN, which no step counts as best.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tunekit.training.streaming import Answers, Kept, State, Streamed, Sums

CONSTANT = 1e-12  # of the targets' squares: a variance below it is rounding

Finish = Callable[[Tensor], Tensor]


def of_classes(outputs: Tensor, targets: Tensor) -> Answers:
    """Outputs [M, C] and classes [M] of all samples and positions that count, of outputs [B, C, ...] and targets
    [B, ...] (or [B, C, ...], whose largest is the class)."""
    if targets.shape == outputs.shape:
        targets = targets.argmax(1)
    flat, wanted = outputs.movedim(1, -1).reshape(-1, outputs.shape[1]), targets.reshape(-1)
    known = (wanted >= 0) & (wanted < flat.shape[1])
    return flat[known].cpu(), wanted[known].cpu(), owners_of(targets)[known.cpu()]


def of_labels(outputs: Tensor, targets: Tensor) -> Answers:
    """Outputs and truth [M, labels]: of [B, labels, ...] for each label, else all."""
    labels = outputs.shape[1] if outputs.dim() > 1 else 1
    said, true = (
        values.reshape(len(values), labels, -1).movedim(1, -1).reshape(-1, labels).cpu()
        for values in map(torch.atleast_1d, (outputs, targets > 0.5))
    )
    if said.shape != true.shape:
        raise ValueError(f"outputs {list(outputs.shape)} and targets {list(targets.shape)} do not go together")
    positions = len(said) // max(1, len(torch.atleast_1d(outputs)))
    return said, true.long(), torch.arange(len(said)) // max(1, positions)


def of_quantities(outputs: Tensor, targets: Tensor) -> Answers:
    """Outputs and targets [B, D] in double precision."""
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs {list(outputs.shape)} and targets {list(targets.shape)} do not go together")
    size = len(outputs)
    said, true = (values.reshape(size, -1).cpu().double() for values in (outputs, targets))
    return said, true, torch.arange(size)


def owners_of(targets: Tensor) -> Tensor:
    """Of which sample each value of targets [B, ...] is, in their order."""
    size = len(torch.atleast_1d(targets))
    return torch.arange(targets.numel()) // max(1, targets.numel() // max(1, size))


def _chosen(outputs: Tensor, targets: Tensor) -> Answers:
    """The class that was chosen, and the right one, [M]: taken on the outputs' device, so that no scores are moved."""
    if targets.shape == outputs.shape:
        targets = targets.argmax(1)
    said, wanted = outputs.argmax(1).reshape(-1), targets.reshape(-1)
    known = (wanted >= 0) & (wanted < outputs.shape[1])
    return said[known].cpu(), wanted[known].cpu(), owners_of(targets)[known.cpu()]


def _counted(finish: Finish, outputs: Tensor) -> State:
    from torchmetrics.classification import MulticlassStatScores

    return Sums(MulticlassStatScores(max(2, outputs.shape[1]), average=None, validate_args=False), finish)


def _counted_labels(finish: Finish, outputs: Tensor) -> State:
    from torchmetrics.classification import BinaryStatScores, MultilabelStatScores

    labels = outputs.shape[1] if outputs.dim() > 1 else 1
    if labels > 1:
        return Sums(MultilabelStatScores(labels, average=None, validate_args=False), finish)
    return Sums(BinaryStatScores(validate_args=False), finish)


def _found(counts: Tensor) -> Tensor:
    """Mean over the classes that occur of the share of each that is found. Counts: tp, fp, tn, fn, support."""
    hits, support = counts[:, 0].double(), counts[:, 4]
    return (hits / support)[support > 0].mean()


def _f1(counts: Tensor) -> Tensor:
    """Mean F1, 2 tp / (2 tp + fp + fn), over the classes (or labels) that occur or are said."""
    hits, false, _, missed, _ = counts.reshape(-1, 5).double().unbind(1)
    sizes = 2 * hits + false + missed
    return (2 * hits / sizes)[sizes > 0].mean()


def _found_labels(counts: Tensor) -> Tensor:
    """Mean over both answers of each label, where they occur, of the share of each that is found."""
    hits, false, right, missed, _ = counts.reshape(-1, 5).double().unbind(1)
    sizes = torch.cat([hits + missed, right + false])
    return (torch.cat([hits, right]) / sizes)[sizes > 0].mean()


def _decided(outputs: Tensor, targets: Tensor) -> Answers:
    said, true, owners = of_labels(outputs > 0, targets)
    return said.long(), true, owners


class _Explained(Sums):
    """R^2: NaN of fewer than two samples and of equal targets, which have no variance to explain. All is taken from the
    first batch's mean on, for sums of squares far from zero cancel."""

    middle: Tensor | None = None

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        if not len(targets):
            return
        if self.middle is None:
            self.middle = targets.mean(0)
        super().update(predictions - self.middle, targets - self.middle)

    def compute(self) -> float:
        metric: Any = self.metric
        squares, total = metric.sum_squared_error, metric.sum_error
        count = max(1, int(metric.total))
        spread = float((squares - total * total / count).sum())
        return super().compute() if count > 1 and spread > CONSTANT * float(squares.sum()) else math.nan


def _r2(_outputs: Tensor) -> State:
    from torchmetrics.regression import R2Score

    return _Explained(R2Score(multioutput="variance_weighted").set_dtype(torch.float64))


def _ranked(of_one: Callable[[Tensor, Tensor], float], predictions: Tensor, targets: Tensor) -> float:
    """The mean over labels, or over classes each against the rest (of two, the second), of those that have a value.
    Predictions [M, C], targets [M] or [M, C]."""
    if targets.dim() == 1:
        classes = range(1, 2) if predictions.shape[1] == 2 else range(predictions.shape[1])
        columns = [(predictions[:, k], (targets == k).long()) for k in classes]
    else:
        columns = [(predictions[:, k], targets[:, k]) for k in range(predictions.shape[1])]
    values = [of_one(scores, true) for scores, true in columns]
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def ranks(scores: Tensor) -> Tensor:
    """Scores, of one column or of several, as numbers in 0 to 1 of the same order, ties included: torchmetrics would
    squash others by a sigmoid, which makes large ones equal."""
    places: Tensor = torch.unique(scores, return_inverse=True)[1].double()
    return places / max(1.0, float(places.max()))


def area(scores: Tensor, true: Tensor) -> float:
    """Area under the ROC curve: the share of pairs of a positive and a negative that are in order. NaN without either,
    or of scores that are not finite."""
    from torchmetrics.functional.classification import binary_auroc

    if not 0 < int(true.sum()) < len(true) or not bool(torch.isfinite(scores).all()):
        return math.nan
    return float(binary_auroc(ranks(scores), true, validate_args=False))


def precision(scores: Tensor, true: Tensor) -> float:
    """Average precision: precision at each positive's score, averaged. NaN without positives."""
    from torchmetrics.functional.classification import binary_average_precision

    if not int(true.sum()) or not bool(torch.isfinite(scores).all()):
        return math.nan
    return float(binary_average_precision(ranks(scores), true, validate_args=False))


def _keeping(of_one: Callable[[Tensor, Tensor], float], _outputs: Tensor) -> State:
    return Kept(partial(_ranked, of_one))


BALANCED = Streamed(_chosen, partial(_counted, _found))
F1 = Streamed(_chosen, partial(_counted, _f1))
AUROC = Streamed(of_classes, partial(_keeping, area))
PRECISION = Streamed(of_classes, partial(_keeping, precision))
R2 = Streamed(of_quantities, _r2)
LABELS_BALANCED = Streamed(_decided, partial(_counted_labels, _found_labels))
LABELS_F1 = Streamed(_decided, partial(_counted_labels, _f1))
LABELS_AUROC = Streamed(of_labels, partial(_keeping, area))
LABELS_PRECISION = Streamed(of_labels, partial(_keeping, precision))
