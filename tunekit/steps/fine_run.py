"""Step 5: the best few go on from their own checkpoints, with finer rates and seeds around the winner."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from tunekit import citations
from tunekit.charts import Figure, Line, Panel
from tunekit.configuration import Values, decimal, short
from tunekit.space import Range, Space
from tunekit.steps.check_init_loss.data import NOT_REPEATABLE
from tunekit.steps.coarse_grid import STEP as coarse_grid
from tunekit.steps.coarse_grid import WITHIN_NOISE
from tunekit.steps.coarse_grid.plan import other_axes
from tunekit.steps.context import Context, described
from tunekit.steps.noise import Difference, best_validation, diverged, paired, sample_losses
from tunekit.steps.step import Count, Epochs, Judgement, Positive, Settings, Step
from tunekit.steps.winner import Winner
from tunekit.vocabulary import Code, Finding, Record, Remedy, StepResult, Training, UserError

NAME = "fine-run"
BEST_CELL, FINER_RATE, REPEAT = "best cell", "finer rate", "repeat over seeds"

LATE = 0.9  # of the run: a best value that lies beyond it was still being improved on
STILL_FALLS = 0.02  # of the validation loss, from the third to the last quarter of the run
COUNTING = 2.0  # times what a metric varies by through counting alone, that the spread over seeds exceeds
OTHER_COUNTING = 0.05  # of its value: what a metric that is no share varies by on its own


@dataclass(frozen=True)
class FineRun(Settings):
    top: Count = 3
    epochs: Epochs = 10
    lr_factors: tuple[Positive, ...] = (0.7, 1.4)
    seeds: Count = 3

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:  # noqa: ARG002 - the grid's best have it already
        return self.top + len(self.lr_factors) + self.seeds


@dataclass(frozen=True)
class BestRun(Winner):
    """The best run, at its best epoch, and the metric over seeds."""

    epoch: float
    seeds: tuple[float, ...]
    spread: float | None  # standard deviation over the seeds


def plan(context: Context[FineRun], records: Sequence[Record]) -> list[Training]:
    """The grid's best, then finer rates around the winner, then the first winner over all rates over seeds."""
    if not records:
        return [_training(context, params, BEST_CELL) for params in _top(context)]
    best = _best(context, records)
    if best is None or any(record.request.purpose == REPEAT for record in records):
        return []
    centre = _best(context, [record for record in records if record.request.purpose == BEST_CELL]) or best
    known = {record.request.goal for record in records}
    rates = [decimal(centre.params["lr"] * factor) for factor in context.settings.lr_factors]
    finer = [_training(context, {**centre.params, "lr": rate}, FINER_RATE, 1) for rate in rates]
    fresh = [training for training in finer if training.goal not in known]
    if fresh:
        return fresh
    seeds = [context.recipe.seed + number for number in range(1, context.settings.seeds)]
    return [_training(context, {**best.params, "seed": seed}, REPEAT, 2) for seed in seeds]


def space(context: Context[FineRun], _records: Sequence[Record]) -> Space:
    """The rates of the best cells with the finer ones beside them, and the grid's other axes. A seed is no axis but an
    attribute of the trials that repeat the winner: what it does is noise."""
    top = _top(context)
    rates = [params["lr"] for params in top]
    rates += [decimal(rate * factor) for rate in rates for factor in context.settings.lr_factors]
    decays = [params["weight_decay"] for params in top]
    return {"lr": Range(min(rates), max(rates), log=True), **other_axes(context.of(coarse_grid), decays)}


def _top(context: Context[FineRun]) -> Sequence[Values]:
    cells = context.handoff(coarse_grid)
    own = {"lr": context.recipe.optimizer.lr, "weight_decay": context.recipe.optimizer.weight_decay}
    return cells.top[: context.settings.top] if cells else [own]


def _training(context: Context[FineRun], params: Values, purpose: str, round_: int = 0) -> Training:
    until = _epochs(context) * context.iterations_per_epoch(params)
    return Training(context.config(params), until, dict(params), purpose=purpose, round=round_)


def _epochs(context: Context[FineRun]) -> int:
    """Passes of each run: never fewer than the grid's best has behind it, or what it reached there would be lost."""
    cells = context.handoff(coarse_grid)
    behind = math.ceil(cells.iterations / context.iterations_per_epoch(cells.values)) if cells else 0
    return max(context.settings.epochs, behind)


def _value(context: Context[FineRun], record: Record) -> tuple[int, int, float] | None:
    """(number, iteration, value) of a run's best validation, None where it diverged."""
    if record.error or diverged(record):
        return None
    return best_validation(record, context.metric, context.facts.maximize)


def _ranked(context: Context[FineRun], records: Sequence[Record]) -> list[Record]:
    """Runs of the recipe's seed with a value, the best first; equal ones by their loss."""
    sign = -1.0 if context.facts.maximize else 1.0
    scored: list[tuple[float, float, Record]] = []
    for record in records:
        best = _value(context, record)
        if best is not None and record.request.purpose != REPEAT:
            scored.append((sign * best[2], record.validations("val_loss")[best[0]][1], record))
    return [record for _, _, record in sorted(scored, key=lambda item: item[:2])]


