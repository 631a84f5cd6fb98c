"""Carries a step out in this process and in memory: probes and trainings by tunekit's own code, no run folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunekit.measured import DescribeArgs
from tunekit.recipe import Recipe
from tunekit.steps import Context, get_step
from tunekit.training.loop import Session
from tunekit.training.probes import PROBES, Subject
from tunekit.training.probes.describe import describe
from tunekit.vocabulary import Facts, Measurement, Record, StepResult, Training

HERE = Path(__file__).parent
CPU = torch.device("cpu")
UNKNOWN = Facts(0, 0, 1, "loss", False, None, 0, 1, "fp32", "cpu", {})


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
    return Recipe.model_validate({**fields, **changes})


def context_of(recipe: Recipe, folder: Path = HERE, earlier: Mapping[str, Any] | None = None) -> Context:
    args = DescribeArgs(device="cpu", precision="fp32", threads=1).to_json()
    facts = describe(Subject(recipe.training_config(UNKNOWN), folder, CPU, args=args))
    return Context(recipe, facts, "runs/planted", earlier or {})


def carry_out(name: str, context: Context, folder: Path = HERE) -> StepResult:
    """Plan, run and judge one step."""
    step = get_step(name)
    records: list[Record] = []
    states: dict[str, bytes] = {}
    while requests := step.plan(context, records):
        for request in requests:
            if isinstance(request, Measurement):
                state = states[request.config.key] if request.at else None
                measured = PROBES[request.probe](Subject(request.config, folder, CPU, state, request.args))
                records.append(Record(request, values=json.loads(json.dumps(measured.to_json()))))
            else:
                assert isinstance(request, Training)
                record, states[request.config.key] = _trained(request, folder, context.recipe.model.pretrained)
                records.append(record)
    return step.judge(context, records)


def _trained(request: Training, folder: Path, pretrained: bool) -> tuple[Record, bytes]:
    session = Session(request.config, folder, CPU, pretrained)
    metric = session.task.metric.name
    header = ["iteration", "epoch", "lr", "train_loss", f"train_{metric}", "val_loss", f"val_{metric}"]
    rows: list[Any] = []
    sample_losses = []
    for chunk in session.run(request.until):
        rows += chunk.rows
        if chunk.sample_losses is not None:
            sample_losses.append(chunk.sample_losses)
        losses, scores = [row[3] for row in rows], [row[4] for row in rows]
        if request.stop.diverged_at(losses) is not None or request.stop.solved_at(losses, scores) is not None:
            break
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    if metric == "loss":
        columns["train_loss"] = [row[3] for row in rows]
    return Record(request, rows=columns, val_losses=np.array(sample_losses)), session.state()


def spoken(result: StepResult) -> dict[str, str]:
    """Codes of severity warn or fail, with their severity."""
    return {item.code: item.severity for item in result.findings if item.severity != "note"}
