"""Every command that is printed is one that works when pasted: gathered from what commands print, what results hold and
what pages show, and given to the command line. Of what would train, the run is found and the changes are read."""

import html
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from tests.commands import FAST
from tunekit.steps import codes

FILLED = {"RECIPE": "fast.yaml", "NAME": "digits", "RUN": "RUN", "FILES": "more.npy", "URL": "sqlite:///team.db"}
"""Words in capitals that a person fills in."""

OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
def data():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=draw) * 900
    y = torch.where(torch.arange(300) % 40 == 0, 2, (x[:, 0] > 0).long())
    train = TensorDataset(x[:200], y[:200])
    train.classes = ["it's", "a b", "$HOME"]
    return train, TensorDataset(x[150:], y[150:])
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
        self.unused = nn.Linear(2, 2)
    def forward(self, x):
        return self.body(x)
"""


def commands_in(text: str) -> list[str]:
    """Between backticks, and behind what announces one."""
    announced = re.findall(r"(?:next|that is mended|pictures of it): (tunekit [^\n;]+)", text)
    return [*announced, *re.findall(r"`(tunekit [^`\n]+)`", text)]


@pytest.fixture
def pasted(tunekit, monkeypatch):
    """Gives each command of a text to the command line; returns them."""

    def stop(*_):
        raise typer.Exit(0)

    def paste(text: str) -> list[str]:
        given = list(dict.fromkeys(commands_in(text)))
        with monkeypatch.context() as patched:
            patched.setattr("tunekit.cli.steps.walk", stop)
            patched.setattr("tunekit.final.train_final", stop)
            for command in given:
                name, *words = [FILLED.get(word, word) for word in shlex.split(command)[1:]]
                done = tunekit(name, *words, *(["--dry-run"] if name == "run" else []))
                assert done.code != 2, f"{command}\n{done.err}"
                assert "read as a log" not in done.out + done.err, command
        return given

    return paste


def told(tunekit, *words: object) -> str:
    """What a command prints on both streams."""
    done = tunekit(*words)
    return f"{done.out}\n{done.err}\n"


def kept(folder: Path) -> str:
    """What a run's results and its page hold, a text a line."""
    texts = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            texts.append(f"next: {value}" if value.startswith("tunekit ") else value)
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(one)

    for result in folder.rglob("result.json"):
        data = json.loads(result.read_text())
        collect({name: data.get(name) for name in ("findings", "next", "notes", "found", "summary")})
    page = (folder / "report.html").read_text()
    texts += [f"next: {html.unescape(code)}" for code in re.findall(r"<(?:code|pre)\b[^>]*>(tunekit [^<\n]*)", page)]
    return "\n".join([*texts, ""])


def test_of_a_run_in_a_folder_with_blanks_and_quotes(tunekit, pasted, tmp_path):
    (tmp_path / "it's mine").mkdir()
    (tmp_path / "it's mine/a recipe.yaml").write_text(FAST)
    (tmp_path / "fast.yaml").write_text(FAST)
    np.save(tmp_path / "more.npy", np.zeros((2, 1, 8, 8), np.uint8))
    printed = told(tunekit, "validate", "it's mine/a recipe.yaml", "--set", "optimizer.weight_decay=1e-4")
    printed += told(tunekit, "run", "it's mine/a recipe.yaml", "--runs-dir", "my $runs", "--verbose")
    printed += told(tunekit, "train", "my $runs/fast-001") + told(tunekit, "clean", "my $runs/fast-001")
    printed += told(tunekit, "status", "--runs-dir", "other runs")
    given = pasted(printed + kept(tmp_path / "my $runs/fast-001"))
    assert {shlex.split(one)[1] for one in given} >= {"run", "coarse-grid", "diagnose", "train", "predict", "clean"}


@pytest.mark.long
def test_of_a_run_that_fails(tunekit, pasted, tmp_path):
    (tmp_path / "fast.yaml").write_text(FAST)
    low = ("--set", "steps.lr-sweep.low=1e-15", "--set", "steps.lr-sweep.high=1e-14")
    printed = told(tunekit, "run", "fast.yaml", "--name", "low", "--to", "lr-sweep", *low)
    high = ("--set", "steps.lr-sweep.low=1e2", "--set", "steps.lr-sweep.high=1e3", "--keep-going")
    printed += told(tunekit, "run", "fast.yaml", "--name", "high", *high)
    given = pasted(printed + kept(tmp_path / "runs/low") + kept(tmp_path / "runs/high"))
    assert any("check-init-loss" in one or "overfit-tiny" in one for one in given)


