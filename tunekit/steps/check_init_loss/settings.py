"""The settings of step 1, and the context that its modules judge in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from annotated_types import Lt

from tunekit.steps.context import Context
from tunekit.steps.step import Count, Settings
from tunekit.vocabulary import Code

NAME = "check-init-loss"
SEEN = 1e-4  # change of outputs that may not change over that of others: rounding is a hundredth of it
SOUND_TOLERANCE = 0.15  # sound networks start up to 11 % off theory (ResNet-18 in train mode)


@dataclass(frozen=True)
class CheckInitLoss(Settings):
    initializations: Count = 3
    tolerance: Annotated[float, Lt(1)] = SOUND_TOLERANCE  # as a share of the expected loss

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:  # noqa: ARG002 - nothing is searched here
        return self.initializations

    def __post_init__(self) -> None:
        if self.tolerance < SOUND_TOLERANCE:
            why = f"sound networks start up to 11 % off theory; not {self.tolerance:g}"
            raise ValueError(f"steps.{NAME}.tolerance: at least {SOUND_TOLERANCE:g}, since {why}")


Here = Context[CheckInitLoss]

fault = partial(Code, symptom=False, explains_later=True)
"""A code of step 1: it follows from nothing before it and explains what goes wrong after it."""
