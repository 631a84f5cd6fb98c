"""Where the classes lie in outputs of several positions, and which targets the outputs stand for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SURE = 12.0  # a logit that leaves the other classes e^-12 each: as good as certain
CLEARLY = 0.7  # of the loss of the usual reading, below which another one is taken


@dataclass(frozen=True)
class Reading:
    """Classes lie along `axis` of the outputs; those at position t stand for the targets at position t + ahead."""

    axis: int = 1
    ahead: int = 0

    def outputs(self, outputs: Tensor) -> Tensor:
        """Outputs as [B, C, ...]."""
        return outputs if self.axis == 1 else outputs.movedim(self.axis, 1)

    def aligned(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs [B, C, ...] and the targets [B, ...] that they stand for, without those that have no counterpart."""
        outputs = self.outputs(outputs)
        if outputs.shape[2:] == targets.shape[1:] and not self.ahead:
            return outputs, targets
        first, start = max(0, -self.ahead), max(0, self.ahead)
        length = min(outputs.shape[2] - first, targets.shape[1] - start)
        return outputs[:, :, first : first + length], targets[:, start : start + length]


def readings(outputs: tuple[int, ...], targets: tuple[int, ...]) -> list[Reading]:
    """How outputs of this shape may stand for classes of that shape, the usual way first: [B, C, ...] or [B, ..., C];
    in sequences with positions more or less than the targets', at either end, and one place on where they are equal
    (a model of the next token whose loss shifts its targets).

    >>> readings((8, 5, 4, 4), (8, 4, 4)), readings((8, 10), (8,)), readings((8, 10), (8, 3))
    ([Reading(axis=1, ahead=0)], [Reading(axis=1, ahead=0)], [])
    """
    if len(outputs) != len(targets) + 1 or outputs[0] != targets[0]:
        return []
    found = []
    for axis in dict.fromkeys((1, len(outputs) - 1)):
        positions = outputs[1:axis] + outputs[axis + 1 :]
        if len(targets) != 2:
            if positions == targets[1:]:
                found.append(Reading(axis))
            continue
        more = positions[0] - targets[1]
        if abs(more) <= max(1, min(positions[0], targets[1]) // 2):
            found += [Reading(axis), Reading(axis, -more or 1)]
    # What fits as it stands comes before what must be cut.
    return sorted(found, key=lambda one: (one.axis != 1) if _fits(one, outputs, targets) else 2 + (one.axis != 1))


def _fits(one: Reading, outputs: tuple[int, ...], targets: tuple[int, ...]) -> bool:
    return not one.ahead and outputs[1 : one.axis] + outputs[one.axis + 1 :] == targets[1:]


def find_reading(loss: Callable[[Any, Any], Tensor], outputs: Tensor, targets: Tensor) -> Reading | None:
    """The reading of these outputs and classes; None where the shapes do not go together. Several ones are told apart
    by the loss: under the right one it is least where the outputs are certain of the targets."""
    fitting = readings(tuple(outputs.shape), tuple(targets.shape))
    if not fitting:
        return None
    usual = fitting[0] if _fits(fitting[0], tuple(outputs.shape), tuple(targets.shape)) else None
    if len(fitting) == 1 and usual is not None:
        return usual
    losses = [_at_certainty(loss, one, outputs, targets) for one in fitting]
    best = min(range(len(losses)), key=lambda place: losses[place] if math.isfinite(losses[place]) else math.inf)
    # What must be cut to fit may not be what it seems: the loss of knowing nothing must be beaten clearly.
    level = losses[0] if usual is not None else _at_certainty(loss, fitting[best], outputs, targets, sure=0.0)
    return fitting[best] if losses[best] < CLEARLY * level else usual


def any_label_will_do(loss: Callable[[Any, Any], Tensor], one: Reading, outputs: Tensor, targets: Tensor) -> bool:
    """Whether a loss is as low where the outputs are certain of the next class as of the right one: then it asks which
    samples are alike, and no output stands for a class."""
    classes = outputs.shape[one.axis]
    known = (targets >= 0) & (targets < classes)
    turned = torch.where(known, (targets + 1) % classes, targets)
    level = _at_certainty(loss, one, outputs, targets, sure=0.0)
    right, wrong = (_at_certainty(loss, one, outputs, targets, said, normal=False) for said in (targets, turned))
    return max(right, wrong) < CLEARLY * level and math.isclose(right, wrong, rel_tol=0.05, abs_tol=0.05 * abs(level))


def counts_beyond(loss: Callable[[Any, Any], Tensor], one: Reading, outputs: Tensor, targets: Tensor) -> bool:
    """Whether targets beyond the last output count in the loss, and are no marker that it leaves out: then outputs are
    no scores of classes, but the thresholds between grades, say."""
    beyond = targets >= outputs.shape[one.axis]
    if one.ahead or not bool(beyond.any()):
        return False
    leaf = outputs.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(loss(leaf, targets), leaf)
    except Exception:  # of a loss that does not take them, whatever it raises
        return False
    felt = one.outputs(gradient).abs().amax(1)
    return felt.shape == beyond.shape and bool((felt[beyond] > 0).any())


@torch.no_grad()
def _at_certainty(  # noqa: PLR0913 - what is certain of what, and how
    loss: Callable[[Any, Any], Tensor],
    one: Reading,
    outputs: Tensor,
    targets: Tensor,
    said: Tensor | None = None,
    sure: float = SURE,
    normal: bool = True,
) -> float:
    """The loss of log-probabilities (or scores that are not `normal`) that are certain of each target, or of what is
    `said` in its place; NaN where it does not take them."""
    scores = torch.zeros_like(one.outputs(outputs))
    claimed = targets if said is None else said
    part, wanted = one.aligned(scores if one.axis == 1 else scores.movedim(1, one.axis), claimed)
    part.scatter_(1, wanted.clamp(0, scores.shape[1] - 1)[:, None], sure)  # a view: it writes into `scores`
    logits = torch.log_softmax(scores, 1) if normal else scores
    try:
        return float(loss(logits if one.axis == 1 else logits.movedim(1, one.axis), targets))
    except Exception:  # of a loss that does not take such outputs, whatever it raises
        return math.nan


def left_out(loss: Callable[[Any, Any], Tensor], one: Reading, outputs: Tensor, targets: Tensor) -> tuple[int, ...]:
    """The classes that a loss leaves out: a padding that is a class like others, and to whose positions it is blind.
    Asked by its gradient with respect to the outputs, at two draws of them."""
    felt = torch.zeros(0)
    draw = torch.Generator().manual_seed(0)
    for _ in range(2):
        free = torch.randn(outputs.shape, generator=draw).to(outputs).requires_grad_()
        try:
            with torch.enable_grad():
                value = loss(free, targets)
                (gradient,) = torch.autograd.grad(value, free)
        except Exception:  # of a loss that does not take such outputs, or has no gradient
            return ()
        steps, wanted = one.aligned(gradient, targets)
        here = (steps != 0).any(1)
        felt = here if not len(felt) else felt | here
    known = (wanted >= 0) & (wanted < outputs.shape[one.axis])
    heard = wanted[known & felt].unique()
    unheard = wanted[known & ~felt].unique()
    return tuple(value for value in unheard.tolist() if value not in heard.tolist()) if len(heard) else ()
