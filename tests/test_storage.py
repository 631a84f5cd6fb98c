"""--storage URL: studies in a database, which the run remembers and which several runs may share."""

from __future__ import annotations

import optuna
import pytest

from tests.commands import FAST
from tunekit.pipeline import open_run, read_recipe
from tunekit.runs import find_run
from tunekit.runstudies import open_studies
from tunekit.studies import Conclusion, given_address, read_address
from tunekit.vocabulary import StepResult, UserError


def test_a_run_remembers_its_database_and_two_runs_share_one(tunekit, tmp_path, monkeypatch):
    (tmp_path / "fast.yaml").write_text(FAST)
    common = ("--jobs", "1", "--json")
    for name in ("one", "two"):
        done = tunekit("lr-sweep", "fast.yaml", "--name", name, "--storage", "sqlite:///team.db", *common)
        assert done.code == 0, done.err
        assert not (tmp_path / "runs" / name / "studies.journal").exists()
    # Without --storage, and from another folder: the hand-off of lr-sweep is in the database.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = tunekit("coarse-grid", tmp_path / "runs/one", *common)
    assert done.code == 0, done.err
    assert not (tmp_path / "elsewhere/team.db").exists()
    assert not (tmp_path / "runs/one/studies.journal").exists()
    # Given again, another way, is the same; the step stands.
    again = tunekit("coarse-grid", tmp_path / "runs/one", "--storage", "sqlite:///../team.db", *common)
    assert again.out == done.out
    names = {
        summary.study_name: summary.n_trials
        for summary in optuna.get_all_study_summaries(f"sqlite:///{tmp_path}/team.db")
    }
    assert sorted(name.partition("/")[2] for name in names) == ["coarse-grid", "lr-sweep", "lr-sweep"]
    assert len({name.partition("/")[0] for name in names}) == 2
    assert all(names.values())


@pytest.fixture
def run(tmp_path):
    (tmp_path / "fast.yaml").write_text(FAST)
    return find_run(read_recipe(tmp_path / "fast.yaml"), tmp_path / "runs", "r")


class TestOneRunHasOneStorage:
    def test_runs_of_one_name_in_one_database_are_apart(self, tmp_path, run):
        other = find_run(read_recipe(tmp_path / "fast.yaml"), tmp_path / "others", "r")
        url = f"sqlite:///{tmp_path}/team.db"
        conclusion = Conclusion("f", StepResult("lr-sweep", "pass", "", handoff={"lr": 0.1}))
        open_studies(run, url).study("lr-sweep", {}, "train_loss", False).conclude(conclusion, {})
        assert open_studies(other, url).conclusions(["lr-sweep"]) == {}
        assert open_studies(run).conclusions(["lr-sweep"]) == {"lr-sweep": conclusion}

    def test_another_one_than_at_first_is_refused(self, tmp_path, run):
        open_studies(run, f"sqlite:///{tmp_path}/a.db")
        with pytest.raises(UserError, match=r"the studies of this run are in sqlite:///.*a\.db; leave --storage out"):
            open_studies(run, f"sqlite:///{tmp_path}/b.db")
        assert not (tmp_path / "b.db").exists()

    def test_one_after_the_journal_is_refused(self, tmp_path, run):
        open_studies(run).study("lr-sweep", {}, "train_loss", False)
        with pytest.raises(UserError, match=r"are in .*studies\.journal"):
            open_studies(run, f"sqlite:///{tmp_path}/a.db")

    def test_one_that_cannot_be_opened_is_not_remembered(self, run):
        with pytest.raises(UserError, match="cannot be opened"):
            open_studies(run, "sqlite:////nowhere/at/all.db")
        assert "studies" not in run.manifest()
        open_studies(run)

    def test_a_password_is_neither_kept_nor_shown(self, run):
        run.note(studies={"storage": "postgresql://me:***@host/db", "prefix": "r-1/"})
        with pytest.raises(UserError, match="user and password are not kept: give --storage URL again"):
            open_studies(open_run(run.path))
        with pytest.raises(UserError) as told:
            open_studies(run, "postgresql://me:secret@other/db")
        assert "secret" not in str(told.value)

    def test_one_that_is_gone_is_asked_for_and_not_begun_anew(self, tmp_path, run):
        open_studies(run, f"sqlite:///{tmp_path}/a.db")
        (tmp_path / "a.db").rename(tmp_path / "b.db")
        with pytest.raises(UserError, match=r"a\.db, which is gone: give --storage with its place"):
            open_studies(run)
        assert not (tmp_path / "a.db").exists()
        open_studies(run, f"sqlite:///{tmp_path}/b.db")
        open_studies(run)
        assert not (tmp_path / "a.db").exists()

    def test_one_that_moved_with_its_run_is_found(self, tmp_path):
        place = tmp_path / "project"
        place.mkdir()
        (place / "fast.yaml").write_text(FAST)
        run = find_run(read_recipe(place / "fast.yaml"), place / "runs", "r")
        conclusion = Conclusion("f", StepResult("lr-sweep", "pass", "", handoff={"lr": 0.1}))
        open_studies(run, f"sqlite:///{place}/a.db").study("lr-sweep", {}, "train_loss", False).conclude(conclusion, {})
        place.rename(tmp_path / "moved")
        run = open_run(tmp_path / "moved/runs/r")
        assert open_studies(run).conclusions(["lr-sweep"]) == {"lr-sweep": conclusion}
        assert not place.exists()


