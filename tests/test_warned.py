"""What a person's own code warns of is told once, with its place."""

import os
import sys
import warnings

import pytest

from tests.commands import recipe, spawn
from tunekit.warned import once

OWN = """
import warnings
from torch import nn
warnings.warn("imported")
class Net(nn.Sequential):
    calls = 0
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
        warnings.warn("built", FutureWarning)
    def forward(self, x):
        self.calls += 1
        warnings.warn("always the same")
        warnings.warn(f"call {self.calls}")
        return super().forward(x)
def loss(outputs, targets):
    warnings.warn("the loss\\x1b[2J", RuntimeWarning)
    return nn.functional.cross_entropy(outputs, targets)
"""
TOLD = [
    "own.py:4: UserWarning: imported",
    "own.py:9: FutureWarning: built",
    "own.py:12: UserWarning: always the same",
    "own.py:13: UserWarning: call ",
    "own.py:16: RuntimeWarning: the loss\\x1b[2J",
]


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return recipe(tmp_path, model="{target: 'own:Net'}", loss="own:loss")


@pytest.mark.parametrize("words", [("--jobs", "1"), ("--jobs", "2"), ("--jobs", "2", "--json")])
def test_a_run_tells_each_once_whatever_the_workers_and_the_steps(own, tmp_path, words):
    done = spawn("run", own, "--to", "lr-sweep", *words, cwd=tmp_path)
    told = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if "Warning" in line]
    assert sorted(line[:60].startswith("  note: own.py") for line in told) == [True] * len(TOLD)
    assert [sum(place in line for line in told) for place in TOLD] == [1] * len(TOLD)


@pytest.mark.parametrize("command", ["validate", "inspect"])
def test_a_command_before_any_run_tells_each_once(own, tmp_path, command):
    done = spawn(command, own, cwd=tmp_path)
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if "Warning" in line]
    assert [sum(line.startswith(f"warning: {place}") for line in told) for place in TOLD] == [1] * len(TOLD)
    assert len(told) == len(TOLD)


def warn_as(file: str, text: str = "careful", line: int = 3) -> None:
    warnings.warn_explicit(text, UserWarning, file, line)


@pytest.fixture
def shown(monkeypatch):
    """What is shown as Python shows warnings."""
    files = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", lambda _message, _kind, file, *_: files.append(file))
        yield files


def test_what_others_warn_of_is_shown_as_ever(shown):
    known: dict[str, str] = {}
    others = [f"{sys.prefix}/lib/site-packages/lib.py", "<string>", warnings.__file__]
    with once(known):
        for file in others:
            warn_as(file)
            warn_as(file)
    assert shown == [file for file in others for _ in range(2)]
    assert known == {}


def test_a_place_is_told_once_and_another_again(shown):
    known, told = {}, []
    for _ in range(2):
        with once(known, told.append):
            warn_as("/a/own.py")
            warn_as("/a/own.py", "other words")
            warn_as("/a/own.py", "x" * 600, line=4)
            warn_as("/b/model.py", "two\n lines")
    warn_as("/a/own.py")
    assert told == [
        "own.py:3: UserWarning: careful",
        f"own.py:4: UserWarning: {'x' * 500}…",
        "model.py:3: UserWarning: two lines",
    ]
    assert list(known.values()) == told
    assert shown == ["/a/own.py"]


def test_a_person_who_catches_warnings_has_them(shown):
    known: dict[str, str] = {}
    with once(known), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_as("/a/own.py")
    assert [str(one.message) for one in caught] == ["careful"]
    assert known == {}


def test_a_process_that_was_forked_tells_what_is_new_itself(shown, monkeypatch, capsys):
    told: list[str] = []
    with once({"own.py:3: UserWarning": "known"}, told.append):
        monkeypatch.setattr(os, "getpid", lambda: -1)
        warn_as("/a/own.py")
        warn_as("/a/own.py", line=9)
        warn_as("/a/own.py", line=9)
    assert told == []
    assert capsys.readouterr().err == "warning: own.py:9: UserWarning: careful\n"
