"""Run folders: which one a command means, what a lock and a kill leave, what is refused."""

import contextlib
import errno
import json
import os
import re
import shlex
import shutil

import pytest

from tunekit import rundir
from tunekit.layout import FACTS
from tunekit.pipeline import Options, open_run, read_recipe, run_steps, schema
from tunekit.recipe.schema import Loaded
from tunekit.rundir import RunFolder, is_run, read_run, with_commands
from tunekit.runs import find_run
from tunekit.steps import step_names
from tunekit.vocabulary import Finding, Interrupted, Remedy, StepResult, StorageError, UserError


@pytest.fixture
def loaded(tmp_path):
    recipe = schema()(name="small", data={"target": "digits"}, model={"target": "mlp"})
    return Loaded(recipe, tmp_path, tmp_path / "small.yaml")


def changed(loaded, **values):
    return Loaded(loaded.recipe.with_values(values), loaded.folder, loaded.path)


def result(step, **values):
    return StepResult(step, "pass", "fine", **values)


def test_an_unfinished_run_of_an_equal_recipe_is_continued_and_a_finished_one_is_not(loaded, tmp_path):
    first = find_run(loaded, tmp_path / "runs")
    assert first.name == "small-001"
    first.write_result(result("lr-sweep"))
    assert find_run(loaded, tmp_path / "runs") == first
    assert find_run(changed(loaded, seed=1), tmp_path / "runs").name == "small-002"
    first.write_result(result(step_names()[-1]))
    assert find_run(loaded, tmp_path / "runs").name == "small-003"


def end_with(run, error, work=lambda _run: None):
    """A command on a run that ends so before its first step."""
    with contextlib.suppress(type(error)), run.lock(), run.gone_if_refused():
        run.note(decided={})
        (run.path / FACTS / "some").mkdir(parents=True, exist_ok=True)
        work(run)
        raise error


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize("error", [UserError("a wrong column"), StorageError("full")])
def test_a_new_run_that_is_refused_before_its_first_step_leaves_nothing(loaded, tmp_path, name, error):
    run = find_run(loaded, tmp_path / "runs", name)
    end_with(run, error)
    assert list((tmp_path / "runs").iterdir()) == []
    assert find_run(changed(loaded, seed=1), tmp_path / "runs", name).name == run.name
    with pytest.raises(UserError, match="is gone"), RunFolder(tmp_path / "runs" / "other").lock():
        pass
    assert not (tmp_path / "runs" / "other").exists()


def test_an_empty_folder_that_a_person_made_is_not_removed(loaded, tmp_path):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    end_with(find_run(loaded, tmp_path / "runs", "mine"), UserError("refused"))
    assert (tmp_path / "runs" / "mine").is_dir()


def test_a_run_stays_that_was_there_before_or_interrupted_or_has_something(loaded, tmp_path):
    run = find_run(loaded, tmp_path / "runs")
    end_with(run, Interrupted("Ctrl-C"))
    end_with(find_run(loaded, tmp_path / "runs"), UserError("refused"))
    assert find_run(loaded, tmp_path / "runs") == run
    for number, work in enumerate(
        (lambda one: (one.trainings / "some").mkdir(), lambda one: one.write_result(result("lr-sweep")))
    ):
        other = find_run(changed(loaded, seed=number + 1), tmp_path / "runs")
        end_with(other, UserError("found by another command"), work)
        assert is_run(other.path)


def run_refused(loaded, path, *names, **options):
    with pytest.raises(UserError) as caught:
        run_steps(find_run(loaded, path), names, Options(executor="inline", **options), lambda _event: None, "r")
    return str(caught.value)


def test_what_a_command_refuses_leaves_nothing_but_a_step_that_is_wanting_can_be_made_up(loaded, tmp_path):
    runs = tmp_path / "runs"
    searched = Loaded(changed(loaded).recipe.model_copy(update={"search": {"model.args.hidden": [[4], [0]]}}), tmp_path)
    assert "search.model.args.hidden: [0]" in run_refused(searched, runs, "check-init-loss", "coarse-grid")
    assert "hidden" in run_refused(changed(loaded, **{"model.args.hidden": [0]}), runs, "check-init-loss")
    assert "storage" in run_refused(loaded, runs, "check-init-loss", storage="nothing://of/it")
    assert list(runs.iterdir()) == []
    assert "`tunekit lr-sweep r` first" in run_refused(loaded, runs, "coarse-grid")
    assert is_run(runs / "small-001")


