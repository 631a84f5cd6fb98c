"""Between which values a share lies that was counted: about 95 %."""

from __future__ import annotations

import math

Z = 1.959964
"""Of the normal distribution: standard deviations about the mean that hold 95 %."""


def told(right: int, count: int) -> str:
    """A share as it is told: `8 of 10, 49 to 94 %`."""
    low, high = wilson(right, count)
    return f"{right} of {count}, {100 * low:.0f} to {100 * high:.0f} %"


def wilson(right: int, count: int) -> tuple[float, float]:
    """Of a share of independent answers; sensible also where none or all of them are right.

    Source: E. B. Wilson, 'Probable inference, the law of succession, and statistical inference', JASA 1927.
    """
    share, square = right / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
