"""What tools print while they train: each form as its tool writes it, and what looks alike and is none."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from log_samples import ACCURACY, POINTS, SAMPLES, TRAIN, VAL

from tunekit.diagnosis import judge
from tunekit.logs import Log, read
from tunekit.vocabulary import UserError


def printed(folder: Path, text: str, name: str = "train.log") -> Log:
    (folder / name).write_text(text)
    return read(folder / name)[0]


def losses(log: Log) -> tuple[list[float], list[float]]:
    return list(log.train.y) if log.train else [], list(log.val.y) if log.val else []


class TestDictionaries:
    def test_settings_and_reports_are_no_points(self, tmp_path):
        text = "TrainingArguments(\naccelerator_config={'split_batches': False, 'loss': 3},\n"
        text += "".join(
            f"{{'loss': {2 - k / 10:.1f}, 'epoch': {k}.0}}\n{{'mrr': np.float64(0.5)}}\n" for k in range(1, 9)
        )
        log = printed(tmp_path, text)
        assert log.format == "dictionaries"
        assert losses(log) == ([round(2 - k / 10, 1) for k in range(1, 9)], [])

    def test_a_printed_zero_with_a_nan_norm_is_nan(self, tmp_path):
        rows = [f"{{'loss': '{2 - k / 10:.1f}', 'grad_norm': '1.5', 'epoch': '{k / 10}'}}" for k in range(1, 9)]
        rows += [f"{{'loss': '0', 'grad_norm': 'nan', 'epoch': '{k / 10}'}}" for k in range(9, 14)]
        log = printed(tmp_path, "\n".join(rows))
        assert math.isnan(losses(log)[0][-1])
        assert judge(log).code == "diverged"

    def test_a_zero_with_a_sound_norm_stays_zero(self, tmp_path):
        log = printed(tmp_path, "".join(f"{{'loss': 0.0, 'grad_norm': 0.1, 'epoch': {k}}}\n" for k in range(1, 9)))
        assert losses(log)[0] == [0.0] * 8

    def test_an_evaluation_behind_the_end_is_none_of_the_training(self, tmp_path):
        rows = [f"{{'loss': 1.0, 'epoch': {k}}}\n{{'eval_loss': {k}, 'epoch': {k}}}" for k in range(1, 6)]
        rows += ["{'train_runtime': 3.1, 'train_loss': 99.0, 'epoch': 5}", "{'eval_loss': 0.25, 'epoch': 5}"]
        assert losses(printed(tmp_path, "\n".join(rows))) == ([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])

    def test_a_lone_final_evaluation_is_kept(self, tmp_path):
        rows = [f"{{'loss': 1.0, 'epoch': {k}}}" for k in range(1, 6)]
        rows += ["{'train_runtime': 3.1, 'epoch': 5}", "{'eval_loss': 0.25, 'epoch': 5}"]
        assert losses(printed(tmp_path, "\n".join(rows)))[1] == [0.25]

    def test_what_two_handlers_print_counts_once(self, tmp_path):
        row = "{{'loss': {loss}, 'epoch': {k}}}\n"
        log = printed(tmp_path, "".join(2 * row.format(k=k, loss=2.0 - k) for k in range(6)))
        assert losses(log)[0] == [2.0, 1.0, 0.0, -1.0, -2.0, -3.0]

    def test_what_a_callback_prints_beside_trainer_counts_once(self, tmp_path):
        """LLaMA-Factory's, with other keys; evaluations are printed by Trainer alone."""
        row = "[INFO] >> {{'loss': {k}.5, 'epoch': {k}.0, 'throughput': 182.1}}\n{{'loss': {k}.5, 'epoch': {k}.0}}\n"
        text = "".join(row.format(k=k) + f"{{'eval_loss': {k}.75, 'epoch': {k}.0}}\n" for k in range(1, 9))
        assert losses(printed(tmp_path, text)) == ([k + 0.5 for k in range(1, 9)], [k + 0.75 for k in range(1, 9)])

    def test_equal_lines_are_no_copies_of_each_other(self, tmp_path):
        log = printed(tmp_path, 13 * "{'loss': 0.0, 'grad_norm': nan, 'epoch': 0.0}\n")
        assert len(losses(log)[0]) == 13
        assert judge(log).code == "diverged"

    def test_fairseqs_json_format(self, tmp_path):
        start = "2021-01-01 10:00:00 | INFO |"
        text = "".join(
            f'{start} valid | {{"epoch": {k}, "valid_loss": "{k + 1}.5", "valid_ppl": "9"}}\n'
            f'{start} train | {{"epoch": {k}, "train_loss": "{k}.25", "train_lr": "0.001"}}\n'
            for k in range(1, 5)
        )
        assert losses(printed(tmp_path, text)) == ([1.25, 2.25, 3.25, 4.25], [2.5, 3.5, 4.5, 5.5])

    def test_rewards_keep_their_names(self, tmp_path):
        text = "".join(f"{{'loss': 0.6, 'rewards/accuracies': {k / 10}, 'epoch': {k}}}\n" for k in range(1, 9))
        printed(tmp_path, text)
        (log,) = read(tmp_path, val="rewards/accuracies")
        assert losses(log)[1] == [k / 10 for k in range(1, 9)]