def test_a_run_works_from_where_it_lies(loaded, tmp_path):
    run = find_run(loaded, tmp_path / "runs")
    again = read_recipe(run.path / "recipe.yaml")
    assert again.recipe == loaded.recipe
    assert again.folder == loaded.folder
    assert open_run(run.path) == run


def test_settings_of_steps_may_change_on_a_run_and_stay(loaded, tmp_path):
    run = find_run(loaded, tmp_path / "runs")
    open_run(run.path, ("steps.fine-run.epochs=40",)).keep_settings()
    assert open_run(run.path).recipe.settings("fine-run").epochs == 40
    # The run is still that of the recipe as it was given.
    assert find_run(loaded, tmp_path / "runs").path == run.path
    with pytest.raises(UserError, match="only `steps`, `train`, `search`, `accept` change"):
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
    run = find_run(loaded, tmp_path / "runs")
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
        find_run(loaded, tmp_path / "runs", name)
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_no_run_is_never_written_into(loaded, tmp_path):
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="exists and is no run"):
        find_run(loaded, tmp_path / "runs", "mine")


def test_a_result_round_trips_and_holds_no_nan(loaded, tmp_path):
    run = find_run(loaded, tmp_path / "runs")
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
    run = find_run(loaded, tmp_path / "runs")
    run.write_result(result("lr-sweep"))
    (run.path / "lr-sweep/result.json").write_text(damage)
    assert run.result("lr-sweep") is None


def test_a_run_has_one_owner_and_says_who(loaded, tmp_path):
    run = find_run(loaded, tmp_path / "runs")
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


class TestWhatLeadsOutOfARun:
    @pytest.fixture
    def run(self, loaded, tmp_path):
        run = find_run(loaded, tmp_path / "runs")
        (tmp_path / "secret").write_text("secret")
        return run

    @pytest.mark.parametrize("name", ["studies.journal", "trainings/a", "lr-sweep", "recipe.yaml", "environment.json"])
    def test_a_link_is_refused_with_its_place(self, run, tmp_path, name):
        link = run.path / name
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / "secret")
        for opens in (read_run, open_run):
            with pytest.raises(
                UserError, match=f"^{re.escape(str(link))}: is a link to .*secret, outside the run; rem"
            ):
                opens(run.path)

    def test_a_pipe_is_refused(self, run):
        os.mkfifo(run.path / "result.json")
        with pytest.raises(UserError, match=r"result\.json: is neither file nor folder; remove it"):
            read_run(run.path)

    def test_a_link_within_and_a_run_behind_a_link_are_fine(self, run, tmp_path):
        (run.path / "again.yaml").symlink_to("recipe.yaml")
        (tmp_path / "link").symlink_to(run.path)
        assert read_run(tmp_path / "link").path == run.path


