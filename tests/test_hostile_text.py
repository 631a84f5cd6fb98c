"""A run in which every word of a person's is hostile, end to end: in the terminal, in JSON, on pages and in notes it is
text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.commands import FAST, Page, Visit, spawn
from tunekit.studies.notes import literal

WORD = "w" * 200
HOSTILE = '<script>alert(1)<\\script>"><img src=x onerror=alert(2)></style>{{7*7}}[red]x[/]$a_b$\x1b[2J\u202e\u2066|'
IN_NAMES = HOSTILE.replace("/", "").replace(".", "")
"""As a folder's and a parameter's name can have it."""

MODULE = f"""
import warnings
from torch import nn

HOSTILE = {IN_NAMES!r}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module(HOSTILE, nn.Linear(2, 16))
        self.add_module({WORD!r}, nn.Linear(16, 3))

    def forward(self, x):
        warnings.warn(HOSTILE)
        return self.get_submodule({WORD!r})(self.get_submodule(HOSTILE)(x).relu())

def net():
    return Net()

def broken():
    raise ValueError(HOSTILE)
"""


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "net.py").write_text(MODULE)
    classes = [f"{HOSTILE}{place}" for place in range(2)] + [WORD]
    draws = np.random.default_rng(0)
    rows = [[f"{a:.3f}", f"{b:.3f}", quoted(classes[k % 3])] for k, (a, b) in enumerate(draws.normal(size=(240, 2)))]
    header = [quoted(HOSTILE), WORD, quoted(f"y{HOSTILE}")]
    (folder / "t.csv").write_text("\n".join(",".join(row) for row in [header, *rows]))
    target = json.dumps(f"y{HOSTILE}")
    (folder / "r.yaml").write_text(
        FAST.replace("{target: digits}", f"{{target: table, args: {{path: t.csv, target: {target}}}}}").replace(
            "{target: mlp, args: {hidden: [32]}}", "{target: 'net:net'}"
        )
    )
    return folder


def is_plain(text: str) -> bool:
    return all(char.isprintable() for line in text.split("\n") for char in line)


@pytest.fixture(scope="module")
def run(folder) -> Path:
    """The run, below a hostile name, with a final model."""
    runs = f"{IN_NAMES}{WORD[:100]}"
    done = spawn("run", "r.yaml", "--jobs", "1", "--keep-going", "--runs-dir", runs, "--name", "one", cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    assert is_plain(done.stdout)
    done = spawn("train", f"{runs}/one", "--epochs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert is_plain(done.stdout)
    shutil.copytree(folder / runs / "one", folder / runs / IN_NAMES[:80])
    return folder / runs


def test_in_a_terminal_and_as_json(run, folder):
    one = f"{run.name}/one"
    for words in (["status", one], ["compare", one, f"{run.name}/{IN_NAMES[:80]}"], ["inspect", "r.yaml"]):
        plain, data = (spawn(*words, *more, cwd=folder) for more in ([], ["--json"]))
        assert plain.returncode == data.returncode == 0, plain.stderr
        assert is_plain(plain.stdout if words[0] == "inspect" else plain.stdout + plain.stderr)
        assert json.loads(data.stdout)
    text = (folder / "r.yaml").read_text()
    (folder / "broken.yaml").write_text(text.replace("net:net", "net:broken"))
    done = spawn("validate", "broken.yaml", cwd=folder)
    assert done.returncode == 2
    assert is_plain(done.stdout + done.stderr)
    assert "<script>alert(1)" in done.stderr


@pytest.mark.parametrize("what", ["report", "compare"])
def test_on_a_page(run, folder, browser, what):
    one, other = f"{run.name}/one", f"{run.name}/{IN_NAMES[:80]}"
    words = ["report", one] if what == "report" else ["compare", one, other, "--page", "compare.html"]
    assert spawn(*words, cwd=folder).returncode == 0
    path = run / "one/report.html" if what == "report" else folder / "compare.html"
    page = Page(path)
    assert "<script>alert(1)" in page.text
    assert "{{7*7}}" in page.text
    assert not {"\x1b", "\u202e", "\u2066"} & set(page.text)
    visit = Visit(browser, path, 360)
    visit.drawn()
    assert visit.page.locator("[onerror], img[src=x]").count() == 0
    assert visit.wide() == 360
    assert (visit.complaints, visit.requests) == ([], [])


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("a <b> `<c>` [x](y) $z$\x1b", "a \\<b> `<c>` \\[x](y) \\$z\\$\\\\x1b"),
        ("val_accuracy 98.6 % +- 0.1 %", "val_accuracy 98.6 % +- 0.1 %"),
    ],
)
def test_in_a_note(text, markdown):
    assert literal(text) == markdown
