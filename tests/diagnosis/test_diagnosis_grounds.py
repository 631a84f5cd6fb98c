"""What a run must show to be called good, what cannot be told, and what knows nothing: by numbers made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from diagnosis_shapes import Shape, fall, good_fit, log_of, times
from rich.console import Console

from tunekit.diagnosis import Diagnosis, judge
from tunekit.logs import Log, Metric, read
from tunekit.logs.log import Array, curve
from tunekit.report.logs import show_logs

Values = Sequence[float] | Array


def log(
    train: Values | None, val: Values | None = None, accuracy: Values | None = None, trained: Values | None = None
) -> Log:
    def series(name: str, y: Values | None) -> object:
        return None if y is None else curve(name, np.arange(1, 1 + len(y)), y, "epoch")

    measured = series("val_accuracy", accuracy)
    metrics = () if measured is None else (Metric("accuracy", True, None, measured, bounded=True),)
    return Log("test", name="made", train=series("loss", train), val=series("val_loss", val), metrics=metrics)


def said(diagnosis: Diagnosis) -> set[str]:
    return {diagnosis.code, *(note.code for note in diagnosis.notes)}


class TestGrounds:
    """Curves that no other verdict speaks of are not good for that."""

    def test_five_epochs_at_ln_2_are_dead(self) -> None:
        diagnosis = judge(log([0.6931] * 5, [0.6932] * 5))
        assert diagnosis.code == "not_learning"
        assert "ln 2 = 0.693" in diagnosis.summary

    def test_an_accuracy_that_falls_is_not_good(self) -> None:
        shape = good_fit(40)
        diagnosis = judge(log(shape.train, shape.val, np.linspace(0.80, 0.75, 40)))
        assert diagnosis.code == "cannot_tell"
        assert "accuracy got worse: from 0.8 at the start" in diagnosis.summary

    def test_a_validation_loss_that_rises_is_not_good(self) -> None:
        diagnosis = judge(log([0.711, 0.698, 0.695, 0.694, 0.6935, 0.6932, 0.6932], np.linspace(1.35, 3.54, 7)))
        assert diagnosis.code != "good_fit"

    def test_a_loss_that_falls_by_a_hundredth_each_epoch_is_not_good(self) -> None:
        for n in (10, 20, 60):
            y = 2.3 * 0.99 ** np.arange(n)
            assert judge(log(y, y + 0.02)).code in ("not_converged", "lr_too_low", "cannot_tell")

    def test_two_validations_settle_nothing(self) -> None:
        made = log(fall(60, 2.3, 0.3, 9))
        val = curve("val_loss", [30, 60], [0.4, 0.35], "epoch")
        diagnosis = judge(Log("test", train=made.train, val=val))
        assert diagnosis.code == "cannot_tell"
        assert any("validate more often" in line for line in diagnosis.advice)

    def test_validation_alone_says_nothing_of_a_gap(self) -> None:
        assert judge(log(None, fall(40, 2.3, 0.3, 9))).code == "cannot_tell"

    def test_a_finished_model_that_goes_on_is_not_told_from_a_dead_one(self) -> None:
        noise = 1 + 0.3 * np.sin(np.arange(60) * 2.4)
        diagnosis = judge(log(0.5 * noise, 0.5 + 0.001 * noise))
        assert diagnosis.code == "cannot_tell"

    def test_a_gap_is_not_good(self) -> None:
        assert judge(log(fall(60, 2.3, 0.1, 9), fall(60, 2.3, 1.3, 9))).code == "overfit"

    def test_a_side_metric_does_not_outweigh_a_loss_at_its_minimum(self) -> None:
        shape = good_fit(60)
        made = log(shape.train, shape.val)
        bleu = Metric("bleu", True, None, curve("val_bleu", np.arange(1, 61), 30 - 3 * times(60), "epoch"))
        assert judge(Log("test", train=made.train, val=made.val, metrics=(bleu,))).code == "good_fit"

    def test_one_last_value_is_chance(self) -> None:
        val = fall(20, 0.9, 0.02, 6)
        val[-1] = 0.35
        assert judge(log(fall(20, 1.0, 0.02, 6), val)).code in ("good_fit", "not_converged")
        val[-3:] = 0.35
        assert judge(log(fall(20, 1.0, 0.02, 6), val)).code not in ("good_fit", "not_converged")

    def test_a_metric_that_jumps_settles_nothing(self) -> None:
        jumping = np.array([0.95, 0.97, 0.93, 0.71, 0.99, 0.48, 0.82, 0.9, 0.77, 0.68, 0.51, 0.8, 0.93, 0.66, 0.6])
        diagnosis = judge(log(fall(15, 9.0, 1.5, 12), None, jumping))
        assert diagnosis.code == "cannot_tell"
        assert "accuracy jumps" in diagnosis.summary

    def test_a_metric_alone_that_rises_at_each_point_is_not_at_its_end(self) -> None:
        rising = [0.11, 0.81, 0.87, 0.88, 0.91, 0.925]
        diagnosis = judge(log([40.0, 22.0, 21.5, 20.0, 22.0, 21.0], None, rising))
        assert diagnosis.code == "not_converged"
        assert "Validation accuracy still rose, from 0.91 to 0.925 in the last quarter" in diagnosis.summary
        assert judge(log([40.0, 22.0, 21.5, 20.0, 22.0, 21.0], None, [*rising[:4], 0.9, 0.89])).code == "cannot_tell"

    @pytest.mark.parametrize("n", [10, 30, 200])
    def test_what_is_good_still_is(self, n: int) -> None:
        diagnosis = judge(log_of(good_fit(n), 0.005))
        assert said(diagnosis) == {"good_fit"}
        assert "cannot_tell" not in {item.code for item in diagnosis.dismissed}


class TestChance:
    @pytest.mark.parametrize("classes", [2, 10, 100, 1000, 50257])
    def test_a_loss_that_comes_to_guessing_and_no_further(self, classes: int) -> None:
        level = math.log(classes)
        y = level * (1 + 0.08 * np.exp(-40 * times(40))) * (1 + 0.001 * np.sin(np.arange(40) * 2.4))
        diagnosis = judge(log(y, y))
        assert diagnosis.code == "not_learning"
        assert f"ln {classes} = " in diagnosis.summary

    def test_the_number_of_classes_follows_from_loss_and_accuracy(self) -> None:
        level = math.log(7)
        y = [level * 1.2, level * 1.01, *[level * 1.001] * 6]
        diagnosis = judge(log(y, y, [1 / 7 + 0.01 * (-1) ** k for k in range(8)]))
        assert diagnosis.code == "not_learning"
        assert "ln 7 = 1.95" in diagnosis.summary

    @pytest.mark.parametrize(
        ("train", "accuracy"),
        [
            (fall(40, 10.8, 2.3, 9), None),
            (fall(40, 2.3, 0.7, 9), None),
            ([0.6931 - 0.01 * k for k in range(9)], None),
            ([0.7 + 0.02 * (-1) ** k for k in range(40)], [0.85 + 0.01 * (-1) ** k for k in range(40)]),
        ],
        ids=["far above it at first", "ends at another's", "falls on", "an accuracy that knows"],
    )
    def test_what_is_none(self, train: Values, accuracy: Values | None) -> None:
        assert judge(log(train, train, accuracy)).code != "not_learning"

    def test_a_metric_that_is_the_same_each_time(self) -> None:
        diagnosis = judge(log(None, None, [0.110204] * 16))
        assert diagnosis.code == "not_learning"
        assert "0.11 at each of its 16 points" in diagnosis.summary
        assert judge(log([0.62] * 6, [0.62] * 6, [0.89] * 6)).code == "not_learning"

    def test_a_metric_that_is_high_each_time_beside_a_loss_that_knows(self) -> None:
        assert judge(log([0.05] * 12, [0.06] * 12, [0.98] * 12)).code != "not_learning"

    def test_a_squared_error_at_one_half(self) -> None:
        y = 0.25 + 1.1 * np.exp(-60 * times(120))
        assert judge(log(y)).code == "not_learning"
        assert judge(log(y + 0.01)).code == "no_validation"

    def test_validation_at_chance_is_another_task(self) -> None:
        train, six = fall(12, 2.4, 1.2, 4), math.log(6)
        val = six * (1 + 0.005 * np.sin(np.arange(12)))
        assert judge(log(train, val, 0.17 + 0.03 * np.sin(np.arange(12)))).code == "train_val_mismatch"


class TestMultiples:
    """A training loss that is summed where validation's is a mean."""

    @pytest.mark.parametrize("factor", [2, 3, 4, 8, 16])
    def test_it_is_told(self, factor: int) -> None:
        diagnosis = judge(log(factor * fall(40, 2.3, 0.9, 6), 1.01 * fall(40, 2.3, 0.9, 6)))
        assert diagnosis.code == "train_val_mismatch"
        assert f"summed over {factor} accumulation steps" in diagnosis.summary
        assert said(diagnosis) == {"train_val_mismatch"}

    @pytest.mark.parametrize(
        ("train", "val"),
        [
            (fall(40, 2.3, 0.8, 9), fall(40, 2.1, 0.4, 9)),
            (3.4 * fall(40, 2.3, 0.9, 6), fall(40, 2.3, 0.9, 6)),
            (np.full(40, 2.0), np.full(40, 1.0)),
            (fall(40, 2.3, 0.9, 6), 8 * fall(40, 2.3, 0.9, 6)),
        ],
        ids=["augmentation", "no whole number", "levels", "validation above"],
    )
    def test_what_is_none(self, train: Array, val: Array) -> None:
        assert "times validation's" not in judge(log(train, val)).summary


