"""Whether a mirror image would be taken for another class: by the nearest training samples, which need no network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.configuration import TrainingConfig, Values
from tunekit.measured import Mirrored
from tunekit.training.augmentations import links_of
from tunekit.training.data import LoaderSplit, Split

AXES = {"flip": (-1,), "vertical_flip": (-2,), "rotate": (-1, -2), "affine": (-1, -2)}
"""That are mirrored: both of them for half a turn, as the largest that is drawn of turns."""
HALF_TURN = 180.0  # degrees
AMONG, QUERIES = 5_000, 500  # training samples, evenly taken; of them mirrored
READ = 1_000  # of a dataset that is read sample by sample
WIDEST = 1_024  # values of an image: larger ones are averaged down to SIDE pixels a side
SIDE = 16
FEWEST = 50
AT_ONCE = 256
VOTES = 5
MOST_CLASSES = 100
MOST = 0.3  # of a class's mirror images, that lie nearest to one other: a pair that is named


def measure_mirrored(split: Split | LoaderSplit, config: TrainingConfig) -> tuple[Mirrored, ...]:
    """For each flip and half turn that the recipe has."""
    links = links_of(config.data.augment, config.data.augment_strength)
    whole = [link for link in links if link.name in ("flip", "vertical_flip") or _turns(link.args)]
    asked = [link.name for link in whole if link.name in AXES]
    if not asked or config.task != "classification" or isinstance(split, LoaderSplit):
        return ()
    found = (mirrored(split, name) for name in dict.fromkeys(asked))
    return tuple(one for one in found if one is not None)


def _turns(args: Values) -> bool:
    return bool(args.get("degrees", 0.0) >= HALF_TURN)


def mirrored(split: Split, name: str) -> Mirrored | None:
    """`name`: one of AXES. None: no images with one class each, or too few."""
    most = AMONG if getattr(split, "stored", None) is not None else READ
    parts = []
    for picks in torch.linspace(0, len(split) - 1, min(most, len(split))).long().split(AT_ONCE):
        batch = split.batch(picks)
        images, targets = batch.args[0] if batch.args else None, batch.targets
        if not isinstance(images, Tensor) or images.dim() != 4 or not isinstance(targets, Tensor) or targets.dim() != 1:
            return None
        small = images[0].numel() <= WIDEST
        parts.append((images.float() if small else F.adaptive_avg_pool2d(images.float(), SIDE), targets))
    images, targets = (torch.cat(column) for column in zip(*parts, strict=True))
    names, classes = targets.unique(return_inverse=True)
    if len(images) < FEWEST or not 2 <= len(names) <= MOST_CLASSES:
        return None
    picks = torch.linspace(0, len(images) - 1, min(QUERIES, len(images))).long()
    # The image itself is left out both times: of a symmetric one the mirror image would find it.
    plain = _told(images[picks], images, classes, picks)
    turned = _told(images[picks].flip(AXES[name]), images, classes, picks)
    truth, count = classes[picks], len(names)
    table = torch.bincount(truth * count + turned, minlength=count * count).view(count, count).double()
    shares = table / table.sum(1, keepdim=True).clamp_min(1)
    largest, others = shares.fill_diagonal_(0).max(1)
    pairs = [(int(names[k]), int(names[others[k]])) for k in largest.argsort(descending=True) if largest[k] >= MOST]
    changes = (plain == truth).double() - (turned == truth).double()
    return Mirrored(
        name=name,
        as_they_are=_kappa(plain, truth, count),
        mirrored=_kappa(turned, truth, count),
        error=float(changes.std() / len(picks) ** 0.5),
        other=float((turned != truth).double().mean()),
        pairs=tuple(pairs),
        looked_at=len(picks),
    )


def _told(queries: Tensor, among: Tensor, classes: Tensor, own: Tensor) -> Tensor:
    """The class that most of the nearest have, without the sample at `own`."""
    distances = torch.cdist(queries.flatten(1), among.flatten(1))
    distances[torch.arange(len(own)), own] = torch.inf
    return classes[distances.topk(VOTES, largest=False).indices].mode(1).values


def _kappa(told: Tensor, truth: Tensor, count: int) -> float:
    """Agreement beyond chance, of what can be beyond it (Cohen 1960)."""
    chance = (torch.bincount(told, minlength=count) * torch.bincount(truth, minlength=count)).sum() / len(told) ** 2
    agreed = (told == truth).double().mean()
    return float((agreed - chance) / (1 - chance).clamp_min(1e-9))
