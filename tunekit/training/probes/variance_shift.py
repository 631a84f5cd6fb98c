"""Dropout before BatchNorm: by how much it changes the variance that BatchNorm sees. Li et al., CVPR 2019."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.measured import VarianceShift
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.normalisations import batch_norms
from tunekit.training.probes.asking import undisturbed
from tunekit.training.regularizers import DROPOUT_CALLS
from tunekit.training.seeds import seed_everything
from tunekit.training.structure import tensors

BATCHES = 4  # over which a variance is taken
ENOUGH = 16  # values a channel, below which a variance says nothing
NO_DROPOUT = (F.scaled_dot_product_attention, F.cross_entropy)  # among the calls that regularise
NORMALIZING = (F.batch_norm, F.instance_norm, F.layer_norm, F.group_norm, torch.batch_norm)

CLEAN, DIRECT, THROUGH = 0, 1, 2
"""No dropout since the last normalisation; dropout, and nothing with weights behind it; dropout, and then weights."""


class _Following(TorchFunctionMode):
    """Follows what dropout has changed through a pass, or (`off`) leaves dropout out."""

    def __init__(self, off: bool) -> None:
        super().__init__()
        self.off = off
        self._levels: dict[int, tuple[Tensor, int]] = {}  # with the tensor itself: an id alone is used again

    def level(self, value: Tensor) -> int:
        return self._levels.get(id(value), (value, CLEAN))[1]

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Values | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        drops = func in DROPOUT_CALLS and func not in NO_DROPOUT and _acts(func, args, kwargs)
        if drops and self.off:
            name, position = DROPOUT_CALLS[func]
            if len(args) > position:
                args = (*args[:position], 0.0, *args[position + 1 :])
            else:
                kwargs[name] = 0.0
        out = func(*args, **kwargs)
        if not self.off:
            self._follow(func, [args, kwargs], out, drops)
        return out

    def _follow(self, func: Callable[..., Any], given: list[Any], out: object, drops: bool) -> None:
        results = list(tensors(out))
        if not results or func in NORMALIZING:
            return
        inputs = list(tensors(given))
        level = max((self.level(value) for value in inputs), default=CLEAN)
        if drops:
            level = DIRECT
        elif level and any(isinstance(value, nn.Parameter) for value in inputs):
            level = THROUGH
        if level:
            for value in results:
                self._levels[id(value)] = (value, level)


def _acts(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Values) -> bool:
    """Whether a call drops anything: `func(input, p, training)`."""
    name, position = DROPOUT_CALLS[func]
    rate = args[position] if len(args) > position else kwargs.get(name, 0.5)
    after = position + 1
    training = args[after] if len(args) > after else kwargs.get("training", kwargs.get("train", True))
    return bool(training) and rate > 0


@dataclass
class _Sums:
    """Of what a layer was given: values, their sum and that of their squares, by channel."""

    count: int = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    level: int = CLEAN
    smallest: int = field(default=1 << 62)  # values a channel in a call

    def add(self, x: Tensor, level: int) -> None:
        axes = [axis for axis in range(x.dim()) if axis != 1]
        values = x.detach().double()
        self.count += x.numel() // x.shape[1]
        self.smallest = min(self.smallest, x.numel() // x.shape[1])
        self.total = self.total + values.sum(axes)
        self.squares = self.squares + values.square().sum(axes)
        self.level = self.level or level

    @property
    def variance(self) -> Tensor:
        mean = torch.as_tensor(self.total) / self.count
        return torch.as_tensor(self.squares) / self.count - mean.square()


@torch.no_grad()
def measure_shifts(session: Session, batches: Sequence[Batch]) -> tuple[VarianceShift, ...]:
    """The BatchNorm layers in train mode whose inputs dropout has changed since the last normalisation."""
    model = session.model
    norms = batch_norms(model)
    if not norms:
        return ()
    buffers = [(value, value.clone()) for value in model.buffers()]
    try:
        dropping = _pass(session, batches[:1], norms, off=False)
        if not any(sums.level for sums in dropping.values()):
            return ()
        dropping = _pass(session, batches[:BATCHES], norms, off=False)
        plain = _pass(session, batches[:BATCHES], norms, off=True)
    finally:
        for value, old in buffers:
            value.copy_(old)
    shifts = []
    for name, sums in dropping.items():
        if not sums.level or name not in plain or sums.smallest < ENOUGH:
            continue
        before = plain[name].variance
        varies = before > 1e-12 * (1 + before.mean())
        if bool(varies.any()):
            ratio = float((sums.variance[varies] / before[varies]).median())
            shifts.append(VarianceShift(layer=name, ratio=ratio, direct=sums.level == DIRECT))
    return tuple(shifts)


def _pass(session: Session, batches: Sequence[Batch], norms: dict[str, Any], off: bool) -> dict[str, _Sums]:
    """What each layer is given over some batches in train mode."""
    seen: dict[str, _Sums] = {}
    following = _Following(off)

    def look(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if module.training:
                seen.setdefault(name, _Sums()).add(inputs[0], following.level(inputs[0]))

        return hook

    hooks = [module.register_forward_pre_hook(look(name)) for name, module in norms.items()]
    session.model.train()
    try:
        with undisturbed():
            seed_everything(session.config.seed, "shift")
            for batch in batches:
                following = _Following(off)
                with following:
                    session.forward(session.model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return seen