def _best(context: Context[FineRun], records: Sequence[Record]) -> Record | None:
    return next(iter(_ranked(context, records)), None)


def objective(context: Context[FineRun], record: Record) -> float | None:
    """The best validation value of the run."""
    best = _value(context, record)
    return None if best is None else best[2]


UNSTABLE_ACROSS_SEEDS = Code(
    "unstable_across_seeds",
    "warn",
    "The winner's result depends on the seed more than on what was tuned.",
    "Standard deviation of the validation metric over three seeds or more: larger than what separates the best from "
    f"the worst setting of this step, and than {COUNTING:g} times what a share varies by through counting alone, "
    f"sqrt(p (1 - p) / n) over n validation samples (for other metrics {OTHER_COUNTING:.0%} of their value).",
    "A small validation split or training that is hardly stable.",
    ("report mean and spread; try a smaller rate, a warm-up or clipping",),
    "Bouthillier et al., 'Accounting for Variance in Machine Learning Benchmarks', MLSys 2021",
)
FINE_RUN_DIVERGED = Code(
    "fine_run_diverged",
    "fail",
    "Every run of the fine step diverged.",
    "Loss not finite or far above its start.",
    "A rate that is only just stable in short runs.",
    ("take smaller rates in the grid",),
    citations.LECTURE,
)
STILL_IMPROVING = Code(
    "still_improving",
    "note",
    "The best run was still getting better when it ended.",
    f"The best validation value lies behind {LATE:.0%} of the run, and the validation loss of its last quarter is more "
    f"than {STILL_FALLS:.0%} below that of the quarter before.",
    "The run was short.",
    ("train longer",),
    f"{citations.PLAYBOOK} (is the run still improving at its end?)",
)
FINE_RUN_LENGTHENED = Code(
    "fine_run_lengthened",
    "note",
    "The runs went on for longer than the recipe says: the grid's had been longer already.",
    "`steps.fine-run.epochs` against the epochs of the grid's best cell.",
    "A fine run that is set shorter than the grid.",
    ("set `steps.fine-run.epochs` above `steps.coarse-grid.epochs`",),
    "",
)
CODES = (WITHIN_NOISE, UNSTABLE_ACROSS_SEEDS, FINE_RUN_DIVERGED, STILL_IMPROVING, NOT_REPEATABLE, FINE_RUN_LENGTHENED)


def judge(context: Context[FineRun], records: Sequence[Record]) -> Judgement:
    errors = [record.error for record in records if record.error]
    if errors and len(errors) == len(records):
        raise UserError(errors[0])
    ranked = _ranked(context, records)
    table = [_row(context, record, ranked) for record in [*ranked, *[r for r in records if r not in ranked]]]
    findings = _run_findings(context)
    reached = _value(context, ranked[0]) if ranked else None
    if reached is None:
        message = f"all {len(records)} runs diverged or failed"
        smaller = Remedy(coarse_grid.name, {f"steps.{coarse_grid.name}.lr_factors": [0.1, 0.3, 1.0]})
        findings.append(FINE_RUN_DIVERGED.finding(message, remedies=(smaller,)))
        return Judgement(f"{message}.", findings, table=table, formats=context.formats)
    best, (number, iteration, value) = ranked[0], reached
    values = _over_seeds(context, best, records)
    spread = stdev(values) if len(values) > 1 else None
    findings += _findings(context, ranked, reached, values)
    epoch = iteration / context.iterations_per_epoch(best.params)
    over = ""
    if spread is not None:
        over = f"; over {len(values)} seeds {context.metric_text(fmean(values))} +- {context.metric_text(spread)}"
    handoff = BestRun(
        values=best.params,
        metric=context.metric,
        value=value,
        val_loss=best.validations("val_loss")[number][1],
        iterations=best.iterations,
        training=best.request.config.folder,
        epoch=epoch,
        seeds=tuple(values),
        spread=spread,
    )
    summary = f"{context.metric} {context.metric_text(value)} at epoch {epoch:g} with {described(best.params)}{over}."
    return Judgement(summary, findings, handoff, table, context.formats)


def _over_seeds(context: Context[FineRun], best: Record, records: Sequence[Record]) -> list[float]:
    same = [r for r in records if {**r.params, "seed": 0} == {**best.params, "seed": 0}]
    values = [_value(context, record) for record in same]
    return [value[2] for value in values if value is not None]


def _row(context: Context[FineRun], record: Record, ranked: Sequence[Record]) -> Values:
    best = _value(context, record)
    if record.error:
        word = "failed"
    elif best is None:
        word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
    else:
        word = "best" if ranked and record is ranked[0] else ""
    value, epoch = (best[2], best[1] / context.iterations_per_epoch(record.params)) if best else (None, None)
    return {**record.params, context.metric: value, "at epoch": epoch, "verdict": word}


