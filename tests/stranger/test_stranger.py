"""A run that somebody sent is read, never run: no reading command springs a trap in it, and a running one does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.commands import spawn
from tests.stranger.traps import RECIPE, TRAPS, set_trap
from tunekit.cli.options import MARKS

HERE = Path(__file__).parent

READING: dict[str, Callable[[Path], list[str]]] = {
    "status": lambda run: ["status", str(run)],
    "compare": lambda run: ["compare", str(run), str(run)],
    "status of all": lambda run: ["status", "--runs-dir", str(run.parent)],
    "report": lambda run: ["report", str(run)],
    "diagnose": lambda run: ["diagnose", str(run)],
    "diagnose as a log": lambda run: ["diagnose", str(run), "--fail-on", "diverged"],
    "diagnose of a folder": lambda run: ["diagnose", str(run.parent)],
    "clean": lambda run: ["clean", str(run), "--yes"],
    "dashboard": lambda run: ["dashboard", str(run), "--port", "0"],
}
"""What reading commands are given of a run."""

WITHOUT_RUNS = {"recipes", "schema", "init", "explain"}


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> Path:
    """The stranger's run, whole: trained by the code that it names."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copy(HERE / "evil.py", folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    environment = {**os.environ, "SPRUNG": str(folder / "sprung")}
    done = spawn(
        "run", "recipe.yaml", "--name", "sent", "--jobs", "1", "--keep-going", cwd=folder, env=environment, timeout=300
    )
    assert (folder / "runs/sent/diagnose/result.json").exists(), done.stdout + done.stderr
    shutil.copy(folder / "evil.py", folder / "runs/sent")
    return folder / "runs/sent"


class Watched:
    """Calls of a command on a run with each of these traps, in one watched process."""

    def __init__(self, sent: Path, folder: Path, traps: Sequence[str], words: Callable[[Path], list[str]], **more: str):
        home, scratch = folder / "home", folder / "tmp"
        home.mkdir()
        scratch.mkdir()
        calls = []
        self.victims = {}
        for number, trap in enumerate(traps):
            run, victim = set_trap(trap, sent, folder / str(number))
            calls.append({"words": words(run), "run": str(run), "victim": str(victim)})
            self.victims[trap] = victim
        self.before = {trap: contents(victim) for trap, victim in self.victims.items()}
        self.given = {trap: given(Path(call["run"])) for trap, call in zip(traps, calls, strict=True)}
        (folder / "calls.json").write_text(json.dumps(calls))
        self.sprung_file = folder / "sprung"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "XDG_CACHE_HOME")},
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "SPRUNG": str(self.sprung_file),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }
        done = subprocess.run(
            [sys.executable, str(HERE / "watched.py"), str(folder / "calls.json")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        self.answers = dict(zip(traps, json.loads(done.stdout), strict=True))
        self.runs = {trap: Path(call["run"]) for trap, call in zip(traps, calls, strict=True)}
        self.home = sorted(path.name for path in home.rglob("*"))
        self.left = sorted(path.name for path in scratch.rglob("*"))

    @property
    def sprung(self) -> set[str]:
        return set(self.sprung_file.read_text().split()) if self.sprung_file.exists() else set()

    def harmed(self, trap: str) -> list[str]:
        """What a trap got: what was done outside of the run, and whether the victim's secret was told or touched."""
        answer, page = self.answers[trap], self.runs[trap] / "report.html"
        told = answer["out"] + answer["err"]
        if page.is_file() and not page.is_symlink():
            told += page.read_text()
        harm = list(answer["seen"])
        harm += ["told the secret"] if re.search("SECRET|U0VDUkVU", told) else []  # plain, or in base64
        harm += ["changed the victim's files"] if contents(self.victims[trap]) != self.before[trap] else []
        return harm


def given(run: Path) -> dict[str, bytes]:
    """What no reading command changes in a run; of the journal what stands there already."""
    names = ("recipe.yaml", "environment.json", "best.yaml", "studies.journal")
    return {name: (run / name).read_bytes() for name in names if (run / name).is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_reading_command_is_watched():
    named = {words.split()[0] for words in READING}
    reading = {name for name, mark in MARKS.items() if mark == "reading"}
    assert reading - WITHOUT_RUNS == named
    assert len(TRAPS) >= 12


@pytest.mark.parametrize("command", READING)
def test_no_trap_springs_when_it_is_read(sent, tmp_path, command):
    watched = Watched(sent, tmp_path, list(TRAPS), READING[command])
    harm = {trap: found for trap in TRAPS if (found := watched.harmed(trap))}
    assert harm == {}
    assert watched.sprung == set()
    assert (watched.home, watched.left) == ([], [])
    for trap, run in watched.runs.items():
        after = given(run)
        assert after.pop("studies.journal", b"").startswith(watched.given[trap].pop("studies.journal", b"")), trap
        assert after == watched.given[trap], trap
    codes = {trap: answer["code"] for trap, answer in watched.answers.items()}
    assert {trap for trap, code in codes.items() if code not in (0, 1, 2, 130)} == set(), watched.answers
    for trap, answer in watched.answers.items():
        if answer["code"] == 2:
            assert re.fullmatch(r"(note: .*\n)?error: [^\n]+\n", answer["err"].lstrip()), (trap, answer["err"])


def test_a_running_command_springs_what_the_recipe_names(sent, tmp_path):
    traps = ["code in the run", "no trainings", "a storage on SQLite"]
    watched = Watched(sent, tmp_path, traps, lambda run: ["fine-run", str(run), "--jobs", "1", "--keep-going"])
    assert watched.sprung >= {"import", "model", "data", "loss", "optimizer"}
    assert any(line.startswith("ran ") for line in watched.answers["no trainings"]["seen"])
    assert any("planted.db" in line for line in watched.answers["a storage on SQLite"]["seen"])


def test_without_its_gate_a_run_leads_elsewhere(sent, tmp_path):
    """What the links would do: the traps are real ones."""
    traps = ["link: a figure", "link: best.yaml", "link: the page"]
    watched = Watched(sent, tmp_path, traps, READING["report"], UNGUARDED="1")
    assert "told the secret" in watched.harmed("link: a figure")
    assert "told the secret" in watched.harmed("link: best.yaml")
    assert any("opened" in line for line in watched.harmed("link: best.yaml"))
