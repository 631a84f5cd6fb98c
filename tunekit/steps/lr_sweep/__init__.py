"""Step 3: which learning rates lower the loss in some hundred iterations, from one start over the same batches?

Of weights that come trained: which rates leave the validation loss lowest, after whole epochs (held_out)? curves reads
the runs of a training from scratch, codes holds what is said.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from tunekit.charts import Figure
from tunekit.configuration import Values, decimal, short
from tunekit.recipe.optimizers import OWN_RATE
from tunekit.space import Range, Space
from tunekit.steps import baselines
from tunekit.steps.check_init_loss import STEP as check_init_loss
from tunekit.steps.check_init_loss.optimizer import RATE_NOT_USED
from tunekit.steps.context import Context
from tunekit.steps.lr_sweep import held_out
from tunekit.steps.lr_sweep.codes import (
    ALL_DIVERGED,
    BEST_AT_EDGE,
    ENDS_AT_CHANCE,
    FEW_PARAMETERS_TRAIN,
    NARROW_RANGE,
    NO_LEARNING_RATE_WORKS,
    RATE_IS_FOUND,
)
from tunekit.steps.lr_sweep.curves import (
    LEAST_DROP,
    RateCurve,
    beyond,
    edge,
    is_unused,
    ladder,
    pick,
    read_curves,
    steepest,
    working_range,
)
from tunekit.steps.lr_sweep.figure import drawn, held_out_drawn
from tunekit.steps.noise import diverged, tail_mean
from tunekit.steps.overfit_tiny import STEP as overfit_tiny
from tunekit.steps.regime import comes_trained, few_train, frozen_epochs, is_fine_tuning, passes
from tunekit.steps.step import Count, Handoff, Judgement, NonNegative, Positive, Settings, Step
from tunekit.telling import counted, span
from tunekit.vocabulary import (
    Finding,
    Measurement,
    Record,
    Remedy,
    Request,
    StepResult,
    Training,
    UserError,
)

NAME = "lr-sweep"
SWEEP = "sweep"

CONFIRM = 2  # times the iterations for rates beyond the recipe's range: a high rate may look best and then blow up
LOW, HIGH = 1e-5, 1e-1  # the ladder's ends for Adam and its like, where the recipe does not say ...
TUNING_LOW, TUNING_HIGH = 1e-6, 1e-2  # ... and those of fine-tuning; another optimizer's lie by a factor elsewhere
LOWEST, HIGHEST = 1e-15, 1e6  # rates: beyond them nothing moves in fp32, or nothing stays finite


@dataclass(frozen=True)
class LrSweep(Settings):
    low: Annotated[Positive, Ge(LOWEST), Le(HIGHEST)] | None = None  # None: the optimizer's own
    high: Annotated[Positive, Ge(LOWEST), Le(HIGHEST)] | None = None
    iterations: Annotated[Count, Le(10**7)] = 100
    epochs: Annotated[NonNegative, Le(10**6)] = 0.0  # at least so many passes, where that is more
    weight_decay: NonNegative = 1e-4
    extend: Annotated[int, Ge(0), Le(6)] = 3  # further half-decades beyond an edge

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"steps.{NAME}.low: {self.low:g} is above steps.{NAME}.high, {self.high:g}")


@dataclass(frozen=True)
class SweptRates(Handoff):
    """The rate to build on, and the lowest and highest that work."""

    lr: float
    range: tuple[float, float]

    @property
    def tuned(self) -> Values:
        return {"lr": self.lr}

    @property
    def known(self) -> Values:
        return {"sweep_range": self.range}


def plan(context: Context[LrSweep], records: Sequence[Record]) -> Sequence[Request]:
    beside = baselines.untouched_request(context) if not records and is_fine_tuning(context) else []
    return [*plan_sweep(context, records, {}), *beside]


def plan_sweep(context: Context[LrSweep], records: Sequence[Record], fixed: Values) -> list[Training]:
    """The rates of the ladder, then one further at a time while the best stands at an edge. `fixed`: searched values
    (batch size, optimizer, architecture) that this sweep is for, which the context's recipe has (`Context.at`)."""
    settings, swept = context.settings, trainings(records)
    if context.optimizer().finds_rate:
        return []
    if not swept:
        return [_training(context, rate, fixed) for rate in rates_of(context)]
    extensions = max(record.request.round for record in swept)
    if any(record.error for record in swept) or extensions >= settings.extend:
        return []
    rates = [record.params["lr"] for record in swept]
    if is_fine_tuning(context):
        side = held_out.edge(context, held_out.read_rates(context, swept), baselines.read(records).untouched)
    else:
        curves = read_curves(swept)
        side = None if is_unused(curves) else edge(curves)
    if side == "highest":
        return [_training(context, beyond(max(rates), up=True), fixed, extensions + 1, CONFIRM)]
    if side == "lowest":
        return [_training(context, beyond(min(rates), up=False), fixed, extensions + 1)]
    return []


