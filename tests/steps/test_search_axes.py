"""Every axis from a recipe to the end of the grid: each value has cells and, where it moves the rate, its own sweep."""

import json

import pytest

from tests.commands import recipe, spawn
from tunekit.recipe.text import axis_path

AXES = {
    "batch_size": [64, 256],
    "optimizer": ["adam", "sgd"],
    "hidden": [[8], [8, 8]],
    "activation": ["relu", "tanh"],
    "batch_norm": [False, True],
    "clip_grad_norm": [None, 1.0],
    "momentum": [0.5, 0.9],
    "ema": [None, 0.9],
    "augment": [[], ["noise"]],
    "dropout": [0, 0.2],
    "label_smoothing": [0, 0.1],
    "l1": [0, 1e-4],
}
SHARING = ("ema", "augment", "dropout", "label_smoothing", "l1")


def walked(tmp_path, axis, values):
    target = "sgd" if axis == "momentum" else "adam"
    path = recipe(
        tmp_path, search=json.dumps({axis: values}), batch_size="64", optimizer=f"{{target: {target}, lr: 1e-3}}"
    )
    done = spawn("run", path, "--to", "coarse-grid", "--jobs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "runs" / "fast-001" / "coarse-grid" / "result.json").read_text()), tmp_path


@pytest.mark.long
@pytest.mark.parametrize("axis", AXES)
def test_every_value_of_an_axis_has_cells_and_its_sweep_where_it_moves_the_rate(tmp_path, axis):
    result, folder = walked(tmp_path, axis, AXES[axis])
    path = axis_path(axis)
    table = [row for row in result["table"] if path in row and row["lr"] != "guessing"]
    assert {json.dumps(row[path]) for row in table} == {json.dumps(value) for value in AXES[axis]}
    assert not [one for one in result["findings"] if one["severity"] == "fail"]
    journal = (folder / "runs" / "fast-001" / "studies.journal").read_text()
    assert (f"lr-sweep/{path}=" in journal) is (axis not in SHARING)
