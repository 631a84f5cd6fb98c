"""What black and white are in the numbers that a model gets, so that augmentations speak in units of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tunekit.training.data import LoaderSplit, Split
from tunekit.vocabulary import UserError

IN_MEMORY, READ = 1_000, 64  # training samples, evenly taken, by which black and white are found ...
VALUES = 2**24  # ... or so many that they have no more values than this


@dataclass(frozen=True)
class Units:
    """Image units: 0 is black and 1 is white. `black` and `width` (white less black) are in the numbers of the model's
    input, `mean` (of the training images) in image units; each [C, 1, 1]."""

    black: Tensor
    width: Tensor
    mean: Tensor

    def to_image(self, x: Tensor) -> Tensor:
        return (x - self.black) / self.width

    def to_input(self, x: Tensor) -> Tensor:
        return x * self.width + self.black

    def to(self, device: torch.device) -> Units:
        return Units(self.black.to(device), self.width.to(device), self.mean.to(device))


def units_of(split: Split | LoaderSplit) -> Units:
    """The units of the images of a training split, as tunekit normalises them or as they come.

    Where no value lies below zero (bytes, or numbers from 0 to 1), black is 0 and white the largest value; numbers with
    values below zero have been normalised by the person's own code, so black and white are each channel's least and
    largest value. Errors: UserError where the first input is no image [C, H, W].
    """
    normalize = getattr(split, "normalize", None)
    if isinstance(split, LoaderSplit):
        batch = next(split.batches())
    else:
        most = IN_MEMORY if getattr(split, "stored", None) is not None else READ
        batch = split.batch(_evenly(split, 1))
        values = sum(part[0].numel() for part in batch.args[:1] if isinstance(part, Tensor))
        batch = split.batch(_evenly(split, min(most, max(1, VALUES // max(1, values)))))
    x = batch.args[0] if batch.args else None
    if not isinstance(x, Tensor) or x.dim() != 4:
        told = list(x.shape[1:]) if isinstance(x, Tensor) else "that are no tensor"
        raise UserError(f"data.augment: takes images [C, H, W] as the first input, not samples {told}")
    x = x.float()
    if normalize is not None:
        x = x / normalize.scale + normalize.mean
    mean, low, high = x.mean((0, 2, 3)), x.amin((0, 2, 3)), x.amax((0, 2, 3))
    if float(low.min()) >= -1e-3 * float(high.max()):
        low, high = torch.zeros_like(low), high.max().expand_as(high)
    width = (high - low).clamp_min(1e-6)
    mean, low, width = (value.view(-1, 1, 1) for value in (mean, low, width))
    share = (mean - low) / width
    if normalize is not None:
        low, width = (low - normalize.mean) * normalize.scale, width * normalize.scale
    return Units(low, width, share)


def _evenly(split: Split, count: int) -> Tensor:
    return torch.linspace(0, len(split) - 1, min(len(split), count)).long()
