"""The house grows by one file and at most one line: a page's examples, each put into a tunekit of its own and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.commands import FAST
from tests.pages import ROOT, page

PAGE = page("extending")


class House:
    """A copy of the package that an outsider changes."""

    def __init__(self, place: Path) -> None:
        self.place = place
        shutil.copytree(ROOT / "tunekit", place / "tunekit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "recipes", place / "recipes")
        self.work = place / "work"
        self.work.mkdir()

    def add(self, file: str) -> None:
        """One file, as the page shows it."""
        code = re.search(rf"^`{re.escape(file)}`:\n\n```python\n(.*?)^```", PAGE, re.S | re.M)
        assert code, file
        assert not (self.place / file).exists()
        (self.place / file).write_text(code[1])

    def line(self, file: str, before: str, added: str) -> None:
        """One entry of one list, before another."""
        path = self.place / file
        assert path.read_text().count(before) == 1
        path.write_text(path.read_text().replace(before, f"{added} {before}"))

    def run(self, *words: object, code: int = 0) -> tuple[str, str]:
        """A command's two outputs, after its exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "tunekit.cli", *map(str, words)],
            cwd=self.work,
            env={**os.environ, "PYTHONPATH": str(self.place), "COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def __call__(self, *words: object, code: int = 0) -> str:
        return self.run(*words, code=code)[0]


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def trainings(run: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in run.glob("trainings/*/config.json")]


FAILS_ABOVE_64 = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        if self.training and 64 < len(x) <= 128:
            raise MemoryError("out of memory")
        return super().forward(x)
"""
STEPS = ["check-init-loss", "overfit-tiny", "batch-size", "lr-sweep", "coarse-grid", "fine-run", "diagnose"]


def test_a_step_and_an_optimizer_of_ones_own_are_a_file_and_a_line_each(house):
    """And all later steps, and best.yaml, use what the step hands on."""
    house.add("tunekit/steps/batch_size.py")
    step = house.place / "tunekit/steps/batch_size.py"
    tuned = 'return {"batch_size": self.batch_size'
    assert tuned in step.read_text()
    step.write_text(step.read_text().replace(tuned, f'{tuned}, "schedule.args.warmup": 5'))
    house.line("tunekit/steps/__init__.py", '"lr_sweep"', '"batch_size",')
    house.add("tunekit/training/lion.py")
    entry = re.search(r'`("lion": Optimizer\(.*?\),)`', PAGE)[1]
    house.line("tunekit/recipe/optimizers.py", '"adamw": Optimizer("AdamW"', entry)
    (house.work / "net.py").write_text(FAILS_ABOVE_64)
    recipe = yaml.safe_load(FAST) | {"name": "r", "model": {"target": "net:Net"}, "batch_size": 16}
    recipe["optimizer"]["target"] = "lion"
    recipe["steps"]["batch-size"] = {"largest": 512}
    (house.work / "r.yaml").write_text(yaml.safe_dump(recipe))
    shown = house("run", "r.yaml", "--name", "r", "--jobs", 2)
    run = house.work / "runs/r"
    assert "batch-size pass" in shown
    assert json.loads((run / "batch-size/result.json").read_text())["handoff"] == {"batch_size": 64}
    assert (run / "batch-size/batch-size.png").read_bytes().startswith(b"\x89PNG")
    best = yaml.safe_load((run / "best.yaml").read_text())
    assert (best["batch_size"], best["optimizer"]["target"], best["schedule"]["args"]) == (64, "lion", {"warmup": 5})
    assert {config["optimizer"]["target"] for config in trainings(run)} == {"lion"}
    trials = {step: json.loads((run / step / "result.json").read_text())["table"] for step in STEPS[3:6]}
    assert all(trials.values())
    # What is tried at another batch size was asked for before the sweep: its two iterations alone.
    lengths = {
        path.parent.name: len((path.parent / "metrics.csv").read_text().splitlines()) - 1
        for path in run.glob("trainings/*/config.json")
        if (path.parent / "metrics.csv").exists() and json.loads(path.read_text())["data"]["subset"] is None
    }
    sizes = {json.loads((run / "trainings" / name / "config.json").read_text())["batch_size"]: [] for name in lengths}
    for name, length in lengths.items():
        sizes[json.loads((run / "trainings" / name / "config.json").read_text())["batch_size"]].append(length)
    assert {size for size, counts in sizes.items() if max(counts) > 2} == {64}

    listed = re.findall(r"^[│ ]+([a-z-]+) +\d\. ", house("--help"), re.M)
    assert listed == STEPS
    assert [row["step"] for row in json.loads(house("status", "runs/r", "--json"))] == STEPS
    assert "Not even twice the smallest batch trains." in house("explain", "small_batch")
    assert "small_batch" in house("explain")
    house("report", "runs/r")
    assert "Batches of 64 train." in (run / "report.html").read_text()
    assert "finished before" in house("batch-size", "runs/r")
    _, err = house.run("run", "r.yaml", "--set", "steps.batch-size.smalest=8", "--name", "s", code=2)
    assert "unknown key 'steps.batch-size.smalest' (did you mean 'smallest'?)" in err


def test_a_log_reader_of_ones_own_is_a_file(house):
    house.add("tunekit/logs/readers/bars.py")
    lines = ["| epoch | tr | va |  % a remark"]
    lines += [f"| {k} | {0.1 + 2 / (1 + k):.4f} | {0.4 + 2 / (1 + k) + 0.02 * max(0, k - 8):.4f} |" for k in range(30)]
    (house.work / "run.log").write_text("\n".join(lines))
    said = json.loads(house("diagnose", "run.log", "--json"))
    assert (said["source"]["format"], said["diagnosis"]) == ("bars", "overfit")
    assert said["evidence"]["train_points"] == 30
    _, err = house.run("diagnose", "run.log", "--format", "nonsense", code=2)
    assert "bars" in err


def test_a_verdict_of_ones_own_is_a_file_and_a_line(house):
    house.add("tunekit/diagnosis/verdicts/val_frozen.py")
    house.line("tunekit/diagnosis/verdicts/__init__.py", '"train_val_mismatch"', '"val_frozen",')
    lines = ["epoch,train_loss,val_loss", *(f"{k},{0.1 + 2 / (1 + k):.4f},2.3026" for k in range(30))]
    (house.work / "log.csv").write_text("\n".join(lines))
    said = json.loads(house("diagnose", "log.csv", "--json", code=1))
    assert (said["diagnosis"], said["verdict"]) == ("val_frozen", "fail")
    assert said["change_if"] == ["two validation losses that differ"]
    assert "validate the model that is trained" in house("diagnose", "log.csv", code=1)
    explained = house("explain", "val_frozen")
    assert "At least 5 validation losses, all equal to the last digit." in explained
    assert "(fail; diagnose)" in explained
    house("diagnose", "log.csv", "--fail-on", "overfit")
    house("diagnose", "log.csv", "--fail-on", "val_frozen", code=1)
    near_misses = """
from tunekit.diagnosis import judge
from tunekit.diagnosis.verdicts import verdicts
logs = [run.log() for run in verdicts()["val_frozen"].near_misses]
print(len(logs), [judge(log).code for log in logs].count("val_frozen"))
"""
    done = subprocess.run(
        [sys.executable, "-c", near_misses],
        env={**os.environ, "PYTHONPATH": str(house.place)},
        cwd=house.work,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "0"], done.stderr
