"""JSON that people write by hand, in its many shapes, and runs that lie in several files."""

from __future__ import annotations

import contextlib
import json
import pickle
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from log_samples import ACCURACY, POINTS, SAMPLES, TRAIN, VAL, table

from tunekit.diagnosis import judge
from tunekit.logs import Log, read
from tunekit.logs.log import floats
from tunekit.vocabulary import Curve, UserError


def is_curve(curve: Curve | None, values: list[float]) -> bool:
    return curve is not None and len(curve.y) == len(values) and np.allclose(floats(curve.y), values, atol=1e-6)


def is_whole(log: Log) -> bool:
    return is_curve(log.train, TRAIN) and is_curve(log.val, VAL)


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def epochs(**names: list[float]) -> list[dict[str, float]]:
    return [{"epoch": k + 1, **{name: values[k] for name, values in names.items()}} for k in range(POINTS)]


def paired(k: int) -> dict[str, object]:
    return {"train": {"loss": TRAIN[k], "acc": ACCURACY[k]}, "val": {"loss": VAL[k], "acc": ACCURACY[k]}}


SHAPES: dict[str, object] = {
    "plural names": {"train_losses": TRAIN, "val_losses": VAL},
    "bare splits": {"train": TRAIN, "val": VAL},
    "split, then measure": {"train": {"loss": TRAIN, "acc": ACCURACY}, "val": {"loss": VAL, "acc": ACCURACY}},
    "measure, then split": {"loss": {"train": TRAIN, "val": VAL}, "accuracy": {"train": ACCURACY, "val": ACCURACY}},
    "deeper": {"args": {"lr": 0.1}, "results": {"history": {"train": {"loss": TRAIN}, "valid": {"loss": VAL}}}},
    "records": epochs(train_loss=TRAIN, val_loss=VAL),
    "records in a report": {
        "config": {"lr": 0.1},
        "best_val_loss": 0.3,
        "history": epochs(train_loss=TRAIN, val_loss=VAL),
    },
    "records of splits": [{"epoch": k, **paired(k)} for k in range(POINTS)],
    "records that name their split": [
        {"epoch": k, "phase": phase, "loss": values[k]}
        for k in range(POINTS)
        for phase, values in (("train", TRAIN), ("val", VAL))
    ],
    "splits of records": {"train": epochs(loss=TRAIN), "val": epochs(loss=VAL)},
    "epochs as keys": {str(k): paired(k) for k in range(POINTS)},
    "epochs as named keys": {f"epoch_{k}": {"train_loss": TRAIN[k], "val_loss": VAL[k]} for k in range(POINTS)},
    "pandas' columns": {
        name: {str(k): values[k] for k in range(POINTS)} for name, values in (("loss", TRAIN), ("val_loss", VAL))
    },
    "each number in a list": {"train_loss": [[value] for value in TRAIN], "val_loss": [[value] for value in VAL]},
    "beside the samples of the splits": {"train_idx": [3, 1, 2], "train_loss": TRAIN, "val_loss": VAL},
}


