"""tunekit's own run folders and their trainings, with what the earlier steps found as context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunekit.diagnosis import delimited, source
from tunekit.diagnosis.log import Log
from tunekit.diagnosis.tabular import table_log
from tunekit.vocabulary import UserError

NAME = "tunekit"
DESCRIPTION = "a tunekit run folder (runs/NAME), one of its trainings, or a training's metrics.csv"

HEADER = ["iteration", "epoch", "lr", "train_loss"]
DECIDING = ("fine-run", "coarse-grid")
"""Steps whose hand-off names the training that the run is judged by, the later first."""


def recognise(path: Path) -> float:
    if path.is_dir():
        if (path / "trainings").is_dir() and ((path / "recipe.yaml").is_file() or _trainings(path)):
            return 0.99
        return 0.98 if (path / "metrics.csv").is_file() and recognise(path / "metrics.csv") else 0.0
    return 0.98 if path.suffix == ".csv" and delimited.header(path)[:4] == HEADER else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: of a run the training that its last finished step names, else the longest one."""
    if path.is_file():
        return [_log(path, train, val)]
    if (path / "trainings").is_dir():
        return [_of_run(path, train, val)]
    if (path / "metrics.csv").is_file():
        return [_log(path / "metrics.csv", train, val)]
    raise UserError(f"{path}: is no tunekit run (no trainings folder) and no training (no metrics.csv)")


def _of_run(run: Path, train: str | None, val: str | None) -> Log:
    found = _trainings(run)
    chosen = next((found[name] for step in DECIDING if (name := _named(run, step)) in found), None)
    notes: tuple[str, ...] = ()
    if chosen is None and found:
        chosen = max(found.values(), key=lambda file: file.stat().st_size)
        notes = ("no fine run yet: the longest training is judged",)
    if chosen is None:
        return Log(NAME, (str(run),), run.name, notes=("the run has no training yet",), context=context_of(run))
    log = _log(chosen, train, val, context_of(run))
    return replace(log, name=run.name, notes=(*log.notes, *notes))


def _trainings(run: Path) -> dict[str, Path]:
    try:
        return {file.parent.name: file for file in sorted((run / "trainings").glob("*/metrics.csv"))}
    except OSError:
        return {}


def _named(run: Path, step: str) -> str:
    return str(_handoff(run, step).get("training", ""))


def _log(file: Path, train: str | None, val: str | None, context: Mapping[str, Any] | None = None) -> Log:
    config = _json(file.parent / "config.json")
    own: dict[str, Any] = {key: config[key] for key in ("lr", "weight_decay", "batch_size", "metric") if key in config}
    run = file.parent.parent.parent
    if context is None and file.parent.parent.name == "trainings":
        context = context_of(run)
    return table_log(file, NAME, train, val, context={**(context or {}), **own})


def context_of(run: Path) -> dict[str, Any]:
    """What the run's earlier steps handed on: sweep, initial_loss, expected_loss, recipe, classes where known."""
    context: dict[str, Any] = {"run": str(run)}
    if (run / "recipe.yaml").is_file():
        context["recipe"] = str(run / "recipe.yaml")
    sweep = _handoff(run, "lr-sweep")
    context.update({f"sweep_{key}": sweep[key] for key in ("lr", "range") if key in sweep})
    initial = _handoff(run, "check-init-loss")
    known = ("initial_loss", "expected_loss", "classes")
    context.update({key: initial[key] for key in known if initial.get(key) is not None})
    return context


def _handoff(run: Path, step: str) -> Mapping[str, Any]:
    handoff = _json(run / step / "result.json").get("handoff")
    return handoff if isinstance(handoff, dict) else {}


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = source.parse_json(source.text(path))
    except UserError:
        return {}
    return value if isinstance(value, dict) else {}
