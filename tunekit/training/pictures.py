"""Samples as pictures of bytes: some of each class, and some before and after the recipe's augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.charts import Picture
from tunekit.configuration import TrainingConfig
from tunekit.training.augmentations.showing import show_augmentation
from tunekit.training.building import build_task
from tunekit.training.data import Batch, LoaderSplit, Split, Splits, TensorSplit
from tunekit.training.probes.values import channel_axis, kind_of

A_CLASS = 8  # pictures of a class
CLASSES = 20  # that are shown; of more the first
AUGMENTED = 8  # samples before and after
LOOKED = 20_000  # samples among which those of a class are sought, evenly taken
BYTES = 64  # whole numbers that reach so far are 0 to 255, and are shown as they are


@dataclass(frozen=True)
class Scale:
    """How the values of pictures become bytes: `low` is black and `high` white."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Tensor) -> Scale:
        finite = values[torch.isfinite(values)].double()
        if not finite.numel():
            return cls(0.0, 1.0)
        low, high = float(finite.min()), float(finite.max())
        whole = bool((finite == finite.round()).all())
        if low >= 0 and high <= 255 and whole and high >= BYTES:
            return cls(0.0, 255.0)
        if low >= 0 and high <= 1 and not whole:
            return cls(0.0, 1.0)
        return cls(low, high if high > low else low + 1)

    def pictures(self, values: Tensor) -> list[Picture]:
        """Images [N, C, H, W], [N, H, W, C] or [N, H, W] as pictures of one or three channels."""
        if values.dim() == 3:
            values = values[..., None]
        elif channel_axis(values.shape[1:]) == 0:
            values = values.movedim(1, -1)
        channels = 3 if values.shape[-1] >= 3 else 1
        scaled = (torch.nan_to_num(values[..., :channels].double()) - self.low) / (self.high - self.low)
        pixels = (255 * scaled).round().clamp(0, 255).to(torch.uint8).cpu().contiguous()
        height, width = pixels.shape[1:3]
        return [Picture(height, width, channels, one.numpy().tobytes()) for one in pixels]


def pictured(batch: Batch) -> Tensor | None:
    """The first input, where it is pictures."""
    first = batch.inputs[0] if batch.inputs else None
    if not isinstance(first, Tensor) or first.dim() < 3 or len(first) != len(batch) or kind_of(first) != "images":
        return None
    return first


def _as_stored(split: Split, indices: Tensor) -> Batch:
    return split.take(indices).stored if isinstance(split, TensorSplit) else split.batch(indices)


def by_class(split: Split | LoaderSplit) -> list[tuple[int | None, list[Picture]]]:
    """Some training pictures of each class, the class in front; of others (None) just some. [] where there are none."""
    if isinstance(split, LoaderSplit) or not len(split):
        return []
    size = len(split)
    looked = torch.linspace(0, size - 1, min(size, LOOKED)).long()
    first = pictured(_as_stored(split, looked[:1]))
    if first is None:
        return []
    groups = _groups(split, looked)
    picks = torch.cat([places for _, places in groups])
    values = pictured(_as_stored(split, picks))
    if values is None:
        return []
    every = Scale.of(values).pictures(values)
    rows: list[tuple[int | None, list[Picture]]] = []
    for label, places in groups:
        rows.append((label, every[: len(places)]))
        every = every[len(places) :]
    return rows


def _groups(split: Split, looked: Tensor) -> list[tuple[int | None, Tensor]]:
    """Indices of some samples of each class."""
    if isinstance(split, TensorSplit):
        targets = split.targets()
        targets = targets[looked] if isinstance(targets, Tensor) else None
    else:
        looked = looked[torch.linspace(0, len(looked) - 1, min(len(looked), 1_000)).long()]
        targets = split.batch(looked).targets
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.numel() != len(looked):
        return [(None, looked[: A_CLASS * 2])]
    labels = targets.flatten()
    return [(int(label), looked[labels == label][:A_CLASS]) for label in labels.unique()[:CLASSES]]


def before_and_after(
    config: TrainingConfig, splits: Splits, folder: Path, names: Sequence[str]
) -> list[tuple[str, Picture, Picture]]:
    """Some samples of a training's first batch without and with augmentation, and what they are of then; [] where there
    is none or no pictures. Errors: UserError of an augmentation that does not fit."""
    train = splits.train
    if not config.data.augment or isinstance(train, LoaderSplit) or pictured(train.batch(torch.tensor([0]))) is None:
        return []
    shown = show_augmentation(config, train, build_task(config, folder), AUGMENTED, names)
    before, after = ([_picture(one) for one in part] for part in (shown.before, shown.after))
    told = shown.told_after or ("",) * len(after)
    return list(zip(told, before, after, strict=True))


def _picture(pixels: npt.NDArray[np.uint8]) -> Picture:
    height, width, channels = pixels.shape
    return Picture(height, width, channels, pixels.tobytes())
