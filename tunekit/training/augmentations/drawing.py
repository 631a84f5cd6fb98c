"""What augmentations draw: who is chosen, numbers within bounds, boxes. From the default generator, on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Range = Sequence[float]
"""[lowest, highest]."""


def chosen(x: Tensor, p: float) -> Tensor:
    """Truth values [B], each true with probability p. Errors: ValueError."""
    if not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ValueError(f"p: a probability, 0 to 1, not {p}")
    return torch.rand(len(x), device=x.device) < p


def within(x: Tensor, low: float, high: float) -> Tensor:
    """Numbers [B], uniform from `low` to `high`."""
    return low + (high - low) * torch.rand(len(x), device=x.device)


def ends(name: str, given: Range, least: float = 0.0, most: float = math.inf) -> tuple[float, float]:
    """The two ends of a range, above `least` and at most `most`. Errors: ValueError."""
    if isinstance(given, int | float) or len(given) != 2 or not least < given[0] <= given[1] <= most:
        bound = f", within {least:g} and {most:g}" if most < math.inf else f", above {least:g}"
        raise ValueError(f"{name}: [lowest, highest]{bound}, not {given}")
    return float(given[0]), float(given[1])


def size(name: str, value: float, most: float = math.inf) -> float:
    """A magnitude, which is not below zero. Errors: ValueError."""
    if not isinstance(value, int | float):
        raise ValueError(f"{name}: one number, not {value}")
    if not 0 <= value <= most:
        raise ValueError(f"{name}: from 0{f' to {most:g}' if most < math.inf else ''}, not {value}")
    return value


@dataclass(frozen=True)
class Boxes:
    """A rectangle of whole pixels in each image: all [B], on the device."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def mask(self, x: Tensor) -> Tensor:
        """[B, 1, H, W], true inside."""
        rows = torch.arange(x.shape[2], device=x.device)
        columns = torch.arange(x.shape[3], device=x.device)
        down, right = rows - self.top[:, None], columns - self.left[:, None]
        inside = ((down >= 0) & (down < self.height[:, None]))[:, :, None]
        return (inside & ((right >= 0) & (right < self.width[:, None]))[:, None, :])[:, None]


def boxes(x: Tensor, scale: tuple[float, float], ratio: tuple[float, float]) -> Boxes:
    """Boxes of a share of the area drawn from `scale` and a shape (height / width) drawn from `ratio`, logarithmically,
    anywhere in images x [B, C, H, W].

    Where others draw again until a box fits, shapes are drawn among those that fit with this area: nothing is refused,
    and the area stays uniform. Sides are rounded to whole pixels.
    """
    tall, wide = x.shape[2:]
    area = within(x, *scale)
    low = (area * (tall / wide)).clamp(ratio[0], ratio[1]).log()
    high = ((tall / wide) / area).clamp(ratio[0], ratio[1]).log()
    shape = (low + (high - low) * torch.rand(len(x), device=x.device)).exp()
    pixels = area * (tall * wide)
    height = (pixels * shape).sqrt().round().clamp(1, tall)
    width = (pixels / shape).sqrt().round().clamp(1, wide)
    top = (torch.rand(len(x), device=x.device) * (tall - height + 1)).floor().clamp_max(tall - height)
    left = (torch.rand(len(x), device=x.device) * (wide - width + 1)).floor().clamp_max(wide - width)
    return Boxes(top, left, height, width)
