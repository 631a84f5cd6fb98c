"""What a step knows before it and says after it: facts, a curve, how much a parameter matters, a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tunekit.configuration import Values
from tunekit.jsondata import JsonData
from tunekit.vocabulary.findings import Finding, Remedy, Verdict

Format = Literal["rate", "share"]
"""How a number is shown: rates short (3e-3), shares of one in per cent; others with four digits."""


SCHEMA = 2
"""Of result.json and of what `--json` prints: raised when a key of it changes its meaning or goes."""


@dataclass(frozen=True)
class Versioned(JsonData):
    """Base of an object that `--json` prints: the version of its schema comes first."""

    schema: int = field(default=SCHEMA, kw_only=True)

    @property
    def row(self) -> dict[str, Any]:
        """The rest of it, as a row of a table."""
        return {name: value for name, value in self.to_json().items() if name != "schema"}


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters: its share of the variance of the trials' values; or why that is not said."""

    shares: Mapping[str, float] = field(default_factory=dict)
    withheld: str = ""


@dataclass(frozen=True)
class Curve:
    """A series of a log. `x` rises; values may be NaN or infinite where the log says so."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    unit: str = "iteration"  # iteration | epoch | row


@dataclass(frozen=True)
class Facts(JsonData):
    """What is known of the data and the model before any step: measured once a command, by a worker."""

    n_train: int
    n_val: int
    iterations_per_epoch: int
    metric: str  # accuracy, loss, mae, ...
    maximize: bool
    classes: int | None
    parameters: int
    threads: int
    precision: str
    device: str
    sources: Values
    shareable: bool = True  # False: an iterable or a sampler of the person's own, trained without reuse
    share: bool = False  # the metric lies between 0 and 1 and is shown in per cent
    notes: tuple[str, ...] = ()
    checkpoint_bytes: int = 0  # of one training, about
    weights_bytes: int = 0
    trainable: int | None = None  # of `parameters` those that train; None: all, or not known
    wider: Values = field(default_factory=dict)  # of the recipe: keys that make its model WIDER times as wide
    loss_of_batches: bool = False  # the loss follows the batch size: it is a sum, or compares samples

    def batches(self, size: int) -> int:
        """Optimizer steps in a pass at a batch size."""
        if not self.shareable:
            return self.iterations_per_epoch  # a loader of the person's own brings its batches
        return max(1, self.n_train // size)


UNKNOWN = Facts(0, 0, 1, "loss", False, None, 0, 1, "fp32", "cpu", {})
"""Before anything was measured."""


@dataclass(frozen=True)
class StepResult(JsonData):
    """What a step says. `table` is the short table on the screen: rows of named cells. `remedies`: what to do next, the
    first of them in `next` as a command."""

    step: str
    verdict: Verdict
    summary: str
    findings: tuple[Finding, ...] = ()
    handoff: Values = field(default_factory=dict)
    known: Values = field(default_factory=dict)  # what a diagnosis may know of it: fields of logs.Procedure
    table: tuple[Values, ...] = ()
    formats: Mapping[str, Format] = field(default_factory=dict)  # of the table's columns
    details: Values = field(default_factory=dict)  # what the figure and the page show besides
    next: str = ""
    remedies: tuple[Remedy, ...] = ()
    cost: Values = field(default_factory=dict)
    diagnosis: str | None = None
    schema: int = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        return self.to_json()

    @classmethod
    def from_dict(cls, data: object) -> StepResult:
        """Fields that this version does not know are left out. Errors: ValueError."""
        if not isinstance(data, Mapping):
            raise ValueError("a result is a mapping")
        return cls.from_json({"schema": 1, **{name: data[name] for name in cls.__dataclass_fields__ if name in data}})


@dataclass(frozen=True)
class Walked(Versioned):
    """What `run --json` prints."""

    run: str
    results: tuple[StepResult, ...]
