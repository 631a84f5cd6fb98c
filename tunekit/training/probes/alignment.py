"""Whether a loss compares each output with its own target: one target is changed, and where the gradient
changes with it is looked at. An output that belongs to the target feels it; in a loss that mixes up its axes only
strangers do."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from torch import Tensor

from tunekit.measured import Alignment
from tunekit.training.outputs import any_tensor, with_main
from tunekit.training.probes.parts import class_axis
from tunekit.training.tasks import Task

LOOKS = 12  # targets that are changed, one at a time
LEAST = 1e-3  # of the largest change of a gradient, below which there is none


def measure_alignment(task: Task, answer: Any, targets: Any) -> Alignment | None:
    """What a change of single targets reaches. None where outputs and targets cannot be matched by their sizes, or
    the loss cannot be asked."""
    if not isinstance(targets, Tensor) or not len(targets):
        return None
    if not isinstance(answer, Tensor):
        task, answer = _of_main(task, answer), any_tensor(answer)
    wanted = task.targets(targets, answer)
    if not isinstance(wanted, Tensor) or wanted.numel() != targets.numel() or wanted.numel() < 2:
        return None
    places = _places(task, answer, wanted)
    if places is None:
        return None
    try:
        offsets = [_offset(task, answer, targets, place, (wanted.shape, places)) for place in _chosen(wanted)]
    except Exception:  # a loss of the person's own may refuse a target that it did not expect
        return None
    seen = [offset for offset in offsets if offset is not None]
    astray = [offset for offset in seen if any(offset)]
    # A loss that shifts its targets by itself (the next token) does so by the same way everywhere along one axis.
    steady = len(set(seen)) == 1 and len(astray) > 0 and sum(step != 0 for step in astray[0]) == 1 and not astray[0][0]
    return Alignment(looked=len(seen), astray=len(astray), shifted=steady)


def _of_main(task: Task, answer: Any) -> Task:
    """The task with a loss of the main tensor among the outputs, the other parts kept."""
    of_main, criterion = copy(task), task.criterion
    of_main.criterion = lambda main, wanted: criterion(with_main(answer, main), wanted)
    return of_main


def _places(task: Task, answer: Tensor, wanted: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Changes of the gradient [as the outputs] -> the largest at each target's place [as the targets]."""
    if answer.shape == wanted.shape:
        return lambda change: change
    axis = class_axis(task, answer, wanted)
    if axis is not None:
        return lambda change: change.amax(axis)
    by_size = _permuted(answer, wanted)
    if by_size is not None:
        return by_size
    if answer.dim() > 1 and len(answer) == len(wanted):  # by sample alone
        return lambda change: change.reshape(len(change), -1).amax(1)
    return None


def _permuted(answer: Tensor, wanted: Tensor) -> Callable[[Tensor], Tensor] | None:
    """Outputs [L, B, C] for targets [B, L] of another length than B: time comes first."""
    if wanted.dim() != 2 or answer.dim() != 3 or wanted.is_floating_point() or wanted.shape[0] == wanted.shape[1]:
        return None
    if tuple(answer.shape[:2]) != (wanted.shape[1], wanted.shape[0]):
        return None
    return lambda change: change.amax(2).t()


def _chosen(wanted: Tensor) -> list[int]:
    """Places of targets spread over the set, of those that are no marker."""
    flat = wanted.reshape(-1)
    known = (flat >= 0).nonzero().flatten() if not flat.is_floating_point() else torch.arange(len(flat))
    if not len(known):
        return []
    draw = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:LOOKS]
    return [int(known[index]) for index in draw]


def _offset(
    task: Task, answer: Tensor, targets: Tensor, place: int, layout: tuple[torch.Size, Callable[[Tensor], Tensor]]
) -> tuple[int, ...] | None:
    """How far from its place a changed target is felt most, by axis; zeros where its own output feels it; None where
    nothing does."""
    shape, places = layout
    changed = targets.clone()
    flat = changed.reshape(-1)
    flat[place] = _another(flat, place)
    gradients = [_gradient(task, answer, values) for values in (targets, changed)]
    change = places((gradients[0] - gradients[1]).abs())
    largest = float(change.max())
    if not 0 < largest < math.inf:
        return None
    own = tuple(int(index) for index in torch.unravel_index(torch.tensor(place), shape))[: change.dim()]
    homes = [own]
    if len(own) > 1 and shape[0] == shape[1]:
        homes.append((own[1], own[0], *own[2:]))  # time may come first: sizes do not tell
    if max(float(change[home]) for home in homes) > LEAST * largest:
        return (0,) * change.dim()
    felt = torch.unravel_index(change.argmax().cpu(), change.shape)
    return tuple(int(there) - here for there, here in zip(felt, own, strict=True))


def _another(flat: Tensor, place: int) -> Tensor:
    """A target that differs: another one that occurs, the farthest from it; or its opposite where all are equal."""
    valid = flat if flat.is_floating_point() else flat[flat >= 0]
    low, high = valid.min(), valid.max()
    middle = (low.double() + high.double()) / 2
    other = low if flat[place].double() > middle else high
    return other if other != flat[place] else 1 - other


def _gradient(task: Task, answer: Tensor, targets: Tensor) -> Tensor:
    torch.manual_seed(0)  # a loss that draws draws the same
    leaf = answer.detach().clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(task.loss(leaf, targets), leaf, allow_unused=True)
    return torch.zeros_like(answer) if gradient is None else gradient
