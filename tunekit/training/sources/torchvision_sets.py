"""The data sets of torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunekit.mending import NETWORK
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.sources.images import image_transform
from tunekit.training.sources.parts import Parts, why
from tunekit.vocabulary import UserError


def torchvision_set(name: str, root: Path, size: int | None = None, download: bool = False, **args: Any) -> Parts:
    """A torchvision classification set at `root`: train= or split= style; bytes in memory where it holds arrays."""
    import torchvision.datasets as known

    dataset_class = getattr(known, name, None)
    if dataset_class is None:
        raise UserError(f"data.target: torchvision has no dataset {name!r}; for example torchvision:CIFAR10")
    sets = []
    for split in ({"train": True}, {"train": False}, {"split": "train"}, {"split": "val"}, {"split": "test"}):
        try:
            sets.append((split, dataset_class(str(root), download=download, **split, **args)))
        except (TypeError, ValueError):
            continue  # this set names its splits in the other way
        except RuntimeError as error:
            text = str(error).strip()
            first = text.partition("\n")[0].rstrip(".:")
            hint = "check data.args.root" if download else "check data.args.root, or set data.args.download: true"
            hint = NETWORK if "urlopen error" in text else hint
            raise UserError(f"data: torchvision:{name} at {root}: {first}; {hint}") from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise UserError(f"data: torchvision:{name} at {root}: {place}{why(error)}") from None
    if not sets:
        raise UserError(
            f"data.target: torchvision:{name} has neither train= nor split=; wrap it in a callable of your own"
        )
    by_split = {str(next(iter(split.values()))): _arrays_of(dataset, size) for split, dataset in sets}
    train = by_split.get("True", by_split.get("train"))
    test = by_split.get("False", by_split.get("test"))
    return Parts(train, by_split.get("val"), test, standardize=True)


def _arrays_of(dataset: Any, size: int | None) -> Any:
    """The raw bytes of a set that holds them ([N, H, W] or [N, H, W, C]); others are read through a transform."""
    raw, labels = getattr(dataset, "data", None), getattr(dataset, "targets", getattr(dataset, "labels", None))
    if raw is not None and labels is not None and size is None and not isinstance(raw, list):
        images = torch.as_tensor(np.asarray(raw))
        if images.dim() == 3:
            images = images.unsqueeze(1)
        elif images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
            images = images.permute(0, 3, 1, 2).contiguous()
        return TensorSplit(Batch((images,), {}, torch.as_tensor(np.asarray(labels)).long()))
    dataset.transform = image_transform(size or 64)
    return dataset