SECRETS = [
    "postgresql://me:se/cret@host/db",
    "postgresql://me:se#cret@host/db",
    "postgresql://me:se?cret@host/db",
    "postgresql://me:[secret@host/db",
    "postgresql://host/db?password=secret",
    "postgresql://secret@host/db",
    "postgresql://me:sec@ret@host/db",
    "postgresql://me/secret@host/db",
    "postgresql://[secret/db",
    "postgresql://me:secret",
    "postgresql://me:pw@host:secret/db",
    "me:secret@host/db",
    "secret",
    "postgresql:secret",
    "://secret",
    "nosuch://me:secret@host/db",
    "sqlite://me:secret@host/db",
    "mysql+nosuch://me:secret@host/db",
    "postgresql://host/db;password=secret",
    "postgresql://host/db%3Fpassword=secret",
]


@pytest.mark.parametrize("url", SECRETS)
@pytest.mark.parametrize("way", ["--storage", "environment", "file"])
def test_nothing_that_may_be_a_password_is_shown_or_kept(tunekit, tmp_path, monkeypatch, url, way):
    (tmp_path / "fast.yaml").write_text(FAST)
    (tmp_path / "url").write_text(f"{url}\n")
    given = {"--storage": ("--storage", url), "file": ("--storage", "url"), "environment": ()}[way]
    if way == "environment":
        monkeypatch.setenv("TUNEKIT_STORAGE", url)
    done = tunekit("check-init-loss", "fast.yaml", "--debug", *given)
    assert done.code == 2
    (tmp_path / "url").unlink()
    kept = "".join(path.read_text(errors="replace") for path in (tmp_path / "runs").rglob("*") if path.is_file())
    for text in (done.out, done.err, kept):
        for piece in ("cret", "secret", "sec@", "[sec"):
            assert piece not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://host:5432/db"),
        ("postgresql+psycopg2://me@host/db?sslmode=require", "postgresql+psycopg2://host/db"),
        ("postgresql://me:s3cret@[::1]:5432/db", "postgresql://[::1]:5432/db"),
        ("mysql://host", "mysql://host"),
        ("sqlite:////data/team.db", "sqlite:////data/team.db"),
        ("sqlite:////data/team.db?timeout=30", "sqlite:////data/team.db"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_a_url_is_shown_by_driver_host_and_database(url, shown):
    address = read_address(url)
    assert address.shown == shown
    assert address.complete == ("s3cret" not in url and "me@" not in url)
    assert read_address(address.shown).shown == shown
    assert "s3cret" not in repr(address)


def test_what_a_driver_says_is_told_without_secrets():
    address = read_address("postgresql://me:s3cret@host/db?options=t0ken")
    assert address.without_secrets('no memory, no "s3cret" for t0ken') == 'no memory, no "***" for ***'


def test_a_relative_file_is_known_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_address("sqlite:///team.db").url == f"sqlite:///{tmp_path}/team.db"
    assert read_address("sqlite+pysqlite:///a/team.db").url == f"sqlite+pysqlite:///{tmp_path}/a/team.db"
    for url in ("sqlite:////data/team.db", "sqlite:///:memory:", "sqlite://", "postgresql://me@host/db"):
        assert read_address(url).url == url
    (tmp_path / "url").write_text("sqlite:///team.db\n")
    assert given_address("url").url == f"sqlite:///{tmp_path}/team.db"
