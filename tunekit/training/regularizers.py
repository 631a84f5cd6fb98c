"""Regularisers off without editing the person's model: dropout in modules, attributes and functional calls."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize, remove_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values

DROPOUT_CALLS: dict[Callable[..., object], tuple[str, int]] = {
    F.dropout: ("p", 1),
    F.dropout1d: ("p", 1),
    F.dropout2d: ("p", 1),
    F.dropout3d: ("p", 1),
    F.alpha_dropout: ("p", 1),
    F.feature_alpha_dropout: ("p", 1),
    torch.dropout: ("p", 1),
    F.scaled_dot_product_attention: ("dropout_p", 4),
    F.cross_entropy: ("label_smoothing", 7),
}
"""Function -> name and position of the argument that regularises: off where it is zero."""

DROPOUT_ATTRIBUTES = ("dropout", "drop_prob", "dropout_p", "attn_drop", "drop_path")
"""Float attributes by which recurrent, attention and stochastic-depth modules hold a dropout rate."""


class _Off(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Values | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func in DROPOUT_CALLS:
            name, position = DROPOUT_CALLS[func]
            if len(args) > position:
                args = (*args[:position], 0.0, *args[position + 1 :])
            else:
                kwargs = {**kwargs, name: 0.0}
        return func(*args, **kwargs)


def without_regularizers(model: nn.Module) -> None:
    """Set every dropout rate of the model to zero, in place, functional calls inside forward() included, and let
    weights that spectral normalisation bounds go free."""
    for module in list(model.modules()):  # some change below
        drops = isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ == "StochasticDepth"
        for name in ("p", *DROPOUT_ATTRIBUTES) if drops else DROPOUT_ATTRIBUTES:
            if isinstance(getattr(module, name, None), float | int):
                setattr(module, name, 0.0)
        _unbound(module)
    replaced = vars(model).get("forward")  # where the person's code has set it on the instance

    def plain(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with _Off():
            return replaced(*args, **kwargs) if replaced is not None else type(self).forward(self, *args, **kwargs)

    # A method of the instance, not a closure over it: a copy of the model (its moving average) runs its own weights.
    model.forward = MethodType(plain, model)


def _unbound(module: nn.Module) -> None:
    """Weights under spectral normalisation as plain ones, with the values that they have now (torch has two ways)."""
    if parametrize.is_parametrized(module):
        for name, steps in list(module.parametrizations.items()):  # type: ignore[union-attr, operator]
            if any(type(step).__name__ == "_SpectralNorm" for step in steps):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    if any(isinstance(hook, SpectralNorm) for hook in module._forward_pre_hooks.values()):
        remove_spectral_norm(module)
