"""What programs print is read as it is meant: the right number, split and clock, and as many runs as there are."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from output_samples import ACCURACY, BATCHES, BOTH, TRAIN, TRAINING_ALONE, VAL, appended, headings, keras_bars

from tunekit.logs import Log, read
from tunekit.logs.log import floats
from tunekit.logs.names import part
from tunekit.logs.textlog import as_records, parse
from tunekit.vocabulary import Curve


def written(lines: Sequence[str], folder: Path, name: str = "train.log") -> Log:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    (log,) = read(path)
    return log


def assert_holds(curve: Curve | None, values: Sequence[float], batches: int = 1) -> None:
    assert curve is not None
    y: npt.NDArray[np.float64] = floats(curve.y).reshape(-1, batches).mean(axis=1)
    np.testing.assert_allclose(y, values, atol=2e-3)
    assert np.all(np.diff(floats(curve.x)) > 0)


def one_run(log: Log) -> bool:
    return not any("runs in one log" in note or "resumed" in note or "out of order" in note for note in log.notes)


class TestPrograms:
    @pytest.mark.parametrize("name", sorted(BOTH))
    def test_both_losses(self, name: str, tmp_path: Path) -> None:
        log = written(BOTH[name](), tmp_path)
        batched = log.train is not None and len(log.train.x) > len(TRAIN)
        assert batched == (name in BATCHES)
        assert_holds(log.train, TRAIN, 3 if batched else 1)
        assert_holds(log.val, VAL)
        assert one_run(log)

    @pytest.mark.parametrize("name", sorted(TRAINING_ALONE))
    def test_a_training_loss_alone(self, name: str, tmp_path: Path) -> None:
        log = written(TRAINING_ALONE[name](), tmp_path)
        assert_holds(log.train, TRAIN, 3 if name in BATCHES else 1)
        assert log.val is None
        assert one_run(log)

    @pytest.mark.parametrize("glyphs", ["━━━━━━━━━━━━━━━━━━━━", "[=============>................]"])
    def test_bars_of_other_versions(self, glyphs: str, tmp_path: Path) -> None:
        log = written(keras_bars(glyphs), tmp_path)
        assert_holds(log.train, TRAIN)
        assert_holds(log.val, VAL)

    def test_the_last_states_of_bars_alone_count_epochs(self, tmp_path: Path) -> None:
        log = written(keras_bars(last=True), tmp_path)
        assert_holds(log.train, TRAIN)
        assert log.train is not None
        assert log.train.unit == "epoch"

    def test_runs_that_were_appended_are_told(self, tmp_path: Path) -> None:
        log = written(appended(), tmp_path)
        assert_holds(log.train, TRAIN)
        assert any("2 runs in one log" in note for note in log.notes)

    @pytest.mark.parametrize("name", sorted({*BOTH, *TRAINING_ALONE} - {"lightning_bar", "keras_bars", "one_bar"}))
    def test_each_line_twice_is_the_same_log(self, name: str, tmp_path: Path) -> None:
        lines = [line for whole in {**BOTH, **TRAINING_ALONE}[name]() for line in whole.split("\r")]
        once = written(lines, tmp_path)
        twice = written([line for line in lines for _ in range(2)], tmp_path, "twice.log")
        for first, second in ((once.train, twice.train), (once.val, twice.val)):
            assert (first is None) == (second is None)
            if first is not None and second is not None:
                np.testing.assert_allclose(floats(second.y), floats(first.y), atol=1e-12)

    @pytest.mark.parametrize(
        "prefix", ["INFO:root:", "2024-05-01 10:00:00,123 - INFO - ", "[rank0]: ", "train.py:31] "]
    )
    @pytest.mark.parametrize("name", ["fastai", "dl4j", "lightgbm", "bare_splits", "quickstart"])
    def test_what_a_logger_and_the_program_print_counts_once(self, name: str, prefix: str, tmp_path: Path) -> None:
        lines = {**BOTH, **TRAINING_ALONE}[name]()
        once = written(lines, tmp_path)
        twice = written([copy for line in lines for copy in (prefix + line, line)], tmp_path, "twice.log")
        for first, second in ((once.train, twice.train), (once.val, twice.val)):
            np.testing.assert_allclose(floats(second.y if second else ()), floats(first.y if first else ()))

    def test_only_what_always_stands_twice_counts_once(self, tmp_path: Path) -> None:
        lines = []
        for k in range(8):
            lines += [f"step loss {1 + k // 4}"] * 2 + [f"epoch {k} val loss {9 - k}.5"]
        log = written(lines, tmp_path)
        assert log.val is not None
        assert list(log.val.y) == [9.5 - k for k in range(8)]

    @pytest.mark.parametrize("values", [[3, 2, 2, 2, 2], [3, 3, 2, 2], [2] * 12, [5, 5, 4, 4, 3, 3, 3, 2, 2]])
    def test_equal_values_of_a_plateau_stay(self, values: list[int], tmp_path: Path) -> None:
        log = written([f"loss: {value}.5" for value in values], tmp_path)
        assert log.train is not None
        assert list(log.train.y) == [value + 0.5 for value in values]

    def test_validation_that_equals_training_is_no_copy_of_it(self, tmp_path: Path) -> None:
        log = written([line for k in range(9) for line in (f"loss: {k}.5", f"val loss: {k}.5")], tmp_path)
        assert log.train is not None
        assert log.val is not None
        assert list(log.train.y) == list(log.val.y) == [k + 0.5 for k in range(9)]

    @pytest.mark.parametrize("name", sorted({*BOTH, *TRAINING_ALONE}))
    def test_percentages_are_the_same_metrics(self, name: str, tmp_path: Path) -> None:
        for metric in written({**BOTH, **TRAINING_ALONE}[name](), tmp_path).metrics:
            if metric.bounded and metric.val is not None and len(metric.val.x) == len(ACCURACY):
                assert float(np.max(floats(metric.val.y))) <= 1.0

    def test_settings_change_nothing(self, tmp_path: Path) -> None:
        config = [
            "val: True",
            "epochs: 100",
            "iter: 1000",
            "step: 7",
            "loss_weight: 3.0",
            "lr: 0.5",
            "test: data",
        ]
        log = written([*config, *headings()], tmp_path)
        assert_holds(log.train, TRAIN)
        assert_holds(log.val, VAL)
        assert log.lr is None

    def test_a_result_of_which_a_third_are_words_is_no_configuration(self, tmp_path: Path) -> None:
        lines = []
        for k in range(len(TRAIN)):
            lines += [
                f"epoch: {k}",
                f"loss: {TRAIN[k]}",
                f"val_loss: {VAL[k]}",
                "acc: 0.5",
                "model: resnet",
                "saved: True",
                "",
            ]
        log = written(lines, tmp_path)
        assert_holds(log.train, TRAIN)
        assert_holds(log.val, VAL)


class TestLines:
    @pytest.mark.parametrize(
        "line",
        [
            "loss scale: 4096.0",
            "loss_scale=128",
            "loss weight 0.5",
            "lambda_loss: 10.0",
            "avg_batch_cost: 0.56 sec",
            "Time cost=26.012",
            "cost 0.3 s",
            "reader_cost: 0.1",
            "best loss: 0.31",
            "Best: epoch 3, val_loss 0.31",
            "min_delta: 0.001, patience 5",
            "EarlyStopping counter: 3 out of 10",
            "Validation loss decreased (0.351 --> 0.332).  Saving model ...",
            "Validation loss decreased from 0.351 to 0.332",
            "val_loss did not improve from 0.42",
            "1 - accuracy: 0.2",
            "1-IoU = 0.3",
            "loss: CrossEntropy",
            "label_smoothing 0.1, dropout=0.1",
            "accuracy threshold: 0.5",
            "train 60000 val 10000",
            "epoch took train 2.9s val 1.1 sec",
            "100%|##########| 10/10 [00:01<00:00,  9.00it/s]",
            "global_step/sec: 120.5",
            "Namespace(lr=0.1, loss=0.5, epochs=10, resume=True)",
            "use_gpu: True, use_xpu: False, epochs: 20, loss_ratio: 0.5",
        ],
    )
    def test_hold_no_loss(self, line: str) -> None:
        assert not [name for record in as_records([line, ""]) for name in record if name not in ("epoch", "step")]

    @pytest.mark.parametrize(
        ("line", "values"),
        [
            ("train 1.01 val 0.50 acc 0.60", {"train_loss": 1.01, "val_loss": 0.5, "val_accuracy": 0.6}),
            ("train=0.10 val=0.30 loss: 2.30", {"loss": 2.3, "train": 0.1, "val": 0.3}),
            ("loss_cls: 1.5 loss_bbox: 0.5 loss: 2.0", {"loss_cls": 1.5, "loss_bbox": 0.5, "loss": 2.0}),
            ("Loss/classification_loss: 0.5 Loss/total_loss: 0.8", {"classification_loss": 0.5, "total_loss": 0.8}),
            ("loss 0.5 aux_loss 0.1 kl_loss 0.02", {"loss": 0.5, "aux_loss": 0.1, "kl_loss": 0.02}),
            ("avg loss: 0.4 loss: 0.5", {"loss": 0.5}),
            ("val err@1: 30.2", {"val_err1": 30.2}),
            ("training: err-top1=0.70", {"train_err_top1": 0.7}),
            ("valid_0's auc: 0.9", {"valid_0_auc": 0.9}),
            ("F1 Score : 0.56 IoU Score: 0.42", {"f1": 0.56, "iou": 0.42}),
            ("[D loss: 0.7] [G loss: 1.2]", {"d_loss": 0.7, "g_loss": 1.2}),
            ("loss 0.5 after 5 min", {"loss": 0.5}),
            ("elapsed: 5 min | loss 0.52", {"loss": 0.52}),
            ("Test set: Average loss: 0.05, Accuracy: 98/100 (98%)", {"test_loss": 0.05, "test_accuracy": 98.0}),
            ("Accuracy of the network on the 10000 test images: 55 %", {"test_accuracy": 55.0}),
            ("1: 1000.1, 1000.2 avg loss, 0.001 rate", {"loss_step": 1000.1, "loss": 1000.2}),
            ("acc_day: 0.94 | acc_rain: 1.0", {"accuracy_day": 0.94, "accuracy_rain": 1.0}),
        ],
    )
    def test_hold_these(self, line: str, values: dict[str, float]) -> None:
        read_line = parse(line)
        assert read_line is not None
        assert read_line.values == values

    @pytest.mark.parametrize(
        ("line", "clock"),
        [
            ("Epoch 3/10 loss 0.5", {"epoch": 3}),
            ("Epochs: 3/10 loss 0.5", {"epoch": 3}),
            ("epoch: 0.50 loss: 1.23", {"epoch": 0.5}),
            ("{'loss': 0.5, 'epoch': 0.37}", {"epoch": 0.37}),
            ("Epoch: [2][10/5005] loss 0.5", {"epoch": 2}),
            ("INFO Train: [2/300][10/1251]\tloss 6.9 (6.95)", {"epoch": 2}),
            ("Train: 3 [  50/1251 (  4%)]  Loss: 6.95 (6.96)", {"epoch": 3}),
            ("[3/40] train loss: 0.3", {"epoch": 3}),
            ("Test: [10/196] Loss 0.5", {}),
            ("total epochs 10, max epoch 10: loss 0.5", {}),
            ("loss 0.5 (best epoch 3)", {}),
            ("Cost after iteration 100: 0.69", {"step": 100}),
            ("num_updates 1000 | loss 0.5", {"step": 1000}),
            ("loss = 0.5, step = 101 (0.5 sec)", {"step": 101}),
            ("75ms/step - loss: 0.5", {}),
        ],
    )
    def test_stand_here(self, line: str, clock: dict[str, float]) -> None:
        read_line = parse(line)
        assert read_line is not None
        assert read_line.clock == clock
        assert read_line.values


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "line",
    [
        "]" + "it/s " * 790,
        "%|" + "1" * 3900,
        "%|  loss" + " " * 3900,
        "loss  acc  val\x0b" + "\x0b" * 3900,
        "s 1 " * 990,
        "min a 1 " * 490,
        "epoch" * 790,
        "epoch " + " " * 3900,
        "1 - " * 990,
        "[1/" * 1300,
        " at epoch" * 440,
        ": " * 1990 + "True",
        "accuracy of the network on the " + "a" * 3900,
    ],
)
def test_lines_are_taken_apart_at_once(line: str) -> None:
    header = "loss  acc  val_loss"
    started = time.process_time()
    list(as_records([header, *[line] * 200]))
    assert time.process_time() - started < 5


class TestNames:
    @pytest.mark.parametrize(
        ("name", "side", "kind"),
        [
            ("eval_train_loss", "train", "loss"),
            ("train/eval_loss", "val", "loss"),
            ("train_val_loss", "val", "loss"),
            ("learn", "train", ""),
            ("in-sample loss", "train", "loss"),
            ("out_of_sample_loss", "test", "loss"),
            ("cv_agg's auc", "val", "score"),
            ("training's binary_logloss", "train", "loss"),
            ("loss_scale", "", ""),
            ("loss_std", "", ""),
            ("duration_loss", "", "loss"),
            ("batch_cost", "", ""),
            ("top1_error", "", "error"),
            ("dice_coef", "", "score"),
            ("mAP@.5:.95", "", "score"),
            ("samples_per_second", "", ""),
        ],
    )
    def test_say(self, name: str, side: str, kind: str) -> None:
        assert (part(name).side, part(name).kind) == (side, kind)


COLUMNS = {
    "keras": {"loss": TRAIN, "val_loss": VAL, "val_accuracy": ACCURACY},
    "trainer": {"train/loss": TRAIN, "eval/loss": VAL, "eval/accuracy": ACCURACY},
    "splits": {"train_loss": TRAIN, "val_loss": VAL, "test_loss": [0.9] * len(VAL), "dev_f1": ACCURACY},
    "likelihoods": {"loss": TRAIN, "nll_loss": [0.1] * len(TRAIN), "val_loss": VAL, "val_nll_loss": [0.2] * len(VAL)},
    "components": {"train/box_loss": TRAIN, "train/total_loss": TRAIN, "val/total_loss": VAL, "val/box_loss": TRAIN},
    "xgboost": {"validation_0-logloss": TRAIN, "validation_1-logloss": VAL},
    "boosting": {"learn_Logloss": TRAIN, "test_Logloss": VAL},
    "errors": {"train_mae": [0.1] * len(VAL), "val_mae": [0.2] * len(VAL), "train_mse": TRAIN, "val_mse": VAL},
    "costs": {"cost": TRAIN, "val_cost": VAL, "batch_cost": [9.0] * len(VAL), "loss_scale": [1024.0] * len(VAL)},
    "bare": {"train": TRAIN, "val": VAL, "acc": ACCURACY},
    "adversarial": {"loss_G": TRAIN, "loss_D": [0.1] * len(TRAIN), "val_loss_G": VAL},
}
"""The same numbers as different tools name them."""


class TestTables:
    @staticmethod
    def table(columns: dict[str, Sequence[float]], folder: Path, factor: float = 1.0, every: int = 1) -> Log:
        folder.mkdir(exist_ok=True)
        names = list(columns)
        rows = [
            ",".join(
                [str(k), *(str(columns[name][k] * (factor if part(name).kind != "score" else 1.0)) for name in names)]
            )
            for k in range(0, len(TRAIN), every)
        ]
        path = folder / "log.csv"
        path.write_text("\n".join([",".join(["epoch", *names]), *rows]) + "\n")
        (log,) = read(path)
        return log

    @pytest.mark.parametrize("tool", sorted(COLUMNS))
    def test_the_same_columns_are_taken_in_any_order(self, tool: str, tmp_path: Path) -> None:
        names = list(COLUMNS[tool])
        for seed in range(6):
            random.Random(seed).shuffle(names)
            log = self.table({name: COLUMNS[tool][name] for name in names}, tmp_path / str(seed))
            assert_holds(log.train, TRAIN)
            assert_holds(log.val, VAL)

    @pytest.mark.parametrize("tool", sorted(COLUMNS))
    def test_the_same_columns_are_taken_of_other_sizes_and_fewer_rows(self, tool: str, tmp_path: Path) -> None:
        losses = self.table(COLUMNS[tool], tmp_path / "100", factor=100.0)
        assert_holds(losses.train, [100 * value for value in TRAIN])
        assert_holds(losses.val, [100 * value for value in VAL])
        half = self.table(COLUMNS[tool], tmp_path / "2", every=2)
        assert_holds(half.train, TRAIN[::2])
        assert_holds(half.val, VAL[::2])

    def test_columns_called_train_and_val_that_rise_are_no_losses(self, tmp_path: Path) -> None:
        log = self.table({"train": ACCURACY, "val": ACCURACY, "val_f1": ACCURACY}, tmp_path)
        assert log.train is None
        assert any("as no loss does" in note for note in log.notes)

    def test_a_validation_loss_of_zeros_was_not_computed(self, tmp_path: Path) -> None:
        log = self.table({"train_loss": TRAIN, "test_loss": [0.0] * len(TRAIN)}, tmp_path)
        assert log.val is None
        assert any("not computed" in note for note in log.notes)

    def test_of_perplexities_the_logarithm_is_the_loss(self, tmp_path: Path) -> None:
        for base in (np.e, 2.0):
            bits = [float(base**value) for value in TRAIN], [float(base**value) for value in VAL]
            log = self.table({"loss": TRAIN, "train_ppl": bits[0], "val_ppl": bits[1]}, tmp_path)
            assert_holds(log.val, VAL)

    def test_a_perplexity_that_does_not_fit_the_loss_gives_none(self, tmp_path: Path) -> None:
        assert (
            self.table({"loss": TRAIN, "train_ppl": [50.0] * len(TRAIN), "val_ppl": [60.0] * len(VAL)}, tmp_path).val
            is None
        )


class TestClocks:
    @staticmethod
    def rows(text: Sequence[str], header: str, folder: Path) -> Log:
        path = folder / "log.csv"
        path.write_text("\n".join([header, *text]) + "\n")
        (log,) = read(path)
        return log

    def test_a_step_that_begins_anew_each_epoch_is_a_part_of_it(self, tmp_path: Path) -> None:
        log = self.rows(
            [f"{e},{10 * b},{3 * 0.97 ** (20 * e + b)}" for e in range(5) for b in range(20)],
            "epoch,iter,loss",
            tmp_path,
        )
        assert log.train is not None
        assert (log.train.unit, len(log.train.x), log.train.x[-1]) == ("epoch", 100, 5.0)
        assert not log.notes

    def test_two_runs_of_such_epochs_are_two(self, tmp_path: Path) -> None:
        text = [f"{e},{10 * b},{3 * 0.97 ** (20 * e + b)}" for _ in range(2) for e in range(5) for b in range(20)]
        log = self.rows(text, "epoch,iter,loss", tmp_path)
        assert log.train is not None
        assert len(log.train.x) == 100
        assert any("2 runs" in note for note in log.notes)

    def test_without_epochs_a_loss_that_goes_on_is_one_run(self, tmp_path: Path) -> None:
        log = self.rows(
            [f"{10 * b},{3 * 0.97 ** (20 * e + b)}" for e in range(5) for b in range(20)], "iter,loss", tmp_path
        )
        assert log.train is not None
        assert len(log.train.x) == 100
        assert np.all(np.diff(floats(log.train.x)) > 0)

    def test_without_epochs_a_loss_that_begins_anew_is_another_run(self, tmp_path: Path) -> None:
        log = self.rows([f"{10 * b},{3 * 0.97**b}" for _ in range(3) for b in range(20)], "iter,loss", tmp_path)
        assert log.train is not None
        assert len(log.train.x) == 20
        assert any("3 runs" in note for note in log.notes)

    def test_a_validation_that_is_logged_late_is_no_restart(self, tmp_path: Path) -> None:
        text = [f"{k},{TRAIN[k % 12]}," for k in range(36)] + [f"{k},,0.5" for k in range(0, 36, 6)]
        log = self.rows(text, "step,loss,val_loss", tmp_path)
        assert log.train is not None
        assert log.val is not None
        assert (len(log.train.x), len(log.val.x)) == (36, 6)
        assert one_run(log)

    def test_earlier_epochs_that_are_evaluated_again_are_left_out(self, tmp_path: Path) -> None:
        text = [f"{k},{TRAIN[k]},{ACCURACY[k]}" for k in range(12)] + [f"{k},,0.1" for k in range(9, 12)]
        log = self.rows(text, "epoch,train_loss,train_acc", tmp_path)
        assert log.metrics[0].train is not None
        assert list(log.metrics[0].train.y) == ACCURACY
        assert one_run(log)
