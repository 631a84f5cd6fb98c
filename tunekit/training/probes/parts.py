"""What goes to a loss, a tensor or several parts (tuple, list, dictionary), taken apart into tensors and put
together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same structure with every tensor changed; what is no tensor stays."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        items = {name: mapped(item, change) for name, item in value.items()}
        return items if type(value) is dict else type(value)(**items)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(item, change) for item in value)
    return value


def tensors(value: Any) -> list[Tensor]:
    """The tensors of a structure, in order."""
    found: list[Tensor] = []
    mapped(value, found.append)
    return found


def real(value: Any) -> list[Tensor]:
    """The tensors of real numbers: what a network can be trained to give."""
    return [tensor for tensor in tensors(value) if tensor.is_floating_point()]


def with_real(value: Any, replacements: Sequence[Tensor]) -> Any:
    """The structure with its tensors of real numbers replaced, in order."""
    given = iter(replacements)
    return mapped(value, lambda tensor: next(given) if tensor.is_floating_point() else tensor)


def detached(value: Any) -> Any:
    return mapped(value, lambda tensor: tensor.detach().clone())


def class_axis(outputs: Tensor, targets: object) -> int | None:
    """The axis of the outputs that whole-numbered targets [B, ...] choose from: the second, or the last."""
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.dtype == torch.bool:
        return None
    if outputs.dim() != targets.dim() + 1:
        return None
    for axis in (1, outputs.dim() - 1):
        if (*outputs.shape[:axis], *outputs.shape[axis + 1 :]) == tuple(targets.shape):
            return axis
    return None