class TestShapes:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_read(self, shape: str, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "training_history.json", SHAPES[shape]))
        assert is_whole(log)
        assert judge(log).code == "good_fit"

    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_found_in_a_folder(self, shape: str, tmp_path: Path) -> None:
        written(tmp_path / "training_history.json", SHAPES[shape])
        written(tmp_path / "package.json", {"scripts": {"test": "jest", "dev": "vite"}, "version": "1.0.0"})
        (log,) = read(tmp_path)
        assert is_whole(log)
        assert not log.notes

    @pytest.mark.parametrize(
        "value",
        [
            {"run_a": {"train_loss": TRAIN, "val_loss": VAL}, "run_b": {"train_loss": VAL, "val_loss": VAL}},
            {"fold_1": epochs(train_loss=TRAIN, val_loss=VAL), "fold_2": epochs(train_loss=VAL, val_loss=VAL)},
            [
                {"name": "run_a", "losses": {"train": TRAIN, "val": VAL}},
                {"name": "b", "losses": {"train": VAL, "val": VAL}},
            ],
            {"1": {"train_loss": TRAIN, "val_loss": VAL}, "2": {"train_loss": VAL, "val_loss": VAL}},
        ],
    )
    def test_runs_stay_apart(self, value: object, tmp_path: Path) -> None:
        logs = read(written(tmp_path / "all.json", value))
        assert len(logs) == 2
        assert len({log.name for log in logs}) == 2
        assert any(is_whole(log) for log in logs)
        assert all(is_curve(log.val, VAL) for log in logs)

    def test_two_networks_of_one_run_are_one_run(self, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "a.json", {"G": {"loss": TRAIN}, "D": {"loss": VAL}}))
        assert log.train is not None

    def test_losses_of_batches_and_of_epochs_span_the_same_training(self, tmp_path: Path) -> None:
        batches = [float(value) for value in np.repeat(TRAIN, 4)]
        (log,) = read(written(tmp_path / "a.json", {"train_losses": batches, "val_losses": VAL}))
        assert is_curve(log.train, batches)
        assert is_curve(log.val, VAL)
        assert log.val is not None
        assert list(log.val.x) == [4 * k + 3 for k in range(POINTS)]
        assert any("are spread over the 120" in note for note in log.notes)

    def test_lists_of_steps_are_the_clocks_of_their_splits(self, tmp_path: Path) -> None:
        steps = list(range(0, 10 * POINTS, 10))
        value = {"train_steps": list(range(POINTS)), "train_loss": TRAIN, "val_steps": steps, "val_loss": VAL}
        (log,) = read(written(tmp_path / "a.json", value))
        assert is_whole(log)
        assert log.train is not None
        assert log.val is not None
        assert (list(log.train.x), list(log.val.x)) == (list(range(POINTS)), steps)

    def test_validation_every_second_epoch_keeps_its_epochs(self, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "a.json", {"train": epochs(loss=TRAIN), "val": epochs(loss=VAL)[1::2]}))
        assert log.val is not None
        assert list(log.val.x) == list(range(2, POINTS + 1, 2))
        assert is_curve(log.val, VAL[1::2])

    @pytest.mark.parametrize(
        "value", [{"eval_loss": 0.41, "eval_accuracy": 0.9, "epoch": 3.0}, {"test": {"loss": 0.4, "accuracy": 0.9}}]
    )
    def test_a_lone_evaluation_is_too_few_points(self, value: object, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "eval_results.json", value))
        assert judge(log).code == "insufficient_data"

    @pytest.mark.parametrize("value", [{"train": [3, 1, 2], "test": [5, 4]}, {"a": [1.5, 2.5]}, [], {}, [[1, 2]]])
    def test_other_documents_are_refused_with_their_names(self, value: object, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column reads as a loss"):
            read(written(tmp_path / "a.json", value))

    def test_a_vocabulary_is_no_evaluation(self, tmp_path: Path) -> None:
        written(tmp_path / "vocab.json", {"loss": 5, **{f"w{k}": k for k in range(2000)}})
        with pytest.raises(UserError):
            read(tmp_path)

    def test_a_column_that_one_run_lacks_leaves_the_others(self, tmp_path: Path) -> None:
        value = {"a": {"my": TRAIN, "val_loss": VAL}, "b": {"train_loss": VAL, "val_loss": VAL}}
        (log,) = read(written(tmp_path / "a.json", value), train="my")
        assert is_whole(log)


class TestSeveralFiles:
    @pytest.mark.parametrize("name", ["catboost", "dvclive", "allennlp"])
    def test_any_of_a_runs_files_is_the_run(self, name: str, tmp_path: Path) -> None:
        path = SAMPLES[name](tmp_path / "a")
        files = [file for file in sorted(path.rglob("*")) if name == "allennlp" or file.suffix == ".tsv"]
        for file in files[:3]:
            if file.name not in ("time_left.tsv", "metrics.json"):
                (log,) = read(file)
                assert is_whole(log)
                assert log.format == name

    def test_a_split_of_a_tensorboard_run_is_the_run(self, tmp_path: Path) -> None:
        run = SAMPLES["tensorboard"](tmp_path)
        for path in (run / "train", run / "validation", next((run / "train").iterdir())):
            (log,) = read(path)
            assert log.train is not None
            assert log.val is not None
            assert log.name == run.name

    def test_catboost_without_its_tables_is_read_from_its_document(self, tmp_path: Path) -> None:
        meta = {
            "learn_metrics": [{"best_value": "Min", "name": "Logloss"}],
            "test_metrics": [{"best_value": "Max", "name": "Odd"}, {"best_value": "Min", "name": "Logloss"}],
        }
        points = [{"learn": [TRAIN[k]], "iteration": k, "test": [k, VAL[k]]} for k in range(POINTS)]
        (tmp_path / "catboost_info").mkdir()
        written(tmp_path / "catboost_info" / "catboost_training.json", {"meta": meta, "iterations": points})
        (log,) = read(tmp_path)
        assert is_whole(log)

    def test_catboost_of_a_metric_with_parameters(self, tmp_path: Path) -> None:
        table(tmp_path / "learn_error.tsv", "iter\tQuantile:alpha=0.9", [f"{k}\t{TRAIN[k]}" for k in range(POINTS)])
        (log,) = read(tmp_path)
        assert is_curve(log.train, TRAIN)
        assert log.val is None

    @pytest.mark.parametrize("place", ["dvclive", "dvclive/scalars"])
    def test_older_layouts_of_dvclive(self, place: str, tmp_path: Path) -> None:
        for name, values in (("loss", TRAIN), ("val_loss", VAL)):
            rows = [f"16252907078{k:02d}\t{k}\t{values[k]}" for k in range(POINTS)]
            table(tmp_path / place / f"{name}.tsv", f"timestamp\tstep\t{name}", rows)
        (log,) = read(tmp_path)
        assert is_whole(log)
        assert log.format == "dvclive"

    def test_an_epoch_of_allennlp_that_is_torn_is_left_out(self, tmp_path: Path) -> None:
        path = SAMPLES["allennlp"](tmp_path)
        (path / f"metrics_epoch_{POINTS - 1}.json").write_text("{")
        (log,) = read(path)
        assert is_curve(log.train, TRAIN[:-1])
        assert any("left out" in note for note in log.notes)

    def test_rows_of_flair_that_fit_no_header_give_their_training_loss_alone(self, tmp_path: Path) -> None:
        header = "EPOCH\tTIMESTAMP\tBAD_EPOCHS\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS\tDEV_F1"
        rows = [f"{k}\t12:00:00\t0\t0.1\t{TRAIN[k]}\t9\t9\t9\t9" for k in range(POINTS)]
        (log,) = read(table(tmp_path / "loss.tsv", header, rows))
        assert is_curve(log.train, TRAIN)
        assert log.val is None
        assert any("another number of cells" in note for note in log.notes)


class TestHalves:
    """A file a split, as many scripts write them."""

    @pytest.mark.parametrize(
        ("train", "val"),
        [("train.log", "val.log"), ("loss_train.csv", "loss_test.csv"), ("train/log.txt", "valid/log.txt")],
    )
    def test_are_one_run(self, train: str, val: str, tmp_path: Path) -> None:
        for name, values in ((train, TRAIN), (val, VAL)):
            rows = [f"{k}\t{values[k]}\t{ACCURACY[k]}" for k in range(POINTS)]
            table(tmp_path / "run" / name, "epoch\tloss\tacc", rows)
        (log,) = read(tmp_path)
        assert is_whole(log)
        assert len(log.files) == 2
        (metric,) = log.metrics
        assert is_curve(metric.train, ACCURACY)
        assert is_curve(metric.val, ACCURACY)

    def test_a_log_with_its_own_validation_has_no_other_half(self, tmp_path: Path) -> None:
        table(tmp_path / "train.csv", "epoch,loss,val_loss", [f"{k},{TRAIN[k]},{VAL[k]}" for k in range(POINTS)])
        table(tmp_path / "test.csv", "epoch,loss,val_loss", [f"{k},{VAL[k]},{VAL[k]}" for k in range(POINTS)])
        assert len(read(tmp_path)) == 2

    def test_two_runs_are_no_halves(self, tmp_path: Path) -> None:
        for name in ("resnet", "vgg"):
            table(tmp_path / f"{name}.csv", "epoch,loss,acc", [f"{k},{TRAIN[k]},0.5" for k in range(POINTS)])
        assert [log.val for log in read(tmp_path)] == [None, None]

    def test_batches_and_epochs_each_have_their_clock(self, tmp_path: Path) -> None:
        table(tmp_path / "train.csv", "loss,lr", [f"{value},0.1" for value in np.repeat(TRAIN, 4)])
        table(tmp_path / "val.csv", "loss,acc", [f"{VAL[k]},{ACCURACY[k]}" for k in range(POINTS)])
        (log,) = read(tmp_path)
        assert log.val is not None
        assert log.train is not None
        assert log.val.unit != log.train.unit


class TestExports:
    def test_two_runs_of_a_wandb_chart_stay_apart(self, tmp_path: Path) -> None:
        names = ["Step", *(f"{run} - train_loss{end}" for run in ("a", "b") for end in ("", "__MIN", "__MAX"))]
        rows = [",".join(map(str, [k, *[TRAIN[k]] * 3, *[VAL[k]] * 3])) for k in range(POINTS)]
        logs = read(table(tmp_path / "export.csv", ",".join(names), rows))
        assert sorted(log.name for log in logs) == ["a", "b"]
        by_name = {log.name: log for log in logs}
        assert is_curve(by_name["a"].train, TRAIN)
        assert is_curve(by_name["b"].train, VAL)

    def test_charts_of_one_run_in_a_folder_are_one_run(self, tmp_path: Path) -> None:
        for name, values in (("train_loss", TRAIN), ("val_loss", VAL)):
            rows = [f"{k},{values[k]},{values[k]},{values[k]}" for k in range(POINTS)]
            table(tmp_path / f"{name}.csv", f"epoch,{name},{name}__MIN,{name}__MAX", rows)
        (log,) = read(tmp_path)
        assert is_whole(log)
        assert log.train is not None
        assert log.train.unit == "epoch"

    def test_renamed_charts_of_tensorboard_tell_runs_and_splits_apart(self, tmp_path: Path) -> None:
        for name, values in (("resnet_train_loss", TRAIN), ("resnet_val_loss", VAL), ("vgg_train_loss", VAL)):
            table(tmp_path / f"{name}.csv", "Wall time,Step,Value", [f"1.5,{k},{values[k]}" for k in range(POINTS)])
        logs = read(tmp_path)
        assert {log.name for log in logs} == {"resnet", "vgg"}
        assert any(is_whole(log) for log in logs)

    def test_a_lone_chart_is_named_by_its_file(self, tmp_path: Path) -> None:
        rows = [f"1.5,{k},{TRAIN[k]}" for k in range(POINTS)]
        (log,) = read(table(tmp_path / "run-.-tag-Loss_train (1).csv", "Wall time,Step,Value", rows))
        assert is_curve(log.train, TRAIN)

    def test_a_wandb_summary_is_no_curve(self, tmp_path: Path) -> None:
        files = tmp_path / "run-20240101_000000-abc" / "files"
        files.mkdir(parents=True)
        written(
            files / "wandb-summary.json", {"train/loss": 0.3, "val/loss": 0.4, "_step": 99, "_wandb": {"runtime": 9}}
        )
        for path in (tmp_path, files.parent, files, files / "wandb-summary.json"):
            (log,) = read(path)
            assert judge(log).code == "insufficient_data"
            assert any("no curve" in note for note in log.notes)
        lines = [f"epoch {k + 1} train loss {TRAIN[k]} val loss {VAL[k]}" for k in range(POINTS)]
        (files / "output.log").write_text("\n".join(lines))
        for path in (files.parent, files, files / "wandb-summary.json"):
            (log,) = read(path)
            assert is_whole(log)


class TestDatabases:
    def test_a_nan_and_a_metric_without_steps(self, tmp_path: Path) -> None:
        path = SAMPLES["mlflow-db"](tmp_path)
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE metrics SET step = 0")
            connection.execute(
                "UPDATE metrics SET is_nan = 1, value = 0 WHERE key = 'train_loss' AND timestamp = 17e11 + 29"
            )
        (log,) = read(path)
        assert log.train is not None
        assert len(log.train.y) == POINTS
        assert np.isnan(log.train.y[-1])
        assert log.name == "calm-owl-1"

    def test_what_would_be_run_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "mlflow.db"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            endless = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT k, k, k FROM n"
            connection.execute(f"CREATE VIEW metrics (run_uuid, key, value) AS {endless}")
        with pytest.raises(UserError, match="SQLite"):
            read(path)

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        for name in ("mlflow-db", "trackio"):
            path = SAMPLES[name](tmp_path / name)
            before = {file: file.read_bytes() for file in path.parent.iterdir()}
            assert is_whole(read(path)[0])
            assert {file: file.read_bytes() for file in path.parent.iterdir()} == before

    def test_a_study_is_no_log(self, tmp_path: Path) -> None:
        path = tmp_path / "study.db"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for name in ("studies", "trials", "trial_values"):
                connection.execute(f"CREATE TABLE {name} (id INTEGER)")
        with pytest.raises(UserError, match="Optuna"):
            read(path)


class TestStrangers:
    """One line that says what a file is and what to give in its place."""

    @pytest.mark.parametrize(
        ("name", "data", "said"),
        [
            ("history.pkl", pickle.dumps({"loss": [1.0, 0.5]}), "pickle.*JSON or CSV"),
            ("trainHistoryDict", pickle.dumps({"loss": [1.0, 0.5]}), "pickle"),
            ("model.pt", b"PK\x03\x04" + bytes(26) + b"archive/data.pkl", "pickle"),
            ("a.joblib", b"\x80\x04\x95" + bytes(9), "pickle"),
            ("loss.npy", b"\x93NUMPY\x01\x00" + bytes(20), "NumPy"),
            ("weights.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
            ("log.csv.gz", b"\x1f\x8b\x08" + bytes(20), "compressed"),
            ("curve.png", b"\x89PNG\r\n\x1a\n", "image"),
            ("empty.csv", b"", "is empty"),
            ("blank.log", b"\n \n", "is empty"),
        ],
    )
    def test_is_told(self, name: str, data: bytes, said: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=said) as refusal:
            read(tmp_path / name)
        assert "\n" not in str(refusal.value)
