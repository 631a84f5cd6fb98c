"""Step 2: can the model learn a handful of samples by heart, with every regulariser off? If not, why not?

learned says what counts as learned; causes holds the codes and finds which of them explains a set that was not; remarks
are made of one that was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated, Any

from annotated_types import MinLen

from tunekit.charts import Figure, Line, Panel, Scale
from tunekit.configuration import ScheduleSpec, Subset, TrainingConfig, Values, decimal, short
from tunekit.measured import TinySet, TinyTrained
from tunekit.space import Choices, Range, Space
from tunekit.steps.context import Context
from tunekit.steps.noise import diverged, tail
from tunekit.steps.overfit_tiny import causes, remarks
from tunekit.steps.overfit_tiny.learned import (
    best,
    judged_by_accuracy,
    learned_in_the_main,
    of_a_mixture,
    reached,
    reached_text,
    score_column,
    solved,
    stop_rule,
)
from tunekit.steps.step import Count, Epochs, Handoff, Judgement, Positive, Settings, Step
from tunekit.telling import continued, counted
from tunekit.vocabulary import Format, Measurement, Record, Request, StepResult, StopRule, Training, UserError

NAME = "overfit-tiny"
RATES = (1e-2, 1e-3, 1e-4)  # Adam's; another optimizer's lie by a factor elsewhere
LARGEST = 500  # samples, all in one batch
FALLS = 0.98  # mean of a loss's last tenth over that an eighth to a quarter of its length before, if it still falls

THE_SET = "the set"
RATE = "a rate"
HIGHER_RATE = "a higher rate"
LOWER_RATE = "a lower rate"
LONGER = "longer"
CONTROL = "control"
TRAINED_MODEL = "the trained model"
ATTEMPTS = (RATE, HIGHER_RATE, LOWER_RATE, LONGER)
LOOKS = (("tiny-set", THE_SET), ("tiny-trained", TRAINED_MODEL))
BESIDE = (CONTROL, TRAINED_MODEL)  # what fails of these costs its answer, not the step


@dataclass(frozen=True)
class OverfitTiny(Settings):
    per_class: Count = 10
    samples: Count = 32  # where there are no classes
    rates: Annotated[tuple[Positive, ...], MinLen(1)] | None = None  # None: the optimizer's own
    epochs: Epochs = 300

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:  # noqa: ARG002 - nothing is searched here
        return len(self.rates or RATES)


@dataclass(frozen=True)
class Learned(Handoff):
    """The rate that learned the tiny set first, in how many passes, and its loss then."""

    lr: float
    epochs: int
    loss: float


@dataclass(frozen=True)
class _Tried:
    """The records of the step, by what they were asked for."""

    start: TinySet
    attempts: tuple[Record, ...]  # trainings on the real inputs
    control: Record | None
    trained: TinyTrained | None

    @classmethod
    def of(cls, records: Sequence[Record]) -> _Tried:
        single = {record.request.purpose: record for record in records if not record.error}
        trained = single.get(TRAINED_MODEL)
        return cls(
            start=TinySet.from_json(single[THE_SET].values),
            attempts=tuple(record for record in records if record.request.purpose in ATTEMPTS),
            control=single.get(CONTROL),
            trained=None if trained is None else TinyTrained.from_json(trained.values),
        )


def plan(context: Context[OverfitTiny], records: Sequence[Record]) -> list[Request]:
    """First what the set allows, then the rates, then a longer or faster try where none solved it; last the control
    with zeroed inputs and a look at the trained model."""
    if not records:
        config = _config(context, _rates(context)[0])
        return [Measurement("tiny-set", config, {}, purpose=THE_SET)]
    if any(record.error for record in records):
        return []
    tried = _Tried.of(records)
    settings = context.settings
    if not tried.attempts:
        return [_training(context, rate, tried.start, settings.epochs, RATE) for rate in _rates(context)]
    best_try = best(tried.attempts, tried.start)
    if not solved(best_try, tried.start):
        further = _further(context, tried, best_try)
        if further is not None:
            return [further]
    if tried.control is not None or diverged(best_try):
        return []  # of what diverged there is no trained model to look at
    at, rate = best_try.iterations, best_try.params["lr"]
    control = _training(context, rate, tried.start, max(1, at), CONTROL)
    look = Measurement("tiny-trained", best_try.request.config, {}, at=at, purpose=TRAINED_MODEL)
    return [look, control]


def outlook(context: Context[OverfitTiny]) -> list[Sequence[Request]]:
    """The look at the set, the rates, then the control and the look at what was learned; each training may be solved
    before its end."""
    rates, epochs = _rates(context), context.settings.epochs
    config = _config(context, rates[0])
    rule = StopRule(solved_loss=-math.inf)
    tries = [Training(_config(context, rate), epochs, {}, rule, purpose=RATE) for rate in rates]
    control = Training(_config(context, rates[0], blank=True), epochs, {}, rule, purpose=CONTROL)
    looks = [Measurement(probe, config, {}, purpose=purpose) for probe, purpose in LOOKS]
    return [looks[:1], tries, [*looks[1:], control]]


def _rates(context: Context[OverfitTiny]) -> list[float]:
    rates, optimizer = context.settings.rates, context.optimizer()
    if rates is None and optimizer.finds_rate:
        return [1.0]
    return [decimal(rate * optimizer.rate_factor) for rate in RATES] if rates is None else list(rates)


def _config(context: Context[OverfitTiny], rate: float, blank: bool = False) -> TrainingConfig:
    """The tiny training: no weight decay, dropout, augmentation, averaging or clipping; the set in one batch."""
    settings = context.settings
    subset = Subset(settings.per_class) if context.facts.classes else Subset(samples=min(settings.samples, LARGEST))
    base = context.config({"lr": rate, "weight_decay": 0.0})
    size = settings.per_class * context.facts.classes if context.facts.classes else settings.samples
    return replace(
        base,
        data=replace(base.data, subset=subset, blank=blank, augment=(), augment_strength=1.0),
        batch_size=max(2, min(size, LARGEST)),
        schedule=ScheduleSpec(),
        clip_grad_norm=None,
        ema=None,
        regularize=False,
    )


def _training(
    context: Context[OverfitTiny], rate: float, start: TinySet, until: int, purpose: str, wave: int = 0
) -> Training:
    blank = purpose == CONTROL
    params = {"lr": rate, "inputs": "zeroed" if blank else "real"}
    return Training(_config(context, rate, blank), until, params, stop_rule(start), purpose=purpose, round=wave)


def _further(context: Context[OverfitTiny], tried: _Tried, best_try: Record) -> Training | None:
    """One try more: a tenth of the lowest rate where all diverged, ten times the highest where that was best, or four
    times the iterations where the loss still falls. Each once."""
    settings, start = context.settings, tried.start
    rates = [record.params["lr"] for record in tried.attempts]
    wave = 1 + max(record.request.round for record in tried.attempts)
    first = wave == 1
    if diverged(best_try):
        return _training(context, min(rates) / 10, start, settings.epochs, LOWER_RATE, wave) if first else None
    if first and best_try.params["lr"] == max(rates):
        return _training(context, best_try.params["lr"] * 10, start, settings.epochs, HIGHER_RATE, wave)
    losses = best_try.column("train_loss")
    falls = len(losses) > 40 and tail(losses).mean() < FALLS * fmean(losses[-len(losses) // 4 : -len(losses) // 8])
    if falls and not any(record.request.purpose == LONGER for record in tried.attempts):
        return _training(context, best_try.params["lr"], start, 4 * settings.epochs, LONGER, wave)
    return None


def space(context: Context[OverfitTiny], _records: Sequence[Record]) -> Space:
    """The rates, and one further at either end; the inputs as they are, and the control's."""
    rates = _rates(context)
    return {"lr": Range(min(rates) / 10, max(rates) * 10, log=True), "inputs": Choices(("real", "zeroed"))}


