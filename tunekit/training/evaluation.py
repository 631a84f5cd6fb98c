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
    """The model over a split: its loss, metric (NaN where the metric is the loss), and by sample what it gives to the
    loss, whose mean that is, and to a metric that is a mean over samples, [n] or empty; the metric over halves,
    [2 * SPLITS] or empty."""

    loss: float
    score: float
    sample_losses: Numbers
    sample_scores: Numbers = field(default_factory=lambda: EMPTY)
    halves: Numbers = field(default_factory=lambda: EMPTY)


@dataclass
class Tally:
    """An evaluation in the making. `batch_size`: the recipe's, over which a loss is taken, so that one that depends on
    the batch means the same in training and validation. `size`: samples of the split, without which a metric that is
    fed batch by batch has no halves. `losses`: of batches of `sizes` samples, which count `counts` in the loss of the
    split; `sample_losses`: of each sample by itself."""

    task: Task
    batch_size: int
    size: int | None = None
    losses: list[Tensor] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    counts: list[Tensor] = field(default_factory=list)
    sample_losses: list[Tensor] = field(default_factory=list)
    of_batches: bool = False  # some losses are of batches alone
    shares: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    kept: list[tuple[Outputs, Any, int]] = field(default_factory=list)
    running: Running | None = None

    def add(self, outputs: Outputs, targets: Any, count: int) -> None:
        """A batch of `count` samples."""
        task = self.task
        apart = by_rows(outputs, count) and by_rows(targets, count)
        by_sample = task.sample_losses(outputs, targets).float() if apart and task.of_samples else None
        step = self.batch_size if apart else count
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            batch = (rows(outputs, part), rows(targets, part)) if apart else (outputs, targets)
            loss = task.loss(*batch)
            self.sizes.append(part.stop - start)
            self.counts.append(task.counts(*batch, part.stop - start))
            self.losses.append(loss)
            if by_sample is None:
                self.sample_losses.append(loss.float().expand(part.stop - start))
        if by_sample is not None:
            self.sample_losses.append(by_sample)
        self.of_batches = self.of_batches or by_sample is None
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
        samples, losses = torch.cat(self.sample_losses), torch.stack(self.losses)
        loss = mean_loss(losses, torch.stack(self.counts))
        of_whole = self.task.counted is not None
        means = (torch.tensor([loss]), [len(samples)]) if of_whole else (losses, self.sizes)
        gathered = _numbers(_given(samples.cpu().double(), means[0].cpu().double(), torch.tensor(means[1])))
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


def mean_loss(losses: Tensor, counts: Tensor) -> float:
    """The loss of a split by those of its batches and what each counts in it. A batch that counts nothing, of which all
    targets are left out, has none: NaN."""
    return float((losses * counts).where(counts != 0, 0.0).sum()) / (float(counts.sum()) or math.nan)


def _given(samples: Tensor, losses: Tensor, counts: Tensor) -> Tensor:
    """What samples [n] give to the losses of their split, or of its batches, [b] of `counts` samples, which are then
    their means. By themselves they do not add up to them where classes are weighed, where targets that are left out
    make some samples shorter, and in a sum. A sample without a loss is NaN."""
    batch = torch.repeat_interleave(counts)
    known = ~samples.isnan()
    sums, sizes = torch.zeros(2, len(counts), dtype=samples.dtype).unbind()
    sums.index_add_(0, batch, samples.nan_to_num(0.0, math.inf, -math.inf))
    means = (sums / sizes.index_add_(0, batch, known.to(samples.dtype)))[batch]
    wanted = losses[batch]
    factor = wanted / means
    scaled = torch.where(factor.isfinite() & (factor > 0), samples * factor, samples + (wanted - means))
    return torch.where(torch.isclose(means, wanted, rtol=1e-5), samples, scaled)


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
