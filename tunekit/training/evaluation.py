"""What a validation gathers, batch by batch: losses, what each sample gives to the metric, and the metric itself. Only
a person's metric of a whole split keeps outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tunekit.halves import halves
from tunekit.training.data import Batch
from tunekit.training.models import hookable
from tunekit.training.outputs import Outputs
from tunekit.training.streaming import KEPT_VALUES, WHOLE_SPLITS, Numbers, Running
from tunekit.training.structure import by_rows, joined, rows, tensors
from tunekit.training.tasks import Task
from tunekit.vocabulary import SPLITS

EVALUATION_BATCH = 1024  # samples that validation takes at once, where their tensors are small
EVALUATION_BYTES = 2**24  # of the largest of these tensors: else validation takes batches of the recipe's size

EMPTY: Numbers = np.empty(0, np.float32)


@dataclass(frozen=True)
class Evaluation:
    """The model over a split: mean loss, metric (NaN where the metric is the loss), and by sample the loss and what it
    gives to a metric that is a mean over samples, [n] or empty; the metric over halves, [2 * SPLITS] or empty."""

    loss: float
    score: float
    sample_losses: Numbers
    sample_scores: Numbers = field(default_factory=lambda: EMPTY)
    halves: Numbers = field(default_factory=lambda: EMPTY)


@dataclass
class Tally:
    """An evaluation in the making. `batch_size`: the recipe's, over which a loss is taken, so that one that depends on
    the batch means the same in training and validation. `size`: samples of the split, without which a metric that is
    fed batch by batch has no halves."""

    task: Task
    batch_size: int
    size: int | None = None
    losses: list[Tensor] = field(default_factory=list)
    sample_losses: list[Tensor] = field(default_factory=list)
    shares: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    kept: list[tuple[Outputs, Any, int]] = field(default_factory=list)
    running: Running | None = None

    def add(self, outputs: Outputs, targets: Any, count: int) -> None:
        """A batch of `count` samples."""
        task = self.task
        apart = by_rows(outputs, count) and by_rows(targets, count)
        if apart:
            starts = range(0, count, self.batch_size)
            parts = [slice(start, min(start + self.batch_size, count)) for start in starts]
            for part in parts:
                loss = task.loss(rows(outputs, part), rows(targets, part))
                self.losses.append(loss * (part.stop - part.start))
                if not task.of_samples:
                    self.sample_losses.append(loss.float().expand(part.stop - part.start))
            if task.of_samples:
                self.sample_losses.append(task.sample_losses(outputs, targets).float())
        else:
            loss = task.loss(outputs, targets)
            self.losses.append(loss * count)
            self.sample_losses.append(loss.float().expand(count))
        if task.streamed is not None:
            self.running = self.running or Running(task.streamed, self.size)
            self.running.add(*task.read(outputs, targets), count, apart)
            return
        shares = task.shares(outputs, targets) if apart else None
        if shares is not None:
            self.shares.append(shares)
        elif not task.metric.is_loss:
            self.kept.append((outputs, targets, count))

    def evaluation(self) -> Evaluation:
        """What was gathered."""
        samples = torch.cat(self.sample_losses)
        loss = float(torch.stack(self.losses).sum()) / len(samples)
        gathered = _numbers(samples)
        if self.running is not None:
            value, over_halves = self.running.values()
            return Evaluation(loss, value, gathered, halves=over_halves)
        if self.kept:
            score, *kept = self._of_whole(sum(count for _, _, count in self.kept), gathered)
            if self.shares:  # some batches have rows by sample, some have not
                return Evaluation(loss, self._mean_with_shares(score, len(samples)), gathered)
            return Evaluation(loss, score, *kept)
        if not self.shares:
            return Evaluation(loss, math.nan, gathered)
        metric = self.task.metric
        top, bottom = (
            torch.cat([share.double() for share in column]).cpu() for column in zip(*self.shares, strict=True)
        )
        score = float(metric.ratio(top.sum(), bottom.sum()))
        scores = EMPTY if metric.root else _numbers(top / bottom)
        first = torch.from_numpy(halves(len(top)).astype(np.float64))
        both = [metric.ratio(member @ top, member @ bottom) for member in (first, 1.0 - first)]
        return Evaluation(loss, score, gathered, scores, _numbers(torch.stack(both, 1).flatten()))

    def _mean_with_shares(self, score: float, size: int) -> float:
        """The metric of the batches that are kept, and of those that gave shares, by their sizes."""
        top, bottom = (torch.cat([share.double() for share in column]) for column in zip(*self.shares, strict=True))
        apart = float(self.task.metric.ratio(top.sum(), bottom.sum()))
        return (len(top) * apart + (size - len(top)) * score) / size

    def _of_whole(self, size: int, losses: Numbers) -> tuple[float, Numbers, Numbers, Numbers]:
        """The metric of all outputs at once: (value, sample losses, no sample scores, halves)."""
        task = self.task
        try:
            outputs = joined([outputs for outputs, _, _ in self.kept])
            targets = joined([targets for _, targets, _ in self.kept])
        except (RuntimeError, TypeError, IndexError):  # batches of different widths: their mean is all there is
            values = [(float(task.score(outputs, targets)), count) for outputs, targets, count in self.kept]
            return sum(value * count for value, count in values) / size, losses, EMPTY, EMPTY
        score = float(task.score(outputs, targets))
        few = sum(part.numel() for part in tensors(outputs)) <= KEPT_VALUES
        if not few or not (by_rows(outputs, size) and by_rows(targets, size)):
            return score, losses, EMPTY, EMPTY
        found = np.full(2 * SPLITS, np.nan, np.float32)
        for place, first in enumerate(halves(size)[:WHOLE_SPLITS]):
            for half, members in enumerate((first, ~first)):
                picks = torch.from_numpy(members.nonzero()[0]).to(next(tensors(outputs)).device)
                try:
                    found[2 * place + half] = float(task.score(rows(outputs, picks), rows(targets, picks)))
                except Exception:  # of a half that the person's metric does not take: one class alone, for example
                    continue
        return score, losses, EMPTY, found


def _numbers(values: Tensor) -> Numbers:
    return values.float().cpu().numpy().astype(np.float32)


def room(outputs: Outputs, batch: Batch, largest: int, size: int) -> int:
    """Samples that validation takes at once: a multiple of `size`, the recipe's batch size. `largest`: bytes of the
    largest tensor that the model made of this batch."""
    count = len(batch)
    if not (by_rows(outputs, count) and by_rows(batch.targets, count)):
        return size
    largest = max(largest, *(part.nbytes for part in tensors([outputs, batch.inputs])), 1)
    return size * max(1, min(EVALUATION_BATCH // size, EVALUATION_BYTES * count // (largest * size)))


@contextmanager
def largest_output(model: nn.Module) -> Iterator[list[int]]:
    """Bytes of the largest tensor that a module gives while this is open, the only entry of the list."""
    largest = [0]

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        largest[0] = max([largest[0], *(part.nbytes for part in tensors(output))])

    hooks = [module.register_forward_hook(note) for _, module in hookable(model)]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()
