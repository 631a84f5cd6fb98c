"""The data sets of torchvision: in a folder that the recipe names, or downloaded to the cache."""

from __future__ import annotations

import inspect
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunekit.mending import NETWORK, advice
from tunekit.recipe.text import nearest
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.sources.cache import downloaded
from tunekit.training.sources.images import check_size, image_transform
from tunekit.training.sources.parts import Parts, names_of_classes, why
from tunekit.vocabulary import UserError

LOOKED_AT = 10_000
"""Entries below a root that are looked at for the reason why a set cannot be read: the root may be a person's home."""

SPLITS: tuple[dict[str, Any], ...] = (
    {"train": True},
    {"train": False},
    {"split": "train"},
    {"split": "val"},
    {"split": "test"},
)
"""How sets are asked for their splits: each in one of two ways."""

CHECK = "; check data.args.root, or set data.args.download: true"


def torchvision_set(
    name: str, root: Path | None = None, size: int | None = None, download: bool = False, **args: Any
) -> Parts:
    """A torchvision classification set: train= or split= style; bytes in memory where it holds arrays.

    At `root`, downloaded there where `download` says so; without `root` in the cache, downloaded once.
    """
    import torchvision.datasets as known

    check_size(size)
    dataset_class = getattr(known, name, None)
    if dataset_class is None:
        near = nearest(name, known.__all__) or "; for example torchvision:CIFAR10"
        raise UserError(f"data.target: torchvision has no dataset {name!r}{near}")
    parameters = inspect.signature(dataset_class).parameters
    strange = [arg for arg in args if arg not in parameters]
    if strange and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        raise UserError(
            f"data.args: torchvision:{name} has no argument {strange[0]!r}{nearest(strange[0], parameters)}"
        )
    kept = root is None
    if root is None:
        folder = "-".join([name, *(f"{key}={value}" for key, value in sorted(args.items()))]).replace("/", "_")
        try:
            root = downloaded("torchvision", folder, lambda place: _sets(dataset_class, name, place, True, args))
        except UserError as error:
            told = str(error).replace(f".{folder}.part", folder)
            raise UserError(f"{told}; {_by_hand(dataset_class, name)}") from None
    try:
        sets = _sets(dataset_class, name, root, download, args)
    except UserError as error:
        if not kept or not str(error).endswith(CHECK):
            raise
        raise UserError(f"{str(error).removesuffix(CHECK)}; delete {root}, and it is downloaded anew") from None
    by_split = {str(next(iter(split.values()))): dataset for split, dataset in sets}
    train = by_split.get("True", by_split.get("train"))
    test = by_split.get("False", by_split.get("test"))
    train, val, test = (None if part is None else _arrays_of(part, size) for part in (train, by_split.get("val"), test))
    return Parts(train, val, test, standardize=True, classes=names_of_classes(sets[0][1]))


def _sets(
    dataset_class: Any, name: str, root: Path, download: bool, args: dict[str, Any]
) -> list[tuple[dict[str, Any], Any]]:
    """The set's splits, by how they were asked for. Errors: UserError."""
    sets = []
    for split in SPLITS:
        try:
            sets.append((split, dataset_class(str(root), download=download, **split, **args)))
        except Exception as error:
            if _has_no(split, error):
                continue  # this set names its splits in the other way
            raise UserError(_told(error, name, root, download)) from None
    if not sets:
        raise UserError(
            f"data.target: torchvision:{name} has neither train= nor split=; wrap it in a callable of your own"
        )
    return sets


def _has_no(split: dict[str, Any], error: Exception) -> bool:
    """Whether a set says that it has no such split."""
    if isinstance(error, TypeError):
        return "keyword argument" in str(error)
    return isinstance(error, ValueError) and any(key in str(error) for key in split)


def _told(error: Exception, name: str, root: Path, download: bool) -> str:
    """What went wrong with a set, in one line, and what mends it."""
    unreachable = any(word in str(error) for word in ("urlopen error", "HTTP Error", "timed out"))
    if isinstance(error, OSError) and (advice(error) or not unreachable):
        place = f"{error.filename}: " if error.filename else ""
        return f"data: torchvision:{name} at {root}: {place}{why(error)}"
    text = " ".join(str(error).strip().partition("\n")[0].split()).rstrip(".:") or type(error).__name__
    entries = islice(root.rglob("*"), LOOKED_AT)
    empty = next((file for file in entries if file.is_file() and not file.stat().st_size), None)
    text = text if empty is None else f"{empty}: it is empty"
    hint = "; check data.args.root" if download else CHECK
    return f"data: torchvision:{name} at {root}: {text}{f'; {NETWORK}' if unreachable else hint}"


def _by_hand(dataset_class: Any, name: str) -> str:
    """How files that were had otherwise are named."""
    resources, lists = getattr(dataset_class, "resources", None), getattr(dataset_class, "train_list", None)
    files: list[str] = []
    if resources:
        files = [f"{name}/raw/{Path(file).stem}" for file, _ in resources]
    elif lists:
        files = [f"{dataset_class.base_folder}/{file}" for file, *_ in lists]
    expected = f" that holds {', '.join(files[:4])}{', ...' if len(files) > 4 else ''}" if files else " of its files"
    return f"or give a folder{expected}: data.args.root: FOLDER"


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
