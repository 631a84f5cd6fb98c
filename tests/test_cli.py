"""The commands as a person gives them: exit codes, the one clear line, JSON on standard output."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.commands import FAST, Done, Page, recipe, spawn, without_seconds
from tests.conftest import every_other_day
from tunekit.steps import step_names

RECIPES = Path(__file__).parent.parent / "recipes"


class TestBadInput:
    """Each gives one line that says what, where and how to mend it, exit code 2, and no traceback."""

    def check(self, done: Done, *words: str) -> None:
        assert done.code == 2, (done.out, done.err)
        assert "Traceback" not in done.err + done.out
        lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.err
        for word in words:
            assert word in lines[0]

    def test_no_such_file(self, tunekit):
        self.check(tunekit("run", "missing.yaml"), "missing.yaml", "no such recipe file or run")

    def test_not_yaml(self, tunekit, tmp_path):
        (tmp_path / "broken.yaml").write_text("name: a\ndata: {target: digits\n")
        self.check(tunekit("run", "broken.yaml"), "broken.yaml, line", "YAML")

    def test_unknown_key(self, tunekit, tmp_path):
        (tmp_path / "r.yaml").write_text(FAST + "optimiser: {lr: 1}\n")
        self.check(tunekit("run", "r.yaml"), "unknown key 'optimiser'", "did you mean 'optimizer'", "line")

    def test_wrong_type(self, tunekit, tmp_path):
        path = recipe(tmp_path, batch_size="many")
        self.check(tunekit("run", path), "batch_size", "whole number", "'many'", "line")

    def test_several_faults_are_told_at_once(self, tunekit, tmp_path):
        done = tunekit("run", recipe(tmp_path, batch_size="many", seed="-1"))
        assert done.code == 2
        assert sum(line.startswith("error: ") for line in done.err.splitlines()) == 2

    def test_module_that_does_not_import(self, tunekit, tmp_path):
        path = recipe(tmp_path, model="{target: 'nowhere:build'}")
        self.check(tunekit("check-init-loss", path), "model.target", "nowhere")

    def test_module_with_a_syntax_error(self, tunekit, tmp_path):
        (tmp_path / "torn_module.py").write_text("def build(:\n")
        path = recipe(tmp_path, model="{target: 'torn_module:build'}")
        self.check(tunekit("check-init-loss", path), "SyntaxError", "torn_module.py, line 1")

    def test_callable_that_raises(self, tunekit, tmp_path):
        (tmp_path / "raising_model.py").write_text("def build():\n    raise ValueError('no weights here')\n")
        path = recipe(tmp_path, model="{target: 'raising_model:build'}")
        self.check(tunekit("check-init-loss", path), "no weights here", "raising_model.py, line 2")

    def test_model_whose_forward_raises(self, tunekit, tmp_path):
        (tmp_path / "raising_forward.py").write_text(
            "from torch import nn\n"
            "class Net(nn.Module):\n"
            "    def __init__(self):\n        super().__init__()\n        self.a = nn.Linear(64, 10)\n"
            "    def forward(self, x):\n        return self.a(x)\n"
        )
        path = recipe(tmp_path, model="{target: 'raising_forward:Net'}")
        self.check(tunekit("check-init-loss", path), "raising_forward.py, line 7")

    def test_empty_dataset(self, tunekit, tmp_path):
        (tmp_path / "empty_data.py").write_text(
            "import torch\nfrom torch.utils.data import TensorDataset\n"
            "def load():\n    return TensorDataset(torch.zeros(0, 64), torch.zeros(0, dtype=torch.long))\n"
        )
        self.check(tunekit("check-init-loss", recipe(tmp_path, data="{target: 'empty_data:load'}")), "empty")

    def test_unknown_source_model_optimizer_loss_metric(self, tunekit, tmp_path):
        self.check(tunekit("check-init-loss", recipe(tmp_path, data="{target: digit}")), "data.target", "digits")
        self.check(tunekit("check-init-loss", recipe(tmp_path, model="{target: nlp}")), "model.target", "mlp")
        self.check(tunekit("check-init-loss", recipe(tmp_path, loss="cross")), "loss", "cross_entropy")
        self.check(tunekit("check-init-loss", recipe(tmp_path, metric="precise")), "metric", "accuracy")
        self.check(tunekit("lr-sweep", recipe(tmp_path, optimizer="{target: adan}"), "--jobs", 1), "optimizer", "adam")

    def test_run_folder_that_is_none(self, tunekit, tmp_path):
        (tmp_path / "folder").mkdir()
        self.check(tunekit("lr-sweep", "folder"), "folder", "no run of tunekit")

    def test_name_that_leaves_the_folder(self, tunekit, fast):
        self.check(tunekit("run", fast, "--name", "../x"), "--name ../x")
        assert not (fast.parent.parent / "x").exists()

    def test_locked_run(self, tunekit, fast):
        done = tunekit("check-init-loss", fast, "--name", "held")
        assert done.code == 0
        with FileLock(fast.parent / "runs" / "held" / ".lock"):
            self.check(tunekit("overfit-tiny", "runs/held"), "another tunekit", "wait")

    def test_runs_dir_that_is_a_file(self, tunekit, fast, tmp_path):
        (tmp_path / "file").write_text("")
        for more in ((), ("--name", "x")):
            self.check(tunekit("run", fast, "--runs-dir", "file", *more), "file: is not a folder; choose another place")

    def test_step_without_its_hand_off_names_the_command(self, tunekit, fast):
        self.check(tunekit("coarse-grid", fast, "--name", "bare", "--jobs", 1), "tunekit lr-sweep runs/bare")

    def test_name_of_another_recipes_run(self, tunekit, fast):
        assert tunekit("check-init-loss", fast, "--name", "taken").code == 0
        done = tunekit("check-init-loss", fast, "--name", "taken", "--set", "seed=5")
        self.check(done, "--name taken", "another recipe")

    def test_set_on_a_run_is_held_to_steps_and_search(self, tunekit, fast):
        assert tunekit("check-init-loss", fast, "--name", "fixed").code == 0
        self.check(tunekit("overfit-tiny", "runs/fixed", "--set", "batch_size=8"), "batch_size", "steps", "search")

    @pytest.mark.parametrize(
        "words",
        [("--budget", "soon"), ("--jobs", "0"), ("--executor", "cloud"), ("--set", "batch_size"), ("--to", "end")],
    )
    def test_options(self, tunekit, fast, words):
        self.check(tunekit("run", fast, *words), words[1])

    def test_device_that_is_not_there(self, tunekit, fast):
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has a GPU")
        self.check(tunekit("check-init-loss", fast, "--device", "cuda"), "device", "cuda")

    def test_diagnose_of_nothing(self, tunekit, tmp_path):
        self.check(tunekit("diagnose", tmp_path / "nowhere"), "nowhere")
        (tmp_path / "log.csv").write_text("epoch,train_loss,val_loss\n" + "1,1.0,1.0\n" * 5)
        self.check(tunekit("diagnose", tmp_path / "log.csv", "--set", "seed=1"), "is read as a log", "--set")


def test_disk_that_takes_no_more_is_one_line_and_the_run_goes_on_later(tunekit, fast, tmp_path):
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    words = ("run", fast, "--name", "full", "--jobs", "1")
    done = spawn(*words, cwd=tmp_path, preexec_fn=small_files)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr
    again = tunekit(*words)
    assert again.code == 0, again.err
    assert not list((tmp_path / "runs/full").rglob(".*.part"))


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['tunekit', '--help']\n"
        "from tunekit.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'optuna', 'matplotlib', 'torchvision', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "check-init-loss" in done.stdout


def test_diagnose_of_a_log_imports_no_torch(tmp_path):
    rows = "\n".join(f"{k},{2.3 * 0.9**k + 0.1},{2.3 * 0.9**k + 0.12}" for k in range(40))
    (tmp_path / "log.csv").write_text(f"epoch,loss,val_loss\n{rows}\n")
    code = (
        f"import sys; sys.argv = ['tunekit', 'diagnose', {str(tmp_path)!r}]\n"
        "from tunekit.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'optuna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_step_is_begun_without_what_only_importances_and_figures_need():
    code = (
        "import sys; import tunekit.pipeline\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'matplotlib', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "fast.yaml").write_text(FAST)
    done = spawn("run", "fast.yaml", "--jobs", "1", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [result["step"] for result in told["results"]] == list(step_names())
    return folder / told["run"]


class TestWholeRun:
    """One walk through all six steps, looked at from all sides."""

    def results(self, run: Path) -> dict[str, dict]:
        return {step: json.loads((run / step / "result.json").read_text()) for step in step_names()}

    def test_every_step_left_a_result_and_a_figure(self, run):
        for step, result in self.results(run).items():
            assert result["step"] == step
            assert result["verdict"] in ("pass", "warn", "fail")
            assert set(result) >= {"summary", "findings", "handoff", "next", "cost"}
            assert (run / step / f"{step}.png").read_bytes()[:4] == b"\x89PNG"
        assert self.results(run)["diagnose"]["diagnosis"]

    def test_the_fine_run_retrains_nothing_that_was_trained(self, run):
        results = self.results(run)
        lengths = {}
        for path in (run / "trainings").glob("*/metrics.csv"):
            lengths[path.parent.name.rpartition("-")[2]] = len(path.read_text().splitlines()) - 1
        assert results["fine-run"]["cost"]["iterations_reused"] > 0
        trained = sum(result["cost"]["iterations"] for result in results.values())
        assert trained == sum(lengths.values())
        assert results["diagnose"]["cost"]["iterations"] == 0

    def test_best_yaml_is_a_recipe_with_the_tuned_values(self, run):
        from tunekit.pipeline import read_recipe

        best = read_recipe(run / "best.yaml").recipe
        handed = self.results(run)["fine-run"]["handoff"]
        assert best.optimizer.lr == handed["lr"]
        assert best.optimizer.weight_decay == handed["weight_decay"]
        assert "val_accuracy" in handed

    def test_the_best_weights_load_with_torch_alone(self, run):
        import torch

        handed = self.results(run)["fine-run"]["handoff"]
        found = torch.load(run / "trainings" / handed["training"] / "best.pt", weights_only=True)
        assert found["model"]["1.weight"].shape == (32, 64)

    def test_the_status_is_that_of_a_finished_run(self, tunekit, run):
        done = tunekit("status", "--json", "--runs-dir", run.parent)
        assert [row["steps"] for row in json.loads(done.out)] == ["6/6"]

    def test_a_step_given_again_is_finished_before(self, tunekit, run):
        before = (run / "lr-sweep" / "result.json").read_bytes()
        done = tunekit("lr-sweep", run, "--jobs", 1)
        assert done.code == 0
        assert "finished before" in done.out
        assert (run / "lr-sweep" / "result.json").read_bytes() == before

    def test_two_processes_give_the_same_results(self, run, tmp_path):
        shutil.copy(run.parent.parent / "fast.yaml", tmp_path)
        done = spawn("run", "fast.yaml", "--jobs", "2", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        other = tmp_path / "runs" / "fast-001"
        assert sorted(p.name for p in (other / "trainings").iterdir()) == sorted(
            p.name for p in (run / "trainings").iterdir()
        )
        for step in step_names():
            assert without_seconds(other / step / "result.json") == without_seconds(run / step / "result.json")

    def test_the_final_training_and_the_page(self, tunekit, run, tmp_path):
        shutil.copytree(run.parent.parent, tmp_path, dirs_exist_ok=True)
        run = tmp_path / "runs" / run.name
        done = tunekit("train", run, "--epochs", 2, "--json")
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert told["metric"] == "val_accuracy"
        assert (tmp_path / told["weights"]).exists()
        assert tunekit("report", run).code == 0
        page = Page(run / "report.html")
        assert len(page.all("img")) == 8
        assert "no test split" in page.text

    def test_the_studies_open_in_optuna(self, run):
        import optuna
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(str(run / "studies.journal")))
        names = {study.study_name for study in optuna.get_all_study_summaries(storage=storage)}
        assert names == set(step_names())
        grid = optuna.load_study(study_name="coarse-grid", storage=storage)
        handed = self.results(run)["coarse-grid"]["handoff"]
        assert grid.best_value == pytest.approx(handed["val_accuracy"])
        assert all(trial.state.is_finished() for trial in grid.trials)

    def test_diagnose_on_the_run_prints_one_object(self, tunekit, run):
        told = json.loads(tunekit("diagnose", run, "--json").out)
        assert set(told) >= {"diagnosis", "verdict", "notes", "evidence", "advice", "source"}
        assert told["diagnosis"] == self.results(run)["diagnose"]["diagnosis"]


def test_a_failed_step_ends_the_run_with_code_1_and_keep_going_goes_on(tunekit, tmp_path):
    (tmp_path / "softmax_model.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softmax(1))\n"
    )
    path = recipe(tmp_path, model="{target: 'softmax_model:build'}")
    done = tunekit("run", path, "--jobs", 1)
    assert done.code == 1
    assert "outputs_are_probabilities" in done.out
    assert not (tmp_path / "runs/fast-001/overfit-tiny").exists()
    done = tunekit("run", path, "--jobs", 1, "--keep-going", "--to", "lr-sweep")
    assert done.code == 1
    assert (tmp_path / "runs/fast-001/lr-sweep/result.json").exists()
    assert "failed: check-init-loss" in done.out.splitlines()[-1]
    done = tunekit("run", path, "--jobs", 1, "--keep-going")
    holds, failed = done.out.splitlines()[-2:]
    assert re.search("holds the tuned recipe of a run in which check-init-loss.* failed, ", holds)
    assert re.match("failed: check-init-loss.*; mend what (it names|they name) and give the same command again", failed)


def test_an_edited_source_file_is_noticed(tunekit, tmp_path):
    module = tmp_path / "edited_model.py"
    module.write_text("from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n")
    path = recipe(tmp_path, model="{target: 'edited_model:build'}")
    words = ("check-init-loss", path, "--name", "edited")
    first = tunekit(*words)
    assert first.code == 0, first.err
    module.write_text(module.read_text().replace("nn.Linear(64, 10)", "nn.Linear(64, 10), nn.ReLU()"))
    second = spawn(*words, cwd=tmp_path)
    assert second.returncode == 1
    assert "outputs_clipped" in second.stdout


def test_the_command_that_is_said_to_go_on_goes_on_with_that_run_and_all_that_was_given(tunekit, fast, tmp_path):
    given = ("--runs-dir", "my runs", "--name", "first", "--set", "seed=3", "--to", "lr-sweep", "--jobs", "1")
    done = tunekit("run", fast, *given, "--budget", "0.05s")
    assert done.code == 130
    again = re.search("`(.*)` goes on from here", done.err)[1]
    program, *rest = shlex.split(again)
    assert program == "tunekit"
    done = tunekit(*rest)
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "my runs").iterdir()] == ["first"]
    assert not (tmp_path / "runs").exists()
    run = tmp_path / "my runs" / "first"
    assert yaml.safe_load((run / "recipe.yaml").read_text())["seed"] == 3
    assert {path.parent.name for path in run.glob("*/result.json")} == {"check-init-loss", "overfit-tiny", "lr-sweep"}
    following = json.loads((run / "lr-sweep/result.json").read_text())["next"]
    assert following == "tunekit coarse-grid 'my runs/first'"


def test_a_run_of_an_older_format_is_read_by_every_reading_command_and_not_trained_on(tunekit, fast, tmp_path):
    run = tmp_path / "runs/r"
    (run / "lr-sweep").mkdir(parents=True)
    (run / "recipe.yaml").write_text("name: r\nold_key: 1\n")
    (run / "environment.json").write_text(json.dumps({"recipe_folder": str(tmp_path), "recipe": {"name": "r"}}))
    old = {"step": "lr-sweep", "verdict": "pass", "summary": "Rate 3e-3.", "findings": [], "handoff": {"lr": 3e-3}}
    (run / "lr-sweep/result.json").write_text(json.dumps({**old, "table": [], "details": {}, "next": "", "cost": {}}))
    assert "Rate 3e-3." in tunekit("status", "runs/r").out
    assert "Rate 3e-3." in tunekit("status").out
    assert tunekit("report", "runs/r").code == 0
    assert "Rate 3e-3." in Page(run / "report.html").text
    for words in (("run",), ("coarse-grid",), ("train",), ("lr-sweep",)):
        done = tunekit(*words, "runs/r")
        assert done.code == 2
        assert "it can be read, not trained on" in done.err
        assert len(done.err.splitlines()) == 1
    assert not (run / "studies.journal").exists()
    training = run / "trainings" / "t"
    training.mkdir(parents=True)
    rows = "\n".join(f"{k},{k / 10},0.1,{2.3 * 0.9**k + 0.1},0.5,," for k in range(1, 41))
    header = "iteration,epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy"
    (training / "metrics.csv").write_text(f"{header}\n{rows}\n")
    (run / "fine-run").mkdir()
    (run / "fine-run/result.json").write_text(json.dumps({**old, "step": "fine-run", "handoff": {"training": "t"}}))
    assert json.loads(tunekit("diagnose", "runs/r", "--json").out)["diagnosis"] == "no_validation"


def test_a_fine_run_that_is_set_shorter_than_the_grid_loses_nothing_and_says_so(tunekit, tmp_path):
    text = FAST.replace("epochs: 1, extend", "epochs: 3, extend").replace(
        "epochs: 3, lr_factors", "epochs: 1, lr_factors"
    )
    (tmp_path / "r.yaml").write_text(text)
    done = tunekit("run", "r.yaml", "--name", "r", "--jobs", 1)
    assert done.code == 0, done.err
    assert "fine_run_lengthened" in done.out
    run = tmp_path / "runs/r"
    grid, fine = (
        json.loads((run / step / "result.json").read_text())["handoff"] for step in ("coarse-grid", "fine-run")
    )
    assert fine["val_accuracy"] >= grid["val_accuracy"]
    first = (run / "best.yaml").read_text().splitlines()[0]
    weights = re.search(r"weights in (\S+)$", first)[1]
    assert weights == f"trainings/{fine['training']}/best.pt"
    assert (run / weights).exists()
    assert (run / "trainings" / grid["training"] / "best.pt").exists()


def test_budget_ends_with_130_and_the_same_command_goes_on(tunekit, fast):
    words = ("run", fast, "--jobs", 1, "--name", "short", "--to", "lr-sweep")
    done = tunekit(*words, "--budget", "0.05s")
    assert done.code == 130
    assert "goes on from here" in done.err
    done = tunekit(*words)
    assert done.code == 0, done.err


def test_alone_it_shows_the_six_steps_and_where_to_begin(tunekit, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = tunekit()
    text = shown.out + shown.err
    assert [f"{place}. " in text for place in range(1, 7)] == [True] * 6
    begin = re.findall("`tunekit ([^`]+)`", text.partition("To begin: ")[2])
    assert begin == ["init digits", "run digits.yaml", "init own-model"]
    for words in begin:
        assert tunekit(*words.split(), *(["--dry-run"] if words.startswith("run") else [])).code == 0


def test_around_commands(tunekit, tmp_path):
    names = {item["name"] for item in json.loads(tunekit("recipes", "--json").out)}
    assert names == {path.stem for path in RECIPES.rglob("*.yaml")}
    assert len(names) >= 12
    assert tunekit("init", "digits").code == 0
    assert tunekit("init", "digits").code == 2  # never overwritten unasked
    for goal, written in (("new/", "new/digits.yaml"), ("plain", "plain/digits.yaml"), ("a.yml", "a.yml")):
        done = tunekit("init", "digits", goal)
        assert (done.code, Path(written).is_file()) == (0, True)
        assert done.out.startswith(f"{written} written")
    assert tunekit("init", "digits", "new").code == 2
    assert "sound" in tunekit("validate", "digits.yaml").out
    told = json.loads(tunekit("inspect", "digits.yaml", "--json").out)
    assert told["data"]["train"]["size"] == 1438
    assert json.loads(tunekit("explain", "overfit", "--json").out)["severity"] == "warn"
    assert tunekit("explain", "ovrfit").code == 2
    assert json.loads(tunekit("explain", "few_samples", "--json").out)["steps"] == ["inspect"]
    assert "no runs" in tunekit("status").out
    assert tunekit("--version").out.startswith("tunekit ")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
class TestOutputThatNobodyReads:
    """The command does its work, and its exit code is that of its verdict."""

    def shell(self, words: str, after: str, folder: Path, **environment: str) -> Done:
        line = f"set -o pipefail; {sys.executable} -m tunekit.cli {words} {after}"
        environment = {**os.environ, **environment}
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, env=environment)
        return Done(done.returncode, done.stdout, done.stderr)

    @pytest.mark.parametrize("words", ["explain", "recipes", "check-init-loss fast.yaml", "diagnose log.csv"])
    @pytest.mark.parametrize("after", every_other_day(["| head -c 1", "| true", ">/dev/full 2>&-", ">&-"]))
    def test_is_no_failure(self, fast, tmp_path, words, after):
        (tmp_path / "log.csv").write_text("epoch,loss\n" + "".join(f"{n},{1 / n}\n" for n in range(1, 20)))
        done = self.shell(words, after, tmp_path)
        assert "Traceback" not in done.err
        if after == ">/dev/full 2>&-":
            assert done.code == 2  # a full disk is none of these
            return
        assert (done.code, done.err) == (0, "")
        if "fast" in words:
            assert (tmp_path / "runs/fast-001/check-init-loss/result.json").exists()
            assert (tmp_path / "runs/fast-001/report.html").exists()

    def test_a_failed_step_stays_one(self, fast, tmp_path):
        done = self.shell(
            "lr-sweep fast.yaml --jobs 1 --set steps.lr-sweep.high=1e-14 --set steps.lr-sweep.low=1e-15",
            "| true",
            tmp_path,
        )
        assert done.code == 1

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
    def test_letters_that_the_terminal_does_not_have(self, tmp_path, encoding):
        (tmp_path / "größe☃.csv").write_text("epoch,loss\n" + "".join(f"{n},{1 / n}\n" for n in range(1, 20)))
        done = subprocess.run(
            [sys.executable, "-m", "tunekit.cli", "diagnose", "größe☃.csv"],
            cwd=tmp_path,
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize("jobs", ["²", "٣", "-1", "1e3", "9" * 5000, "99999"])
def test_a_number_of_workers_is_written_in_plain_digits(tunekit, fast, jobs):
    done = tunekit("run", fast, "--jobs", jobs)
    assert done.code == 2
    assert "a number of worker processes, 1 to 1,024, or auto" in done.err


@pytest.mark.parametrize("schedule", ["cosine", "linear", "one-cycle"])
def test_a_schedule_whose_end_is_not_known_yet_is_sound(tunekit, fast, schedule):
    assert tunekit("validate", fast, "--set", f"schedule={schedule}").code == 0


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("tunekit lr", ["lr-sweep"]),
        ("tunekit run --dry", ["--dry-run"]),
        ("tunekit run ", ["own.yaml", "recipes/a.yaml", "runs/digits-001"]),
        ("tunekit run ./o", ["./own.yaml"]),
        ("tunekit run runs/", ["runs/digits-001"]),
        ("tunekit status ", ["runs/digits-001"]),
        ("tunekit compare runs/digits-001 ru", ["runs/digits-001"]),
        ("tunekit run nowhere/", []),
        ("tunekit run sp", []),  # needs quotes: without an offer the shell completes files itself, and quotes them
        ("tunekit validate ", ["own.yaml", "recipes/a.yaml"]),
        ("tunekit run own.yaml --to over", ["overfit-tiny"]),
        ("tunekit run own.yaml --executor p", ["processes"]),
        ("tunekit train own.yaml --device c", ["cpu", "cuda"]),
        ("tunekit explain initial_loss_h", ["initial_loss_high"]),
        ("tunekit explain adamw", ["adamw"]),
        ("tunekit diagnose ", ["runs/digits-001", "own.yaml", "recipes/a.yaml", "x.py"]),
        ("tunekit diagnose x", []),
        ("tunekit init digits-", ["digits-cnn"]),
        ("tunekit schema d", ["diagnose"]),
        ("tunekit predict runs/digits-001 --split t", ["train", "test"]),
    ],
)
def test_a_shell_completes_commands_options_recipes_and_runs(tmp_path, words, known):
    for name in (
        "runs/digits-001/environment.json",
        "runs/digits-001/recipe.yaml",
        "recipes/a.yaml",
        "own.yaml",
        "x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    for name in ("e\x1b[2Jvil", "sp ace", "it's", "a:b", "$HOME", "-x", "a&b"):
        (tmp_path / f"{name}.yaml").write_text("{}")
    asked = {"_TUNEKIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    program = "import sys; sys.argv = ['tunekit']; from tunekit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == (known, "")


@pytest.mark.parametrize(("model", "stands"), [("nope", False), ("mlp", True)])
def test_a_run_is_named_once_it_stands(tunekit, tmp_path, model, stands):
    (tmp_path / "named.yaml").write_text(f"name: named\ndata: {{target: digits}}\nmodel: {{target: {model}}}\n")
    done = tunekit("check-init-loss", "named.yaml")
    assert done.out.startswith("run runs/named-001\n\n" if stands else "")
    assert ("run runs/named-001" in done.out, Path("runs/named-001").exists()) == (stands, stands)
