"""BatchNorm layers over one batch in train mode: how many values they see, and whether their statistics move."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Normalization
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.normalisations import batch_norms

ENOUGH = 16  # values a channel, below which two calls cannot be told apart


@dataclass
class _Seen:
    momentum: float | None
    before: tuple[Tensor, Tensor] | None  # running mean and variance
    values: list[int] = field(default_factory=list)  # a channel's, in each call
    inputs: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # mean and variance by channel


def measure_normalizations(session: Session, batch: Batch) -> tuple[Normalization, ...]:
    model = session.model
    norms = batch_norms(model)
    if not norms:
        return ()
    seen: dict[str, _Seen] = {}
    idle: set[str] = set()
    hooks = [module.register_forward_pre_hook(_look(name, seen, idle)) for name, module in norms.items()]
    model.train()
    try:
        with torch.no_grad():
            session.forward(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    share = session.config.batch_size / max(1, len(batch)) if session.splits.shareable else 1.0
    measured = [_measured(name, norms[name], layer, share) for name, layer in seen.items()]
    return (*measured, *(_held(name, norms[name]) for name in norms if name in idle))


@torch.no_grad()
def measure_single(session: Session, batch: Batch) -> tuple[str, ...]:
    """Layers that normalise one value at a time in each of their calls: what they give is their bias alone."""
    counts: dict[str, list[int]] = {}
    norms = [(name, m) for name, m in session.model.named_modules() if isinstance(m, nn.LayerNorm | nn.GroupNorm)]
    hooks = [
        module.register_forward_pre_hook(
            lambda m, inputs, name=name: counts.setdefault(name, []).append(_together(m, inputs[0]))
        )
        for name, module in norms
    ]
    try:
        if hooks:
            session.forward(session.model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(name for name, values in counts.items() if max(values) == 1)


def _together(module: nn.LayerNorm | nn.GroupNorm, x: Tensor) -> int:
    """The numbers of an input that are normalised with each other."""
    if isinstance(module, nn.LayerNorm):
        return math.prod(module.normalized_shape)
    return math.prod(x.shape[1:]) // module.num_groups


def _is_fresh(module: Any) -> bool:
    """Whether no batch has ever moved the statistics: then they are those of no data, and nothing is normalised."""
    mean, var, batches = module.running_mean, module.running_var, module.num_batches_tracked
    if mean is None or var is None or (batches is not None and int(batches)):
        return False
    return not bool(mean.any()) and bool((var == 1).all())


def _held(name: str, module: Any) -> Normalization:
    frozen = not any(p.requires_grad for p in module.parameters(recurse=False))
    return Normalization(name, module.momentum, calls=0, values=0, moved=False, frozen=frozen, idle=True)


def _look(name: str, seen: dict[str, _Seen], idle: set[str]) -> Callable[[nn.Module, Any], None]:
    def look(module: Any, inputs: tuple[Tensor, ...]) -> None:
        if not module.training:
            if _is_fresh(module):
                idle.add(name)
            return  # it is held in eval mode on purpose
        x = inputs[0].detach()
        layer = seen.setdefault(name, _Seen(module.momentum, _statistics(module)))
        axes = [axis for axis in range(x.dim()) if axis != 1]
        layer.values.append(x.numel() // max(1, x.shape[1]))
        layer.inputs.append((x.double().mean(axes), x.double().var(axes, unbiased=False)))

    return look


def _statistics(module: Any) -> tuple[Tensor, Tensor] | None:
    if module.running_mean is None or module.running_var is None:
        return None
    return module.running_mean.clone(), module.running_var.clone()


def _measured(name: str, module: Any, seen: _Seen, share: float) -> Normalization:
    after = _statistics(module)
    moved = after is None or seen.before is None
    if after is not None and seen.before is not None:
        moved = any(not torch.equal(old, new) for old, new in zip(seen.before, after, strict=True))
    weights = list(module.parameters(recurse=False))
    return Normalization(
        layer=name,
        momentum=seen.momentum,
        calls=len(seen.values),
        values=max(1, round(min(seen.values) * share)),
        moved=moved,
        frozen=bool(weights) and not any(p.requires_grad for p in weights),
        apart=_apart(seen),
    )


def _apart(seen: _Seen) -> float:
    """The largest distance of a call's inputs from the first's: of the means in standard deviations, or of the scales
    by the logarithm of their ratio; of the channel in the middle."""
    if len(seen.inputs) < 2 or min(seen.values) < ENOUGH:
        return 0.0
    (mean, var), *others = seen.inputs
    floor = 1e-12
    ways = [
        way
        for other_mean, other_var in others
        for way in (
            (other_mean - mean).abs() / (0.5 * (var + other_var)).clamp_min(floor).sqrt(),
            0.5 * (other_var.clamp_min(floor) / var.clamp_min(floor)).log().abs(),
        )
    ]
    return max(float(way.median()) for way in ways)
