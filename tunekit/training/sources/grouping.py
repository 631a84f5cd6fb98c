"""The groups that data name for their samples, and which of them stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from tunekit.measured import GroupsShared
from tunekit.training.sources.parts import Parts

Names = Sequence[str | int | float]


def divided_groups(parts: Parts, split: str, train: Tensor, val: Tensor) -> tuple[Names | None, Names | None]:
    """Groups of both parts of data that are split by these indices. None: the data name none."""
    groups = parts.groups if parts.grouped else None
    names = _names(parts.train) if parts.groups is None else _plain(groups)
    if names is None or split == "time" or len(names) != len(train) + len(val):
        return None, None
    return [names[i] for i in train.tolist()], [names[i] for i in val.tolist()]


def given_groups(parts: Parts) -> tuple[Names | None, Names | None]:
    """Groups of splits that came apart already. Two data sets that number their groups from zero, each for itself, say
    nothing of which are the same."""
    train, val = _names(parts.train), _names(parts.val)
    if train is None or val is None:
        return None, None
    same_source = isinstance(parts.train, Subset) and isinstance(parts.val, Subset)
    if not same_source and all(set(names) == set(range(len(set(names)))) for names in (train, val)):
        return None, None
    return train, val


def shared_groups(train: Names | None, val: Names | None) -> GroupsShared | None:
    """Groups on both sides of a split, by the group of each sample. None: a side names none."""
    if train is None or val is None:
        return None
    before, after = set(train), set(val)
    shared = sorted(before & after, key=str)
    return GroupsShared(
        groups=len(before | after),
        shared=len(shared),
        share=sum(name in before for name in val) / max(1, len(val)),
        examples=tuple(str(name) for name in shared[:3]),
    )


def _names(part: Any) -> Names | None:
    """The group of each sample, where a dataset names them: its attribute `groups`, or that of what it is a part of."""
    if isinstance(part, DataLoader):
        part = part.dataset
    if isinstance(part, Subset):
        whole = _names(part.dataset)
        return None if whole is None else [whole[int(i)] for i in part.indices]
    groups = _plain(getattr(part, "groups", None))
    try:
        return groups if groups is not None and len(groups) == len(part) else None
    except TypeError:
        return None  # a stream


def _plain(groups: object) -> Names | None:
    """Group names as text and numbers; None for what is no list of them."""
    if isinstance(groups, Tensor | np.ndarray):
        groups = groups.tolist()
    if not isinstance(groups, list | tuple):
        return None
    names = [name.item() if isinstance(name, np.generic) else name for name in groups]
    return names if all(isinstance(name, str | int | float) for name in names) else None
