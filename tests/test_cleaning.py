"""`tunekit clean`: what goes, what stays, and that a cleaned run goes on to the same numbers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.commands import FAST, spawn, without_seconds
from tunekit.rundir import read_run
from tunekit.store import is_sound

RESULTS = ("config.json", "metrics.csv", "validations.bin", "result.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder with a run that went to its end."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "fast.yaml").write_text(FAST)
    assert spawn("run", "fast.yaml", "--name", "r", "--jobs", "1", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def run(whole, tmp_path) -> Path:
    """The run, in the folder of the test's commands."""
    shutil.copytree(whole / "runs", tmp_path / "runs", copy_function=shutil.copy2)
    manifest = tmp_path / "runs/r/environment.json"
    manifest.write_text(manifest.read_text().replace(str(whole), str(tmp_path)))
    shutil.copy(whole / "fast.yaml", tmp_path)
    return tmp_path / "runs/r"


def contents(folder: Path) -> dict[str, bytes]:
    """Files by name, but those of the lock that a command holds."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", ".owner")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def weights(run: Path) -> list[str]:
    return sorted(str(path.relative_to(run)) for path in run.glob("trainings/*/*.pt"))


def winner(run: Path) -> str:
    return handed_on(run, "fine-run")


def handed_on(run: Path, step: str) -> str:
    return json.loads((run / step / "result.json").read_text())["handoff"]["training"]


def best(*trainings: str) -> list[str]:
    """Where the weights of trainings lie."""
    return sorted({f"trainings/{name}/best.pt" for name in trainings})


def wanted(run: Path) -> list[str]:
    """The weights of what a step names: the grid's best cell, and the winner, which the diagnosis is of."""
    return best(handed_on(run, "coarse-grid"), winner(run))


def test_results_stay_and_of_weights_those_that_a_step_hands_on(tunekit, run):
    before = contents(run)
    done = tunekit("clean", run, "--yes")
    assert done.code == 0, done.err
    after = contents(run)
    assert weights(run) == wanted(run)
    assert is_sound((run / weights(run)[0]).read_bytes())
    assert {name for name in before if name.endswith(RESULTS) and ".facts" not in name} <= set(after)
    assert all(after[name] == before[name] for name in after)
    gone = set(before) - set(after)
    assert all(name.endswith(".pt") or name.startswith((".facts/", ".locks/")) for name in gone)
    assert not (run / ".facts").exists()
    assert not (run / ".locks").exists()
    assert tunekit("clean", run).out == "nothing to remove\n"


def test_without_a_terminal_it_only_shows(tunekit, run):
    before = contents(run)
    done = tunekit("clean", run)
    assert done.code == 0
    assert contents(run) == before
    assert "to make it again" in done.out
    assert " iterations; results, metrics and studies stay" in done.out
    assert f"stays: trainings/{winner(run)}/best.pt" in done.out
    assert f"nothing was removed; `tunekit clean {run} --yes` removes them" in done.out