class TestBoosting:
    def rounds(self, folder: Path, row: str, name: str = "out.txt") -> Log:
        left = [math.exp(-k / 8) for k in range(40)]
        lines = [row.format(k=k, a=0.3 + 0.4 * e, b=0.4 + 0.3 * e, c=0.9 - 0.4 * e) for k, e in enumerate(left)]
        return printed(folder, "\n".join(lines) + "\n", name)

    @pytest.mark.parametrize(
        ("row", "train", "val"),
        [
            ("[{k}]\ttrain-rmspe:{a:.5f}\teval-rmspe:{b:.5f}", "train-rmspe", "eval-rmspe"),
            ("[{k}]\teval-error:{b:.5f}\ttrain-error:{a:.5f}", "train-error", "eval-error"),
            ("[{k}]\ttrain-rmse:{a:.5f}+0.00100\ttest-rmse:{b:.5f}+0.00200", "train-rmse", "test-rmse"),
            ("[10:21:09] [{k}]  train-tweedie-nloglik@1.5:{a:.5f}  val-tweedie-nloglik@1.5:{b:.5f}",) * 1
            + ("train-tweedie-nloglik@1.5", "val-tweedie-nloglik@1.5"),
            ("[{k}]\ttraining's l2: {a:.5f}\tvalid_1's l2: {b:.5f}", "training l2", "valid_1 l2"),
            ("[{k}]\ttraining's auc: {c}\ttraining's binary_logloss: {a:.5f}\tvalid_1's binary_logloss: {b:.5f}",) * 1
            + ("training binary_logloss", "valid_1 binary_logloss"),
            ("{k}:\tlearn: {a:.7f}\ttest: {b:.7f}\tbest: {b:.7f} ({k})\ttotal: 12ms\tremaining: 1s", "learn", "test"),
            ("[{k}]\tvalid_0's l1: {a:.5f}\tvalid_1's l1: {b:.5f}", "valid_0 l1", "valid_1 l1"),
            ("[{k}]\tvalidation_0-logloss:{a:.5f}\tvalidation_1-logloss:{b:.5f}",) * 1
            + ("validation_0-logloss", "validation_1-logloss"),
        ],
    )
    def test_the_loss_is_taken_of_both_sets(self, row, train, val, tmp_path):
        log = self.rounds(tmp_path, row)
        assert (log.format, log.train and log.train.name, log.val and log.val.name) == ("boosting", train, val)
        assert losses(log)[0][0] == pytest.approx(0.7)
        assert losses(log)[1][-1] == pytest.approx(0.4, abs=0.01)

    def test_a_set_alone_is_for_validation(self, tmp_path):
        log = self.rounds(tmp_path, "[{k}]\tcv_agg's valid l2: {b:.5f} + 0.00123")
        assert losses(log)[0] == []
        assert len(losses(log)[1]) == 40

    def test_what_rises_is_no_loss(self, tmp_path):
        log = self.rounds(tmp_path, "[{k}]\ttrain-gini:{c:.5f}\tvalid-gini:{c:.5f}")
        assert losses(log) == ([], [])
        assert [(metric.maximize, metric.train is None, metric.val is None) for metric in log.metrics] == [
            (True, False, False)
        ]

    def test_the_best_round_said_again_is_none(self, tmp_path):
        rows = [f"[{k}]\ttrain-rmse:{9 - k}.0\tvalid-rmse:{9 - k}.0\n" for k in range(8)]
        for again in ("Stopping. Best iteration:\n", "Early stopping, best iteration is:\n"):
            log = printed(tmp_path, "".join([*rows, again, rows[4]]))
            assert losses(log)[0] == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0]


