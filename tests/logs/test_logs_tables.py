"""Tables that people and tools write, each in its own way: names, separators, layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tunekit.diagnosis import judge
from tunekit.logs import Log, read
from tunekit.logs.log import floats
from tunekit.logs.names import part
from tunekit.vocabulary import Curve, UserError


def values(curve: Curve | None) -> list[float]:
    return [] if curve is None else [float(value) for value in floats(curve.y)]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


FALLING = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85]
HELD = [2.1, 1.7, 1.4, 1.3, 1.25, 1.2]
RISING = [0.3, 0.45, 0.55, 0.62, 0.66, 0.68]
ROWS = range(len(FALLING))
SPLITS = (("train_loss", FALLING), ("val_loss", HELD))


def table(header: str, row: str = "{k},{a},{b}") -> str:
    rows = "".join(row.format(k=k, a=FALLING[k], b=HELD[k], c=RISING[k]) + "\n" for k in ROWS)
    return f"{header}\n{rows}"


def is_whole(log: Log) -> bool:
    return values(log.train) == FALLING and values(log.val) == HELD


class TestColumns:
    def test_columns_of_one_name_stay_apart(self, tmp_path: Path) -> None:
        rows = "".join(f"{k},{loss},{loss + 7},{loss + 0.1}\n" for k, loss in enumerate(FALLING))
        (log,) = read(written(tmp_path / "log.csv", f"epoch,train_loss,train_loss,val_loss\n{rows}"))
        assert values(log.train) == FALLING
        assert len(values(log.val)) == len(FALLING)

    def test_an_export_of_two_runs_of_one_name(self, tmp_path: Path) -> None:
        head = '"Step","a - loss","a - loss__MIN","a - loss__MAX","a - loss","a - loss__MIN","a - loss__MAX"\n'
        rows = "".join(f'"{k}",{",".join([f"{loss}"] * 3 + [f"{loss + 3}"] * 3)}\n' for k, loss in enumerate(FALLING))
        (log,) = read(written(tmp_path / "export.csv", head + rows))
        assert values(log.train) == FALLING


class TestHeadings:
    """Where the names of a table stand, and what stands around them."""

    @pytest.mark.parametrize(
        "text",
        [
            table("# resnet, lr: 0.1\n# seed 3\nepoch,train_loss,val_loss"),
            table("# epoch train_loss val_loss", "{k} {a} {b}"),
            table("epoch [-],train loss [MSE],val loss [MSE]"),
            table("epoch,train_loss,val_loss\n-,nats,nats"),
            table(",train,train,val,val\n,loss,acc,loss,acc", "{k},{a},0.5,{b},0.6"),
            table("epoch,train,,val,\n,loss,acc,loss,acc", "{k},{a},0.5,{b},0.6"),
            table('"epoch" "train_loss" "val_loss"', '"{k}" {k} {a} {b}'),
            table("\ttrain_loss\tval_loss", "{k}\t{a}\t{b}"),
            table("epoch,train_loss,val_loss", "{k},{a},{b}\n# saved"),
        ],
    )
    def test_the_names_are_found(self, text: str, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "log.csv", text))
        assert is_whole(log)

    def test_cells_between_other_marks_are_no_table_of_blanks(self, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            read(written(tmp_path / "log.txt", table("epoch & train loss & val loss", "{k} & {a} & {b}")))

    def test_a_row_of_words_below_the_names_is_no_table(self, tmp_path: Path) -> None:
        text = "loss,accuracy\nis,good\nvery,fine\n"
        with pytest.raises(UserError):
            read(written(tmp_path / "log.csv", text))

    @pytest.mark.parametrize(
        ("separator", "row"), [(";", "{k};{a};{b}"), ("\t", "{k}\t{a}\t{b}"), (",", '"{k}","{a}","{b}"')]
    )
    def test_decimal_commas(self, separator: str, row: str, tmp_path: Path) -> None:
        rows = table("", row).replace(".", ",")
        head = separator.join(("epoch", "train_loss", "val_loss"))
        (log,) = read(written(tmp_path / "log.csv", head + rows))
        assert is_whole(log)

    def test_commas_between_thousands_are_none(self, tmp_path: Path) -> None:
        rows = "".join(f'"{1000 * (k + 1):,}",{FALLING[k]},{HELD[k]}\n' for k in ROWS)
        (log,) = read(written(tmp_path / "log.csv", f"step,train_loss,val_loss\n{rows}"))
        assert is_whole(log)
        assert log.train is not None
        assert list(log.train.x) == [1000 * (k + 1) for k in ROWS]


class TestWhose:
    """Whose numbers a row holds: a split's, a measure's, a run's."""

    @pytest.mark.parametrize(
        ("header", "row"),
        [
            ("epoch,split,loss", "{k},train,{a}\n{k},valid,{b}"),
            ("dataset,epoch,loss", "Train,{k},{a}\nTest,{k},{b}"),
            ("step,kind,loss", "{k},train_step,{a}\n{k},eval,{b}"),
            ("epoch,metric,value", "{k},train_loss,{a}\n{k},val_loss,{b}"),
            ("run_id,key,value,timestamp,step", "ab,train_loss,{a},17,{k}\nab,val_loss,{b},17,{k}"),
            ("epoch,status,train_loss,val_loss", "{k},training,{a},{b}"),
            ("epoch,note,train_loss,val_loss", "{k},best,{a},{b}"),
        ],
    )
    def test_words_say_it(self, header: str, row: str, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "log.csv", table(header, row)))
        assert is_whole(log)

    @pytest.mark.parametrize("column", ["fold", "run"])
    def test_runs_of_a_table_are_told_apart(self, column: str, tmp_path: Path) -> None:
        rows = "".join(f"{run},{k},{FALLING[k] + run},{HELD[k] + run}\n" for run in range(3) for k in ROWS)
        logs = read(written(tmp_path / "log.csv", f"{column},epoch,train_loss,val_loss\n{rows}"))
        assert len(logs) == 3
        assert is_whole(logs[0])
        assert not any("runs in one log" in note for note in logs[0].notes)

    @pytest.mark.parametrize(
        "header", ["Name,State,Created,val_loss,train_loss", "number,value,datetime_start,params_lr,state"]
    )
    def test_a_table_of_results_is_no_curve(self, header: str, tmp_path: Path) -> None:
        row = "run{k},finished,2026-01-01,{b},{a}" if header[0] == "N" else "{k},{a},2026-01-01 10:00:01,{b},COMPLETE"
        with pytest.raises(UserError, match="has a row a run"):
            read(written(tmp_path / "runs.csv", table(header, row)))

    def test_an_export_without_bounds_of_two_runs(self, tmp_path: Path) -> None:
        text = table('"Step","sun-3 - train/loss","moon-4 - train/loss"', '"{k}","{a}","{b}"')
        first, second = read(written(tmp_path / "export.csv", text))
        assert (values(first.train), values(second.train)) == (FALLING, HELD)
        assert {first.name, second.name} == {"sun-3", "moon-4"}


