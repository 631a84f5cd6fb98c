"""What the loss itself wants of outputs, the network left out: whether it has a gradient there, and whether it grows
better without end where a constant is added to all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.outputs import refusable
from tunekit.training.structure import changed

LINEAR = 1e-3  # how far a change twice as large may be from twice the change, as a share


@dataclass(frozen=True)
class Demands:
    at_outputs: float | None  # norm of the loss's gradient at the outputs, the largest of several batches
    elsewhere: float | None  # the same at random outputs
    slope: float | None  # change of the loss where 1 is added to all outputs, if it goes on so


def measure_demands(session: Session, batches: list[Batch], answers: list[Any]) -> Demands:
    """It is asked on the CPU: a GPU does not survive a loss that refuses its outputs."""
    pairs = [
        (changed(answer, Tensor.cpu), batch.each(Tensor.cpu)) for answer, batch in zip(answers, batches, strict=True)
    ]
    draw = torch.Generator().manual_seed(0)
    here = _largest(session, pairs)
    there = None
    if here == 0.0:
        drawn = [(_drawn(answer, scale, draw), batch) for scale in (1.0, 10.0) for answer, batch in pairs[:2]]
        there = _largest(session, drawn)
    return Demands(here, there, _slope(session, *pairs[0]))


def _largest(session: Session, pairs: list[tuple[Any, Batch]]) -> float | None:
    """The largest gradient of the loss at these outputs, up to the first that is not zero."""
    largest: float | None = None
    for answer, batch in pairs:
        size = _gradient(session, answer, batch)
        if size is not None:
            largest = size if largest is None else max(largest, size)
        if size is not None and size != 0.0:
            return size
    return largest


def _gradient(session: Session, answer: Any, batch: Batch) -> float | None:
    """Norm of the loss's gradient over all parts of the outputs: 0 where the loss has none; None where it refuses."""
    leaves: list[Tensor] = []

    def leaf(part: Tensor) -> Tensor:
        part = part.detach().clone()
        if part.is_floating_point():
            leaves.append(part.requires_grad_())
        return part

    with refusable(), torch.enable_grad():
        loss = session.task.loss(changed(answer, leaf), batch.targets)
        if not loss.requires_grad or not leaves:
            return 0.0 if leaves else None
        grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        return math.sqrt(sum(float(grad.double().square().sum()) for grad in grads if grad is not None))
    return None


def _drawn(answer: Any, scale: float, draw: torch.Generator) -> Any:
    """The outputs with random numbers added, as large as they are themselves or larger."""

    def moved(part: Tensor) -> Tensor:
        if not part.is_floating_point() or not part.numel():
            return part
        size = scale * max(1.0, float(torch.nan_to_num(part.double()).square().mean().sqrt()))
        return part + size * torch.randn(part.shape, generator=draw).to(part)

    return changed(answer, moved)


def _slope(session: Session, answer: Any, batch: Batch) -> float | None:
    """What the loss changes by where 1 is added to all outputs, if 2 change it by twice as much: -1 for a
    log-likelihood of what should be log-probabilities. None: no such loss."""
    if session.task.kind != "classification" or not isinstance(answer, Tensor):
        return None
    with refusable(), torch.no_grad():
        base, one, two = (float(session.task.loss(answer + shift, batch.targets)) for shift in (0.0, 1.0, 2.0))
        change = one - base
        straight = math.isfinite(two) and abs(two - base - 2 * change) <= LINEAR * abs(change)
        return change if straight and abs(change) > LINEAR * (1 + abs(base)) else None
    return None
