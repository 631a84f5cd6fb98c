"""The six steps over MNIST by tunekit against the same trials written by hand, whole programs both."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import REPEATS, Report, ratio, spread, verdict
from tests.benchmarks.subjects import MNIST, config_of, missing_mnist, recipe_path

PACKAGES = ("torchvision", "optuna")
TARGETS = {"mnist-cnn": 3.0, "mnist-mlp": 8.0}
POINTS = 0.3  # by which the final validation accuracies may differ, in points

QUICK = (
    "steps.lr-sweep.low=1e-3",
    "steps.lr-sweep.high=1e-2",
    "steps.lr-sweep.extend=0",
    "steps.coarse-grid.lr_factors=[1]",
    "steps.coarse-grid.weight_decays=[1e-5, 1e-4]",
    "steps.coarse-grid.extend=0",
    "steps.fine-run.top=2",
    "steps.fine-run.epochs=2",
    "steps.fine-run.lr_factors=[]",
    "steps.fine-run.seeds=1",
)
"""Fewer trials and epochs, on both sides; a trial's work an iteration stays."""


def run(quick: bool) -> Report:
    columns = ["recipe", "trials, iterations", "tunekit s", "by hand s", "ratio", "target", ""]
    columns += ["accuracy", "by hand", f"within {POINTS}"]
    why = missing_mnist()
    if why is not None:
        return Report("By hand", columns, [[name, why, *[""] * 8] for name in TARGETS])
    rows, notes = [], []
    for name, target in TARGETS.items():
        row, note = _compare(name, target, QUICK if quick else ())
        rows.append(row)
        notes.append(note)
    notes += [
        "Seconds from the command to its end, imports, figures and report included. By hand: Optuna's optimize, fp32, "
        "one process, the same validation samples, and each training taken once to its end "
        "(tunekit continues the grid's trainings; a hand-written fine run would start them again).",
    ]
    return Report("The six steps against the same trials by hand", columns, rows, notes)


def _compare(name: str, target: float, overrides: tuple[str, ...]) -> tuple[list[str], str]:
    config, _ = config_of(name)
    args: dict[str, Any] = {"root": str(MNIST), "spec": asdict(config.model), "batch_size": config.batch_size}
    workers, threads = fresh.call("hand.best_settings", **args)
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(_tunekit(name, overrides))
        started = time.perf_counter()
        found = fresh.call("hand.walk", plan=ours[-1]["plan"], workers=workers, threads=threads)
        theirs.append({"seconds": time.perf_counter() - started, "accuracy": found["accuracy"]})
    seconds = [[turn["seconds"] for turn in side] for side in (ours, theirs)]
    gain = ratio(seconds[1], seconds[0])
    accuracies = [sum(turn["accuracy"] for turn in side) / REPEATS for side in (ours, theirs)]
    near = abs(accuracies[0] - accuracies[1]) * 100 <= POINTS
    plan = ours[-1]["plan"]
    trials = [trial for kind in ("tiny", "short", "long") for trial in plan[kind]]
    iterations = sum(trial["iterations"] for trial in plan["short"] + plan["long"])
    row = [
        name,
        f"{len(trials)}, {iterations:,}",
        spread(seconds[0]),
        spread(seconds[1]),
        f"{gain:.2f}",
        f"{target:g}",
        verdict(gain >= target),
        *(f"{100 * value:.2f} %" for value in accuracies),
        verdict(near),
    ]
    torch_threads = "as many threads as torch chooses" if threads is None else f"{threads} thread"
    chosen = f"num_workers={workers}, {torch_threads}"
    return row, f"{name} by hand: {chosen}, the fastest of four settings here; tunekit: {config.precision}."


def _tunekit(name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """`tunekit run` in a folder of its own: its seconds, its accuracy, and what it trained."""
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        command = [sys.executable, "-m", "tunekit.cli", "run", str(recipe_path(name)), "--runs-dir", place, "--json"]
        command += [part for text in overrides for part in ("--set", text)]
        started = time.perf_counter()
        ended = subprocess.run(command, cwd=place, env=fresh.environment(), capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if ended.returncode not in (0, 1) or not ended.stdout.strip():
            raise RuntimeError(f"tunekit run {name}: {ended.stderr.strip()[-300:]}")
        results = {result["step"]: result for result in json.loads(ended.stdout)["results"]}
        if "fine-run" not in results:
            raise RuntimeError(f"tunekit run {name} stopped early: {[r['summary'] for r in results.values()]}")
        return {
            "seconds": seconds,
            "accuracy": results["fine-run"]["handoff"]["val_accuracy"],
            "plan": plan_of(next(Path(place).glob(f"{name}-*"))),
        }


def plan_of(run: Path) -> dict[str, Any]:
    """What a run trained, each training once: of the tiny set, shorter than an epoch, longer."""
    kinds: dict[str, list[dict[str, Any]]] = {"tiny": [], "short": [], "long": []}
    config: dict[str, Any] = {}
    for folder in sorted((run / "trainings").iterdir()):
        metrics = folder / "metrics.csv"
        if not metrics.exists():
            continue
        config = json.loads((folder / "config.json").read_text())
        lines = metrics.read_text().splitlines()
        place = lines[0].split(",").index("val_loss")
        trial = {name: config[name] for name in ("lr", "weight_decay", "seed")} | {"iterations": len(lines) - 1}
        if config["data"]["subset"] is None:
            ended = any(line.split(",")[place] for line in lines[1:])
            kinds["long" if ended else "short"].append(trial)
        elif not config["data"]["blank"]:  # the control with zeroed inputs is tunekit's own idea
            kinds["tiny"].append(trial)
    recipe = json.loads((run / "environment.json").read_text())["recipe"]
    return {
        **kinds,
        "model": recipe["model"],
        "batch_size": recipe["batch_size"],
        "root": str(MNIST),
        "held_out": held_out(recipe["name"]),
    }


def held_out(name: str) -> list[int]:
    """Which of the 60,000 training images tunekit validates on."""
    from tunekit.configuration import DataSpec
    from tunekit.pipeline import read_recipe
    from tunekit.training.order import split_indices
    from tunekit.training.sources import load_parts

    loaded = read_recipe(recipe_path(name))
    data = loaded.recipe.data
    train = load_parts(DataSpec(data.target, data.args), loaded.folder).train
    found = split_indices(train.targets(), len(train), data.val_fraction, data.split, loaded.recipe.seed, None)
    picks: list[int] = found[1].tolist()
    return picks
