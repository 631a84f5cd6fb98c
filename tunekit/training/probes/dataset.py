"""What the data are like as the model gets them: values, labels, duplicates within and across the splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit import measured
from tunekit.measured import (
    Conflicts,
    DataMeasured,
    Duplicates,
    Giveaway,
    Inputs,
    Labels,
    Neighbours,
    NotFinite,
    Samples,
    Shared,
    Shift,
    TargetShift,
)
from tunekit.training.data import Batch, LoaderSplit, Split, TensorSplit
from tunekit.training.probes.asking import answered
from tunekit.training.probes.giveaways import find_giveaway
from tunekit.training.probes.mirrored import measure_mirrored
from tunekit.training.probes.neighbours import AMONG, Points, measure_neighbours
from tunekit.training.probes.reading import measure_reading
from tunekit.training.probes.subject import Subject
from tunekit.training.probes.target_shift import measure_target_shift
from tunekit.training.probes.token_targets import are_tokens
from tunekit.training.probes.windows import measure_windows
from tunekit.training.tasks import KINDS

WHOLE = 200_000  # samples of a split in memory that are all looked at
SAMPLE = 1_000  # samples read of a split that is not in memory
EXAMPLES = 5  # indices named
FEW_KINDS = 32  # values of an input of floats that are no measurement
WIDE = 2_000  # features, above which inputs are no table
NARROW = 64  # features, above which equal rows are no coincidence anyway
VOID = 255  # the usual marker of pixels without a class
MOST_CLASSES = 256  # of tokens or pixels, that are counted one by one


def measure_data(subject: Subject) -> DataMeasured:
    """Statistics of both splits, label counts, and samples that occur twice."""
    splits = subject.bench.splits(subject.config, torch.device("cpu"))
    if isinstance(splits.train, LoaderSplit):
        return DataMeasured(None)
    train, val = _Looked(splits.train), _Looked(splits.val)
    return DataMeasured(
        Samples(
            train=train.numbers(),
            val=val.numbers(),
            shift=_shift(train, val),
            labels=_labels(train, val, subject.config.task) if subject.config.task in KINDS else None,
            duplicates=_duplicates(train, val),
            reading=answered(measure_reading, splits.train),
            windows=answered(measure_windows, train.batches, val.batches) if train.whole and val.whole else None,
            groups=splits.groups,
            giveaway=answered(_giveaway, train, subject.config.task),
            target_shift=answered(_target_shift, train, val) if subject.config.task == "regression" else None,
            neighbours=answered(_neighbours, train, val, subject.config.task),
            mirrored=answered(measure_mirrored, splits.train, subject.config) or (),
        )
    )


class _Looked:
    """The samples of a split that are looked at: inputs [n, ...] as the model gets them, and their targets."""

    def __init__(self, split: Split) -> None:
        limit = WHOLE if isinstance(split, TensorSplit) else SAMPLE
        self.size = len(split)
        self.picks = torch.arange(self.size) if self.size <= limit else torch.linspace(0, self.size - 1, limit).long()
        self.batches: list[Batch] = [split.batch(part) for part in self.picks.split(2048)]
        self.raw = split if isinstance(split, TensorSplit) else None
        targets = [batch.targets for batch in self.batches]
        self.targets = _joined(targets)
        self.measurement = _measurement(self.batches[0]) if self.batches else None
        self.count, self.highest, self.bytes = 0, -np.inf, True
        self.base = self.total = self.square = np.zeros(0)
        self.bad: list[int] = []
        self._scan()

    def _scan(self) -> None:
        """Moments per feature over finite values, in float64, and the samples with values that are not finite.

        Finiteness is asked of the values as stored: one infinity would spread over its column when standardised.
        """
        position = 0
        for batch, stored in zip(self.batches, self._stored(), strict=True):
            for value in stored:
                if value.is_floating_point() and value.dim() and not _is_additive_mask(value):
                    finite = torch.isfinite(value.reshape(len(value), -1)).all(1)
                    self.bad += [int(self.picks[position + i]) for i in (~finite).nonzero().flatten().tolist()]
            first = self.first(batch)
            if first is not None:
                self._add(torch.nan_to_num(first.reshape(len(first), -1).double(), 0.0, 0.0, 0.0).numpy())
            position += 2048

    def _add(self, flat: npt.NDArray[np.float64]) -> None:
        """Sums of [n, F] about the first sample: a constant feature then has a standard deviation of exactly zero."""
        if self.total.size == 0:
            self.base, self.total, self.square = flat[0], np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
        if flat.shape[1] == self.total.size:
            off = flat - self.base
            self.total = self.total + off.sum(0)
            self.square = self.square + (off * off).sum(0)
            self.count += len(flat)
            self.highest = max(self.highest, float(flat.max()))
            self.bytes = self.bytes and float(flat.min()) >= 0 and self.highest <= 255 and not (flat % 1).any()

    def _stored(self) -> list[list[Tensor]]:
        """The inputs of each batch as stored where they are in memory, else as the model gets them."""
        if self.raw is None:
            return [_inputs(batch) for batch in self.batches]
        return [[value[picks] for value in self.raw.stored.inputs] for picks in self.picks.split(2048)]

    @property
    def whole(self) -> bool:
        return len(self.picks) == self.size

    def first(self, batch: Batch) -> Tensor | None:
        """The input that is a measurement."""
        return None if self.measurement is None else _inputs(batch)[self.measurement]

    @property
    def means(self) -> npt.NDArray[np.float64]:
        return self.base + self.total / max(1, self.count)

    @property
    def stds(self) -> npt.NDArray[np.float64]:
        return np.sqrt(np.maximum(self.square / max(1, self.count) - (self.total / max(1, self.count)) ** 2, 0.0))

    def numbers(self) -> measured.Split:
        targets = self.targets
        return measured.Split(
            size=self.size,
            seen=len(self.picks),
            not_finite=NotFinite(len(self.bad), tuple(sorted(set(self.bad))[:EXAMPLES])),
            targets_not_finite=int((~torch.isfinite(targets.float())).sum()) if targets is not None else 0,
            inputs=self.inputs() if self.count else None,
        )

    def inputs(self) -> Inputs:
        return Inputs(
            mean=float(self.means.mean()),
            std=float(np.sqrt((self.stds**2).mean() + self.means.var())),
            features=int(self.total.size),
            constant_features=int((self.stds <= 1e-12 * (1 + np.abs(self.means))).sum()),
            highest=self.highest,
            bytes=self.bytes,
        )

    def table(self, every: int = 1) -> Tensor:
        """The measurements [n, F] of the samples looked at; of each 2,048 the first and `every` so many behind it."""
        firsts = [self.first(batch) for batch in self.batches]
        return torch.cat([value[::every].reshape(len(value[::every]), -1) for value in firsts if value is not None])

    def points(self) -> Points | None:
        """Of large splits some of each 2,048."""
        every = max(1, len(self.picks) // AMONG)
        if self.targets is None or not self.count or self.count != len(self.targets):
            return None
        return Points(self.table(every), torch.cat([part[::every] for part in self.targets.split(2048)]))

    def diversity(self, rows: int) -> float | None:
        """Distinct values of the most diverse feature over the number of distinct rows; None for wide inputs. Near 1,
        rows do not coincide by chance: they are copies."""
        if not 0 < self.total.size <= NARROW:
            return None
        return max(len(column.unique()) for column in self.table().T) / max(1, rows)

    def kinds(self) -> int | None:
        """Values a sample of inputs that are whole numbers or take few values; None where others are among them."""
        values = [value for batch in self.batches[:1] for value in _inputs(batch)]
        few = (not value.is_floating_point() or len(value.unique()) <= FEW_KINDS for value in values)
        return sum(value[0].numel() for value in values) if values and all(few) else None

    def hashes(self) -> list[bytes]:
        """A digest of every looked-at sample's inputs (bytes as stored, where they are in memory)."""
        digests: list[bytes] = []
        if not all(map(_by_rows, self.batches)):
            return [f"{id(self)} {pick}".encode() for pick in self.picks.tolist()]  # samples that cannot be compared
        for values in self._stored():
            columns = [value.reshape(len(value), -1).contiguous().cpu().numpy() for value in values]
            rows = (b"|".join(part.tobytes() for part in row) for row in zip(*columns, strict=True))
            digests += [hashlib.blake2b(row, digest_size=12).digest() for row in rows]
        return digests


