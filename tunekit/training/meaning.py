"""What losses and metrics of a person's own mean by outputs: asked by calling them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tunekit.training.structure import by_rows, changed, rows, tensors


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