class TestNames:
    @pytest.mark.parametrize(
        "header",
        [
            "ep,trn_loss,vld_loss",
            "epoch,t_loss,v_loss",
            "epoch,tloss,vloss",
            "epoch,avg_loss,avg_vloss",
            "epoch,loss_tr,loss_va",
            "轮次,训练损失,验证损失",
            "Epoch,TrainLosses,ValLosses",
        ],
    )
    def test_short_and_foreign_names(self, header: str, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "log.csv", table(header)))
        assert is_whole(log)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("loss_multiplier", ""),
            ("skipped_loss_iters", ""),
            ("packet_loss", ""),
            ("gpu_cost", ""),
            ("objective/kl", ""),
            ("train/objective", "loss"),
            ("objective_value", "loss"),
            ("num_errors", ""),
            ("word_error_rate", "error"),
            ("accuracy_improvement", ""),
            ("gradient_norm", "grad_norm"),
            ("val_accs", "score"),
            ("loss_per_token", "loss"),
            ("stop_token_loss", "loss"),
            ("test_bpd", "error"),
        ],
    )
    def test_what_is_measured(self, name: str, kind: str) -> None:
        assert part(name).kind == kind

    def test_an_evaluation_of_the_test_split_is_no_validation(self, tmp_path: Path) -> None:
        text = table("epoch,train_loss,eval_test_loss,eval_valid_loss", "{k},{a},9,{b}")
        (log,) = read(written(tmp_path / "log.csv", text))
        assert is_whole(log)

    def test_a_value_loss_is_no_validation(self, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "log.csv", table("epoch,loss,v_loss")))
        assert values(log.train) == FALLING
        assert log.val is None

    def test_a_mark_of_the_split_is_no_loss(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column reads as a loss"):
            read(written(tmp_path / "data.csv", table("id,train,val", "{k},1,0")))

    def test_names_and_values_of_no_training_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column reads as a loss"):
            read(written(tmp_path / "data.csv", "name,value\nheight,2\nwidth,3\n"))

    def test_the_file_says_what_its_columns_measure(self, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "accuracy.csv", table("epoch,train,val", "{k},{c},{c}")))
        assert log.train is None
        assert values(log.metrics[0].train) == values(log.metrics[0].val) == RISING

    @pytest.mark.parametrize("header", ["step,value", "index,step,timestamp,value", ""])
    def test_files_of_one_curve_each_are_a_run(self, header: str, tmp_path: Path) -> None:
        for name, curve in (("train_loss", FALLING), ("val_loss", HELD)):
            row = {"": "{v}", "step,value": "{k},{v}"}.get(header, "{k},{k},2026-01-01 10:00:01,{v}")
            text = "".join(row.format(k=k, v=curve[k]) + "\n" for k in ROWS)
            written(tmp_path / f"{name}.csv", f"{header}\n{text}" if header else text)
        (log,) = read(tmp_path)
        assert is_whole(log)

    def test_a_column_of_numbers_without_a_name_is_no_log(self, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            read(written(tmp_path / "data.txt", "".join(f"{value}\n" for value in FALLING)))

    def test_episodes_of_a_monitor(self, tmp_path: Path) -> None:
        rows = "".join(f"{20 + k}.0,{20 + k},{0.5 * k}\n" for k in range(30))
        (log,) = read(
            written(tmp_path / "monitor.csv", f'#{{"t_start": 17.5, "env_id": "CartPole-v1"}}\nr,l,t\n{rows}')
        )
        assert log.objective is not None
        assert log.objective.kind == "reinforcement"
        assert set(log.objective.curves) >= {"reward", "length"}


class TestBeside:
    """What lies beside a run's curves and is no run."""

    def test_a_third_file_of_the_test_split(self, tmp_path: Path) -> None:
        for side, curve in (("train", FALLING), ("val", HELD), ("test", RISING)):
            rows = "".join(f"{k},{curve[k]}\n" for k in ROWS)
            written(tmp_path / f"{side}_loss.csv", f"step,loss\n{rows}")
        (log,) = read(tmp_path)
        assert is_whole(log)
        assert any("test_loss.csv is left out" in note for note in log.notes)

    def test_the_results_at_the_end(self, tmp_path: Path) -> None:
        written(tmp_path / "history.json", json.dumps({"loss": FALLING, "val_loss": HELD}))
        written(tmp_path / "results.json", json.dumps({"test_loss": 0.5, "test_accuracy": 0.8}))
        (log,) = read(tmp_path)
        assert is_whole(log)

    @pytest.mark.parametrize(
        ("name", "text", "classes"),
        [
            ("config.json", '{"lr": 0.1, "num_classes": 7}', 7),
            ("hparams.yaml", "lr: 0.1\nn_classes: 37\n", 37),
            ("args.txt", "lr=0.1\nnum_labels = 5\n", 5),
            ("config.yaml", "num_classes:\n  desc: null\n  value: 7\n", None),
            ("config.json", '{"num_classes": 7, "aux": {"num_classes": 3}}', None),
            ("config.json", '{"num_classes_seen": 7, "old_num_classes": 3}', None),
            ("notes.txt", "num_classes = 5", None),
        ],
    )
    def test_the_number_of_classes(self, name: str, text: str, classes: int | None, tmp_path: Path) -> None:
        written(tmp_path / name, text)
        (log,) = read(written(tmp_path / "log.csv", table("epoch,train_loss,val_loss")))
        assert log.classes == classes

    def test_guessing_among_that_number_is_known(self, tmp_path: Path) -> None:
        losses = [np.log(23) + (0.003 if k % 3 else -0.004) for k in range(30)]
        rows = "".join(f"{k},{loss:.5f},{loss:.5f}\n" for k, loss in enumerate(losses))
        path = written(tmp_path / "log.csv", f"epoch,train_loss,val_loss\n{rows}")
        assert "ln 23" not in judge(read(path)[0]).summary
        written(tmp_path / "args.json", '{"num_classes": 23}')
        other = written(tmp_path / "other.csv", path.read_text())
        assert "ln 23 = 3.1" in judge(read(other)[0]).summary

    def test_runs_that_have_just_begun_are_runs(self, tmp_path: Path) -> None:
        for name, rows in (("a", "0,2.0,2.1\n1,1.5,1.7\n2,1.4,1.6\n"), ("b", "0,2.0,2.1\n")):
            (tmp_path / name).mkdir()
            written(tmp_path / name / "log.csv", f"epoch,train_loss,val_loss\n{rows}")
        assert [log.name for log in read(tmp_path)] == ["a/log", "b/log"]


class TestStages:
    def test_epochs_that_begin_anew_where_the_loss_was_are_one_run(self, tmp_path: Path) -> None:
        losses = [2.0 * 0.8**k + 0.3 for k in range(12)]
        rows = "".join(f"{k % 7},{loss},{loss + 0.1}\n" for k, loss in enumerate(losses))
        (log,) = read(written(tmp_path / "log.csv", f"epoch,loss,val_loss\n{rows}"))
        assert values(log.train) == losses
        assert log.train is not None
        assert list(log.train.x) == list(range(12))
        assert not any("runs in one log" in note for note in log.notes)

    def test_epochs_that_begin_anew_with_the_loss_are_two_runs(self, tmp_path: Path) -> None:
        rows = "".join(f"{k},{FALLING[k]},{HELD[k]}\n" for _ in range(2) for k in ROWS)
        (log,) = read(written(tmp_path / "log.csv", f"epoch,loss,val_loss\n{rows}"))
        assert is_whole(log)
        assert any("2 runs in one log" in note for note in log.notes)


class TestRecords:
    """JSON whose keys say little and whose values say more."""

    @pytest.mark.parametrize(
        "records",
        [
            [{"type": kind, "step": k, "loss": y[k]} for k in ROWS for kind, y in (("train", FALLING), ("val", HELD))],
            [
                {"event": kind, "step": k, "loss": y[k]}
                for k in ROWS
                for kind, y in (("train_step", FALLING), ("eval", HELD))
            ],
            [
                {"metric": name, "value": y[k], "step": k}
                for k in ROWS
                for name, y in (("train/loss", FALLING), ("val/loss", HELD))
            ],
            [
                {"metricName": name, "metricValue": str(y[k]), "step": k}
                for k in ROWS
                for name, y in (("train_loss", FALLING), ("val_loss", HELD))
            ],
            [
                {"name": "loss", "context": {"subset": side}, "step": k, "value": y[k]}
                for k in ROWS
                for side, y in (("train", FALLING), ("val", HELD))
            ],
            [{"name": "resnet", "value": 1.0, "epoch": k, "train_loss": FALLING[k], "val_loss": HELD[k]} for k in ROWS],
        ],
    )
    def test_values_say_whose_numbers_they_are(self, records: list[object], tmp_path: Path) -> None:
        for name, text in (
            ("a.jsonl", "".join(json.dumps(item) + "\n" for item in records)),
            ("b.json", json.dumps(records)),
        ):
            (log,) = read(written(tmp_path / name, text))
            assert is_whole(log)

    @pytest.mark.parametrize(
        "value",
        [
            {"train_loss": [[10 * k, FALLING[k]] for k in ROWS], "val_loss": [[10 * k, HELD[k]] for k in ROWS]},
            {
                "train_loss": [[17.5 + k, 10 * k, FALLING[k]] for k in ROWS],
                "val_loss": [[17 + k, 10 * k, HELD[k]] for k in ROWS],
            },
            {
                "loss": {
                    s: {"name": s, "x": [10 * k for k in ROWS], "y": y} for s, y in (("train", FALLING), ("val", HELD))
                }
            },
            {
                "columns": ["step", "train_loss", "val_loss"],
                "index": list(ROWS),
                "data": [[10 * k, FALLING[k], HELD[k]] for k in ROWS],
            },
        ],
    )
    def test_points_with_their_steps(self, value: object, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "a.json", json.dumps(value)))
        assert is_whole(log)
        assert log.train is not None
        assert list(log.train.x) == [10 * k for k in ROWS]

    @pytest.mark.parametrize(
        "value",
        [
            {"data": [{"name": name, "x": list(ROWS), "y": y, "type": "scatter"} for name, y in SPLITS]},
            {"series": [{"name": name, "data": y} for name, y in SPLITS]},
            {
                "loss": {
                    "labels": list(ROWS),
                    "datasets": [{"label": n.removesuffix("_loss"), "data": y} for n, y in SPLITS],
                }
            },
        ],
    )
    def test_curves_of_a_chart(self, value: object, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "a.json", json.dumps(value)))
        assert is_whole(log)

    def test_a_list_of_numbers_is_what_its_file_is_called(self, tmp_path: Path) -> None:
        for name, y in SPLITS:
            written(tmp_path / f"{name}.json", json.dumps(y))
        (log,) = read(tmp_path)
        assert is_whole(log)

    @pytest.mark.parametrize("cut", [0, 1, 25])
    def test_records_that_are_still_written(self, cut: int, tmp_path: Path) -> None:
        records = [{"epoch": k, "train_loss": FALLING[k], "val_loss": HELD[k]} for k in ROWS]
        whole = [
            "[\n" + ",\n".join(map(json.dumps, records)) + "\n]",
            "[" + ", ".join(map(json.dumps, records)) + "]",
            "\n".join(json.dumps(record, indent=2) for record in records),
        ]
        for text in whole:
            (log,) = read(written(tmp_path / "a.json", text[: len(text) - cut]))
            assert values(log.train)[:5] == FALLING[:5]
            assert values(log.val)[:5] == HELD[:5]

    def test_a_dictionary_as_python_prints_it(self, tmp_path: Path) -> None:
        text = repr({"loss": FALLING, "val_loss": [*HELD[:-1], float("nan")], "best": None})
        for name in ("history.json", "history.txt"):
            (log,) = read(written(tmp_path / name, text))
            assert values(log.train) == FALLING
            assert values(log.val)[:-1] == HELD[:-1]

    def test_edges_of_a_graph_are_no_curve(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column reads as a loss"):
            read(written(tmp_path / "a.json", json.dumps({"train": [[0, 1], [1, 2], [2, 0]], "val": [[0, 2], [1, 3]]})))

    def test_a_chart_of_tensorboard(self, tmp_path: Path) -> None:
        text = json.dumps([[17.5 + k, 10 * k, FALLING[k]] for k in ROWS])
        (log,) = read(written(tmp_path / "run-.-tag-loss_train.json", text))
        assert values(log.train) == FALLING

    def test_pairs_that_do_not_count_steps_are_no_curve(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column reads as a loss"):
            read(written(tmp_path / "a.json", json.dumps({"loss": [[FALLING[k], HELD[k]] for k in ROWS]})))

    def test_numbers_as_pytorch_prints_them(self, tmp_path: Path) -> None:
        value = {
            "train_loss": [f"tensor({number}, device='cuda:0')" for number in FALLING],
            "val_loss": [f"tensor({number}, grad_fn=<MeanBackward0>)" for number in HELD],
        }
        (log,) = read(written(tmp_path / "a.json", json.dumps(value)))
        assert is_whole(log)

    def test_lists_of_an_epochs_batches(self, tmp_path: Path) -> None:
        value = {"train_loss": [[a] * 5 for a in FALLING], "val_loss": HELD}
        (log,) = read(written(tmp_path / "a.json", json.dumps(value)))
        assert values(log.train) == list(np.repeat(FALLING, 5))
        assert values(log.val) == HELD

    @pytest.mark.parametrize("keys", [("training", "valid_1"), ("validation_0", "validation_1")])
    def test_numbered_sets_of_boosting(self, keys: tuple[str, str], tmp_path: Path) -> None:
        value = {key: {"binary_logloss": y} for key, y in zip(keys, (FALLING, HELD), strict=True)}
        (log,) = read(written(tmp_path / "evals_result.json", json.dumps(value)))
        assert is_whole(log)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "text", "line"),
        [
            ("log.csv", table("0,2.0,2.1"), "holds numbers without names; put a line of names above them"),
            ("log.txt", table("0 2.0 2.1", "{k} {a} {b}"), "holds numbers without names"),
            ("log.yaml", "train_loss:\n- 2.0\n- 1.5\n", "is YAML, which is not read"),
            ("notes.txt", "nothing here\nof a training\n", "no line or column reads as a loss or a metric"),
        ],
    )
    def test_say_why(self, name: str, text: str, line: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=line):
            read(written(tmp_path / name, text))

    def test_a_spreadsheet(self, tmp_path: Path) -> None:
        (tmp_path / "log.xlsx").write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml")
        with pytest.raises(UserError, match="is a spreadsheet"):
            read(tmp_path / "log.xlsx")


