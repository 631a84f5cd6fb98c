"""Splits that the loop indexes: tensors in memory, or a dataset that is read batch by batch. Where data come from
stands in sources.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from tunekit.measured import GroupsShared
from tunekit.telling import READING
from tunekit.training.seeds import seed_everything
from tunekit.training.structure import changed, joined, tensors
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.training.sources.columns import Columns

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
"""What the target of a dictionary batch may be called; everything else goes to the model by name."""


@dataclass(frozen=True)
class Batch:
    """What the model is called with (`model(*args, **kwargs)`) and the targets: first dimension = samples."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    targets: Any
    count: int | None = None  # samples, where that is known otherwise than by the targets' first dimension

    def __len__(self) -> int:
        if self.count is not None:
            return self.count
        first = next(tensors(self.targets), None)
        return len(self.targets) if first is None or not first.dim() else len(first)

    @property
    def inputs(self) -> list[Any]:
        return [*self.args, *self.kwargs.values()]

    @property
    def values(self) -> list[Any]:
        """Inputs and targets."""
        return [*self.inputs, self.targets]

    @property
    def names(self) -> list[str]:
        """What the inputs are called, in the same order."""
        return [*(f"input {number}" for number in range(1, len(self.args) + 1)), *self.kwargs]

    @property
    def told(self) -> str:
        """Names and shapes of the inputs, for a message, and between which values whole numbers lie."""
        pairs = zip(self.names, self.inputs, strict=True)
        return ", ".join(
            f"{name} " + (f"{list(value.shape)}{_reach(value)}" if isinstance(value, Tensor) else type(value).__name__)
            for name, value in pairs
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The batch with every tensor in it changed; what is no tensor stays."""
        kwargs = {name: changed(value, change) for name, value in self.kwargs.items()}
        args = tuple(changed(value, change) for value in self.args)
        return Batch(args, kwargs, changed(self.targets, change), self.count)

    def pin_memory(self) -> Batch:
        """Called by DataLoader, so that copies to a GPU run beside its arithmetic."""
        return self.each(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        return self if device.type == "cpu" else self.each(lambda value: value.to(device, non_blocking=True))

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Batches of tensors, one after the other. Errors: RuntimeError where their shapes differ."""
        args = tuple(joined(column) for column in zip(*(batch.args for batch in batches), strict=True))
        kwargs = {name: joined([batch.kwargs[name] for batch in batches]) for name in batches[0].kwargs}
        return cls(args, kwargs, joined([batch.targets for batch in batches]))


def as_batch(sample: object) -> Batch:
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


SINGLE = 1e-3 * 2**24
"""Standard deviations from zero to the mean, beyond which rounding to float32 moves values by a thousandth of one."""


def needs_double(mean: Tensor, std: Tensor) -> Tensor:
    """Which columns lose differences in float32."""
    return (std > 0) & (mean.abs() > SINGLE * std)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation in float64, per channel of images [N, C, H, W], as [C, 1, 1], or per feature. Over
    finite values, about the first sample: a constant feature deviates by exactly zero."""
    images = x.dim() == 4
    dims = (0, 2, 3) if images else (0,)
    first = (x[0, :, :1, :1] if images else x[0]).to(torch.float64)
    base = torch.where(torch.isfinite(first), first, 0.0)
    total, square, count = (torch.zeros_like(base) for _ in range(3))
    for part in torch.split(x, 4096):
        off = part.to(torch.float64) - base
        finite = torch.isfinite(off)
        off.masked_fill_(~finite, 0.0)
        total += off.sum(dims).view(base.shape)
        count += finite.sum(dims).view(base.shape)
        square += off.square_().sum(dims).view(base.shape)
    shift = total / count.clamp_min(1)
    return base + shift, (square / count.clamp_min(1) - shift.square()).clamp_min(0).sqrt()


@dataclass(frozen=True)
class Normalize:
    """Per-channel standardisation applied on the fly to the first input, so that bytes stay bytes in memory. It is
    computed in the type of `mean`, and gives float32."""

    mean: Tensor  # [C, 1, 1] or [F]
    scale: Tensor  # 1 / standard deviation, same shape

    def __call__(self, x: Tensor) -> Tensor:
        floats = x.to(self.mean.dtype)
        return (x - self.mean if floats is x else floats.sub_(self.mean)).mul_(self.scale).to(torch.float32)

    def to(self, device: torch.device) -> Normalize:
        return Normalize(self.mean.to(device), self.scale.to(device))

    @classmethod
    def fit(cls, x: Tensor) -> Normalize:
        """Mean and standard deviation per channel (images [N, C, H, W]) or per feature ([N, F])."""
        mean, std = moments(x)
        dtype = torch.float64 if bool(needs_double(mean, std).any()) else torch.float32
        std[std < 1e-12] = 1.0  # a constant feature stays constant instead of becoming NaN
        return cls(mean.to(dtype), (1.0 / std).to(dtype))


class Split(Protocol):
    """Map-style samples of one split."""

    def __len__(self) -> int: ...
    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch: ...
    def take(self, indices: Tensor) -> Split: ...
    def targets(self) -> Any: ...


@dataclass(frozen=True)
class TensorSplit:
    """Samples in memory, on the device: a batch is one indexing operation. `stored`: tensors, not normalised yet."""

    stored: Batch
    normalize: Normalize | None = None

    def __len__(self) -> int:
        return len(self.stored)

    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch:  # noqa: ARG002 - a Split's; none draws
        batch = self.take(indices).stored
        if self.normalize is None:
            return batch
        return replace(batch, args=(self.normalize(batch.args[0]), *batch.args[1:]))

    def take(self, indices: Tensor) -> TensorSplit:
        """`index_select` copies whole rows: on bytes six times as fast as indexing."""
        indices = indices.to(next(tensors(self.stored.targets)).device)
        return replace(self, stored=self.stored.each(lambda value: value.index_select(0, indices)))

    def targets(self) -> Any:
        return self.stored.targets

    def to(self, device: torch.device) -> TensorSplit:
        return TensorSplit(self.stored.to(device), self.normalize and self.normalize.to(device))


@dataclass(frozen=True)
class DatasetSplit:
    """A map-style dataset read sample by sample: too large for memory, or (`draws`) drawing its own augmentation."""

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
        batch = as_batch(self.collate([self._sample(int(i)) for i in positions]))
        return batch if len(batch) == len(positions) else replace(batch, count=len(positions))

    def _sample(self, index: int) -> Any:
        """A sample; what it raises is told with its index, or with its file where the dataset lists them."""
        try:
            return self.dataset[index]
        except UserError:
            raise
        except Exception as error:
            error.add_note(f"{READING} {file_of(self.dataset, index) or f'sample {index}'}")
            raise

    def take(self, indices: Tensor) -> DatasetSplit:
        positions = indices if self.indices is None else self.indices[indices]
        return replace(self, indices=positions)

    def kept(self, seed: int) -> DatasetSplit:
        """The same samples as they are read once, whatever the dataset draws."""
        seed_everything(seed, "sample", 0)
        return DatasetSplit(_Kept([self._sample(int(i)) for i in self.positions]), self.collate, draws=False)

    @property
    def positions(self) -> Tensor:
        return torch.arange(len(self)) if self.indices is None else self.indices

    def targets(self) -> Any:
        known = getattr(self.dataset, "known_targets", None)  # of sources that need not read a sample to know its class
        if isinstance(known, Tensor):
            return known[self.positions]
        parts = [self.batch(part).targets for part in torch.split(torch.arange(len(self)), 256)]
        widths = {part.shape[1:] if isinstance(part, Tensor) else None for part in parts}
        return torch.cat(parts) if len(widths) == 1 and None not in widths else parts


@dataclass(frozen=True)
class _Kept(Dataset[Any]):
    """Samples that were read."""

    samples: list[Any]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]


def _reach(values: Tensor) -> str:
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool or not values.numel():
        return ""
    try:
        return f" of {int(values.min())} to {int(values.max())}"
    except RuntimeError:  # of a GPU that answers no more
        return ""


LONGEST_PATH = 300  # letters; what is longer is a text


def file_of(dataset: object, index: int) -> str | None:
    """The file of a sample where the dataset lists them as torchvision's do: (path, class), or the path alone. A string
    that names no file may be the sample itself, and private."""
    listed = getattr(dataset, "samples", None)
    entry = listed[index] if isinstance(listed, list) and index < len(listed) else None
    path = entry[0] if isinstance(entry, tuple) and len(entry) == 2 else entry
    if isinstance(path, str):
        return path if len(path) < LONGEST_PATH and os.path.isfile(path) else None  # noqa: PTH113 - it never raises
    return str(path) if isinstance(path, PurePath) else None


@dataclass(frozen=True)
class LoaderSplit:
    """An iterable, or a loader with a sampler of the person's own: batches come in its order, and cannot be indexed."""

    loader: Any
    length: int = 0

    def __len__(self) -> int:
        return self.length

    def batches(self) -> Iterator[Batch]:
        number = 0
        try:
            for sample in self.loader:
                yield as_batch(sample)
                number += 1
        except Exception as error:
            if not isinstance(error, UserError):
                error.add_note(f"{READING} batch {number} of the loader")
            raise


@dataclass(frozen=True)
class BatchesSplit:
    """Validation batches from a loader, kept as they came: of different widths, or no tensors."""

    stored: tuple[Batch, ...]

    def __len__(self) -> int:
        return sum(map(len, self.stored))

    def batch(self, indices: Tensor, seed: int = 0, number: int = 0) -> Batch:  # noqa: ARG002 - a Split's; none draws
        """Samples of the batch in which the first of them lies. Errors: UserError where they have no rows."""
        start, wanted = 0, indices.tolist()
        for batch in self.stored:
            if wanted and wanted[0] < start + len(batch):
                inside = torch.tensor([index - start for index in wanted if index < start + len(batch)])
                return replace(batch.each(lambda value: value[inside]), count=len(inside))  # noqa: B023 - at once
            start += len(batch)
        raise UserError("data: the validation batches have no such samples")

    def take(self, indices: Tensor) -> Split:
        return BatchesSplit((self.batch(indices),))

    def targets(self) -> Any:
        return [batch.targets for batch in self.stored]


@dataclass(frozen=True)
class Splits:
    """Training, validation and (where there is one) test samples, prepared."""

    train: Split | LoaderSplit
    val: Split
    test: Split | None = None
    notes: tuple[str, ...] = ()
    groups: GroupsShared | None = None  # where the data name the group of each sample
    classes: tuple[str, ...] | None = None  # the name of each class, or of each of several targets
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by split ("train"), what each sample is called
    columns: Columns | None = None  # of a table: how its cells became inputs, for the cells of another file
    units: Normalize | None = None  # what targets were standardised with

    @property
    def shareable(self) -> bool:
        return not isinstance(self.train, LoaderSplit)

    def known_targets(self) -> dict[str, Any]:
        """The targets of each split, where no sample need be read for them."""
        parts = {"training": self.train, "validation": self.val, "test": self.test}
        return {
            name: part.targets()
            for name, part in parts.items()
            if isinstance(part, TensorSplit | BatchesSplit)
            or (isinstance(part, DatasetSplit) and hasattr(part.dataset, "known_targets"))
        }
