"""Step 3: which learning rates lower the loss in some hundred iterations, from one start over the same batches?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated

from annotated_types import Ge, Le

from tunekit import citations
from tunekit.charts import Band, Figure, Line, Panel, Rule
from tunekit.configuration import Values, decimal, short
from tunekit.space import Range, Space
from tunekit.steps.context import Context
from tunekit.steps.noise import ERRORS, diverged, tail, tail_mean
from tunekit.steps.overfit_tiny import STEP as overfit_tiny
from tunekit.steps.step import Count, Handoff, Judgement, NonNegative, Positive, Settings, Step
from tunekit.vocabulary import Code, Finding, Measurement, Record, Remedy, StepResult, StopRule, Training, UserError

NAME = "lr-sweep"
SWEEP = "sweep"

LADDER = (1.0, 3.0)  # half-decades: 1, 3, 10, 30, ...
CONFIRM = 2  # times the iterations for rates beyond the recipe's range: a high rate may look best and then blow up
WORKS = 0.8  # share of the best drop that a working rate reaches
NEARLY = 0.9  # share of the best drop for which a rate further from divergence is preferred
LOWEST, HIGHEST = 1e-15, 1e6  # rates: beyond them nothing moves in fp32, or nothing stays finite
LEAST_DROP = 0.02  # of the start's scale: less is no learning, whatever the noise


def ladder(low: float, high: float) -> list[float]:
    """The decimal ladder 1, 3, 10, ... from low to high, both included where they stand on it.

    >>> ladder(1e-3, 1e-1)
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    rates = []
    for exponent in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2):
        for step in LADDER:
            rate = decimal(step * 10.0**exponent)
            if low * 0.999 <= rate <= high * 1.001:
                rates.append(rate)
    return rates or [decimal(low)]


def beyond(rate: float, up: bool) -> float:
    """The next rate of the ladder."""
    return (
        min(r for r in ladder(rate, rate * 20) if r > rate * 1.01)
        if up
        else max(r for r in ladder(rate / 20, rate) if r < rate * 0.99)
    )


@dataclass(frozen=True)
class LrSweep(Settings):
    low: Annotated[Positive, Ge(LOWEST), Le(HIGHEST)] = 1e-5
    high: Annotated[Positive, Ge(LOWEST), Le(HIGHEST)] = 1e-1
    iterations: Annotated[Count, Le(10**7)] = 100
    epochs: Annotated[NonNegative, Le(10**6)] = 0.0  # at least so many passes, where that is more
    weight_decay: NonNegative = 1e-4
    extend: Annotated[int, Ge(0), Le(6)] = 3  # further half-decades beyond an edge

    def __post_init__(self) -> None:
        if self.low > self.high:
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


def plan(context: Context[LrSweep], records: Sequence[Record]) -> list[Training]:
    return plan_sweep(context, records, {})


def plan_sweep(context: Context[LrSweep], records: Sequence[Record], fixed: Values) -> list[Training]:
    """The rates of the ladder, then one further at a time while the best stands at an edge. `fixed`: searched values
    (batch size, optimizer, architecture) that this sweep is for."""
    settings = context.settings
    if not records:
        return [_training(context, rate, fixed) for rate in ladder(settings.low, settings.high)]
    extensions = max(record.request.round for record in records)
    if any(record.error for record in records) or extensions >= settings.extend:
        return []
    curves = read_curves(records)
    best, low, high = _best(curves), min(curves), max(curves)
    if best == high:
        return [_training(context, beyond(high, up=True), fixed, extensions + 1, CONFIRM)]
    # Where nothing worked and everything diverged, lower rates may work.
    if best == low or (best is None and all(curve.diverged for curve in curves.values())):
        return [_training(context, beyond(low, up=False), fixed, extensions + 1)]
    return []


def space(context: Context[LrSweep], _records: Sequence[Record] = ()) -> Space:
    """All rates that the sweep may try: the ladder, and what it may be extended by at either end."""
    rates = ladder(context.settings.low, context.settings.high)
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
    passes = math.ceil(settings.epochs * context.iterations_per_epoch(fixed))
    until = max(settings.iterations, passes) * times
    return Training(config, until, {**fixed, "lr": rate}, purpose=SWEEP, round=round_)


