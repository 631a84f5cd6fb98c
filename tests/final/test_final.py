"""The command `train`: which model is kept, the test split and how often it was looked at, and what lies in final/."""

import json
import re
from pathlib import Path

import pytest
import torch

from tests.commands import Page, spawn
from tunekit.deployed import load_model
from tunekit.shares import wilson
from tunekit.store import Store
from tunekit.vocabulary import UserError

RUN = "runs/points-001"


def rows_of(told):
    """The columns of the training whose weights were kept."""
    path = Path(told["weights"]).parent
    return Store(path.parent).by_name(path.name).rows()


def test_the_test_split_is_scored_with_its_interval_and_looks_are_counted(points, tunekit, tmp_path):
    told = points("--epochs", "4")
    test = told["test"]
    model = load_model(tmp_path / RUN, folder=tmp_path)
    import points as module

    x, y = module.clouds(40, 2)
    wrong = int((model(x).argmax(1) != y).sum())
    assert (test["n"], test["errors"], test["looks"], test["models"]) == (40, wrong, 1, 1)
    assert test["accuracy"] == pytest.approx(1 - wrong / 40)
    assert test["interval"] == pytest.approx(wilson(40 - wrong, 40))
    assert test["loss"] == pytest.approx(torch.nn.functional.cross_entropy(model(x), y).item(), rel=1e-5)
    assert sum(map(sum, told["confusion"]["counts"])) == 40
    assert sum(told["confusion"]["counts"][k][k] for k in range(3)) == 40 - wrong
    # The same model again is a second look, and another model one by which something may be chosen.
    said = tunekit("train", RUN, "--epochs", "4").out
    assert "look 2 at the test split, at the same weights" in said
    again = points("--epochs", "2", target=RUN)
    assert (again["test"]["looks"], again["test"]["models"]) == (3, 2)
    status = json.loads(tunekit("status", RUN, "--json").out)
    assert status[-1]["step"] == "train"
    assert "test split" in status[-1]["summary"]


