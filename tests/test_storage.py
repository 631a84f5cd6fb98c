"""--storage URL: studies in a database, which the run remembers and which several runs may share."""

from __future__ import annotations

import optuna
import pytest

from tests.commands import FAST
from tunekit.pipeline import open_run, read_recipe
from tunekit.rundir import find_run
from tunekit.runstudies import open_studies
from tunekit.studies import Conclusion, absolute, masked
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
        with pytest.raises(UserError, match="password is not kept: give --storage URL again"):
            open_studies(open_run(run.path))
        with pytest.raises(UserError) as told:
            open_studies(run, "postgresql://me:secret@other/db")
        assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("sqlite:////data/team.db", "sqlite:////data/team.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert masked(url) == shown


def test_a_relative_file_is_known_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///team.db") == f"sqlite:///{tmp_path}/team.db"
    assert absolute("sqlite+pysqlite:///a/team.db") == f"sqlite+pysqlite:///{tmp_path}/a/team.db"
    for url in ("sqlite:////data/team.db", "sqlite:///:memory:", "sqlite://", "postgresql://me@host/db"):
        assert absolute(url) == url
