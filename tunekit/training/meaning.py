"""What losses and metrics of a person's own mean by outputs: asked by calling them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tunekit.training.structure import by_rows, changed, joined, rows, tensors

LOOKS = 4  # samples by which it is told whether a loss is one of single samples


@torch.no_grad()
def prefers_wrong(loss: Callable[[Any, Any], Tensor], targets: Tensor) -> bool:
    """Whether a binary loss is less where outputs are low for targets of 1 and high for those of 0, as that of a
    distance is."""
    near = 0.1 + 0.8 * targets.clamp(0, 1)
    try:
        return float(loss(near, targets)) > float(loss(1.0 - near, targets))
    except Exception:  # of a loss that takes no such outputs, whatever it raises
        return False


@torch.no_grad()
def judges_each(loss: Callable[[Any, Any], Tensor], outputs: Any, targets: Any) -> bool:
    """Whether a loss is one of single samples: beside itself a sample has the loss that it has alone (or twice that, of
    a sum). One that compares the samples of a batch has not, or takes no lone sample."""
    size = len(next(tensors(outputs)))
    if not by_rows(outputs, size) or not by_rows(targets, size):
        return False
    for k in range(min(LOOKS, size)):
        part = slice(k, k + 1)
        one, wanted = rows(outputs, part), rows(targets, part)
        try:
            alone, again = (float(loss(one, wanted)) for _ in range(2))
            both = float(loss(joined([one, one]), joined([wanted, wanted])))
        except Exception:  # of a lone sample, which it does not take
            return False
        if alone != again or not math.isfinite(alone):
            continue  # it draws, or leaves this sample out
        if not any(math.isclose(both, times * alone, rel_tol=1e-3, abs_tol=1e-6) for times in (1, 2)):
            return False
    return True


@torch.no_grad()
def looks_at_targets(loss: Callable[[Any, Any], Tensor], main: Tensor, targets: Any) -> bool:
    """Whether a loss of outputs that are numbers at random is another one where targets change their places."""
    if not isinstance(targets, Tensor) or not targets.dim() or bool((targets == targets[:1]).all()):
        return True
    drawn = torch.randn(main.shape, generator=torch.Generator().manual_seed(0)).to(main)
    try:
        here, there = float(loss(drawn, targets)), float(loss(drawn, targets.roll(1, 0)))
    except Exception:  # of outputs that it does not take, whatever it raises
        return True
    return not math.isclose(here, there, rel_tol=1e-6)


@torch.no_grad()
def averages_over_samples(score: Callable[[Any, Any], Tensor], outputs: Any, targets: Any) -> bool:
    """Whether a metric of a batch is the mean of its parts', by their sizes, as an accuracy is and an average precision
    is not: asked of these outputs and of random ones, since of outputs that know nothing much is the same."""
    size = len(next(tensors(outputs)))
    if size < 4 or not by_rows(outputs, size) or not by_rows(targets, size):
        return False
    draw = torch.Generator().manual_seed(0)

    def noisy(part: Tensor) -> Tensor:
        return part + part.float().std().clamp_min(1.0) * torch.randn(part.shape, generator=draw).to(part.device)

    for tried in (outputs, changed(outputs, lambda part: noisy(part) if part.is_floating_point() else part)):
        for cut in (size // 2, size // 4):
            try:
                both = float(score(tried, targets))
                first, second = (
                    float(score(rows(tried, part), rows(targets, part))) for part in (slice(0, cut), slice(cut, size))
                )
            except Exception:  # of a part that it does not take: a metric of the whole
                return False
            mean = (cut * first + (size - cut) * second) / size
            if not math.isclose(both, mean, rel_tol=1e-4, abs_tol=1e-6):
                return False
    return True
