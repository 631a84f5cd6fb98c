"""The fine runs as a figure: their validation curves, and the chosen one's spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from tunekit.charts import Figure, Line, Panel
from tunekit.configuration import Values, as_set
from tunekit.steps.context import Context
from tunekit.steps.fine_run.plan import FineRun, over_seeds, own_runs
from tunekit.telling import counted
from tunekit.vocabulary import Record, StepResult


def figure(context: Context[FineRun], result: StepResult, records: Sequence[Record]) -> Figure:
    """Validation loss and metric of every run, the chosen one strong, with what its seeds reached shaded."""
    runs = own_runs(records)
    chosen = next((run for run in runs if run.request.config.folder == result.handoff.get("training")), None)
    seeds = [] if chosen is None else over_seeds(chosen, runs)
    axes = _differing(runs)
    epoch = result.handoff.get("epoch")
    panels: list[Panel] = []
    for column in dict.fromkeys(("val_loss", context.metric)):
        lines = [Line(*_points(run, column), _named(run.params, axes)) for run in runs if run not in seeds]
        if len(seeds) > 1:
            lines.append(_spread(seeds, column))
        if chosen is not None:
            at = None if epoch is None else epoch * context.iterations_per_epoch(chosen.params)
            lines.append(_chosen(chosen, column, f"{_named(chosen.params, axes)}: chosen", at))
        title = ", ".join(axis.removesuffix(".target").rpartition(".")[2] for axis in axes)
        shared = context.facts.share and column == context.metric
        panels.append(Panel(lines, "iterations", column, share=shared, legend=None if panels else title))
    return Figure(result.summary, panels)


def _differing(runs: Sequence[Record]) -> list[str]:
    """What runs differ in beside the seed; rate and weight decay where they differ in nothing."""
    names = list(dict.fromkeys(name for run in runs for name in run.params if name != "seed"))
    differing = [name for name in names if any(run.params.get(name) != runs[0].params.get(name) for run in runs)]
    return differing or ["lr", "weight_decay"]


def _named(params: Values, axes: Sequence[str]) -> str:
    return ", ".join(as_set(axis, params.get(axis)) for axis in axes)


def _chosen(run: Record, column: str, label: str, iteration: float | None) -> Line:
    """Its curve, with the validation that is handed on marked."""
    x, y = _points(run, column)
    near = None if iteration is None or not x else min(range(len(x)), key=lambda k: abs(x[k] - iteration))
    return Line(x, y, label, "chosen", strong=True, best=near, star="handed on")


def _points(run: Record, column: str) -> tuple[list[float], list[float]]:
    points = run.validations(column)
    return [float(iteration) for iteration, _ in points], [value for _, value in points]


def _spread(seeds: Sequence[Record], column: str) -> Line:
    """Mean over seeds, and from the lowest to the highest, where all of them were validated."""
    curves = [dict(run.validations(column)) for run in seeds]
    common = sorted(set.intersection(*map(set, curves)))
    rows = [[curve[iteration] for curve in curves] for iteration in common]
    rows = [row if all(map(math.isfinite, row)) else [math.nan] for row in rows]
    label = f"its {counted(len(seeds), 'seed')}: mean and range"
    low, high = (list(map(side, rows)) for side in (min, max))
    return Line(common, list(map(fmean, rows)), label, "plain", dotted=True, low=low, high=high)