@dataclass(frozen=True)
class RateCurve:
    """One rate's short run: where it ended, and how sure that is."""

    rate: float
    losses: tuple[float, ...]
    start: float
    end: float  # mean of the last tenth
    error: float  # standard error of the drop
    diverged: int | None

    @property
    def drop(self) -> float:
        return -math.inf if self.diverged else self.start - self.end

    @property
    def works(self) -> bool:
        """Whether the loss fell by more than its noise, and by more than nothing."""
        return self.drop > max(ERRORS * self.error, LEAST_DROP * max(abs(self.start), 1e-12))


def read_curves(records: Sequence[Record]) -> Mapping[float, RateCurve]:
    """The sweep's runs by rate. All saw the same batches: the start and the noise come from the lowest rate, whose
    weights hardly move, batch by batch."""
    import numpy as np

    runs = {record.params["lr"]: record for record in records}
    lowest = runs[min(runs)].column("train_loss")
    start = fmean(lowest[:10]) if lowest and all(map(math.isfinite, lowest[:10])) else math.nan
    curves = {}
    for rate in sorted(runs):
        losses = runs[rate].column("train_loss")
        base = np.asarray(lowest[: len(losses)], dtype=np.float64)
        points = len(tail(losses))
        window = np.asarray(losses[-points:])
        if len(base) == len(losses):
            window = window - base[-points:]  # noise of batches that both saw; what is left is this rate's own path
        own = float(np.std(window, ddof=1)) if points > 1 else math.inf
        noise = float(np.std(np.asarray(lowest[:points]), ddof=1)) if len(lowest) >= points > 1 else 0.0
        error = math.sqrt((own**2 + noise**2) / max(1, points))
        curves[rate] = RateCurve(rate, tuple(losses), start, tail_mean(losses), error, diverged(runs[rate]))
    return curves


def _best(curves: Mapping[float, RateCurve]) -> float | None:
    """The rate with the largest drop, among those that work."""
    working = [curve for curve in curves.values() if curve.works]
    return max(working, key=lambda curve: curve.drop).rate if working else None


def pick(curves: Mapping[float, RateCurve]) -> float | None:
    """The rate to hand on: the best, or its lower neighbour where the best stands next to divergence and the
    neighbour does nearly as well."""
    best = _best(curves)
    if best is None:
        return None
    rates = sorted(curves)
    place = rates.index(best)
    above = curves[rates[place + 1]] if place + 1 < len(rates) else None
    below = curves[rates[place - 1]] if place else None
    close = above is not None and above.diverged is not None
    if close and below is not None and below.works and below.drop >= NEARLY * curves[best].drop:
        return below.rate
    return best


def working_range(curves: Mapping[float, RateCurve]) -> tuple[float, float] | None:
    """Lowest and highest rate around the best with at least 80 % of its drop; None where none works."""
    best = _best(curves)
    if best is None:
        return None
    rates = sorted(curves)
    least = WORKS * curves[best].drop
    low = high = rates.index(best)
    while low > 0 and curves[rates[low - 1]].works and curves[rates[low - 1]].drop >= least:
        low -= 1
    while high + 1 < len(rates) and curves[rates[high + 1]].works and curves[rates[high + 1]].drop >= least:
        high += 1
    return rates[low], rates[high]


def objective(_context: Context[LrSweep], record: Record) -> float | None:
    """The mean training loss of the last tenth."""
    return None if diverged(record) else tail_mean(record.column("train_loss"))


NO_LEARNING_RATE_WORKS = Code(
    "no_learning_rate_works",
    "fail",
    "No rate lowers the loss by more than its noise.",
    f"Drop of the mean training loss of the last tenth from the start, for each rate: at least {ERRORS:g} standard "
    f"errors, and {LEAST_DROP:.0%} of the start.",
    "A fault in the model or the data rather than the rate: step 2 tells which.",
    ("run `tunekit overfit-tiny` and mend what it names",),
    f"{citations.LECTURE} (step 3)",
)
ALL_DIVERGED = Code(
    "all_diverged",
    "fail",
    "Every rate makes the loss diverge.",
    f"Loss not finite, or above its start by more than {StopRule.factor:g} times its scale, at all rates.",
    "A loss that is summed, inputs on a huge scale, or an exploding start.",
    ("run `tunekit check-init-loss` and mend what it names",),
    f"{citations.LECTURE} (step 3)",
)
BEST_AT_EDGE = Code(
    "best_at_edge",
    "warn",
    "The best value is the last one tried: a better one may lie beyond.",
    "The best rate (or cell) is the first or last of its axis after the extensions that the step makes itself.",
    "A scale far from usual: inputs, loss or optimizer.",
    ("widen the range in the recipe under `steps`",),
    f"{citations.NOTES} (careful with best values on border)",
)
NARROW_RANGE = Code(
    "narrow_range",
    "warn",
    "Only one rate works; its neighbours fail.",
    f"Rates whose drop is at least {WORKS:.0%} of the best: a single one, while a neighbour diverges.",
    "Training that is hardly stable: no normalisation, no clipping, a poor initialisation.",
    ("try `clip_grad_norm: 1.0`, a warm-up or normalisation layers",),
    citations.PLAYBOOK,
)
CODES = (NO_LEARNING_RATE_WORKS, ALL_DIVERGED, BEST_AT_EDGE, NARROW_RANGE)