@pytest.mark.parametrize(("answer", "removes"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks(tunekit, run, monkeypatch, answer, removes):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    before = contents(run)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    done = tunekit("clean", run)
    assert done.code == 0, done.err
    assert ("nothing was removed" in done.out) is not removes
    assert (contents(run) != before) is removes


def test_json_names_every_file_with_its_bytes_and_iterations(tunekit, run):
    said = json.loads(tunekit("clean", run, "--json").out)
    files = [name for one in said["goes"] for name in one["files"]]
    assert said["removed"] is False
    assert said["bytes"] == sum((run / name).stat().st_size for name in files)
    assert said["stays"] == wanted(run)
    assert set(weights(run)) == {name for name in files if name.endswith(".pt")} | set(said["stays"])
    for one in said["goes"]:
        if one["training"]:
            rows = (run / "trainings" / one["training"] / "metrics.csv").read_text().count("\n") - 1
            assert one["iterations"] == rows > 0
    assert json.loads(tunekit("clean", run, "--json", "--yes").out)["removed"] is True
    assert not any((run / name).exists() for name in files)


def test_a_cleaned_run_stands_and_can_be_read(tunekit, run):
    assert tunekit("clean", run, "--yes").code == 0
    assert "6/6" in tunekit("status").out
    assert tunekit("report", run).code == 0
    assert tunekit("diagnose", run).code == 0
    done = tunekit("run", run, "--jobs", 1)
    assert done.code == 0
    assert done.out.count("(finished before)") == 6
    assert weights(run) == wanted(run)


def test_a_cleaned_run_goes_on_to_the_numbers_of_one_that_was_not_cleaned(tunekit, run):
    other = run.parent / "other"
    shutil.copytree(run, other)
    assert tunekit("clean", run, "--yes").code == 0
    for path in (run, other):
        assert tunekit("run", path, "--jobs", 1, "--set", "steps.fine-run.epochs=5").code == 0
    for step in read_run(run).steps():
        assert without_seconds(run / step / "result.json") == without_seconds(other / step / "result.json")
    best = f"trainings/{winner(run)}/best.pt"
    assert (run / best).read_bytes() == (other / best).read_bytes()
    for path in run.glob("trainings/*/metrics.csv"):
        assert path.read_bytes() == (other / path.relative_to(run)).read_bytes()


def test_the_final_model_stays(tunekit, run):
    path = run / "recipe.yaml"
    path.write_text(path.read_text().replace("name: constant", "name: cosine"))
    trained = json.loads(tunekit("train", run, "--epochs", 2, "--json").out)["weights"]
    assert tunekit("clean", run, "--yes").code == 0
    schedules = {
        path: json.loads((run / path).with_name("config.json").read_text())["schedule"] for path in weights(run)
    }
    by_train = {path for path, schedule in schedules.items() if schedule["name"] == "cosine"}
    assert len(by_train) == 1
    assert weights(run) == sorted({*wanted(run), *by_train, str(Path(trained).relative_to(run))})


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def another(run: Path) -> str:
    """A training with weights that no step names."""
    return next(Path(path).parent.name for path in weights(run) if path.endswith("best.pt") and path not in wanted(run))


def test_the_winner_stays_that_was_found_after_the_diagnosis(tunekit, run):
    after = another(run)
    change(run / "fine-run/result.json", handoff={"training": after})
    assert handed_on(run, "diagnose") != after
    assert tunekit("clean", run, "--yes").code == 0
    assert weights(run) == best(after, handed_on(run, "diagnose"), handed_on(run, "coarse-grid"))


def test_what_best_yaml_names_stays(tunekit, run):
    named = another(run)
    shutil.rmtree(run / "fine-run")
    shutil.rmtree(run / "diagnose")
    lines = (run / "best.yaml").read_text().splitlines()
    lines[0] = lines[0].rpartition("trainings/")[0] + f"trainings/{named}/best.pt"
    (run / "best.yaml").write_text("\n".join(lines))
    assert tunekit("clean", run, "--yes").code == 0
    assert weights(run) == best(named, handed_on(run, "coarse-grid"))


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("[" * 50_000)], ids=["gone", "damaged"])
def test_where_no_result_can_be_read_all_best_weights_stay(tunekit, run, harm):
    before = weights(run)
    for path in run.glob("*/result.json"):
        harm(path)
    assert tunekit("clean", run, "--yes").code == 0
    assert weights(run) == [path for path in before if path.endswith("best.pt")]


def test_where_one_result_is_damaged_all_best_weights_stay(tunekit, run):
    before = weights(run)
    (run / "fine-run/result.json").write_text("{")
    assert tunekit("clean", run, "--yes").code == 0
    assert weights(run) == [path for path in before if path.endswith("best.pt")]


def test_a_training_whose_configuration_is_nested_too_deeply_keeps_its_best_weights(tunekit, run):
    name = another(run)
    (run / "trainings" / name / "config.json").write_text("[" * 50_000)
    assert tunekit("clean", run, "--yes").code == 0
    assert weights(run) == sorted([*wanted(run), *best(name)])


