"""Splits that the loop indexes: tensors in memory, or a dataset that is read batch by batch. Where data come from
stands in sources.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from tunekit.training.seeds import generator, seed_everything
from tunekit.vocabulary import UserError, Values

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
"""What the target of a dictionary batch may be called; everything else goes to the model by name."""

MEMORY_LIMIT = 4 * 2**30  # bytes; a larger dataset is read batch by batch
READER_TIMEOUT_S = 120
SAME_TWICE = 8  # samples read twice to find out whether reading draws random numbers


@dataclass(frozen=True)
class Batch:
    """What the model is called with (`model(*args, **kwargs)`) and the targets: first dimension = samples."""

    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Any]
    targets: Any

    def __len__(self) -> int:
        return len(self.targets)

    def pin_memory(self) -> Batch:
        """Called by DataLoader, so that copies to a GPU run beside its arithmetic."""
        return self._each(lambda value: value.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        def changed(value: Any) -> Any:
            return change(value) if isinstance(value, Tensor) else value

        kwargs = {name: changed(value) for name, value in self.kwargs.items()}
        return Batch(tuple(changed(value) for value in self.args), kwargs, changed(self.targets))

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        return self._each(lambda value: value.to(device, non_blocking=True))


def as_batch(sample: Any) -> Batch:
    """A collated batch (tuple, list or dictionary) taken apart into model inputs and targets. Errors: UserError."""
    if isinstance(sample, Mapping):
        name = next((key for key in TARGET_KEYS if key in sample), None)
        if name is None:
            raise UserError(
                f"data: a dictionary batch needs its targets under one of {', '.join(TARGET_KEYS)}; "
                f"this one has {', '.join(map(str, sample))}"
            )
        rest = {str(key): value for key, value in sample.items() if key != name}
        return Batch((), rest, sample[name])
    if isinstance(sample, tuple | list) and len(sample) >= 2:
        *inputs, targets = sample
        return Batch(tuple(inputs), {}, targets)
    raise UserError(
        f"data: a sample must be (x, y), (x1, x2, ..., y) or a dictionary with its target, not {type(sample).__name__}"
    )


@dataclass(frozen=True)
class Normalize:
    """Per-channel standardisation applied on the fly to the first input, so that bytes stay bytes in memory."""

    mean: Tensor  # [C, 1, 1] or [F]
    scale: Tensor  # 1 / standard deviation, same shape

    def __call__(self, x: Tensor) -> Tensor:
        return (x.to(torch.float32) - self.mean).mul_(self.scale)

    def to(self, device: torch.device) -> Normalize:
        return Normalize(self.mean.to(device), self.scale.to(device))

    @classmethod
    def fit(cls, x: Tensor) -> Normalize:
        """Mean and standard deviation per channel (images [N, C, H, W]) or per feature ([N, F])."""
        dims = (0, 2, 3) if x.dim() == 4 else (0,)
        shape = (-1, 1, 1) if x.dim() == 4 else tuple(x.shape[1:])
        total = torch.zeros(x.shape[1] if x.dim() == 4 else x.shape[1:], dtype=torch.float64)
        square, count = torch.zeros_like(total), 0
        for part in torch.split(x, 4096):
            values = part.to(torch.float64)
            total += values.sum(dims)
            square += (values * values).sum(dims)
            count += values.numel() // total.numel()
        mean = total / count
        std = (square / count - mean * mean).clamp_min(0).sqrt()
        std[std < 1e-12] = 1.0  # a constant feature stays constant instead of becoming NaN
        return cls(mean.view(shape).float(), (1.0 / std).view(shape).float())


class Split(Protocol):
    """Map-style samples of one split. `draws`: reading a sample draws random numbers (the person's augmentation)."""

    @property
    def draws(self) -> bool: ...
    def __len__(self) -> int: ...
    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch: ...
    def take(self, indices: Tensor) -> Split: ...
    def targets(self) -> Any: ...


@dataclass(frozen=True)
class TensorSplit:
    """Samples in memory, on the device: a batch is one indexing operation."""

    args: tuple[Tensor, ...]
    kwargs: Mapping[str, Tensor]
    labels: Tensor
    normalize: Normalize | None = None
    draws: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch:
        indices = indices.to(self.labels.device)
        args = tuple(value[indices] for value in self.args)
        if self.normalize is not None:
            args = (self.normalize(args[0]), *args[1:])
        return Batch(args, {name: value[indices] for name, value in self.kwargs.items()}, self.labels[indices])

    def take(self, indices: Tensor) -> TensorSplit:
        batch = replace(self, normalize=None).batch(indices)
        return TensorSplit(batch.args, batch.kwargs, batch.targets, self.normalize)

    def targets(self) -> Tensor:
        return self.labels

    def to(self, device: torch.device) -> TensorSplit:
        return TensorSplit(
            tuple(value.to(device) for value in self.args),
            {name: value.to(device) for name, value in self.kwargs.items()},
            self.labels.to(device),
            self.normalize.to(device) if self.normalize else None,
        )

    def blank(self) -> TensorSplit:
        """The same targets with inputs of zeros: the control of step 2."""
        args = tuple(torch.zeros_like(value) for value in self.args)
        kwargs = {name: torch.zeros_like(value) for name, value in self.kwargs.items()}
        if self.normalize is not None:
            args = (torch.zeros(args[0].shape, device=args[0].device), *args[1:])
        return TensorSplit(args, kwargs, self.labels)


@dataclass(frozen=True)
class DatasetSplit:
    """A map-style dataset read sample by sample: too large for memory, or drawing its own augmentation."""

    dataset: Dataset[Any]
    collate: Callable[[list[Any]], Any] = default_collate
    indices: Tensor | None = None
    draws: bool = True

    def __len__(self) -> int:
        return len(self.dataset) if self.indices is None else len(self.indices)  # type: ignore[arg-type]

    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch:
        positions = indices if self.indices is None else self.indices[indices]
        if self.draws:
            seed_everything(seed, "sample", number)
        return as_batch(self.collate([self.dataset[int(i)] for i in positions]))

    def take(self, indices: Tensor) -> DatasetSplit:
        positions = indices if self.indices is None else self.indices[indices]
        return replace(self, indices=positions)

    def targets(self) -> Any:
        found = [self.batch(part).targets for part in torch.split(torch.arange(len(self)), 256)]
        return torch.cat(found) if found and isinstance(found[0], Tensor) else found


@dataclass(frozen=True)
class LoaderSplit:
    """An iterable, or a loader with a sampler of the person's own: batches come in its order, and cannot be indexed."""

    loader: Any
    draws: bool = True
    length: int = field(default=0)

    def __len__(self) -> int:
        return self.length

    def batches(self) -> Iterator[Batch]:
        for sample in self.loader:
            yield as_batch(sample)


@dataclass(frozen=True)
class Splits:
    """Training, validation and (where there is one) test samples, prepared; `files`: what they were read from."""

    train: Split | LoaderSplit
    val: Split
    test: Split | None = None
    notes: tuple[str, ...] = ()

    @property
    def shareable(self) -> bool:
        return not isinstance(self.train, LoaderSplit)


def pack(splits: Splits) -> dict[str, Any] | None:
    """Splits in memory as nested dictionaries of tensors, for a file that other processes map; None for others."""
    found: dict[str, Any] = {}
    for name in ("train", "val", "test"):
        split = getattr(splits, name)
        if split is None:
            continue
        if not isinstance(split, TensorSplit):
            return None
        normalize = split.normalize
        found[name] = {
            "args": list(split.args),
            "kwargs": dict(split.kwargs),
            "labels": split.labels,
            "normalize": None if normalize is None else [normalize.mean, normalize.scale],
        }
    return found


def unpack(found: Mapping[str, Any], notes: tuple[str, ...] = ()) -> Splits:
    """What `pack` made, as splits again."""
    made = {
        name: TensorSplit(
            tuple(part["args"]),
            part["kwargs"],
            part["labels"],
            None if part["normalize"] is None else Normalize(*part["normalize"]),
        )
        for name, part in found.items()
    }
    return Splits(made["train"], made["val"], made.get("test"), notes)


def in_memory(dataset: Any, collate: Callable[[list[Any]], Any] | None = None) -> Split:
    """A person's map-style dataset as tensors where it fits and where reading a sample draws no random numbers.

    A dataset that draws (random transforms) must be read anew each epoch, so it stays a dataset.
    """
    if len(dataset) == 0:
        raise UserError("data: the dataset is empty (its length is 0)")
    tensors = getattr(dataset, "tensors", None)
    plain = getattr(type(dataset), "__getitem__", None) is TensorDataset.__getitem__
    if collate is None and plain and isinstance(tensors, tuple) and len(tensors) >= 2:
        return TensorSplit(tuple(tensors[:-1]), {}, tensors[-1])
    stays = DatasetSplit(dataset, collate or default_collate)
    picks = torch.linspace(0, len(dataset) - 1, min(SAME_TWICE, len(dataset))).long()
    try:
        draws = _draws(stays, picks)
    except UserError:
        raise
    except Exception as error:
        told = ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
        raise UserError(
            f"data: the first samples cannot be read and collated: {told}; "
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
        parts = [stays.batch(part) for part in torch.split(torch.arange(len(dataset)), 256)]
        return TensorSplit(
            tuple(torch.cat(column) for column in zip(*(part.args for part in parts), strict=True)),
            {name: torch.cat([part.kwargs[name] for part in parts]) for name in parts[0].kwargs},
            torch.cat([part.targets for part in parts]),
        )
    except RuntimeError:
        return stays  # samples of different shapes


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
    return [*batch.args, *batch.kwargs.values(), batch.targets]


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(torch.nan_to_num(a.float()), torch.nan_to_num(b.float())))


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
        return self.split.batch(indices, self.seed, iteration)

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
        except RuntimeError as error:
            if "timed out" not in str(error):
                raise
            raise UserError(
                f"data: a reader gave no batch for {READER_TIMEOUT_S} s; look for what blocks in the dataset, "
                "or read in the training's own process with `--readers 0`"
            ) from None


def _as_it_is(batch: Any) -> Any:
    return batch


def tiny_subset(split: Split, spec: Values, seed: int) -> Split:
    """A small fixed subset: `per_class` samples of each class, or `samples` of them; at most 500. Frozen."""
    targets = split.targets()
    order = torch.randperm(len(split), generator=generator(seed, "subset"))
    if "per_class" in spec and isinstance(targets, Tensor) and targets.dim() == 1:
        labels = targets.cpu()[order].long()
        classes = torch.unique(labels)
        each = max(1, min(int(spec["per_class"]), 500 // max(1, len(classes))))
        picks = torch.cat([order[labels == label][:each] for label in classes])[:500]
    else:
        picks = order[: min(int(spec.get("samples", 32)), 500)]
    subset = split.take(picks)
    if isinstance(subset, TensorSplit):
        return subset
    batch = subset.batch(torch.arange(len(subset)), seed, 0)
    if all(isinstance(value, Tensor) for value in (*batch.args, *batch.kwargs.values(), batch.targets)):
        return TensorSplit(batch.args, batch.kwargs, batch.targets)  # one draw of the augmentation, kept
    return subset


def split_indices(
    targets: Tensor | None,
    size: int,
    fraction: float,
    how: str,
    seed: int,
    groups: Sequence[Any] | np.ndarray[Any, Any] | None,
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
            raise UserError(f"data.split: {len(groups)} {how}s for {size} samples")
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


def _by_group(
    groups: Sequence[Any] | np.ndarray[Any, Any], wanted: int, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    members: dict[Any, list[int]] = {}
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
