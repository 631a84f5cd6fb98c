"""Copies of runs' studies: whole, kept up to date, and without a byte written in the runs."""

from __future__ import annotations

import json
import math
import os
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from tests.commands import files
from tunekit.studies.address import read_address
from tunekit.studies.copies import Copies, RunCopy, Source
from tunekit.studies.notes import save_note
from tunekit.studies.reading import Reader
from tunekit.studies.storage import open_database, open_journal
from tunekit.vocabulary import UserError

pytestmark = pytest.mark.usefixtures("optuna_is_quiet")
RATE = FloatDistribution(1e-5, 1e-1, log=True)
METRIC_NAMES = "study:metric_names"


@pytest.fixture
def copies(tmp_path) -> Copies:
    (tmp_path / "copies").mkdir()
    return Copies(tmp_path / "copies")


@pytest.fixture
def journal(tmp_path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "studies.journal"


@pytest.fixture(params=["journal", "sqlite"])
def source(request, journal) -> Source:
    """A run's studies in a journal, or in a database, without a figure."""
    if request.param == "journal":
        return Source("r", journal)
    return Source("r", journal, read_address(f"sqlite:///{journal.parent}/team.db"), "r-1/")


def written(source: Source) -> BaseStorage:
    return open_journal(source.journal) if source.address is None else open_database(source.address)


def add_study(source: Source, name: str = "lr-sweep", direction: str = "minimize") -> optuna.Study:
    return optuna.create_study(storage=written(source), study_name=source.prefix + name, direction=direction)


def study_in(storage: BaseStorage, name: str) -> dict:
    """All that a study holds, with numbers of trials in place of the storage's own ids."""
    study_id = storage.get_study_id_from_name(name)
    trials = storage.get_all_trials(study_id)
    numbers = {str(trial._trial_id): str(trial.number) for trial in trials}
    attrs = storage.get_study_system_attrs(study_id).items()
    return {
        "directions": storage.get_study_directions(study_id),
        "user_attrs": storage.get_study_user_attrs(study_id),
        "system_attrs": {
            re.sub(r"(?<=^dashboard:)\d+(?=:)", lambda found: numbers[found[0]], key): value for key, value in attrs
        },
        "trials": [{**vars(trial), "_trial_id": None} for trial in trials],
    }


def assert_equal(source: Source, copies: Copies, name: str = "lr-sweep") -> None:
    assert study_in(copies.storage, f"{source.run}/{name}") == study_in(written(source), source.prefix + name)


def names(storage: BaseStorage) -> list[str]:
    return [study.study_name for study in storage.get_all_studies()]


def an_hour_later(file: Path) -> None:
    """So far as its time tells, the file was written an hour ago."""
    os.utime(file, (time.time() - 3600,) * 2)


class TestCopies:
    def test_all_that_a_study_holds_is_copied(self, source, copies):
        storage, name = written(source), f"{source.prefix}grid"
        directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
        study_id = storage.create_new_study(directions, name)
        storage.set_study_system_attr(study_id, METRIC_NAMES, ["val_accuracy", "seconds"])
        storage.set_study_user_attr(study_id, "handoff", {"lr": 0.01, "range": [1e-3, 1e-1], "text": "±"})
        axes = {"lr": RATE, "layers": IntDistribution(1, 8, log=True), "hidden": CategoricalDistribution(["[8]", None])}
        began = datetime(2026, 3, 4, 5, 6, 7, 891011)
        for number, state in enumerate((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
            trial = create_trial(
                state=state,
                values=[0.5 + number, 2.0] if state == TrialState.COMPLETE else None,
                params={"lr": 0.003, "layers": 2, "hidden": None},
                distributions=axes,
                user_attrs={"identity": f"cell: {number}", "round": number},
                system_attrs={"grid_id": number},
                intermediate_values={22: 0.5, 44: math.inf},
            )
            trial.datetime_start = began + timedelta(minutes=number)
            trial.datetime_complete = began + timedelta(minutes=number, microseconds=1)
            storage.create_new_trial(study_id, trial)
        RunCopy(source, copies).refresh()
        assert names(copies.storage) == ["r/grid"]
        assert_equal(source, copies, "grid")
        copied = study_in(copies.storage, "r/grid")
        assert [trial.datetime_start for trial in copies.storage.get_all_trials(0)] == [
            began + timedelta(minutes=number) for number in range(3)
        ]
        assert copied["directions"] == directions
        assert copied["system_attrs"] == {METRIC_NAMES: ["val_accuracy", "seconds"]}

    def test_a_running_trial_is_brought_forward_to_its_end(self, source, copies):
        study = add_study(source)
        run = RunCopy(source, copies)
        trial = study.ask()
        run.refresh()
        assert_equal(source, copies)
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.report(2.5, 1)
        run.refresh()
        assert_equal(source, copies)
        trial.suggest_categorical("optimizer", ["adam", "sgd"])
        trial.report(1.5, 2)
        trial.set_user_attr("iteration", 2)
        run.refresh()
        trial.set_user_attr("iteration", 3)
        study.tell(trial, 0.5)
        run.refresh()
        assert_equal(source, copies)
        [copied] = copies.storage.get_all_trials(0)
        assert (copied.state, copied.value, copied.user_attrs) == (TrialState.COMPLETE, 0.5, {"iteration": 3})
        # Optuna would have dated the end with the time of copying.
        assert copied.datetime_complete == study.trials[0].datetime_complete

    def test_a_trial_that_waits_in_the_queue_begins_and_ends_when_it_did(self, source, copies):
        study = add_study(source)
        study.enqueue_trial({"lr": 0.01})
        run = RunCopy(source, copies)
        run.refresh()
        assert_equal(source, copies)
        trial = study.ask({"lr": RATE})
        study.tell(trial, state=TrialState.PRUNED)
        run.refresh()
        assert_equal(source, copies)
        assert copies.storage.get_all_trials(0)[0].state == TrialState.PRUNED

    def test_attributes_that_change_and_studies_that_come_and_go_are_followed(self, source, copies):
        study = add_study(source)
        run = RunCopy(source, copies)
        run.refresh()
        study.set_user_attr("verdict", "warn")
        other = add_study(source, "coarse-grid", "maximize")
        run.refresh()
        study.set_user_attr("verdict", "pass")
        run.refresh()
        assert_equal(source, copies)
        assert_equal(source, copies, "coarse-grid")
        optuna.delete_study(study_name=other.study_name, storage=other._storage)
        run.refresh()
        assert names(copies.storage) == ["r/lr-sweep"]

    def test_a_study_made_anew_is_copied_anew(self, source, copies):
        # In SQLite the new one gets the ids of the old one: the study's, and the trials'.
        study = add_study(source)
        for value in (0.5, 0.25):
            study.tell(study.ask({"lr": RATE}), value)
        run = RunCopy(source, copies)
        run.refresh()
        run.refresh()
        kept = study.trials[0]
        kept.distributions = {"lr": FloatDistribution(1e-5, 1.0, log=True)}
        optuna.delete_study(study_name=study.study_name, storage=study._storage)
        again = add_study(source)
        again.add_trial(kept)
        run.refresh()
        assert_equal(source, copies)
        again.tell(again.ask(), 7.0)
        again.tell(again.ask(), 8.0)
        run.refresh()
        assert_equal(source, copies)
        [copied] = copies.storage.get_all_studies()
        assert [trial.value for trial in copies.storage.get_all_trials(copied._study_id)] == [0.5, 7.0, 8.0]

    def test_notes_stay_with_their_trials(self, source, copies):
        dashboard = pytest.importorskip("optuna_dashboard", reason="notes are read as optuna-dashboard reads them")
        before = Source("before", source.journal.with_name("before.journal"))
        add_study(before).add_trials([create_trial(value=1.0)] * 3)
        study = add_study(source)
        study.add_trials([create_trial(value=1.0), create_trial(value=2.0)])
        storage, long = study._storage, "the second, " + "x" * 5000

        def write(text: str, number: int | None = None) -> None:
            attrs = storage.get_study_system_attrs(study._study_id)
            save_note(storage, study._study_id, attrs, text, None if number is None else study.trials[number]._trial_id)

        write("## of the study")
        write(long, 1)
        runs = [RunCopy(before, copies), RunCopy(source, copies)]
        for run in runs:
            run.refresh()
        copied = optuna.load_study(study_name="r/lr-sweep", storage=copies.storage)
        assert copied.trials[1]._trial_id != study.trials[1]._trial_id

        def read() -> list[str]:
            trials = [optuna.Trial(copied, trial._trial_id) for trial in copied.trials]
            return [dashboard.get_note(noted) for noted in (copied, *trials)]

        assert read() == ["## of the study", "", long]
        write("short", 1)
        write("the first", 0)
        runs[1].refresh()
        assert read() == ["## of the study", "the first", "short"]

    def test_what_lies_in_an_artifact_store_of_the_persons_own_is_not_listed(self, source, copies, tmp_path):
        study = add_study(source)
        trial = study.ask()
        store = optuna.artifacts.FileSystemArtifactStore(tmp_path)
        (tmp_path / "weights.txt").write_text("w")
        for place in (study, trial):
            optuna.artifacts.upload_artifact(
                artifact_store=store, file_path=str(tmp_path / "weights.txt"), study_or_trial=place
            )
        run = RunCopy(source, copies)
        run.refresh()
        trial.report(1.0, 1)
        run.refresh()
        copied = study_in(copies.storage, "r/lr-sweep")
        assert copied["system_attrs"] == {}
        assert copies.storage.get_all_trials(0)[0].system_attrs == {}
        assert copies.storage.get_all_trials(0)[0].intermediate_values == {1: 1.0}

    def test_runs_lie_side_by_side(self, journal, copies):
        sources = [Source("one", journal), Source("two", journal.with_name("other.journal"))]
        for source in sources:
            add_study(source).add_trials([create_trial(value=1.0)] * 2)
        runs = [RunCopy(source, copies) for source in sources]
        for run in runs:
            run.refresh()
        study = optuna.load_study(study_name="lr-sweep", storage=written(sources[0]))
        study.add_trial(create_trial(value=2.0))
        for run in runs:
            run.refresh()
        assert names(copies.storage) == ["one/lr-sweep", "two/lr-sweep"]
        for source in sources:
            assert_equal(source, copies)

    def test_only_the_runs_own_studies_of_a_database_are_copied(self, tmp_path, journal, copies):
        url = f"sqlite:///{tmp_path}/team.db"
        mine, others = Source("r", journal, read_address(url), "r-1/"), Source("r", journal, read_address(url), "r-2/")
        add_study(mine), add_study(others)
        RunCopy(mine, copies).refresh()
        assert names(copies.storage) == ["r/lr-sweep"]

    def test_what_the_browser_deleted_or_ended_gives_way_to_the_run(self, source, copies):
        study = add_study(source)
        trial = study.ask({"lr": RATE})
        run = RunCopy(source, copies)
        run.refresh()
        copies.storage.set_trial_state_values(0, TrialState.FAIL)
        trial.report(1.0, 1)
        run.refresh()
        run.refresh()
        assert_equal(source, copies)
        copies.storage.delete_study(copies.storage.get_study_id_from_name("r/lr-sweep"))
        copies.storage.create_new_study([StudyDirection.MAXIMIZE], "r/lr-sweep")
        trial.report(2.0, 2)
        run.refresh()
        run.refresh()
        assert_equal(source, copies)


class TestIdle:
    def test_nothing_is_written_for_what_did_not_change(self, source, copies, tmp_path):
        study = add_study(source)
        study.set_user_attr("summary", "s")
        study.tell(study.ask({"lr": RATE}), 0.5)
        study.ask({"lr": RATE}).report(1.0, 1)
        run = RunCopy(source, copies)
        run.refresh()
        before = files(tmp_path / "copies")
        run.refresh()
        assert files(tmp_path / "copies") == before

    def test_what_was_not_written_since_is_not_read_again(self, source):
        study = add_study(source)
        reader = Reader(source.journal, source.address, source.prefix)
        file = source.journal if source.address is None else source.journal.with_name("team.db")
        assert len(reader.studies()) == 1
        assert len(reader.studies()) == 1  # by the file's clock the next write may come at the same time
        an_hour_later(file)
        assert len(reader.studies()) == 1
        assert reader.studies() is None
        study.tell(study.ask(), 0.5)
        [read] = reader.studies()
        assert [trial.value for trial in read.trials] == [0.5]


class TestRunsAreOnlyRead:
    def test_not_a_byte_and_not_a_file(self, source, copies):
        study = add_study(source)
        study.ask({"lr": RATE}).report(1.0, 1)
        folder = source.journal.parent
        (folder / "figure.png").write_bytes(b"drawn")
        run = RunCopy(replace(source, figures={"lr-sweep": folder / "figure.png"}), copies)
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555)
        before = files(folder)
        run.refresh()
        run.refresh()
        assert files(folder) == before
        folder.chmod(0o755)
        assert names(copies.storage) == ["r/lr-sweep"]
        assert len(copies.storage.get_all_trials(0)) == 1

    def test_a_run_that_has_no_studies_yet(self, journal, copies):
        run = RunCopy(Source("r", journal), copies)
        run.refresh()
        assert list(journal.parent.iterdir()) == []
        add_study(Source("r", journal))
        run.refresh()
        assert names(copies.storage) == ["r/lr-sweep"]

    def test_a_database_that_is_missing_is_not_made(self, tmp_path, journal, copies):
        url = f"sqlite:///{tmp_path}/none.db"
        with pytest.raises(UserError, match=r"none\.db: cannot be read: .*unable to open database file"):
            RunCopy(Source("r", journal, read_address(url)), copies).refresh()
        assert not (tmp_path / "none.db").exists()


class TestDamage:
    def test_a_torn_last_line_is_waited_for(self, journal, copies):
        source = Source("r", journal)
        add_study(source).set_user_attr("a", 1)
        whole = journal.read_bytes()
        last = whole.rindex(b"\n", 0, -1) + 1
        run = RunCopy(source, copies)
        for end in (last + 1, len(whole) - 1):
            journal.write_bytes(whole[:end])
            run.refresh()
            assert study_in(copies.storage, "r/lr-sweep")["user_attrs"] == {}
        journal.write_bytes(whole)
        run.refresh()
        assert_equal(source, copies)

    def test_a_torn_line_that_the_next_command_cuts_off_is_not_missed(self, journal, copies):
        source = Source("r", journal)
        add_study(source)
        with journal.open("ab") as file:
            file.write(b'{"op_code":2,"worker')
        run = RunCopy(source, copies)
        run.refresh()
        study = optuna.load_study(study_name="lr-sweep", storage=open_journal(journal))
        study.set_user_attr("verdict", "pass")
        run.refresh()
        assert_equal(source, copies)
        assert study.user_attrs == {"verdict": "pass"}

    @pytest.mark.parametrize("line", [b'{"op_co\x00de": 4,,}\n', b"[]\n", b'{"op_code": 99}\n', b"\xff\n"])
    def test_damage_is_said_with_its_file_and_what_was_copied_stays(self, journal, copies, line):
        source = Source("r", journal)
        add_study(source)
        run = RunCopy(source, copies)
        run.refresh()
        whole = journal.read_bytes()
        journal.write_bytes(whole + line + whole)
        for _ in range(2):
            with pytest.raises(UserError, match=f"^{re.escape(str(journal))}: is damaged; the next command") as told:
                run.refresh()
            assert "\n" not in str(told.value)
        assert names(copies.storage) == ["r/lr-sweep"]
        journal.write_bytes(whole)
        run.refresh()
        assert_equal(source, copies)

    def test_a_journal_in_place_of_another_one(self, journal, copies):
        source = Source("r", journal)
        add_study(source).add_trial(create_trial(value=1.0))
        run = RunCopy(source, copies)
        run.refresh()
        length = journal.stat().st_size
        journal.unlink()
        run.refresh()
        assert names(copies.storage) == ["r/lr-sweep"]  # what was read stays
        study = add_study(source)
        while journal.stat().st_size <= length:
            study.add_trial(create_trial(value=2.0))
        run.refresh()
        assert_equal(source, copies)


def get(app, path: str) -> tuple[str, bytes]:
    """The status and the body that the web application answers with."""
    environ, statuses = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}, []
    setup_testing_defaults(environ)
    body = b"".join(app(environ, lambda status, headers, info=None: statuses.append(status)))
    return statuses[0], body


class TestFigures:
    @pytest.fixture
    def app(self, copies):
        dashboard = pytest.importorskip("optuna_dashboard", reason="figures are shown by optuna-dashboard")
        return dashboard.wsgi(copies.storage, artifact_store=copies.artifacts)

    def shown(self, app, study_id: int) -> list[tuple[str, str, bytes]]:
        """Name, kind and content of each artifact that the page of a study lists."""
        status, body = get(app, f"/api/studies/{study_id}")
        assert status == "200 OK"
        artifacts = []
        for artifact in json.loads(body)["artifacts"]:
            status, content = get(app, f"/artifacts/{study_id}/{artifact['artifact_id']}")
            assert status == "200 OK"
            artifacts.append((artifact["filename"], artifact["mimetype"], content))
        return artifacts

    def test_a_steps_figure_is_an_artifact_of_its_study_and_changes_with_it(self, journal, copies, app, tmp_path):
        figure = journal.parent / "lr-sweep" / "lr-sweep.png"
        source = Source("r", journal, figures={"lr-sweep": figure, "coarse-grid": journal})
        add_study(source)
        run = RunCopy(source, copies)
        run.refresh()
        assert self.shown(app, 0) == []
        figure.parent.mkdir()
        figure.write_bytes(b"first")
        run.refresh()
        assert self.shown(app, 0) == [("lr-sweep.png", "image/png", b"first")]
        before = files(tmp_path / "copies")
        run.refresh()
        assert files(tmp_path / "copies") == before
        figure.write_bytes(b"second")
        run.refresh()
        assert self.shown(app, 0) == [("lr-sweep.png", "image/png", b"second")]
        assert len(list((tmp_path / "copies/artifacts").iterdir())) == 1
        figure.unlink()
        run.refresh()
        assert self.shown(app, 0) == [("lr-sweep.png", "image/png", b"second")]

    def test_a_study_made_anew_keeps_its_figure(self, journal, copies, app):
        figure = journal.with_name("lr-sweep.png")
        figure.write_bytes(b"drawn")
        source = Source("r", journal, figures={"lr-sweep": figure})
        study = add_study(source)
        run = RunCopy(source, copies)
        run.refresh()
        optuna.delete_study(study_name="lr-sweep", storage=study._storage)
        add_study(source, direction="maximize")
        run.refresh()
        [copied] = copies.storage.get_all_studies()
        assert self.shown(app, copied._study_id) == [("lr-sweep.png", "image/png", b"drawn")]
