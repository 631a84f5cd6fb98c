"""Step 4: rates around the sweep's by weight decay, and whatever else the recipe searches, judged on validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunekit import citations
from tunekit.charts import Cells, Figure, Line, Panel
from tunekit.configuration import Values, short
from tunekit.steps.coarse_grid.plan import (
    GROWTH,
    CoarseGrid,
    cells_beside,
    clearly_better,
    compare,
    inside,
    is_short,
    is_sweep,
    objective,
    part,
    plan,
    scored_cells,
    space,
    without_rate,
)
from tunekit.steps.context import Context, described, same_values
from tunekit.steps.lr_sweep import BEST_AT_EDGE
from tunekit.steps.lr_sweep import STEP as lr_sweep
from tunekit.steps.noise import ERRORS, Difference, diverged, finite, last_validation
from tunekit.steps.step import Judgement, Step
from tunekit.steps.winner import Winner
from tunekit.vocabulary import Code, Finding, Record, Remedy, Severity, StepResult, UserError

NAME = "coarse-grid"
ONE_RATE = 2  # of the cells handed on, at most so many of one rate: those that differ in weight decay tell little apart


@dataclass(frozen=True)
class BestCells(Winner):
    """The best cell, and the values of the best few, itself the first."""

    top: tuple[Values, ...]


CELLS_DIVERGED = Code(
    "cells_diverged",
    "note",
    "Some cells of the grid diverged.",
    "Loss not finite or far above its start; such cells are never scored.",
    "The rate is too high there.",
    ("nothing to do where the best cell lies well away from them",),
    citations.LECTURE,
)
CELLS_FAILED = Code(
    "cells_failed",
    "warn",
    "Some cells of the grid, or the sweep that they hang on, raised an error, twice.",
    "The error that the model, the loss or the data raised.",
    "Out of memory, or a value on a `search:` axis that the model cannot take.",
    ("read the error in result.json and run the step again: failed cells are tried anew",),
    "",
)
WITHIN_NOISE = Code(
    "within_noise",
    "note",
    "Several cells are as good as the best.",
    f"Paired differences of the losses of the same validation samples: within {ERRORS:g} standard errors of zero.",
    "The validation split is too small, or the values matter little here.",
    ("prefer the simpler or the more regularised of them; the fine run looks at the best few",),
    "Dietterich, 'Approximate Statistical Tests', Neural Computation 1998 (paired comparison)",
)
NO_RATE_FOR_VALUE = Code(
    "no_rate_for_value",
    "warn",
    "A searched value has no cells: no learning rate works for it.",
    "Its own sweep, as in `lr-sweep`: no rate lowers the loss by more than its noise.",
    "A value that the model cannot learn with.",
    ("look at its sweep's study, and take the value from `search` or mend it",),
    citations.LECTURE,
)
CODES = (BEST_AT_EDGE, CELLS_DIVERGED, CELLS_FAILED, NO_RATE_FOR_VALUE, WITHIN_NOISE)


def judge(context: Context[CoarseGrid], records: Sequence[Record]) -> Judgement:
    cells = _longest([record for record in records if not is_sweep(record)])
    failed = [record for record in records if record.error]
    if failed and len(failed) == len(records):
        raise UserError(failed[0].error or "")
    scored = scored_cells(context, records)
    table, formats = _table(context, cells, scored), context.formats
    findings = [*_left_out(context, records, bool(scored)), *_findings(context, cells, scored)]
    if not scored:
        summary = f"None of {len(cells)} cells gave a value: all diverged or failed."
        return Judgement(summary, findings, table=table, formats=formats)
    best = scored[0]
    value = objective(context, best)
    assert value is not None
    equal = _within_noise(scored)
    more = f"; {len(equal)} more within noise." if equal else "."
    reached = f"{context.metric} {context.metric_text(value)}"
    handoff = BestCells(
        values=best.params,
        metric=context.metric,
        value=value,
        val_loss=last_validation(best, "val_loss"),
        iterations=best.iterations,
        training=best.request.config.folder,
        top=tuple(dict(record.params) for record in _spread_out(scored)[: context.wanted]),
    )
    axes = _axes(context, scored)
    withheld = context.importance.withheld
    unsaid = {"importance_note": f"not said: {withheld}"} if withheld else {}
    details = {"axes": axes, "importance": dict(context.importance.shares), **unsaid}
    summary = f"Best of {len(cells)} cells: {described(best.params)}, {reached}{more}"
    return Judgement(summary, findings, handoff, table, formats, details)


def order(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Record]:
    """Cells by how much their weights are wanted: those handed on, then the others by their value."""
    scored = scored_cells(context, records)
    first = _spread_out(scored)[: context.wanted]
    return [*first, *(record for record in scored if record not in first)]


def importance_data(context: Context[CoarseGrid], records: Sequence[Record]) -> list[tuple[Values, float]]:
    """Cells with what they reached in as many epochs as all of them had: halving stops the worse ones early. One that
    diverged counts as the worst: else the rate that makes cells diverge would seem to matter little."""
    cells = _longest([record for record in records if not is_sweep(record) and not record.error])
    sound = [record for record in cells if not diverged(record) and record.validations(context.metric)]
    epochs = min((len(record.validations(context.metric)) for record in sound), default=0)
    values = [(record.params, record.validations(context.metric)[epochs - 1][1]) for record in sound]
    values = [(params, value) for params, value in values if finite(value)]
    worst = (min if context.facts.maximize else max)((value for _, value in values), default=0.0)
    return values + [(record.params, worst) for record in cells if values and diverged(record)]


def _longest(cells: Sequence[Record]) -> list[Record]:
    """Each cell once: the furthest that halving let it go."""
    longest: dict[str, Record] = {}
    for record in cells:
        key = record.request.config.key
        if key not in longest or longest[key].iterations <= record.iterations:
            longest[key] = record
    return list(longest.values())


def _pruned(record: Record) -> bool:
    return is_short(record) and not record.error and not diverged(record)


def _spread_out(scored: Sequence[Record]) -> list[Record]:
    """The best cells, at most two of one learning rate."""
    spread: list[Record] = []
    for record in scored:
        if sum(other.params["lr"] == record.params["lr"] for other in spread) < ONE_RATE:
            spread.append(record)
    return spread


def _within_noise(scored: Sequence[Record]) -> list[Record]:
    """Cells that are not clearly worse than the best on the same validation samples."""
    return [record for record in scored[1:] if _is_tie(compare(scored[0], record))]


def _is_tie(difference: Difference) -> bool:
    return difference.pairs > 1 and not (difference.clear and difference.mean < 0)


def _axes(context: Context[CoarseGrid], scored: Sequence[Record]) -> dict[str, dict[str, float | None]]:
    """For each axis the best value that each of its settings reached, in the order of the settings."""
    axes: dict[str, dict[str, float | None]] = {}
    for axis in scored[0].params:
        best: dict[str, tuple[Any, float | None]] = {}
        for record in scored:  # the best first
            setting = record.params[axis]
            best.setdefault(json.dumps(setting), (setting, objective(context, record)))
        # Numbers by their size, anything else by its text.
        ordered = sorted(best.values(), key=lambda item: _sortable(item[0]))
        axes[axis] = {short(v) if isinstance(v, float) else str(v): value for v, value in ordered}
    return {axis: values for axis, values in axes.items() if len(values) > 1}


def _sortable(setting: Any) -> tuple[str, float, str]:
    number = isinstance(setting, int | float) and not isinstance(setting, bool)
    return type(setting).__name__ if not number else "", float(setting) if number else 0.0, json.dumps(setting)


def _table(context: Context[CoarseGrid], cells: Sequence[Record], scored: Sequence[Record]) -> list[Values]:
    equal = _within_noise(scored) if scored else []
    rows: list[Values] = []
    for record in [*scored, *[cell for cell in cells if cell not in scored]]:
        if record.error:
            word = "failed"
        elif _pruned(record):
            epochs = record.iterations // context.iterations_per_epoch(record.params)
            word = f"pruned after epoch {epochs}: not in the better half"
        elif objective(context, record) is None:
            word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
        elif record is scored[0]:
            word = "best"
        else:
            word = "within noise" if record in equal else ""
        row = dict(record.params)
        for column in (context.metric, "val_loss"):
            value = None if record.error else last_validation(record, column)
            row[column] = value if finite(value) else None
        rows.append({**row, "verdict": word})
    return rows


def _left_out(context: Context[CoarseGrid], records: Sequence[Record], others: bool) -> list[Finding]:
    """Searched values that have no cells. `others`: whether some cell has a value."""
    findings = []
    for values in without_rate(context, records):
        sweep = [record for record in records if is_sweep(record) and same_values(record, values)]
        errors = [record.error for record in sweep if record.error]
        severity: Severity | None = None if others else "fail"
        subject, evidence = f"{described(values)} has no cells", {"values": values}
        if errors:
            message = f"{subject}: its sweep failed: {errors[0]}"
            findings.append(CELLS_FAILED.finding(message, evidence, severity=severity))
        else:
            message = f"{subject}: none of {len(sweep)} rates works"
            findings.append(NO_RATE_FOR_VALUE.finding(message, evidence, severity=severity))
    return findings


def _findings(context: Context[CoarseGrid], cells: Sequence[Record], scored: Sequence[Record]) -> list[Finding]:
    findings = []
    failed = [record for record in cells if record.error]
    gone = [record for record in cells if not record.error and not _pruned(record) and record not in scored]
    if gone:
        lowest = min(record.params["lr"] for record in gone)
        message = f"{len(gone)} of {len(cells)} cells diverged, from rate {short(lowest)} on"
        severity: Severity | None = None if scored else "fail"
        evidence: Values = {"cells": [dict(record.params) for record in gone[:10]]}
        findings.append(CELLS_DIVERGED.finding(message, evidence, severity=severity))
    if failed:
        message = f"{len(failed)} of {len(cells)} cells failed: {failed[0].error}"
        evidence = {"cells": [dict(r.params) for r in failed[:10]], "errors": [r.error for r in failed[:10]]}
        findings.append(CELLS_FAILED.finding(message, evidence))
    equal = _within_noise(scored) if scored else []
    if equal:
        difference = compare(scored[0], equal[0])
        gap = f"{-difference.mean:.2g} +- {difference.error:.2g} of loss"
        cells_are = "cell is" if len(equal) == 1 else "cells are"
        message = f"{len(equal)} {cells_are} within noise of the best; the nearest by {gap}"
        evidence = {
            "cells": [dict(record.params) for record in equal[:10]],
            "difference": difference.mean,
            "error": difference.error,
        }
        findings.append(WITHIN_NOISE.finding(message, evidence))
    if scored and context.settings.sampler == "grid":
        findings += _edges(cells, scored[0])
    return findings


def _edges(cells: Sequence[Record], best: Record) -> list[Finding]:
    """The best at the edge of its rates or decays, clearly better than inside, with something sound beside it."""
    findings = []
    plane = cells_beside(best, cells)
    for axis in GROWTH:
        value, values = best.params[axis], sorted({record.params[axis] for record in plane})
        edge = len(values) > 1 and value in (values[0], values[-1]) and not (axis == "weight_decay" and value == 0)
        if not edge or not clearly_better(best, plane, axis, values):
            continue
        # Whether what lies beyond is unknown: a cell at the edge next to diverged ones is no edge.
        neighbour = inside(value, values)
        if any(record.params[axis] == neighbour and not record.error and not diverged(record) for record in plane):
            side = "highest" if value == values[-1] else "lowest"
            message = f"the best {axis}, {short(value)}, is the {side} tried"
            advice = ("let the grid grow further, or widen it",)
            more = Remedy(NAME, {f"steps.{NAME}.extend": 6})
            evidence = {axis: value, "side": side}
            findings.append(BEST_AT_EDGE.finding(message, evidence, advice=advice, remedies=(more,)))
    return findings


def figure(context: Context[CoarseGrid], result: StepResult, _records: Sequence[Record]) -> Figure:
    """Rate by weight decay at the best of every other axis, and what each axis does at its best."""
    panels = [_map(context, result.table)]
    for axis, values in result.details.get("axes", {}).items():
        line = Line(range(len(values)), list(values.values()), points=True)
        panels.append(Panel([line], axis, f"best {context.metric}", ticks=list(values)))
    return Figure(result.summary, panels)


def _map(context: Context[CoarseGrid], table: Sequence[Values]) -> Panel:
    rates, decays = (sorted({row[axis] for row in table}) for axis in ("lr", "weight_decay"))
    values: list[list[float | None]] = [[None for _ in rates] for _ in decays]
    words = [["" for _ in rates] for _ in decays]
    for row in reversed(table):  # the best stands first in the table: it is written last
        i, j = decays.index(row["weight_decay"]), rates.index(row["lr"])
        value = row.get(context.metric)
        if value is not None:
            values[i][j] = value
            words[i][j] = f"{100 * value:.1f}" if context.facts.share else f"{value:.3g}"
        elif not words[i][j]:
            words[i][j] = "x"
    cells = Cells([short(rate) for rate in rates], [short(decay) for decay in decays], values, words)
    return Panel([cells], "learning rate (x: diverged)", "weight decay", context.metric)


STEP = Step(
    NAME,
    "Try rates by weight decay, and the recipe's own search axes.",
    CoarseGrid,
    BestCells,
    "the best cells",
    plan,
    judge,
    lambda: CODES,
    needs=(lr_sweep,),
    objective=objective,
    maximize=lambda context: context.facts.maximize,
    order=order,
    figure=figure,
    metric=lambda context: context.metric,
    space=space,
    part=part,
    importance_data=importance_data,
)
