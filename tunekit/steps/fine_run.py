"""Step 5: the best few go on from their own checkpoints, with finer rates and seeds around the winner."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from tunekit.findings import finding
from tunekit.steps.coarse_grid import folder_name
from tunekit.steps.context import Context, metric_text
from tunekit.steps.noise import Difference, best_validation, diverged, paired, sample_losses
from tunekit.vocabulary import Finding, Record, Request, StepResult, Training, UserError, Values, decimal, short

NAME = "fine-run"
NEEDS: tuple[str, ...] = ("coarse-grid",)

LATE = 0.9  # of the run: a best value that lies beyond it was still being improved on


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    """The grid's best, then finer rates around the winner, then the winner over seeds."""
    settings = context.recipe.steps.fine_run
    known = {record.request.goal for record in records}
    if not records:
        return [_training(context, params) for params in _top(context)]
    best = _best(context, records)
    if best is None:
        return []
    finer = [{**best.params, "lr": decimal(best.params["lr"] * factor)} for factor in settings.lr_factors]
    centre = _best(context, [r for r in records if dict(r.params) in _top(context)])
    if centre is not None:
        finer = [{**centre.params, "lr": decimal(centre.params["lr"] * factor)} for factor in settings.lr_factors]
    fresh = [training for params in finer if (training := _training(context, params)).goal not in known]
    if fresh:
        return list(fresh)
    params = {name: value for name, value in best.params.items() if name != "seed"}
    seeds = [context.recipe.seed + number for number in range(1, settings.seeds)]
    repeats = [_training(context, {**params, "seed": seed}) for seed in seeds]
    # Seeds of an earlier winner do not count: only the first winner over all rates is repeated.
    repeated = any("seed" in record.params for record in records)
    return [] if repeated else [training for training in repeats if training.goal not in known]


def _top(context: Context) -> list[dict[str, Any]]:
    handed = context.handoff("coarse-grid")
    own = {"lr": context.recipe.optimizer.lr, "weight_decay": context.recipe.optimizer.weight_decay}
    return [dict(params) for params in handed.get("top", [own])][: context.recipe.steps.fine_run.top]


def _training(context: Context, params: Values) -> Training:
    until = context.recipe.steps.fine_run.epochs * context.iterations_per_epoch(params)
    return Training(context.config(params), until, dict(params), purpose="run")


def _value(context: Context, record: Record) -> tuple[int, int, float] | None:
    """(number, iteration, value) of a run's best validation, None where it diverged."""
    if record.error or diverged(record):
        return None
    return best_validation(record, context.metric, context.facts.maximize)


def _ranked(context: Context, records: Sequence[Record]) -> list[Record]:
    """Runs of the recipe's seed with a value, the best first; equal ones by their loss."""
    sign = -1.0 if context.facts.maximize else 1.0

    def order(record: Record) -> tuple[float, float]:
        number, _, value = _value(context, record) or (0, 0, 0.0)
        return sign * value, record.validations("val_loss")[number][1]

    return sorted((r for r in records if "seed" not in r.params and _value(context, r)), key=order)


def _best(context: Context, records: Sequence[Record]) -> Record | None:
    ranked = _ranked(context, records)
    return ranked[0] if ranked else None


def objective(context: Context, record: Record) -> float | None:
    """The best validation value of the run."""
    found = _value(context, record)
    return None if found is None else found[2]


def maximize(context: Context) -> bool:
    return context.facts.maximize


def choices(context: Context) -> Values:
    return context.choices


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    failed = [record for record in records if record.error]
    if failed and len(failed) == len(records):
        raise UserError(failed[0].error or "")
    ranked = _ranked(context, records)
    table = [_row(context, record, ranked) for record in [*ranked, *[r for r in records if r not in ranked]]]
    findings = _run_findings(context)
    if not ranked:
        message = f"all {len(records)} runs diverged or failed"
        return context.result(NAME, f"{message}.", [*findings, finding("fine_run_diverged", message, {})], {}, table)
    best = ranked[0]
    number, iteration, value = _value(context, best) or (0, 0, 0.0)
    values = _over_seeds(context, best, records)
    difference = _against_runner_up(context, ranked)
    spread = stdev(values) if len(values) > 1 else None
    findings += _findings(context, best, ranked, values, difference)
    epoch = iteration / context.iterations_per_epoch(best.params)
    mean = metric_text(context.metric, fmean(values)) if values else "-"
    over = "" if spread is None else f"; over {len(values)} seeds {mean} +- {metric_text(context.metric, spread)}"
    summary = (
        f"{context.metric} {metric_text(context.metric, value)} at epoch {epoch:g} with {_text(best.params)}{over}."
    )
    handoff = {
        **best.params,
        context.metric: value,
        "val_loss": best.validations("val_loss")[number][1],
        "epoch": epoch,
        "iterations": best.iterations,
        "training": folder_name(best),
        "seeds": values,
        "spread": spread,
    }
    return context.result(NAME, summary, findings, handoff, table)


