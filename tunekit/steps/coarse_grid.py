"""Step 4: rates around the sweep's by weight decay, and whatever else the recipe searches, judged on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunekit.findings import finding
from tunekit.steps.context import Context, metric_text
from tunekit.steps.grid_plan import (
    GROWTH,
    clearly_better,
    compare,
    is_short,
    is_sweep,
    scored_cells,
)
from tunekit.steps.grid_plan import objective as objective  # a step is its module: these two are parts of this one
from tunekit.steps.grid_plan import plan as plan
from tunekit.steps.noise import Difference, diverged, finite, last_validation
from tunekit.vocabulary import (
    Finding,
    Record,
    Severity,
    StepResult,
    UserError,
    Values,
    short,
)

NAME = "coarse-grid"
NEEDS: tuple[str, ...] = ("lr-sweep",)


def maximize(context: Context) -> bool:
    return context.facts.maximize


def choices(context: Context) -> Values:
    return context.choices


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    cells = _longest([record for record in records if not is_sweep(record)])
    failed = [record for record in records if record.error]
    if failed and len(failed) == len(records):
        raise UserError(failed[0].error or "")
    scored = scored_cells(context, records)
    gone = [record for record in cells if not record.error and not _pruned(context, record) and record not in scored]
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


def _longest(cells: Sequence[Record]) -> list[Record]:
    """Each cell once: the furthest that halving let it go."""
    found: dict[str, Record] = {}
    for record in cells:
        key = record.request.config.key
        if key not in found or found[key].iterations <= record.iterations:
            found[key] = record
    return list(found.values())


def _pruned(context: Context, record: Record) -> bool:
    return is_short(context, record) and not record.error and not diverged(record)


def folder_name(record: Record) -> str:
    return record.request.config.folder


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
    """For each axis the best value that each of its settings reached, in the order of the settings."""
    found: dict[str, dict[str, float | None]] = {}
    for axis in scored[0].params:
        best: dict[Any, tuple[Any, float | None]] = {}
        for record in scored:  # the best first
            setting = record.params[axis]
            best.setdefault(str(setting), (setting, objective(context, record)))
        ordered = sorted(best.values(), key=lambda item: (str(type(item[0])), item[0]))
        found[axis] = {short(v) if isinstance(v, float) else str(v): value for v, value in ordered}
    return {axis: values for axis, values in found.items() if len(values) > 1}


def _table(context: Context, cells: Sequence[Record], scored: Sequence[Record]) -> list[Values]:
    equal = {record.request.goal for record in _within_noise(scored)} if scored else set()
    rows: list[Values] = []
    for record in [*scored, *[cell for cell in cells if cell not in scored]]:
        if record.error:
            word = "failed"
        elif _pruned(context, record):
            epochs = record.iterations // context.iterations_per_epoch(record.params)
            word = f"pruned after epoch {epochs}: not in the better half"
        elif objective(context, record) is None:
            word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
        elif record is scored[0]:
            word = "best"
        else:
            word = "within noise" if record.request.goal in equal else ""
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
    for axis in GROWTH if context.recipe.steps.coarse_grid.sampler == "grid" else ():
        values = sorted({record.params[axis] for record in cells})
        edge = (
            len(values) > 1
            and best.params[axis] in (values[0], values[-1])
            and not (axis == "weight_decay" and best.params[axis] == 0)
        )
        mine = [r for r in cells if all(r.params.get(p) == v for p, v in best.params.items() if p not in GROWTH)]
        if edge and clearly_better(context, best, mine, axis, values) and _neighbour_is_sound(best, mine, axis, values):
            side = "highest" if best.params[axis] == values[-1] else "lowest"
            message = f"the best {axis}, {short(best.params[axis])}, is the {side} tried"
            found.append(finding("best_at_edge", message, {axis: best.params[axis], "side": side}))
    return found


def _neighbour_is_sound(best: Record, mine: Sequence[Record], axis: str, values: Sequence[float]) -> bool:
    """Whether what lies beyond the edge is unknown: a cell at the edge next to diverged ones is no edge."""
    place = values.index(best.params[axis])
    inside = values[place - 1] if place else values[1]
    return any(record.params[axis] == inside and not record.error and not diverged(record) for record in mine)