def objective(_context: Context[OverfitTiny], record: Record) -> float | None:
    """The loss at the end: how much of the tiny set was learned."""
    return None if diverged(record) else reached(record).loss


def judge(context: Context[OverfitTiny], records: Sequence[Record]) -> Judgement:
    failures = [record for record in records if record.error and record.request.purpose in BESIDE]
    for record in records:
        if record.error and record not in failures:
            earlier = context.causes
            why = f"this follows from {', '.join(earlier[:3])}, found before"
            raise UserError(continued(record.error, why) if earlier else record.error)
    tried = _Tried.of(records)
    start, control = tried.start, tried.control
    samples = counted(start.samples, "sample")
    best_try = best(tried.attempts, start)
    rate, text = short(best_try.params["lr"]), reached_text(reached(best_try, start), start)
    learned = "fitted" if start.linear else "learned"
    findings = causes.misaligned(start, asked=context.recipe.metric.target != "auto")
    handoff = None
    failed = any(finding.severity == "fail" for finding in findings)
    turned = failed and start.free is not None and start.free.endless
    astray = [] if turned else remarks.ran_off(best_try, start)
    findings += astray
    if turned or astray:
        summary = f"{samples}: {findings[0].message}."
    elif solved(best_try, start):
        epochs = best_try.iterations
        usual = "" if start.random or start.linear else "; some tens is usual"
        needed = counted(epochs, "epoch")
        summary = f"{samples} {learned} to {text} in {needed} at rate {rate}{usual}."
        handoff = Learned(best_try.params["lr"], epochs, reached(best_try, start).loss)
        lost = remarks.reloaded(tried.trained, best_try, start)
        # What a checkpoint does not hold is not there in eval mode either.
        findings += [*remarks.slow(best_try, start), *(lost or remarks.modes(tried.trained, start))]
        findings += [] if failed else remarks.without_inputs(control, start)
    elif not failed and control is not None and of_a_mixture(best_try, start, control):
        blank = f"{reached(control).loss:.3g} with the inputs zeroed"
        summary = f"{samples} learned to a loss of {reached(best_try, start).loss:.3g} ({blank})."
        handoff = Learned(best_try.params["lr"], best_try.iterations, reached(best_try, start).loss)
        lost = remarks.reloaded(tried.trained, best_try, start)
        findings += lost or remarks.modes(tried.trained, start)
    else:
        summary = f"{samples} not {learned}: {text} at best, at rate {rate}."
        lost = remarks.reloaded(tried.trained, best_try, start)
        if not any(finding.severity == "fail" for finding in (*findings, *lost)):
            findings.append(causes.not_learned(tried.attempts, best_try, start, tried.trained, control))
            if learned_in_the_main(best_try, start):
                findings[-1] = causes.of_few_inputs(findings[-1], start)
                handoff = Learned(best_try.params["lr"], best_try.iterations, reached(best_try, start).loss)
        findings += lost
    findings += remarks.notes(start, failures, ran_off=turned or bool(astray))
    table = [_row(record, start) for record in tried.attempts]
    if control is not None:
        table.append({**_row(control, start), "inputs": "zeroed"})
    shares: Mapping[str, Format] = {context.facts.metric: "share"} if context.facts.share else {}
    return Judgement(summary, findings, handoff, table, {"lr": "rate", "accuracy": "share", **shares})


