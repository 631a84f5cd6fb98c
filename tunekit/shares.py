"""Shares of one: how a person reads them, and between which values one lies that was counted (about 95 %)."""

from __future__ import annotations

import math

Z = 1.959964
"""Of the normal distribution: standard deviations about the mean that hold 95 %."""


MOST_DIGITS = 4
"""Behind the point of a share in per cent."""


def percent(share: float) -> str:
    """A share as tables, sentences and figures show it; with more digits where it would be taken for none or all.

    >>> percent(0.94), percent(1.0), percent(0.9997), percent(0.0), percent(0.0001)
    ('94.0 %', '100.0 %', '99.97 %', '0.0 %', '0.01 %')
    """
    digits = 1
    while digits < MOST_DIGITS and 0 < share < 1 and float(f"{100 * share:.{digits}f}") in (0, 100):
        digits += 1
    return f"{100 * share:.{digits}f} %"


def told(right: int, count: int) -> str:
    """A share as it is told: `8 of 10, 49 to 94 %`."""
    low, high = wilson(right, count)
    return f"{right} of {count}, {100 * low:.0f} to {100 * high:.0f} %"


def wilson(right: float, count: float) -> tuple[float, float]:
    """Of a share of independent answers; sensible also where none or all of them are right.

    Source: E. B. Wilson, 'Probable inference, the law of succession, and statistical inference', JASA 1927.
    """
    share, square = right / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return 0.0 if right <= 0 else middle - half, 1.0 if right >= count else middle + half  # not but for rounding