def test_a_class_that_only_the_test_split_has_gets_an_output(points, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_LABELS", "5")
    told = points("--epochs", "1", model="{target: mlp}")
    assert (told["test"]["n"], told["test"]["errors"], told["faults"]) == (40, 40, [])
    assert load_model(tmp_path / RUN)(torch.zeros(2, 2)).shape == (2, 6)


@pytest.mark.parametrize("label", ["5", "-1"])
def test_a_test_split_that_cannot_be_scored_costs_no_weights(points, tunekit, tmp_path, monkeypatch, label):
    """The person's model has no output for its label: that is told before any training, and the model is kept."""
    points("--epochs", "1")
    monkeypatch.setenv("TEST_LABELS", label)
    (tmp_path / "runs").rename(tmp_path / "before")
    done = tunekit("train", tmp_path / "points.yaml", "--epochs", "1", "--json")
    assert done.code == 2
    early = f"data: the labels of the test split reach from {label} to {label}, and the model gives [20, 3]"
    assert early in done.err
    assert done.err.index(early) < done.err.index("error: the test split could not be scored: ")
    told = json.loads(done.out)
    assert (told["test"], told["scored_on"], len(told["faults"])) == (None, "validation", 1)
    assert Path(told["weights"]).is_file()
    assert load_model(tmp_path / RUN, folder=tmp_path)(torch.zeros(2, 2)).shape == (2, 3)
    result = json.loads((tmp_path / RUN / "final/result.json").read_text())
    assert "the test split could not be scored" in result["summary"]


def test_validation_labels_that_the_model_has_no_output_for_are_told_before_any_training(tunekit, tmp_path):
    (tmp_path / "short.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def data():\n"
        "    x, y = torch.randn(60, 2), torch.arange(60) % 3\n"
        "    return TensorDataset(x[:40], y[:40]), TensorDataset(x[40:], y[40:] + 1)\n"
        "def net(): return torch.nn.Linear(2, 3)\n"
    )
    recipe = tmp_path / "short.yaml"
    recipe.write_text("name: short\ndata: {target: 'short:data'}\nmodel: {target: 'short:net'}\nbatch_size: 20\n")
    for command in ("validate", "run"):
        done = tunekit(command, recipe)
        assert done.code == 2
        assert "data: the labels of the validation split reach from 1 to 3, and the model gives [20, 3]" in done.err


def test_a_look_counts_also_where_what_follows_fails(points, tunekit, monkeypatch):
    def full(*_):
        raise UserError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("tunekit.final._write_json", full)
        (Path.cwd() / "points.yaml").unlink(missing_ok=True)
        with pytest.raises(AssertionError, match="no space left"):
            points("--epochs", "1")
    assert points("--epochs", "1", target=RUN)["test"]["looks"] == 2


def test_what_is_cut_off_behind_the_model_leaves_no_result_of_another(points, tunekit, tmp_path, monkeypatch):
    points("--epochs", "1")

    def cut(*_):
        raise UserError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("tunekit.final._scored", cut)
        assert "no space left" in tunekit("train", RUN, "--epochs", "2").err
    assert sorted(path.name for path in (tmp_path / RUN / "final").glob("*.json")) == []
    assert load_model(tmp_path / RUN, folder=tmp_path)(torch.zeros(2, 2)).shape == (2, 3)


@pytest.mark.usefixtures("points")
def test_a_fine_run_of_code_that_changed_since_is_told_and_not_denied(tunekit, tmp_path):
    recipe = tmp_path / "points.yaml"
    recipe.write_text(
        "name: points\ndata: {target: 'points:splits'}\nmodel: {target: 'points:net'}\nbatch_size: 20\n"
        "optimizer: {lr: 0.05}\nsteps: {fine-run: {top: 1, epochs: 2, lr_factors: [], seeds: 1}}\n"
    )
    tuned = tunekit("fine-run", recipe, "--keep-going", "--jobs", "1")
    assert tuned.code == 0, tuned.err
    changed, denied = "data or code changed since the fine run: its model is not compared with", "no fine run"
    same = tunekit("train", RUN, "--epochs", "1").out
    assert "of the fine run's weights" in same
    assert changed not in same
    with (tmp_path / "points.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    other = tunekit("train", RUN, "--epochs", "1").out
    assert changed in other
    assert denied not in other
    assert "of the fine run's weights" not in other
    (tmp_path / "runs").rename(tmp_path / "before")
    assert denied in tunekit("train", recipe, "--epochs", "1").out


def test_behind_a_plateau_validations_samples_are_not_trained_on(points):
    told = points("--epochs", "2", "--with-validation", text="schedule: plateau")
    assert told["from"] == "train"
    assert any("without validation no plateau is seen" in note for note in told["notes"])


def test_without_a_test_split_that_is_said_and_mistakes_are_those_of_validation(tunekit, fast):
    done = tunekit("train", fast, "--epochs", "1")
    assert re.search(r"\ntrain: 1 training, [\d,]+ iterations, about .* of disk\n", done.out)
    assert "no test split" in done.out
    told = json.loads(Path("runs/fast-001/final/result.json").read_text())
    assert told["test"] is None
    assert told["scored_on"] == "validation"
    assert sum(map(sum, told["confusion"]["counts"])) == 359
    losses = [one["loss"] for one in told["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert all(one["true"] != one["predicted"] for one in told["worst"])
    for name in ("confusion.png", "worst.png"):
        assert Path("runs/fast-001/final", name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_no_step_looks_at_the_test_split(tmp_path):
    """With another test split every step comes to the same, and the final model too, but for the test split's score."""
    here = Path(__file__).parent
    results = []
    for labels in ("", "1"):
        folder = tmp_path / f"with{labels}"
        folder.mkdir()
        (folder / "points.py").write_text((here / "points.py").read_text())
        (folder / "points.yaml").write_text(
            "name: points\ndata: {target: 'points:splits'}\nmodel: {target: 'points:net'}\nbatch_size: 20\n"
            "steps:\n  check-init-loss: {initializations: 1}\n"
            "  overfit-tiny: {rates: [1e-2], per_class: 2, epochs: 50}\n"
            "  lr-sweep: {low: 1e-3, high: 1e-1, iterations: 20}\n"
            "  coarse-grid: {lr_factors: [1], weight_decays: [0], epochs: 1, extend: 0}\n"
            "  fine-run: {top: 1, epochs: 2, lr_factors: [], seeds: 1}\n"
        )
        import os

        environment = {**os.environ, "TEST_LABELS": labels}
        for words in (("run", "points.yaml", "--jobs", "1", "--keep-going"), ("train", RUN)):
            done = spawn(*words, cwd=folder, env=environment)
            assert done.returncode in (0, 1), done.stderr
        found = {}
        for path in sorted((folder / RUN).glob("*/result.json")):
            told = json.loads(path.read_text())
            told.pop("cost", None)
            found[path.parent.name] = told
        results.append(found)
    plain, other = results
    scores = [found["final"].pop("test") for found in results]
    assert scores[0]["errors"] < scores[1]["errors"]
    for found in results:
        for name in ("summary", "confusion", "worst", "weights", "model"):
            found["final"].pop(name)
    assert list(plain) == list(other)
    assert len(plain) == 7
    assert plain == other


class TestTraining:
    def test_a_rate_that_falls_unless_the_recipe_says_how(self, points, tmp_path):
        rates = rows_of(points("--epochs", "3"))["lr"]
        assert rates[0] == 0.01
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.001

    def test_patience_stops_it_early_and_this_is_said(self, points):
        told = points("--epochs", "30", "--set", "train.patience=2", "--set", "train.min_delta=0.9")
        assert len(rows_of(told)["iteration"]) == 9 * 3
        assert told["notes"] == ["stopped early at epoch 3 of 30: no better in 2 validations"]
        told = points("--patience", "4", "--epochs", "30", target=RUN)
        assert "stopped early at epoch 5 of 30: no better in 4 validations" in told["notes"]

    def test_on_a_run_its_settings_change_with_set(self, points, tunekit):
        points("--epochs", "1")
        assert points("--set", "train.epochs=2", target=RUN)["epochs"] == 2
        assert points(target=RUN)["epochs"] == 2  # it is kept
        done = tunekit("train", RUN, "--set", "seed=3")
        assert done.code == 2
        assert "`train`" in done.err

    def test_on_validations_samples_too_it_trains_as_long_as_was_best_and_keeps_the_last_weights(self, points):
        alone = points("--epochs", "3")
        told = points("--epochs", "3", "--with-validation", target=RUN)
        assert told["from"] == "train + validation"
        rows = rows_of(told)
        assert len(rows["iteration"]) == alone["epoch"] * (180 + 60) // 20
        assert set(rows["val_loss"]) == {None}
        assert any("no validation is left" in line for line in told["notes"])
        assert told["test"]["n"] == 40
        assert told["weights"] != alone["weights"]

    def test_without_a_test_split_its_value_is_still_told_in_per_cent(self, tunekit, fast):
        done = tunekit("train", fast, "--epochs", "1", "--with-validation")
        assert re.search(r"^val_accuracy \d+\.\d+ % at epoch 1 of 1", done.out, re.M)

    def test_samples_in_an_order_of_their_own_cannot_be_joined(self, points, tunekit, tmp_path):
        points("--epochs", "1", data="points:streams")
        done = tunekit("train", RUN, "--with-validation")
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert "train.with_validation" in done.err

    def test_what_is_interrupted_goes_on_to_the_same_weights(self, points, tunekit, tmp_path):
        told = points("--epochs", "6")
        whole = Path(told["weights"]).read_bytes()
        done = tunekit("train", tmp_path / "points.yaml", "--name", "cut", "--epochs", "6", "--budget", "0.001s")
        assert done.code == 130
        again = points("--epochs", "6", target="runs/cut")
        assert Path(again["weights"]).read_bytes() == whole
        assert again["test"] == told["test"]

    def test_averaged_weights_are_told_beside_the_raw_ones(self, points):
        told = points("--epochs", "2", text="ema: 0.9")
        assert any(line.startswith("averaged, the weights validate") for line in told["notes"])


class TestKinds:
    @pytest.mark.parametrize(
        ("data", "text", "model", "metric", "how"),
        [
            ("points:streams", "", "{target: 'points:net'}", "accuracy", "Wilson"),
            ("points:splits", "metric: 'max points:spread_of_answers'", "{target: 'points:net'}", None, "bootstrap"),
            ("points:splits", "metric: f1", "{target: 'points:net'}", "f1", "bootstrap"),
            ("points:splits", "metric: loss", "{target: 'points:net'}", "loss", "normal"),
            ("points:numbers", "task: regression", "{target: mlp, args: {hidden: [8]}}", "mae", "normal"),
            (
                "points:labels",
                "task: multilabel",
                "{target: mlp, args: {hidden: [8]}}",
                "accuracy",
                "Wilson, by samples",
            ),
        ],
    )
    def test_each_has_a_value_an_interval_around_it_and_a_file(self, points, data, text, model, metric, how):
        told = points("--epochs", "2", data=data, text=text, model=model)
        test = told["test"]
        metric = metric or "spread_of_answers"
        assert test["method"] == how
        low, high = test["interval"]
        assert low <= test[metric] <= high
        assert Path(told["model"]).exists()

    def test_a_regression_has_its_residuals_drawn(self, points):
        told = points("--epochs", "2", data="points:numbers", text="task: regression", model="{target: mlp}")
        assert [Path(one).name for one in told["figures"]] == ["residuals.png"]
        kept = json.loads(Path(RUN, "final", "scored.json").read_text())
        assert len(kept["true"]) == len(kept["predicted"]) == 50
        assert "confusion" not in told
        assert len(told["worst"]) == 25


def test_the_page_shows_the_final_model_with_names_that_are_text(points, tunekit, tmp_path):
    Path("named.py").write_text(
        "from points import *\nNAMES = ['$a_{', '<script>alert(1)</script>', '$b & c']\n"
        "def splits():\n    train, val, test = __import__('points').splits()\n    train.classes = NAMES\n"
        "    return train, val, test\n"
    )
    told = points("--epochs", "1", data="named:splits")
    page = Path(RUN, "report.html").read_text()
    low, high = (f"{100 * one:.1f} %" for one in told["test"]["interval"])
    assert f"between {low} and {high} (Wilson), over 40 samples" in Page(Path(RUN, "report.html")).text
    assert "<script>alert" not in page
    assert len(Page(Path(RUN, "report.html")).all("img")) == 1  # points are no pictures
    worst = json.loads(Path(RUN, "final/scored.json").read_text())["worst"]
    assert page.count(">sample ") == len(worst) == told["test"]["errors"] > 0
    assert "&lt;script&gt;alert(1)" in page
    tunekit("train", RUN, "--epochs", "1")
    assert "look 2 at the test split" in Path(RUN, "report.html").read_text()


def test_the_page_of_a_regression_shows_its_residuals(points):
    points(
        "--epochs",
        "1",
        data="points:numbers",
        model="{target: 'points:net', args: {outputs: 1}}",
        text="task: regression",
    )
    page = Path(RUN, "report.html").read_text()
    assert 'alt="Residuals of the final model: ' in page
    assert ">taken for</th>" in page