class TestMoved:
    @pytest.fixture
    def project(self, tmp_path):
        """A recipe, a module beside it, and a run of it."""
        place = tmp_path / "project"
        place.mkdir()
        (place / "net.py").write_text("def net(): pass\n")
        (place / "r.yaml").write_text("name: r\ndata: {target: digits}\nmodel: {target: 'net:net'}\n")
        find_run(read_recipe(place / "r.yaml"), place / "runs").note(facts={"sources": {"net.py": "1"}})
        return place

    def test_a_project_that_moved_goes_on(self, project, tmp_path):
        moved = project.rename(tmp_path / "moved")
        assert open_run(moved / "runs/r-001").folder == moved
        assert find_run(read_recipe(moved / "r.yaml"), moved / "runs").name == "r-001"

    def test_the_copy_of_a_project_is_on_its_own(self, project, tmp_path):
        shutil.copytree(project, tmp_path / "copy")
        assert open_run(tmp_path / "copy/runs/r-001").folder == tmp_path / "copy"
        assert open_run(project / "runs/r-001").folder == project

    def test_a_run_that_moved_alone_finds_its_code_where_it_was(self, project, tmp_path):
        (tmp_path / "disk/runs").mkdir(parents=True)
        moved = (project / "runs/r-001").rename(tmp_path / "disk/runs/r-001")
        assert open_run(moved).folder == project

    def test_code_that_is_gone_is_asked_for_and_found_by_the_recipe(self, project, tmp_path):
        runs = (project / "runs").rename(tmp_path / "runs")
        new = project.rename(tmp_path / "deep")
        with pytest.raises(UserError, match=r"code is gone \(.*project\); .*`tunekit run RECIPE --name r-001"):
            open_run(runs / "r-001")
        assert read_run(runs / "r-001").name == "r-001"
        loaded = read_recipe(new / "r.yaml")
        for found in (find_run(loaded, runs, "r-001"), find_run(loaded, runs)):
            assert (found.name, found.folder) == ("r-001", new)
        assert open_run(runs / "r-001").folder == new

    def test_the_best_recipe_works_where_the_run_lies_now(self, project, tmp_path):
        moved = project.rename(tmp_path / "moved")
        shutil.copy(moved / "runs/r-001/recipe.yaml", moved / "runs/r-001/best.yaml")
        assert read_recipe(moved / "runs/r-001/best.yaml").folder == moved


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "3",
        '{"format": true}',
        '{"format": "x", "steps": 3}',
        '{"steps": [1, null, ["x"], "../../x", "/etc", ""]}',
        '{"recipe": {"steps": [1]}}',
        '{"recipe": {"steps": {"../x": 1}}}',
        '{"recipe": "x", "facts": "x", "studies": "x", "versions": []}',
        '{"recipe_folder": 3, "recipe_beside": [1], "facts": {"sources": 3}}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_a_manifest_of_anything_is_read(loaded, tmp_path, manifest):
    run = find_run(loaded, tmp_path / "runs")
    (run.path / "environment.json").write_text(manifest)
    run = read_run(run.path)
    assert run.steps() == []
    assert isinstance(run.format, int)
    assert not run.finished()


def test_commands_name_the_run_as_it_is_typed_now():
    finding = Finding("c", "warn", "m", advice=("words",), remedies=(Remedy("lr-sweep", {"a": 1}),))
    result = StepResult("lr-sweep", "warn", "s", (finding,), remedies=(Remedy("coarse-grid"),))
    once = with_commands(result, "runs/a")
    assert once.next == "tunekit coarse-grid runs/a"
    assert once.findings[0].advice[0] == "words"
    assert "runs/a" in once.findings[0].advice[1]
    assert with_commands(once, "runs/a") == once
    assert with_commands(with_commands(once, "runs/b"), "runs/a") == once
    assert with_commands(once, "runs/b").next == "tunekit coarse-grid runs/b"


def test_commands_in_what_a_page_shows_besides_name_the_run():
    details = {"advice": ("look: `tunekit lr-sweep RECIPE`",), "odds": [{"words": "`tunekit inspect RECIPE`"}], "n": 1}
    told = with_commands(StepResult("diagnose", "warn", "s", details=details), "runs/a").details
    assert told["advice"] == ["look: `tunekit lr-sweep runs/a`"]
    assert told["odds"] == [{"words": "`tunekit inspect runs/a/recipe.yaml`"}]
    assert told["n"] == 1


def test_a_command_that_the_words_of_a_finding_hold_is_said_once():
    finding = Finding("c", "warn", "m", advice=("look: `tunekit inspect RECIPE`", "or"), remedies=(Remedy("inspect"),))
    made = with_commands(StepResult("s", "warn", "m", (finding,)), "runs/a")
    assert made.findings[0].advice == ("look: `tunekit inspect runs/a/recipe.yaml`", "or")
    assert made.next == "tunekit inspect runs/a/recipe.yaml"
    assert with_commands(made, "runs/a") == made