def _row(record: Record, start: TinySet) -> Values:
    end, stopped = reached(record, start), diverged(record)
    verdict = f"diverged at {stopped}" if stopped else "learned" if solved(record, start) else "not learned"
    row = {
        "lr": record.params["lr"],
        "inputs": "real",
        "epochs": record.iterations,
        "loss": end.loss,
        "verdict": verdict,
    }
    if judged_by_accuracy(start):
        return {**row, "accuracy": end.score}
    name = score_column(record)
    return row if name is None or not math.isfinite(end.score) else {**row, name.removeprefix("train_"): end.score}


def figure(_context: Context[OverfitTiny], result: StepResult, records: Sequence[Record]) -> Figure:
    """The loss of every try, and of the control."""
    shown = [record for record in records if record.request.purpose in (*ATTEMPTS, CONTROL)]
    rates = sorted({record.params["lr"] for record in shown})
    lines = []
    for record in shown:
        zeroed, rate = record.request.purpose == CONTROL, record.params["lr"]
        label = f"{short(rate)}{', inputs zeroed' if zeroed else ''}"
        shade = rates.index(rate) / max(1, len(rates) - 1)
        learned = not zeroed and rate == result.handoff.get("lr")
        losses = record.column("train_loss")
        lines.append(Line(record.rows["iteration"], losses, label, dotted=zeroed, strong=learned, shade=shade))
    negative = any(value <= 0 for line in lines for value in line.y)
    scale: Scale = "symlog" if negative else "log"
    panel = Panel(lines, "epochs (one batch each)", "training loss", y_scale=scale, legend="learning rate")
    return Figure(result.summary, [panel])


STEP = Step(
    NAME,
    "Learn a handful of samples by heart, or say why that fails.",
    OverfitTiny,
    Learned,
    "the rate that learned the tiny set",
    plan,
    judge,
    lambda: causes.CODES,
    objective=objective,
    metric=lambda _context: "train_loss",
    space=space,
    figure=figure,
    outlook=outlook,
)