def _run_findings(context: Context[FineRun]) -> list[Finding]:
    findings = []
    if not context.facts.shareable:
        findings.append(NOT_REPEATABLE.finding("; ".join(context.facts.notes) or "runs start anew"))
    epochs = _epochs(context)
    if epochs > context.settings.epochs:
        message = f"trained for {epochs} epochs, as the grid's best was, and not for {context.settings.epochs}"
        findings.append(FINE_RUN_LENGTHENED.finding(message, {"epochs": epochs, "asked": context.settings.epochs}))
    return findings


def _findings(
    context: Context[FineRun], ranked: Sequence[Record], reached: tuple[int, int, float], values: Sequence[float]
) -> list[Finding]:
    """On the best run, the first of `ranked`. `reached`: its best validation; `values`: the metric over seeds."""
    findings = []
    best, (_, iteration, value) = ranked[0], reached
    difference = _against_runner_up(context, ranked)
    if difference is not None and not difference.clear and difference.pairs:
        message = (
            f"the winner is not clearly better than the runner-up ({described(ranked[1].params)}): "
            f"{difference.mean:.2g} +- {difference.error:.2g} of loss over {difference.pairs} samples"
        )
        evidence: Values = {"difference": difference.mean, "error": difference.error}
        findings.append(WITHIN_NOISE.finding(message, evidence))
    if len(values) > 2 and len(ranked) > 1:
        spread = stdev(values)
        worst = _value(context, ranked[-1])
        gain = abs(value - worst[2]) if worst else 0.0
        if spread > gain and spread > COUNTING * _counting_error(context, value):
            message = (
                f"the spread over {len(values)} seeds ({context.metric_text(spread)}) is larger than what separates "
                f"the best from the worst setting ({context.metric_text(gain)})"
            )
            evidence = {"spread": spread, "gain": gain, "values": list(values)}
            findings.append(UNSTABLE_ACROSS_SEEDS.finding(message, evidence))
    if best.iterations and iteration >= LATE * best.iterations and _falls(best):
        message = (
            f"the best value lies at iteration {iteration} of {best.iterations} and the validation loss still falls"
        )
        longer = Remedy(NAME, {f"steps.{NAME}.epochs": 2 * _epochs(context)})
        evidence = {"iteration": iteration, "iterations": best.iterations}
        findings.append(STILL_IMPROVING.finding(message, evidence, remedies=(longer,)))
    return findings


def _against_runner_up(context: Context[FineRun], ranked: Sequence[Record]) -> Difference | None:
    """Paired differences of the two best runs' losses of the same validation samples, each at its best epoch."""
    if len(ranked) < 2:
        return None
    first, second = (sample_losses(record, best[0]) for record in ranked[:2] if (best := _value(context, record)))
    return paired(first, second)


def _counting_error(context: Context[FineRun], value: float) -> float:
    """What the metric may vary by on its own: sqrt(p (1 - p) / n) for a share over n samples, else a twentieth."""
    if not context.facts.share or not 0 <= value <= 1:
        return OTHER_COUNTING * abs(value)
    return float((value * (1 - value) / max(1, context.facts.n_val)) ** 0.5)


def _falls(record: Record) -> bool:
    """Whether the validation loss of the last quarter lies clearly below that of the quarter before."""
    losses = [value for _, value in record.validations("val_loss")]
    quarter = max(1, len(losses) // 4)
    if len(losses) < 4:
        return False
    last, before = fmean(losses[-quarter:]), fmean(losses[-2 * quarter : -quarter])
    return last < before - STILL_FALLS * abs(before)


def figure(context: Context[FineRun], result: StepResult, records: Sequence[Record]) -> Figure:
    """Validation loss and metric of every run, the winner's strong."""
    panels = []
    for place, column in enumerate(dict.fromkeys(("val_loss", context.metric))):
        lines = []
        for record in records:
            points = record.validations(column)
            seed = f", seed {record.params['seed']}" if record.request.purpose == REPEAT else ""
            label = f"{short(record.params['lr'])}, {short(record.params['weight_decay'])}{seed}"
            strong = record.request.config.folder == result.handoff.get("training")
            lines.append(Line([i for i, _ in points], [v for _, v in points], label, strong=strong))
        panels.append(Panel(lines, "iteration", column, legend="rate, weight decay" if place == 0 else None))
    return Figure(result.summary, panels)


STEP = Step(
    NAME,
    "Train the best few longer, with finer rates and several seeds.",
    FineRun,
    BestRun,
    "the best run",
    plan,
    judge,
    lambda: CODES,
    needs=(coarse_grid,),
    objective=objective,
    maximize=lambda context: context.facts.maximize,
    order=_ranked,
    takes=lambda settings: settings.top,
    figure=figure,
    metric=lambda context: context.metric,
    space=space,
    decides=_epochs,
)
