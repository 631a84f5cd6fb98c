"""BatchNorm as in Ioffe and Szegedy's MNIST test (ICML 2015, section 4.1): three layers of 100 sigmoid units, SGD,
batches of 60. Iterations to 97 % validation accuracy with BatchNorm and without, each at its own swept rate."""

import json
from dataclasses import replace
from statistics import median

import pytest
import torch

from tests.commands import spawn
from tunekit.inspection import check
from tunekit.pipeline import read_recipe
from tunekit.training.loop import Session
from tunekit.training.workbench import Workbench

RECIPE = """
name: sigmoid
data: {{target: "torchvision:MNIST", args: {{root: {root}}}}}
model:
  target: mlp
  args: {{hidden: [100, 100, 100], activation: sigmoid, batch_norm: {batch_norm}}}
optimizer: {{target: sgd, lr: 0.1}}
batch_size: 60
schedule: constant
threads: 1
precision: fp32
device: cpu
steps:
  lr-sweep: {{low: 1.0e-2, high: 3.0, iterations: 800}}
"""
GOAL = 0.97
EVERY = 200  # iterations between two looks at the validation samples
MOST = 40_000
SEEDS = 5


def swept_rate(recipe, place):
    done = spawn("lr-sweep", recipe, "--jobs", "1", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    [result] = place.glob("runs/*/lr-sweep/result.json")
    return json.loads(result.read_text())["handoff"]["lr"]


def iterations_to_goal(config, bench):
    session = Session(config, bench)
    for until in range(EVERY, MOST + 1, EVERY):
        for _ in session.run(until):
            pass
        if session.evaluate().score >= GOAL:
            return until
    return MOST


def measured(root, place, batch_norm):
    """The swept rate, and the iterations of five seeds."""
    place.mkdir()
    recipe = place / "sigmoid.yaml"
    recipe.write_text(RECIPE.format(root=root, batch_norm=batch_norm))
    rate = swept_rate(recipe, place)
    loaded = read_recipe(recipe)
    bench = Workbench(place, torch.device("cpu"))
    config = replace(loaded.recipe.training_config(check(loaded, "cpu")), lr=rate)
    return rate, [iterations_to_goal(replace(config, seed=seed), bench) for seed in range(SEEDS)]


@pytest.mark.long
@pytest.mark.timeout(3600)  # some 60,000 iterations
def test_batch_norm_reaches_97_percent_in_half_the_iterations_or_fewer(shared, tmp_path):
    root = shared / "data"
    if not (root / "MNIST").is_dir():
        pytest.skip(f"needs torchvision's MNIST in {root}")
    results = {on: measured(root, tmp_path / on, on) for on in ("true", "false")}
    for on, (rate, iterations) in results.items():
        print(f"batch_norm {on}: rate {rate:g}, iterations {iterations}, median {median(iterations):g}")
    with_it, without = (median(results[on][1]) for on in ("true", "false"))
    assert with_it <= without / 2
