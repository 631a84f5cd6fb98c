"""What lies beside a log does not hide it, what is no file is not waited for, and what is left out is said."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from log_samples import POINTS, SAMPLES, TRAIN, VAL, table

from tunekit.diagnosis.watch import follow
from tunekit.logs import Log, read, search, source
from tunekit.logs.log import floats
from tunekit.logs.readers import readers
from tunekit.vocabulary import UserError


def good(folder: Path, factor: float = 1.0, name: str = "log.csv") -> Path:
    rows = [f"{k},{TRAIN[k] * factor},{VAL[k] * factor}" for k in range(POINTS)]
    return table(folder / name, "epoch,train_loss,val_loss", rows)


def is_good(log: Log) -> bool:
    return log.train is not None and np.allclose(floats(log.train.y), TRAIN)


SICK = {
    "an empty event file": lambda folder: (folder / "events.out.tfevents.1.host").touch(),
    "an event file of zeros": lambda folder: (folder / "events.out.tfevents.1.host").write_bytes(bytes(4096)),
    "an empty .wandb file": lambda folder: (folder / "run-a.wandb").touch(),
    "a .wandb file of the wrong kind": lambda folder: (folder / "run-a.wandb").write_bytes(b"version https://git-lfs"),
    "a torn trainer state": lambda folder: (folder / "trainer_state.json").write_text('{"log_history": [{"lo'),
    "a trainer state of zeros": lambda folder: (folder / "trainer_state.json").write_bytes(bytes(4096)),
    "a pipe": lambda folder: os.mkfifo(folder / "trainer_state.json"),
    "a link to a device": lambda folder: (folder / "trainer_state.json").symlink_to("/dev/zero"),
    "a dangling link": lambda folder: (folder / "events.out.tfevents.1.host").symlink_to("nowhere"),
    "a link to itself": lambda folder: (folder / "trainer_state.json").symlink_to("trainer_state.json"),
    "a pipe below": lambda folder: _below(folder, lambda below: os.mkfifo(below / "trainer_state.json")),
    "a torn state below": lambda folder: _below(folder, lambda below: (below / "trainer_state.json").write_text("{")),
    "an empty run of tunekit's": lambda folder: _below(folder, lambda below: _empty_run(below)),
    "empty event files of splits": lambda folder: _below(
        folder, lambda below: (below / "events.out.tfevents.1.host").touch()
    ),
}


def _below(folder: Path, made) -> None:
    (folder / "train").mkdir()
    made(folder / "train")


def _empty_run(folder: Path) -> None:
    (folder / "trainings").mkdir()
    (folder / "recipe.yaml").write_text("name: a\n")


class TestSickFiles:
    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("kind", SICK)
    def test_does_not_hide_a_sound_one(self, kind, tmp_path):
        good(tmp_path)
        SICK[kind](tmp_path)
        assert is_good(read(tmp_path)[0])

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("kind", SICK)
    def test_does_not_hide_a_sound_one_of_a_folder_above(self, kind, tmp_path):
        (tmp_path / "a").mkdir()
        SICK[kind](tmp_path / "a")
        good(tmp_path / "a")
        good(tmp_path / "b")
        assert [is_good(log) for log in read(tmp_path)] == [True, True]

    def test_is_said(self, tmp_path):
        good(tmp_path)
        (tmp_path / "trainer_state.json").write_text("{torn")
        (log,) = read(tmp_path)
        assert [note for note in log.notes if "left out" in note and "trainer_state.json" in note]

    def test_a_torn_copy_of_a_trainer_state_does_not_hide_the_others(self, tmp_path):
        output = SAMPLES["huggingface"](tmp_path)
        (output / "checkpoint-400").mkdir()
        (output / "checkpoint-400" / "trainer_state.json").write_bytes(b"\0")
        (log,) = read(output)
        assert is_good(log)

    def test_a_folder_that_cannot_be_read_is_left_out_and_said(self, tmp_path, monkeypatch):
        good(tmp_path)
        good(tmp_path / "closed")
        scandir = os.scandir

        def refuse(folder):
            if Path(folder).name == "closed":
                raise PermissionError(errno.EACCES, "Permission denied")
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", refuse)
        (log,) = read(tmp_path)
        assert is_good(log)
        assert any("closed cannot be looked into (Permission denied)" in note for note in log.notes)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_folder_without_rights_is_left_out(self, tmp_path):
        good(tmp_path)
        good(tmp_path / "closed").parent.chmod(0)
        try:
            assert is_good(read(tmp_path)[0])
        finally:
            (tmp_path / "closed").chmod(0o700)

    def test_a_reader_that_may_not_look_knows_nothing(self, tmp_path, monkeypatch):
        path = good(tmp_path)
        path.write_text(path.read_text().replace(",", ";"))
        assert is_good(read(tmp_path)[0])

        def refuse(_path):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(readers()["tensorboard"], "recognise", refuse)
        with pytest.raises(UserError, match="no log"):
            read(tmp_path)

    def test_nothing_but_a_sick_file_is_refused_by_name(self, tmp_path):
        (tmp_path / "trainer_state.json").write_text("{torn")
        with pytest.raises(UserError, match="no complete trainer state"):
            read(tmp_path)


class TestFoldersOfCopies:
    @pytest.mark.parametrize("name", ["artifacts", "checkpoints", "weights", "build"])
    def test_are_searched_where_they_hold_the_only_log(self, name, tmp_path):
        good(tmp_path / name / "run")
        assert is_good(read(tmp_path)[0])
        assert is_good(read(tmp_path / name)[0])

    def test_are_passed_over_beside_a_log(self, tmp_path):
        good(tmp_path / "artifacts", 0.5)
        good(tmp_path / "run")
        (log,) = read(tmp_path)
        assert is_good(log)
        assert not log.notes

    def test_what_might_have_been_a_log_is_not_told_of_beside_one(self, tmp_path):
        good(tmp_path)
        table(tmp_path / "places.csv", "city,latitude", ["a,1.5", "b,2.5"])
        (log,) = read(tmp_path)
        assert not log.notes

    def test_a_pickle_in_a_folder_without_logs_is_named(self, tmp_path):
        (tmp_path / "history.pkl").write_bytes(b"\x80\x04\x95" + bytes(20))
        with pytest.raises(UserError, match=r"history.pkl is a pickle"):
            read(tmp_path)


class TestManyRuns:
    def test_the_best_of_many_runs_may_be_the_last(self, tmp_path):
        for run in range(300):
            good(tmp_path / f"run-{run}", 1.0 if run < 299 else 0.5)
        logs = read(tmp_path)
        assert len(logs) == 300
        assert logs[0].files == (str(tmp_path / "run-299" / "log.csv"),)

    def test_a_log_behind_many_files_is_found(self, tmp_path):
        for k in range(600):
            (tmp_path / f"a{k}.txt").write_text("1 2 3\n")
        good(tmp_path)
        assert is_good(read(tmp_path)[0])

    def test_files_that_are_not_looked_into_are_said(self, tmp_path, monkeypatch):
        monkeypatch.setattr(search, "ENTRIES", 3)
        for k in range(5):
            good(tmp_path, name=f"{k}.csv")
        logs = read(tmp_path)
        assert len(logs) == 3
        assert any("2 of the 5 files" in note for note in logs[0].notes)

    def test_folders_that_are_not_looked_into_are_said(self, tmp_path, monkeypatch):
        monkeypatch.setattr(search, "ENTRIES", 3)
        for k in range(5):
            good(tmp_path / str(k))
        good(tmp_path)
        logs = read(tmp_path)
        assert len(logs) == 1
        assert any(f"what lies in {tmp_path / '0'} and behind it" in note for note in logs[0].notes)

    def test_of_more_than_fits_the_best_are_kept_and_the_rest_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setattr(search, "POINTS", 2 * POINTS * 4)
        for run in range(20):
            good(tmp_path / f"run-{run}", 2.0 - run / 19)
        first, *others = read(tmp_path)
        assert is_good(first)
        assert len(others) <= 4
        assert any(f"{19 - len(others)} more runs" in note for note in first.notes)


class TestStreams:
    def test_standard_input_is_read(self, tmp_path, monkeypatch):
        with good(tmp_path).open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            (log,) = read("-")
        assert is_good(log)
        assert (log.files, log.name) == (("-",), "stdin")

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("name", ["csv", "tensorboard", "wandb", "huggingface", "deit", "text", "json"])
    def test_a_pipe_that_is_given_is_read_under_its_name(self, name, tmp_path):
        path = SAMPLES[name](tmp_path / "sample")
        if path.is_dir():
            path = next(file for file in sorted(path.rglob("*")) if file.is_file())
        lone = tmp_path / "lone" / path.name  # a stream has no neighbours that belong to its run
        lone.parent.mkdir()
        lone.write_bytes(path.read_bytes())
        expected = read(lone)[0]
        pipe = tmp_path / "given" / path.name
        pipe.parent.mkdir()
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
        writer.start()
        (log,) = read(pipe)
        writer.join()
        assert (log.format, log.points, log.files) == (expected.format, expected.points, (str(pipe),))
        assert str(tmp_path) in log.files[0]

    def test_a_descriptor_is_read(self, tmp_path):
        output, given = os.pipe()
        os.write(given, good(tmp_path).read_bytes())
        os.close(given)
        try:
            (log,) = read(f"/dev/fd/{output}")
        finally:
            os.close(output)
        assert is_good(log)

    def test_an_event_file_is_known_without_its_name(self, tmp_path):
        version = b"\x1a\x0dbrain.Event:2"
        sample = next(SAMPLES["tensorboard"](tmp_path).rglob("*tfevents*"))
        path = tmp_path / "stream"
        path.write_bytes(len(version).to_bytes(8, "little") + bytes(4) + version + bytes(4) + sample.read_bytes())
        assert read(path)[0].format == "tensorboard"

    def test_more_than_a_log_has_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(source, "LIMIT", 100)
        with good(tmp_path).open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(UserError, match=r"^-: gives more"):
                read("-")

    def test_what_cannot_be_read_names_what_was_given(self, tmp_path, monkeypatch):
        (tmp_path / "a").write_text("hello\n")
        with (tmp_path / "a").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(UserError, match=r"^-: no line or column"):
                read("-")

    def test_closed_standard_input_is_refused(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(UserError, match="closed"):
            read("-")

    def test_a_stream_is_followed_to_its_end_once(self, tmp_path, monkeypatch):
        with good(tmp_path).open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            told = list(follow(Path("-"), None, None, None, idle_s=600))
        assert [is_good(log) for log, _ in told] == [True]


class TestGivenPaths:
    @pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "log.csv/b", "\ud800"])
    def test_what_is_no_path_is_refused_in_a_line(self, name, tmp_path):
        good(tmp_path)
        with pytest.raises(UserError) as refusal:
            read(tmp_path / name)
        assert "\n" not in str(refusal.value)
        assert len(str(refusal.value)) < 500

    def test_what_is_no_file_is_refused(self, tmp_path):
        with pytest.raises(UserError, match="is a device or a socket"):
            read("/dev/zero")
        (tmp_path / "zero.csv").symlink_to("/dev/zero")
        with pytest.raises(UserError, match="is a device or a socket"):
            read(tmp_path / "zero.csv", format="csv")
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(tmp_path)  # the name of a socket is short
            listener.bind("s")
        with pytest.raises(UserError, match="is a device or a socket"):
            read(tmp_path / "s")

    def test_links_that_lead_nowhere_are_refused_and_others_followed(self, tmp_path):
        (tmp_path / "dangling.csv").symlink_to("nowhere.csv")
        with pytest.raises(UserError, match=r"dangling.csv: is a link to nowhere.csv, which is not there"):
            read(tmp_path / "dangling.csv")
        (tmp_path / "itself.csv").symlink_to("itself.csv")
        with pytest.raises(UserError, match="Too many levels of symbolic links"):
            read(tmp_path / "itself.csv")
        good(tmp_path / "elsewhere")
        (tmp_path / "log.csv").symlink_to("elsewhere/log.csv")
        assert is_good(read(tmp_path / "log.csv")[0])


class TestRunsThatLeadElsewhere:
    """A run of tunekit's that somebody else made: its links would choose what is read."""

    @staticmethod
    def leak(run: Path, name: str, outside: Path) -> None:
        if name == "pipe":
            os.mkfifo(run / "fine-run" / "pipe")
        else:
            (run / name).symlink_to(outside)

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("name", ["environment.json", "trainings/a", "fine-run/b", "pipe"])
    def test_are_refused_whole_and_in_part(self, name, tmp_path):
        run = SAMPLES["tunekit"](tmp_path)
        (tmp_path / "outside").mkdir()
        self.leak(run, name, tmp_path / "outside")
        (training,) = (item for item in (run / "trainings").iterdir() if not item.is_symlink())
        for path in (run, training, training / "metrics.csv"):
            for format in (None, "tunekit"):
                with pytest.raises(UserError, match=r"(outside the run|neither file nor folder); remove it") as refusal:
                    read(path, format=format)
                assert str(run / name if name != "pipe" else run / "fine-run" / "pipe") in str(refusal.value)

    def test_are_left_out_beside_sound_ones(self, tmp_path):
        run = SAMPLES["tunekit"](tmp_path)
        (run / "trainings" / "a").symlink_to(tmp_path)
        good(tmp_path / "other")
        (log,) = read(tmp_path)
        assert is_good(log)
        assert any("outside the run" in note for note in log.notes)

    def test_links_within_it_lead_nowhere_else(self, tmp_path):
        run = SAMPLES["tunekit"](tmp_path)
        (run / "last").symlink_to("fine-run")
        (run / "loop").symlink_to("loop")
        assert read(run)[0].points > 0


