"""The space of a study: what each of its parameters may be, fixed before the first trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included, and only whole ones where both are. `log`: what counts is their
    ratio, as of learning rates."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choices:
    """These values, of any kind and in no order."""

    values: tuple[Any, ...]


Axis = Range | Choices
Space = Mapping[str, Axis]
"""By the parameter's name: `lr`, `weight_decay`, `seed` or a dotted path of the recipe."""