def trainings(records: Sequence[Record]) -> list[Record]:
    """The sweep's own records: no measurements."""
    return [record for record in records if isinstance(record.request, Training)]


def rates_of(context: Context[LrSweep]) -> list[float]:
    """The ladder's rates, those of the recipe or what is usual for its optimizer."""
    if context.optimizer().finds_rate:
        return [OWN_RATE]
    settings, tuning = context.settings, is_fine_tuning(context)
    factor = context.optimizer().rate_factor
    low = settings.low or decimal(factor * (TUNING_LOW if tuning else LOW))
    high = settings.high or decimal(factor * (TUNING_HIGH if tuning else HIGH))
    return ladder(min(low, high), max(low, high))


def pick_rate(context: Context[LrSweep], records: Sequence[Record]) -> float | None:
    """The rate that a sweep's records speak for, or None."""
    swept = trainings(records)
    if context.optimizer().finds_rate:
        return OWN_RATE
    if not is_fine_tuning(context):
        curves = read_curves(swept)
        return None if is_unused(curves) else pick(curves)
    return held_out.best(context, held_out.read_rates(context, swept))


def space(context: Context[LrSweep], _records: Sequence[Record] = ()) -> Space:
    """All rates that the sweep may try: the ladder, and what it may be extended by at either end."""
    rates = rates_of(context)
    low, high = rates[0], rates[-1]
    for _ in range(context.settings.extend):
        low, high = beyond(low, up=False), beyond(high, up=True)
    return {"lr": Range(low, high, log=True)}


def swept_values(request: Training | Measurement) -> Values:
    """The searched values that a sweep's training is for."""
    return {path: value for path, value in request.params.items() if path != "lr"}


def _training(context: Context[LrSweep], rate: float, fixed: Values, round_: int = 0, times: int = 1) -> Training:
    settings = context.settings
    config = context.config({**fixed, "lr": rate, "weight_decay": settings.weight_decay})
    per_epoch = context.iterations_per_epoch(fixed)
    warmup = int(config.schedule.args.get("warmup", 0))  # in which the rate is not there yet
    frozen = frozen_epochs(context, fixed)
    until = max(settings.iterations, math.ceil(settings.epochs * per_epoch)) * times
    until += max(warmup, frozen * per_epoch)
    if is_fine_tuning(context):  # there is a validation at each epoch's end
        epochs = max(math.ceil(settings.epochs), passes(context, settings.iterations, per_epoch, most=1))
        until = (epochs + frozen) * per_epoch
    return Training(config, until, {**fixed, "lr": rate}, purpose=SWEEP, round=round_)


def objective(context: Context[LrSweep], record: Record) -> float | None:
    """The mean training loss of the last tenth; in fine-tuning the last validation loss."""
    if not isinstance(record.request, Training) or diverged(record):
        return None
    return held_out.value(record) if is_fine_tuning(context) else tail_mean(record.column("train_loss"))


CODES = (
    NO_LEARNING_RATE_WORKS,
    ALL_DIVERGED,
    BEST_AT_EDGE,
    NARROW_RANGE,
    ENDS_AT_CHANCE,
    RATE_NOT_USED,
    FEW_PARAMETERS_TRAIN,
    RATE_IS_FOUND,
)


def judge(context: Context[LrSweep], records: Sequence[Record]) -> Judgement:
    if context.optimizer().finds_rate:
        target = context.recipe.optimizer.target
        finding = RATE_IS_FOUND.finding(f"{target} finds its rate while it trains: it is given {OWN_RATE:g}")
        return Judgement(
            f"Rate {OWN_RATE:g}: {target} finds its own.", [finding], SweptRates(OWN_RATE, (OWN_RATE,) * 2)
        )
    swept = trainings(records)
    for record in swept:
        if record.error:
            raise UserError(record.error)
    return _judge_held_out(context, records) if is_fine_tuning(context) else _judge_curves(context, swept)


