"""What the data are like as the model gets them: values, labels, duplicates within and across the splits."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit import measured
from tunekit.measured import Conflicts, DataMeasured, Duplicates, Inputs, Labels, NotFinite, Samples, Shared, Shift
from tunekit.training.data import Batch, LoaderSplit, Split, TensorSplit
from tunekit.training.probes.subject import Subject
from tunekit.training.tasks import KINDS

WHOLE = 200_000  # samples of a split in memory that are all looked at
SAMPLE = 1_000  # samples read of a split that is not in memory
EXAMPLES = 5  # indices named
BYTE = 255  # the largest
NARROW = 64  # features, above which equal rows are no coincidence anyway


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
            labels=_labels(train.targets, val.targets) if subject.config.task in KINDS else None,
            duplicates=_duplicates(train, val),
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
        self.targets = torch.cat(targets) if targets and isinstance(targets[0], Tensor) else None
        self.count = 0
        self.base = self.total = self.square = np.zeros(0)
        self.bad: list[int] = []
        self.lowest, self.highest, self.whole = 0.0, 0.0, True
        self._scan()

    def _scan(self) -> None:
        """Moments per feature over finite values, in float64, and the samples with values that are not finite.

        Finiteness is asked of the values as stored: one infinity would spread over its column when standardised.
        """
        position = 0
        for batch, stored in zip(self.batches, self._stored(), strict=True):
            for value in stored:
                if value.is_floating_point():
                    finite = torch.isfinite(value.reshape(len(value), -1)).all(1)
                    self.bad += [int(self.picks[position + i]) for i in (~finite).nonzero().flatten().tolist()]
            first = _first(batch)
            if first is not None:
                self._add(torch.nan_to_num(first.reshape(len(first), -1).double(), 0.0, 0.0, 0.0).numpy())
            position += len(batch)

    def _add(self, flat: npt.NDArray[np.float64]) -> None:
        """Sums of [n, F] about the first sample: a constant feature then has a standard deviation of exactly zero."""
        if self.total.size == 0:
            self.base, self.total, self.square = flat[0], np.zeros(flat.shape[1]), np.zeros(flat.shape[1])
        self.lowest, self.highest = min(self.lowest, float(flat.min())), max(self.highest, float(flat.max()))
        self.whole = self.whole and bool((flat == np.round(flat)).all())
        if flat.shape[1] == self.total.size:
            off = flat - self.base
            self.total = self.total + off.sum(0)
            self.square = self.square + (off * off).sum(0)
            self.count += len(flat)

    def _stored(self) -> list[list[Tensor]]:
        """The inputs of each batch as stored where they are in memory, else as the model gets them."""
        if self.raw is None:
            return [_inputs(batch) for batch in self.batches]
        return [[value[picks] for value in self.raw.stored.inputs] for picks in self.picks.split(2048)]

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
            are_bytes=self.whole and self.lowest >= 0 and 1 < self.highest <= BYTE,
        )

    def diversity(self, rows: int) -> float | None:
        """Distinct values of the most diverse feature over the number of distinct rows; None for wide inputs. Near 1,
        rows do not coincide by chance: they are copies."""
        if not 0 < self.total.size <= NARROW:
            return None
        firsts = [_first(batch) for batch in self.batches]
        flat = torch.cat([value.reshape(len(value), -1) for value in firsts if value is not None])
        return max(len(column.unique()) for column in flat.T) / max(1, rows)

    def hashes(self) -> list[bytes]:
        """A digest of every looked-at sample's inputs (bytes as stored, where they are in memory)."""
        digests: list[bytes] = []
        for values in self._stored():
            columns = [value.reshape(len(value), -1).contiguous().cpu().numpy() for value in values]
            rows = (b"|".join(part.tobytes() for part in row) for row in zip(*columns, strict=True))
            digests += [hashlib.blake2b(row, digest_size=12).digest() for row in rows]
        return digests


def _inputs(batch: Batch) -> list[Tensor]:
    return [value for value in batch.inputs if isinstance(value, Tensor)]


def _first(batch: Batch) -> Tensor | None:
    """The first input that is a measurement; wide integers are tokens, whose scale means nothing."""
    for value in _inputs(batch):
        if value.is_floating_point() or value.dtype == torch.uint8:
            return value
    return None


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


def _labels(train: Tensor | None, val: Tensor | None) -> Labels | None:
    if train is None or val is None:
        return None
    both = torch.cat([train.flatten().float(), val.flatten().float()])
    both = both[torch.isfinite(both)]
    classes = train.dim() == 1 and not train.is_floating_point()
    return Labels(
        lowest=float(both.min()) if len(both) else None,
        highest=float(both.max()) if len(both) else None,
        train=_counts(train) if classes else None,
        val=_counts(val) if classes else None,
    )


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
        conflicts=None if train.targets is None else _conflicts(train, train.targets, before, counts),
        shared=Shared(
            share=len(shared) / max(1, len(after)),
            count=len(shared),
            examples=tuple(int(val.picks[i]) for i in shared[:EXAMPLES]),
        ),
    )


def _conflicts(train: _Looked, targets: Tensor, hashes: list[bytes], counts: Counter[bytes]) -> Conflicts:
    targets = targets.reshape(len(targets), -1)
    groups: dict[bytes, list[int]] = {}
    for index, name in enumerate(hashes):
        if counts[name] > 1:
            groups.setdefault(name, []).append(index)
    torn = [group for group in groups.values() if not bool((targets[group] == targets[group[0]]).all())]
    return Conflicts(
        share=sum(map(len, torn)) / max(1, len(hashes)),
        examples=tuple((int(train.picks[first]), int(train.picks[second])) for first, second, *_ in torn[:EXAMPLES]),
    )
