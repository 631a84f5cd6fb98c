"""Tensors within tuples, lists and dictionaries: what a batch, its targets or a model's outputs may be made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor within a value, in order."""
    if isinstance(value, Tensor):
        yield value
    else:
        for _, part in _parts(value):
            yield from tensors(part)


def changed(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The value with every tensor changed; what is none stays."""
    if isinstance(value, Tensor):
        return change(value)
    parts = [(key, changed(part, change)) for key, part in _parts(value)]
    return _made_of(value, parts) if parts else value


def by_rows(value: Any, size: int) -> bool:
    """Whether a value has tensors, all with one row for each of `size` samples."""
    every = list(tensors(value))
    return bool(every) and all(part.dim() and len(part) == size for part in every)


def rows(value: Any, picks: slice | Tensor) -> Any:
    """Some rows of every tensor within a value."""
    return changed(value, lambda part: part[picks])


def joined(values: Sequence[Any], fill: float | None = None) -> Any:
    """Values of one structure, the rows of one after those of the other; rows of unequal widths are padded at their
    ends with `fill`, where it is given. Errors: RuntimeError for unequal shapes, TypeError for what is no tensor and
    not the same in all."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values) if fill is None else _of_one_width(values, fill))
    kinds = [_parts(value) for value in values]
    if not kinds[0]:
        if any(value != first for value in values):
            raise TypeError(f"values of type {type(first).__name__} have no rows")
        return first
    return _made_of(
        first, [(kinds[0][k][0], joined([kind[k][1] for kind in kinds], fill)) for k in range(len(kinds[0]))]
    )


def _of_one_width(batches: Sequence[Tensor], fill: float) -> list[Tensor]:
    """Batches [B, ...] padded at the end of each axis behind the first to the longest."""
    if len({batch.dim() for batch in batches}) > 1 or len({batch.shape[1:] for batch in batches}) == 1:
        return list(batches)
    widest = torch.tensor([batch.shape[1:] for batch in batches]).amax(0).tolist()
    missing = [[most - size for most, size in zip(widest, batch.shape[1:], strict=True)] for batch in batches]
    pads = [[size for one in reversed(sizes) for size in (0, one)] for sizes in missing]
    return [F.pad(batch, pad, value=fill) for batch, pad in zip(batches, pads, strict=True)]


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        return [(item.name, getattr(value, item.name)) for item in fields(value)]
    return []


def _made_of(value: Any, parts: list[tuple[Any, Any]]) -> Any:
    """A value of the same kind with other parts."""
    if isinstance(value, Mapping):
        try:
            again: Any = copy(value)
            for key, part in parts:
                again[key] = part
        except TypeError:  # it cannot be written
            return dict(parts)
        return again
    if isinstance(value, tuple):
        made = [part for _, part in parts]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if isinstance(value, list):
        return [part for _, part in parts]
    return replace(value, **dict(parts))
