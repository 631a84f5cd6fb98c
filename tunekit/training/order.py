"""Which samples when: splits, the tiny set, the order of an epoch, and the batches of a training by iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tunekit.configuration import Subset
from tunekit.guest import ended
from tunekit.stopping import is_request
from tunekit.telling import counted
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Split, TensorSplit
from tunekit.training.seeds import generator
from tunekit.vocabulary import UserError

LARGEST = 500  # samples of a tiny set
READER_TIMEOUT_S = 120
USER_ERROR = f"{UserError.__module__}.{UserError.__name__}: "  # before the text of one that comes from a reader

Groups = Sequence[Any] | npt.NDArray[Any]
"""The group or the time of each sample."""


@lru_cache(maxsize=2)
def epoch_order(size: int, seed: int, epoch: int) -> Tensor:
    """The order of the samples in one epoch: a permutation that follows from (seed, epoch) alone."""
    return torch.randperm(size, generator=generator(seed, "order", epoch))


@dataclass(frozen=True)
class BatchPlan(Dataset[Batch]):
    """The batches of a training by iteration: the k-th follows from (seed, k), whoever reads it and when."""

    split: Split
    seed: int
    batch_size: int
    per_epoch: int

    def __getitem__(self, iteration: int) -> Batch:
        epoch, position = divmod(iteration, self.per_epoch)
        order = epoch_order(len(self.split), self.seed, epoch)
        indices = order[position * self.batch_size : (position + 1) * self.batch_size]
        try:
            return self.split.batch(indices, self.seed, iteration)
        except Exception:
            raise
        except BaseException as error:  # what ends a reader would be told without a place
            if is_request(error):
                raise
            raise ended("data: the dataset", error) from error

    def stream(self, start: int, until: int, readers: int, pin: bool) -> Iterator[Batch]:
        """Batches `start` to `until - 1`, read ahead by worker processes. Errors: UserError where a reader hangs."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(start, until),
            num_workers=readers,
            collate_fn=_as_it_is,
            timeout=READER_TIMEOUT_S if readers else 0,
            pin_memory=pin,
        )
        try:
            yield from loader
        except UserError as error:
            # A reader's error arrives as text: its traceback, and what was raised in the last line.
            *before, last = str(error).strip().splitlines()
            raise (UserError(last.removeprefix(USER_ERROR)) if before else error) from None
        except RuntimeError as error:
            if "timed out" not in str(error):
                raise
            raise UserError(
                f"data: a reader gave no batch for {READER_TIMEOUT_S} s; look for what blocks in the dataset, "
                "or read in the training's own process with `--readers 0`"
            ) from None


def _as_it_is(batch: object) -> object:
    return batch


def tiny_subset(split: Split, spec: Subset, seed: int) -> Split:
    """A small fixed subset: `per_class` samples of each class, or `samples` of them; at most LARGEST. Frozen."""
    targets = split.targets()
    order = torch.randperm(len(split), generator=generator(seed, "subset"))
    if spec.per_class is not None and isinstance(targets, Tensor) and targets.dim() == 1:
        labels = targets.cpu()[order].long()
        classes = torch.unique(labels)
        each = max(1, min(spec.per_class, LARGEST // max(1, len(classes))))
        picks = torch.cat([order[labels == label][:each] for label in classes])[:LARGEST]
    else:
        picks = order[: min(spec.samples or 32, LARGEST)]
    subset = split.take(picks)
    if isinstance(subset, TensorSplit):
        return subset
    batch = subset.batch(torch.arange(len(subset)), seed, 0)
    rows = (isinstance(value, Tensor) and value.dim() and len(value) == len(picks) for value in batch.values)
    if all(rows):
        return TensorSplit(batch)  # one draw of the augmentation, kept
    return subset.kept(seed) if isinstance(subset, DatasetSplit) else subset


def first_samples(split: LoaderSplit) -> TensorSplit | None:
    """The first samples of what cannot be indexed, as many as a tiny set is taken from. None: its batches are no
    tensors that can stand one below the other."""
    batches: list[Batch] = []
    for batch in split.batches():
        batches.append(batch)
        if sum(map(len, batches)) >= LARGEST:
            break
    try:
        return TensorSplit(Batch.joined(batches))
    except (RuntimeError, TypeError, ValueError, KeyError):
        return None


def split_indices(
    targets: Tensor | None,
    size: int,
    fraction: float,
    how: str,
    seed: int,
    groups: Groups | None,
) -> tuple[Tensor, Tensor]:
    """Indices of the training and the validation part. `groups`: group or time of each sample. Errors: UserError."""
    if size < 2:
        raise UserError(f"data: {size} sample cannot be split into training and validation")
    wanted = min(max(1, round(size * fraction)), size - 1)
    draw = generator(seed, "split")
    if how in ("group", "time"):
        if groups is None:
            raise UserError(f"data.split: {how} needs the data's {how}s: an attribute `{how}s` or a `{how}s` column")
        if len(groups) != size:
            raise UserError(f"data.split: {counted(len(groups), how)} for {counted(size, 'sample')}")
        if how == "time":
            order = torch.tensor(sorted(range(size), key=lambda i: groups[i]))
            return order[:-wanted], order[-wanted:]
        return _by_group(groups, wanted, draw)
    order = torch.randperm(size, generator=draw)
    if how == "stratified" and targets is not None and targets.dim() == 1 and not targets.is_floating_point():
        val: list[Tensor] = []
        labels = targets.cpu()[order]
        for label in torch.unique(labels):
            members = order[labels == label]
            # Of two or more, each part gets at least one; a class of one stays in training.
            count = min(max(1, round(len(members) * fraction)), len(members) - 1)
            val.append(members[:count])
        chosen = torch.cat(val)
        if 0 < len(chosen) < size:
            mask = torch.zeros(size, dtype=torch.bool)
            mask[chosen] = True
            return (~mask).nonzero().flatten(), mask.nonzero().flatten()
    return order[wanted:].sort().values, order[:wanted].sort().values


def _by_group(groups: Groups, wanted: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    members: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group.item() if hasattr(group, "item") else group, []).append(index)
    if len(members) < 2:
        raise UserError("data.split: group needs at least two groups")
    names = sorted(members, key=str)
    val: list[int] = []
    for position in torch.randperm(len(names), generator=draw)[:-1].tolist():
        if len(val) >= wanted:
            break
        val += members[names[position]]
    chosen = set(val)
    return torch.tensor([i for i in range(len(groups)) if i not in chosen]), torch.tensor(sorted(val))
