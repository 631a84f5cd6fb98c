"""Splits of what a source gives: divided, normalised, reduced to a few samples, moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from tunekit.configuration import DataSpec
from tunekit.training.control import BlankLoader, blanked
from tunekit.training.data import (
    SINGLE,
    Batch,
    BatchesSplit,
    LoaderSplit,
    Normalize,
    Split,
    Splits,
    TensorSplit,
    moments,
    needs_double,
)
from tunekit.training.memory import MEMORY_LIMIT, in_memory
from tunekit.training.order import first_samples, split_indices, tiny_subset
from tunekit.training.sources.columns import Columns, Rows
from tunekit.training.sources.entries import load_parts
from tunekit.training.sources.grouping import divided_groups, given_groups, shared_groups
from tunekit.training.sources.parts import Parts, names_of_classes, told_lost
from tunekit.training.structure import by_rows, tensors
from tunekit.vocabulary import UserError

EXACT = 2**24  # up to which float32 holds every whole number
SHOWN = 5  # files that a note names
ENDLESS = 10_000
"""Batches of training after which an iterable counts as a stream without an end."""
MOST_KEPT = 20_000_000
"""Samples of validation after which it does, as after more bytes than are kept in memory."""


def read_splits(data: DataSpec, folder: Path) -> Splits:
    """The whole splits, before step 2 takes a few samples of them. Errors: UserError."""
    return splits_of(load_parts(data, folder), data)


def splits_of(parts: Parts, data: DataSpec) -> Splits:
    """What a source gave as splits, samples in memory where they fit. Errors: UserError, or what a dataset raised."""
    parts = replace(_narrowed(parts), classes=parts.classes or names_of_classes(parts.train))
    notes = (*parts.notes, *_left_out(parts), *_unshuffled(parts.train))
    train = _split_of(parts.train)
    val, test = (None if part is None else _collected(_split_of(part)) for part in (parts.val, parts.test))
    if isinstance(train, LoaderSplit):
        if val is None or parts.val is parts.train:
            raise UserError(
                "data: the training data come from an iterable or a sampler of their own, of which no validation can "
                "be held out: return (train, val), with samples in val that train never gives"
            )
        told = "the training data come from an iterable or a sampler of their own: trained as they are, without reuse"
        notes = (*parts.notes, told)
        return Splits(train, val, test, notes, classes=parts.classes)
    files = dict(parts.files)
    if val is None:
        targets = train.targets()
        known = _strata(targets) if isinstance(targets, Tensor) else None
        groups = parts.groups if parts.groups is not None else getattr(parts.train, f"{data.split}s", None)
        first, second = split_indices(known, len(train), data.val_fraction, data.split, data.seed, groups)
        shared = shared_groups(*divided_groups(parts, data.split, first, second))
        train, val = train.take(first), train.take(second)
        if every := files.get("train"):
            files |= {"train": [every[i] for i in first.tolist()], "val": [every[i] for i in second.tolist()]}
    else:
        shared = shared_groups(*given_groups(parts))
    for name, split in (("training", train), ("validation", val)):
        if len(split) == 0:
            raise UserError(f"data: the {name} split is empty")
    splits = Splits(train, val, test, notes, shared, parts.classes, files)
    splits = splits if parts.rows is None else _encoded(splits, parts.rows)
    if parts.forms and isinstance(train, TensorSplit):
        splits = replace(splits, columns=Columns.plain(parts.forms, train.stored.args[0]))
    splits = _standardized(splits) if parts.standardize else splits
    splits = _in_units(splits) if parts.standardize_target else splits
    return replace(splits, notes=(*splits.notes, *_unlearned(splits)))


def _narrowed(parts: Parts) -> Parts:
    """A source's fractions of double precision as float32; where that would take their differences they stay until
    they are standardised, or what is lost is told."""
    if not isinstance(parts.train, TensorSplit):
        return parts
    stored = parts.train.stored
    of_targets = "target {}" if stored.targets.dim() > 1 else "the target"
    inputs = _lost("input feature {}", stored.args[0], "standardize", parts.standardize)
    targets = _lost(of_targets, stored.targets, "standardize_target", parts.standardize_target)
    wide = (bool(inputs) and parts.standardize, bool(targets) and parts.standardize_target)

    def narrowed(part: Any) -> Any:
        if not isinstance(part, TensorSplit):
            return part
        (first, *others), targets = part.stored.args, part.stored.targets
        first, targets = (x if keep else _single(x) for x, keep in zip((first, targets), wide, strict=True))
        return replace(part, stored=replace(part.stored, args=(first, *others), targets=targets))

    told = [note for note, kept in zip((inputs, targets), wide, strict=True) if not kept]
    train, val, test = map(narrowed, (parts.train, parts.val, parts.test))
    return replace(parts, train=train, val=val, test=test, notes=(*parts.notes, *filter(None, told)))


def _single(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.float64 else x


def _lost(name: str, x: Tensor, key: str, scaled: bool) -> str:
    """What is told of the first column that float32 does not hold; nothing where it holds all, as it does whole numbers
    of EXACT and less that are not `scaled`."""
    whole = not x.is_floating_point() and not x.is_complex() and x.dtype != torch.uint8
    large = whole and max(map(abs, map(int, x.aminmax()))) > (SINGLE if scaled else EXACT) if x.numel() else False
    if not x.numel() or not (x.dtype == torch.float64 or large):
        return ""
    mean, std = (value.flatten() for value in moments(x))
    lost = needs_double(mean, std)
    if not bool(lost.any()):
        return ""
    at = int(lost.int().argmax())
    return told_lost(name.format(at), float(mean[at]), float(std[at]), key)


def _encoded(splits: Splits, rows: Rows) -> Splits:
    """Inputs of the rows that stand in a table's splits, by what its training rows fix."""

    def numbers(split: Split | LoaderSplit) -> Tensor:
        assert isinstance(split, TensorSplit)
        inputs: Tensor = split.stored.args[0]
        return inputs

    def inputs(split: Split) -> Split:
        assert isinstance(split, TensorSplit)
        return replace(split, stored=replace(split.stored, args=(rows.inputs(columns, numbers(split)),)))

    columns, told = rows.fit(numbers(splits.train))
    told = (*told, *rows.unknown(columns, numbers(splits.val)))
    whole = replace(splits, columns=columns, notes=(*splits.notes, *told))
    return _each(whole, inputs)


