"""The residual network for small images: He et al., 'Deep Residual Learning', CVPR 2016, section 4.2."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from tunekit.training.models.layers import (
    InitSetting,
    NormSetting,
    activation_of,
    draw_weights,
    dropout_rates,
    dropped,
    norm_of,
    whole,
)
from tunekit.vocabulary import UserError

CHANNELS = (16, 32, 64)  # of the three stages, at width 1


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity: y = act(x + f(x)). Where the channels grow, the identity takes every
    second place and is filled with channels of zeros (option A of the paper: no weights)."""

    def __init__(self, before: int, after: int, norm: NormSetting, activation: str) -> None:
        super().__init__()
        self.stride, self.more = (1, 0) if before == after else (2, after - before)
        self.body = nn.Sequential(
            *_convolution(before, after, self.stride, norm),
            activation_of(activation),
            *_convolution(after, after, 1, norm),
        )
        self.activation = activation_of(activation)

    def forward(self, x: Tensor) -> Tensor:
        same = x if not self.more else F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        out: Tensor = self.activation(same + self.body(x))
        return out


def resnet(  # noqa: PLR0913 - the recipe's `model.args`
    shape: Sequence[int],
    outputs: int,
    depth: int = 20,
    width: int = 1,
    batch_norm: NormSetting = True,
    dropout: float = 0.0,
    activation: str = "relu",
    init: InitSetting = "he",
) -> nn.Module:
    """A residual network for images of some 32x32: [B, C, H, W] to [B, outputs].

    One 3x3 convolution, three stages of n blocks with 16, 32 and 64 channels times `width` (the second and the third
    begin with stride 2), the mean over all places, and a linear layer: depth = 6n + 2. `dropout` is the probability of
    dropping before the last layer, behind every BatchNorm. Errors: UserError, ValueError.
    """
    if len(shape) != 3:
        raise UserError(f"model: resnet takes images [C, H, W], not samples of shape {list(shape)}; use mlp")
    if whole("depth", depth) < 8 or (depth - 2) % 6:
        raise ValueError(f"depth is 6n + 2 for n blocks in each of three stages: 8, 14, 20, 32, 44, 56, not {depth}")
    channels = [size * whole("width", width) for size in CHANNELS]
    _, [rate] = dropout_rates(dropout, 1)
    layers: list[nn.Module] = [*_convolution(shape[0], channels[0], 1, batch_norm), activation_of(activation)]
    before = channels[0]
    for after in channels:
        for _ in range((depth - 2) // 6):
            layers.append(Block(before, after, batch_norm, activation))
            before = after
    draw_weights((module for layer in layers for module in layer.modules()), init)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped(rate), nn.Linear(before, outputs))


def _convolution(before: int, after: int, stride: int, setting: NormSetting) -> list[nn.Module]:
    norm = norm_of(setting, nn.BatchNorm2d)
    convolution = nn.Conv2d(before, after, 3, stride, padding=1, bias=norm is None)
    return [convolution] if norm is None else [convolution, norm(after)]
