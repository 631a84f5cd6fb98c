"""Step 4: rates around the sweep's by weight decay, and whatever else the recipe searches, judged on validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tunekit.configuration import Values, as_set
from tunekit.steps import baselines
from tunekit.steps.coarse_grid.counting import check_measure
from tunekit.steps.coarse_grid.figure import figure
from tunekit.steps.coarse_grid.findings import (
    CODES,
    NAME,
    WITHIN_NOISE,
    against_baselines,
    beside_the_sweep,
    by_loss,
    findings_on_cells,
    is_pruned,
    left_out,
    undecided,
    within_noise,
)
from tunekit.steps.coarse_grid.late import DECAY, with_arms
from tunekit.steps.coarse_grid.outlook import outlook
from tunekit.steps.coarse_grid.plan import (
    CoarseGrid,
    ended_at_edge,
    idle_decays,
    is_cell,
    objective,
    part,
    plan,
    scored_cells,
    space,
)
from tunekit.steps.coarse_grid.rehearsal import rehearsal_of
from tunekit.steps.context import Context, described
from tunekit.steps.estimate import Shortlist, shortlist
from tunekit.steps.lr_sweep import STEP as lr_sweep
from tunekit.steps.noise import diverged, finite, last_validation, share_loss
from tunekit.steps.step import Judgement, Step
from tunekit.steps.winner import Winner
from tunekit.telling import counted
from tunekit.vocabulary import Record, Training, UserError

__all__ = ["STEP", "WITHIN_NOISE", "BestCells", "CoarseGrid", "objective", "plan", "space"]

ONE_RATE = 2  # of the cells handed on, at most so many of one rate: those that differ in weight decay tell little apart


@dataclass(frozen=True)
class BestCells(Winner):
    """The best cell, and the values of the best few, itself the first. `edge`: the side at which the best rate is the
    last one after the grid had grown there; `considered`: among what it was chosen."""

    top: tuple[Values, ...]
    edge: str = ""
    considered: Shortlist | None = None


def judge(context: Context[CoarseGrid], records: Sequence[Record]) -> Judgement:
    trainings = [record for record in records if isinstance(record.request, Training)]
    cells = _longest([record for record in records if is_cell(record)])
    failed = [record for record in trainings if record.error]
    if failed and len(failed) == len(trainings):
        raise UserError(failed[0].error or "")
    scored, beside = scored_cells(context, records), baselines.read(records)
    table, formats = _table(context, cells, scored), context.formats
    one_loss = share_loss(context.facts, context.config(), *(cell.request.config for cell in cells))
    table[1:1] = baselines.rows(context, beside, losses=one_loss)
    findings = [*left_out(context, records, bool(scored)), *findings_on_cells(context, cells, scored)]
    if not scored:
        summary = f"None of {counted(len(cells), 'cell')} gave a value: none is finite, or all failed."
        return Judgement(summary, findings, table=table, formats=formats)
    best = scored[0]
    value = objective(context, best)
    assert value is not None
    top, undecided_axes = _handed_on(context, scored)
    chosen = _chosen(context, scored)
    findings += against_baselines(context, beside, chosen, cells)
    findings += beside_the_sweep(context, best, records)
    findings += undecided(context, undecided_axes, idle_decays(context, cells))
    equal = within_noise(context, scored)
    more = f"; {len(equal)} more {by_loss(context, scored)}within noise." if equal else "."
    reached = f"{context.metric} {context.metric_text(value)}"
    handoff = BestCells(
        values=best.params,
        metric=context.metric,
        value=value,
        val_loss=last_validation(best, "val_loss"),
        iterations=best.iterations,
        training=best.request.config.folder,
        top=tuple(dict(record.params) for record in top),
        edge=ended_at_edge(cells, best),
        considered=None if chosen.metric is None else shortlist(chosen.metric, chosen.loss, context.facts.maximize),
    )
    axes = _axes(context, scored)
    withheld = context.importance.withheld
    unsaid = {"importance_note": f"not said: {withheld}"} if withheld else {}
    details = {"axes": axes, "importance": dict(context.importance.shares), **unsaid}
    summary = f"Best of {counted(len(cells), 'cell')}: {described(best.params)}, {reached}{more}"
    return Judgement(summary, findings, handoff, table, formats, details)


def _chosen(context: Context[CoarseGrid], scored: Sequence[Record]) -> baselines.Chosen:
    """The last validations of all cells over halves, and the best cell's."""
    import numpy as np

    tables = {}
    for column in (context.metric, "val_loss"):
        kept = baselines.kept_halves(context, scored, column)
        tables[column] = None if kept is None else np.array([one[-1] for one in kept])
    best = scored[0]
    value, loss = (last_validation(best, column) for column in (context.metric, "val_loss"))
    return baselines.Chosen(tables[context.metric], tables["val_loss"], value if value is not None else 0.0, loss)


def _handed_on(context: Context[CoarseGrid], scored: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The best cells, among them the best regularised one of each axis that acts late; and those axes for which there
    is no place."""
    skip = [DECAY] if idle_decays(context, scored) else []
    return with_arms(_spread_out(scored)[: context.wanted], scored, context.wanted, skip)


def order(context: Context[CoarseGrid], records: Sequence[Record]) -> list[Record]:
    """Cells by how much their weights are wanted: those handed on, then the others by their value."""
    scored = scored_cells(context, records)
    first, _ = _handed_on(context, scored)
    return [*first, *(record for record in scored if record not in first)]


def importance_data(context: Context[CoarseGrid], records: Sequence[Record]) -> list[tuple[Values, float]]:
    """Cells with what they reached in as many epochs as all of them had: halving stops the worse ones early. One that
    diverged counts as the worst: else the rate that makes cells diverge would seem to matter little."""
    cells = _longest([record for record in records if is_cell(record) and not record.error])
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


def _spread_out(scored: Sequence[Record]) -> list[Record]:
    """The best cells, at most two of one learning rate."""
    spread: list[Record] = []
    for record in scored:
        if sum(other.params["lr"] == record.params["lr"] for other in spread) < ONE_RATE:
            spread.append(record)
    return spread


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
        axes[axis] = {as_set(axis, v): value for v, value in ordered}
    return {axis: values for axis, values in axes.items() if len(values) > 1}


def _sortable(setting: Any) -> tuple[str, float, str]:
    number = isinstance(setting, int | float) and not isinstance(setting, bool)
    return type(setting).__name__ if not number else "", float(setting) if number else 0.0, json.dumps(setting)


def _table(context: Context[CoarseGrid], cells: Sequence[Record], scored: Sequence[Record]) -> list[Values]:
    equal = within_noise(context, scored) if scored else []
    rows: list[Values] = []
    for record in [*scored, *[cell for cell in cells if cell not in scored]]:
        if record.error:
            word = "failed"
        elif is_pruned(record):
            epochs = record.iterations // context.iterations_per_epoch(record.params)
            word = f"pruned after epoch {epochs}: not in the better half"
        elif objective(context, record) is None:
            word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
        elif record is scored[0]:
            word = "best"
        else:
            word = f"{by_loss(context, scored)}within noise" if record in equal else ""
        row = dict(record.params)
        for column in (context.metric, "val_loss"):
            value = None if record.error else last_validation(record, column)
            row[column] = value if finite(value) else None
        rows.append({**row, "verdict": word})
    return rows


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
    check=check_measure,
    rehearsal=rehearsal_of,
    outlook=outlook,
)