def judge(context: Context[LrSweep], records: Sequence[Record]) -> Judgement:
    for record in records:
        if record.error:
            raise UserError(record.error)
    curves = read_curves(records)
    rate, works = pick(curves), working_range(curves)
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
    if rate is None or works is None:
        finding = _none_works(context, curves)
        return Judgement(f"No learning rate works: {finding.message}.", [finding], table=rows, formats=context.formats)
    chosen = curves[rate]
    summary = (
        f"Rate {short(rate)}: loss {chosen.start:.3g} to {chosen.end:.3g} in {len(chosen.losses)} iterations; "
        f"{short(works[0])} to {short(works[1])} works."
    )
    return Judgement(summary, _findings(curves, works), SweptRates(rate, works), rows, context.formats)


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
    best = _best(curves)
    rates = sorted(curves)
    if best in (rates[0], rates[-1]) and len(rates) > 1:
        up = best == rates[-1]
        side = "highest" if up else "lowest"
        message = f"the best rate, {short(best)}, is the {side} tried"
        further = Remedy(NAME, {f"steps.{NAME}.{'high' if up else 'low'}": beyond(rates[-1 if up else 0], up)})
        evidence = {"lr": best, "side": side}
        findings.append(BEST_AT_EDGE.finding(message, evidence, advice=("widen the range",), remedies=(further,)))
    place = rates.index(works[0])
    neighbours = rates[max(0, place - 1) : place] + rates[place + 1 : place + 2]
    if works[0] == works[1] and any(curves[rate].diverged for rate in neighbours):
        message = f"only {short(works[0])} works, and a neighbouring rate diverges"
        findings.append(NARROW_RANGE.finding(message, {"lr": works[0]}))
    return findings


def _none_works(context: Context[LrSweep], curves: Mapping[float, RateCurve]) -> Finding:
    """Why no rate works, with what step 2 said."""
    tiny = context.earlier.get(overfit_tiny.name)
    learned = tiny is not None and tiny.result.verdict != "fail"
    said = "" if tiny is None else " (step 2 passed)" if learned else " (step 2 failed too)"
    if all(curve.diverged for curve in curves.values()):
        first = min(curve.diverged or 0 for curve in curves.values())
        message = f"all {len(curves)} rates from {short(min(curves))} to {short(max(curves))} diverge{said}"
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


def figure(_context: Context[LrSweep], result: StepResult, records: Sequence[Record]) -> Figure:
    """The losses of every rate, and the drop by rate with what works."""
    swept = SweptRates.from_json(result.handoff) if result.handoff else None
    curves = read_curves(records)
    lines = [
        Line(
            range(1, len(curve.losses) + 1),
            curve.losses,
            short(curve.rate),
            smooth=max(1, len(curve.losses) // 10),
            strong=swept is not None and curve.rate == swept.lr,
        )
        for curve in curves.values()
    ]
    start = next(iter(curves.values())).start
    top = 1.5 * start if start > 0 else None
    left = Panel(lines, "iteration", "training loss, smoothed", top=top, legend="rate")
    sound = [curve for curve in curves.values() if not curve.diverged]
    errors = [ERRORS * curve.error for curve in sound]
    drops: list[Line | Rule | Band] = [
        Line([curve.rate for curve in sound], [curve.drop for curve in sound], error=errors, points=True),
        *(Rule(x=curve.rate, colour="bad") for curve in curves.values() if curve.diverged),
    ]
    if swept is not None:
        drops.append(Band(swept.range[0] * 0.9, swept.range[1] * 1.1, "works"))
        drops.append(Rule(x=swept.lr, label="taken", colour="good"))
    axis = "learning rate (red: diverged)"
    right = Panel(drops, axis, f"drop of the loss, {ERRORS:g} standard errors", x_scale="log", legend="")
    return Figure(result.summary, [left, right])


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
    metric=lambda _context: "train_loss",
    space=space,
    figure=figure,
)
