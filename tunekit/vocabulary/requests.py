"""What a step asks for: a training with its rule to stop, a measurement, a draw of a sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field

from tunekit.configuration import TrainingConfig, Values, digest

POINTS = 50  # of a training's course, that a study keeps


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
