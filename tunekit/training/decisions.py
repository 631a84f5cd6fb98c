"""What outputs say of each sample, and how sure the model is: by the kind of answer, without targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunekit.measured import Answers
from tunekit.training.axes import Reading
from tunekit.training.losses import are_last
from tunekit.training.outputs import any_tensor
from tunekit.training.tasks import KINDS, Task


@dataclass(frozen=True)
class Form:
    """How outputs are read: the kind of answer, the axis of classes, and whether they are probabilities already."""

    answers: Answers
    axis: int = 1
    probabilities: bool = False


@dataclass(frozen=True)
class Decisions:
    """`predicted`: classes [B, ...], 0 or 1 [B] or [B, labels], or values; `probability` of what is predicted, in the
    same shape, None for values. `shares`: the probability of each class [B, classes, ...], or that each answer is yes,
    in the shape of `predicted`."""

    predicted: Tensor
    probability: Tensor | None = None
    shares: Tensor | None = None


def form_of(task: Task, outputs: Any, targets: Any, metric: str) -> Form:
    """How outputs are read, by those of a first batch. `metric`: as the recipe names it. Outputs of which the task's
    metric says nothing (distances, embeddings) are values, and so are those that a person's own loss and metric judge:
    nothing says what they mean."""
    main = any_tensor(outputs).float()
    kind = getattr(task, "kind", "")
    unknown = (task.metric.is_loss and metric != "loss") or (task.own_loss and task.metric.own)
    if kind not in KINDS or kind == "regression" or main.is_complex() or unknown:
        return Form("values")
    if kind == "classification":
        unread = main.dim() - 1 if isinstance(targets, Tensor) and are_last(main, targets) else 1
        axis = task.reading.axis if task.reading is not None else unread
        if main.dim() >= 2 and main.shape[axis] > 1:
            return Form("classes", axis, _are_distributions(main, axis))
    middle = _middle(task, outputs, targets)
    single = main.numel() == len(main)
    return Form("decision" if single else "labels", probabilities=middle > 0)


def _middle(task: Task, outputs: Any, targets: Any) -> float:
    """The output at which a decision turns: 0 of scores, 0.5 of probabilities."""
    from tunekit.training.meaning import takes_probabilities

    main = any_tensor(outputs).float()
    wanted = task.targets(targets, main)
    return 0.5 if takes_probabilities(task.loss, main, wanted) else 0.0


def _are_distributions(main: Tensor, axis: int) -> bool:
    return bool((main >= 0).all()) and bool(((main.sum(axis) - 1).abs() < 1e-3).all())


def decide(outputs: Any, form: Form) -> Decisions:
    """What the outputs of a batch say."""
    main = any_tensor(outputs).float()
    if form.answers == "values":
        return Decisions(main)
    if form.answers == "classes":
        shaped = Reading(form.axis).outputs(main)
        shares = shaped if form.probabilities else torch.softmax(shaped, 1)
        best, predicted = shares.max(1)
        return Decisions(predicted, best, shares)
    shares = main if form.probabilities else torch.sigmoid(main)
    if form.answers == "decision":
        shares = shares.reshape(len(shares))
    predicted = shares > 0.5
    return Decisions(predicted.long(), torch.where(predicted, shares, 1 - shares), shares)
