"""The fixed random splits of a validation set into two halves, over which what is chosen on one is scored on the other.

All trainings of a run have the same splits: they follow from the number of samples alone. NumPy only.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tunekit.vocabulary import SPLITS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SEED = 20  # of the splits: another one is another set of them


@lru_cache(maxsize=8)
def halves(samples: int) -> npt.NDArray[np.bool_]:
    """Whether a sample is of a split's first half: [SPLITS, samples], not to be written to. Of an odd number the second
    half has one more; fewer than two samples have no halves, and give [0, samples]."""
    import numpy as np

    count = SPLITS if samples >= 2 else 0
    draw = np.random.Generator(np.random.PCG64(SEED))
    members = np.zeros((count, samples), dtype=np.bool_)
    for row in members:
        row[draw.permutation(samples)[: samples // 2]] = True
    members.setflags(write=False)
    return members


def half_means(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Means over both halves of every split, [validations, 2 * SPLITS], of results by sample, [validations, samples]:
    of split k the first half at column 2k, the second at 2k + 1. A sample that never has a result (all its targets are
    left out of the loss) is in no mean."""
    import numpy as np

    results = np.asarray(values, dtype=np.float64)
    counted = np.asarray(~np.isnan(results).all(axis=0) | (len(results) == 0))
    results = np.where(counted, results, 0.0)
    first = halves(results.shape[1]).T
    members = (first & counted[:, None], ~first & counted[:, None])
    finite = np.isfinite(results)
    plain = np.where(finite, results, 0.0)
    both = np.stack([plain @ (half / np.maximum(1, half.sum(axis=0))) for half in members], axis=2)
    if not finite.all():  # which makes no mean of the half without it
        for strange, value in ((np.isinf(results), math.inf), (np.isnan(results), math.nan)):
            both[np.stack([strange @ half for half in members], axis=2)] = value
    return both.reshape(len(results), both.shape[1] * 2)


def by_batch(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Losses by sample, [validations, samples], where each sample has its batch's (a loss that compares samples): one
    column a batch, since so many of them are independent. Others as they are."""
    import numpy as np

    if not values.size:
        return values
    starts = np.flatnonzero(np.r_[True, (values[:, 1:] != values[:, :-1]).any(axis=0)])
    size = int(starts[1]) if len(starts) > 1 else values.shape[1]
    if size < 2 or not np.array_equal(starts, np.arange(0, values.shape[1], size)):
        return values
    return values[:, starts]
