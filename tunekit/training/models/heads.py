"""Which layer of a model gives its outputs, and another one in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.data import Batch
from tunekit.training.models.hooks import hookable
from tunekit.training.normalisations import NORMALISATIONS
from tunekit.training.structure import tensors
from tunekit.vocabulary import UserError

Answer = Callable[[nn.Module], Any]
"""A pass of a model over a few samples."""


@torch.no_grad()
def output_layers(model: nn.Module, answer: Answer) -> list[str]:
    """The layers that give the outputs of a pass: for each part of them the layer with a matrix or a kernel whose
    output it is, or else the last that was called and gives as many channels. Module order is not asked: a classifier
    may be a convolution (SqueezeNet), and may stand before layers that are used earlier."""
    calls: list[tuple[str, list[Tensor]]] = []

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, out: calls.append((name, list(tensors(out))))

    hooks = [module.register_forward_hook(noting(name)) for name, module in _layers(model)]
    try:
        parts = [part for part in tensors(answer(model)) if part.is_floating_point()]
    finally:
        for hook in hooks:
            hook.remove()
    latest = calls[::-1]
    found = []
    for part in parts:
        same = [name for name, outs in latest if any(out.data_ptr() == part.data_ptr() for out in outs)]
        alike = [name for name, outs in latest if any(_channels(out) & _channels(part) for out in outs)]
        found += (same or alike)[:1]
    return list(dict.fromkeys(found))


def replace_head(model: nn.Module, sample: Batch, outputs: int | None) -> None:
    """Fresh layers of so many outputs in the place of those that give the outputs, where theirs are of another number.
    Errors: UserError."""
    if outputs is None:
        return
    try:
        # In train mode side classifiers speak too; what the pass moves, it moves in a copy.
        names = output_layers(deepcopy(model).train(), lambda copy: copy(*sample.args, **sample.kwargs))
    except Exception:  # of a network that does not take these samples: training says so
        names = []
    for name in names or _last(model):
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, _resized(model.get_submodule(name), outputs))


def _resized(layer: nn.Module, outputs: int) -> nn.Module:
    """A layer as this one, but for the number of its outputs; this one itself where that is the same."""
    bias = getattr(layer, "bias", None) is not None
    if isinstance(layer, nn.Linear):
        same = layer.out_features == outputs
        return layer if same else nn.Linear(layer.in_features, outputs, bias)
    if isinstance(layer, nn.Conv2d):
        if layer.out_channels == outputs:
            return layer
        return nn.Conv2d(
            layer.in_channels,
            outputs,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            bias=bias,
        )
    raise UserError(
        f"model: its outputs come from a {type(layer).__name__}, which is not replaced: build your own head"
    )


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers with a matrix or a kernel of their own, but for look-ups and normalisations."""
    for name, module in hookable(model):
        own = [p for p in module.parameters(recurse=False) if p.dim() >= 2]
        if own and not isinstance(module, (nn.Embedding, nn.EmbeddingBag, *NORMALISATIONS)) and name:
            yield name, module


def _last(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1:]


def _channels(part: Tensor) -> set[int]:
    """The sizes that may count the classes: the second axis' and the last one's; 1 of a number a sample."""
    return {part.shape[1], part.shape[-1]} if part.dim() >= 2 else {1}
