"""Step 5: the best few go on from their own checkpoints, with finer rates and seeds around the winner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

from tunekit.configuration import Values
from tunekit.measured import UntouchedMeasured
from tunekit.steps import baselines
from tunekit.steps.coarse_grid import STEP as coarse_grid
from tunekit.steps.context import Context, described
from tunekit.steps.estimate import Estimate, counting_error, cross_fitted, standard_error
from tunekit.steps.fine_run.figure import figure
from tunekit.steps.fine_run.findings import (
    CODES,
    averaging,
    averaging_told,
    best_raw,
    edges,
    findings_on_diverged,
    findings_on_runs,
    findings_on_step,
    undecided,
)
from tunekit.steps.fine_run.plan import (
    NAME,
    FineRun,
    as_it_came,
    chosen,
    epochs_of,
    objective,
    outlook,
    over_seeds,
    own_runs,
    plan,
    ranked_runs,
    space,
    stays_untouched,
    stopped_early,
    value_of,
)
from tunekit.steps.noise import diverged
from tunekit.steps.step import Judgement, Step
from tunekit.steps.winner import Winner
from tunekit.telling import counted
from tunekit.vocabulary import Record, UserError

__all__ = ["STEP", "BestRun", "FineRun", "averaging_told", "best_raw", "objective", "plan", "space"]


@dataclass(frozen=True)
class BestRun(Winner):
    """The best run, at its best epoch, and the metric over seeds. `expected`: what new samples will see of it, for the
    best of many is better than it will be, with an interval of about 95 %; `expected_of`: by which column. `untouched`:
    no run is better than the model as it came, which is handed on in its place: `training` has its weights, the metric
    and what is expected are its own; values and iterations are the best run's."""

    epoch: float
    seeds: tuple[float, ...]
    spread: float | None  # standard deviation over the seeds
    expected: float | None = None
    expected_interval: tuple[float, float] | None = None
    expected_of: str | None = None
    untouched: bool = False


def judge(context: Context[FineRun], records: Sequence[Record]) -> Judgement:
    runs, beside = own_runs(records), baselines.read(records)
    errors = [record.error for record in runs if record.error]
    if errors and len(errors) == len(runs):
        raise UserError(errors[0])
    ranked = ranked_runs(context, runs)
    table = [_row(context, record, ranked) for record in [*ranked, *[r for r in runs if r not in ranked]]]
    table[1:1] = baselines.rows(context, beside, losses=False)
    findings = findings_on_step(context)
    reached, candidates = value_of(context, ranked[0]) if ranked else None, chosen(context, records)
    if reached is None or candidates is None:
        findings += findings_on_diverged(len(runs))
        return Judgement(f"{findings[-1].message}.", findings, table=table, formats=context.formats)
    best, (number, iteration, value) = ranked[0], reached
    values = _over_seeds(context, best, runs)
    findings += findings_on_runs(context, ranked, reached, values)
    findings += baselines.findings(context, beside, candidates, ": that one is handed on")
    findings += [*edges(context, best), *undecided(context, ranked), *averaging(context, best, reached)]
    epoch = iteration / context.iterations_per_epoch(best.params)
    handoff = BestRun(
        values=best.params,
        metric=context.metric,
        value=value,
        val_loss=best.validations("val_loss")[number][1],
        iterations=best.iterations,
        training=best.request.config.folder,
        epoch=epoch,
        seeds=tuple(values),
        spread=stdev(values) if len(values) > 1 else None,
        **_expected(context, candidates),
    )
    summary = _summary(context, handoff)
    if beside.untouched is not None and stays_untouched(context, records):
        handoff = _as_it_came(context, handoff, beside.untouched)
        summary = _summary_untouched(context, handoff, value)
    return Judgement(summary, findings, handoff, table, context.formats)


