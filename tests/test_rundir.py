"""Run folders: which one a command means, what a lock and a kill leave, what is refused."""

import errno
import json
import os
import shlex

import pytest

from tunekit import rundir
from tunekit.pipeline import open_run, read_recipe, schema
from tunekit.recipe.schema import Loaded
from tunekit.steps import step_names
from tunekit.vocabulary import Finding, StepResult, StorageError, UserError


@pytest.fixture
def loaded(tmp_path):
    recipe = schema()(name="small", data={"target": "digits"}, model={"target": "mlp"})
    return Loaded(recipe, tmp_path, tmp_path / "small.yaml")


def changed(loaded, **values):
    return Loaded(loaded.recipe.with_values(values), loaded.folder, loaded.path)


def result(step, **values):
    return StepResult(step, "pass", "fine", **values)


def test_an_unfinished_run_of_an_equal_recipe_is_continued_and_a_finished_one_is_not(loaded, tmp_path):
    first = rundir.find_run(loaded, tmp_path / "runs")
    assert first.name == "small-001"
    first.write_result(result("lr-sweep"))
    assert rundir.find_run(loaded, tmp_path / "runs") == first
    assert rundir.find_run(changed(loaded, seed=1), tmp_path / "runs").name == "small-002"
    first.write_result(result(step_names()[-1]))
    assert rundir.find_run(loaded, tmp_path / "runs").name == "small-003"


def test_a_run_works_from_where_it_lies(loaded, tmp_path):
    run = rundir.find_run(loaded, tmp_path / "runs")
    again = read_recipe(run.path / "recipe.yaml")
    assert again.recipe == loaded.recipe
    assert again.folder == loaded.folder
    assert open_run(run.path) == run


def test_settings_of_steps_may_change_on_a_run_and_stay(loaded, tmp_path):
    run = rundir.find_run(loaded, tmp_path / "runs")
    open_run(run.path, ("steps.fine-run.epochs=40",))
    assert open_run(run.path).recipe.settings("fine-run").epochs == 40
    # The run is still that of the recipe as it was given.
    assert rundir.find_run(loaded, tmp_path / "runs").path == run.path
    with pytest.raises(UserError, match="only `steps` and `search`"):
        open_run(run.path, ("optimizer.lr=1",))


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer.lr=0.1", "model.args.hidden=[3, 4]"),
        ("optimizer.lr=1e-3", "steps.fine-run.top=2"),
        ("lr=0.5", "optimizer.lr=0.25"),
        ("clip_grad_norm=null", "schedule={name: cosine}", "batch_size=32"),
        ("optimizer.target=sgd", "search={model.args.dropout: [0, 0.5]}"),
        ("model.args.note='0.1'", "model.args.flag=true"),
    ],
)
def test_the_run_that_a_refusal_advises_is_the_one_that_was_asked_for(loaded, tmp_path, overrides):
    run = rundir.find_run(loaded, tmp_path / "runs")
    with pytest.raises(UserError) as refusal:
        open_run(run.path, overrides)
    words = shlex.split(str(refusal.value).split("`")[-2])
    advised = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    recipe = run.path / "recipe.yaml"
    assert words[:3] == ["tunekit", "run", str(recipe)]
    assert read_recipe(recipe, advised).recipe == read_recipe(recipe, overrides).recipe


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x" * 101, "-x", "a b"])
def test_names_that_are_no_names(loaded, tmp_path, name):
    with pytest.raises(UserError, match="--name"):
        rundir.find_run(loaded, tmp_path / "runs", name)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_no_run_is_never_written_into(loaded, tmp_path):
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="exists and is no run"):
        rundir.find_run(loaded, tmp_path / "runs", "mine")


def test_a_result_round_trips_and_holds_no_nan(loaded, tmp_path):
    run = rundir.find_run(loaded, tmp_path / "runs")
    finding = Finding("best_at_edge", "warn", "text", {"lr": float("nan"), "rates": (1.0, float("inf"))}, ("do",))
    run.write_result(result("lr-sweep", findings=(finding,), handoff={"lr": 0.1}, table=({"lr": 0.1, "end": None},)))
    text = (run.path / "lr-sweep/result.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["findings"][0]["evidence"] == {
        "lr": "nan",
        "rates": [1.0, "inf"],
    }
    back = run.result("lr-sweep")
    assert back.handoff == {"lr": 0.1}
    assert back.findings[0].advice == ("do",)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"step": 1}', "\x00"])
def test_a_damaged_result_counts_as_none(loaded, tmp_path, damage):
    run = rundir.find_run(loaded, tmp_path / "runs")
    run.write_result(result("lr-sweep"))
    (run.path / "lr-sweep/result.json").write_text(damage)
    assert run.result("lr-sweep") is None


def test_a_run_has_one_owner_and_says_who(loaded, tmp_path):
    run = rundir.find_run(loaded, tmp_path / "runs")
    with run.lock():
        with pytest.raises(UserError, match=rf"another tunekit \(process {os.getpid()}\)"), run.lock():
            pass
        with pytest.raises(UserError), run.lock():
            pass
    with run.lock():
        pass  # given back


def test_a_full_disk_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    rundir.write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        rundir.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