def _standardized(splits: Splits) -> Splits:
    """The first input in the training split's mean and deviation, where it is in memory."""
    if not isinstance(splits.train, TensorSplit):
        return splits
    normalize = Normalize.fit(splits.train.stored.args[0])
    return _each(splits, lambda split: replace(split, normalize=normalize) if isinstance(split, TensorSplit) else split)


def _in_units(splits: Splits) -> Splits:
    """The targets likewise. Errors: UserError where they are all the same, or no tensor."""
    if not isinstance(splits.train, TensorSplit):
        return splits
    targets = splits.train.stored.targets
    if splits.classes is not None or not isinstance(targets, Tensor) or bool((targets == targets[0]).all()):
        raise UserError("data.args.standardize_target: the targets are no numbers that differ")
    units = Normalize.fit(targets)

    def changed(split: Split) -> Split:
        assert isinstance(split, TensorSplit)
        return replace(split, stored=replace(split.stored, targets=units(split.stored.targets)))

    note = f"one unit of the targets, and of an error, is {_told_units(units)}"
    return _each(replace(splits, units=units, notes=(*splits.notes, note)), changed)


def _each(splits: Splits, change: Callable[[Split], Split]) -> Splits:
    """All splits changed in the same way."""
    assert not isinstance(splits.train, LoaderSplit)
    test = None if splits.test is None else change(splits.test)
    return replace(splits, train=change(splits.train), val=change(splits.val), test=test)


def _unlearned(splits: Splits) -> tuple[str, ...]:
    """What is told of classes that validation or the test split has and training has not."""
    if splits.classes is None:
        return ()
    labels = {
        name: torch.unique(targets).tolist()
        for name, targets in splits.known_targets().items()
        if isinstance(targets, Tensor) and targets.dim() == 1 and not targets.is_floating_point()
    }
    learned = labels.pop("training", None)
    told = []
    for name, scored in labels.items() if learned is not None else ():
        names = [splits.classes[i] for i in scored if 0 <= i < len(splits.classes) and i not in learned]
        asking = "validation" if name == "validation" else "the test split"
        told += [f"no training sample of what {asking} asks for: {', '.join(names)}"] if names else []
    return tuple(told)


def _left_out(parts: Parts) -> tuple[str, ...]:
    """What is told of samples that a source could not read."""
    names = [one.name for one in parts.unreadable]
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return (f"cannot be read, and left out: {', '.join(names[:SHOWN])}{more}",) if names else ()


def _unshuffled(part: object) -> tuple[str, ...]:
    """What is said of a training loader that goes through its samples in order."""
    if isinstance(part, DataLoader) and isinstance(part.sampler, SequentialSampler):
        return (
            "the training loader does not shuffle; tunekit does, anew in every epoch: do the same with shuffle=True",
        )
    return ()


