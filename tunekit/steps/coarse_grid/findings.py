"""What the grid says of its cells, each code beside what says it."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit import citations
from tunekit.configuration import Values, short
from tunekit.steps import baselines
from tunekit.steps.baselines import NO_BETTER_THAN_CHANCE, NO_BETTER_THAN_PRETRAINED, Baselines
from tunekit.steps.coarse_grid.counting import misfit
from tunekit.steps.coarse_grid.decays import ALIKE, forgotten_in
from tunekit.steps.coarse_grid.plan import (
    GROWTH,
    CoarseGrid,
    cells_beside,
    clearly_better,
    inside,
    is_short,
    is_sweep,
    last_of_both,
    swept_rates,
    without_rate,
)
from tunekit.steps.context import Context, described, same_values
from tunekit.steps.lr_sweep.codes import BEST_AT_EDGE
from tunekit.steps.metric_direction import METRIC_DIRECTION, contradiction
from tunekit.steps.noise import ERRORS, Difference, compare_rank, diverged, share_loss
from tunekit.telling import counted, span
from tunekit.vocabulary import Code, Finding, Record, Remedy, Severity

NAME = "coarse-grid"

CELLS_DIVERGED = Code(
    "cells_diverged",
    "note",
    "Some cells of the grid diverged.",
    "Loss not finite or far above its start; such cells are never scored.",
    "The rate is too high there.",
    ("nothing to do where the best cell lies well away from them",),
    citations.LECTURE,
    asks=False,
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
LOOKED_AT_AGAIN = ("nothing to do: the fine run looks at the best few",)
WITHIN_NOISE = Code(
    "within_noise",
    "note",
    "Several cells are as good as the best.",
    "Paired differences of the metric on the same validation samples (of the loss where the metric is kept neither by "
    f"sample nor by halves of them): within {ERRORS:g} standard errors of zero.",
    "The validation split is too small, or the values matter little here.",
    ("prefer the simpler or the more regularised of them",),
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
NO_FINITE_VALUE = Code(
    "no_finite_value",
    "note",
    "Some cells trained to their end without a finite validation value.",
    "The metric or the loss over the validation samples at the cell's last epoch; such cells are never scored.",
    "A metric that divides by zero, or takes the log or the root of what a model may give; NaN in validation samples.",
    ("let the metric be finite for every answer that the model may give",),
    "",
)
SWEEP_OVERRULED = Code(
    "sweep_overruled",
    "note",
    "The grid found a rate better that the sweep had not called working.",
    "The best cell's rate against the sweep's working range, which is a range of its horizon: a hundred iterations, or "
    "a few epochs.",
    "A rate that is too high at first, or slow at first, may be best over more epochs.",
    ("nothing to do: what validates better over more epochs is taken",),
    citations.PLAYBOOK,
    asks=False,
)
LATE_UNDECIDED = Code(
    "late_undecided",
    "note",
    "What acts late is not decided yet: the runs were too short to show it.",
    "Searched dropout, weight decay, augmentation or label smoothing of which the regularised arm found no place among "
    f"the cells handed on; or weight decays whose losses differ by less than {ALIKE:.1%}.",
    "Regularisation costs at first and pays at the end: a short run flatters the training without it.",
    ("compare them in longer runs: more `steps.fine-run.top` and `steps.fine-run.epochs`",),
    "Wang and Aitchison, 'How to set AdamW's weight decay as you scale model and dataset size', arXiv 2405.13698",
)
CODES = (
    BEST_AT_EDGE,
    CELLS_DIVERGED,
    CELLS_FAILED,
    NO_RATE_FOR_VALUE,
    WITHIN_NOISE,
    NO_FINITE_VALUE,
    NO_BETTER_THAN_CHANCE,
    NO_BETTER_THAN_PRETRAINED,
    METRIC_DIRECTION,
    SWEEP_OVERRULED,
    LATE_UNDECIDED,
)


def is_pruned(record: Record) -> bool:
    return is_short(record) and not record.error and not diverged(record)


def within_noise(context: Context[CoarseGrid], scored: Sequence[Record]) -> list[Record]:
    """Cells that are not clearly worse than the best on the same validation samples, by what ranks them."""
    return [record for record in scored[1:] if _is_tie(_compared(context, scored[0], record))]


def _compared(context: Context[CoarseGrid], first: Record, second: Record) -> Difference:
    return compare_rank(context.facts, (first, second), last_of_both(first, second))


def by_loss(context: Context[CoarseGrid], scored: Sequence[Record]) -> str:
    """A word before "within noise" where losses are compared, of cells that a metric ranks."""
    of = _compared(context, scored[0], scored[-1]).of
    return "loss " if of == "loss" and context.metric != "val_loss" else ""


def _is_tie(difference: Difference) -> bool:
    return difference.pairs > 1 and not (difference.clear and difference.mean < 0)


def left_out(context: Context[CoarseGrid], records: Sequence[Record], others: bool) -> list[Finding]:
    """Searched values that have no cells. `others`: whether some cell has a value."""
    findings = []
    for values in without_rate(context, records):
        sweep = [record for record in records if is_sweep(record) and same_values(record, values)]
        errors = [record.error for record in sweep if record.error]
        severity: Severity | None = None if others else "fail"
        subject, evidence = f"{described(values)} has no cells", {"values": values}
        if errors:
            message = f"{subject}: its sweep failed: {errors[0]}"
            why = misfit(context.recipe, values)
            advice = (why,) if why else None
            findings.append(CELLS_FAILED.finding(message, evidence, severity=severity, advice=advice))
        else:
            message = f"{subject}: none of {counted(len(sweep), 'rate')} works"
            findings.append(NO_RATE_FOR_VALUE.finding(message, evidence, severity=severity))
    return findings


def findings_on_cells(context: Context[CoarseGrid], cells: Sequence[Record], scored: Sequence[Record]) -> list[Finding]:
    findings = []
    failed = [record for record in cells if record.error]
    ended = {id(record) for record in scored}
    without = [r for r in cells if not r.error and not is_pruned(r) and id(r) not in ended]
    severity: Severity | None = None if scored else "fail"
    gone = [record for record in without if diverged(record)]
    if len(gone) < len(without):
        nowhere = [record for record in without if not diverged(record)]
        message = f"{len(nowhere)} of {counted(len(cells), 'cell')} have no finite {context.metric} at their end"
        evidence: Values = {"cells": [dict(record.params) for record in nowhere[:10]]}
        findings.append(NO_FINITE_VALUE.finding(message, evidence, severity=severity))
    if gone:
        lowest = min(record.params["lr"] for record in gone)
        message = f"{len(gone)} of {counted(len(cells), 'cell')} diverged, from rate {short(lowest)} on"
        evidence = {"cells": [dict(record.params) for record in gone[:10]]}
        findings.append(CELLS_DIVERGED.finding(message, evidence, severity=severity))
    if failed:
        message = f"{len(failed)} of {counted(len(cells), 'cell')} failed: {failed[0].error}"
        evidence = {"cells": [dict(r.params) for r in failed[:10]], "errors": [r.error for r in failed[:10]]}
        findings.append(CELLS_FAILED.finding(message, evidence))
    equal = within_noise(context, scored) if scored else []
    if equal:
        difference = _compared(context, scored[0], equal[0])
        gap = f"{0 - difference.mean:.2g} +- {difference.error:.2g} of {difference.of}"
        cells_are = "cell is" if len(equal) == 1 else "cells are"
        message = f"{len(equal)} {cells_are} {by_loss(context, scored)}within noise of the best; the nearest by {gap}"
        evidence = {
            "cells": [dict(record.params) for record in equal[:10]],
            "difference": difference.mean,
            "error": difference.error,
        }
        findings.append(WITHIN_NOISE.finding(message, evidence, advice=LOOKED_AT_AGAIN, asks=False))
    if scored and context.settings.sampler == "grid":
        findings += _edges(context, cells, scored[0])
    return findings


def _edges(context: Context[CoarseGrid], cells: Sequence[Record], best: Record) -> list[Finding]:
    """The best at the edge of its rates or decays, clearly better than inside, with something sound beside it."""
    findings = []
    plane = cells_beside(best, cells)
    for axis in GROWTH:
        value, values = best.params[axis], sorted({record.params[axis] for record in plane})
        edge = len(values) > 1 and value in (values[0], values[-1]) and not (axis == "weight_decay" and value == 0)
        if not edge or not clearly_better(context, best, plane, axis, values):
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


def against_baselines(
    context: Context[CoarseGrid], beside: Baselines, chosen: baselines.Chosen, cells: Sequence[Record]
) -> list[Finding]:
    """The best cell against guessing and against the model as it came; and a metric that is turned round, of which the
    rest follows."""
    alike = [cell for cell in cells if share_loss(context.facts, cells[0].request.config, cell.request.config)]
    turned = contradiction(alike, context.metric, context.facts.maximize)
    if turned is not None:
        words = "max" if context.facts.maximize else "min"
        message = (
            f"{context.metric} gets worse where the loss gets better: rank correlation {turned.validation:.2f} over "
            f"{turned.points} validations; the recipe says `{words}`"
        )
        evidence: Values = {
            "correlation": turned.validation,
            "in_training": turned.training,
            "validations": turned.points,
        }
        return [METRIC_DIRECTION.finding(message, evidence)]
    return baselines.findings(context, beside, chosen, "; the fine run looks again", severity="note")


def beside_the_sweep(context: Context[CoarseGrid], best: Record, records: Sequence[Record]) -> list[Finding]:
    """A best rate outside of what its sweep called working: the grid's cells were longer, and held out."""
    swept = swept_rates(context, best.params, records)
    rate = best.params["lr"]
    if swept is None or swept.range[0] <= rate <= swept.range[1]:
        return []
    works = span(*map(short, swept.range))
    message = (
        f"the best rate, {short(rate)}, lies {'above' if rate > swept.range[1] else 'below'} {works}, what the "
        "sweep saw work over its shorter runs: validation decides"
    )
    return [SWEEP_OVERRULED.finding(message, {"lr": rate, "range": list(swept.range)})]


def undecided(context: Context[CoarseGrid], axes: Sequence[str], idle: Sequence[Record]) -> list[Finding]:
    """Axes that act late and that these cells do not decide."""
    findings = []
    if axes:
        message = (
            f"the cells are too short to decide {', '.join(axes)}, and there is no place among the {context.wanted} "
            "handed on for the best regularised one"
        )
        findings.append(LATE_UNDECIDED.finding(message, {"axes": list(axes)}))
    if idle:
        strongest = max(idle, key=lambda record: float(record.params["weight_decay"]))
        epochs = strongest.iterations // context.iterations_per_epoch(strongest.params)
        decay = short(strongest.params["weight_decay"])
        message = (
            f"weight decay up to {decay} changes nothing in {counted(epochs, 'epoch')}: no more cells were spent on it"
        )
        time = forgotten_in(context, strongest.params)
        evidence: Values = {"params": dict(strongest.params), "epochs": epochs, "forgotten_in_epochs": time}
        if time is not None and context.optimizer(strongest.params).decoupled:
            message += f" (decoupled, it acts within 1 / (rate x decay) = {time:.3g} epochs)"
        findings.append(LATE_UNDECIDED.finding(message, evidence))
    return findings
