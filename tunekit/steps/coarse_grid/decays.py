"""Which weight decays the grid tries, and whether they act at all.

A decay in the loss (L2) is tried by the classical ladder. A decoupled one shrinks the weights by rate times decay at
each iteration: it forgets within 1 / (rate x decay) iterations, so its ladder is one of times, in epochs (Wang and
Aitchison, 'How to set AdamW's weight decay as you scale model and dataset size', arXiv 2405.13698).
"""

from __future__ import annotations

from typing import Any

from tunekit.configuration import Values, decimal
from tunekit.steps.context import LENGTH, Context
from tunekit.steps.noise import finite, last_validation, sample_losses
from tunekit.vocabulary import Record

CLASSICAL = (0.0, 1e-5, 1e-4, 1e-3)
TIMES = (10.0, 3.0, 1.0)  # in which the weights are forgotten, over the length of the fine run; and never
ALIKE = 1e-3  # of the losses: a decay that changes no more of them does nothing


def decay_ladder(
    context: Context[Any], given: tuple[float, ...] | None, values: Values, rate: float
) -> tuple[float, ...]:
    """The recipe's own decays, or those of the optimizer at this rate. `values`: searched ones."""
    if given is not None:
        return given
    if not context.optimizer(values).decoupled:
        return CLASSICAL
    epochs = context.recipe.settings(LENGTH).epochs
    iterations = epochs * context.iterations_per_epoch(values)
    return (0.0, *(decimal(1 / (rate * iterations * time)) for time in TIMES))


def forgotten_in(context: Context[Any], params: Values) -> float | None:
    """Epochs within which a decoupled decay forgets the weights; None for none."""
    product = float(params["lr"]) * float(params["weight_decay"])
    return 1 / (product * context.iterations_per_epoch(params)) if product > 0 else None


def alike(first: Record, second: Record) -> bool:
    """Whether two trainings that differ in weight decay alone came to the same: it does nothing."""
    import numpy as np

    ends = [last_validation(record, "val_loss") for record in (first, second)]
    if first.error or second.error or not all(map(finite, ends)):
        return False
    count = min(len(first.val_losses), len(second.val_losses))
    if not count:
        return ends[0] == ends[1]
    a, b = (np.asarray(sample_losses(record, count - 1), dtype=np.float64) for record in (first, second))
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    return bool(np.abs(a - b).mean() <= ALIKE * np.abs(a).mean())
