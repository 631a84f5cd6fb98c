"""What is printed and written is as `tunekit schema` says, and every recipe is as its schema says."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from tests.commands import FAST
from tunekit.cli.options import app
from tunekit.recipe.shipped import shipped
from tunekit.recipe.text import parse_yaml
from tunekit.schemas import PRINTED, as_text
from tunekit.steps import step_names

ROOT = Path(__file__).parent.parent
RECIPES = [*(recipe.path for recipe in shipped()), *sorted((ROOT / "tests" / "any_model").glob("*.yaml"))]


def faults(of, data, change=lambda schema: schema) -> list[str]:
    schema = change(json.loads(as_text(of)))
    Draft202012Validator.check_schema(schema)
    return [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(data)]


def test_every_recipe_is_as_the_schema_says():
    assert len(RECIPES) > 20
    found = {path.name: faults("recipe", parse_yaml(path.read_text(), "")[0]) for path in RECIPES}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "accuracy", "loss": {"target": "mse", "args": {"reduction": "sum"}}},
        {"schedule": {"name": "cosine", "warmup": "2 epochs"}},
        {"threads": "auto", "schedule": "cosine"},
        {"steps": {"lr-sweep": {"iterations": 20}}},
    ],
)
def test_short_forms_are_in_the_schema(change):
    assert faults("recipe", {**parse_yaml(FAST, "")[0], **change}) == []


@pytest.mark.parametrize(
    "change", [{"optimiser": {"lr": 1e-3}}, {"batch_size": 0}, {"schedule": {"nam": "cosine"}}, {"steps": {"swep": {}}}]
)
def test_a_slip_is_not(change):
    assert faults("recipe", {**parse_yaml(FAST, "")[0], **change})


def closed(schema):
    """A schema in which an object has the keys that it names and no others."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"additionalProperties": False} if "properties" in schema else {}
    return {**named, **{key: closed(one) for key, one in schema.items()}}


def printing() -> set[str]:
    """Commands that have --json."""
    commands = get_command(app).commands
    return {name for name, one in commands.items() if any("--json" in option.opts for option in one.params)}


def test_what_each_command_prints_is_as_its_schema_says(tunekit, fast, tmp_path):
    log = "epoch,loss,val_loss\n" + "".join(f"{epoch},{2 / epoch},{2.1 / epoch}\n" for epoch in range(1, 30))
    for name in ("one", "two"):
        (tmp_path / "logs" / name).mkdir(parents=True)
        (tmp_path / "logs" / name / "metrics.csv").write_text(log)
    assert tunekit("train", "table-regression", "--epochs", "2", "--name", "numbers").code == 0
    told = {}
    for words in [
        ["run", fast, "--dry-run"],
        *([step, fast, "--dry-run"] for step in step_names() if step != "diagnose"),
        ["run", fast, "--name", "r", "--jobs", "1"],
        ["run", fast, "--name", "failed", "--jobs", "1", "--set", "steps.overfit-tiny.epochs=1"],
        ["overfit-tiny", "runs/failed"],
        ["diagnose", "runs/r"],
        ["diagnose", "logs/one"],
        ["diagnose", "logs"],
        ["diagnose", "logs/one", "--watch", "--idle", "0.1s"],
        ["train", "runs/r", "--epochs", "1"],
        ["train", "runs/numbers", "--epochs", "2"],
        ["predict", "runs/r", "--split", "val"],
        ["predict", "runs/numbers", "--split", "val"],
        ["predict", "runs/r", "gone.npz"],
        ["status"],
        ["status", "runs/r"],
        ["compare", "runs/r", "runs/r"],
        ["explain"],
        ["explain", "overfit"],
        ["explain", "few_samples"],
        ["explain", "adam"],
        ["explain", "batch size"],
        ["recipes"],
        ["validate", fast],
        ["validate", "table-regression"],
        ["inspect", fast],
        ["inspect", "table-regression"],
        ["clean", "runs/r"],
        ["status", "--runs-dir", "none"],
    ]:
        printed = json.loads(tunekit(*words, "--json").out)
        told[" ".join(map(str, words))] = printed
        assert faults(words[0], printed, closed) == [], words
        objects = printed if isinstance(printed, list) else [printed]
        assert all(next(iter(one)) == "schema" or "step" in one for one in objects), words
    assert {words.split()[0] for words in told} == printing() == set(PRINTED) - {"result"}
    assert told["overfit-tiny runs/failed"]["verdict"] == "fail"
    assert "RECIPE" not in json.dumps(told["diagnose runs/r"])
    files = {
        "result": [path for path in tmp_path.glob("runs/*/*/result.json") if path.parent.name != "final"],
        "train": [*tmp_path.glob("runs/*/final/*lt.json")],
    }
    assert [len(found) > 1 for found in files.values()] == [True, True]
    for of, found in files.items():
        assert [faults(of, json.loads(path.read_text()), closed) for path in found] == [[]] * len(found)


def test_what_is_not_as_a_schema_says_is_told():
    assert faults("diagnose", {"diagnosis": "overfit"})
    assert faults("recipes", [{"schema": 2, "name": "digits", "path": "digits.yaml", "about": "", "more": 1}], closed)


def test_a_schema_there_is_not_is_told(tunekit):
    done = tunekit("schema", "reprot")
    assert (done.code, done.out) == (2, "")
    assert "schema reprot: one of recipe, result, run, check-init-loss" in done.err


def test_a_recipe_that_init_writes_names_its_schema(tunekit, tmp_path):
    for name, written in (("digits", "digits.yaml"), ("own-model", "own-model/own-model.yaml")):
        assert tunekit("init", name).code == 0
        recipe = tmp_path / written
        about, editors, *_ = recipe.read_text().splitlines()
        assert about.startswith("# ")
        beside = recipe.parent / editors.removeprefix("# yaml-language-server: $schema=")
        assert beside.read_text() == as_text("recipe") == tunekit("schema").out
        assert json.loads(tunekit("schema", "result").out)["title"] == "StepResult"