def _judge_curves(context: Context[LrSweep], records: Sequence[Record]) -> Judgement:
    """By the fall of the training loss."""
    curves = read_curves(records)
    unused = is_unused(curves)
    rate, works = (None, None) if unused else (pick(curves), working_range(curves))
    rows = tuple(
        {
            "lr": curve.rate,
            "start": curve.start,
            "end": curve.end,
            "drop": None if curve.diverged else curve.drop,
            "noise": curve.error,
            "verdict": _word(curve, rate, works),
        }
        for curve in curves.values()
    )
    if unused:
        text = f"the losses of all {len(curves)} rates from {short(min(curves))} to {short(max(curves))} are equal"
        finding = RATE_NOT_USED.finding(text, {"rates": list(curves)})
        return Judgement(f"The rate is not used: {text}.", [finding], table=rows, formats=context.formats)
    if rate is None or works is None:
        finding = _none_works(context, curves)
        return Judgement(f"No learning rate works: {finding.message}.", [finding], table=rows, formats=context.formats)
    chosen = curves[rate]
    summary = (
        f"Rate {short(rate)}: loss {chosen.start:.3g} to {chosen.end:.3g} in "
        f"{counted(len(chosen.losses), 'iteration')}; {_work(works)} over so many."
    )
    findings = [*_findings(curves, works), *_at_chance(context, chosen), *_few(context)]
    return Judgement(summary, findings, SweptRates(rate, works), rows, context.formats)


def _at_chance(context: Context[LrSweep], chosen: RateCurve) -> list[Finding]:
    initial = context.handoff(check_init_loss)
    expected = initial.expected_loss if initial else None
    if expected is None or expected <= 0 or chosen.end < (1 - LEAST_DROP) * expected:
        return []
    text = f"even {short(chosen.rate)} ends at {chosen.end:.4g}, and outputs without knowledge have {expected:.4g}"
    longer = Remedy(NAME, {f"steps.{NAME}.iterations": 4 * context.settings.iterations})
    return [ENDS_AT_CHANCE.finding(text, {"end": chosen.end, "expected": expected}, remedies=(longer,))]


def _work(works: tuple[float, float]) -> str:
    """The rates that work, with their verb."""
    told = span(*map(short, works))
    return f"{told} {'works' if works[0] < works[1] else 'alone works'}"


def _all(rates: Collection[float]) -> str:
    """The rates that were tried, as a subject."""
    told = span(short(min(rates)), short(max(rates)))
    return f"the only rate, {told}," if len(rates) == 1 else f"all {len(rates)} rates from {told}"


def _few(context: Context[LrSweep]) -> list[Finding]:
    facts = context.facts
    if not (comes_trained(context) and few_train(context)):
        return []
    text = f"{facts.trainable:,} of {facts.parameters:,} parameters train: the usual rates, judged by the training loss"
    return [FEW_PARAMETERS_TRAIN.finding(text, {"trainable": facts.trainable, "parameters": facts.parameters})]


