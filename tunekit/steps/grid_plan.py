"""Step 4, what to run: sweeps for values that move the rate, cells, halving, drawn trials, growth at an edge."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from tunekit.steps import lr_sweep
from tunekit.steps.context import Context
from tunekit.steps.noise import Difference, diverged, finite, last_validation, paired, sample_losses
from tunekit.vocabulary import Record, Request, Suggestion, Training, Values, decimal

LEAST_ITERATIONS = 200  # a cell's budget, within 1 to 5 epochs, where the recipe does not say
MOST_EPOCHS = 5
WAVE = 4  # drawn trials asked for at a time, whatever the number of workers, so that draws do not depend on it
MOVES_RATE = ("batch_size", "optimizer.", "model.", "loss", "clip_grad_norm")
"""Search axes that move the best rate: each of their values gets its own sweep. (Dropout and augmentation do not.)"""
KEEPS_RATE = ("model.args.dropout",)
GROWTH = {"lr": 2.0, "weight_decay": 10.0}


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    """Sweeps for values that move the rate, then the cells, then further rows while the best stands at an edge."""
    settings = context.recipe.steps.coarse_grid
    if settings.sampler != "grid":
        return list(_drawn(context, records))
    requests: list[Request] = []
    rates: dict[str, float] = {}
    for fixed in _combinations(context):
        rate, more = _rate_for(context, fixed, records)
        requests += more
        if rate is not None:
            rates[_name(fixed)] = rate
    if requests:
        return requests
    wanted = [
        _cell(context, {**fixed, **kept, "lr": decimal(rates[_name(fixed)] * factor), "weight_decay": decay})
        for fixed in _combinations(context)
        if _name(fixed) in rates
        for kept in _kept(context)
        for factor in settings.lr_factors
        for decay in settings.weight_decays
    ]
    return list(_fresh(context, wanted, records) or _growth(context, records, len(_unique(wanted))))


def _fresh(context: Context, wanted: Sequence[Training], records: Sequence[Record]) -> list[Training]:
    """Cells that have not run yet; with halving, the better half of them a rung further.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016) by whole rungs: every cell goes one epoch, the better
    half of them two, and so on. What is pruned does not depend on which worker was faster.
    """
    cells = _unique(wanted)
    known = {record.request.goal for record in records}
    if context.recipe.steps.coarse_grid.pruner == "none" or not cells:
        return [cell for cell in cells if cell.goal not in known]
    alive: list[Values] = [cell.params for cell in cells]
    least = max(2, context.recipe.steps.fine_run.top)
    for epochs in rungs(context, cells[0].params):
        rung = [_cell(context, params, epochs) for params in alive]
        fresh = [cell for cell in rung if cell.goal not in known]
        if fresh:
            return fresh
        asked = {cell.goal for cell in rung}
        ranked = _ranked(context, [record for record in records if record.request.goal in asked])
        alive = [record.params for record in ranked[: max(least, math.ceil(len(rung) / 2))]]
    return []


def rungs(context: Context, params: Values) -> list[int]:
    """Epochs at which halving looks: 1, 2, 4, ... and the whole budget."""
    whole = budget(context, params) // context.iterations_per_epoch(params)
    return [2**k for k in range(whole.bit_length()) if 2**k < whole] + [whole]


def _unique(cells: Sequence[Training]) -> list[Training]:
    return list({cell.goal: cell for cell in cells}.values())


def _name(params: Values) -> str:
    return repr(sorted(params.items(), key=lambda item: item[0]))


def _moves(path: str) -> bool:
    return path.startswith(MOVES_RATE) and path not in KEEPS_RATE


def _combinations(context: Context) -> list[dict[str, Any]]:
    """Every combination of searched values that need a sweep of their own; one empty one where there are none."""
    axes = {path: values for path, values in context.recipe.search.items() if _moves(path)}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _kept(context: Context) -> list[dict[str, Any]]:
    axes = {path: values for path, values in context.recipe.search.items() if not _moves(path)}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _rate_for(context: Context, fixed: Values, records: Sequence[Record]) -> tuple[float | None, list[Training]]:
    """The rate around which to build the grid for these values, or the sweep that finds it."""
    if all(context.recipe.get(path) == value for path, value in fixed.items()):
        return float(context.handoff("lr-sweep").get("lr", context.recipe.optimizer.lr)), []
    mine = [r for r in records if is_sweep(r) and all(r.params.get(path) == value for path, value in fixed.items())]
    sound = [record for record in mine if not record.error]
    if mine and not sound:
        return None, []
    more = lr_sweep.plan_sweep(context, sound, fixed)
    if more:
        return None, more
    return lr_sweep.pick(lr_sweep.read_curves(sound)), []


def is_sweep(record: Record) -> bool:
    return "weight_decay" not in record.params


def budget(context: Context, params: Values) -> int:
    """Iterations of a cell: the recipe's epochs, or enough for 200 iterations within 1 to 5 epochs."""
    per_epoch = context.iterations_per_epoch(params)
    epochs = context.recipe.steps.coarse_grid.epochs or min(
        MOST_EPOCHS, max(1, math.ceil(LEAST_ITERATIONS / per_epoch))
    )
    return epochs * per_epoch


