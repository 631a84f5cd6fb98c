"""The data as `tunekit inspect` tells them: all three splits, what they share, their files. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from tunekit.configuration import TrainingConfig
from tunekit.measured import (
    Channel,
    DataReport,
    Files,
    FileSize,
    InputReport,
    NearConstant,
    Numbers,
    SharedReport,
    Sides,
    SplitReport,
)
from tunekit.training.data import LoaderSplit, file_of
from tunekit.training.probes.dataset import class_numbers, count_positions, measure_samples, whole_numbers
from tunekit.training.probes.looked import EXAMPLES, Looked
from tunekit.training.probes.values import measure_input, measure_near_constant
from tunekit.training.sources.columns import Columns, Encoding
from tunekit.training.sources.parts import Parts
from tunekit.training.unreadable import Readable

FILES = 5_000  # of a split whose headers are read
SIZES = 5  # told
COLUMNS = 20  # of targets that are told
FENCE = 3.0  # quartile ranges off the quartiles, from which a value lies far out (Tukey 1977)
CLASSES = 10_000  # more different whole numbers are no classes


def measure_report(readable: Readable, config: TrainingConfig) -> DataReport:
    """The report of data that were read."""
    task = config.task
    splits = readable.splits
    every = {"train": splits.train, "val": splits.val, "test": splits.test}
    looked = {name: Looked(split) for name, split in every.items() if split is not None}
    train, val = looked["train"], looked["val"]
    digests = {name: one.hashes() for name, one in looked.items() if one.by_rows}
    samples = None
    if not isinstance(splits.train, LoaderSplit):
        samples = measure_samples(train, val, splits, config)
    features = None if splits.columns is None else splits.columns.names
    inputs = _inputs(train, features)
    if splits.columns is not None:
        inputs = tuple(_in_own_units(one, splits.columns) for one in inputs)
    return DataReport(
        splits=tuple(_split(name, one, digests.get(name, []), task) for name, one in looked.items()),
        class_names=splits.classes,
        inputs=inputs,
        near_constant=_near_constant(train, inputs, splits.columns),
        targets=_numbers(train) if task == "regression" else (),
        shared=_shared(looked, digests),
        unreadable=readable.unreadable,
        files=_files(readable.parts),
        samples=samples,
        target_axes=samples.labels.axes if samples is not None and samples.labels is not None else 0,
    )


def _split(name: str, looked: Looked, digests: list[bytes], task: str) -> SplitReport:
    numbers = looked.numbers()
    inputs = numbers.inputs
    return SplitReport(
        split=name,
        size=looked.size,
        seen=len(looked.picks),
        not_finite=numbers.not_finite.count,
        repeated=len(digests) - len(set(digests)),
        classes=_classes(looked.targets, task),
        mean=None if inputs is None else inputs.mean,
        std=None if inputs is None else inputs.std,
        features=None if inputs is None else inputs.features,
        constant_features=None if inputs is None else inputs.constant_features,
    )


def _classes(targets: Tensor | None, task: str) -> dict[int, int] | None:
    """Samples by class; of several labels a sample, those that have each; of classes a token or pixel, positions."""
    if targets is None or task == "regression" or targets.is_complex() or not len(targets):
        return None
    if task == "multilabel" and targets.dim() == 2:
        return dict(enumerate((targets > 0.5).sum(0).tolist()))
    labels = class_numbers(targets, task)
    if labels is None:
        labels = whole_numbers(targets) if task == "binary" or not targets.is_floating_point() else None
        if labels is None or labels.dim() > 1:
            return None if labels is None else count_positions(labels)
    values, counts = labels.unique(return_counts=True)
    if len(values) > CLASSES:
        return None
    return {int(value): int(count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)}


def _inputs(train: Looked, features: Sequence[str] | None) -> tuple[InputReport, ...]:
    """Every input with a row a sample, as it is stored; of others what they are."""
    if not train.batches:
        return ()
    stored, names, first = train.stored(), train.row_names(), train.batches[0]
    columns = [[batch[place] for batch in stored if place < len(batch)] for place in range(len(names))]
    inputs = [measure_input(name, parts, features) for name, parts in zip(names, columns, strict=True) if parts]
    for name, value in zip(first.names, first.inputs, strict=True):
        if name not in names:
            dtype = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__
            inputs.append(InputReport(name, "other", dtype, (), None, None, 0, (), None))
    return tuple(inputs)


def _in_own_units(one: InputReport, columns: Columns) -> InputReport:
    """The inputs that a table became, as numbers of its columns before gaps were filled and they were standardised;
    dates are days since 1970."""
    by_name = {channel.name: channel for channel in one.channels}
    if one.missing or tuple(by_name) != columns.names:  # what a table became has no gaps
        return one
    gaps = 0
    for encoding in columns.encodings:
        flag, own = by_name.get(f"{encoding.name} missing"), by_name.get(encoding.name)
        missing = 0 if flag is None or flag.mean is None else round(flag.mean * flag.count)
        gaps += missing
        if own is not None:
            by_name[encoding.name] = _unfilled(own, encoding, missing)
    channels = tuple(by_name.values())
    lowest = min((c.lowest for c in channels if c.lowest is not None), default=None)
    highest = max((c.highest for c in channels if c.highest is not None), default=None)
    return replace(one, channels=channels, missing=gaps, lowest=lowest, highest=highest)


def _unfilled(channel: Channel, encoding: Encoding, missing: int) -> Channel:
    """A column's numbers without what stands in for its missing cells."""
    known = channel.count - missing
    if channel.mean is None or channel.std is None or channel.lowest is None or channel.highest is None or known < 1:
        return channel
    unit, off = 1 / (encoding.scale or 1.0), encoding.mean - encoding.fill
    mean, square = channel.mean * unit + off, (channel.std * unit) ** 2  # of all cells, about what stands in
    square = (square + mean * mean) * channel.count / known
    mean *= channel.count / known
    return Channel(
        name=channel.name,
        count=known,
        mean=mean + encoding.fill,
        std=max(square - mean * mean, 0.0) ** 0.5,
        lowest=channel.lowest * unit + encoding.mean,
        highest=channel.highest * unit + encoding.mean,
        missing=missing,
    )


