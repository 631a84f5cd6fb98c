"""Samples as pictures of bytes: some of each class, and some before and after the recipe's augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tunekit.charts import Picture
from tunekit.configuration import TrainingConfig
from tunekit.training.augmentations import build_augmentation
from tunekit.training.building import build_task
from tunekit.training.data import Batch, LoaderSplit, Split, Splits, TensorSplit
from tunekit.training.probes.values import channel_axis, kind_of
from tunekit.training.seeds import seed_step

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


def before_and_after(config: TrainingConfig, splits: Splits, folder: Path) -> list[tuple[Picture, Picture]]:
    """Some samples as a training's first iteration gets them, without and with augmentation; [] where there is none or
    no pictures. Errors: UserError of an augmentation that does not fit."""
    train = splits.train
    if not config.data.augment or isinstance(train, LoaderSplit):
        return []
    batch = train.batch(torch.linspace(0, len(train) - 1, min(AUGMENTED, len(train))).long())
    before = pictured(batch)
    if before is None:
        return []
    device = torch.device("cpu")
    augment = build_augmentation(config.data, train, build_task(config, folder), device)
    seed_step(config.seed, 0, device, config.runs_persons_code)
    after = pictured(augment(batch))
    if after is None:
        return []
    plain, changed = (_unscaled(train, value) for value in (before, after))
    scale = Scale.of(plain.round() if _are_bytes(train) else plain)
    return list(zip(scale.pictures(plain), scale.pictures(changed), strict=True))


def _are_bytes(split: Split) -> bool:
    return isinstance(split, TensorSplit) and split.stored.args[0].dtype == torch.uint8


def _unscaled(split: Split, values: Tensor) -> Tensor:
    """Values as they were before they were standardised."""
    normalize = split.normalize if isinstance(split, TensorSplit) else None
    return values if normalize is None else values / normalize.scale + normalize.mean
