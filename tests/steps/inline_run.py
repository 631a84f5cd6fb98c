"""Carries a step out in this process and in memory: probes and trainings by tunekit's own code, no run folder."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunekit.halves import by_batch
from tunekit.measured import DescribeArgs
from tunekit.pipeline import schema
from tunekit.recipe import Recipe
from tunekit.steps import Context, conclude, get_step
from tunekit.training.loop import Session
from tunekit.training.probes import PROBES, Subject
from tunekit.training.probes.describe import describe
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UNKNOWN, Measurement, Record, Row, StepResult, Training, cells, columns

HERE = Path(__file__).parent
CPU = torch.device("cpu")


def recipe_of(model: str, data: str, **changes: Any) -> Recipe:
    """A recipe over this folder's modules: `model` and `data` are functions of planted_models and planted_data."""
    data_args, model_args = changes.pop("data_args", {}), changes.pop("model_args", {})
    fields: dict[str, Any] = {
        "name": "planted",
        "data": {"target": data if ":" in data else f"planted_data:{data}", "args": data_args},
        "model": {
            "target": model if ":" in model or model in ("mlp", "cnn") else f"planted_models:{model}",
            "args": model_args,
            "pretrained": changes.pop("pretrained", False),
        },
        "threads": 1,
        "precision": "fp32",
    }
    return schema().model_validate({**fields, **changes})


def context_of(step: str, recipe: Recipe, folder: Path = HERE) -> Context:
    args = DescribeArgs(precision="fp32", threads=1).to_json()
    facts = describe(Subject(recipe.training_config(UNKNOWN), Workbench(folder, CPU), args=args))
    return Context(get_step(step), recipe, facts)


def first_step(recipe: dict[str, Any]) -> StepResult:
    """Step 1 on a recipe of this module's form, with its model and its data among the keys."""
    rest = {key: value for key, value in recipe.items() if key not in ("model", "data")}
    return carry_out(context_of("check-init-loss", recipe_of(recipe["model"], recipe["data"], **rest)))


def carry_out(context: Context, folder: Path = HERE) -> StepResult:
    """Plan, run and judge one step."""
    step = context.step
    records: list[Record] = []
    states: dict[str, bytes] = {}
    bench = Workbench(folder, CPU)
    while requests := step.plan(context, records):
        for request in requests:
            if isinstance(request, Measurement):
                state = states[request.config.key] if request.at else None
                measured = PROBES[request.probe](Subject(request.config, bench, state, request.args))
                records.append(Record(request, values=json.loads(json.dumps(measured.to_json()))))
            else:
                assert isinstance(request, Training)
                record, states[request.config.key] = _trained(request, bench)
                records.append(record)
    return conclude(context, step.judge(context, records))


def _trained(request: Training, bench: Workbench) -> tuple[Record, bytes]:
    session = Session(request.config, bench)
    metric = session.task.metric.name
    rows: list[Row] = []
    evaluations = []
    for chunk in session.run(request.until):
        rows += chunk.rows
        if chunk.evaluation is not None:
            evaluations.append(chunk.evaluation)
        losses = [row.train_loss for row in rows]
        scores = [math.nan if row.train_metric is None else row.train_metric for row in rows]
        if request.stop.diverged_at(losses) is not None or request.stop.solved_at(losses, scores) is not None:
            break
    table = zip(*(cells(row, metric) for row in rows), strict=True)
    named = dict(zip(columns(metric), map(list, table), strict=True))
    losses, scores, by_half = (
        np.array([getattr(one, name) for one in evaluations]) for name in ("sample_losses", "sample_scores", "halves")
    )
    return Record(
        request, rows=named, val_losses=by_batch(losses), val_scores=scores, val_halves=by_half
    ), session.state()


def spoken(result: StepResult) -> dict[str, str]:
    """Codes of severity warn or fail, with their severity."""
    return {item.code: item.severity for item in result.findings if item.severity != "note"}