class TestAskedFor:
    """Columns that a person names, of a run in two files."""

    def written(self, folder: Path, header: str) -> Path:
        for side, curve in (("train", FALLING), ("val", HELD)):
            rows = "".join(f"{k},{curve[k]}\n" for k in ROWS)
            written(folder / f"{side}.csv", f"step,{header.format(side=side)}\n{rows}")
        return folder

    @pytest.mark.parametrize(
        ("header", "train", "val"),
        [
            ("loss", "loss", "loss"),
            ("loss", "loss", None),
            ("{side}_loss", "train_loss", "val_loss"),
            ("{side}_loss", "train_loss", None),
            ("{side}_loss", None, "val_loss"),
            ("{side}_y_loss", "train_y_loss", "val_y_loss"),
        ],
    )
    def test_each_file_has_its_own(self, header: str, train: str | None, val: str | None, tmp_path: Path) -> None:
        (log,) = read(self.written(tmp_path, header), train=train, val=val)
        assert is_whole(log)
        assert not log.notes

    @pytest.mark.parametrize(("train", "val"), [("x", None), ("train_loss", "x"), ("x", "val_loss")])
    def test_a_column_that_neither_has_is_refused(self, train: str, val: str | None, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column"):
            read(self.written(tmp_path, "{side}_loss"), train=train, val=val)

    def test_the_refusal_names_the_columns_of_a_text_called_a_table(self, tmp_path: Path) -> None:
        lines = "".join(f"Epoch {k}: train loss {FALLING[k]}, val loss {HELD[k]}\n" for k in ROWS)
        with pytest.raises(UserError, match="no column 'x'; the columns are 'train_loss', 'val_loss'"):
            read(written(tmp_path / "log.csv", lines), train="x")