class TestKeras:
    def test_an_evaluation_behind_the_last_epoch_is_none_of_it(self, tmp_path):
        text = "".join(f"Epoch {k}/5\n9/9 - 3s - loss: {k}.5 - val_loss: {k}.75 - 3s/epoch\n" for k in range(1, 6))
        log = printed(tmp_path, text + "4/4 [====] - 0s 3ms/step - loss: 99.0\n")
        assert losses(log) == ([1.5, 2.5, 3.5, 4.5, 5.5], [1.75, 2.75, 3.75, 4.75, 5.75])

    def test_an_epoch_that_is_not_over_is_left_out(self, tmp_path):
        text = "".join(f"Epoch {k}/5\n 9/9 [====] - 3s - loss: {k}.5\n" for k in range(1, 5))
        log = printed(tmp_path, text + "Epoch 5/5\n 3/9 [=>...] - ETA: 3s - loss: 99.0")
        assert losses(log)[0] == [1.5, 2.5, 3.5, 4.5]
        assert any("not at its end" in note for note in log.notes)

    def test_colours_and_carriage_returns_of_version_3(self, tmp_path):
        bar = "\x1b[1m{n}/9\x1b[0m \x1b[32m\u2501\x1b[0m\x1b[37m\u2501\x1b[0m \x1b[1m2s\x1b[0m 2ms/step - loss: {loss}"
        text = "".join(
            f"Epoch {k}/5\n" + bar.format(n=3, loss=9) + "\r" + bar.format(n=9, loss=f"{k}.5 - val_loss: 1.0") + "\n"
            for k in range(1, 6)
        )
        assert losses(printed(tmp_path, text)) == ([1.5, 2.5, 3.5, 4.5, 5.5], [1.0] * 5)

    def test_an_epoch_of_unknown_length_ends_with_its_last_state(self, tmp_path):
        states = (f"{n}/Unknown - {n}s 9ms/step - loss: {10 - n}.0" for n in (1, 5, 9))
        text = "Epoch 1/3\n" + "\r".join(states) + "\n"
        text += "".join(f"Epoch {k}/3\n9/9 [====] - 3s - loss: {k}.5\n" for k in (2, 3))
        assert losses(printed(tmp_path, text))[0] == [1.0, 2.5, 3.5]

    def test_lines_of_other_loops_are_texts(self, tmp_path):
        text = "".join(f"Epoch {k}/5 - train_loss: {k}.5 - val_loss: {k}.75\n" for k in range(1, 6))
        log = printed(tmp_path, text)
        assert log.format == "text"
        assert losses(log)[0] == [1.5, 2.5, 3.5, 4.5, 5.5]


