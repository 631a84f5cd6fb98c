"""Step 6: what the best run's curves say, and what to do next. The rules stand in tunekit/diagnosis."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from tunekit.diagnosis import headline
from tunekit.diagnosis import judge as judge_log
from tunekit.logs import Procedure, from_record
from tunekit.steps.coarse_grid import folder_name
from tunekit.steps.context import Context
from tunekit.vocabulary import Record, Remedy, Request, StepResult, Training, UserError, Values

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
    facts = context.facts
    share = "accuracy" in facts.metric
    diagnosis = judge_log(from_record(record.rows, facts.metric, facts.maximize, share, _procedure(context, record)))
    handoff = {"training": folder_name(record), "best_epoch": diagnosis.best_epoch}
    details = {**diagnosis.as_dict(), "smooth": context.recipe.steps.diagnose.smooth}
    findings = [headline(diagnosis), *diagnosis.notes]
    result = context.result(NAME, diagnosis.summary, findings, handoff, details=details)
    return replace(result, diagnosis=diagnosis.code, next=_next(context, diagnosis.remedies))


def _procedure(context: Context, record: Record) -> Procedure:
    """What the run knows besides the curves: the rates, the sweep, the expected loss."""
    config = record.request.config
    low, high = context.handoff("lr-sweep").get("range") or (None, None)
    return Procedure(
        lr=config.lr,
        weight_decay=config.weight_decay,
        dropout=config.model["args"].get("dropout"),
        sweep_range=None if low is None or high is None else (low, high),
        expected_loss=context.handoff("check-init-loss").get("expected_loss"),
        classes=context.facts.classes,
    )


def _next(context: Context, remedies: Sequence[Remedy]) -> str:
    """The procedure's "go to step 5": the first remedy as a command on the same run, or the final training."""
    if not remedies:
        return f"tunekit train {context.run}"
    sets = [word for path, value in remedies[0].set.items() for word in ("--set", f"{path}={value}".replace(" ", ""))]
    return shlex.join(["tunekit", remedies[0].command, context.run, *sets])
