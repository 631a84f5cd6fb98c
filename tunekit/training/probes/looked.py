"""The samples of a split that probes look at: moments, targets, digests. Whoever measures data begins here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit import measured
from tunekit.measured import Inputs, NotFinite
from tunekit.training.data import Batch, BatchesSplit, LoaderSplit, Split, TensorSplit
from tunekit.training.losses import LEFT_OUT, together
from tunekit.training.probes.moments import Moments
from tunekit.training.probes.neighbours import AMONG, Points

WHOLE = 200_000  # samples of a split in memory that are all looked at
SAMPLE = 1_000  # samples read of a split that is not in memory
EXAMPLES = 5  # indices named
FEW_KINDS = 32  # values of an input of floats that are no measurement
WIDE = 2_000  # features, above which inputs are no table
UNLIKELY = 1e-6  # equals of a sample, expected by chance: none
NARROW = 64  # features, above which equal rows are no coincidence anyway


class Looked:
    """The samples of a split that are looked at: inputs [n, ...] as the model gets them, and their targets."""

    def __init__(self, split: Split | LoaderSplit) -> None:
        self.size = len(split)
        self.picks, self.batches = _read(split)
        self.raw = split if isinstance(split, TensorSplit) else None
        targets = [batch.targets for batch in self.batches]
        self.targets = _joined(targets)
        self.measurement = find_measurement(self.batches[0]) if self.batches else None
        self.count, self.bytes = 0, True
        self.moments = Moments(0)
        self.bad: list[int] = []
        self._scan()

    def _scan(self) -> None:
        """Moments per feature over finite values, in float64, and the samples with values that are not finite.

        Finiteness is asked of the values as stored: one infinity would spread over its column when standardised.
        """
        position = 0
        for batch, stored in zip(self.batches, self.stored(), strict=True):
            for value in stored:
                if value.is_floating_point() and value.dim() and not is_additive_mask(value):
                    finite = torch.isfinite(value.reshape(len(value), -1)).all(1)
                    self.bad += [int(self.picks[position + i]) for i in (~finite).nonzero().flatten().tolist()]
            first = self.first(batch)
            if first is not None:
                self._add(first.reshape(len(first), -1).double().numpy())
            position += len(batch)

    def _add(self, flat: npt.NDArray[np.float64]) -> None:
        """[n, F]."""
        if not self.features:
            self.moments = Moments(flat.shape[1])
        if flat.shape[1] == self.features and len(flat):
            self.moments.add(flat)
            self.count += len(flat)
            self.bytes = self.bytes and self._are_bytes(flat)

    def _are_bytes(self, flat: npt.NDArray[np.float64]) -> bool:
        """Whether all that is finite is; of measurements the first few rows say no."""
        if self.moments.low.min() < 0 or self.moments.high.max() > 255:
            return False
        return not any((part > np.floor(part)).any() for part in (flat[:8], flat))

    @property
    def features(self) -> int:
        return len(self.moments.count)

    def stored(self) -> list[list[Tensor]]:
        """The inputs of each batch as stored where they are in memory, else as the model gets them."""
        if self.raw is None:
            return [inputs_of(batch) for batch in self.batches]
        return [[value[picks] for value in self.raw.stored.inputs] for picks in self.picks.split(2048)]

    def row_names(self) -> list[str]:
        """What the inputs that have a row a sample are called, in the order of `stored`."""
        batch = self.batches[0]
        pairs = zip(batch.names, batch.inputs, strict=True)
        return [name for name, value in pairs if isinstance(value, Tensor) and value.dim() and len(value) == len(batch)]

    @property
    def by_rows(self) -> bool:
        """Whether samples can be told apart: each has its row in every input."""
        return all(map(_by_rows, self.batches))

    @property
    def whole(self) -> bool:
        return len(self.picks) == self.size

    def first(self, batch: Batch) -> Tensor | None:
        """The input that is a measurement."""
        return None if self.measurement is None else inputs_of(batch)[self.measurement]

    def numbers(self) -> measured.Split:
        targets = self.targets
        bad = None if targets is None else ~torch.isfinite(targets.reshape(len(targets), -1))
        return measured.Split(
            size=self.size,
            seen=len(self.picks),
            not_finite=NotFinite(len(self.bad), tuple(sorted(set(self.bad))[:EXAMPLES])),
            targets_not_finite=0 if bad is None else int(bad.sum()),
            inputs=self.inputs() if self.moments.count.any() else None,
            bad_targets=() if bad is None else tuple(self.picks[bad.any(1)][:EXAMPLES].tolist()),
        )

    def inputs(self) -> Inputs:
        known = self.moments.count > 0
        means, stds = self.moments.means[known], self.moments.stds[known]
        return Inputs(
            mean=float(means.mean()),
            std=float(np.sqrt((stds**2).mean() + means.var())),
            features=self.features,
            constant_features=int((stds <= 1e-12 * (1 + np.abs(means))).sum()),
            highest=float(self.moments.high.max()),
            bytes=self.bytes,
        )

    def table(self, every: int = 1) -> Tensor:
        """The measurements [n, F] of the samples looked at; of each 2,048 the first and `every` so many behind it."""
        firsts = [self.first(batch) for batch in self.batches]
        flat = [value[::every].reshape(len(value[::every]), -1) for value in firsts if value is not None]
        return torch.cat([part for part in flat if part.shape[1] == self.features])

    def points(self) -> Points | None:
        """Of large splits some of each 2,048."""
        every = max(1, len(self.picks) // AMONG)
        if self.targets is None or not self.count or self.count != len(self.targets):
            return None
        return Points(self.table(every), torch.cat([part[::every] for part in self.targets_by_batch()]))

    def targets_by_batch(self) -> Sequence[Tensor]:
        """The targets [n, ...], which are tensors, as they go with the batches."""
        assert self.targets is not None
        parts: Sequence[Tensor] = self.targets.split([len(batch) for batch in self.batches])
        return parts

    def diversity(self, rows: int) -> float | None:
        """Distinct values of the most diverse feature over the number of distinct rows; None for wide inputs. Near 1,
        rows do not coincide by chance: they are copies."""
        if not 0 < self.features <= NARROW:
            return None
        return max(len(column.unique()) for column in self.table().T) / max(1, rows)

    def by_chance(self, widths: Sequence[int] = ()) -> float:
        """How many equals a sample of a table would have, were each column drawn by itself; 0 for other inputs.
        `widths`: inputs that each column of the person's table became."""
        if not 0 < self.features <= WIDE or not self.count:
            return 0.0
        expected = float(self.count)
        table = self.table(max(1, self.count // SAMPLE))
        for column in by_source(table, widths if sum(widths) == self.features else ()):
            counts = column.unique(dim=0, return_counts=True)[1].double()
            expected *= float((counts * (counts - 1)).sum() / (len(column) * max(1, len(column) - 1)))
            if expected < UNLIKELY:
                return 0.0
        return expected

    def kinds(self) -> int | None:
        """Values a sample of inputs that are whole numbers or take few values; None where others are among them."""
        values = [value for batch in self.batches[:1] for value in inputs_of(batch)]
        few = (not value.is_floating_point() or len(value.unique()) <= FEW_KINDS for value in values)
        return sum(value[0].numel() for value in values) if values and all(few) else None

    def hashes(self) -> list[bytes]:
        """A digest of every looked-at sample's inputs (bytes as stored, where they are in memory)."""
        digests: list[bytes] = []
        if not self.by_rows:
            return [f"{id(self)} {pick}".encode() for pick in self.picks.tolist()]  # samples that cannot be compared
        for values in self.stored():
            columns = [value.reshape(len(value), -1).contiguous().cpu().numpy() for value in values]
            # Batches of several widths are padded by zeros.
            rows = (b"|".join(part.tobytes().rstrip(b"\0") for part in row) for row in zip(*columns, strict=True))
            digests += [hashlib.blake2b(row, digest_size=12).digest() for row in rows]
        return digests


def by_source(table: Tensor, widths: Sequence[int]) -> tuple[Tensor, ...]:
    """Inputs [n, F] apart by the column that they come of: as `widths` says, and flags beside each other of which never
    two are raised are one column's categories."""
    high, low = table.amax(0), table.amin(0)
    raised = table == high
    flags = (raised | (table == low)).all(0) & (high > low)
    starts = set(accumulate(widths or [1] * len(high), initial=0))
    begins, taken = [], torch.ones(len(table), dtype=torch.bool)
    for column in range(len(high)):
        own = raised[:, column] if flags[column] else torch.ones_like(taken)
        if column in starts and bool((taken & own).any()):
            begins.append(column)
            taken = torch.zeros_like(own)
        taken = taken | own
    return table.tensor_split(begins[1:], dim=1)


def _read(split: Split | LoaderSplit) -> tuple[Tensor, list[Batch]]:
    """Indices of the samples that are looked at, and these samples: of what cannot be indexed the first ones."""
    if isinstance(split, LoaderSplit | BatchesSplit):
        batches = _first(split.batches() if isinstance(split, LoaderSplit) else split.stored)
        return torch.arange(sum(map(len, batches))), batches
    limit, size = WHOLE if isinstance(split, TensorSplit) else SAMPLE, len(split)
    picks = torch.arange(size) if size <= limit else torch.linspace(0, size - 1, limit).long()
    return picks, [split.batch(part) for part in picks.split(2048)]


def _first(batches: Iterable[Batch]) -> list[Batch]:
    first: list[Batch] = []
    for batch in batches:
        first.append(batch)
        if sum(map(len, first)) >= SAMPLE:
            break
    return first


def inputs_of(batch: Batch) -> list[Tensor]:
    """The inputs that have a row a sample."""
    return [value for value in batch.inputs if isinstance(value, Tensor) and value.dim() and len(value) == len(batch)]


def _by_rows(batch: Batch) -> bool:
    """Whether all tensors have a row a sample; graphs and bags of words stand one behind the other."""
    return len(inputs_of(batch)) == sum(isinstance(value, Tensor) for value in batch.inputs)


def find_measurement(batch: Batch) -> int | None:
    """The place among the inputs of the first that is a measurement; wide integers are tokens, whose scale means
    nothing, and so do zeros and ones beside another input: they are its mask."""
    inputs = inputs_of(batch)
    numbers = [i for i, value in enumerate(inputs) if value.is_floating_point() or value.dtype == torch.uint8]
    masks = [i for i in numbers if bool(((inputs[i] == 0) | (inputs[i] == 1)).all()) or is_additive_mask(inputs[i])]
    return next((i for i in numbers if i not in masks or len(inputs) == 1), None)


def is_additive_mask(value: Tensor) -> bool:
    """Zeros and minus infinity: what attention adds to its scores."""
    barred = torch.isneginf(value)
    return bool(barred.any()) and bool((barred | (value == 0)).all())


def _joined(targets: list[Any]) -> Tensor | None:
    """Targets of all batches; None where they are no tensors, or of differing widths without what marks a padding."""
    every = together(targets)
    marked = every is not None and any(bool((part == LEFT_OUT).any()) for part in targets)
    return every if marked or len({getattr(part, "shape", ())[1:] for part in targets}) == 1 else None