class TestSpikes:
    def test_towers_at_every_third_step_are_spikes(self) -> None:
        y = np.where(np.arange(40) % 3 == 1, 1e15, 0.08 + 0.01 * np.sin(np.arange(40)))
        diagnosis = judge(log(y))
        assert diagnosis.code == "unstable"
        assert diagnosis.evidence["spikes"] == 13

    def test_a_loss_that_falls_by_orders_of_magnitude_has_none(self) -> None:
        assert "unstable" not in said(judge(log(192 * np.exp(-12 * times(200)))))

    def test_a_planned_decay_is_no_rate_too_high(self) -> None:
        t = times(90)
        y = np.where(t < 0.4, 0.9 + 1.4 * np.exp(-20 * t), np.where(t < 0.7, 0.4, 0.3))
        rates = curve("lr", np.arange(1, 91), np.where(t < 0.4, 0.1, np.where(t < 0.7, 0.01, 0.001)), "epoch")
        made = log_of(Shape(y, 1.05 * y), 0.01)
        decayed = Log("test", train=made.train, val=made.val, lr=rates)
        assert "lr_too_high" not in said(judge(decayed))

    def test_a_step_that_comes_back_does_not_stay(self) -> None:
        y = [*fall(25, 3.3, 0.02, 8), 0.14, 0.09, 0.09, 0.06, 0.04, 0.03]
        assert "discontinuity" not in said(judge(log(y, y)))