class TestBars:
    def test_of_each_epochs_bar_the_last_state_counts(self, tmp_path):
        """Lightning writes all epochs' bars on one line."""
        bars = (
            f"Epoch {k}: {p:3d}%|##| {p}/100 [00:01<00:01, 90.1it/s, v_num=0, train_loss={k + 100 / p:.3f}]"
            for k in range(12)
            for p in (1, 50, 100)
        )
        assert losses(printed(tmp_path, "\r".join(bars)))[0] == [k + 1.0 for k in range(12)]

    def test_the_states_of_a_single_bar_are_its_log(self, tmp_path):
        bars = (f"steps: {k}%|##| {k}/400 [00:01<03:20, 1.62it/s, avr_loss={2 - k / 400:.4f}]" for k in range(1, 201))
        log = printed(tmp_path, "\r".join(bar for bar in bars for _ in range(2)))
        assert log.train is not None
        assert (log.train.x[0], log.train.x[-1], log.train.y[-1]) == (1, 200, 1.5)
        assert len(log.train.x) == 200

    def test_a_single_bar_over_epochs_with_both_losses(self, tmp_path):
        bars = (f"{k}%|#| {k}/20 [00:01<00:02, 3.2it/s, train_loss={k}.5, val_loss={k}.75]" for k in range(1, 21))
        log = printed(tmp_path, "\r".join(bars))
        assert losses(log) == ([k + 0.5 for k in range(1, 21)], [k + 0.75 for k in range(1, 21)])

    def test_a_message_in_the_midst_of_a_bar_does_not_make_a_point_of_it(self, tmp_path):
        text = "".join(
            f" 5%|#| 5/100 [00:01<00:09, loss=99]\r{'':30}\rEpoch {k} train loss {k}.5 val loss {k}.75\n"
            for k in range(9)
        )
        assert losses(printed(tmp_path, text))[0] == [k + 0.5 for k in range(9)]


class TestTables:
    @pytest.mark.parametrize(
        ("head", "row"),
        [
            ("epoch     train_loss  valid_loss  time", "{k}         {a:.4f}      {b:.4f}      00:12"),
            (
                "\u2503 Epoch \u2503 Train Loss \u2503 Val Loss \u2503\n\u2521\u2501\u2501\u2547\u2501\u2529",
                "\u2502 {k} \u2502 {a:.4f} \u2502 {b:.4f} \u2502",
            ),
            ("   epoch  train_loss  val_loss", "{k}     {k}    {a:.4f}    {b:.4f}"),
            ("| Epoch | Train Loss | Val Loss |\n|---|---|---|", "| {k} | {a:.4f} | {b:.4f} |"),
            ("+-------+------+\n| epoch | train loss | val loss |\n+---+---+", "|     {k} | {a:.4f} | {b:.4f} |"),
        ],
    )
    def test_among_other_output(self, head, row, tmp_path):
        rows = [row.format(k=k, a=TRAIN[k], b=VAL[k]) for k in range(POINTS)]
        rows.insert(5, "Better model found: saving to best.pt")
        log = printed(tmp_path, "\n".join(["using cuda", head, *rows, "done in 3 s"]))
        assert log.format == "tables"
        assert losses(log)[0] == pytest.approx(TRAIN, abs=1e-4)
        assert losses(log)[1] == pytest.approx(VAL, abs=1e-4)

    def test_an_index_without_a_name_shifts_no_column(self, tmp_path):
        rows = [f"{k:<4d} {k + 1:5d} {TRAIN[k]:10.4f} {VAL[k]:9.4f}" for k in range(POINTS)]
        log = printed(tmp_path, "\n".join(["     epoch train_loss  val_loss", *rows]), "log.txt")
        assert losses(log)[0] == pytest.approx(TRAIN, abs=1e-4)
        assert losses(log)[1] == pytest.approx(VAL, abs=1e-4)

    def test_a_file_that_is_a_table_throughout_is_read_as_one(self, tmp_path):
        rows = [f"{k} {TRAIN[k]} {VAL[k]}" for k in range(POINTS)]
        assert printed(tmp_path, "\n".join(["epoch train_loss val_loss", *rows]), "log.txt").format == "csv"

    def test_a_report_by_classes_is_no_training(self, tmp_path):
        text = "".join(f"epoch {k} loss {k}.5\n" for k in range(5)) + "     precision  recall  f1-score  support\n"
        log = printed(tmp_path, text + "".join(f"  {k}   0.9    0.8   0.85   {k}00\n" for k in range(9)))
        assert losses(log)[0] == [0.5, 1.5, 2.5, 3.5, 4.5]

    def test_a_sentence_above_numbers_is_no_header(self, tmp_path):
        text = "".join(f"epoch {k} loss {k}.5\n" for k in range(5)) + "Training loss and accuracy\n"
        log = printed(tmp_path, text + "".join(f"{k}213  2873  374  56\n" for k in range(9)))
        assert losses(log)[0] == [0.5, 1.5, 2.5, 3.5, 4.5]

    def test_spacys_first_loss_is_of_one_batch(self, tmp_path):
        (log,) = read(SAMPLES["spacy"](tmp_path))
        assert len(losses(log)[0]) == POINTS
        assert any("one batch" in note for note in log.notes)
        assert [metric.val is not None for metric in log.metrics] == [True] * len(log.metrics)


