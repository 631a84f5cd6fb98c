"""What a new sample will see of what was chosen on the validation samples. Pure arithmetic on records, NumPy only.

The best of many noisy values is better than what it stands for. So the choice is made on one half of the samples and
scored on the other, both ways, over the fixed random splits of tunekit/halves.py (cross-fitting). How sure that is, is
told by how far the two scores lie apart: the root mean square of (A - B) / 2 over the splits is the standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunekit.halves import half_means
from tunekit.jsondata import JsonData
from tunekit.vocabulary import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Halves = npt.NDArray[np.float64]
    """[candidates, 2 * SPLITS]: of split k the first half at column 2k, the second at 2k + 1."""

INTERVAL = 2.0  # standard errors to either side: about 95 %
RULE = 4.0  # samples that Agresti and Coull add, half of them right, where all samples agree


@dataclass(frozen=True)
class Estimate:
    """What new samples will see, with its standard error; `candidates`: among how many it was chosen."""

    value: float
    error: float
    candidates: int

    def interval(self, share: bool) -> tuple[float, float]:
        """About 95 %. A share stays within 0 and 1."""
        low, high = self.value - INTERVAL * self.error, self.value + INTERVAL * self.error
        return (max(0.0, low), min(1.0, high)) if share else (low, high)


def halves_of(record: Record, column: str) -> Halves | None:
    """A validation column over both halves of the splits, one row a validation; None where it was not kept."""
    import numpy as np

    kept = record.val_halves if len(record.val_halves) else ()
    if column != "val_loss" and len(kept):
        return np.asarray(kept, dtype=np.float64)
    samples = record.val_losses if column == "val_loss" else record.val_scores
    if not len(samples) or np.ndim(samples) != 2:
        return None
    means = half_means(samples)
    return means if means.shape[1] else None


def cross_fitted(choosing: Halves, scored: Halves, maximize: bool) -> Estimate | None:
    """The candidate that is best by `choosing` on one half of a split, as `scored` has it on the other; the mean over
    both halves of all splits. None without values."""
    import numpy as np

    if not len(choosing):
        return None
    columns = np.arange(choosing.shape[1])
    sound = np.isfinite(choosing) & np.isfinite(scored[:, columns ^ 1])
    ranks = np.where(sound, choosing if maximize else -choosing, -np.inf)
    both = sound.any(axis=0).reshape(-1, 2).all(axis=1)  # a metric of a whole split is kept for some splits alone
    if not both.any():
        return None
    scores = scored[ranks.argmax(axis=0), columns ^ 1][both.repeat(2)]
    return Estimate(float(scores.mean()), standard_error(scores), int(sound.any(axis=1).sum()))


@dataclass(frozen=True)
class Shortlist(JsonData):
    """Of many candidates those that one half of a split would choose: for each half metric and loss there, and on the
    other. What a step hands on, so that the next one knows among what was chosen. Losses are () where not kept."""

    here: tuple[float, ...]
    other: tuple[float, ...]
    loss_here: tuple[float, ...]
    loss_other: tuple[float, ...]
    candidates: int


def shortlist(metric: Halves, loss: Halves | None, maximize: bool) -> Shortlist:
    import numpy as np

    columns = np.arange(metric.shape[1])
    picks = np.where(np.isfinite(metric), metric if maximize else -metric, -np.inf).argmax(axis=0)

    def of(table: Halves | None, half: Any) -> tuple[float, ...]:
        return () if table is None else tuple(table[picks, half].tolist())

    here, other = (of(metric, half) for half in (columns, columns ^ 1))
    return Shortlist(here, other, of(loss, columns), of(loss, columns ^ 1), len(metric))


def with_shortlist(metric: Halves, loss: Halves | None, listed: Shortlist | None) -> tuple[Halves, Halves | None]:
    """Candidates with those of an earlier step, of which two halves are known: NaN elsewhere."""
    if listed is None or len(listed.here) != metric.shape[1]:
        return metric, loss
    wider = _with_rows(metric, listed.here, listed.other)
    if loss is None or not listed.loss_here:
        return wider, None
    return wider, _with_rows(loss, listed.loss_here, listed.loss_other)


def _with_rows(table: Halves, here: Sequence[float], other: Sequence[float]) -> Halves:
    import numpy as np

    columns = np.arange(table.shape[1])
    rows = np.full((len(columns), len(columns)), np.nan)
    rows[columns, columns], rows[columns, columns ^ 1] = here, other
    return np.concatenate([table, rows])


def standard_error(halves: Sequence[float] | Halves) -> float:
    """Of a value over all samples, by what it is over the halves of each split."""
    import numpy as np

    both = np.asarray(halves, dtype=np.float64).reshape(-1, 2)
    both = both[np.isfinite(both).all(axis=1)]
    return float(np.sqrt((((both[:, 0] - both[:, 1]) / 2) ** 2).mean())) if both.size else math.inf


def counting_error(share: float, samples: int) -> float:
    """Standard error of a share of so many samples; not zero where all of them agree (Agresti and Coull 1998)."""
    count = samples + RULE
    middle = (min(max(share, 0.0), 1.0) * samples + RULE / 2) / count
    return math.sqrt(middle * (1 - middle) / count)
