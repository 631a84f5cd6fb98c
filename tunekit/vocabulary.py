"""The types that pass between rooms: what a step asks for, what comes back, what is said of it. Stdlib only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tunekit.configuration import TrainingConfig, Values, digest
from tunekit.jsondata import JsonData, plain

if TYPE_CHECKING:
    from tunekit.charts import Figure

Severity = Literal["note", "warn", "fail"]
Verdict = Literal["pass", "warn", "fail"]
Format = Literal["rate", "share"]
"""How a number is shown: rates short (3e-3), shares of one in per cent; others with four digits."""
SPLITS = 16  # random splits of the validation samples into two halves, over which a metric is kept
POINTS = 50  # of a training's course, that a study keeps
SCHEMA = 2
"""Of result.json: raised when a field of it changes its meaning."""


class UserError(Exception):
    """Something the person can mend: one line that says what, where and how. Exit code 2."""


class StorageError(UserError):
    """The disk is full or cannot be written: nothing that follows could be kept, so the run ends."""


class Interrupted(Exception):
    """The run was asked to stop (Ctrl-C, SIGTERM, the end of its budget) and can be continued."""


@dataclass(frozen=True)
class StopRule:
    """When a training may end before its budget. Losses may be negative, zero or not finite.

    A loss diverges when the mean of the last `window` training losses lies above the start (the median of the
    first three) by more than `factor` times its scale: the larger of |start| and the standard deviation of the first
    window, of which no more than |start| + 1 counts.
    """

    factor: float = 3.0
    window: int = 10
    solved_loss: float | None = None  # ends when three batches in a row are at or below this loss ...
    solved_metric: float | None = None  # ... and at or above this metric (accuracy)
    patience: int | None = None  # ends when so many validations in a row were no better than the best before them ...
    min_delta: float = 0.0  # ... by more than this
    maximize: bool = False  # whether the metric of validation is better the higher it is

    def diverged_at(self, losses: Sequence[float], checked: int = 0) -> int | None:
        """Index of the iteration at which the curve counts as diverged, or None. `checked`: known to be sound."""
        head = losses[: self.window]
        limit = self._limit(head) if all(map(math.isfinite, head)) else math.inf
        for index in range(checked, len(losses)):
            if not math.isfinite(losses[index]):
                return index
            if index >= self.window and sum(losses[index + 1 - self.window : index + 1]) / self.window > limit:
                return index
        return None

    def _limit(self, head: Sequence[float]) -> float:
        if not head:
            return math.inf
        start = sorted(head[:3])[len(head[:3]) // 2]  # a median: a single lucky batch is no start
        middle = sum(head) / len(head)
        spread = math.sqrt(sum((loss - middle) ** 2 for loss in head) / len(head))
        return start + self.factor * max(abs(start), min(spread, abs(start) + 1.0), 1e-12)

    def solved_at(self, losses: Sequence[float], metrics: Sequence[float], checked: int = 0) -> int | None:
        """Index of the first iteration that closes three batches in a row at the target, or None."""
        if self.solved_loss is None:
            return None
        run = 0
        for index in range(max(0, checked - 2), len(losses)):
            good = losses[index] <= self.solved_loss
            if self.solved_metric is not None:
                good = good and metrics[index] >= self.solved_metric
            run = run + 1 if good else 0
            if run == 3:
                return index
        return None

    def stale_at(self, validations: Sequence[float | None]) -> int | None:
        """Index of the iteration at whose validation patience ran out, or None. `validations`: the metric by iteration,
        None between the ends of epochs. What is not finite is no better than anything."""
        if self.patience is None:
            return None
        best, waited = -math.inf, 0
        for index, value in enumerate(validations):
            if value is None:
                continue
            score = value if self.maximize else -value
            if math.isfinite(score) and score > best + self.min_delta:
                best, waited = score, 0
            else:
                waited += 1
            if waited >= self.patience:
                return index
        return None


@dataclass(frozen=True)
class Training:
    """A request: train this configuration up to an iteration (or to where the rule ends it).

    `purpose` says what it is asked for, in the words of its step (sweep, cell, repeat over seeds, ...), and `round` in
    which round of that step's plan. Both are part of the request's identity, so that a sweep's and a cell's training of
    equal configuration and length are two trials; neither is part of the training's key, so that it is trained once.
    `whole`: the iterations of a longer training that this is the beginning of, as a rung of halving is: one trial.
    """

    config: TrainingConfig
    until: int
    params: Values  # what the study shows of the trial
    stop: StopRule = StopRule()
    _: KW_ONLY
    purpose: str
    round: int = 0
    whole: int | None = None

    @property
    def goal(self) -> str:
        """What is trained, whatever it is asked for."""
        return f"{self.config.key}@{self.until}"

    @property
    def identity(self) -> str:
        return f"{self.purpose} {self.round}: {self.goal}"

    @property
    def trial_identity(self) -> str:
        """What a study knows its trial by."""
        return f"{self.purpose}: {self.config.key}@{self.whole or self.until} {digest(self.params, 6)}"

    @property
    def is_beginning(self) -> bool:
        """Whether a longer training is to go on from here."""
        return self.whole is not None and self.until < self.whole

    def shows(self, position: int, spacing: int = 1) -> bool:
        """Whether a value at this iteration is one of the some fifty that show the training's course, where there is
        one every `spacing` iterations."""
        values = (self.whole or self.until) // spacing
        return position % (spacing * max(1, math.ceil(values / POINTS))) == 0


@dataclass(frozen=True)
class Measurement:
    """A request: run a probe on the model of this configuration as it stands at an iteration (0: fresh), or with the
    weights that are kept of its training (`weights`: their digest)."""

    probe: str
    config: TrainingConfig
    params: Values
    at: int = 0
    args: Values = field(default_factory=dict)
    _: KW_ONLY
    purpose: str
    round: int = 0
    weights: str | None = None

    @property
    def goal(self) -> str:
        """What is measured, whatever it is asked for: the name under which the answer is kept."""
        state = self.at if self.weights is None else self.weights
        return f"{self.probe}-{self.config.key}@{state}-{digest(self.args, 6)}"

    @property
    def identity(self) -> str:
        return f"{self.purpose} {self.round}: {self.goal}"

    @property
    def trial_identity(self) -> str:
        """What a study knows its trial by."""
        return f"{self.purpose}: {self.goal} {digest(self.params, 6)}"


@dataclass(frozen=True)
class Suggestion:
    """A request whose parameters a sampler draws from the study's space: `build` makes the training from them. It
    looks at the first `seen` draws of its `series`, those of earlier rounds."""

    number: int
    seen: int
    sampler: str  # random | tpe
    series: str  # draws whose values can be compared
    build: Callable[[Values], Training]
    _: KW_ONLY
    purpose: str
    round: int = 0


Request = Training | Measurement | Suggestion


class Row(NamedTuple):
    """One iteration of a training. The metric is the loss itself where a training is judged by its loss."""

    iteration: int  # from 1
    epoch: float
    lr: float
    train_loss: float
    train_metric: float | None  # None where that of a batch says nothing of the whole
    val_loss: float | None  # at the ends of epochs
    val_metric: float | None
    raw_val_loss: float | None = None  # of the weights themselves, where validation sees their average
    raw_val_metric: float | None = None


RAW = "raw_"
"""Before a validation's column: that of the weights themselves, beside that of their average."""


