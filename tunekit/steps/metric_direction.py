"""A metric that gets worse where the loss gets better: its direction is turned round. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunekit.steps.noise import finite
from tunekit.vocabulary import Code, Record

AGAINST = 0.7  # rank correlation of loss and metric, over all validations, that speaks against the direction ...
AGAINST_ALONE = 0.9  # ... and where the training says nothing of it
IN_TRAINING = 0.3  # the same over training batches: a metric that rises while the validation loss does is overfitting
FEWEST = 8  # validations
MOST_ROWS = 2000  # of the trainings that are looked at

METRIC_DIRECTION = Code(
    "metric_direction",
    "warn",
    "The metric is taken in the wrong direction: less of it is better and it is maximised, or the other way round.",
    "Before training: the metric of right outputs, made of the targets (or found by following the loss downhill), "
    "against that of wrong ones (a fail where right ones score worse); else its name. After it: rank correlation of "
    f"loss and metric over all validations of all trainings: above {AGAINST:g} against the "
    f"direction, and above {IN_TRAINING:g} over training batches (not known there: above {AGAINST_ALONE:g}).",
    "An error under `max`, or a score under `min`; or a metric that takes its arguments the other way round.",
    ("exchange `max` and `min` in the recipe's `metric`", "check the order of its arguments: (outputs, targets)"),
    "deepchem/deepchem#112",
    symptom=False,
    explains_later=True,
)
"""Of a metric of the person's own, said by the first step that sees it."""


@dataclass(frozen=True)
class Contradiction:
    """Rank correlations of the loss with how bad the metric says that it is: -1 where the two contradict."""

    validation: float
    training: float | None
    points: int


def contradiction(records: Sequence[Record], metric: str, maximize: bool) -> Contradiction | None:
    """Whether the metric (`val_...`) contradicts the loss over these trainings; None where it does not."""
    if metric == "val_loss":
        return None
    sign = 1.0 if maximize else -1.0
    pairs = [
        (loss, sign * value)
        for record in records
        for (_, loss), (_, value) in zip(record.validations("val_loss"), record.validations(metric), strict=False)
        if finite(loss) and finite(value)
    ]
    if len(pairs) < FEWEST:
        return None
    against = _rank_correlation(pairs)
    if against is None or against < AGAINST:
        return None
    training = _rank_correlation(_training(records, metric.replace("val_", "train_", 1), sign))
    if training is None:
        return Contradiction(against, None, len(pairs)) if against > AGAINST_ALONE else None
    return Contradiction(against, training, len(pairs)) if training > IN_TRAINING else None


def _training(records: Sequence[Record], metric: str, sign: float) -> list[tuple[float, float]]:
    pairs = [
        (loss, sign * value)
        for record in records
        for loss, value in zip(record.column("train_loss"), record.column(metric), strict=False)
        if finite(loss) and finite(value)
    ]
    return pairs[:: max(1, len(pairs) // MOST_ROWS)]


def _rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's, ties by their mean rank; None where one side does not vary or there are few."""
    import numpy as np

    if len(pairs) < FEWEST:
        return None
    ranks = []
    for values in np.asarray(pairs, dtype=np.float64).T:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = counts.cumsum()
        ranks.append((ends - (counts - 1) / 2)[inverse.reshape(-1)])
    if min(np.ptp(one) for one in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
