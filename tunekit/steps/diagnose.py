"""Step 6: what the best run's curves say, and what to do next. The rules stand in tunekit/diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tunekit.diagnosis import from_record
from tunekit.diagnosis import judge as judge_log
from tunekit.findings import finding
from tunekit.steps.coarse_grid import folder_name
from tunekit.steps.context import Context
from tunekit.vocabulary import Record, Request, StepResult, Training, UserError, Values

NAME = "diagnose"
NEEDS: tuple[str, ...] = ("fine-run",)


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    """The run that the fine step found best, as it stands: nothing is trained that is there already."""
    if records:
        return []
    params = context.tuned("fine-run") or context.tuned("coarse-grid") or context.tuned("lr-sweep")
    iterations = int(context.handoff("fine-run").get("iterations", 0))
    until = iterations or context.recipe.steps.fine_run.epochs * context.iterations_per_epoch(params)
    return [Training(context.config(params), until, params, purpose="the best run")]


def objective(context: Context, record: Record) -> float | None:
    found = [value for _, value in record.validations(context.metric)]
    if not found:
        return None
    return max(found) if context.facts.maximize else min(found)


def maximize(context: Context) -> bool:
    return context.facts.maximize


def choices(context: Context) -> Values:
    return context.choices


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    record = records[0]
    if record.error:
        raise UserError(record.error)
    diagnosis = judge_log(from_record(record.rows, context.facts.metric, context.facts.maximize, _known(context)))
    told = diagnosis.as_dict()
    headline = finding(diagnosis.code, diagnosis.summary, told["evidence"], advice=tuple(told["advice"]))
    handoff = {"training": folder_name(record), "best_epoch": told["best_epoch"]}
    details = {**told, "smooth": context.recipe.steps.diagnose.smooth}
    result = context.result(NAME, diagnosis.summary, [headline, *diagnosis.notes], handoff, details=details)
    return _with_next(context, result, diagnosis.code)


def _known(context: Context) -> dict[str, Any]:
    """What the procedure knows besides the curves: the sweep, the rates, the initial loss."""
    swept, first = context.handoff("lr-sweep"), context.handoff("check-init-loss")
    return {
        "lr": context.recipe.optimizer.lr,
        "weight_decay": context.recipe.optimizer.weight_decay,
        **context.tuned("fine-run"),
        "sweep_lr": swept.get("lr"),
        "sweep_range": swept.get("range"),
        "initial_loss": first.get("initial_loss"),
        "expected_loss": first.get("expected_loss"),
        "classes": context.facts.classes,
        "run": context.run,
    }


def _with_next(context: Context, result: StepResult, code: str) -> StepResult:
    """The procedure's "go to step 5": the advice as a command on the same run, or the final training."""
    epochs = 2 * context.recipe.steps.fine_run.epochs
    decays = [3e-4, 1e-3, 3e-3, 1e-2]
    commands = {
        "not_converged": f"tunekit fine-run {context.run} --set steps.fine-run.epochs={epochs}",
        "lr_too_low": f"tunekit fine-run {context.run} --set steps.fine-run.lr_factors=[2,4]",
        "lr_too_high": f"tunekit fine-run {context.run} --set steps.fine-run.lr_factors=[0.1,0.3]",
        "unstable": f"tunekit fine-run {context.run} --set steps.fine-run.lr_factors=[0.1,0.3]",
        "overfit": f"tunekit coarse-grid {context.run} --set steps.coarse-grid.weight_decays={decays}".replace(
            " [", "["
        ),
    }
    return replace(result, diagnosis=code, next=commands.get(code, f"tunekit train {context.run}"))
