"""Augmentations that move pixels: flips, crops, and any affine map in one sampling. Images [B, C, H, W], 0 black to 1
white; all of one size before and after."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.training.augmentations.drawing import Boxes, Range, boxes, chosen, ends, size, within

FILLS = {"black": "zeros", "mean": "zeros", "edge": "border", "reflect": "reflection"}
"""What comes in from outside the image, and how `grid_sample` calls it."""

LARGEST_SHEAR = 85.0  # degrees: at 90 the image is a line


def flip(x: Tensor, p: float = 0.5) -> Tensor:
    """Mirror left to right, each image with probability p."""
    return torch.where(chosen(x, p).view(-1, 1, 1, 1), x.flip(-1), x)


def vertical_flip(x: Tensor, p: float = 0.5) -> Tensor:
    """Mirror top to bottom, each image with probability p."""
    return torch.where(chosen(x, p).view(-1, 1, 1, 1), x.flip(-2), x)


def crop(x: Tensor, mean: Tensor, /, padding: int = 4, fill: str = "black") -> Tensor:
    """A window of the image's own size out of the image with `padding` pixels around it: a shift by up to so many
    pixels each way (He et al., CVPR 2016, for CIFAR: 4). `fill`: black, mean, edge or reflect."""
    if size("padding", padding) != int(padding):
        raise ValueError(f"padding: whole pixels, not {padding}")
    _known(fill)
    span = 2 * int(padding) + 1
    rows, columns = (
        torch.randint(0, span, (len(x), 1), device=x.device) - int(padding) + torch.arange(side, device=x.device)
        for side in x.shape[2:]
    )
    inside = _inside(rows, x.shape[2])[:, :, None] & _inside(columns, x.shape[3])[:, None, :]
    rows, columns = (_folded(rows, x.shape[2], fill), _folded(columns, x.shape[3], fill))
    places = (rows[:, :, None] * x.shape[3] + columns[:, None, :]).view(len(x), 1, -1).expand(-1, x.shape[1], -1)
    shifted = x.flatten(2).gather(2, places).view(x.shape)
    if FILLS[fill] != "zeros":
        return shifted
    outside = mean if fill == "mean" else torch.zeros((), device=x.device)
    return torch.where(inside[:, None], shifted, outside)


def resized_crop(x: Tensor, scale: Range = (0.25, 1.0), ratio: Range = (0.75, 4 / 3)) -> Tensor:
    """A box of a share of the area within `scale` and a height to width within `ratio`, brought back to the image's
    size, bilinear (Szegedy et al., CVPR 2015, whose scale begins at 0.08; images of 32 pixels want 0.25 or more)."""
    return enlarged(x, boxes(x, ends("scale", scale, most=1.0), ends("ratio", ratio)))


def enlarged(x: Tensor, boxes: Boxes) -> Tensor:
    """Each image's box, at the size of the whole image."""
    tall, wide = x.shape[2:]
    zero = torch.zeros_like(boxes.top)
    across = torch.stack([boxes.width / wide, zero, (2 * boxes.left + boxes.width) / wide - 1], 1)
    down = torch.stack([zero, boxes.height / tall, (2 * boxes.top + boxes.height) / tall - 1], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def rotate(x: Tensor, mean: Tensor, /, degrees: float = 15.0, fill: str = "black") -> Tensor:
    """Turn about the centre by up to `degrees` either way, bilinear."""
    angle = within(x, -size("degrees", degrees), degrees)
    return moved(x, turned(angle), fill, mean)


def affine(  # noqa: PLR0913 - the arguments of an entry of a recipe
    x: Tensor,
    mean: Tensor,
    /,
    degrees: float = 10.0,
    translate: float = 0.1,
    scale: Range = (0.9, 1.1),
    shear: float = 0.0,
    fill: str = "black",
) -> Tensor:
    """Turn (degrees), shift (`translate`: of the side; whole pixels), scale (factors, drawn logarithmically) and shear
    (degrees, along rows), each up to what is said, either way, in one bilinear sampling."""
    low, high = (math.log(end) for end in ends("scale", scale))
    matrix = turned(
        within(x, -size("degrees", degrees), degrees),
        within(x, low, high).exp(),
        within(x, -size("shear", shear, LARGEST_SHEAR), shear),
    )
    size("translate", translate)
    pixels = [(within(x, -translate, translate) * side).round() for side in (x.shape[3], x.shape[2])]
    return moved(x, matrix, fill, mean, torch.stack(pixels, 1))


def turned(angle: Tensor, factor: Tensor | None = None, shear: Tensor | None = None) -> Tensor:
    """The map [B, 2, 2] of (right, down) that turns counterclockwise by `angle` degrees, enlarges and shears."""
    cos, sin = (angle * (math.pi / 180)).cos(), (angle * (math.pi / 180)).sin()
    lean = torch.zeros_like(cos) if shear is None else (shear * (math.pi / 180)).tan()
    matrix = torch.stack([cos, cos * lean + sin, -sin, cos - sin * lean], 1).view(-1, 2, 2)
    return matrix if factor is None else matrix * factor.view(-1, 1, 1)


def moved(x: Tensor, matrix: Tensor, fill: str, mean: Tensor, pixels: Tensor | None = None) -> Tensor:
    """Images under a map about their centre [B, 2, 2] and a shift (right, down) [B, 2], bilinear. The map is of pixels:
    an image that is not square keeps its angles."""
    _known(fill)
    tall, wide = x.shape[2:]
    back = torch.linalg.inv(matrix)  # from a pixel that is drawn to where it comes from
    sides = back.new_tensor([wide, tall])
    theta = back * sides[None, None, :] / sides[None, :, None]
    shift = torch.zeros_like(theta[:, :, :1]) if pixels is None else theta @ (2 * pixels / sides)[:, :, None]
    grid = F.affine_grid(torch.cat([theta, -shift], 2), list(x.shape), align_corners=False)
    outside = mean if fill == "mean" else None
    sampled = x if outside is None else x - outside
    sampled = F.grid_sample(sampled, grid, padding_mode=FILLS[fill], align_corners=False)
    return sampled if outside is None else sampled + outside


def _known(fill: str) -> None:
    if fill not in FILLS:
        raise ValueError(f"fill: one of {', '.join(FILLS)}, not {fill!r}")


def _inside(places: Tensor, side: int) -> Tensor:
    return (places >= 0) & (places < side)


def _folded(places: Tensor, side: int, fill: str) -> Tensor:
    """Places outside as the places inside whose values come in there."""
    if fill != "reflect":
        return places.clamp(0, side - 1)
    period = max(1, 2 * (side - 1))
    places = places % period
    return torch.minimum(places, period - places)
