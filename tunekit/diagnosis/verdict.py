"""What a verdict is and what judging gives: the outcome of a rule, the diagnosis of a log. No number is made here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunekit import shares, vocabulary
from tunekit.configuration import Values
from tunekit.diagnosis.drawn import Drawn
from tunekit.diagnosis.measures import END, Measures, Points, Side
from tunekit.diagnosis.odds import NO_COUNSEL, Counsel, Told, counsel
from tunekit.diagnosis.prospects import GO_ON, commands, done, go_on, improves
from tunekit.logs.log import Log, Procedure
from tunekit.vocabulary import Code, Finding, Remedy, Versioned


@dataclass(frozen=True)
class Outcome:
    """What one rule says of a log: whether it speaks, and the sentence with the deciding numbers. `lacks` is what the
    log would have to hold for the rule to be asked at all."""

    speaks: bool
    text: str
    evidence: Values = field(default_factory=dict)
    lacks: str = ""


def silent(text: str) -> Outcome:
    """A rule that does not speak, and the number that kept it silent."""
    return Outcome(False, text)


def unasked(lacks: str) -> Outcome:
    """A rule that cannot be asked of this log, and what the log lacks for it."""
    return Outcome(False, "", lacks=lacks)


def losses_lacking(train: Side | None, points: int = 0, positive: bool = False) -> str:
    """What a training loss lacks of so many points and, where ratios are taken, of values above zero; empty if
    nothing."""
    if train is None:
        return "no training loss"
    if not np.any(np.isfinite(train.log.y)):
        return "no training loss that is finite"
    if len(train.y) < points:
        return f"fewer than {points} training points"
    return "a loss that is not above zero throughout" if positive and not train.positive else ""


NO_VALIDATION_LOSS = "no validation loss"
FOREIGN = silent("")
"""Of a rule that is about another kind of training: nothing is said of it."""

Rule = Callable[[Measures], Outcome]

GENTLER = (Remedy("fine-run", {"steps.fine-run.lr_factors": [0.1, 0.3]}), Remedy("run", {"clip_grad_norm": 1.0}))
"""What is done about a rate that is too high: a smaller one, else gradients clipped."""


@dataclass(frozen=True)
class Verdict:
    """Everything about one verdict. Each module of verdicts/ holds one, as VERDICT, under the name of its code.

    `judge` makes it the headline (the first of verdicts.ORDER that speaks), else a note; `note` is asked besides and
    makes a note only. `advice` (lines of Advice where their odds may be known) and `remedies` (for tunekit's own runs
    alone) meet the numbers of a log, the most useful first; without `advice` that of the code is given. Near misses are
    runs of which it must not be said.
    """

    code: Code
    judge: Rule
    changed_by: str
    """Which evidence would change it."""
    headline: bool = True
    """False: it is only ever a note."""
    note: Rule | None = None
    advice: Callable[[Measures], tuple[str, ...]] | None = None
    remedies: tuple[Remedy, ...] | Callable[[Measures, Procedure], tuple[Remedy, ...]] = ()
    explains: frozenset[str] = frozenset()
    """Notes that it already explains, or explains away, as a headline."""
    alone: bool = False
    """As a headline it leaves the shape of the curves saying little: only notes with `beside` stand with it."""
    beside: bool = False
    final: bool = False
    """Where it speaks nothing else is asked."""
    open: bool = False
    """It leaves open whether to train on: that comes first where validation improves."""
    otherwise: bool = False
    """It is asked only where nothing else is the headline."""
    of_the_loss: bool = False
    """It takes the training loss for a measure of progress: not asked where the log has another objective."""
    near_misses: tuple[Drawn, ...] = ()

    def advice_for(self, m: Measures) -> tuple[str, ...]:
        lines = self.advice(m) if self.advice is not None else self.code.advice
        return (GO_ON, *lines) if self.open and improves(m) else lines

    def counsel_for(self, m: Measures) -> Counsel:
        """The advice with its odds."""
        known = m.log.procedure
        return counsel(self.code.name, self.advice_for(m), done(m), None if known is None else commands(known))

    def remedies_for(self, m: Measures) -> tuple[Remedy, ...]:
        if m.log.procedure is None:
            return ()
        own = self.remedies(m, m.log.procedure) if callable(self.remedies) else self.remedies
        return (*go_on(m), *own) if self.open and improves(m) else own

    def finding(self, outcome: Outcome, m: Measures) -> Finding:
        """The verdict said of a log beside a headline."""
        return self.code.finding(
            outcome.text, outcome.evidence, advice=self.advice_for(m), remedies=self.remedies_for(m)
        )


@dataclass(frozen=True)
class Dismissed:
    """A verdict that was considered, and the number that spoke against it."""

    code: str
    reason: str


@dataclass(frozen=True)
class Printed(Versioned):
    """What `diagnose --json` prints of a log."""

    diagnosis: str
    verdict: vocabulary.Verdict
    summary: str
    notes: tuple[str, ...]
    evidence: Values
    advice: tuple[str, ...]
    confidence: float | None
    first: str | None
    tries: tuple[str, ...]
    odds: tuple[Told, ...]
    runner_up: str | None
    decides: str | None
    dismissed: tuple[Dismissed, ...]
    not_checked: tuple[Dismissed, ...]
    change_if: tuple[str, ...]
    best_epoch: float | None
    source: Values


@dataclass(frozen=True, kw_only=True)
class PrintedOfSeveral(Printed):
    """The same of one of several logs."""

    name: str


@dataclass(frozen=True, kw_only=True)
class PrintedSeveral(Printed):
    """The same of the first of several logs, and of each."""

    runs: tuple[PrintedOfSeveral, ...]


@dataclass(frozen=True, kw_only=True)
class PrintedOfRun(Printed):
    """The same of a run; `smooth` as its recipe has it."""

    run: str
    smooth: int | None


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on a log. `code` is the headline; `notes` what else is true of the run."""

    code: str
    verdict: vocabulary.Verdict
    summary: str
    notes: tuple[Finding, ...] = ()
    evidence: Values = field(default_factory=dict)
    counsel: Counsel = NO_COUNSEL
    remedies: tuple[Remedy, ...] = ()
    dismissed: tuple[Dismissed, ...] = ()
    unchecked: tuple[Dismissed, ...] = ()
    """Verdicts that could not be asked of this log, and what it lacks for them."""
    change_if: tuple[str, ...] = ()
    best_epoch: float | None = None
    best_x: float | None = None
    source: Values = field(default_factory=dict)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to do, the most useful first, with the odds."""
        return self.counsel.lines

    @property
    def confidence(self) -> float | None:
        """How often its first advice helped such trainings, where that was measured: see Counsel."""
        return self.counsel.confidence

    def printed(self) -> Printed:
        return Printed(
            self.code,
            self.verdict,
            self.summary,
            tuple(note.code for note in self.notes),
            self.evidence,
            self.advice,
            self.confidence,
            self.counsel.first or None,
            self.counsel.tries,
            self.counsel.told,
            self.counsel.runner_up or None,
            self.counsel.decides,
            self.dismissed,
            self.unchecked,
            self.change_if,
            self.best_epoch,
            self.source,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON without NaN or Infinity."""
        return self.printed().to_json()


