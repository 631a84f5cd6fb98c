"""The control of step 2: the same targets with inputs that say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tunekit.training.data import Batch, LoaderSplit, Split, TensorSplit


def blanked(split: Split) -> Split:
    """A split whose inputs say nothing of the targets, beyond what masks and lengths tell."""
    if isinstance(split, TensorSplit):
        whole = split.batch(torch.arange(len(split), device=split.stored.targets.device))
        return TensorSplit(blank_batch(whole))
    return Blanked(split)


@dataclass(frozen=True)
class Blanked:
    """A split that is read batch by batch, each batch blank."""

    split: Split

    def __len__(self) -> int:
        return len(self.split)

    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch:
        return blank_batch(self.split.batch(indices, seed, number))

    def take(self, indices: Tensor) -> Split:
        return Blanked(self.split.take(indices))

    def targets(self) -> Any:
        return self.split.targets()


class BlankLoader(LoaderSplit):
    """Batches of a loader that cannot be indexed, each blank."""

    def batches(self) -> Iterator[Batch]:
        return map(blank_batch, super().batches())


def blank_batch(batch: Batch) -> Batch:
    """Real numbers become zero, tokens one and the same token. Masks (truth values) stay, and so do whole numbers, one
    a sample, beside other inputs: they may be lengths, and a model without its lengths may not run."""
    inputs = [value for value in batch.inputs if isinstance(value, Tensor)]
    beside = any(value.is_floating_point() or value.dim() > 1 for value in inputs)

    def blank(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.is_floating_point() or value.is_complex():
            return torch.zeros_like(value)
        if value.dtype == torch.bool or (value.dim() < 2 and beside) or not value.numel():
            return value
        return value.clone() if _is_mask(value) else _one_token(value)

    kwargs = {name: blank(value) for name, value in batch.kwargs.items()}
    return replace(batch, args=tuple(map(blank, batch.args)), kwargs=kwargs)


def _is_mask(value: Tensor) -> bool:
    """Whole numbers of 0 and 1 whose rows are ones and then zeros, or the other way round: an attention mask."""
    if value.dim() != 2 or value.shape[1] < 2 or not bool(((value == 0) | (value == 1)).all()):
        return False
    return bool(((value[:, 1:] != value[:, :-1]).sum(1) <= 1).all())


def _one_token(value: Tensor) -> Tensor:
    """Every token replaced by the first that is commonest, but for padding at the ends of rows: a value that ends some
    rows in a run and begins none."""
    rows = value.reshape(len(value), -1)
    token = int(rows[:, 0].mode().values)
    blank = torch.full_like(rows, token)
    last = rows[:, -1].mode().values
    if rows.shape[1] > 1 and not bool((rows[:, 0] == last).any()):
        run = (rows.flip(1) == last).cumprod(1).flip(1).bool()
        blank = torch.where(run & (run.sum(1, keepdim=True) > 0), rows, blank)
    return blank.view_as(value)
