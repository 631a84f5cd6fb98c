"""The batches of one training: the k-th from its split, several read at once, ahead by other processes, or as a loader
of the person's own brings them."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from contextlib import suppress
from functools import cached_property
from operator import itemgetter

import torch

from tunekit.configuration import TrainingConfig
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Split, TensorSplit
from tunekit.training.order import BatchPlan, epoch_order
from tunekit.training.workbench import Workbench

BLOCK_BYTES = 2**18
"""Batches of few bytes are indexed and normalised several at once: for a tiny model that spares a tenth of the time."""


class Batches:
    """Those of a training split: the k-th follows from (seed, k) alone. At most `most` are read at once."""

    def __init__(self, split: Split | LoaderSplit, config: TrainingConfig, bench: Workbench, most: int) -> None:
        self.split = split
        self.config = config
        self.bench = bench
        self.most = most
        self._epoch = -1
        self._order = torch.empty(0)
        self._block: dict[int, Batch] = {}
        self._loader: Iterator[Batch] | None = None
        self._ahead: Iterator[Batch] | None = None

    @property
    def per_epoch(self) -> int:
        """Optimizer steps in a pass: whole batches only, at least one."""
        if isinstance(self.split, LoaderSplit) and isinstance(self.split.loader, Sized):
            with suppress(TypeError):  # a loader asks its dataset, and a stream has no length
                return len(self.split.loader)
        return max(1, len(self.split) // self.config.batch_size)

    def first(self, count: int) -> Batch:
        """So many samples, of a loader its first batch; not on the device."""
        if isinstance(self.split, LoaderSplit):
            return next(self.split.batches())
        return self.split.batch(torch.arange(min(count, len(self.split))))

    def at(self, iteration: int) -> Batch:
        """The batch of the k-th iteration (from 0), on the device, before augmentation."""
        split, device = self.split, self.bench.device
        if isinstance(split, LoaderSplit):
            return self._next_of(split).to(device)
        if self._ahead is not None:
            return next(self._ahead).to(device)
        if not isinstance(split, TensorSplit):
            return self._plan(split)[iteration].to(device)
        if iteration not in self._block:
            self._block = self._read_block(split, iteration)
        return self._block.pop(iteration)

    def read_ahead(self, start: int, until: int) -> None:
        """Those of a dataset come one after another from here on, read by the bench's reader processes."""
        if isinstance(self.split, DatasetSplit):
            pin = self.bench.device.type == "cuda"
            self._ahead = self._plan(self.split).stream(start, until, self.bench.readers, pin)

    def _read_block(self, split: TensorSplit, iteration: int) -> dict[int, Batch]:
        """The batches around an iteration that are read in one go. A block begins at a fixed place of the epoch,
        wherever the training was taken up, so that each batch always lies at the same place in memory."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, epoch_order(len(split), self.config.seed, epoch).to(self.bench.device)
        size = min(self.config.batch_size, len(split))
        first = position - position % self._block_size
        count = min(self._block_size, self.per_epoch - first)
        whole = split.batch(self._order[first * size : (first + count) * size])
        start = iteration - position + first
        return {start + k: whole.each(itemgetter(slice(k * size, (k + 1) * size))) for k in range(count)}

    def _plan(self, split: Split) -> BatchPlan:
        return BatchPlan(split, self.config.seed, min(self.config.batch_size, len(split)), self.per_epoch)

    @cached_property
    def _block_size(self) -> int:
        assert isinstance(self.split, TensorSplit)
        values: int = sum(value[0].numel() for value in self.split.stored.inputs)
        return max(1, min(self.most, BLOCK_BYTES // max(1, 4 * values * self.config.batch_size)))

    def _next_of(self, split: LoaderSplit) -> Batch:
        if self._loader is not None:
            batch = next(self._loader, None)
            if batch is not None:
                return batch
        self._loader = split.batches()
        return next(self._loader)