def printed(judged: Sequence[tuple[Log, Diagnosis]]) -> Printed:
    """What is printed of one log, or of several."""
    first = judged[0][1].printed()
    if len(judged) == 1:
        return first
    runs = tuple(PrintedOfSeveral(name=log.name, **vars(diagnosis.printed())) for log, diagnosis in judged)
    return PrintedSeveral(runs=runs, **vars(first))


def shown(value: float) -> str:
    """A number as a sentence shows it: three significant digits, and no power of ten below a million.

    >>> shown(0.012345), shown(1234.5), shown(2.0), shown(1.5e7)
    ('0.0123', '1230', '2', '1.5e+07')
    """
    short = f"{value + 0.0:.3g}"  # of -0 as well
    return f"{float(short):.0f}" if 1e3 <= abs(value) < 1e6 else short


def percent(share: float) -> str:
    """A share as a sentence shows it: `12 %`, `0.4 %`."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.0995 else f"{100 * share:.2g} %"


def said(points: Points, value: float) -> str:
    """A value of a curve as a sentence shows it: `0.0123`, or of shares of one `94.0 %`."""
    return shares.percent(value) if points.share else shown(value)


def course(points: Points) -> str:
    """A curve in words: its first value and the median of its last tenth."""
    return f"from {said(points, points.first)} at the start to {said(points, points.ending)} over the last tenth"


def course_by_tenths(points: Points) -> str:
    """The same by medians alone, where the first value is another than what follows."""
    return (
        f"from {said(points, points.median(0.0, END))} over its first tenth to "
        f"{said(points, points.ending)} over its last"
    )


def course_by_lowest(points: Points) -> str:
    """The same with its lowest value between."""
    return (
        f"{said(points, points.first)} at the start, {said(points, points.lowest)} at its lowest, "
        f"{said(points, points.ending)} over the last tenth"
    )


def jump_of(points: Points) -> tuple[float, float]:
    """The median step from point to point and the median level of a curve's second half."""
    y = points.y[len(points.y) // 2 :]
    return float(np.median(np.abs(np.diff(y)))) if len(y) > 1 else 0.0, float(np.median(y))


def jumps_of(points: Points) -> str:
    """How a curve jumps in words."""
    step, middle = jump_of(points)
    by = f"{shown(100 * step)} points" if points.share else shown(step)
    return f"by {by} from point to point about {said(points, middle)} (medians of the second half)"


def halves(points: Points) -> tuple[float, float]:
    """The medians of the two halves of a curve's last quarter."""
    return points.median(0.75, 0.875), points.median(0.875, 1.0)


def eighths(points: Points) -> str:
    """The last quarter of a curve in words: the medians of its two halves."""
    before, after = halves(points)
    return f"from {said(points, before)} to {said(points, after)} in the last quarter (medians of its halves)"


def late_start(side: Side) -> str:
    """That the log is of a part of the run."""
    return f"the log begins at {side.unit} {place(float(side.log.x[0]))} only"


def place(value: float) -> str:
    """A step or an epoch, unabridged: 5000 and 12.5, never 5e+03."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"
