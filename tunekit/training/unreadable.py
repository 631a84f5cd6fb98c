"""Data of which some samples cannot be read: which these are, by name, and the rest without them. Changes no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, Subset

from tunekit.configuration import DataSpec
from tunekit.measured import Unreadable
from tunekit.telling import raised
from tunekit.training.data import DatasetSplit, Splits, TensorSplit, file_of
from tunekit.training.seeds import seed_everything
from tunekit.training.sources.entries import LENIENT, load_parts
from tunekit.training.sources.parts import Parts
from tunekit.training.sources.splits import splits_of
from tunekit.vocabulary import Interrupted, UserError

MOST = 200_000  # samples of a part that are read one by one where one of them is known to fail ...
SOME = 2_000  # ... and where none is, of a part that nobody has read to its end


@dataclass(frozen=True)
class Readable:
    """What a source gave, the splits of it, and what was left out of both. `mend`: what the recipe could say to have it
    left out; empty where it says so, or cannot."""

    parts: Parts
    splits: Splits
    unreadable: tuple[Unreadable, ...] = ()
    stops: bool = False  # whether a run would stop at what is left out here
    mend: str = ""


def read_what_can_be(data: DataSpec, folder: Path) -> Readable:
    """The splits of a source, without the samples that raise when they are read. Errors: UserError, or what the code
    raised, where leaving samples out does not help."""
    mend = ""
    try:
        parts = load_parts(data, folder)
    except UserError:
        if data.target not in LENIENT:
            raise
        lenient = LENIENT[data.target]
        parts = load_parts(replace(data, args={**data.args, **lenient}), folder)
        mend = ", ".join(f"data.args.{name}: {value}" for name, value in lenient.items())
    try:
        splits = _splits(parts, data)
    except (MemoryError, Interrupted):
        raise
    except Exception:
        rest = without_unreadable(parts, data, MOST)
        if rest is None:
            raise
        return rest
    unread = any(isinstance(part, DatasetSplit) for part in (splits.train, splits.val, splits.test))
    rest = without_unreadable(parts, data, SOME) if unread and not parts.unreadable else None
    return rest or Readable(parts, splits, parts.unreadable, bool(mend), mend)


def without_unreadable(parts: Parts, data: DataSpec, most: int) -> Readable | None:
    """The same without those of so many samples of each part, evenly taken, that cannot be read; None: all can."""
    unreadable: list[Unreadable] = []
    changes: dict[str, Any] = {}
    for name in ("train", "val", "test"):
        part = getattr(parts, name)
        dataset: Any = part.dataset if isinstance(part, DataLoader) else part
        if not _is_map_style(dataset):
            continue
        size = len(dataset)
        picks = torch.linspace(0, size - 1, min(most, size)).long().tolist()
        bad = {index: why for index in picks if (why := _why_not(dataset, index))}
        if not bad:
            continue
        good = [index for index in range(size) if index not in bad]
        unreadable += [Unreadable(name, file_of(dataset, index) or f"sample {index}", bad[index]) for index in bad]
        changes[name] = _kept(part, dataset, good)
        if name == "train" and parts.groups is not None and len(parts.groups) == size:
            changes["groups"] = [parts.groups[index] for index in good]
    if not changes:
        return None
    rest = replace(parts, **changes)
    return Readable(rest, _splits(rest, data), (*parts.unreadable, *unreadable), stops=True)


def _splits(parts: Parts, data: DataSpec) -> Splits:
    """What cannot be read is told by itself, and not as a note."""
    return splits_of(replace(parts, unreadable=()), data)


def _is_map_style(dataset: object) -> bool:
    indexed = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    return indexed and not isinstance(dataset, IterableDataset | TensorSplit | Tensor)


def _why_not(dataset: Any, index: int) -> str:
    """Why a sample cannot be read; nothing where it can."""
    seed_everything(0, "sample", index)
    try:
        dataset[index]
    except (MemoryError, Interrupted):
        raise
    except UserError as error:
        return str(error).removeprefix("data: ")
    except Exception as error:
        return raised(error)
    return ""


def _kept(part: Any, dataset: Any, good: Sequence[int]) -> Any:
    rest = _Rest(dataset, good)
    if not isinstance(part, DataLoader):
        return rest
    shuffles = isinstance(part.sampler, RandomSampler)
    return DataLoader(rest, part.batch_size, shuffle=shuffles, collate_fn=part.collate_fn)


class _Rest(Subset[Any]):
    """Some samples of a dataset, which still knows what the whole does of them: files, groups, class names."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("dataset", "indices", "tensors", "data"):
            raise AttributeError(name)
        value = getattr(self.dataset, name)
        each = isinstance(value, list | tuple) and len(value) == len(self.dataset)  # type: ignore[arg-type]
        return [value[index] for index in self.indices] if each and name in OF_SAMPLES else value


OF_SAMPLES = ("samples", "imgs", "targets", "groups", "times")
"""Attributes of a dataset that are lists of one value a sample."""
