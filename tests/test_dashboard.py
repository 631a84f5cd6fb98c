"""`tunekit dashboard`: studies copied into one storage and kept up to date, without a byte written in the runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from tests.commands import FAST, files
from tests.gate import command, gated
from tunekit.pipeline import read_recipe
from tunekit.rundir import RunDir
from tunekit.runs import find_run
from tunekit.runstudies import distinct_names, open_studies
from tunekit.studies.storage import open_journal

pytestmark = pytest.mark.usefixtures("optuna_is_quiet")
LIMIT_S = 60
RATE = FloatDistribution(1e-5, 1e-1, log=True)


@pytest.mark.parametrize(
    ("folders", "apart"),
    [
        (["/w/runs/a", "/w/runs/b"], ["a", "b"]),
        (["/w/one/r", "/w/two/r", "/w/two/s"], ["one/r", "two/r", "s"]),
        (["/w/a/runs/r", "/w/b/runs/r"], ["a/runs/r", "b/runs/r"]),
        (["/runs/r", "/w/runs/r"], ["/runs/r", "w/runs/r"]),
    ],
)
def test_runs_of_one_name_are_told_apart(folders, apart):
    assert distinct_names(list(map(Path, folders))) == apart


def make_run(folder: Path, name: str = "r", url: str | None = None) -> RunDir:
    """A run whose learning rates were swept, as far as its study tells."""
    recipe = folder / "fast.yaml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(FAST)
    run = find_run(read_recipe(recipe), folder / "runs", name)
    open_studies(run, url)
    prefix = run.manifest().get("studies", {}).get("prefix", "")
    study = optuna.create_study(storage=url or open_journal(run.journal), study_name=f"{prefix}lr-sweep")
    study.add_trial(create_trial(value=0.5, params={"lr": 0.01}, distributions={"lr": RATE}))
    return run


class TestBadInput:
    def test_what_is_no_run(self, tunekit, tmp_path):
        done = tunekit("dashboard", tmp_path)
        assert (done.code, done.out) == (2, "")
        assert "is no run of tunekit" in done.err

    @pytest.mark.parametrize("words", ["status", "report", "compare", "dashboard"])
    def test_a_folder_that_is_not_there_is_told_as_such(self, tunekit, words):
        assert "gone: there is no such folder" in tunekit(words, "gone", *["gone"] * (words == "compare")).err

    @pytest.mark.parametrize(
        ("storage", "why"),
        [
            (
                "postgresql://me:***@host/db",
                "postgresql://host/db, whose user and password are not kept: give --storage URL again",
            ),
            ("postgresql://host/db", "postgresql://host/db: give --storage postgresql://host/db"),
            (
                "sqlite:////nowhere/victim.db",
                "sqlite:////nowhere/victim.db: give --storage sqlite:////nowhere/victim.db",
            ),
        ],
    )
    def test_a_database_that_only_the_run_names_is_not_opened(self, tunekit, tmp_path, storage, why):
        run = make_run(tmp_path)
        run.note(studies={"storage": storage, "prefix": "r-1/"})
        done = tunekit("dashboard", run.path)
        assert done.code == 2
        assert done.err == (f"error: {run.path}: its studies are in {why}, or set TUNEKIT_STORAGE\n")

    @pytest.mark.parametrize("told", ["--storage", "environment"])
    def test_a_database_that_is_given_is_that_of_the_run_that_names_it(self, tmp_path, monkeypatch, told):
        url = f"sqlite:///{tmp_path}/team.db"
        make_run(tmp_path, "one", url)
        make_run(tmp_path, "two")
        if told == "environment":
            monkeypatch.setenv("TUNEKIT_STORAGE", url)
        given = ("--storage", url) if told == "--storage" else ()
        with opened(tmp_path / "runs/one", tmp_path / "runs/two", *given, cwd=tmp_path) as (_, page):
            assert sorted(study_names(page)) == ["one/lr-sweep", "two/lr-sweep"]

    def test_a_storage_of_another_run(self, tunekit, tmp_path):
        run = make_run(tmp_path)
        done = tunekit("dashboard", run.path, "--storage", "postgresql://me:secret@host/db")
        assert done.code == 2
        assert done.err == (
            "error: --storage postgresql://host/db: none of these runs has its studies there; leave --storage out\n"
        )

    def test_a_damaged_journal(self, tunekit, tmp_path):
        pytest.importorskip("optuna_dashboard", reason="looks for it first")
        run = make_run(tmp_path)
        run.journal.write_bytes(run.journal.read_bytes().replace(b"{", b"", 1))
        done = tunekit("dashboard", run.path, "--port", 0)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: {run.journal}: is damaged; the next command")
        assert done.err.count("\n") == 1

    def test_a_port_that_is_taken(self, tunekit, tmp_path):
        pytest.importorskip("optuna_dashboard", reason="looks for it first")
        run = make_run(tmp_path)
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            done = tunekit("dashboard", run.path, "--port", port)
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            f"error: --port {port}: Address already in use; choose another one, or --port 0 for any that is free\n"
        )

    def test_a_dashboard_that_is_not_installed(self, tunekit, tmp_path, monkeypatch):
        run = make_run(tmp_path)
        monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
        done = tunekit("dashboard", run.path, "--port", 0)
        assert done.code == 2
        assert done.err == (
            'error: optuna-dashboard is not installed: pip install ".[dashboard]" in the checkout of tunekit\n'
        )


@contextmanager
def opened(*words: object, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a person gives it, and the URL that it prints; it is gone at the end whatever the test did."""
    (cwd / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tunekit.cli", "dashboard", *map(str, words), "--port", "0"],
        cwd=cwd,
        env={**os.environ, "TMPDIR": str(cwd / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", line), line + process.communicate()[1]
        assert process.stdout.readline() == (
            "the runs are not written, and what is written in the browser is not kept; Ctrl-C ends it\n"
        )
        yield process, line
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def api(url: str, path: str = "studies") -> dict:
    with urlopen(f"{url}api/{path}", timeout=LIMIT_S) as answer:
        return json.load(answer)


def study_names(url: str) -> dict[str, int]:
    return {study["study_name"]: study["study_id"] for study in api(url)["study_summaries"]}


def wait_for(condition) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
class TestCommand:
    @pytest.fixture(autouse=True)
    def installed(self):
        pytest.importorskip("optuna_dashboard", reason="opens it")

    @pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended by SIGTERM")])
    def test_serves_until_it_is_ended_and_leaves_nothing(self, tmp_path, number, said):
        run = make_run(tmp_path / "a")
        same_name, in_database = make_run(tmp_path / "b"), make_run(tmp_path, "q", f"sqlite:///{tmp_path}/team.db")
        kept = [*(made.path for made in (run, same_name, in_database)), tmp_path / "team.db"]
        before = [files(path) for path in kept]
        words = (run.path, same_name.path, in_database.path, run.path, "--storage", f"sqlite:///{tmp_path}/team.db")
        with opened(*words, cwd=tmp_path) as (process, url):
            assert sorted(study_names(url)) == ["a/runs/r/lr-sweep", "b/runs/r/lr-sweep", "q/lr-sweep"]
            [trial] = api(url, "studies/0")["trials"]
            assert (trial["values"], trial["params"][0]["param_external_value"]) == ([0.5], "0.01")
            process.send_signal(number)
            out, err = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, out, err) == (130, "", f"{said}; the dashboard is closed\n")
        assert list((tmp_path / "tmp").iterdir()) == []
        assert [files(path) for path in kept] == before

    def test_goes_on_beside_a_run_that_is_written_damaged_and_removed(self, tmp_path):
        run, other = make_run(tmp_path, "r"), make_run(tmp_path, "s")
        with opened(run.path, other.path, cwd=tmp_path) as (process, url):
            optuna.create_study(storage=open_journal(run.journal), study_name="coarse-grid")
            wait_for(lambda: "r/coarse-grid" in study_names(url))
            whole = run.journal.read_bytes()
            run.journal.write_bytes(whole + b"nonsense\n" + whole)
            assert process.stderr.readline().startswith(f"warning: {run.journal}: is damaged; the next command")
            shutil.rmtree(run.path)
            optuna.create_study(storage=open_journal(other.journal), study_name="coarse-grid")
            wait_for(lambda: "s/coarse-grid" in study_names(url))
            assert sorted(study_names(url)) == ["r/coarse-grid", "r/lr-sweep", "s/coarse-grid", "s/lr-sweep"]
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, err) == (130, "interrupted; the dashboard is closed\n")


@pytest.fixture
def page(browser):
    """A page of a browser without a window."""
    pytest.importorskip("optuna_dashboard", reason="what the browser shows")
    page = browser.new_page(viewport={"width": 1400, "height": 1800})
    page.set_default_timeout(1000 * LIMIT_S)
    yield page
    page.close()


def plot(page, element: str, ready: str) -> dict:
    """Traces and layout of a plot of the page, once `ready` holds of them: it is drawn before its data are there."""
    page.wait_for_function(
        "id => { const g = document.getElementById(id), traces = g?.data ?? [], layout = g?.layout ?? {};"
        f" return {ready}; }}",
        arg=element,
    )
    text = page.evaluate(
        "id => { const g = document.getElementById(id); return JSON.stringify({data: g.data, layout: g.layout}); }",
        element,
    )
    return json.loads(text)


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_run_at_work_in_the_browser(tmp_path, page):
    # More batches than the 30 of a rate's short run, and not more than the 36 of a cell that goes on from one: what is
    # held are the first two cells of the grid.
    recipe = gated(FAST.replace("epochs: 1, extend: 0", "epochs: 3, extend: 0"), tmp_path, at=31)
    (tmp_path / "recipe.yaml").write_text(recipe)
    words = ("run", "recipe.yaml", "--name", "live", "--jobs", "2", "--to", "coarse-grid")
    failed: list[tuple[int, str]] = []
    page.on("response", lambda answer: answer.status >= 400 and failed.append((answer.status, answer.url)))
    with command(*words, cwd=tmp_path, tickets=2) as (run, gate):
        gate.held(run)
        with opened("runs/live", cwd=tmp_path) as (_, url):
            page.goto(f"{url}dashboard")
            for name in ("check-init-loss", "overfit-tiny", "lr-sweep", "coarse-grid"):
                page.get_by_text(f"live/{name}").wait_for()
            ids = study_names(url)
            swept, grid = (f"{url}dashboard/studies/{ids[f'live/{name}']}" for name in ("lr-sweep", "coarse-grid"))

            page.goto(swept)
            history = plot(page, "plot-history", "layout.yaxis?.title")
            assert history["layout"]["yaxis"]["title"]["text"] == "train_loss"
            page.wait_for_function("() => [...document.images].some(image => image.naturalWidth > 500)")  # the figure

            page.goto(f"{swept}/analytics")
            slices = plot(page, "plot-slice", "layout.xaxis?.title && traces.some(trace => trace.x.length > 2)")
            assert slices["layout"]["xaxis"]["type"] == "log"
            assert slices["layout"]["xaxis"]["title"]["text"] == "Param lr"

            page.goto(f"{swept}/note")
            page.get_by_role("heading", name="lr-sweep: pass").wait_for()
            page.get_by_text(re.compile(r"Rate .* works over")).wait_for()

            page.goto(grid)
            history = plot(page, "plot-history", "layout.yaxis?.title")
            assert history["layout"]["yaxis"]["title"]["text"] == "val_accuracy"
            [running] = plot(page, "graph-timeline", "traces.some(trace => trace.y.length === 2)")["data"]
            assert (running["name"], running["y"]) == ("Running", [0, 1])
            begins = [datetime.fromisoformat(text) for text in running["base"]]
            ends = [begin + timedelta(milliseconds=length) for begin, length in zip(begins, running["x"], strict=True)]
            assert max(begins) < min(ends)

            gate.open()
            assert run.wait(timeout=LIMIT_S) == 0
            # The page that is open shows it by itself.
            page.get_by_text(re.compile(r"Best of 4 cells: .*")).wait_for()
            [complete] = plot(page, "graph-timeline", "traces.some(trace => trace.y.length === 4)")["data"]
            assert (complete["name"], complete["y"]) == ("Complete", [0, 1, 2, 3])
    assert failed == []