def reduced(whole: Splits, data: DataSpec) -> Splits:
    """The few samples that `data.subset` names, for training and validation alike; or all, where it names none."""
    if data.subset is None:
        return whole
    every = whole.train
    if isinstance(every, LoaderSplit):
        first = first_samples(every)
        if first is None:  # batches that cannot be taken apart: all of them are learned, in their own order
            return replace(whole, train=BlankLoader(every.loader, len(every))) if data.blank else whole
        every = first
    train = tiny_subset(every, data.subset, data.seed)
    if data.blank:
        train = blanked(train)
    return replace(whole, train=train, val=train, groups=None, files={})


def moved(splits: Splits, device: torch.device) -> Splits:
    """Splits in memory, on a device; what is read batch by batch stays where it is."""
    if device.type == "cpu" or isinstance(splits.train, LoaderSplit):
        return splits
    test = None if splits.test is None else _moved(splits.test, device)
    return replace(splits, train=_moved(splits.train, device), val=_moved(splits.val, device), test=test)


def _split_of(part: Any) -> Split | LoaderSplit:
    """A split of whatever a person returned: loaders are rebuilt from their dataset unless they bring an order."""
    if isinstance(part, TensorSplit):
        return part
    collate = None
    if isinstance(part, DataLoader):
        usual = isinstance(part.sampler, RandomSampler | SequentialSampler) and part.batch_size is not None
        if (
            not usual
            or isinstance(part.dataset, IterableDataset)
            or type(part.batch_sampler).__name__ != "BatchSampler"
        ):
            return _loader(part)
        standard = getattr(part.collate_fn, "__name__", "") == "default_collate"
        part, collate = part.dataset, (None if standard else part.collate_fn)
    if isinstance(part, IterableDataset) or not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        if not hasattr(part, "__iter__"):
            raise UserError(f"data: {type(part).__name__} is neither a dataset nor a loader")
        return _loader(DataLoader(part, batch_size=None) if isinstance(part, IterableDataset) else part)
    return in_memory(part, collate)


def _strata(targets: Tensor) -> Tensor:
    """Whole numbers of few values are classes to split by, whatever type a table gave them."""
    if targets.is_floating_point() and targets.dim() == 1:
        values = torch.unique(targets)
        if len(values) <= max(2, len(targets) // 10) and bool((values == values.round()).all()):
            return targets.long()
    return targets


def _loader(loader: Any) -> LoaderSplit:
    if iter(loader) is loader:
        raise UserError(
            f"data: a {type(loader).__name__} gives its batches only once; return a DataLoader or a dataset"
        )
    length = 0
    for count, batch in enumerate(LoaderSplit(loader).batches()):
        if count == ENDLESS:
            break  # a stream without an end: so many batches count as its epoch
        if (isinstance(batch.targets, Tensor) and not batch.targets.dim()) or not hasattr(batch.targets, "__len__"):
            raise UserError("data: an iterable must give batches; put a DataLoader with a batch_size around it")
        length += len(batch)
    if length == 0:
        raise UserError("data: the training data give no batch")
    return LoaderSplit(loader, length=length)


def _collected(split: Split | LoaderSplit) -> Split:
    """Validation from a loader: one pass, kept. Errors: UserError where it has no end."""
    if not isinstance(split, LoaderSplit):
        return split
    batches: list[Batch] = []
    count = size = 0
    for batch in split.batches():
        batches.append(batch)
        count += len(batch)
        size += sum(value.nbytes for value in tensors(batch.values))
        if count > MOST_KEPT or size > MEMORY_LIMIT:
            most = f"{MOST_KEPT:,} samples" if count > MOST_KEPT else f"{MEMORY_LIMIT / 2**30:.0f} GiB"
            raise UserError(f"data: validation gives more than {most}, or has no end: it is kept in memory, give fewer")
    whole = all(by_rows([batch.inputs, batch.targets], len(batch)) for batch in batches)
    try:
        return TensorSplit(Batch.joined(batches)) if whole else BatchesSplit(tuple(batches))
    except RuntimeError:
        return BatchesSplit(tuple(batches))


def _told_units(units: Normalize) -> str:
    pairs = zip(units.scale.flatten().tolist(), units.mean.flatten().tolist(), strict=True)
    return "; ".join(f"{1 / scale:.4g} (from {mean:.4g} on)" for scale, mean in pairs)


def _moved(split: Split, device: torch.device) -> Split:
    if not isinstance(split, TensorSplit):
        return split
    double = split.normalize is not None and split.normalize.mean.dtype == torch.float64
    return split if double and device.type == "mps" else split.to(device)  # which has no double precision
