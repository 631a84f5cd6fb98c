"""Fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn

from tunekit.training.models.layers import (
    DropoutSetting,
    InitSetting,
    NormSetting,
    activation_of,
    draw_weights,
    dropout_rates,
    dropped,
    norm_of,
    refuse_both,
    sizes,
    whole,
)

DEPTH, WIDTH = 2, 128


def mlp(  # noqa: PLR0913 - the recipe's `model.args`
    shape: Sequence[int],
    outputs: int,
    hidden: Sequence[int] | None = None,
    depth: int | None = None,
    width: int | None = None,
    batch_norm: NormSetting = False,
    dropout: DropoutSetting = 0.0,
    activation: str = "relu",
    init: InitSetting = "default",
) -> nn.Module:
    """Fully connected layers over flattened inputs [B, *shape] to [B, outputs].

    `hidden` has each hidden layer's size ([] is a linear model); or `depth` layers of `width`, of which a search can
    vary one. A hidden layer is linear, BatchNorm, activation, dropout; with BatchNorm it has no bias, which that would
    take away again. `dropout` is one probability of dropping for all hidden layers, or [inputs, hidden layers] or
    [inputs, first, second, ...]. `init` is that of the hidden layers; the last stays as torch draws it, so that the
    first outputs are small. Errors: ValueError.
    """
    layers = sizes_of("hidden", hidden, depth, width, (DEPTH, WIDTH))
    of_inputs, rates = dropout_rates(dropout, len(layers))
    parts: list[nn.Module] = [nn.Flatten(), *dropped(of_inputs)]
    before = prod(shape)
    for size, rate in zip(layers, rates, strict=True):
        parts += dense(before, size, batch_norm, activation, rate)
        before = size
    draw_weights(parts, init)
    return nn.Sequential(*parts, nn.Linear(before, outputs))


def dense(before: int, size: int, batch_norm: NormSetting, activation: str, rate: float) -> list[nn.Module]:
    """One hidden layer: linear, BatchNorm, activation, dropout."""
    norm = norm_of(batch_norm, nn.BatchNorm1d)
    normalized = [] if norm is None else [norm(size)]
    return [nn.Linear(before, size, bias=norm is None), *normalized, activation_of(activation), *dropped(rate)]


def sizes_of(
    name: str, listed: Sequence[int] | None, depth: int | None, width: int | None, usual: tuple[int, int]
) -> list[int]:
    """The sizes of hidden layers: as listed, or so many of one width. Errors: ValueError."""
    refuse_both(name, listed, {"depth": depth, "width": width})
    if listed is not None:
        return sizes(name, listed)
    size = whole("width", usual[1] if width is None else width)
    return [size] * whole("depth", usual[0] if depth is None else depth, 0)
