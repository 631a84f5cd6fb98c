"""Augmentations that change values where they are: colours, erasing, noise."""

from __future__ import annotations

import torch
from torch import Tensor

from tunekit.training.augmentations.drawing import Range, boxes, chosen, ends, size, within

LUMA = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in the grey of a picture (ITU-R BT.601), as torchvision has them."""


def jitter(
    x: Tensor, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2, hue: float = 0.0
) -> Tensor:
    """torchvision's ColorJitter on images [B, C, H, W] of 0 (black) to 1 (white), with factors of each image's own:
    brightness, contrast and saturation are multiplied by a factor within 1 - value and 1 + value, the hue turns by up
    to `hue` of its circle (0.5 at most), in this order, and what leaves 0 to 1 is cut off. Saturation and hue are of
    three channels (red, green, blue) and leave others as they are."""
    size("hue", hue, 0.5)
    if size("brightness", brightness):
        x = brightened(x, _factors(x, brightness))
    if size("contrast", contrast):
        x = contrasted(x, _factors(x, contrast))
    if size("saturation", saturation) and x.shape[1] == 3:
        x = saturated(x, _factors(x, saturation))
    return hued(x, within(x, -hue, hue)) if hue and x.shape[1] == 3 else x


def _factors(x: Tensor, value: float) -> Tensor:
    return within(x, max(0.0, 1 - value), 1 + value)


def brightened(x: Tensor, factor: Tensor) -> Tensor:
    """Images times factors [B]."""
    return (x * factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Distances from the mean of the grey image, times factors [B]."""
    return _blended(x, _grey(x).mean((1, 2, 3), keepdim=True), factor)


def saturated(x: Tensor, factor: Tensor) -> Tensor:
    """Distances from the grey image, times factors [B]."""
    return _blended(x, _grey(x), factor)


def hued(x: Tensor, turn: Tensor) -> Tensor:
    """Hues turned by shares [B] of their circle; the largest and the smallest of a pixel's three values stay."""
    high, low = x.amax(1), x.amin(1)
    chroma = high - low
    red, green, blue = x.unbind(1)
    width = torch.where(chroma == 0, 1.0, chroma)
    # A pixel's place on a circle of six: by which value is the largest, and how far on the way to the next.
    of_red, of_green, of_blue = (green - blue) / width, 2 + (blue - red) / width, 4 + (red - green) / width
    place = torch.where(high == red, of_red, torch.where(high == green, of_green, of_blue))
    place = place + (6 * turn).view(-1, 1, 1)
    channels = []
    for start in (5, 3, 1):
        k = (place + start).remainder_(6)
        channels.append(high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, 1)


def _grey(x: Tensor) -> Tensor:
    """[B, 1, H, W]; of other than three channels their mean."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _blended(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other.expand_as(x), x, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def erase(
    x: Tensor,
    mean: Tensor,
    /,
    p: float = 0.5,
    scale: Range = (0.02, 0.33),
    ratio: Range = (0.3, 10 / 3),
    value: str | float = "mean",
) -> Tensor:
    """A box in each image with probability p, of a share of the area within `scale` and a height to width within
    `ratio` (Zhong et al., AAAI 2020). `value`: what is put there: the training images' mean, `random` (each value
    uniform from black to white), or a number from 0 (black) to 1 (white)."""
    area = ends("scale", scale, most=1.0)
    hole = boxes(x, area, ends("ratio", ratio)).mask(x) & chosen(x, p).view(-1, 1, 1, 1)
    if value == "mean":
        return torch.where(hole, mean, x)
    if value == "random":
        return torch.where(hole, torch.rand_like(x), x)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"value: mean, random, or a number from 0 (black) to 1 (white), not {value!r}")
    return x.masked_fill(hole, float(value))


def noise(x: Tensor, std: float = 0.1) -> Tensor:
    """Gaussian noise on any input, of standard deviation `std` in the units in which the model gets it."""
    return x + torch.randn_like(x) * size("std", std)
