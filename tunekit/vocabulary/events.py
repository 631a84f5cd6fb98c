"""What a supervisor tells of while it works: a front end decides the look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunekit.configuration import Values
from tunekit.vocabulary.records import Record
from tunekit.vocabulary.results import StepResult

if TYPE_CHECKING:
    from tunekit.charts import Figure


@dataclass(frozen=True)
class Ahead:
    """What is expected, as far as it is known: trainings, iterations, seconds (None: not known), bytes of the disk."""

    trainings: int
    iterations: int
    seconds: float | None
    bytes: int


@dataclass(frozen=True)
class RunForeseen:
    """The steps that are still to be walked, before the first of them begins."""

    steps: int
    ahead: Ahead


@dataclass(frozen=True)
class StepStarted:
    """`place`: of how many steps of the procedure it is the how-manieth."""

    step: str
    ahead: Ahead | None = None
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Lane:
    """What a worker is doing: iterations done and to do, those of a second, the losses that were told of it."""

    params: Values
    purpose: str
    done: int
    total: int
    rate: float | None
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Advanced:
    """How far a step is: iterations done and known to be needed, requests done and planned. `left`: seconds until all
    that the command is to do is done; None where that is not known yet. `best`: what the step has reached, in words."""

    step: str
    done: int
    total: int
    finished: int
    planned: int
    left: float | None = None
    lanes: tuple[Lane, ...] = ()
    best: str = ""


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


Event = RunForeseen | StepStarted | Advanced | StepFinished | Noted
Emit = Callable[[Event], None]