def _text(params: Values) -> str:
    return ", ".join(f"{name} {short(value) if isinstance(value, float) else value}" for name, value in params.items())


def _over_seeds(context: Context, best: Record, records: Sequence[Record]) -> list[float]:
    same = [r for r in records if {**r.params, "seed": 0} == {**best.params, "seed": 0}]
    found = [_value(context, record) for record in same]
    return [value[2] for value in found if value is not None]


def _against_runner_up(context: Context, ranked: Sequence[Record]) -> Difference | None:
    """Paired differences of the two best runs' losses of the same validation samples, each at its best epoch."""
    if len(ranked) < 2:
        return None
    first, second = (sample_losses(record, (_value(context, record) or (0,))[0]) for record in ranked[:2])
    return paired(first, second)


def _row(context: Context, record: Record, ranked: Sequence[Record]) -> Values:
    found = _value(context, record)
    row: dict[str, Any] = {**record.params}
    row[context.metric] = found[2] if found else None
    row["at epoch"] = found[1] / context.iterations_per_epoch(record.params) if found else None
    if record.error:
        word = "failed"
    elif found is None:
        word = f"diverged at {diverged(record)}" if diverged(record) else "no finite value"
    else:
        word = "best" if ranked and record is ranked[0] else ""
    return {**row, "verdict": word}


def _run_findings(context: Context) -> list[Finding]:
    return (
        []
        if context.facts.shareable
        else [finding("not_repeatable", "; ".join(context.facts.notes) or "runs start anew")]
    )


def _findings(
    context: Context, best: Record, ranked: Sequence[Record], values: Sequence[float], difference: Difference | None
) -> list[Finding]:
    found = []
    _, iteration, value = _value(context, best) or (0, 0, 0.0)
    if difference is not None and not difference.clear and difference.pairs:
        message = (
            f"the winner is not clearly better than the runner-up ({_text(ranked[1].params)}): "
            f"{difference.mean:.2g} +- {difference.error:.2g} of loss over {difference.pairs} samples"
        )
        evidence = {"difference": difference.mean, "error": difference.error}
        found.append(finding("within_noise", message, evidence))
    if len(values) > 2 and len(ranked) > 1:
        spread = stdev(values)
        other = _value(context, ranked[-1])
        gain = abs(value - other[2]) if other else 0.0
        if spread > gain and spread > 2 * _counting_error(context, value):
            message = (
                f"the spread over {len(values)} seeds ({metric_text(context.metric, spread)}) is larger than what "
                f"separates the best from the worst setting ({metric_text(context.metric, gain)})"
            )
            found.append(
                finding("unstable_across_seeds", message, {"spread": spread, "gain": gain, "values": list(values)})
            )
    if best.iterations and iteration >= LATE * best.iterations and _falls(best):
        epochs = 2 * context.recipe.steps.fine_run.epochs
        message = (
            f"the best value lies at iteration {iteration} of {best.iterations} and the validation loss still falls"
        )
        advice = (f"train longer: `tunekit fine-run {context.run} --set steps.fine-run.epochs={epochs}`",)
        found.append(
            finding("still_improving", message, {"iteration": iteration, "iterations": best.iterations}, advice=advice)
        )
    return found


def _counting_error(context: Context, value: float) -> float:
    """What the metric may vary by on its own: sqrt(p (1 - p) / n) for an accuracy over n samples, else a twentieth."""
    if "accuracy" not in context.metric or not 0 <= value <= 1:
        return 0.05 * abs(value)
    return float((value * (1 - value) / max(1, context.facts.n_val)) ** 0.5)


def _falls(record: Record) -> bool:
    """Whether the validation loss of the last quarter lies below that of the quarter before by more than 2 %."""
    losses = [value for _, value in record.validations("val_loss")]
    quarter = max(1, len(losses) // 4)
    if len(losses) < 4:
        return False
    last, before = fmean(losses[-quarter:]), fmean(losses[-2 * quarter : -quarter])
    return last < before - 0.02 * abs(before)