@pytest.mark.long
def test_of_code_and_data_of_a_persons_own(tunekit, pasted, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    np.save(tmp_path / "more.npy", np.zeros((2, 4), np.float32))
    data = FAST.replace("{target: digits}", "{target: 'own:data'}")
    (tmp_path / "fast.yaml").write_text(data.replace("{target: mlp, args: {hidden: [32]}}", "{target: 'own:Net'}"))
    printed = told(tunekit, "inspect", "fast.yaml") + told(tunekit, "run", "fast.yaml", "--keep-going", "--verbose")
    printed += told(tunekit, "train", "runs/fast-001")
    given = pasted(printed + kept(tmp_path / "runs/fast-001"))
    assert {shlex.split(one)[1] for one in given} >= {"coarse-grid", "explain", "predict"}


@pytest.mark.long
def test_of_a_table_with_classes_from_one(tunekit, pasted, tmp_path):
    rows = "".join(f"{k % 7},{k % 3 + 1}\n" for k in range(200))
    (tmp_path / "a 'table'.csv").write_text(f"x 1,kind of\n{rows}")
    (tmp_path / "fast.yaml").write_text(
        FAST.replace("{target: digits}", "{target: table, args: {path: \"a 'table'.csv\", target: kind of}}")
        + "task: regression\n"
    )
    printed = told(tunekit, "init", "a 'table'.csv", "--target", "kind of")
    printed += told(tunekit, "run", "fast.yaml", "--to", "lr-sweep", "--keep-going", "--verbose")
    printed += told(tunekit, "inspect", "fast.yaml", "--set", "task=classification")
    given = pasted(printed + kept(tmp_path / "runs/fast-001"))
    assert len(given) >= 4


@pytest.mark.long
def test_of_studies_in_a_database_that_reading_must_be_given(tunekit, pasted, tmp_path):
    (tmp_path / "fast.yaml").write_text(FAST)
    printed = told(tunekit, "run", "fast.yaml", "--storage", "sqlite:///team.db")
    given = pasted(printed + kept(tmp_path / "runs/fast-001"))
    asked = [shlex.split(one) for one in given if shlex.split(one)[1] == "diagnose"]
    assert asked
    assert all("--storage" in words for words in asked)


def test_of_errors(tunekit, pasted, tmp_path, monkeypatch):
    monkeypatch.setitem(FILLED, "FILES", "--split=val")
    (tmp_path / "fast.yaml").write_text(FAST)
    (tmp_path / "log.csv").write_text(
        "epoch,loss,val_loss\n" + "".join(f"{k},{2.3 - k / 1e4},2.3\n" for k in range(40))
    )
    where = ("--runs-dir", "my runs")
    printed = told(tunekit, "check-init-loss", "fast.yaml", *where)
    for words in (
        ("coarse-grid", "my runs/fast-001"),
        ("predict", "my runs/fast-001", "--split", "val"),
        ("compare", "my runs/fast-001", "my runs/fast-001"),
        ("run", "my runs/fast-001", "--budget", "0.01s", "--device", "cpu"),
        ("run", "no-such.yaml"),
        ("init", "no-such"),
        ("explain", "no-such"),
        ("recipes",),
        ("diagnose", "log.csv"),
    ):
        printed += told(tunekit, *words)
    given = [shlex.split(one)[1] for one in pasted(printed)]
    assert {"lr-sweep", "train", "run", "recipes", "explain", "init"} <= set(given)


@pytest.mark.parametrize("device", ["tpu", "cuda:", "CPU", ""])
@pytest.mark.parametrize("command", ["run", "lr-sweep", "train", "predict"])
def test_a_device_that_there_is_not_is_told_before_a_run_is_made(tunekit, fast, tmp_path, command, device):
    done = tunekit(command, fast, "--device", device)
    assert done.code == 2
    assert done.err == f"error: --device: auto, cpu, mps, cuda or one of several, such as cuda:1, not {device!r}\n"
    assert not (tmp_path / "runs").exists()


def test_the_catalogue_names_what_a_command_takes(tunekit, pasted, tmp_path):
    (tmp_path / "fast.yaml").write_text(FAST)
    texts = [line for code, _ in codes().values() for line in (*code.advice, code.causes, code.measured, code.meaning)]
    given = pasted("\n".join(texts))
    assert "tunekit inspect RECIPE" in given
