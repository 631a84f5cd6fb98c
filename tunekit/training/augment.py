"""Augmentation on whole batches, drawn per sample, one entry each in AUGMENTATIONS. Draws come from the default
generator, which the loop seeds from the iteration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.configuration import Values
from tunekit.recipe import check_arguments
from tunekit.telling import refused
from tunekit.training.data import Batch
from tunekit.vocabulary import UserError

WIDEST = 1000
"""Pixels of padding: more would fill the memory with zeros."""


def _chosen(x: Tensor, p: float) -> Tensor:
    return torch.rand(len(x), device=x.device) < p


def flip(x: Tensor, p: float = 0.5) -> Tensor:
    """Mirror images [B, C, H, W] left to right with probability p each."""
    return torch.where(_chosen(x, p).view(-1, 1, 1, 1), x.flip(-1), x)


def crop(x: Tensor, padding: int = 4) -> Tensor:
    """Shift images by up to `padding` pixels each way, zeros coming in: a random crop of the padded image."""
    if not 0 <= padding <= WIDEST:
        raise ValueError(f"padding: 0 to {WIDEST:,} pixels, not {padding:,}")
    batch, _, height, width = x.shape
    padded = F.pad(x, (padding,) * 4)
    rows = torch.randint(0, 2 * padding + 1, (batch, 1), device=x.device) + torch.arange(height, device=x.device)
    columns = torch.randint(0, 2 * padding + 1, (batch, 1), device=x.device) + torch.arange(width, device=x.device)
    samples = torch.arange(batch, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def rotate(x: Tensor, degrees: float = 15.0, scale: float = 0.0) -> Tensor:
    """Rotate by up to `degrees` and scale by up to 1 +- `scale`, bilinear, zeros outside."""
    angle = (torch.rand(len(x), device=x.device) * 2 - 1) * math.radians(degrees)
    size = 1 + (torch.rand(len(x), device=x.device) * 2 - 1) * scale
    cos, sin, zero = angle.cos() / size, angle.sin() / size, torch.zeros_like(angle)
    matrix = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def erase(x: Tensor, p: float = 0.5, size: float = 0.3) -> Tensor:
    """Zero a square of up to `size` of the side in each image with probability p (Zhong et al., AAAI 2020)."""
    batch, _, height, width = x.shape
    side = torch.rand(batch, device=x.device) * size
    top, left = (torch.rand(batch, device=x.device) * (1 - side) for _ in range(2))
    rows = torch.arange(height, device=x.device) / height
    columns = torch.arange(width, device=x.device) / width
    inside_rows = (rows >= top[:, None]) & (rows < (top + side)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + side)[:, None])
    hole = inside_rows[:, None, :, None] & inside_columns[:, None, None, :] & _chosen(x, p).view(-1, 1, 1, 1)
    return x.masked_fill(hole, 0.0)


def noise(x: Tensor, std: float = 0.1) -> Tensor:
    """Add Gaussian noise, in units of the normalised input."""
    return x + torch.randn_like(x) * std


def jitter(x: Tensor, brightness: float = 0.2, contrast: float = 0.2) -> Tensor:
    """Shift and scale each image's values, in units of the normalised input."""
    shape = (len(x), *[1] * (x.dim() - 1))
    shift = (torch.rand(shape, device=x.device) * 2 - 1) * brightness
    factor = 1 + (torch.rand(shape, device=x.device) * 2 - 1) * contrast
    return x * factor + shift


@dataclass(frozen=True)
class Augmentation:
    """A function of the first input [B, ...] and the recipe's arguments; `images`: it takes [B, C, H, W] alone."""

    apply: Callable[..., Tensor]
    images: bool = False


AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(flip, images=True),
    "crop": Augmentation(crop, images=True),
    "rotate": Augmentation(rotate, images=True),
    "erase": Augmentation(erase, images=True),
    "noise": Augmentation(noise),
    "jitter": Augmentation(jitter),
}
"""By the name in `data.augment`, whose entries are names or {name: {arguments}}."""


def build_augmentation(entries: Sequence[str | Values]) -> Callable[[Batch], Batch]:
    """The augmentations of a recipe in order, as one function of a training batch. Errors: UserError."""
    chain: list[tuple[str, Augmentation, Values]] = []
    for entry in entries:
        name, args = (entry, {}) if isinstance(entry, str) else _entry(entry)
        if name not in AUGMENTATIONS:
            raise UserError(f"data.augment: no augmentation {name!r}; one of {', '.join(AUGMENTATIONS)}")
        check_arguments(AUGMENTATIONS[name].apply, args, f"data.augment: {name}")
        try:
            AUGMENTATIONS[name].apply(torch.zeros(1, 1, 8, 8), **args)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"data.augment: {name}: {refused(error)}") from None
        chain.append((name, AUGMENTATIONS[name], args))

    def augment(batch: Batch) -> Batch:
        if not chain:
            return batch
        if not batch.args:
            raise UserError("data.augment: works on the first input of tuple batches, not on dictionaries")
        x = batch.args[0]
        for name, augmentation, args in chain:
            if augmentation.images and x.dim() != 4:
                raise UserError(
                    f"data.augment: {name} takes images [C, H, W], not samples of shape {list(x.shape[1:])}"
                )
            x = augmentation.apply(x, **args)
        return Batch((x, *batch.args[1:]), batch.kwargs, batch.targets)

    return augment


def _entry(entry: object) -> tuple[str, Values]:
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, args = next(iter(entry.items()))
        if args is None or isinstance(args, Mapping):
            return str(name), dict(args or {})
    raise UserError(f"data.augment: an entry is a name or one {{name: {{arguments}}}}, not {entry!r}")
