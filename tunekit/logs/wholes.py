"""Which of several losses of one training is the whole and not a part: by its name, or as the others add up to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tunekit.logs.log import Array, floats
from tunekit.logs.names import part
from tunekit.vocabulary import Curve

NAMED = frozenset(("vae", "cvae", "vqvae", "elbo", "nelbo", "vlb"))
"""Words of a loss that is a reconstruction and a divergence together."""

PARTS = 30
"""Losses among which a whole is looked for."""

ROWS = 2000
"""Points by which it is looked for."""

FEWEST = 4
"""Points for each loss from which weights tell something."""

EXACT = 0.003
"""Share of its spread by which a whole may differ from the weighted sum of its parts: what rounding does."""

NEAR = 0.005
"""Share of itself by which it may differ from their plain sum."""

NEEDED = 10.0
"""Without any one of its parts the sum is off by so many times as much: several losses that fall alike tell nothing."""


def whole(keys: Sequence[str], curves: Mapping[str, Curve], together: bool) -> str | None:
    """The loss among these that the others are parts of; None where none is. `together`: they share their clock."""
    named = [key for key in keys if part(key).core and NAMED.issuperset(part(key).core)]
    if len(keys) < 2:
        return None
    if len(named) == 1 or not together or not 3 <= len(keys) <= PARTS:
        return named[0] if len(named) == 1 else None
    columns = np.stack([floats(curves[key].y) for key in keys], axis=1)
    columns = columns[np.all(np.isfinite(columns), axis=1)]
    columns = columns[:: 1 + len(columns) // ROWS]
    if len(columns) < len(keys) + 2:
        return None
    sums = [key for place, key in enumerate(keys) if _is_sum(columns, place)]
    weighted = len(columns) >= FEWEST * len(keys)
    sums = sums or [key for place, key in enumerate(keys) if weighted and _is_weighted(columns, place)]
    return sums[0] if len(sums) == 1 else None


def _is_sum(columns: Array, place: int) -> bool:
    own, others = columns[:, place], np.delete(columns, place, axis=1)
    off = own - np.sum(others, axis=1)
    near = bool(np.all(np.abs(off) <= NEAR * np.abs(own) + 1e-12))
    return near and _are_needed(others, own, float(np.sqrt(np.mean(off**2))), np.ones(others.shape[1]))


def _is_weighted(columns: Array, place: int) -> bool:
    """Whether a column is a sum of others with weights of their own that are not negative."""
    own, others = columns[:, place], np.delete(columns, place, axis=1)
    weights, off = _fitted(others, own)
    least = EXACT * float(np.std(own))
    return (
        off <= least
        and not np.any(weights * np.std(others, axis=0) < -least)
        and _are_needed(others, own, off, weights)
    )


def _are_needed(others: Array, own: Array, off: float, weights: Array) -> bool:
    """Whether two parts or more move the sum, and no weights of the rest make up for any one of them."""
    least = EXACT * float(np.std(own))
    used = np.flatnonzero(weights * np.std(others, axis=0) > least)
    lacking = [_fitted(np.delete(others, part, axis=1), own)[1] for part in used]
    return len(used) >= 2 and min(lacking) > max(NEEDED * off, least / NEEDED)


def _fitted(others: Array, own: Array) -> tuple[Array, float]:
    weights = np.asarray(np.linalg.lstsq(others, own, rcond=None)[0], dtype=np.float64)
    return weights, float(np.sqrt(np.mean((own - others @ weights) ** 2)))