def _expected(context: Context[FineRun], candidates: baselines.Chosen) -> dict[str, Any]:
    """What new samples will see, by the metric or else by the loss; nothing where no results are kept by sample."""
    for column, table, maximize, share in (
        (context.metric, candidates.metric, context.facts.maximize, context.facts.share),
        ("val_loss", candidates.loss, False, False),
    ):
        estimate = None if table is None else cross_fitted(table, table, maximize)
        if estimate is not None:
            return _told(context, estimate, column, share)
    return {}


def _told(context: Context[FineRun], estimate: Estimate, column: str, share: bool) -> dict[str, Any]:
    if share and estimate.error == 0:  # all samples agree, but there are not many of them
        estimate = replace(estimate, error=counting_error(estimate.value, context.facts.n_val))
    return {
        "expected": estimate.value,
        "expected_interval": estimate.interval(share),
        "expected_of": column,
    }


def _as_it_came(context: Context[FineRun], best: BestRun, untouched: UntouchedMeasured) -> BestRun:
    """The model as it came in the best run's place. It was not chosen among many: what it reached is what to expect."""
    kept: dict[str, Any] = {"expected": None, "expected_interval": None, "expected_of": None}
    halves = untouched.score_halves or untouched.loss_halves
    if halves:
        by_score = bool(untouched.score_halves)
        value = untouched.score if by_score else untouched.loss
        estimate = Estimate(value, standard_error(halves), 1)
        kept = _told(context, estimate, context.metric if by_score else "val_loss", by_score and context.facts.share)
    return replace(
        best,
        value=untouched.score,
        val_loss=untouched.loss,
        training=as_it_came(context).config.folder,
        epoch=0.0,
        untouched=True,
        **kept,
    )


def _summary(context: Context[FineRun], best: BestRun) -> str:
    over = ""
    if best.spread is not None:
        mean, spread = context.metric_text(fmean(best.seeds)), context.metric_text(best.spread)
        over = f"; over {counted(len(best.seeds), 'seed')} {mean} +- {spread}"
    reached = (
        f"{context.metric} {context.metric_text(best.value)} at epoch {best.epoch:g} with {described(best.values)}"
    )
    return f"{reached}{over}.{_new_samples(context, best)}"


def _summary_untouched(context: Context[FineRun], best: BestRun, tuned: float) -> str:
    return (
        f"The model as it came is handed on, {context.metric} {context.metric_text(best.value)}: the best of the runs, "
        f"{context.metric_text(tuned)} with {described(best.values)}, is not better beyond noise."
        f"{_new_samples(context, best)}"
    )


def _new_samples(context: Context[FineRun], best: BestRun) -> str:
    if best.expected is None or best.expected_interval is None:
        return ""
    text = context.metric_text if best.expected_of == context.metric else "{:.4g}".format
    low, high = map(text, best.expected_interval)
    name = "" if best.expected_of == context.metric else f"{best.expected_of} "
    return f" New samples: {name}{text(best.expected)}, between {low} and {high}."


def _over_seeds(context: Context[FineRun], best: Record, records: Sequence[Record]) -> list[float]:
    values = [value_of(context, record) for record in over_seeds(best, records)]
    return [value[2] for value in values if value is not None]


def _row(context: Context[FineRun], record: Record, ranked: Sequence[Record]) -> Values:
    best = value_of(context, record)
    if record.error:
        word = "failed"
    elif best is None:
        word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
    else:
        early = stopped_early(context, record)
        words = ["best"] if ranked and record is ranked[0] else []
        word = ", ".join([*words, *([] if early is None else [f"stopped early at epoch {early:g}"])])
    value, epoch = (best[2], best[1] / context.iterations_per_epoch(record.params)) if best else (None, None)
    return {**record.params, context.metric: value, "at epoch": epoch, "verdict": word}


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
    order=lambda context, records: ranked_runs(context, own_runs(records)),
    takes=lambda settings: settings.top,
    figure=figure,
    metric=lambda context: context.metric,
    space=space,
    decides=epochs_of,
    outlook=outlook,
)
