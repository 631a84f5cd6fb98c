"""Step 3: which learning rates lower the loss in some hundred iterations, from one start over the same batches?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from tunekit.findings import finding
from tunekit.steps.context import Context
from tunekit.steps.noise import ERRORS, diverged, tail, tail_mean
from tunekit.vocabulary import Finding, Record, Request, StepResult, Training, UserError, Values, decimal, short

NAME = "lr-sweep"
NEEDS: tuple[str, ...] = ()

LADDER = (1.0, 3.0)  # half-decades: 1, 3, 10, 30, ...
CONFIRM = 2  # times the iterations for rates beyond the recipe's range: a high rate may look best and then blow up
WORKS = 0.8  # share of the best drop that a working rate reaches
NEARLY = 0.9  # share of the best drop for which a rate further from divergence is preferred
LEAST_DROP = 0.02  # of the start's scale: less is no learning, whatever the noise


def ladder(low: float, high: float) -> list[float]:
    """The decimal ladder 1, 3, 10, ... from low to high, both included where they stand on it.

    >>> ladder(1e-3, 1e-1)
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    found = []
    for exponent in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2):
        for step in LADDER:
            rate = decimal(step * 10.0**exponent)
            if low * 0.999 <= rate <= high * 1.001:
                found.append(rate)
    return found or [decimal(low)]


def beyond(rate: float, up: bool) -> float:
    """The next rate of the ladder."""
    return (
        min(r for r in ladder(rate, rate * 20) if r > rate * 1.01)
        if up
        else max(r for r in ladder(rate / 20, rate) if r < rate * 0.99)
    )


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    return list(plan_sweep(context, records, {}))


def plan_sweep(context: Context, records: Sequence[Record], fixed: Values) -> list[Training]:
    """The rates of the ladder, then one further at a time while the best stands at an edge. `fixed`: searched values
    (batch size, optimizer, architecture) that this sweep is for."""
    settings = context.recipe.steps.lr_sweep
    if not records:
        return [_training(context, rate, fixed, 1) for rate in ladder(settings.low, settings.high)]
    if any(record.error for record in records):
        return []
    curves = read_curves(records)
    best = _best(curves)
    low, high = min(curves), max(curves)
    added = len(curves) - len(ladder(settings.low, settings.high))
    if best is None or added >= settings.extend:
        # Where nothing worked and everything diverged, lower rates may work.
        everything = all(curve.diverged for curve in curves.values())
        return [_training(context, beyond(low, up=False), fixed, 1)] if everything and added < settings.extend else []
    if best == high:
        return [_training(context, beyond(high, up=True), fixed, CONFIRM)]
    if best == low:
        return [_training(context, beyond(low, up=False), fixed, 1)]
    return []


def _training(context: Context, rate: float, fixed: Values, times: int) -> Training:
    settings = context.recipe.steps.lr_sweep
    params = {**fixed, "lr": rate, "weight_decay": settings.weight_decay}
    passes = math.ceil(settings.epochs * context.iterations_per_epoch(fixed))
    until = max(settings.iterations, passes) * times
    return Training(context.config(params), until, {**fixed, "lr": rate}, purpose="sweep")


@dataclass(frozen=True)
class RateCurve:
    """One rate's short run: where it ended, and how sure that is."""

    rate: float
    losses: tuple[float, ...]
    start: float
    end: float  # mean of the last tenth
    error: float  # standard error of the drop
    diverged: int | None
    training: str

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
    runs = {record.params["lr"]: record for record in records if isinstance(record.request, Training)}
    lowest = runs[min(runs)].column("train_loss")
    start = fmean(lowest[:10]) if lowest and all(map(math.isfinite, lowest[:10])) else math.nan
    found = {}
    for rate in sorted(runs):
        losses = runs[rate].column("train_loss")
        end = tail_mean(losses)
        base = np.asarray(lowest[: len(losses)], dtype=np.float64)
        count = len(tail(losses))
        # Noise of batches that both saw is taken out; what is left is what this rate's own path adds.
        window = (
            np.asarray(losses[-count:]) - base[-count:] if len(base) == len(losses) else np.asarray(losses[-count:])
        )
        own = float(np.std(window, ddof=1)) if count > 1 else math.inf
        noise = float(np.std(np.asarray(lowest[:count]), ddof=1)) if len(lowest) >= count > 1 else 0.0
        error = math.sqrt((own**2 + noise**2) / max(1, count))
        identity = runs[rate].request.config.folder
        found[rate] = RateCurve(rate, tuple(losses), start, end, error, diverged(runs[rate]), identity)
    return found


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


