"""What several folders of tests share: small configurations, and the materials that lie beside the checkout."""

import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.commands import FAST, Done
from tunekit import cli
from tunekit.configuration import TrainingConfig

# Two processes of tests on two cores: more threads cost more than they bring. Read as torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("tunekit", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("tunekit")


@pytest.fixture(autouse=True)
def draws_of_its_own(request: pytest.FixtureRequest) -> None:
    """A test draws what it draws alone: with the tests before it on its process, its numbers would change."""
    import torch  # after OMP_NUM_THREADS is set

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    for value in vars(request.module).values():
        if isinstance(value, torch.Generator):
            value.manual_seed(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout: real data, logs and faulty models that are no part of the repository."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"needs {path}: real data and logs that lie beside the checkout, not in it")
    return path


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium on the PATH: apt-get install chromium")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def config_of(**changes) -> TrainingConfig:
    """A small training on the real digits, with single fields changed; of its parts those that are given."""
    fields = {
        "task": "classification",
        "loss": {},
        "metric": "auto",
        "model": {"target": "mlp", "args": {"hidden": [8]}},
        "data": {},
        "optimizer": {"target": "sgd"},
        "lr": 0.1,
        "weight_decay": 0.0,
        "batch_size": 256,
        "schedule": {},
        "seed": 0,
        **changes,
    }
    return TrainingConfig.from_dict({**fields, "data": {"target": "digits", **fields["data"]}})


@pytest.fixture(scope="session")
def make_config():
    return config_of


@pytest.fixture
def optuna_is_quiet():
    from tunekit.studies import quiet

    with quiet():
        yield


@pytest.fixture
def fast(tmp_path: Path) -> Path:
    path = tmp_path / "fast.yaml"
    path.write_text(FAST)
    return path


@pytest.fixture
def tunekit(tmp_path, monkeypatch, capsys):
    """Runs a command in this process, in an empty folder; torch is imported once."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["tunekit", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return call


def every_other_day(names):
    """Cases of which every second one runs each day, and the others with `-m long`."""
    return [name if place % 2 == 0 else pytest.param(name, marks=pytest.mark.long) for place, name in enumerate(names)]
