"""The recipe `polynomial`: one degree too few, the right one, and far too many."""

import json
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "polynomial.yaml"
VERDICTS = {1: "underfit", 2: "good_fit", 9: "overfit"}
BEFORE = ("check-init-loss", "overfit-tiny", "lr-sweep", "coarse-grid", "fine-run")


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("degree", "verdict"), VERDICTS.items())
def test_each_degree_passes_every_step_and_is_diagnosed(tunekit, tmp_path, degree, verdict, seed):
    changes = (f"model.args.degree={degree}", f"data.args.seed={seed}")
    done = tunekit("run", RECIPE, *(word for change in changes for word in ("--set", change)), "--name", "curve")
    assert done.code == 0, done.out
    results = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("runs/curve/*/result.json")}
    assert {name: results[name]["verdict"] for name in BEFORE} == dict.fromkeys(BEFORE, "pass")
    assert results["diagnose"]["diagnosis"] == verdict
    assert "cannot learn 12 targets by heart" in json.dumps(results["overfit-tiny"]["findings"])