def _near_constant(train: Looked, inputs: Sequence[InputReport], columns: Columns | None) -> tuple[NearConstant, ...]:
    """With the values of a table's columns in their own units."""
    place = next((place for place, one in enumerate(inputs) if one.kind == "table" and one.dtype != "bool"), None)
    if place is None:
        return ()
    found = measure_near_constant(
        [batch[place] for batch in train.stored()], None if columns is None else columns.names
    )
    units = {} if columns is None else {one.name: one for one in columns.encodings}
    return tuple(
        replace(one, value=one.value / units[one.name].scale + units[one.name].mean) if one.name in units else one
        for one in found
    )


def _numbers(train: Looked) -> tuple[Numbers, ...]:
    if train.targets is None or train.targets.is_complex():
        return ()
    table = train.targets.reshape(len(train.targets), -1).double().numpy()
    columns = [] if table.shape[1] > COLUMNS else list(table.T)
    return tuple(
        _column(str(number) if len(columns) > 1 else "target", values, train.picks)
        for number, values in enumerate(columns)
        if np.isfinite(values).any()
    )


def _column(name: str, values: Any, picks: Tensor) -> Numbers:
    finite = np.isfinite(values)
    known = values[finite]
    low, high = np.quantile(known, [0.25, 0.75])
    beyond = np.maximum(low - values, values - high)
    far = finite & (beyond > FENCE * (high - low)) if high > low else np.zeros(len(values), dtype=bool)
    order = np.argsort(-np.where(far, beyond, -np.inf), kind="stable")[: min(EXAMPLES, int(far.sum()))]
    return Numbers(
        name=name,
        mean=float(known.mean()),
        std=float(known.std()),
        lowest=float(known.min()),
        highest=float(known.max()),
        outliers=int(far.sum()),
        examples=tuple(int(picks[int(i)]) for i in order),
    )


def _shared(looked: dict[str, Looked], digests: dict[str, list[bytes]]) -> tuple[SharedReport, ...]:
    pairs = [pair for pair in (("train", "val"), ("train", "test"), ("val", "test")) if set(pair) <= set(digests)]
    shared = []
    for first, second in pairs:
        known = set(digests[first])
        places = [place for place, digest in enumerate(digests[second]) if digest in known]
        examples = tuple(int(looked[second].picks[place]) for place in places[:EXAMPLES])
        shared.append(SharedReport(first, second, len(places), len(places) / max(1, len(digests[second])), examples))
    return tuple(shared)


def _dataset(part: Any) -> Any:
    if isinstance(part, DataLoader):
        part = part.dataset
    plain = isinstance(part, Subset) and type(part) is Subset
    return part.dataset if plain else part


def _files(parts: Parts) -> Files | None:
    """The sizes of image files by their headers, of the training part."""
    from PIL import Image

    dataset = _dataset(parts.train)
    listed = parts.files.get("train") or ()
    try:
        size = len(listed) or len(dataset)
    except TypeError:
        return None  # a stream
    picks = torch.linspace(0, size - 1, min(FILES, size)).long().tolist() if size else []
    paths = [listed[index] if listed else file_of(dataset, index) for index in picks]
    if not paths or paths[0] is None or not Path(paths[0]).is_file():
        return None
    sizes: Counter[tuple[int, int, str]] = Counter()
    for path in paths:
        try:
            with Image.open(path or "") as image:
                sizes[(*image.size, str(image.mode))] += 1
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # no image, or one that cannot be read, which is told elsewhere
    if not sizes:
        return None
    every = list(sizes.elements())
    return Files(
        size=size,
        seen=len(every),
        sizes=tuple(FileSize(*key, count) for key, count in sizes.most_common(SIZES)),
        different=len(sizes),
        width=_sides([width for width, _, _ in every]),
        height=_sides([height for _, height, _ in every]),
        shorter=_sides([min(width, height) for width, height, _ in every]),
        modes=dict(Counter(mode for _, _, mode in every).most_common()),
    )


def _sides(pixels: Sequence[int]) -> Sides:
    return Sides(min(pixels), float(np.median(pixels)), max(pixels))