def _giveaway(train: _Looked, task: str) -> Giveaway | None:
    """Of tables; of pictures a single value says nothing."""
    if train.targets is None or not 0 < train.total.size <= WIDE:
        return None
    every = max(1, len(train.picks) // SAMPLE)
    targets = torch.cat([part[::every] for part in train.targets.split(2048)])
    classes = task in ("classification", "binary")
    feature = find_giveaway(train.table(every), targets, classes)
    return None if feature is None else Giveaway(feature, len(targets), classes)


def _target_shift(train: _Looked, val: _Looked) -> TargetShift | None:
    return None if train.targets is None or val.targets is None else measure_target_shift(train.targets, val.targets)


def _neighbours(train: _Looked, val: _Looked, task: str) -> Neighbours | None:
    first, second = train.points(), val.points()
    if first is None or second is None:
        return None
    return measure_neighbours(first, second, task, counted=train.kinds() is not None)


def _inputs(batch: Batch) -> list[Tensor]:
    """The inputs that have a row a sample."""
    return [value for value in batch.inputs if isinstance(value, Tensor) and value.dim() and len(value) == len(batch)]


def _by_rows(batch: Batch) -> bool:
    """Whether all tensors have a row a sample; graphs and bags of words stand one behind the other."""
    return len(_inputs(batch)) == sum(isinstance(value, Tensor) for value in batch.inputs)


def _measurement(batch: Batch) -> int | None:
    """The place among the inputs of the first that is a measurement; wide integers are tokens, whose scale means
    nothing, and so do zeros and ones beside another input: they are its mask."""
    inputs = _inputs(batch)
    numbers = [i for i, value in enumerate(inputs) if value.is_floating_point() or value.dtype == torch.uint8]
    masks = [i for i in numbers if bool(((inputs[i] == 0) | (inputs[i] == 1)).all()) or _is_additive_mask(inputs[i])]
    return next((i for i in numbers if i not in masks or len(inputs) == 1), None)


def _is_additive_mask(value: Tensor) -> bool:
    """Zeros and minus infinity: what attention adds to its scores."""
    barred = torch.isneginf(value)
    return bool(barred.any()) and bool((barred | (value == 0)).all())


def _joined(targets: list[Any]) -> Tensor | None:
    """Targets of all batches; None where they are no tensors, or of differing widths."""
    if not targets or not all(isinstance(value, Tensor) and value.dim() for value in targets):
        return None
    return torch.cat(targets) if len({value.shape[1:] for value in targets}) == 1 else None


def _shift(train: _Looked, val: _Looked) -> Shift | None:
    """How far the validation inputs are from the training inputs, overall and for the feature that moved most."""
    if not train.count or not val.count or train.total.size != val.total.size:
        return None
    before, after = train.inputs(), val.inputs()
    scale = max(before.std, 1e-12)
    scales = np.maximum(train.stds, 1e-12)
    moved = np.abs(val.means - train.means)
    known = train.stds > 1e-6 * (1 + np.abs(train.means))
    error = scales * np.sqrt(1 / train.count + 1 / val.count)
    units = np.where(known, moved / scales, 0.0)
    worst = int(units.argmax())
    return Shift(
        mean=abs(after.mean - before.mean) / scale,
        scale=after.std / scale,
        feature=worst,
        feature_shift=float(units[worst]),
        feature_z=float(moved[worst] / error[worst]) if known[worst] else 0.0,
        shifted_features=float(np.mean(units > 0.5)),
    )


def _labels(looked: _Looked, held: _Looked, task: str) -> Labels | None:
    train, val = looked.targets, held.targets
    if train is None or val is None:
        return None
    both = torch.cat([train.flatten().float(), val.flatten().float()])
    both = both[torch.isfinite(both)]
    classes = task == "classification" and not train.is_floating_point() and train.dim() > 1
    positions = classes and train.shape != (len(train), 1)
    if task != "regression" and ((train.dim() == 1 and not train.is_floating_point()) or (classes and not positions)):
        counts = [_counts(targets.flatten()) for targets in (train, val)]
    else:
        counts = [_counts(targets[_counted(targets)]) for targets in (train, val)] if positions else []
    if positions and max(map(len, counts)) > MOST_CLASSES:
        counts = []
    as_classes = task == "classification" and train.is_floating_point() and train.dim() == 1
    finite = train[torch.isfinite(train)] if train.is_floating_point() else train
    return Labels(
        lowest=float(both.min()) if len(both) else None,
        highest=float(both.max()) if len(both) else None,
        train=counts[0] if counts else None,
        val=counts[1] if counts else None,
        axes=train.dim() - 1 if positions else 0,
        tokens=bool(counts) and bool(answered(are_tokens, counts[0], looked.batches)),
        same=len(train) > 1 and finite.numel() > 0 and bool((finite == finite.flatten()[0]).all()),
        broken=int((finite != finite.round()).sum()) if as_classes else 0,
    )


def _counted(targets: Tensor) -> Tensor:
    """Which tokens or pixels have a class: no negative one, and no 255 where the classes are fewer ("void")."""
    classes = targets[(targets >= 0) & (targets != VOID)]
    few = not classes.numel() or int(classes.max()) < VOID - 1
    return (targets >= 0) & ((targets != VOID) | (not few))


def _counts(labels: Tensor) -> dict[int, int]:
    values, counts = labels.unique(return_counts=True)
    return {int(value): int(count) for value, count in zip(values.tolist(), counts.tolist(), strict=True)}


def _duplicates(train: _Looked, val: _Looked) -> Duplicates:
    """Identical inputs: within the training split (with equal or different targets) and across the splits."""
    before, after = train.hashes(), val.hashes()
    counts = Counter(before)
    known = set(before)
    shared = [index for index, name in enumerate(after) if name in known]
    return Duplicates(
        repeated=sum(count for count in counts.values() if count > 1) / max(1, len(before)),
        largest_group=max(counts.values(), default=0) / max(1, len(before)),
        diversity=train.diversity(len(counts)),
        kinds=answered(train.kinds),
        conflicts=None if train.targets is None else _conflicts(train, train.targets, before, counts),
        shared=Shared(
            share=len(shared) / max(1, len(after)),
            count=len(shared),
            examples=tuple(int(val.picks[i]) for i in shared[:EXAMPLES]),
        ),
    )


def _agree(targets: Tensor) -> bool:
    """Whether targets [n, ...] of one input say the same; of several a sample a negative class is a marker."""
    same = targets == targets[:1]
    if targets.shape[1] > 1 and not targets.is_floating_point():
        same |= (targets < 0) | (targets[:1] < 0)
    return bool(same.all())


def _conflicts(train: _Looked, targets: Tensor, hashes: list[bytes], counts: Counter[bytes]) -> Conflicts:
    targets = targets.reshape(len(targets), -1)
    groups: dict[bytes, list[int]] = {}
    for index, name in enumerate(hashes):
        if counts[name] > 1:
            groups.setdefault(name, []).append(index)
    torn = [group for group in groups.values() if not _agree(targets[group])]
    return Conflicts(
        share=sum(map(len, torn)) / max(1, len(hashes)),
        examples=tuple((int(train.picks[first]), int(train.picks[second])) for first, second, *_ in torn[:EXAMPLES]),
    )