def _judge_held_out(context: Context[LrSweep], records: Sequence[Record]) -> Judgement:
    """By the validation loss after whole epochs."""
    swept, untouched = trainings(records), baselines.read(records).untouched
    rates = held_out.read_rates(context, swept)
    best = held_out.best(context, rates)
    table = [*held_out.table(context, rates, untouched), *baselines.rows(context, baselines.read(records))]
    formats = context.formats
    if best is None:
        message = f"{_all(rates)} {'diverges' if len(rates) == 1 else 'diverge'}"
        finding = ALL_DIVERGED.finding(message, {"rates": list(rates)})
        return Judgement(f"No learning rate works: {message}.", [finding], table=table, formats=formats)
    works = held_out.working_range(rates, best)
    start = "" if untouched is None else f" from {untouched.loss:.3g} untouched"
    epochs = counted(swept[0].request.until // context.iterations_per_epoch(), "epoch")  # type: ignore[union-attr]
    summary = (
        f"Rate {short(best)}: validation loss{start} to {rates[best].val_loss:.3g} in {epochs} of fine-tuning; "
        f"{_work(works)} over so many."
    )
    findings = []
    side = held_out.edge(context, rates, untouched)
    if side is not None and len(rates) > 1:
        findings.append(_at_edge(best, side, rates))
    return Judgement(summary, findings, SweptRates(best, works), table, formats)


def _word(curve: RateCurve, rate: float | None, works: tuple[float, float] | None) -> str:
    if curve.diverged:
        return f"diverged at {curve.diverged}"
    if curve.rate == rate:
        return "taken"
    if works and works[0] <= curve.rate <= works[1]:
        return "works"
    return "slow" if curve.works else "no drop"


def _findings(curves: Mapping[float, RateCurve], works: tuple[float, float]) -> list[Finding]:
    findings = []
    best = steepest(curves)
    rates = sorted(curves)
    if best in (rates[0], rates[-1]) and len(rates) > 1:
        findings.append(_at_edge(best, "highest" if best == rates[-1] else "lowest", rates))
    place = rates.index(works[0])
    neighbours = rates[max(0, place - 1) : place] + rates[place + 1 : place + 2]
    if works[0] == works[1] and any(curves[rate].diverged for rate in neighbours):
        message = f"only {short(works[0])} works, and a neighbouring rate diverges"
        findings.append(NARROW_RANGE.finding(message, {"lr": works[0]}))
    return findings


def _at_edge(best: float, side: str, rates: Collection[float]) -> Finding:
    up = side == "highest"
    message = f"the best rate, {short(best)}, is the {side} tried"
    further = Remedy(NAME, {f"steps.{NAME}.{'high' if up else 'low'}": beyond(max(rates) if up else min(rates), up)})
    return BEST_AT_EDGE.finding(message, {"lr": best, "side": side}, advice=("widen the range",), remedies=(further,))


def _none_works(context: Context[LrSweep], curves: Mapping[float, RateCurve]) -> Finding:
    """Why no rate works, with what step 2 said."""
    tiny = context.earlier.get(overfit_tiny.name)
    learned = tiny is not None and tiny.result.verdict != "fail"
    said = "" if tiny is None else " (step 2 passed)" if learned else " (step 2 failed too)"
    if all(curve.diverged for curve in curves.values()):
        first = min(curve.diverged or 0 for curve in curves.values())
        message = f"{_all(curves)} {'diverges' if len(curves) == 1 else 'diverge'}{said}"
        return ALL_DIVERGED.finding(message, {"rates": list(curves), "first_iteration": first})
    best = max(curves.values(), key=lambda curve: curve.drop)
    drop = f"{best.drop:.2g} (noise {best.error:.2g})"
    message = f"the largest drop is {drop}, at {short(best.rate)}, from a start of {best.start:.3g}{said}"
    evidence = {"drop": best.drop, "noise": best.error, "lr": best.rate, "start": best.start}
    if not learned:
        return NO_LEARNING_RATE_WORKS.finding(message, evidence)
    advice = (
        "the model can learn a few samples: look at the labels of the full data and at the batch size",
        "or try more iterations",
    )
    longer = Remedy(NAME, {f"steps.{NAME}.iterations": 4 * context.settings.iterations})
    return NO_LEARNING_RATE_WORKS.finding(message, evidence, advice=advice, remedies=(longer,))


def figure(context: Context[LrSweep], result: StepResult, records: Sequence[Record]) -> Figure:
    """What each rate is judged by, with the range that works."""
    swept = SweptRates.from_json(result.handoff) if result.handoff else None
    taken, works = (None, None) if swept is None else (swept.lr, swept.range)
    if not is_fine_tuning(context):
        return drawn(result.summary, read_curves(trainings(records)), taken, works)
    rates, untouched = held_out.read_rates(context, trainings(records)), baselines.read(records).untouched
    return held_out_drawn(context, result.summary, rates, taken, works, untouched)


STEP = Step(
    NAME,
    "Find the learning rates that work.",
    LrSweep,
    SweptRates,
    "the learning rate",
    plan,
    judge,
    lambda: CODES,
    objective=objective,
    metric=lambda context: "val_loss" if is_fine_tuning(context) else "train_loss",
    space=space,
    figure=figure,
)
