"""What a supervisor tells of while it works: a front end decides the look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunekit.vocabulary.records import Record
from tunekit.vocabulary.results import StepResult

if TYPE_CHECKING:
    from tunekit.charts import Figure


@dataclass(frozen=True)
class StepStarted:
    step: str


@dataclass(frozen=True)
class Advanced:
    """How far a step is: iterations done and known to be needed, requests done and planned."""

    step: str
    done: int
    total: int
    finished: int
    planned: int


@dataclass(frozen=True)
class StepFinished:
    result: StepResult
    records: tuple[Record, ...]
    reused: bool = False  # it had been finished before
    figure: Callable[[], Figure] | None = None  # made when it is drawn


@dataclass(frozen=True)
class Noted:
    """Something worth a line that is no finding: a damaged checkpoint, an edited source file."""

    text: str


Event = StepStarted | Advanced | StepFinished | Noted
Emit = Callable[[Event], None]
