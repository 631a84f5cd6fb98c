"""L1, and regularisers off without editing the person's model: dropout in modules, attributes and functional calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize, remove_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.training.normalisations import normalising_parameters

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


def penalized_weights(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that L1 is on: those that train and have two dimensions or more (matrices, kernels, embeddings),
    which leaves out biases, and none of a normalisation layer's."""
    left_out = normalising_parameters(model)
    return [p for p in model.parameters() if p.requires_grad and p.dim() >= 2 and id(p) not in left_out]


@torch.no_grad()
def add_l1(weights: Sequence[nn.Parameter], strength: float) -> None:
    """Add the subgradient of strength * sum |w| to the gradients of the weights that train now: strength * sign(w), and
    0 at 0."""
    for weight in weights:
        if not weight.requires_grad:
            continue  # frozen for now
        if weight.grad is None:
            weight.grad = strength * weight.sign()
        elif weight.grad.is_sparse:
            weight.grad = weight.grad.to_dense() + strength * weight.sign()
        else:
            weight.grad.add_(weight.sign(), alpha=strength)


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
