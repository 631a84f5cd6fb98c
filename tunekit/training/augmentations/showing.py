"""A batch before and after augmentation as pictures, in arrays: would such images occur in the world?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.configuration import TrainingConfig
from tunekit.training.augmentations.chain import build_augmentation
from tunekit.training.augmentations.mixing import Mixed
from tunekit.training.augmentations.units import Units, units_of
from tunekit.training.data import LoaderSplit, Split
from tunekit.training.order import epoch_order
from tunekit.training.seeds import seed_step
from tunekit.training.tasks import Task

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """Images [n, H, W, C] in bytes, C 1 (grey) or 3 (red, green, blue), and what each is of before and after: `7`, or
    `7 62 %, 2 38 %` where samples were mixed."""

    before: Pictures
    after: Pictures
    told_before: tuple[str, ...]
    told_after: tuple[str, ...]


def show_augmentation(
    config: TrainingConfig, train: Split | LoaderSplit, task: Task, count: int = 16, names: Sequence[str] = ()
) -> Shown:
    """The first `count` images of a training's first batch, as its first iteration on a CPU augments them: the same
    configuration shows the same pictures. `names`: of the classes. The global generator is left as it was.

    Black is 0 and white 255 (units.py); of other than one or three channels the first, or the first three, are shown.
    Errors: UserError where the first input is no image, or an entry does not take the batch.
    """
    device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        units = units_of(train).to(device)
        chain = build_augmentation(config.data, train, task, device)
        if isinstance(train, LoaderSplit):
            batch = next(train.batches())
        else:
            batch = train.batch(epoch_order(len(train), config.seed, 0)[: config.batch_size])
        batch = batch.to(device)
        seed_step(config.seed, 0, device)
        augmented = chain(batch)
    return Shown(
        _pictures(batch.args[0][:count], units),
        _pictures(augmented.args[0][:count], units),
        _told(batch.targets, count, names),
        _told(augmented.targets, count, names),
    )


def _pictures(x: Tensor, units: Units) -> Pictures:
    image = units.to_image(x.float())
    image = image[:, :3] if image.shape[1] >= 3 else image[:, :1]
    bytes_ = (image * 255).round().clamp(0, 255).to(torch.uint8)
    pictures: Pictures = bytes_.permute(0, 2, 3, 1).contiguous().numpy()
    return pictures


def _told(targets: Any, count: int, names: Sequence[str]) -> tuple[str, ...]:
    """What images are of: a class or a number each; nothing for targets of other kinds."""
    if isinstance(targets, Mixed):
        parts = [(_told(part, count, names), share[:count].tolist()) for part, share in targets.parts]
        return tuple(_shares([(told[k], share[k]) for told, share in parts]) for k in range(len(parts[0][0])))
    if not isinstance(targets, Tensor) or targets.dim() != 1:
        return ()
    values = targets[:count].tolist()
    return tuple(names[v] if isinstance(v, int) and 0 <= v < len(names) else f"{v:g}" for v in values)


def _shares(parts: Sequence[tuple[str, float]]) -> str:
    """Equal names together, the largest first."""
    shares: dict[str, float] = {}
    for name, share in parts:
        shares[name] = shares.get(name, 0.0) + share
    several = sorted(((name, share) for name, share in shares.items() if share >= 0.005), key=lambda one: -one[1])
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in several) if len(several) > 1 else several[0][0]
