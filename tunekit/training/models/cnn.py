"""Plain convolutions with pooling."""

from __future__ import annotations

from collections.abc import Sequence

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
from tunekit.training.models.mlp import dense
from tunekit.vocabulary import UserError

DEPTH, WIDTH = 2, 32


def cnn(  # noqa: PLR0913 - the recipe's `model.args`
    shape: Sequence[int],
    outputs: int,
    channels: Sequence[int] | None = None,
    hidden: Sequence[int] = (),
    depth: int | None = None,
    width: int | None = None,
    convolutions: int = 1,
    batch_norm: NormSetting = True,
    dropout: DropoutSetting = 0.0,
    activation: str = "relu",
    init: InitSetting = "default",
) -> nn.Module:
    """Stages of 3x3 convolutions with pooling by 2 after each stage, then fully connected layers: [B, C, H, W] to
    [B, outputs].

    `channels` has each stage's; or `depth` stages, the first of `width` channels and each further one of twice as many.
    A stage has so many `convolutions` (1; 2 as in VGG, Simonyan and Zisserman, ICLR 2015). `hidden` are the fully
    connected layers before the last. BatchNorm, `init` and activation are those of all hidden layers. `dropout` is
    one probability of dropping for the fully connected part (`hidden`, or before the last layer where there are
    none), [inputs, fully connected part], or [inputs, each stage ..., each of `hidden` ...]. Errors: UserError,
    ValueError.
    """
    if len(shape) != 3:
        raise UserError(f"model: cnn takes images [C, H, W], not samples of shape {list(shape)}; use mlp")
    refuse_both("channels", channels, {"depth": depth, "width": width})
    maps = _doubling(depth, width) if channels is None else sizes("channels", channels)
    after = sizes("hidden", hidden)
    of_inputs, of_maps, of_hidden, before_last = _rates(dropout, len(maps), len(after))
    before, height, breadth = shape
    norm = norm_of(batch_norm, nn.BatchNorm2d)
    layers: list[nn.Module] = dropped(of_inputs)
    for size, rate in zip(maps, of_maps, strict=True):
        for _ in range(whole("convolutions", convolutions)):
            layers.append(nn.Conv2d(before, size, 3, padding=1, bias=norm is None))
            layers += [*([] if norm is None else [norm(size)]), activation_of(activation)]
            before = size
        if min(height, breadth) >= 2:
            layers.append(nn.MaxPool2d(2))
            height, breadth = height // 2, breadth // 2
        layers += dropped(rate)
    flat: list[nn.Module] = [nn.Flatten()]
    before *= height * breadth
    for size, rate in zip(after, of_hidden, strict=True):
        flat += dense(before, size, batch_norm, activation, rate)
        before = size
    draw_weights([*layers, *flat], init)
    return nn.Sequential(*layers, *dropped(before_last), nn.Sequential(*flat, nn.Linear(before, outputs)))


def _doubling(depth: int | None, width: int | None) -> list[int]:
    first = whole("width", WIDTH if width is None else width)
    return [first * 2**k for k in range(whole("depth", DEPTH if depth is None else depth))]


def _rates(setting: DropoutSetting, maps: int, hidden: int) -> tuple[float, list[float], list[float], float]:
    """Of the inputs, of each stage, of each fully connected hidden layer, and before the last layer."""
    if isinstance(setting, Sequence) and len(setting) != 2:
        of_inputs, rates = dropout_rates(setting, maps + hidden)
        return of_inputs, rates[:maps], rates[maps:], 0.0
    of_inputs, rates = dropout_rates(setting, max(1, hidden))
    return of_inputs, [0.0] * maps, rates[:hidden], 0.0 if hidden else rates[0]