def _names(metric: str, averaged: bool) -> list[str]:
    fields = Row._fields if averaged else [name for name in Row._fields if not name.startswith(RAW)]
    return [name.replace("metric", metric) for name in fields]


def columns(metric: str, averaged: bool = False) -> tuple[str, ...]:
    """The header of a training's metrics.csv: the fields of Row under the metric's name, each once. `averaged`: it
    averages its weights, and says what they validate like by themselves.

    >>> columns("loss"), columns("mae")[-1], columns("mae", averaged=True)[-2:]
    (('iteration', 'epoch', 'lr', 'train_loss', 'val_loss'), 'val_mae', ('raw_val_loss', 'raw_val_mae'))
    """
    return tuple(dict.fromkeys(_names(metric, averaged)))


def cells(row: Row, metric: str, averaged: bool = False) -> tuple[float | None, ...]:
    """The cells of a row, one for each of `columns`."""
    names = _names(metric, averaged)
    return tuple(row[place] for place, name in enumerate(names) if name not in names[:place])


def is_validation(column: str) -> bool:
    """Whether a column has its values at the ends of epochs alone."""
    return column.startswith("val_")


def judged_by(header: Iterable[str]) -> str | None:
    """The metric whose `columns` these are, or None where they are no training's."""
    names = tuple(header)
    metric = names[-1].removeprefix(RAW).removeprefix("val_") if names else ""
    return metric if names in (columns(metric), columns(metric, averaged=True)) else None