class TestValidationThatIsNone:
    def test_zeros_were_never_computed(self) -> None:
        diagnosis = judge(log(fall(20, 2.3, 0.3, 9), np.zeros(20)))
        assert diagnosis.code == "no_validation"
        assert "never computed" in diagnosis.summary

    def test_zeros_beside_a_metric_are_no_validation_either(self, tmp_path: Path) -> None:
        rows = [f"{k},{0.5 + 2 / (1 + k)},0.0,{0.9 + 0.001 * k}" for k in range(15)]
        (tmp_path / "log.csv").write_text("\n".join(["epoch,train_loss,test_loss,test_acc", *rows]))
        diagnosis = judge(read(tmp_path / "log.csv")[0])
        assert diagnosis.code == "no_validation"
        assert "'test_loss' is zero at each point" in diagnosis.summary

    def test_one_validation_next_to_nothing_after_an_early_end_is_suspicious(self) -> None:
        made = log(1e-5 + 0.9 * np.exp(-200 * times(100)))
        single = curve("eval_loss", [100], [2e-5], "epoch")
        assert judge(Log("test", train=made.train, val=single)).code == "val_suspicious"
        assert judge(Log("test", train=log(fall(100, 0.9, 0.2, 9)).train, val=single)).code == "no_validation"

    def test_a_regression_far_above_its_training_is_no_leak(self) -> None:
        n = 200
        r2 = Metric("r2", True, None, curve("val_r2", np.arange(n), 1 - fall(n, 0.9, 1e-4, 60), "epoch"), bounded=True)
        made = log(fall(n, 0.8, 2e-6, 60), fall(n, 0.8, 5e-5, 60))
        assert judge(Log("test", train=made.train, val=made.val, metrics=(r2,))).code == "good_fit"


