"""What the chain of steps is worth: test errors on ten problems against a default rate, random search and TPE, all at
the chain's number of iterations (the default at its own few)."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from tests.benchmarks.chain_problems import PROBLEMS
from tests.benchmarks.fresh import ROOT, environment
from tests.benchmarks.sidebyside import Report, verdict
from tunekit.configuration import TrainingConfig

PACKAGES = ("optuna", "scikit-learn")
SPLITS = 3
BATCH = 32
SIDES = ("chain", "default", "random", "tpe")
DEFAULT = {"lr": 1e-3, "weight_decay": 1e-2}  # AdamW's own in torch
RATES, DECAYS = (1e-5, 1e-1), (1e-6, 1e-1)  # of the searches, on logarithmic axes


def run(quick: bool) -> Report:
    cases = [(name, split) for name in PROBLEMS for split in range(1 if quick else SPLITS)]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(measure, *zip(*cases, strict=True)))
    rows, ratios = [], {side: [] for side in SIDES}  # type: dict[str, list[float]]
    worse = []
    for name in PROBLEMS:
        each = [one for (other, _), one in zip(cases, found, strict=True) if other == name]
        means = {side: fmean(one[side] for one in each) for side in SIDES}
        for side in SIDES:
            ratios[side].append(means["chain"] / means[side])
        gaps = [one["chain"] - one["default"] for one in each]
        noise = math.hypot(
            stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0, fmean(one["noise"] for one in each)
        )
        if fmean(gaps) > 2 * noise:
            worse.append(name)
        shown = [f"{means[side]:.4f}" for side in SIDES]
        rows.append([name, *shown, f"{fmean(one['iterations'] for one in each):.0f}"])
    overall = {side: math.exp(fmean(map(math.log, values))) for side, values in ratios.items()}
    rows.append(["the chain over each (geometric mean)", *(f"{overall[side]:.3f}" for side in SIDES), ""])
    return Report(
        f"Test errors on ten problems, {1 if quick else SPLITS} splits each, at equal iterations",
        ["problem", *SIDES, "iterations"],
        rows,
        [
            "Errors: share of wrong answers; of a regression the share of the variance that is left.",
            f"default: AdamW at {DEFAULT['lr']:g} for as many epochs as the fine run; the searches draw rates and "
            "weight decays for trainings of so many epochs. Each keeps its best epoch by validation.",
            f"no problem worse than the default beyond noise: {verdict(not worse)} {'; '.join(worse)}",
        ],
    )


def measure(name: str, split: int) -> dict[str, float]:
    """Test errors of all sides on one problem and split."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        iterations, config, weights = _chain(name, split, Path(place))
        best = _test(config, torch.load(weights, weights_only=True)["model"])
        size = iterations["one"]
        trials = max(1, round(iterations["all"] / size))
        errors = {"chain": best, "default": _trained(config, size, **DEFAULT)[1]}
        for sampler in ("random", "tpe"):
            errors[sampler] = _searched(config, size, trials, sampler, split)
    tested = len(_bench().splits(config).test)  # type: ignore[arg-type]
    noise = math.sqrt(max(best * (1 - best), 1 / tested) / tested) if PROBLEMS[name].task == "classification" else 0.0
    return {**errors, "iterations": iterations["all"], "noise": noise}


def _chain(name: str, split: int, place: Path) -> tuple[dict[str, int], TrainingConfig, Path]:
    """All six steps: iterations in all and of the winner, its configuration and its weights."""
    problem = PROBLEMS[name]
    recipe = {
        "name": "chain",
        "task": problem.task,
        "metric": "accuracy" if problem.task == "classification" else "loss",
        "data": {"target": "tests.benchmarks.chain_problems:sets", "args": {"name": name, "split": split}},
        "model": {"target": "tests.benchmarks.chain_problems:model", "args": {"name": name}},
        "optimizer": {"target": "adamw", "lr": DEFAULT["lr"]},
        "batch_size": BATCH,
        "threads": 1,
        "seed": split,
    }
    (place / "chain.yaml").write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "tunekit.cli", "run", str(place / "chain.yaml"), "--runs-dir", str(place)]
    command += ["--name", "case", "--keep-going", "--jobs", "1", "--json"]
    subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, check=False)
    results = [json.loads(path.read_text()) for path in (place / "case").glob("*/result.json")]
    spent = sum(result["cost"]["iterations"] for result in results if result["cost"])
    winner = next(result["handoff"] for result in results if result["step"] == "fine-run")
    training = place / "case" / "trainings" / winner["training"]
    config = TrainingConfig.from_dict(json.loads((training / "config.json").read_text()))
    return {"all": spent, "one": winner["iterations"]}, config, training / "best.pt"


@cache
def _bench() -> Any:
    import torch

    from tunekit.training.workbench import Workbench

    return Workbench(ROOT, torch.device("cpu"))


def _test(config: TrainingConfig, weights: Any) -> float:
    """The error on the test samples."""
    from tunekit.training.loop import Session

    session = Session(config, _bench())
    session.model.load_state_dict(weights)
    assert session.splits.test is not None
    found = session.evaluate(session.splits.test)
    if config.task == "classification":
        return 1.0 - found.score
    targets = session.splits.test.targets()
    return float(found.loss / targets.var(correction=0))


def _trained(config: TrainingConfig, iterations: int, lr: float, weight_decay: float) -> tuple[float, float]:
    """A training's best validation (low is good) and the test error of the epoch where it was."""
    from copy import deepcopy

    from tunekit.training.loop import Session

    session = Session(replace(config, lr=lr, weight_decay=weight_decay), _bench())
    best, weights = math.inf, deepcopy(session.model.state_dict())
    for chunk in session.run(iterations):
        value = chunk.rows[-1].val_metric
        value = math.inf if value is None or not math.isfinite(value) else value
        value = -value if config.task == "classification" and math.isfinite(value) else value
        if value < best:
            best, weights = value, deepcopy(session.model.state_dict())
    return best, _test(config, weights)


def _searched(config: TrainingConfig, iterations: int, trials: int, sampler: str, seed: int) -> float:
    """The test error of what a search finds by validation."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    study = optuna.create_study(sampler=kinds[sampler](seed=seed))
    errors = {}

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", *RATES, log=True)
        decay = trial.suggest_float("weight_decay", *DECAYS, log=True)
        value, errors[trial.number] = _trained(config, iterations, lr, decay)
        return min(value, 1e30)

    study.optimize(objective, n_trials=trials)
    return errors[study.best_trial.number]
