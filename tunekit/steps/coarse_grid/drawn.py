"""Drawn cells: the space that a sampler draws from, where each searched optimizer has rates and decays of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tunekit.configuration import Values, decimal
from tunekit.recipe.optimizers import OWN_RATE
from tunekit.space import Axis, Choices, Range
from tunekit.steps.coarse_grid.decays import decay_ladder
from tunekit.steps.context import Context
from tunekit.steps.lr_sweep import STEP as lr_sweep
from tunekit.steps.lr_sweep import rates_of

if TYPE_CHECKING:
    from tunekit.steps.coarse_grid.plan import CoarseGrid

OPTIMIZER = "optimizer."
WIDER = 2.0  # beyond the sweep's working range, each way


def drawn_axes(context: Context[CoarseGrid]) -> dict[str, Axis]:
    """Rates and weight decays of all searched optimizers."""
    searched = {path: values for path, values in context.recipe.search.items() if path.startswith(OPTIMIZER)}
    optimizers = [dict(zip(searched, values, strict=True)) for values in itertools.product(*searched.values())]
    lows, highs = zip(*(_rates(context, values) for values in optimizers), strict=True)
    low, high = min(lows), max(highs)
    decays = dict.fromkeys(decay for values in optimizers for decay in _decays(context, values))
    return {
        "lr": Choices((low,)) if low == high else Range(low, high, log=True),
        "weight_decay": Choices(tuple(decays)),
    }


def with_own(context: Context[CoarseGrid], params: Values) -> Values:
    """Drawn parameters with the rate and the decay in the ranges of their own optimizer. What lies there stays, so that
    a draw that is read back is the same; what lies elsewhere goes evenly into it, so that draws stay even."""
    axes, own = drawn_axes(context), _rates(context, params)
    whole, decays = axes["lr"], _decays(context, params)
    rate = params["lr"] if isinstance(whole, Choices) else _into(params["lr"], own, (whole.low, whole.high))
    every = axes["weight_decay"]
    assert isinstance(every, Choices)
    others = [decay for decay in every.values if decay not in decays]
    decay = params["weight_decay"]
    if decay in others:
        decay = decays[others.index(decay) % len(decays)]
    return {**params, "lr": rate, "weight_decay": decay}


def _into(rate: float, own: tuple[float, float], whole: tuple[float, float]) -> float:
    """A rate between `whole` as one between `own`, both on a logarithmic scale."""
    low, high = own
    if low <= rate <= high or own == whole:
        return rate
    beside = math.log(low / whole[0]) + math.log(whole[1] / high)
    place = math.log(rate / whole[0]) - (math.log(high / low) if rate > high else 0.0)
    return decimal(low * (high / low) ** (place / beside))


def _rates(context: Context[CoarseGrid], values: Values) -> tuple[float, float]:
    """The lowest and the highest rate of the optimizer that these searched values make: of the recipe's the sweep's
    working range, widened; of another that range moved by how far its usual rates lie from the recipe's."""
    base, other = context.optimizer(), context.optimizer(values)
    if other.finds_rate:
        return OWN_RATE, OWN_RATE
    if base.finds_rate:
        ladder = rates_of(context.of(lr_sweep).at(_of_optimizer(values)))
        return ladder[0], ladder[-1]
    rate, swept = context.recipe.optimizer.lr, context.handoff(lr_sweep)
    low, high = swept.range if swept else (rate, rate)
    factor = other.rate_factor / base.rate_factor
    return decimal(factor * min(low, rate) / WIDER), decimal(factor * max(high, rate) * WIDER)


def _decays(context: Context[CoarseGrid], values: Values) -> Sequence[float]:
    base, other = context.optimizer(), context.optimizer(values)
    rate = context.recipe.optimizer.lr * other.rate_factor / base.rate_factor
    return decay_ladder(context, context.settings.weight_decays, _of_optimizer(values), rate)


def _of_optimizer(values: Values) -> dict[str, Any]:
    return {path: value for path, value in values.items() if path.startswith(OPTIMIZER)}