def test_a_standstill_behind_a_slow_start_that_ends_by_itself() -> None:
    t = times(200)
    begin = 0.7 + 0.12 * np.exp(-30 * t)
    y = np.where(t < 0.4, begin, 0.35 + 0.35 * np.exp(-10 * np.maximum(t - 0.4, 0)))
    assert judge(log(y, y)).code == "plateau_then_drop"
    fast = np.where(t < 0.4, 0.7 + 2.0 * np.exp(-30 * t), y)
    assert "plateau_then_drop" not in said(judge(log(fast, fast)))


def noise(n: int, size: float, seed: int = 0) -> Array:
    drawn: Array = np.exp(size * np.random.default_rng(seed).standard_normal(n))
    return drawn


class TestOneAnswer:
    """A network that answers with the most frequent class: its accuracy is that class's share, its loss the entropy."""

    @pytest.mark.parametrize("share", [0.6, 0.75, 0.9, 0.97])
    def test_an_accuracy_that_stands_at_a_share_is_not_good(self, share: float) -> None:
        entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
        train = entropy * noise(15, 0.01)
        train[0] *= 1.2
        diagnosis = judge(log(train, entropy * noise(15, 0.005, 1), np.full(15, share)))
        assert diagnosis.code in ("not_learning", "cannot_tell")
        assert f"accuracy is {share:g} at each of its 15 points" in diagnosis.summary.lower()

    def test_a_loss_below_the_entropy_knows_more(self) -> None:
        assert judge(log(fall(15, 0.3, 0.02, 9), fall(15, 0.3, 0.03, 9), np.full(15, 0.97))).code != "not_learning"


class TestValidationThatDoesNotMove:
    def test_the_same_number_each_time_is_no_validation_of_this_run(self) -> None:
        diagnosis = judge(log(fall(40, 2.3, 0.35, 7), np.full(40, 0.4)))
        assert diagnosis.code == "train_val_mismatch"
        assert "is 0.4 at each of its 40 points" in diagnosis.summary

    def test_one_that_is_not_finite_to_the_end(self) -> None:
        val = fall(50, 2.4, 0.32, 6)
        val[30:] = np.nan
        assert judge(log(fall(50, 2.3, 0.3, 6), val)).code == "train_val_mismatch"
        val = fall(50, 2.4, 0.32, 6)
        val[-1] = np.nan
        assert judge(log(fall(50, 2.3, 0.3, 6), val)).code == "cannot_tell"


class TestALogOfAPart:
    """What begins late says nothing of what was learnt before."""

    def late(self, train: Array, val: Array | None = None) -> Log:
        x = np.arange(31, 31 + len(train))
        held = None if val is None else curve("val_loss", x, val, "epoch")
        return Log("test", name="made", train=curve("loss", x, train, "epoch"), val=held)

    def test_a_loss_that_stands_is_neither_dead_nor_poor(self) -> None:
        for size in (0.002, 0.01, 0.05):
            diagnosis = judge(self.late(0.3 * noise(30, size), 0.32 * noise(30, size, 1)))
            assert diagnosis.code == "cannot_tell"
            assert "the log begins at epoch 31 only" in diagnosis.summary

    def test_a_slow_line_and_a_late_drop_are_no_beginnings(self) -> None:
        assert "lr_too_low" not in said(judge(self.late(0.40 - 0.05 * times(60))))
        held = np.where(times(90) < 0.4, 0.7, 0.2 + 0.5 * np.exp(-14 * np.maximum(times(90) - 0.4, 0)))
        assert "plateau_then_drop" not in said(judge(self.late(held)))
        assert "plateau_then_drop" in said(judge(log(held)))

    def test_what_is_learnt_in_sight_is_good_all_the_same(self) -> None:
        assert judge(self.late(fall(40, 2.3, 0.3, 9), fall(40, 2.3, 0.33, 9))).code == "good_fit"

    def test_a_loss_that_is_that_of_guessing_still_knows_nothing(self) -> None:
        assert judge(self.late(2.3026 * noise(30, 0.002), 2.3026 * noise(30, 0.002, 1))).code == "not_learning"


