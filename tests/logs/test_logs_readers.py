"""One contract for every log reader, damaged files, and how a folder is searched."""

from __future__ import annotations

import json
import math
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from log_samples import ACCURACY, POINTS, SAMPLES, TRAIN, VAL, event, table

from tunekit.diagnosis import judge
from tunekit.logs import Procedure, read
from tunekit.logs.log import Log, floats
from tunekit.logs.readers import readers
from tunekit.vocabulary import UserError


def sample(name: str, folder: Path) -> Path:
    return SAMPLES[name](folder)


def only_file(path: Path) -> Path:
    """The file that holds a sample's curves."""
    if path.is_file():
        return path
    preferred = [item for item in sorted(path.rglob("*")) if item.is_file() and item.suffix not in (".yaml",)]
    return next((item for item in preferred if item.name in ("metrics.csv", "train_loss")), preferred[0])


def test_every_reader_has_a_sample() -> None:
    assert len(readers()) == 37
    assert set(readers()) == set(SAMPLES)


WITHOUT_VALIDATION_LOSS = {"spacy", "darknet", "dl4j", "ultralytics-output"}


@pytest.mark.parametrize("name", sorted(SAMPLES))
class TestContract:
    """What every reader does with a sound log of its format, a damaged one, and a stranger."""

    def test_describes_itself(self, name: str) -> None:
        reader = readers()[name]
        assert name == reader.NAME
        assert len(reader.DESCRIPTION) > 10

    def test_is_chosen_and_reads_the_curves(self, name: str, tmp_path: Path) -> None:
        path = sample(name, tmp_path)
        (log,) = read(path)
        assert log.format == name
        assert log.train is not None
        expected = [value for value in TRAIN for _ in range(2)] if name == "tunekit" else TRAIN
        np.testing.assert_allclose(floats(log.train.y), expected, rtol=1e-4, atol=1e-4)
        if name in WITHOUT_VALIDATION_LOSS:
            assert log.val is None
            return
        assert log.val is not None
        np.testing.assert_allclose(floats(log.val.y), VAL, rtol=1e-4, atol=1e-4)
        assert np.all(np.diff(floats(log.train.x)) > 0)
        if name != "nanogpt":
            metric = log.metrics[0]
            assert metric.maximize
            assert metric.bounded
            assert metric.val is not None
            np.testing.assert_allclose(floats(metric.val.y), ACCURACY, rtol=1e-3)
        assert judge(log).code == "good_fit"

    def test_is_found_below_a_folder(self, name: str, tmp_path: Path) -> None:
        sample(name, tmp_path / "deep" / "er" if name != "csv" else tmp_path)
        (log,) = read(tmp_path)
        assert log.format == name
        assert log.points >= (POINTS if name in WITHOUT_VALIDATION_LOSS else 2 * POINTS)

    def test_can_be_forced(self, name: str, tmp_path: Path) -> None:
        (log,) = read(sample(name, tmp_path), format=name)
        assert log.format == name

    def test_knows_no_stranger(self, name: str, tmp_path: Path) -> None:
        strangers = {"a.bin": bytes(range(256)), "b.csv": b"", "c.txt": b"hello\nworld\n", "d.json": b"[1, 2"}
        for file, data in strangers.items():
            (tmp_path / file).write_bytes(data)
            assert readers()[name].recognise(tmp_path / file) < 0.5
        assert readers()[name].recognise(tmp_path) == 0
        assert readers()[name].recognise(tmp_path / "missing") < 1

    def test_refuses_a_missing_column(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column 'nowhere'"):
            read(sample(name, tmp_path), train="nowhere")

    def test_takes_a_named_column(self, name: str, tmp_path: Path) -> None:
        path = sample(name, tmp_path)
        (log,) = read(path)
        if log.val is None or " + " in log.val.name:
            return
        (forced,) = read(path, train=log.val.name, val=log.val.name)
        assert forced.train is not None
        np.testing.assert_array_equal(floats(forced.train.y), floats(log.val.y))

    def test_survives_mutation(self, name: str, tmp_path: Path) -> None:
        mutate_many(name, tmp_path, 100)

    @pytest.mark.long
    @pytest.mark.timeout(3600)
    def test_survives_much_mutation(self, name: str, tmp_path: Path) -> None:
        mutate_many(name, tmp_path, 10_000, seed=1)


def mutate_many(name: str, folder: Path, count: int, seed: int = 0) -> None:
    """Damage a sample in many ways: each must be judged or refused by a UserError, with sound JSON."""
    target = only_file(sample(name, folder))
    sound = target.read_bytes()
    source = random.Random(seed)
    readable = 0
    for _ in range(count):
        target.write_bytes(mutated(sound, source))
        try:
            logs = readers()[name].read(target)
        except UserError:
            continue
        for log in logs:
            json.dumps(judge(log).as_dict(), allow_nan=False)
            assert_true_to_file(log)
            readable += 1
    assert readable > count // 20


def assert_true_to_file(log: Log) -> None:
    """Curves are of equal lengths and rise in x."""
    for curve in (log.train, log.val):
        if curve is not None:
            assert len(curve.x) == len(curve.y)
            x = floats(curve.x)
            assert np.all(np.diff(x[np.isfinite(x)]) >= 0)


def mutated(data: bytes, source: random.Random) -> bytes:
    """One of the ways in which files break."""
    place, other = sorted((source.randrange(len(data)), source.randrange(len(data))))
    lines = data.split(b"\n")
    line = source.randrange(len(lines))
    kind = source.randrange(12)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes(source.randrange(256) for _ in range(source.randrange(1, 20))) + data[place:]
    if kind == 2:
        return data[:place] + data[other:]
    if kind == 3:
        return data + data[place:]
    if kind == 4:
        return bytes(byte ^ (source.random() < 0.01) << source.randrange(8) for byte in data)
    if kind == 5:
        return b"\n".join(lines[:line] + lines[line + 1 :])
    if kind == 6:
        return b"\n".join([*lines[:line], lines[0], *lines[line:]])
    if kind == 7:
        return data.replace(b"0.", source.choice([b"nan", b"-1.", b"inf ", b"1e999", b"\xff", b'"', b"{"]), 5)
    if kind == 8:
        return b"\n".join(source.sample(lines, len(lines)))
    if kind == 9:
        return data.replace(b"\n", source.choice([b"\r\n", b"\n\n", b"\r", b" "]))
    if kind == 10:
        return data.decode("latin-1").encode("utf-16")
    return data.replace(b",", source.choice([b";", b"\t", b",,", b"|"]), source.randrange(1, 99))


class TestTables:
    """Damage that tables really have."""

    def test_nan_is_kept_and_an_empty_cell_is_not(self, tmp_path: Path) -> None:
        (log,) = read(table(tmp_path / "a.csv", "step,loss,val_loss", ["1,1.0,", "2,nan,0.5", "3,NaN,"]))
        assert log.train is not None
        assert [math.isnan(value) for value in log.train.y] == [False, True, True]
        assert log.val is not None
        assert list(log.val.y) == [0.5]

    def test_a_pandas_export_with_nan_for_empty_is_no_divergence(self, tmp_path: Path) -> None:
        rows = [f"{k},{2 / (k + 1)},{1.0 if k % 4 == 3 else 'nan'}" for k in range(24)]
        (log,) = read(table(tmp_path / "a.csv", "step,train_loss,val_loss", rows))
        assert log.val is not None
        assert list(log.val.y) == [1.0] * 6

    def test_a_document_that_is_cut_is_read_as_far_as_it_goes_and_this_is_told(self, tmp_path: Path) -> None:
        rows = [{"epoch": k, "train_loss": 1 / k, "val_loss": 1.2 / k} for k in range(1, 21)]
        text = json.dumps(rows, indent=1)
        (tmp_path / "cut.json").write_text(text[: text.index("20") - 30])
        (log,) = read(tmp_path / "cut.json")
        assert log.train is not None
        assert len(log.train.x) == 18
        assert any("torn" in note for note in log.notes)
        (tmp_path / "whole.json").write_text(text)
        assert not any("torn" in note for note in read(tmp_path / "whole.json")[0].notes)

    def test_a_torn_last_line_is_read_as_far_as_it_goes(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "epoch,train_loss,val_loss", [f"{k},{1 / (k + 1)},0.5" for k in range(9)])
        path.write_text(path.read_text() + "9,0.0")
        (log,) = read(path)
        assert any("too few" in note for note in log.notes)

    def test_of_appended_runs_the_last_is_judged(self, tmp_path: Path) -> None:
        rows = [f"{k},{value},{value}" for value in (3.0, 1.0) for k in range(10)]
        (log,) = read(table(tmp_path / "a.csv", "epoch,train_loss,val_loss", rows))
        assert log.train is not None
        assert set(log.train.y) == {1.0}
        assert any("2 runs" in note for note in log.notes)

    def test_of_a_resumed_run_repeated_epochs_count_once(self, tmp_path: Path) -> None:
        rows = [f"{k},{1.0},1.0" for k in range(10)] + [f"{k},{0.5},0.5" for k in range(7, 14)]
        (log,) = read(table(tmp_path / "a.csv", "epoch,train_loss,val_loss", rows))
        assert log.train is not None
        assert list(log.train.x) == list(range(14))
        assert list(log.train.y) == [1.0] * 7 + [0.5] * 7
        assert any("resumed" in note for note in log.notes)

    def test_repeated_headers_blank_lines_and_crlf(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "epoch,train_loss,val_loss", [f"{k},1.0,2.0\n" for k in range(5)] * 2)
        path.write_bytes(path.read_bytes().replace(b"4,1.0,2.0\n", b"4,1.0,2.0\nepoch,train_loss,val_loss\n", 1))
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        (log,) = read(path)
        assert log.train is not None
        assert list(log.train.x) == [0, 1, 2, 3, 4]

    def test_percentages_become_fractions(self, tmp_path: Path) -> None:
        rows = [f"{k},1.0,{90 + k}.0%,{80 + k}.0%" for k in range(6)]
        (log,) = read(table(tmp_path / "a.csv", "epoch,train_loss,train_acc,val_acc", rows))
        (metric,) = log.metrics
        assert metric.train is not None
        assert metric.val is not None
        assert max(metric.train.y) == pytest.approx(0.95)
        assert max(metric.val.y) == pytest.approx(0.85)

    def test_a_long_table_is_told_apart_by_its_split_column(self, tmp_path: Path) -> None:
        rows = [f"{k},{phase},{value}" for k in range(8) for phase, value in (("train", 1.0), ("val", 2.0))]
        (log,) = read(table(tmp_path / "a.csv", "epoch,phase,loss", rows))
        assert log.train is not None
        assert log.val is not None
        assert set(log.train.y) == {1.0}
        assert set(log.val.y) == {2.0}

    def test_an_iteration_that_begins_anew_each_epoch_is_no_restart(self, tmp_path: Path) -> None:
        rows = [f"{epoch},{batch},{1.0}" for epoch in range(5) for batch in range(4)]
        (log,) = read(table(tmp_path / "a.csv", "epoch,batch,train_loss", rows))
        assert log.train is not None
        assert len(log.train.x) == 20

    def test_a_message_names_columns_that_can_be_chosen(self, tmp_path: Path) -> None:
        names = ["epoch", *(f"{'x' * 85}{k}" for k in range(2)), *(f"c{k}" for k in range(28))]
        path = table(tmp_path / "a.csv", ",".join(names), [",".join(["1.5"] * 31)] * 3)
        with pytest.raises(UserError, match="and 10 more") as refusal:
            read(path)
        assert "'epoch'" not in str(refusal.value)
        for name in re.findall(r"'(\w+)'", str(refusal.value)):
            assert read(path, train=name)[0].train is not None

    def test_ten_thousand_columns(self, tmp_path: Path) -> None:
        names = ["epoch", *(f"a_long_name_of_a_weight_norm_{k}" for k in range(10_000)), "train_loss", "val_loss"]
        path = table(
            tmp_path / "a.csv", ",".join(names), [f"{k}{',0.5' * 10_000},{TRAIN[k]},{VAL[k]}" for k in range(9)]
        )
        (log,) = read(path)
        assert log.train is not None
        assert log.val is not None
        np.testing.assert_allclose(floats(log.val.y), VAL[:9])
        assert not log.notes

    def test_text_between_rows(self, tmp_path: Path) -> None:
        rows = [line for k in range(9) for line in (f"{k},{TRAIN[k]},{VAL[k]}", f"Saved model, epoch {k}", "", "done.")]
        (log,) = read(table(tmp_path / "a.csv", "epoch,train_loss,val_loss", rows))
        assert log.train is not None
        assert log.val is not None
        assert list(log.train.x) == list(range(9))
        np.testing.assert_allclose(floats(log.val.y), VAL[:9])

    def test_columns_of_words_are_named_as_such(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "epoch,my_loss", ["1,3 apples", "2,4 pears"])
        with pytest.raises(
            UserError, match=r"of its columns \('epoch', .*'my_loss'\) none holds numbers of a training"
        ):
            read(path)

    def test_columns_that_name_nothing_are_refused_with_their_names(self, tmp_path: Path) -> None:
        path = table(tmp_path / "a.csv", "alpha,beta", ["1,2", "2,3"])
        with pytest.raises(UserError, match=r"'alpha', 'beta'.*--train COLUMN"):
            read(path)
        (log,) = read(path, train="beta", val="alpha")
        assert log.train is not None
        assert list(log.train.y) == [2.0, 3.0]


class TestOtherFormats:
    """Quirks of single formats."""

    def test_event_files_agree_with_tensorboards_own_reader(self, tmp_path: Path) -> None:
        accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
        event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2")
        summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2")
        sink = writer.EventFileWriter(str(tmp_path))
        for step, value in enumerate(TRAIN):
            summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag="train_loss", simple_value=value)])
            sink.add_event(event_pb2.Event(wall_time=1.0, step=step, summary=summary))
        sink.close()
        reference = accumulator.EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
        reference.Reload()
        (log,) = read(tmp_path)
        assert log.train is not None
        assert [(item.step, item.value) for item in reference.Scalars("train_loss")] == list(
            zip(log.train.x, log.train.y, strict=True)
        )

    def test_an_event_file_without_scalars_is_an_empty_log(self, tmp_path: Path) -> None:
        (tmp_path / "events.out.tfevents.1.host").write_bytes(b"")
        (log,) = read(tmp_path)
        assert log.points == 0
        assert judge(log).code == "insufficient_data"

    def test_add_scalars_folders_are_one_run(self, tmp_path: Path) -> None:
        for side, values in (("train", TRAIN), ("val", VAL)):
            (tmp_path / f"Loss_{side}").mkdir()
            data = b"".join(event(k, "Loss", value, tensor=False) for k, value in enumerate(values))
            (tmp_path / f"Loss_{side}" / "events.out.tfevents.1.host").write_bytes(data)
        (log,) = read(tmp_path)
        assert log.train is not None
        assert log.val is not None
        np.testing.assert_allclose(floats(log.val.y), VAL, rtol=1e-6)

    def test_detectron2_evaluates_on_validation_and_writes_nan_for_what_is_not_there(self, tmp_path: Path) -> None:
        records = [{"iteration": 20 * k + 19, "total_loss": TRAIN[k]} for k in range(POINTS)]
        for record in records[4::5]:
            record |= {"bbox/AP": 20.0, "bbox/APs": 10.0, "bbox/APl": math.nan, "fast_rcnn/cls_accuracy": 0.9}
        path = tmp_path / "metrics.json"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        (log,) = read(path)
        sides = {metric.name: (metric.train is not None, metric.val is not None) for metric in log.metrics}
        expected = {"bbox_ap": (False, True), "bbox_aps": (False, True), "fast_rcnn_cls_accuracy": (True, False)}
        assert sides == expected

    def test_mmengine_validates_at_the_end_of_its_epochs(self, tmp_path: Path) -> None:
        """Six iterations an epoch; the last epoch was cut short."""
        records: list[dict[str, object]] = []
        for step in range(1, 70):
            records.append({"lr": 0.1, "data_time": 0.1, "loss": 1 / step, "epoch": -(-step // 6), "step": step})
            records[-1]["iter"] = step
            if step % 12 == 0:
                records.append({"coco/AP": 0.5, "coco/AP (M)": -1.0, "data_time": 0.1, "time": 0.1, "step": step // 6})
        path = tmp_path / "scalars.json"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        (log,) = read(path)
        assert not log.notes
        assert log.train is not None
        assert len(log.train.y) == 69
        (metric,) = log.metrics
        assert metric.val is not None
        assert list(metric.val.x) == [2, 4, 6, 8, 10]

    def test_pandas_writes_a_nan_loss_as_nothing(self, tmp_path: Path) -> None:
        rows = [f"{1.1 - k / 50},0.4,{1.0 - k / 50},0.5" for k in range(10)] + [",0.33,,0.33"] * 10
        (log,) = read(table(tmp_path / "log.csv", "val_loss,val_accuracy,loss,accuracy", rows))
        assert log.train is not None
        assert len(log.train.y) == 20
        assert judge(log).code == "diverged"

    def test_trainer_prints_a_nan_as_zero(self, tmp_path: Path) -> None:
        history = [{"step": k, "loss": 2.0 - k / 10, "grad_norm": 1.0} for k in range(10)]
        history += [{"step": k, "loss": 0.0, "grad_norm": math.nan} for k in range(10, 14)]
        (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": 14, "log_history": history}))
        (log,) = read(tmp_path)
        assert judge(log).code == "diverged"

    def test_of_trainer_copies_the_furthest_is_read(self, tmp_path: Path) -> None:
        for steps in (5, 9):
            folder = tmp_path / f"checkpoint-{steps}"
            folder.mkdir()
            history = [{"step": k, "loss": 1.0} for k in range(steps)]
            (folder / "trainer_state.json").write_text(json.dumps({"global_step": steps, "log_history": history}))
        (log,) = read(tmp_path)
        assert log.train is not None
        assert len(log.train.x) == 9

    def test_an_empty_trainer_history_is_insufficient(self, tmp_path: Path) -> None:
        (tmp_path / "trainer_state.json").write_text('{"global_step": 0, "log_history": []}')
        (log,) = read(tmp_path)
        assert judge(log).code == "insufficient_data"

    def test_a_validate_call_after_lightning_training_is_left_out(self, tmp_path: Path) -> None:
        rows = [f"{k},{100 * k + 99},{1 / (k + 1)},{1 / (k + 1)}" for k in range(8)] + ["8,800,,0.001"]
        (log,) = read(table(tmp_path / "version_0" / "metrics.csv", "epoch,step,train_loss,val_loss", rows))
        assert log.val is not None
        assert len(log.val.x) == 8

    def test_a_run_knows_what_its_steps_found(self, tmp_path: Path) -> None:
        (log,) = read(SAMPLES["tunekit"](tmp_path))
        assert log.procedure == Procedure(
            lr=0.001, weight_decay=0.0001, dropout=(0.1,), sweep_range=(0.0003, 0.01), expected_loss=2.3026
        )
        assert log.name == "run"

    def test_a_run_knows_that_its_weights_were_averaged(self, tmp_path: Path) -> None:
        run = SAMPLES["tunekit"](tmp_path)
        [config] = run.glob("trainings/*/config.json")
        config.write_text(json.dumps({**json.loads(config.read_text()), "ema": 0.99}))
        (log,) = read(run)
        assert log.procedure is not None
        assert log.procedure.averaged

    def test_another_tools_log_has_no_procedure(self, tmp_path: Path) -> None:
        (log,) = read(SAMPLES["keras"](tmp_path))
        assert log.procedure is None

    @pytest.mark.parametrize("last", ["first-step", "second-step"])
    def test_the_training_that_the_last_step_names_is_judged(self, last: str, tmp_path: Path) -> None:
        """Of the steps in the order of the run's manifest, whatever they are called and whenever they ended."""
        run = SAMPLES["tunekit"](tmp_path)
        steps = ["lr-sweep", "second-step", "first-step"] if last == "first-step" else ["first-step", "second-step"]
        (run / "environment.json").write_text(json.dumps({"steps": steps}))
        header = "iteration,epoch,lr,train_loss,val_loss"
        for step in ("second-step", "first-step"):
            table(
                run / "trainings" / step / "metrics.csv", header, [f"{k},{k},0.1,{1 / k},{1 / k}" for k in range(1, 9)]
            )
            (run / step).mkdir()
            (run / step / "result.json").write_text(json.dumps({"handoff": {"training": step}}))
        (log,) = read(run)
        assert log.files == (str(run / "trainings" / last / "metrics.csv"),)

    def test_an_unfinished_run_is_told_so(self, tmp_path: Path) -> None:
        run = SAMPLES["tunekit"](tmp_path)
        (run / "environment.json").write_text(json.dumps({"steps": ["lr-sweep", "check-gap", "fine-run"]}))
        (log,) = read(run)
        assert "the run is unfinished: check-gap of its 3 steps have not ended" in log.notes

    @pytest.mark.parametrize("value", [None, 3, "x", [], [1, 2, 3], {"a": 1}, float("nan"), True])
    def test_values_of_wrong_types_in_a_run_are_passed_over(self, value: object, tmp_path: Path) -> None:
        run = SAMPLES["tunekit"](tmp_path)
        names = ("training", "range", "lr", "expected_loss", "classes")
        (run / "lr-sweep" / "result.json").write_text(json.dumps({"handoff": dict.fromkeys(names, value)}))
        (run / "check-init-loss" / "result.json").write_text(json.dumps({"handoff": value}))
        (run / "environment.json").write_text(json.dumps({"steps": value}))
        (training,) = (run / "trainings").iterdir()
        (training / "config.json").write_text(json.dumps({"lr": value, "weight_decay": value, "model": value}))
        (log,) = read(run)
        assert log.points > 0
        json.dumps(judge(log).as_dict(), allow_nan=False)

    def test_a_run_without_a_fine_run_is_judged_by_its_longest_training(self, tmp_path: Path) -> None:
        run = SAMPLES["tunekit"](tmp_path)
        (run / "fine-run" / "result.json").write_text("{torn")
        (log,) = read(run)
        assert log.points > 0
        assert any("longest" in note for note in log.notes)

    def test_printed_text_in_many_dialects(self, tmp_path: Path) -> None:
        dialects = {
            "[{k}/40] train loss: {a:.4f} | valid loss: {b:.4f}": "both",
            "Epoch {k}\nTrain - loss: {a:.4f}, acc: 0.5\nValidation - loss: {b:.4f}, acc: 0.5": "both",
            "\x1b[32mEpoch: {k}, training_loss={a:.4f}, validation_loss={b:.4f}\x1b[0m": "both",
            "Epoch {k}/40\n100%|####| 9/9 [00:01<00:00]\r loss: {a:.4f} - accuracy: 0.5 - val_loss: {b:.4f}": "both",
        }
        for place, (dialect, _) in enumerate(dialects.items()):
            path = tmp_path / f"{place}.log"
            lines = [dialect.format(k=k + 1, a=TRAIN[k], b=VAL[k]) for k in range(POINTS)]
            path.write_text("\n".join(lines))
            (log,) = read(path)
            assert log.train is not None, dialect
            assert log.val is not None, dialect
            np.testing.assert_allclose(floats(log.train.y), TRAIN, atol=1e-4, err_msg=dialect)
            np.testing.assert_allclose(floats(log.val.y), VAL, atol=1e-4, err_msg=dialect)


class TestSearch:
    """What is made of a path."""

    def test_a_missing_path_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no such file"):
            read(tmp_path / "nothing")

    def test_a_folder_without_logs_is_refused_with_the_formats(self, tmp_path: Path) -> None:
        (tmp_path / "photo.png").write_bytes(b"\x89PNG")
        with pytest.raises(UserError, match=r"--format list"):
            read(tmp_path)
        with pytest.raises(UserError, match=r"the formats are .*lightning.*wandb"):
            read(tmp_path, format="list")

    def test_an_unknown_format_is_refused_with_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="keras"):
            read(SAMPLES["keras"](tmp_path), format="word")

    def test_several_runs_come_best_first(self, tmp_path: Path) -> None:
        for run, factor in enumerate((1.0, 0.5, 2.0)):
            rows = [f"{k},{k},{TRAIN[k] * factor},{VAL[k] * factor}" for k in range(POINTS)]
            table(tmp_path / f"version_{run}" / "metrics.csv", "epoch,step,train_loss,val_loss", rows)
        assert [log.name for log in read(tmp_path)] == ["version_1", "version_0", "version_2"]

    def test_runs_of_one_name_are_told_apart_by_their_folders(self, tmp_path: Path) -> None:
        for run in ("first", "second"):
            SAMPLES["csv"](tmp_path / run)
            SAMPLES["csv"](tmp_path / run / "again")
        assert {log.name for log in read(tmp_path)} == {
            "first/log",
            "second/log",
            "first/again/log",
            "second/again/log",
        }

    def test_a_sure_log_hides_vague_files_around_it(self, tmp_path: Path) -> None:
        SAMPLES["ultralytics"](tmp_path)
        table(tmp_path / "data.csv", "image,loss", ["a,1", "b,2"])
        (tmp_path / "notes.txt").write_text("epoch 1 loss 3\nepoch 2 loss 2\n")
        assert [log.format for log in read(tmp_path)] == ["ultralytics"]

    def test_a_data_set_beside_the_log_costs_little(self, tmp_path: Path) -> None:
        (tmp_path / "labels").mkdir()
        for k in range(1500):
            (tmp_path / "labels" / f"{k}.txt").write_text("0 0.5 0.5 0.1 0.2\n")
        SAMPLES["ultralytics"](tmp_path)
        started = time.process_time()
        assert [log.format for log in read(tmp_path)] == ["ultralytics"]
        assert time.process_time() - started < 10

    def test_hidden_folders_and_environments_are_passed_over(self, tmp_path: Path) -> None:
        for folder in (".git", "venv", "node_modules"):
            (tmp_path / folder).mkdir()
            SAMPLES["keras"](tmp_path / folder)
        with pytest.raises(UserError):
            read(tmp_path)
