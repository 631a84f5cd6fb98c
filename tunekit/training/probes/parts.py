"""The real numbers in what goes to a loss, a tensor or several parts, and the axis of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tunekit.training.structure import changed, tensors
from tunekit.training.tasks import Task


def real(value: Any) -> list[Tensor]:
    """The tensors of real numbers: what a network can be trained to give."""
    return [tensor for tensor in tensors(value) if tensor.is_floating_point()]


def with_real(value: Any, replacements: Sequence[Tensor]) -> Any:
    """The structure with its tensors of real numbers replaced, in order."""
    given = iter(replacements)
    return changed(value, lambda tensor: next(given) if tensor.is_floating_point() else tensor)


def detached(value: Any) -> Any:
    return changed(value, lambda tensor: tensor.detach().clone())


def class_axis(task: Task, outputs: Tensor, targets: object) -> int | None:
    """The axis of the outputs that whole-numbered targets [B, ...] choose from: as the task reads it, or else the
    second or the last. None where outputs and targets are not of the same positions."""
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.dtype == torch.bool:
        return None
    if outputs.dim() != targets.dim() + 1:
        return None
    read = [] if task.reading is None or task.reading.ahead else [task.reading.axis]
    for axis in (*read, 1, outputs.dim() - 1):
        if (*outputs.shape[:axis], *outputs.shape[axis + 1 :]) == tuple(targets.shape):
            return axis
    return None