def test_a_gap_that_noise_leaves_is_none() -> None:
    for seed in range(8):
        train, val = fall(60, 8.0, 3.0, 60) * noise(60, 0.45, seed), fall(60, 8.0, 3.1, 60) * noise(60, 0.45, 90 + seed)
        assert judge(log(train, val)).code != "overfit"


def test_a_part_of_the_loss_that_only_validation_has(tmp_path: Path) -> None:
    def detector(boxes: float) -> Diagnosis:
        loss = fall(20, 3.0, 0.4, 6)
        rows = [f"{k},{boxes * y},{y},{0.9 * y + 0.4},{1.05 * y}" for k, y in enumerate(loss)]
        path = tmp_path / "results.csv"
        path.write_text("\n".join(["epoch,train/box_loss,train/cls_loss,val/box_loss,val/cls_loss", *rows]))
        return judge(read(path)[0])

    assert detector(0.0).code == "train_val_mismatch"
    assert "'train/box_loss' is zero at each point, and validation's is not" in detector(0.0).summary
    assert detector(1.0).code == "good_fit"


class TestLittleLearnt:
    """A fall in the first points and none behind them is that of a dead run as well."""

    @pytest.mark.parametrize("classes", [50, 1000, 37])
    @pytest.mark.parametrize("n", [12, 30, 200])
    def test_a_start_above_guessing(self, classes: int, n: int) -> None:
        level = math.log(classes)
        train = level * (1 + 0.14 * np.exp(-60 * times(n))) * noise(n, 0.004)
        diagnosis = judge(log(train, level * noise(n, 0.003, 1)))
        assert diagnosis.code in ("not_learning", "cannot_tell")

    def test_a_slope_of_noise_is_no_fall(self) -> None:
        codes = {judge(log(noise(60, 0.01, seed), 1.03 * noise(60, 0.01, 70 + seed))).code for seed in range(40)}
        assert codes <= {"not_learning", "cannot_tell"}

    def test_an_accuracy_that_rose_has_learnt_though_the_loss_is_at_ln_2(self) -> None:
        train = fall(60, 0.8, 0.695, 9) * noise(60, 0.004)
        assert judge(log(train, train, 0.36 - 0.24 * np.exp(-9 * times(60)))).code != "not_learning"

    def test_validation_below_the_start_took_part_before_its_first_point(self) -> None:
        made = log(fall(18, 0.69, 0.35, 5))
        val = curve("val_loss", [6, 12, 18], [0.395, 0.415, 0.39], "epoch")
        assert judge(Log("test", train=made.train, val=val)).code == "good_fit"


def test_two_epochs_learnt_and_lost() -> None:
    assert judge(log([4.83, 1.57, 1.23, 4.86, 4.83, 4.76, 4.79, 4.77, 4.77, 4.77])).code == "diverged"
    assert judge(log([4.83, 4.57, 1.23, 4.86, 4.83, 4.76, 4.79, 4.77, 4.77, 4.77])).code != "diverged"


def test_a_short_run_that_collapsed_and_stays_there() -> None:
    for level in (1.4, 2.35, 6.6):
        y = level * np.array([1.0, 0.5, 0.3, 0.24, 0.2, 0.2, 0.99, 1.0, 1.01])
        assert judge(log(y, y)).code == "diverged"
        y = level * np.array([1.0, 0.5, 0.3, 0.24, 0.2, 0.2, 0.99, 0.3, 0.2])
        assert judge(log(y, y)).code != "diverged"