class TestSmallInputs:
    """Each once ended in an uncaught exception."""

    @pytest.mark.parametrize(
        "records",
        [
            [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}],
            [{"epoch": -1, "iter": 5, "loss": 1.0}, {"epoch": -1, "iter": 50, "loss": 0.5}],
            [{"epoch": -1, "iter": 50, "loss": 1.0}, {"epoch": 0, "iter": 5, "loss": 0.5}],
            [{"epoch": 10**400, "iter": 10**400, "loss": 1.0}, {"epoch": 2, "iter": 1, "loss": 0.5}],
            [{"epoch": "nan", "iter": 1, "loss": 1.0}, {"epoch": 2, "iter": "inf", "loss": 0.5}],
        ],
    )
    def test_entries_of_openmmlab(self, records, tmp_path):
        path = tmp_path / "scalars.json"
        path.write_text("".join(json.dumps({"mode": "train", "step": 1, "data_time": 1, **r}) + "\n" for r in records))
        (log,) = read(path, format="openmmlab")
        assert log.train is not None
        assert sorted(log.train.y) == [0.5, 1.0]

    def test_epochs_without_iterations_are_the_clock(self, tmp_path):
        path = tmp_path / "scalars.json"
        records = [{"mode": "train", "epoch": k, "loss": 1.0} for k in (3, 4, 6)]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        (log,) = read(path, format="openmmlab")
        assert log.train is not None
        assert (list(log.train.x), log.train.unit) == ([3, 4, 6], "epoch")

    def test_a_step_beyond_every_float(self, tmp_path):
        for place, step in enumerate((10**400, 3)):
            (tmp_path / f"checkpoint-{place}").mkdir()
            state = {"global_step": step, "log_history": [{"step": 1, "loss": step > 3}, {"step": 2, "loss": 0.5}]}
            (tmp_path / f"checkpoint-{place}" / "trainer_state.json").write_text(json.dumps(state))
        assert read(tmp_path)[0].files[0].endswith("checkpoint-0/trainer_state.json")

    @pytest.mark.parametrize("value", [10**400, float("inf"), True, "1", [[]], {"a": 1}, None, -0.0])
    def test_wrong_types_in_a_run(self, value, tmp_path):
        run = SAMPLES["tunekit"](tmp_path)
        (training,) = (run / "trainings").iterdir()
        (training / "config.json").write_text(json.dumps({"lr": value, "weight_decay": value, "model": value}))
        known = {"classes": value, "expected_loss": value, "sweep_range": [value, value]}
        (run / "fine-run" / "result.json").write_text(json.dumps({"handoff": {"training": value}, "known": known}))
        (run / "environment.json").write_text(json.dumps({"steps": [value], "facts": {"classes": value}}))
        (log,) = read(run)
        assert log.points > 0

    def test_deep_json_in_a_run(self, tmp_path):
        run = SAMPLES["tunekit"](tmp_path)
        for depth in (900, 50_000):
            deep = "[" * depth + "]" * depth
            (run / "environment.json").write_text(f'{{"steps": [{deep}], "facts": {{"classes": {deep}}}}}')
            (run / "fine-run" / "result.json").write_text(f'{{"handoff": {{"training": {deep}}}}}')
            assert read(run)[0].points > 0