def test_more_trainings_than_a_process_may_open_files(run):
    for number in range(300):
        (run / f".locks/{number:012x}.lock").touch()
    code = (
        "import resource, sys\nfrom tunekit import cli\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
        f"sys.argv = ['tunekit', 'clean', {str(run)!r}, '--yes']\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (run / ".locks").exists()
    assert weights(run) == wanted(run)


def test_what_is_a_persons_own_stays_and_what_was_half_written_goes(tunekit, run):
    training = next(run.glob("trainings/lr*"))
    own = [
        run / "checkpoint.pt",
        run / "trainings/mine/checkpoint.pt",
        run / "trainings/best.pt",
        training / "notes.txt",
        training / "own.pt",
        run / "lr-sweep/best.pt",
        run / ".locks/mine.txt",
        run / ".facts/mine.json",
    ]
    half = [
        run / ".recipe.yaml.12.part",
        training / ".checkpoint.pt.123.part",
        run / "lr-sweep/.result.json.9.part",
        run / ".data/0123456789ab.pt",
        run / ".data/.0123456789ab.7.part",
    ]
    for path in (*own, *half):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert tunekit("clean", run, "--yes").code == 0
    assert all(path.exists() for path in own)
    assert not any(path.exists() for path in half)
    assert not (run / ".data").exists()


def refused(done, told: str) -> None:
    assert done.code == 2
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_a_run_at_work_is_left_alone(tunekit, run):
    before = contents(run)
    with read_run(run).lock():
        refused(tunekit("clean", run, "--yes"), "is working on this run")
    assert contents(run) == before


def test_a_worker_that_outlived_its_command_is_left_alone(tunekit, run):
    before = contents(run)
    with FileLock(next(run.glob(".locks/*.lock"))):
        refused(tunekit("clean", run, "--yes"), "still trains in this run")
        assert set(contents(run)) == set(before)


@pytest.mark.parametrize("place", ["trainings/lr1_wd1_s0-0123456789ab", "trainings/x.pt", ".locks/y", "notes"])
def test_nothing_is_removed_through_a_link_that_leaves_the_run(tunekit, run, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "checkpoint.pt").write_bytes(b"precious")
    (run / place).symlink_to(outside)
    before = contents(run)
    refused(tunekit("clean", run, "--yes"), "outside the run")
    assert contents(run) == before
    assert (outside / "checkpoint.pt").exists()


def test_a_link_within_the_run_is_no_training(tunekit, run):
    (run / "lr-sweep/checkpoint.pt").write_bytes(b"own")
    (run / "trainings/lr1_wd1_s0-0123456789ab").symlink_to(run / "lr-sweep")
    assert tunekit("clean", run, "--yes").code == 0
    assert (run / "lr-sweep/checkpoint.pt").exists()


def test_a_manifest_names_no_place_outside(tunekit, run, tmp_path):
    manifest = json.loads((run / "environment.json").read_text())
    manifest["steps"].append("../../elsewhere")
    (run / "environment.json").write_text(json.dumps(manifest))
    part = tmp_path / "elsewhere/.result.json.9.part"
    part.parent.mkdir()
    part.write_bytes(b"x")
    assert tunekit("clean", run, "--yes").code == 0
    assert part.exists()


def test_a_run_of_another_format_is_left_alone(tunekit, run):
    manifest = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**manifest, "format": 2}))
    before = contents(run)
    refused(tunekit("clean", run, "--yes"), "another version of tunekit (format 2")
    assert contents(run) == before


def test_it_imports_nobodys_code(run):
    code = (
        "import sys\nfrom tunekit import cli\n"
        f"sys.argv = ['tunekit', 'clean', {str(run)!r}, '--yes']\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print([name for name in ('torch', 'optuna', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_final_model_that_was_removed_is_made_again(tunekit, run):
    first = Path(json.loads(tunekit("train", run, "--epochs", 2, "--json").out)["weights"])
    made = first.read_bytes()
    first.unlink()
    again = tunekit("train", run, "--epochs", 2, "--json")
    assert Path(json.loads(again.out)["weights"]).read_bytes() == made


def named_in_best_yaml(run: Path) -> Path:
    return run / (run / "best.yaml").read_text().splitlines()[0].split("weights in ")[1]


@pytest.mark.parametrize("changes", [(), ("--set", "steps.fine-run.epochs=1")], ids=["as it was", "another winner"])
def test_weights_that_were_removed_are_made_again_before_a_step_hands_them_on(tunekit, run, changes):
    other = run.parent / "other"
    shutil.copytree(run, other)
    for path in run.glob("trainings/*/*.pt"):
        path.unlink()
    for path in (run, other):
        done = tunekit("run", path, "--jobs", 1, *changes)
        assert done.code == 0, done.err
        assert (" its weights were removed; it is trained anew" in done.out) is (path == run)
    made = named_in_best_yaml(run)
    assert made.read_bytes() == (other / made.relative_to(run)).read_bytes()
    assert set(wanted(run)) <= set(weights(run))
    for path in run.glob("trainings/*/metrics.csv"):
        assert path.read_bytes() == (other / path.relative_to(run)).read_bytes()
    again = tunekit("run", run, "--jobs", 1)
    assert again.out.count("(finished before)") == 6