class TestWhatWasNotChecked:
    def reasons(self, made: Log) -> dict[str, str]:
        return {item.code: item.reason for item in judge(made).unchecked}

    def test_a_check_says_what_the_log_lacks_for_it(self) -> None:
        wanted = self.reasons(log(fall(40, 2.3, 0.3, 9)))
        assert wanted["overfit"] == wanted["train_val_mismatch"] == "no validation loss"
        assert "not_learning" not in wanted
        assert self.reasons(log(fall(40, 2.3, 0.3, 9), fall(40, 2.3, 0.33, 9)))["val_suspicious"].startswith("no valid")
        assert self.reasons(log(fall(7, 2.3, 0.3, 9), fall(7, 2.3, 0.33, 9)))["lr_too_low"].startswith("fewer than 15")

    def test_all_are_of_a_log_that_holds_everything(self) -> None:
        shape = good_fit(60)
        assert self.reasons(log(shape.train, shape.val, shape.val_metric)) == {}

    def test_json_holds_it(self) -> None:
        data = judge(log(fall(40, 2.3, 0.3, 9))).as_dict()
        assert {"code": "overfit", "reason": "no validation loss"} in data["not_checked"]

    def test_text_holds_it_in_one_line(self) -> None:
        made, console = log(fall(40, 2.3, 0.3, 9)), Console(record=True, width=400, file=StringIO())
        show_logs(console, [(made, judge(made))])
        (said,) = (row for row in console.export_text().splitlines() if "not checked" in row)
        assert said.strip() == (
            "not checked: train_val_mismatch, noisy_val, val_suspicious, metric_loss_disagree, overfit, lr_too_high "
            "(no validation loss)"
        )


class TestWhatALossIsCalled:
    def test_the_only_loss_is_validations(self) -> None:
        diagnosis = judge(log(None, fall(40, 2.3, 0.1, 1.6)))
        assert "the validation loss still fell" in diagnosis.summary.lower()
        assert "training" not in diagnosis.summary

    def test_what_is_one_minus_an_accuracy_is_an_error(self) -> None:
        diagnosis = judge(log(None, None, 1 - fall(40, 0.9, 0.1, 1.6)))
        assert "the validation error still fell" in diagnosis.summary.lower()


class TestWords:
    """What is said agrees with what stands beside it."""

    def test_the_checkpoint_to_keep_is_that_of_the_lowest_value(self) -> None:
        val = 0.5 + 1.5 * np.exp(-12 * times(40)) + 0.6 * np.maximum(times(40) - 0.3, 0)
        val[17] = 0.45
        diagnosis = judge(log(fall(40, 2.3, 0.02, 5), val))
        assert "0.45, its lowest value, at epoch 18" in diagnosis.summary
        assert any("epoch 18" in line for line in diagnosis.advice)
        assert diagnosis.evidence["val_best"] == 0.45

    def test_what_fell_at_first_does_not_stay_where_it_was(self) -> None:
        y = np.concatenate([[1.6, 1.2], np.full(20, 1.05)]) * noise(22, 0.003)
        diagnosis = judge(log(y, y, 0.4 + 0.004 * np.sin(np.arange(22))))
        assert diagnosis.code == "not_learning"
        assert "stands still behind its first points" in diagnosis.summary

    def test_a_single_loss_that_is_not_finite(self) -> None:
        y = fall(20, 2.3, 0.3, 6)
        y[-1] = np.nan
        diagnosis = judge(log(y))
        assert diagnosis.summary == "The last of 20 training losses, at epoch 20, is not finite."
        assert all("went from" not in note.message for note in diagnosis.notes)

    def test_a_standstill_in_three_digits_is_told_by_its_course(self) -> None:
        train = fall(30, 2.3, 0.1, 1.6)
        val = np.where(times(30) < 0.7, fall(30, 1.2, 0.25, 2), 0.2541 - 0.0001 * np.arange(30))
        diagnosis = judge(log(train, val))
        assert "from 0.25 to 0.25 in" not in diagnosis.summary


def test_large_losses_are_numbers_and_no_powers() -> None:
    assert "from 2200 at the start to 1200 over" in judge(log(fall(40, 2200.0, 1200.0, 9))).summary