@dataclass(frozen=True, eq=False)
class Record:
    """What came back for a request. `rows` are columns of equal length, one entry an iteration, named by `columns`;
    validations are None but at the ends of epochs. `val_losses` has one array a validation: the loss of every
    validation sample, in order. `val_scores` likewise what each sample gives to a metric that is a mean over samples
    (its share of right answers, its error); nothing for another metric. `val_halves`: the metric over both halves of
    SPLITS fixed random splits of the validation samples, first halves and second ones in turn. Equal to itself alone:
    two may hold the same arrays.
    """

    request: Training | Measurement
    rows: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    values: Values = field(default_factory=dict)  # what a probe measured
    val_losses: Any = ()  # float32 [validations, n_val]
    val_scores: Any = ()  # float32 [validations, n_val], or ()
    val_halves: Any = ()  # float32 [validations, 2 * SPLITS], or ()
    error: str | None = None

    @property
    def params(self) -> Values:
        return self.request.params

    @property
    def iterations(self) -> int:
        return len(self.rows.get("iteration", ()))

    def column(self, name: str) -> list[float]:
        """A training column, one value an iteration, finite or not."""
        return [math.nan if value is None else value for value in self.rows.get(name, ())]

    def validations(self, name: str) -> list[tuple[int, float]]:
        """(iteration, value) at the ends of epochs, for a `val_` column."""
        pairs = zip(self.rows.get("iteration", ()), self.rows.get(name, ()), strict=False)
        return [(int(iteration), value) for iteration, value in pairs if value is not None]


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
class Remedy:
    """What a person may do next, as data: a step or another command, and changes of the recipe."""

    command: str
    set: Values = field(default_factory=dict)  # dotted path -> value


@dataclass(frozen=True)
class Finding:
    """One thing that is said of a run, by its code. `advice` is in words; `remedies` are the same as data."""

    code: str
    severity: Severity
    message: str
    evidence: Values = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Code:
    """A thing that can be said, whatever the run: what `tunekit explain NAME` prints. It stands beside what says it.

    `severity` is the one a finding has unless whoever says it knows better. A text that states a threshold is made from
    the constant. `explains_later`: a fault that shows again in later steps, as their symptoms (`symptom`).
    """

    name: str
    severity: Severity
    meaning: str
    measured: str
    causes: str
    advice: tuple[str, ...]
    source: str
    _: KW_ONLY
    symptom: bool = True
    explains_later: bool = False

    def finding(
        self,
        message: str,
        evidence: Values | None = None,
        *,
        advice: tuple[str, ...] | None = None,
        severity: Severity | None = None,
        remedies: tuple[Remedy, ...] = (),
    ) -> Finding:
        """This code said of a run, with its own severity and advice unless others are given."""
        told = self.advice if advice is None else advice
        return Finding(self.name, severity or self.severity, message, dict(evidence or {}), told, remedies)


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
        data: dict[str, Any] = plain(asdict(self))
        if self.diagnosis is None:
            del data["diagnosis"]
        return data

    @classmethod
    def from_dict(cls, data: object) -> StepResult:
        """Fields that this version does not know are left out. Errors: ValueError."""
        if not isinstance(data, Mapping):
            raise ValueError("a result is a mapping")
        return cls.from_json({"schema": 1, **{name: data[name] for name in cls.__dataclass_fields__ if name in data}})


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
"""What a supervisor tells of: a front end decides the look."""


def worst(findings: Sequence[Finding]) -> Verdict:
    """The verdict that the gravest finding gives: notes pass."""
    severities = {finding.severity for finding in findings}
    return "fail" if "fail" in severities else "warn" if "warn" in severities else "pass"