def _cell(context: Context, params: Values, epochs: int | None = None) -> Training:
    until = budget(context, params) if epochs is None else epochs * context.iterations_per_epoch(params)
    return Training(context.config(params), until, dict(params), purpose="cell")


def _drawn(context: Context, records: Sequence[Record]) -> list[Suggestion]:
    """The next wave of drawn trials, the rate from the sweep's working range widened by half each way."""
    settings = context.recipe.steps.coarse_grid
    done = len(records)
    if done >= settings.trials:
        return []
    swept = context.handoff("lr-sweep")
    rate = float(swept.get("lr", context.recipe.optimizer.lr))
    low, high = swept.get("range") or (rate, rate)
    space: dict[str, Any] = {
        "lr": {"low": min(low, rate) / 2, "high": max(high, rate) * 2, "log": True},
        "weight_decay": list(settings.weight_decays),
        **context.recipe.search,
    }
    return [
        Suggestion(number, space, settings.sampler, lambda params: _cell(context, params), purpose="cell")
        for number in range(done, min(done + WAVE, settings.trials))
    ]


def _growth(context: Context, records: Sequence[Record], planned: int) -> list[Training]:
    """A further row where the best cell stands at the edge of its rates or decays and is clearly better than inside."""
    cells = scored_cells(context, records)
    rounds = len({(r.params["lr"], r.params["weight_decay"]) for r in records if not is_sweep(r)}) - planned
    if not cells or context.recipe.steps.coarse_grid.extend == 0:
        return []
    best = cells[0]
    others = {path: value for path, value in best.params.items() if path not in GROWTH}
    mine = [r for r in records if not is_sweep(r) and all(r.params.get(p) == v for p, v in others.items())]
    grown = max(0, rounds)
    for axis, factor in GROWTH.items():
        values = sorted({record.params[axis] for record in mine})
        other = "weight_decay" if axis == "lr" else "lr"
        across = sorted({record.params[other] for record in mine})
        if len(values) < 2 or grown >= context.recipe.steps.coarse_grid.extend * len(across):
            continue
        beyond = _beyond(best.params[axis], values, factor, axis)
        if beyond is None or not clearly_better(context, best, mine, axis, values):
            continue
        return [_cell(context, {**others, axis: beyond, other: value}) for value in across]
    return []


def _beyond(value: float, values: Sequence[float], factor: float, axis: str) -> float | None:
    """The next value past the edge at which `value` stands, or None. Zero is the end of weight decay."""
    if value == values[-1]:
        return decimal(value * factor)
    if value == values[0] and value > 0 and axis == "lr":
        return decimal(value / factor)
    return None


def clearly_better(context: Context, best: Record, mine: Sequence[Record], axis: str, values: Sequence[float]) -> bool:
    """Whether the best beats its neighbour inside the grid by more than noise; a diverged neighbour is beaten."""
    place = values.index(best.params[axis])
    inside = values[place - 1] if place else values[1]
    same = {path: value for path, value in best.params.items() if path != axis}
    neighbour = next(
        (r for r in mine if r.params[axis] == inside and all(r.params.get(p) == v for p, v in same.items())), None
    )
    if neighbour is None or neighbour.error or diverged(neighbour):
        return True
    difference = compare(best, neighbour)
    return difference.clear and difference.mean < 0


def compare(first: Record, second: Record) -> Difference:
    """Paired differences of the losses of the same validation samples, at the last validation that both have."""
    last = min(len(first.val_losses), len(second.val_losses)) - 1
    return paired(sample_losses(first, last), sample_losses(second, last))


def scored_cells(context: Context, records: Sequence[Record]) -> list[Record]:
    """Cells that went to the end of their budget, the best first."""
    return _ranked(context, [r for r in records if not is_sweep(r) and objective(context, r) is not None])


def _ranked(context: Context, records: Sequence[Record]) -> list[Record]:
    """Records with a value, the best first: by the metric, equal ones by the validation loss."""
    sign = -1.0 if context.facts.maximize else 1.0
    valued = [(record, value) for record in records if (value := _value(context, record)) is not None]
    valued.sort(key=lambda item: (sign * item[1], last_validation(item[0], "val_loss") or 0.0))
    return [record for record, _ in valued]


def is_short(context: Context, record: Record) -> bool:
    """Whether a cell ran for a rung of halving only."""
    return isinstance(record.request, Training) and record.request.until < budget(context, record.params)


def _value(context: Context, record: Record) -> float | None:
    if is_sweep(record) or record.error or diverged(record):
        return None
    value = last_validation(record, context.metric)
    return value if finite(value) else None


def objective(context: Context, record: Record) -> float | None:
    """The validation metric at the end of the cell's budget; None for cells that diverged or were pruned before, and
    for sweeps."""
    return None if is_sweep(record) or is_short(context, record) else _value(context, record)
