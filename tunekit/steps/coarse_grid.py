"""Step 4: rates around the sweep's by weight decay, and whatever else the recipe searches, judged on validation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from tunekit.findings import finding
from tunekit.steps import lr_sweep
from tunekit.steps.context import Context, metric_text
from tunekit.steps.noise import Difference, diverged, finite, last_validation, paired, sample_losses
from tunekit.vocabulary import (
    Finding,
    Record,
    Request,
    Severity,
    StepResult,
    Suggestion,
    Training,
    UserError,
    Values,
    decimal,
    short,
)

NAME = "coarse-grid"
NEEDS: tuple[str, ...] = ("lr-sweep",)

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
    known = {record.request.identity for record in records}
    fresh = [cell for cell in _unique(wanted) if cell.identity not in known]
    return list(fresh or _growth(context, records, len(_unique(wanted))))


def _unique(cells: Sequence[Training]) -> list[Training]:
    return list({cell.identity: cell for cell in cells}.values())


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
    mine = [r for r in records if _is_sweep(r) and all(r.params.get(path) == value for path, value in fixed.items())]
    sound = [record for record in mine if not record.error]
    if mine and not sound:
        return None, []
    more = lr_sweep.plan_sweep(context, sound, fixed)
    if more:
        return None, more
    return lr_sweep.pick(lr_sweep.read_curves(sound)), []


def _is_sweep(record: Record) -> bool:
    return "weight_decay" not in record.params


def budget(context: Context, params: Values) -> int:
    """Iterations of a cell: the recipe's epochs, or enough for 200 iterations within 1 to 5 epochs."""
    per_epoch = context.iterations_per_epoch(params)
    epochs = context.recipe.steps.coarse_grid.epochs or min(
        MOST_EPOCHS, max(1, math.ceil(LEAST_ITERATIONS / per_epoch))
    )
    return epochs * per_epoch


def _cell(context: Context, params: Values) -> Training:
    return Training(context.config(params), budget(context, params), dict(params))


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
        Suggestion(number, space, settings.sampler, lambda params: _cell(context, params))
        for number in range(done, min(done + WAVE, settings.trials))
    ]


def _growth(context: Context, records: Sequence[Record], planned: int) -> list[Training]:
    """A further row where the best cell stands at the edge of its rates or decays and is clearly better than inside."""
    cells = _scored(context, records)
    rounds = len({(r.params["lr"], r.params["weight_decay"]) for r in records if not _is_sweep(r)}) - planned
    if not cells or context.recipe.steps.coarse_grid.extend == 0:
        return []
    best = cells[0]
    others = {path: value for path, value in best.params.items() if path not in GROWTH}
    mine = [r for r in records if not _is_sweep(r) and all(r.params.get(p) == v for p, v in others.items())]
    grown = max(0, rounds)
    for axis, factor in GROWTH.items():
        values = sorted({record.params[axis] for record in mine})
        other = "weight_decay" if axis == "lr" else "lr"
        across = sorted({record.params[other] for record in mine})
        if len(values) < 2 or grown >= context.recipe.steps.coarse_grid.extend * len(across):
            continue
        beyond = _beyond(best.params[axis], values, factor, axis)
        if beyond is None or not _clearly_better(context, best, mine, axis, values):
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


def _clearly_better(context: Context, best: Record, mine: Sequence[Record], axis: str, values: Sequence[float]) -> bool:
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
    """Paired differences of the losses of the same validation samples at both records' last validations."""
    return paired(sample_losses(first), sample_losses(second))


def _scored(context: Context, records: Sequence[Record]) -> list[Record]:
    """Cells with a value, the best first: by the metric, equal ones by the validation loss."""
    cells = [r for r in records if not _is_sweep(r) and objective(context, r) is not None]
    sign = -1.0 if context.facts.maximize else 1.0
    return sorted(cells, key=lambda r: (sign * (objective(context, r) or 0.0), last_validation(r, "val_loss") or 0.0))


def objective(context: Context, record: Record) -> float | None:
    """The validation metric at the end of the cell's budget; None for diverged cells and for sweeps."""
    if _is_sweep(record) or record.error or diverged(record):
        return None
    value = last_validation(record, context.metric)
    return value if finite(value) else None


def maximize(context: Context) -> bool:
    return context.facts.maximize


def choices(context: Context) -> Values:
    return context.choices


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    cells = [record for record in records if not _is_sweep(record)]
    failed = [record for record in records if record.error]
    if failed and len(failed) == len(records):
        raise UserError(failed[0].error or "")
    scored = _scored(context, records)
    gone = [record for record in cells if not record.error and objective(context, record) is None]
    findings = _findings(context, cells, scored, gone, failed)
    if not scored:
        return context.result(
            NAME,
            f"None of {len(cells)} cells gave a value: all diverged or failed.",
            findings,
            {},
            _table(context, cells, scored),
        )
    best = scored[0]
    value = objective(context, best)
    equal = _within_noise(scored)
    summary = (
        f"Best of {len(cells)} cells: {_text(best.params)}, {context.metric} {metric_text(context.metric, value)}"
        + (f"; {len(equal)} more within noise." if equal else ".")
    )
    handoff = {
        **best.params,
        context.metric: value,
        "val_loss": last_validation(best, "val_loss"),
        "iterations": best.iterations,
        "training": folder_name(best),
        "top": [dict(record.params) for record in _spread_out(scored, context.recipe.steps.fine_run.top)],
    }
    details: dict[str, Any] = {"axes": _axes(context, scored), "importance": dict(context.importance)}
    if not context.importance:
        details["importance_note"] = f"not said of {len(scored)} cells on {len(details['axes'])} axes"
    return context.result(NAME, summary, findings, handoff, _table(context, cells, scored), details)


