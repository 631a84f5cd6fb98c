"""What is printed and written is as `tunekit schema` says, and every recipe is as its schema says."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.commands import FAST
from tunekit.recipe.shipped import shipped
from tunekit.recipe.text import parse_yaml
from tunekit.schemas import as_text
from tunekit.vocabulary import SCHEMA

ROOT = Path(__file__).parent.parent
RECIPES = [*(recipe.path for recipe in shipped()), *sorted((ROOT / "tests" / "any_model").glob("*.yaml"))]


def faults(of, data) -> list[str]:
    schema = json.loads(as_text(of))
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


def test_results_and_diagnoses_are_as_their_schemas_say(tunekit, fast, tmp_path):
    told = json.loads(tunekit("run", fast, "--to", "overfit-tiny", "--json").out)
    assert [faults("result", result) for result in told["results"]] == [[], []]
    written = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/result.json")]
    assert [faults("result", result) for result in written] == [[], []]
    rows = "".join(f"{epoch},{2 / epoch},{2.1 / epoch}\n" for epoch in range(1, 30))
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n" + rows)
    assert faults("diagnose", json.loads(tunekit("diagnose", "log.csv", "--json").out)) == []
    assert faults("diagnose", {"diagnosis": "overfit"})


def test_every_object_that_a_command_prints_has_the_version_of_its_schema(tunekit, fast):
    assert tunekit("train", fast, "--epochs", "1", "--name", "one").code == 0
    assert json.loads(Path("runs/one/final/result.json").read_text())["schema"] == SCHEMA
    commands = [
        ["recipes"],
        ["validate", fast],
        ["inspect", fast],
        ["run", fast, "--dry-run"],
        ["check-init-loss", fast],
        ["run", fast, "--to", "check-init-loss"],
        ["status"],
        ["status", "runs/one"],
        ["explain", "adam"],
        ["explain"],
        ["clean", "runs/one"],
        ["train", "runs/one", "--epochs", "1"],
        ["predict", "runs/one", "--split", "val"],
        ["diagnose", "runs/one/trainings"],
    ]
    for words in commands:
        done = tunekit(*words, "--json")
        data = json.loads(done.out)
        every = data if isinstance(data, list) else [data]
        assert every, words
        assert {type(one["schema"]) for one in every} == {int}, words


def test_a_recipe_that_init_writes_names_its_schema(tunekit, tmp_path):
    for name, written in (("digits", "digits.yaml"), ("own-model", "own-model/own-model.yaml")):
        assert tunekit("init", name).code == 0
        recipe = tmp_path / written
        about, editors, *_ = recipe.read_text().splitlines()
        assert about.startswith("# ")
        beside = recipe.parent / editors.removeprefix("# yaml-language-server: $schema=")
        assert beside.read_text() == as_text("recipe") == tunekit("schema").out
        assert json.loads(tunekit("schema", "result").out)["title"] == "StepResult"
