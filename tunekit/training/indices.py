"""Indices that point at nothing, on a GPU: found before the GPU meets them, which ends every later use of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tunekit.training.structure import changed, tensors

LOOKING_UP: frozenset[Callable[..., Any]] = frozenset(
    {
        F.cross_entropy,
        F.nll_loss,
        F.multi_margin_loss,
        F.multilabel_margin_loss,
        F.embedding,
        F.embedding_bag,
        F.one_hot,
        torch.gather,
        torch.index_select,
        torch.take,
        Tensor.gather,
        Tensor.index_select,
        Tensor.take,
        Tensor.scatter,
        torch.scatter,
        Tensor.__getitem__,
    }
)
"""Functions that read at places which whole numbers name: a class, a token, a row."""


class CheckedIndices(TorchFunctionMode):
    """While it is entered, a class that there is no output for, a token that there is no row for, and the like are
    errors on a GPU as they are on the CPU (IndexError, RuntimeError), and the GPU goes on. It waits for the GPU at each
    such function: for questions, not for trainings."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = (args, kwargs or {})
        if func in LOOKING_UP and _names_places((args[1:], kwargs) if func is Tensor.__getitem__ else given):
            shadow_args, shadow_kwargs = changed(given, _shadow)
            with torch.no_grad():
                func(*shadow_args, **shadow_kwargs)
        return func(*args, **(kwargs or {}))


def checked_indices(device: torch.device) -> AbstractContextManager[object]:
    return CheckedIndices() if device.type == "cuda" else nullcontext()


def _names_places(given: object) -> bool:
    return any(part.device.type == "cuda" and not part.is_floating_point() for part in tensors(given))


def _shadow(part: Tensor) -> Tensor:
    """Whole numbers as they are; of others the shape is enough, which takes no memory."""
    if part.is_floating_point() or part.is_complex():
        return torch.zeros((), dtype=part.dtype).expand(part.shape)
    return part.detach().cpu()
