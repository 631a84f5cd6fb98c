"""Where in a model later steps of a sequence first act on earlier ones. Measures; judges nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.measured import Origin
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.places import Calls, at_work, name_of, persons_line, tensors_in

REORDERS = ("reshape", "view", "reshape_as", "view_as", "unflatten", "flatten")
ROWS = (5, 7, 3)  # sequences looked at: a number that is not their length
TOUCHED = 1e-5  # change of the early steps over the size of a call's numbers, above which it is none of rounding


@dataclass(frozen=True)
class _Call:
    """A call of a function of torch: its largest numbers before the cut, and which axis of what went in is time."""

    origin: Origin
    early: Tensor
    size: float
    from_steps: bool


def first_mixing(session: Session, batch: Batch, changed: Batch, length: int, cut: int) -> Origin | None:
    """The first function whose outputs up to `cut` change with inputs behind it, `changed`; None where it is not seen:
    a reordering of numbers that had no axis of time any more does not say where they were mixed."""
    rows = next(rows for rows in ROWS if rows != length)
    if len(batch) < rows:
        return None
    few = (one.each(lambda value: value[:rows] if value.dim() else value) for one in (batch, changed))
    first, second = (_calls(session, one, length, cut) for one in few)
    if len(first) != len(second):
        return None
    for one, other in zip(first, second, strict=True):
        if one.early.shape != other.early.shape:
            return None
        if float((one.early - other.early).abs().max()) > TOUCHED * max(one.size, other.size):
            return one.origin if one.from_steps or one.origin.operation not in REORDERS else None
    return None


@torch.no_grad()
def _calls(session: Session, batch: Batch, length: int, cut: int) -> list[_Call]:
    calls: list[_Call] = []
    session.model.eval()
    torch.manual_seed(0)
    with at_work(session.model) as stack:

        def see(func: Callable[..., object], args: tuple[object, ...], kwargs: Values, output: object) -> None:
            for value in tensors_in(output):
                axis = _time(value, length)
                if axis is None or not value.is_floating_point() or not value.numel():
                    continue
                early = value.detach().narrow(axis, 0, cut + 1).clone()
                if not bool(torch.isfinite(early).all()):
                    continue
                from_steps = any(_time(given, length) is not None for given in tensors_in((*args, *kwargs.values())))
                origin = Origin(name_of(func), persons_line() or (stack[-1] if stack else ""))
                calls.append(_Call(origin, early, float(value.abs().max()), from_steps))

        with Calls(see):
            session.answer(session.model, batch)
    return calls


def _time(value: Tensor, length: int) -> int | None:
    """The axis that is as long as the sequences, where there is one alone."""
    if value.dim() < 3:
        return None
    axes = [axis for axis, size in enumerate(value.shape) if size == length]
    return axes[0] if len(axes) == 1 else None