def folder_name(record: Record) -> str:
    config = record.request.config
    return f"{config.label}-{config.key}"


def _text(params: Values) -> str:
    return ", ".join(f"{name} {short(value) if isinstance(value, float) else value}" for name, value in params.items())


def _spread_out(scored: Sequence[Record], count: int) -> list[Record]:
    """The best few, at most two of one learning rate: cells that differ only in weight decay tell little apart."""
    taken: list[Record] = []
    for record in scored:
        if sum(other.params["lr"] == record.params["lr"] for other in taken) < 2:
            taken.append(record)
    return taken[:count]


def _within_noise(scored: Sequence[Record]) -> list[Record]:
    """Cells that are not clearly worse than the best on the same validation samples."""
    return [record for record in scored[1:] if _is_tie(compare(scored[0], record))]


def _is_tie(difference: Difference) -> bool:
    return difference.pairs > 1 and not (difference.clear and difference.mean < 0)


def _axes(context: Context, scored: Sequence[Record]) -> dict[str, dict[str, float | None]]:
    """For each axis the best value that each of its settings reached."""
    found: dict[str, dict[str, float | None]] = {}
    for axis in scored[0].params:
        for record in scored:  # the best first
            value = record.params[axis]
            found.setdefault(axis, {}).setdefault(
                short(value) if isinstance(value, float) else str(value), objective(context, record)
            )
    return {axis: values for axis, values in found.items() if len(values) > 1}


def _table(context: Context, cells: Sequence[Record], scored: Sequence[Record]) -> list[Values]:
    equal = {record.request.identity for record in _within_noise(scored)} if scored else set()
    rows: list[Values] = []
    for record in [*scored, *[cell for cell in cells if cell not in scored]]:
        if record.error:
            word = "failed"
        elif objective(context, record) is None:
            word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
        elif record is scored[0]:
            word = "best"
        else:
            word = "within noise" if record.request.identity in equal else ""
        value = None if record.error else last_validation(record, context.metric)
        row = {**record.params, context.metric: value if finite(value) else None}
        if context.metric != "val_loss":
            loss = None if record.error else last_validation(record, "val_loss")
            row["val_loss"] = loss if finite(loss) else None
        rows.append({**row, "verdict": word})
    return rows


def _findings(
    context: Context,
    cells: Sequence[Record],
    scored: Sequence[Record],
    gone: Sequence[Record],
    failed: Sequence[Record],
) -> list[Finding]:
    found = []
    if gone:
        lowest = min(record.params["lr"] for record in gone)
        message = f"{len(gone)} of {len(cells)} cells diverged, from rate {short(lowest)} on"
        severity: Severity | None = None if scored else "fail"
        evidence: dict[str, Any] = {"cells": [dict(record.params) for record in gone[:10]]}
        found.append(finding("cells_diverged", message, evidence, severity=severity))
    if failed:
        message = f"{len(failed)} of {len(cells)} cells failed: {failed[0].error}"
        evidence = {"cells": [dict(r.params) for r in failed[:10]], "errors": [r.error for r in failed[:10]]}
        found.append(finding("cells_failed", message, evidence))
    if not scored:
        return found
    best = scored[0]
    equal = _within_noise(scored)
    if equal:
        difference = compare(best, equal[0])
        gap = f"{-difference.mean:.2g} +- {difference.error:.2g} of loss"
        message = f"{len(equal)} cells are within noise of the best; the nearest by {gap}"
        evidence = {
            "cells": [dict(record.params) for record in equal[:10]],
            "difference": difference.mean,
            "error": difference.error,
        }
        found.append(finding("within_noise", message, evidence))
    for axis in GROWTH:
        values = sorted({record.params[axis] for record in cells})
        edge = (
            len(values) > 1
            and best.params[axis] in (values[0], values[-1])
            and not (axis == "weight_decay" and best.params[axis] == 0)
        )
        mine = [r for r in cells if all(r.params.get(p) == v for p, v in best.params.items() if p not in GROWTH)]
        if (
            edge
            and _clearly_better(context, best, mine, axis, values)
            and _neighbour_is_sound(best, mine, axis, values)
        ):
            side = "highest" if best.params[axis] == values[-1] else "lowest"
            message = f"the best {axis}, {short(best.params[axis])}, is the {side} tried"
            found.append(finding("best_at_edge", message, {axis: best.params[axis], "side": side}))
    return found


def _neighbour_is_sound(best: Record, mine: Sequence[Record], axis: str, values: Sequence[float]) -> bool:
    """Whether what lies beyond the edge is unknown: a cell at the edge next to diverged ones is no edge."""
    place = values.index(best.params[axis])
    inside = values[place - 1] if place else values[1]
    return any(record.params[axis] == inside and not record.error and not diverged(record) for record in mine)