def working_range(curves: Mapping[float, RateCurve]) -> list[float]:
    """Lowest and highest rate around the best with at least 80 % of its drop; [] where none works."""
    best = _best(curves)
    if best is None:
        return []
    rates = sorted(curves)
    least = WORKS * curves[best].drop
    low = high = rates.index(best)
    while low > 0 and curves[rates[low - 1]].works and curves[rates[low - 1]].drop >= least:
        low -= 1
    while high + 1 < len(rates) and curves[rates[high + 1]].works and curves[rates[high + 1]].drop >= least:
        high += 1
    return [rates[low], rates[high]]


def objective(context: Context, record: Record) -> float | None:
    """The mean training loss of the last tenth."""
    return None if diverged(record) else tail_mean(record.column("train_loss"))


def maximize(context: Context) -> bool:
    return False


def choices(context: Context) -> Values:
    return {}


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    failed = [record for record in records if record.error]
    if failed:
        raise UserError(failed[0].error or "")
    curves = read_curves(records)
    rate, works = pick(curves), working_range(curves)
    table = [
        {
            "lr": curve.rate,
            "start": curve.start,
            "end": curve.end,
            "drop": None if curve.diverged else curve.drop,
            "noise": curve.error,
            "verdict": _word(curve, rate, works),
        }
        for curve in curves.values()
    ]
    if rate is None:
        findings = [_none_works(context, curves)]
        return context.result(NAME, f"No learning rate works: {findings[0].message}.", findings, {}, table)
    chosen = curves[rate]
    summary = (
        f"Rate {short(rate)}: loss {chosen.start:.3g} to {chosen.end:.3g} in {len(chosen.losses)} iterations; "
        f"{short(works[0])} to {short(works[1])} works."
    )
    return context.result(NAME, summary, _findings(curves, works), {"lr": rate, "range": works}, table)


def _word(curve: RateCurve, rate: float | None, works: Sequence[float]) -> str:
    if curve.diverged:
        return f"diverged at {curve.diverged}"
    if curve.rate == rate:
        return "taken"
    if works and works[0] <= curve.rate <= works[1]:
        return "works"
    return "slow" if curve.works else "no drop"


def _findings(curves: Mapping[float, RateCurve], works: Sequence[float]) -> list[Finding]:
    found = []
    best = _best(curves)
    rates = sorted(curves)
    if best in (rates[0], rates[-1]) and len(rates) > 1:
        side = "highest" if best == rates[-1] else "lowest"
        up = side == "highest"
        further = short(beyond(rates[-1 if up else 0], up))
        advice = (f"widen the range: `--set steps.lr-sweep.{'high' if up else 'low'}={further}`",)
        message = f"the best rate, {short(best)}, is the {side} tried"
        found.append(finding("best_at_edge", message, {"lr": best, "side": side}, advice=advice))
    place = rates.index(works[0])
    neighbours = rates[max(0, place - 1) : place] + rates[place + 1 : place + 2]
    if works[0] == works[1] and any(curves[rate].diverged for rate in neighbours):
        message = f"only {short(works[0])} works, and a neighbouring rate diverges"
        found.append(finding("narrow_range", message, {"lr": works[0]}))
    return found


def _none_works(context: Context, curves: Mapping[float, RateCurve]) -> Finding:
    """Why no rate works, with what step 2 said."""
    tiny = context.earlier.get("overfit-tiny")
    said = "" if tiny is None else " (step 2 passed)" if tiny.get("verdict") != "fail" else " (step 2 failed too)"
    if all(curve.diverged for curve in curves.values()):
        first = min(curve.diverged or 0 for curve in curves.values())
        message = f"all {len(curves)} rates from {short(min(curves))} to {short(max(curves))} diverge{said}"
        return finding("all_diverged", message, {"rates": list(curves), "first_iteration": first})
    best = max(curves.values(), key=lambda curve: curve.drop)
    drop = f"{best.drop:.2g} (noise {best.error:.2g})"
    message = f"the largest drop is {drop}, at {short(best.rate)}, from a start of {best.start:.3g}{said}"
    evidence = {"drop": best.drop, "noise": best.error, "lr": best.rate, "start": best.start}
    advice = None
    if tiny is not None and tiny.get("verdict") != "fail":
        advice = (
            "the model can learn a few samples: look at the labels of the full data and at the batch size",
            "try more iterations: `--set steps.lr-sweep.iterations=400`",
        )
    return finding("no_learning_rate_works", message, evidence, advice=advice)
