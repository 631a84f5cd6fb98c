"""Which datasets are kept as tensors in memory, and how processes share them. Files belong to the worker."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from tunekit.measured import GroupsShared
from tunekit.telling import raised
from tunekit.training.data import Batch, DatasetSplit, Normalize, Split, Splits, TensorSplit
from tunekit.training.seeds import seed_everything
from tunekit.vocabulary import UserError

MEMORY_LIMIT = 4 * 2**30  # bytes; a larger dataset is read batch by batch
Packed = dict[str, dict[str, Any]]
"""Splits by name: args, kwargs and labels as tensors, and what they are normalised with; groups that they
share, and what is told of them."""

SAME_TWICE = 8  # samples read twice to find out whether reading draws random numbers


def in_memory(dataset: Any, collate: Callable[[list[Any]], Any] | None = None) -> Split:
    """A person's map-style dataset as tensors where it fits and where reading a sample draws no random numbers.

    A dataset that draws (random transforms) must be read anew each epoch, so it stays a dataset.
    """
    if len(dataset) == 0:
        raise UserError("data: the dataset is empty (its length is 0)")
    tensors = getattr(dataset, "tensors", None)
    plain = getattr(type(dataset), "__getitem__", None) is TensorDataset.__getitem__
    if collate is None and plain and isinstance(tensors, tuple) and len(tensors) >= 2:
        return TensorSplit(Batch(tuple(tensors[:-1]), {}, tensors[-1]))
    stays = DatasetSplit(dataset, collate or default_collate)
    picks = torch.linspace(0, len(dataset) - 1, min(SAME_TWICE, len(dataset))).long()
    try:
        draws = _draws(stays, picks)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"data: the first samples cannot be read and collated: {raised(error)}; "
            "samples of different shapes need a DataLoader with a collate_fn of its own"
        ) from error
    if draws:
        return stays
    stays = replace(stays, draws=False)
    sample = stays.batch(picks)
    values = _values(sample)
    if not all(isinstance(value, Tensor) and value.dim() and len(value) == len(picks) for value in values):
        return stays  # strings, ragged or nested samples: collated batch by batch
    if collate is not None and not _by_rows(stays, picks, values):
        return stays  # its collate_fn makes a batch that is more than its samples, padded to the longest for example
    size = sum(value.numel() * value.element_size() for value in values) / len(picks) * len(dataset)
    if size > MEMORY_LIMIT:
        return stays
    try:
        parts = torch.split(torch.arange(len(dataset)), 256)
        return TensorSplit(Batch.joined([stays.batch(part) for part in parts]))
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and not hasattr(error, "__notes__"):
            return stays  # samples of different shapes
        raise UserError(f"data: {raised(error)}") from error


def _by_rows(split: DatasetSplit, picks: Tensor, values: list[Any]) -> bool:
    """Whether each sample collated alone is its row of the batch of them all."""
    alone = [_values(split.batch(pick)) for pick in torch.split(picks, 1)]
    return all(
        _equal(one, value[row : row + 1])
        for row, ones in enumerate(alone)
        for one, value in zip(ones, values, strict=True)
    )


def _draws(split: DatasetSplit, picks: Tensor) -> bool:
    """Whether reading samples draws random numbers: under two seeds their values differ, or a global generator moves
    on (a transform that changes one sample in ten shows there alone)."""
    first = split.batch(picks, 0)
    seed_everything(1, "sample", 0)  # as the next line does
    unread = _random_state()
    second = split.batch(picks, 1)
    pairs = zip(_values(first), _values(second), strict=True)
    return unread != _random_state() or any(isinstance(a, Tensor) and not _equal(a, b) for a, b in pairs)


def _random_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the person's code may draw from it
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), str(name), np.asarray(keys).tobytes(), *rest


def _values(batch: Batch) -> list[Any]:
    return [*batch.inputs, batch.targets]


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(torch.nan_to_num(a.float()), torch.nan_to_num(b.float())))


def pack(splits: Splits) -> Packed | None:
    """Splits in memory as nested dictionaries of tensors, for a file that other processes map; None for others."""
    packed: Packed = {}
    for name in ("train", "val", "test"):
        split = getattr(splits, name)
        if split is None:
            continue
        if not isinstance(split, TensorSplit):
            return None
        stored, normalize = split.stored, split.normalize
        packed[name] = {
            "args": list(stored.args),
            "kwargs": dict(stored.kwargs),
            "labels": stored.targets,
            "normalize": None if normalize is None else [normalize.mean, normalize.scale],
        }
    if splits.groups is not None:
        packed["groups"] = splits.groups.to_json()
    packed["told"] = {
        "classes": None if splits.classes is None else list(splits.classes),
        "files": {name: list(files) for name, files in splits.files.items()},
        "columns": None if splits.columns is None else splits.columns.to_json(),
        "units": None if splits.units is None else [splits.units.mean, splits.units.scale],
    }
    return packed


def unpack(packed: Packed) -> Splits:
    """What `pack` made, as splits again."""
    from tunekit.training.sources.columns import Columns

    groups = None if "groups" not in packed else GroupsShared.from_json(packed["groups"])
    told = packed["told"]
    splits = {
        name: TensorSplit(
            Batch(tuple(part["args"]), part["kwargs"], part["labels"]),
            None if part["normalize"] is None else Normalize(*part["normalize"]),
        )
        for name, part in packed.items()
        if name not in ("groups", "told")
    }
    return Splits(
        splits["train"],
        splits["val"],
        splits.get("test"),
        groups=groups,
        classes=None if told["classes"] is None else tuple(told["classes"]),
        files=told["files"],
        columns=None if told["columns"] is None else Columns.from_json(told["columns"]),
        units=None if told["units"] is None else Normalize(*told["units"]),
    )