def notebook(path: Path, *outputs: dict[str, object]) -> Path:
    cells = [{"cell_type": "code", "outputs": [output], "source": []} for output in outputs]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}))
    return path


class TestPages:
    ROWS = "".join(f"Epoch {k}: train loss {k}.5, val loss {k}.75\n" for k in range(9))

    def table(self, names: str, rows: list[str]) -> dict[str, object]:
        head = "".join(f"<th>{name}</th>" for name in names.split(","))
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row.split(",")) + "</tr>" for row in rows)
        html = (
            f'<table border="1"><thead><tr style="text-align: left;">{head}</tr></thead><tbody>{body}</tbody></table>'
        )
        return {"output_type": "display_data", "data": {"text/html": [html], "text/plain": ["<IPython object>"]}}

    def test_of_several_cells_the_one_with_the_most_points_is_judged(self, tmp_path):
        small = {"output_type": "stream", "text": ["epoch 1 loss 9\n", "epoch 2 loss 8\n"]}
        path = notebook(tmp_path / "a.ipynb", small, {"output_type": "stream", "text": self.ROWS})
        (log,) = read(path)
        assert losses(log)[0] == [k + 0.5 for k in range(9)]
        assert "2 cells show a training; cell 2, with the most points, is judged" in log.notes

    def test_tables_of_fastai_and_of_trainer(self, tmp_path):
        rows = [f"{k},{k}.5,{k}.75,00:12" for k in range(9)]
        (log,) = read(notebook(tmp_path / "a.ipynb", self.table("epoch,train_loss,valid_loss,time", rows)))
        assert losses(log) == ([k + 0.5 for k in range(9)], [k + 0.75 for k in range(9)])
        rows = [f"{k}00,{'No log' if k < 2 else k},{k}.75" for k in range(9)]
        (log,) = read(notebook(tmp_path / "b.ipynb", self.table("Step,Training Loss,Validation Loss", rows)))
        assert losses(log) == ([2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [k + 0.75 for k in range(9)])
        assert log.train is not None
        assert (log.train.x[0], log.train.unit) == (200, "iteration")

    @pytest.mark.parametrize(
        "document", ["{}", '{"cells": 3}', '{"cells": [3, {"outputs": 3}, {"outputs": [3]}]}', "[]", "{"]
    )
    def test_a_notebook_without_a_training_is_refused(self, document, tmp_path):
        path = tmp_path / "a.ipynb"
        path.write_text(document)
        with pytest.raises(UserError, match=r"a\.ipynb: "):
            read(path, format="notebook")

    @pytest.mark.parametrize("mark", ["    ", "> ", "> > ", "\t"])
    def test_quoted_and_indented_output(self, mark, tmp_path):
        text = "Why is that so?\n\n" + "".join(mark + row + "\n" for row in self.ROWS.splitlines()) + "\nThanks\n"
        log = printed(tmp_path, text, "question.md")
        assert (log.format, losses(log)[0]) == ("markdown", [k + 0.5 for k in range(9)])

    def test_output_without_a_fence(self, tmp_path):
        assert losses(printed(tmp_path, f"Hello\n\n{self.ROWS}", "question.md"))[0] == [k + 0.5 for k in range(9)]

    def test_of_several_blocks_the_one_with_the_most_points_is_judged(self, tmp_path):
        text = f"```\nepoch 1 loss 3\nepoch 2 loss 4\n```\ntext\n~~~text\n{self.ROWS}~~~\n"
        log = printed(tmp_path, text, "log.md")
        assert losses(log)[0] == [k + 0.5 for k in range(9)]
        assert any(note.startswith("2 blocks show a training; the one at line 7,") for note in log.notes)

    def test_pages_beside_a_log_are_not_looked_at(self, tmp_path):
        (tmp_path / "README.md").write_text(f"# Results\n```\n{self.ROWS * 3}```\n")
        notebook(tmp_path / "a.ipynb", {"output_type": "stream", "text": self.ROWS})
        (tmp_path / "notes.txt").write_text("epoch 1 loss 2\nepoch 2 loss 1\nepoch 3 loss 1\n")
        assert [log.format for log in read(tmp_path)] == ["text"]

    def test_a_folder_with_nothing_but_pages_is_read(self, tmp_path):
        (tmp_path / "README.md").write_text("# Results\n\nOur loss is 0.3 and the accuracy 0.9.\n")
        notebook(tmp_path / "a.ipynb", {"output_type": "stream", "text": self.ROWS})
        assert [log.format for log in read(tmp_path)] == ["notebook"]

    def test_a_page_about_a_project_is_no_log(self, tmp_path):
        page = (
            "# A project\n\n| Model | Loss | Accuracy |\n|---|---|---|\n| small | 0.3 | 0.9 |\n| large | 0.2 | 0.92 |\n"
        )
        (tmp_path / "README.md").write_text(page + "\n```bash\npython train.py --epoch 3 --loss 1\n```\n")
        with pytest.raises(UserError):
            read(tmp_path)


class TestTextOfAnyName:
    ROWS = TestPages.ROWS

    @pytest.mark.parametrize("name", ["log.csv", "log.data", "log.json", "log", "log.tsv", "run.3"])
    def test_is_read_and_said(self, name, tmp_path):
        log = printed(tmp_path, self.ROWS, name)
        assert (log.format, losses(log)[0]) == ("text", [k + 0.5 for k in range(9)])
        assert ("no reader knows its format: read as plain text" in log.notes) == (name not in ("log", "run.3"))
        assert not any("left out" in note for note in log.notes)

    def test_is_found_below_a_folder(self, tmp_path):
        printed(tmp_path, self.ROWS, "train_log.csv")
        assert len(read(tmp_path)) == 1

    def test_does_not_come_before_a_log(self, tmp_path):
        printed(tmp_path, self.ROWS, "a.data")
        SAMPLES["keras"](tmp_path)
        assert [log.format for log in read(tmp_path)] == ["keras"]

    @pytest.mark.parametrize(
        "document", ['{\n "loss": 1,\n "acc": 2\n}', '[{"a": {"loss": 1}}]', "<p>epoch 1 loss 1</p>\n" * 9]
    )
    def test_documents_are_no_text(self, document, tmp_path):
        (tmp_path / "a.data").write_text(document)
        with pytest.raises(UserError, match="no line or column reads as a loss"):
            read(tmp_path / "a.data")

    def test_bytes_are_no_text(self, tmp_path):
        (tmp_path / "a.data").write_bytes(bytes(range(256)) * 40)
        with pytest.raises(UserError, match="and no text; give the log as text, CSV or JSON"):
            read(tmp_path / "a.data")

    def test_the_formats_are_listed_where_they_are_asked_for(self, tmp_path):
        with pytest.raises(UserError, match="the formats are allennlp, "):
            read(tmp_path, format="list")
        (tmp_path / "paths.log").write_text("/home/me/a.png\n/home/me/b.png\n")
        with pytest.raises(UserError) as refusal:
            read(tmp_path / "paths.log")
        assert len(str(refusal.value).removeprefix(str(tmp_path))) < 170

    def test_a_log_behind_long_settings_is_known(self, tmp_path):
        log = printed(tmp_path, "setting: value\n" * 20_000 + self.ROWS)
        assert losses(log)[0] == [k + 0.5 for k in range(9)]


class TestOtherTools:
    def test_darknets_numbers_stand_before_their_names(self, tmp_path):
        (log,) = read(SAMPLES["darknet"](tmp_path))
        assert log.train is not None
        assert log.train.name == "avg_loss"
        assert log.lr is not None
        assert set(log.lr.y) == {0.001}
        assert [metric.name for metric in log.metrics] == ["map50"]

    def test_fairseq_of_2017(self, tmp_path):
        text = "".join(
            f"| epoch {k:03d} | train loss {k}.5 | train ppl 11.00 | words/s 60 | lr 0.33 | clip 100%\n"
            f"| epoch {k:03d} | valid on 'valid' subset | valid loss {k}.75 | valid ppl 11.00\n"
            for k in range(1, 6)
        )
        log = printed(tmp_path, text)
        assert (log.format, losses(log)) == (
            "fairseq",
            ([k + 0.5 for k in range(1, 6)], [k + 0.75 for k in range(1, 6)]),
        )

    def test_fairseqs_updates_are_apart_from_its_epochs(self, tmp_path):
        (log,) = read(SAMPLES["fairseq"](tmp_path))
        assert log.train is not None
        assert (log.train.name, log.train.unit, len(log.train.x)) == ("train_loss", "epoch", POINTS)

    def test_yolos_validation_of_the_best_checkpoint_is_none_of_an_epoch(self, tmp_path):
        (log,) = read(SAMPLES["ultralytics-output"](tmp_path))
        assert log.metrics[0].val is not None
        assert list(log.metrics[0].val.y) == pytest.approx(ACCURACY, abs=1e-4)

    def test_iterations_that_two_appended_runs_count_anew_in_each_epoch(self, tmp_path):
        row = "INFO - epoch: {e}/9, iter: {i}/40, total_loss: {loss:.1f}, iou_loss: 1.9, lr: 1e-3, ETA: 1:54:27\n"
        places = [(e, i, 2.5) for e in (1, 2, 3) for i in (10, 20, 30)]
        places += [(e, i, e) for e in range(1, 8) for i in (10, 20, 30)]
        log = printed(tmp_path, "".join(row.format(e=e, i=i, loss=loss) for e, i, loss in places))
        assert log.train is not None
        assert (log.train.unit, len(log.train.x), log.train.y[0]) == ("epoch", 21, 1.0)
        assert any("2 runs in one log" in note for note in log.notes)

    def test_what_a_run_of_weights_and_biases_printed_is_read_by_who_knows_it(self, tmp_path):
        folder = tmp_path / "run-20240101_000000-abc" / "files"
        folder.mkdir(parents=True)
        rows = [f"{{'loss': {k}.5, 'epoch': {k}}}\n{{'eval_loss': {k}.75, 'epoch': {k}}}\n" for k in range(1, 9)]
        (folder / "output.log").write_text("".join(rows))
        (log,) = read(tmp_path)
        assert (log.format, log.name) == ("wandb", "run-20240101_000000-abc")
        assert losses(log)[1] == [k + 0.75 for k in range(1, 9)]
