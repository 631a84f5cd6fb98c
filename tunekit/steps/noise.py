"""What is more than noise: means of windows, paired differences. Pure arithmetic on records, NumPy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunekit.configuration import TrainingConfig
from tunekit.vocabulary import Facts, Record, Training

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ERRORS = 2.0  # standard errors that a difference must exceed to count


@dataclass(frozen=True)
class Difference:
    """Mean and standard error of paired differences (first minus second)."""

    mean: float
    error: float
    pairs: int
    of: str = "loss"

    @property
    def clear(self) -> bool:
        """Whether the difference is more than noise."""
        return self.pairs > 1 and abs(self.mean) > ERRORS * self.error


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Differences of the losses of the same samples (or batches). Without pairs nothing is clear."""
    import numpy as np

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        return Difference(math.nan, math.inf, 0)
    both = np.isfinite(a) & np.isfinite(b)
    differences = a[both] - b[both]
    size = differences.size
    if size < 2:
        return Difference(math.nan, math.inf, 0)
    return Difference(float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(size)), int(size))


def share_loss(facts: Facts, first: TrainingConfig, *others: TrainingConfig) -> bool:
    """Whether the losses of these trainings are values of one function. Else they say nothing of each other: a smoothed
    loss, a weighted one, or a focal one of another gamma is on a scale of its own."""
    return all(
        other.loss == first.loss and (other.batch_size == first.batch_size or not facts.loss_of_batches)
        for other in others
    )


def compare(facts: Facts, records: tuple[Record, Record], places: tuple[int, int]) -> Difference:
    """Paired differences of two trainings on the same validation samples, each at one of its validations; below zero
    where the first is better. By their losses, which tell most apart or, where these are two functions, by the
    metric."""
    by_loss = _by_loss(facts, records, places)
    return by_loss or _by_metric(facts, records, places) or paired((), ())


def compare_rank(facts: Facts, records: tuple[Record, Record], places: tuple[int, int]) -> Difference:
    """The same by what ranks them: the metric, wherever it is kept by sample or by halves of the samples."""
    by_metric = None if facts.metric == "loss" else _by_metric(facts, records, places)
    return by_metric or compare(facts, records, places)


def _by_loss(facts: Facts, records: tuple[Record, Record], places: tuple[int, int]) -> Difference | None:
    first, second = records
    if not share_loss(facts, first.request.config, second.request.config):
        return None
    return paired(*(sample_losses(record, place) for record, place in zip(records, places, strict=True)))


def _by_metric(facts: Facts, records: tuple[Record, Record], places: tuple[int, int]) -> Difference | None:
    """None where the metric is kept neither by sample nor by halves."""
    both = list(zip(records, places, strict=True))
    if all(len(record.val_scores) for record in records):
        difference = paired(*(record.val_scores[place] for record, place in both))
    else:
        difference = _by_halves(facts, both)
    if not difference.pairs:
        return None
    return replace(difference, mean=-difference.mean if facts.maximize else difference.mean, of=facts.metric)


def _by_halves(facts: Facts, both: Sequence[tuple[Record, int]]) -> Difference:
    """Of a metric of whole splits. Half samples replicate: over the splits, the root mean square of (A - B) / 2 is the
    standard error, A and B being the differences over a split's halves (McCarthy, 'Pseudo-replication: half samples',
    Review of the International Statistical Institute 1969)."""
    import numpy as np

    if not all(len(record.val_halves) for record, _ in both):
        return paired((), ())
    values = [record.validations(f"val_{facts.metric}")[place][1] for record, place in both]
    first, second = (np.asarray(record.val_halves[place], dtype=np.float64) for record, place in both)
    if first.shape != second.shape:
        return paired((), ())
    apart = (first - second)[0::2] - (first - second)[1::2]
    apart = apart[np.isfinite(apart)]
    if apart.size < 2:
        return paired((), ())
    return Difference(values[0] - values[1], float(np.sqrt(np.mean((apart / 2) ** 2))), facts.n_val)


def ranked(facts: Facts, reached: Sequence[tuple[float, float | None, Record]]) -> list[Record]:
    """Trainings by the metric they reached, the best first; equal ones by the loss they had, where it is one function.
    `reached`: metric, loss and training."""
    kinds: list[TrainingConfig] = []

    def kind(config: TrainingConfig) -> int:
        known = next((place for place, other in enumerate(kinds) if share_loss(facts, other, config)), len(kinds))
        if known == len(kinds):
            kinds.append(config)
        return known

    sign = -1.0 if facts.maximize else 1.0
    keys = [(sign * value, kind(record.request.config), loss or 0.0) for value, loss, record in reached]
    return [reached[place][2] for place in sorted(range(len(keys)), key=keys.__getitem__)]


def tail(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The last tenth of a curve, at least ten points."""
    import numpy as np

    return np.asarray(values[-max(10, round(len(values) * 0.1)) :], dtype=np.float64)


def tail_mean(values: Sequence[float]) -> float:
    last = tail(values)
    return float(last.mean()) if last.size else math.nan


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def diverged(record: Record) -> int | None:
    """The iteration (from 1) at which a training counts as diverged by its rule, or None."""
    if not isinstance(record.request, Training):
        return None
    index = record.request.stop.diverged_at(record.column("train_loss"))
    return None if index is None else index + 1


def last_validation(record: Record, column: str) -> float | None:
    values = record.validations(column)
    return values[-1][1] if values else None


def best_validation(record: Record, column: str, maximize: bool) -> tuple[int, int, float] | None:
    """(number of the validation, iteration, value) of the best finite validation; the first of equals."""
    values = [(k, i, v) for k, (i, v) in enumerate(record.validations(column)) if math.isfinite(v)]
    return max(values, key=lambda item: (item[2] if maximize else -item[2], -item[0]), default=None)


def sample_losses(record: Record, validation: int = -1) -> Sequence[float]:
    """The losses of the validation samples at one validation, or () where they were not kept."""
    return record.val_losses[validation] if len(record.val_losses) else ()
