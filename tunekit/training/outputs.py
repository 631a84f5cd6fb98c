"""What a model gives of a batch: a tensor, or several parts of which one is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tunekit.training.structure import changed, tensors
from tunekit.vocabulary import UserError

Outputs = Any
"""What a model gives of a batch: a tensor or, for a loss of the person's own that takes them, several parts."""
_REFUSALS = (RuntimeError, ValueError, IndexError, AssertionError, UserError)
_OF_MACHINES = (MemoryError, torch.OutOfMemoryError, torch.AcceleratorError)


class Unfit(UserError):
    """What the recipe asks of a metric in so many words, and these outputs do not take."""


class refusable:
    """Within it a loss or a metric may refuse outputs or targets (a person's own does by UserError): what follows is
    done then. What is of the machine, or asked for by the recipe, is raised."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        return isinstance(error, _REFUSALS) and not isinstance(error, Unfit) and not of_machine(error)


def of_machine(error: BaseException) -> bool:
    """Whether an error, or what a person's function raised behind it, says nothing of what was asked: there is no
    memory, or the GPU answers no more."""
    return isinstance(error, _OF_MACHINES) or isinstance(error.__cause__, _OF_MACHINES)


def main_tensor(outputs: Outputs) -> Tensor:
    """The tensor among a model's outputs that is looked at: itself, its `logits`, or its first part.

    Errors: UserError."""
    if isinstance(outputs, Tensor):
        return outputs
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if logits is None and isinstance(outputs, tuple | list) and outputs:
        logits = outputs[0]
    if not isinstance(logits, Tensor):
        raise UserError(
            f"model: forward() must return a tensor or something with `logits`, not {type(outputs).__name__}"
        )
    return logits


def any_tensor(outputs: Outputs) -> Tensor:
    """The main tensor, or the first that there is. Errors: UserError where there is none."""
    try:
        return main_tensor(outputs)
    except UserError:
        first = next(tensors(outputs), None)
        if first is None:
            raise
        return first


def with_main(outputs: Outputs, main: Tensor) -> Outputs:
    """The outputs with another main tensor in the place of theirs."""
    old = any_tensor(outputs)
    return changed(outputs, lambda part: main if part is old else part)


def has_logits(outputs: Outputs) -> bool:
    """Whether the main tensor has a name: the others are no predictions."""
    return (isinstance(outputs, Mapping) and "logits" in outputs) or hasattr(outputs, "logits")


def in_fp32(outputs: Outputs) -> Outputs:
    """Outputs in single precision: one tensor whatever it is of (but complex), of several parts the real ones."""
    if isinstance(outputs, Tensor) and not outputs.is_complex():
        return outputs.float()
    return changed(outputs, lambda part: part.float() if part.is_floating_point() else part)
