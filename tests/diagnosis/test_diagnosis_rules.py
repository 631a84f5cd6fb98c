"""Every verdict on curves made by hand: where it must speak, where it must not, and what must not change it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from diagnosis_shapes import (
    SHAPES,
    Shape,
    fall,
    good_fit,
    log_of,
    no_validation,
    not_converged,
    overfit_metrics,
    overfit_turn,
    times,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tunekit.diagnosis import codes, judge
from tunekit.diagnosis.measuring import measure
from tunekit.diagnosis.verdicts.good_fit import missing
from tunekit.logs import Log, Procedure, from_record
from tunekit.logs.log import curve, floats
from tunekit.vocabulary import Curve, Remedy

CODES = set(codes())


def test_every_shape_of_a_verdict_is_tried() -> None:
    missing = CODES - {code for code, _ in SHAPES.values()}
    assert missing == {
        "insufficient_data",
        "noisy_train",
        "nothing_to_learn",
        "other_objective",
        "reward_collapse",
        "cannot_tell",
    }


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("n", [24, 50, 120, 300])
@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_each_shape_gives_its_verdict(name: str, n: int, noise: float) -> None:
    code, shape = SHAPES[name]
    diagnosis = judge(log_of(shape(n), noise))
    assert diagnosis.code == code, diagnosis.summary
    severity = codes()[code].severity
    assert diagnosis.verdict == ("pass" if severity == "note" else severity)
    assert diagnosis.advice
    assert diagnosis.change_if
    json.dumps(diagnosis.as_dict(), allow_nan=False)


STEADY = sorted(set(SHAPES) - {"lr_too_high", "lr_too_low", "metric_loss_disagree"})
"""Shapes whose verdict holds under 2 % of noise. The others are told by small differences."""

OF_THE_START = {"lr_too_low", "plateau_then_drop"}
"""Shapes that say something of a run only where its beginning is in the log."""

SINGLE = {"noisy_val", "unstable", "lr_too_high"}
"""Shapes made of single points, which thinning may take away."""

steady = settings(derandomize=True, max_examples=80)
"""Noise is drawn, so one run in thousands may look like another verdict: the examples are the same each time."""

lengths = st.integers(24, 350)
seeds = st.integers(0, 10_000)


class TestLaws:
    """What must not change a verdict."""

    @steady
    @given(st.sampled_from(STEADY), lengths, seeds, st.floats(0, 0.015))
    def test_noise_and_length(self, name: str, n: int, seed: int, noise: float) -> None:
        code, shape = SHAPES[name]
        assert judge(log_of(shape(n), noise, seed)).code == code

    @steady
    @given(st.sampled_from(sorted(SHAPES)), lengths, seeds, st.floats(-6, 6))
    def test_scale(self, name: str, n: int, seed: int, power: float) -> None:
        _, shape = SHAPES[name]
        plain, scaled = (judge(log_of(shape(n), 0.01, seed, scale=scale)) for scale in (1.0, 10.0**power))
        assert scaled.code == plain.code
        assert [note.code for note in scaled.notes] == [note.code for note in plain.notes]

    @steady
    @given(st.sampled_from(sorted(set(SHAPES) - OF_THE_START)), lengths, seeds, st.integers(-1000, 1_000_000))
    def test_shift_in_x(self, name: str, n: int, seed: int, shift: int) -> None:
        _, shape = SHAPES[name]
        plain = judge(log_of(shape(n), 0.01, seed))
        shifted = judge(log_of(shape(n), 0.01, seed, shift=float(shift)))
        assert shifted.code == plain.code
        if plain.best_epoch is not None:
            assert shifted.best_epoch == plain.best_epoch + shift

    @steady
    @given(st.sampled_from(sorted(set(STEADY) - SINGLE)), st.integers(100, 350), seeds, st.integers(2, 4))
    def test_thinning(self, name: str, n: int, seed: int, step: int) -> None:
        code, shape = SHAPES[name]
        whole = log_of(shape(n), 0.005, seed)

        def thinned(item: Curve | None) -> Curve | None:
            return item and replace(item, x=item.x[::step], y=item.y[::step])

        metrics = tuple(replace(item, train=thinned(item.train), val=thinned(item.val)) for item in whole.metrics)
        part = replace(whole, train=thinned(whole.train), val=thinned(whole.val), metrics=metrics)
        assert judge(whole).code == judge(part).code == code

    @steady
    @given(st.sampled_from(sorted(set(STEADY) - SINGLE - {"discontinuity"})), st.integers(20, 60), seeds)
    def test_training_logged_more_often_than_validation(self, name: str, n: int, seed: int) -> None:
        """Curves are set against each other by x: ten times as many training points change nothing."""
        code, shape = SHAPES[name]
        coarse, fine = log_of(shape(n), 0.005, seed), log_of(shape(10 * n), 0.005, seed)
        assert fine.train is not None
        stretched = curve("train_loss", np.linspace(1, n, 10 * n), floats(fine.train.y), "epoch")
        assert judge(replace(coarse, train=stretched)).code == code

    @settings(max_examples=200)
    @given(
        st.lists(st.floats(), max_size=60),
        st.lists(st.floats(), max_size=60),
        st.lists(st.floats(), max_size=60),
    )
    def test_any_numbers_at_all_give_sound_json(self, train: list[float], val: list[float], rate: list[float]) -> None:
        log = from_record(
            {
                "iteration": list(range(1, 61)),
                "train_loss": [*train, *[None] * (60 - len(train))],
                "val_loss": [*val, *[None] * (60 - len(val))],
                "val_accuracy": [*rate, *[None] * (60 - len(rate))],
            },
            "accuracy",
            maximize=True,
            share=True,
        )
        diagnosis = judge(log)
        assert diagnosis.code in CODES
        json.dumps(diagnosis.as_dict(), allow_nan=False)


def said(log: Log) -> set[str]:
    diagnosis = judge(log)
    return {diagnosis.code, *(note.code for note in diagnosis.notes)}


class TestNearMisses:
    """Where a published rule would speak and this must not."""

    def test_validation_below_training_is_no_leak(self) -> None:
        shape = Shape(fall(100, 6.9, 2.75, 6), fall(100, 5.0, 0.8, 6), None, 1 - fall(100, 1.0, 0.18, 6))
        assert judge(log_of(shape, 0.005)).code == "good_fit"

    def test_one_noisy_last_value_is_no_overfitting(self) -> None:
        shape = good_fit(40)
        assert shape.val is not None
        shape.val[-1] *= 1.3
        assert "overfit" not in said(log_of(shape))

    def test_a_rise_of_a_loss_near_zero_is_no_overfitting(self) -> None:
        t = times(60)
        shape = Shape(2.3 * np.exp(-20 * t) + 1e-3, 2.3 * np.exp(-20 * t) + 1e-3 + 5e-4 * t)
        assert "overfit" not in said(log_of(shape))

    def test_a_decay_of_the_rate_is_neither_break_nor_plateau(self) -> None:
        t = times(60)
        y = np.where(t < 0.5, 0.5 + 1.8 * np.exp(-30 * t), 0.08)
        rates = curve("lr", np.arange(1, 61), np.where(t < 0.5, 0.1, 0.01), "epoch")
        log = replace(log_of(Shape(y, 1.05 * y), 0.01), lr=rates)
        assert said(log) & {"discontinuity", "plateau_then_drop", "diverged"} == set()

    def test_a_warm_up_is_no_plateau(self) -> None:
        t = times(100)
        y = np.where(t < 0.2, 2.3, 0.3 + 2.0 * np.exp(-14 * np.maximum(t - 0.2, 0)))
        rates = curve("lr", np.arange(1, 101), np.minimum(t / 0.2, 1.0) + 1e-4, "epoch")
        assert "plateau_then_drop" not in said(replace(log_of(Shape(y, y), 0.005), lr=rates))
        assert "plateau_then_drop" in said(log_of(Shape(y, y), 0.005))

    def test_early_validation_jitter_is_no_noise(self) -> None:
        shape = good_fit(50)
        assert shape.val is not None
        shape.val[[1, 3]] *= 40
        assert "noisy_val" not in said(log_of(shape))

    def test_one_spike_is_no_noise(self) -> None:
        shape = good_fit(50)
        assert shape.val is not None
        shape.val[25] *= 40
        assert judge(log_of(shape)).code == "good_fit"

    def test_noise_of_single_steps_is_not_instability(self) -> None:
        log = log_of(good_fit(400), 0.8, seed=3)
        assert "unstable" not in said(log)
        assert "noisy_train" in said(log)

    def test_a_trained_network_that_stays_level_is_not_dead(self) -> None:
        shape = Shape(np.full(30, 0.2), np.full(30, 0.21), np.full(30, 0.95), np.full(30, 0.94))
        assert "not_learning" not in said(log_of(shape, 0.01))

    def test_a_nan_in_a_metric_is_no_divergence(self) -> None:
        log = log_of(good_fit(30))
        (metric,) = log.metrics
        assert metric.val is not None
        spoilt = np.where(np.arange(30) > 20, np.nan, floats(metric.val.y))
        holed = replace(metric, val=curve("val_accuracy", metric.val.x, spoilt, "epoch"))
        assert judge(replace(log, metrics=(holed,))).code == "good_fit"

    def test_losses_below_zero_are_judged_by_their_range(self) -> None:
        shape = Shape(fall(80, 2.0, -3.0, 9), fall(80, 2.0, -2.9, 9))
        assert judge(log_of(shape)).code == "good_fit"

    def test_without_validation_nothing_is_called_good(self) -> None:
        for speed in (0.5, 2.0, 9.0, 30.0):
            assert judge(log_of(Shape(fall(60, 2.3, 0.3, speed)), 0.01)).code == "no_validation"

    def test_a_perfect_metric_at_the_end_alone_is_not_suspicious(self) -> None:
        shape = good_fit(40)
        assert shape.val_metric is not None
        shape.val_metric[25:] = 1.0
        assert "val_suspicious" not in said(log_of(shape))


class TestNumbers:
    """What a verdict says of the run."""

    def test_train_95_validation_70_is_overfitting_with_its_advice(self) -> None:
        diagnosis = judge(log_of(overfit_metrics(60)))
        assert diagnosis.code == "overfit"
        assert "95." in diagnosis.summary or "94." in diagnosis.summary
        assert "70." in diagnosis.summary or "69." in diagnosis.summary
        text = " ".join(diagnosis.advice)
        assert text.index("augmentation") < text.index("dropout")
        assert "earlier stop" not in text  # the last weights are the best

    def test_metrics_alone_are_enough_for_it(self) -> None:
        log = replace(log_of(overfit_metrics(60)), train=None, val=None)
        assert judge(log).code == "overfit"

    def test_the_best_epoch_is_named(self) -> None:
        shape = overfit_turn(51)
        assert shape.val is not None
        diagnosis = judge(log_of(shape))
        best = 1 + int(np.argmin(shape.val))
        assert diagnosis.best_epoch == best
        assert any(f"epoch {best}" in line for line in diagnosis.advice)
        assert diagnosis.evidence["best_epoch"] == best

    def test_dismissed_verdicts_carry_their_number(self) -> None:
        diagnosis = judge(log_of(good_fit(50)))
        reasons = {item.code: item.reason for item in diagnosis.dismissed}
        of_other_trainings = {"nothing_to_learn", "reward_collapse", "other_objective", "insufficient_data"}
        unchecked = {item.code for item in diagnosis.unchecked}
        assert set(reasons) | unchecked == CODES - {"good_fit", "cannot_tell"} - of_other_trainings
        assert not set(reasons) & unchecked
        assert any(char.isdigit() for char in reasons["overfit"])

    def test_the_first_loss_that_is_not_finite_is_named(self) -> None:
        y = fall(40, 2.3, 0.5, 5)
        y[25:] = math.nan
        diagnosis = judge(log_of(Shape(y)))
        assert diagnosis.evidence["first_not_finite_x"] == 26
        assert any("epoch 26" in line for line in diagnosis.advice)

    @pytest.mark.parametrize(("train", "val", "code"), [(4, 0, "insufficient_data"), (5, 0, "no_validation")])
    def test_five_points_are_needed(self, train: int, val: int, code: str) -> None:
        assert judge(log_of(Shape(fall(train, 2.3, 0.3, 2)))).code == code

    def test_an_empty_log_is_insufficient(self) -> None:
        diagnosis = judge(Log(format="test"))
        assert diagnosis.code == "insufficient_data"
        assert diagnosis.as_dict()["source"]["format"] == "test"

    def test_json_has_the_keys_of_the_design(self) -> None:
        data = judge(log_of(no_validation(50))).as_dict()
        assert {"diagnosis", "verdict", "summary", "notes", "evidence", "advice", "source"} <= set(data)
        assert {"confidence", "dismissed"} <= set(data)

    @pytest.mark.parametrize(("last", "code"), [(1.9, "overfit"), (1.22, "cannot_tell")])
    def test_three_validations_show_a_plain_turn_only(self, last: float, code: str) -> None:
        log = log_of(Shape(fall(60, 2.0, 0.2, 3)))
        val = curve("val_loss", [20, 40, 60], [1.3, 1.2, last], "epoch")
        assert judge(replace(log, val=val)).code == code

    def test_no_fall_is_told_as_more_than_all_of_it(self) -> None:
        """Over the last 30 % validation goes from 2.16 to 1: it falls by 54 % of what it was, not by 116 %."""
        t = times(40)
        shape = Shape(2.3 - 2.0 * t, np.where(t < 0.7, 2.3 - 0.2 * t, 2.16 - 4.0 * (t - 0.7)))
        diagnosis = judge(log_of(shape))
        assert diagnosis.code == "not_converged"
        assert diagnosis.evidence["val_change"] < -1.0
        assert "and validation's from 1.68 to 1.17 in the last quarter" in diagnosis.summary
        shares = re.findall(r"([\d.]+) %", diagnosis.summary + " ".join(item.reason for item in diagnosis.dismissed))
        assert all(float(share) <= 100 for share in shares)


class TestOwnRuns:
    """tunekit's own rows, with what its steps found."""

    def rows(self, shape: Shape) -> dict[str, list[float | None]]:
        assert shape.val is not None
        n, every = len(shape.train), 4
        ends = [k % every == every - 1 for k in range(n)]
        columns: dict[str, list[float | None]] = {
            "iteration": [float(k + 1) for k in range(n)],
            "epoch": [(k + 1) / every for k in range(n)],
            "lr": [0.1] * n,
            "train_loss": [float(value) for value in shape.train],
            "val_loss": [float(value) if end else None for value, end in zip(shape.val, ends, strict=True)],
        }
        if shape.val_metric is not None and shape.train_metric is not None:
            columns["train_accuracy"] = [float(value) for value in shape.train_metric]
            rates = zip(shape.val_metric, ends, strict=True)
            columns["val_accuracy"] = [float(value) if end else None for value, end in rates]
        return columns

    @pytest.mark.parametrize("scores", [(0.65, 0.675, 0.775), (0.2, 0.5, 0.9), (0.9, 0.7, 0.5)])
    def test_three_validations_that_only_rise_got_no_worse(self, scores: tuple[float, ...]) -> None:
        """The median of three points is no end of three."""
        losses = [1.16, 1.17, 1.21, 1.07, 0.90, 0.95, 0.66, 1.07, 0.71]
        accuracies = [0.25, 0.31, 0.31, 0.38, 0.56, 0.47, 0.78, 0.63, 0.75]
        ends: list[list[float | None]] = [[None, None, value] for value in (0.96, 0.88, 0.82)]
        rated: list[list[float | None]] = [[None, None, value] for value in scores]
        columns: dict[str, list[float | None]] = {
            "iteration": [float(k + 1) for k in range(9)],
            "epoch": [(k + 1) / 3 for k in range(9)],
            "lr": [0.1] * 9,
            "train_loss": [*losses],
            "train_accuracy": [*accuracies],
            "val_loss": [value for values in ends for value in values],
            "val_accuracy": [value for values in rated for value in values],
        }
        said = judge(from_record(columns, "accuracy", maximize=True, share=True)).summary
        assert ("got worse" in said) == (sorted(scores) != list(scores))

    @pytest.mark.parametrize(
        ("metric", "guessing", "level", "learns"),
        [
            ("average_precision", 0.033, 0.426, True),
            ("average_precision", 0.033, 0.05, False),
            ("average_precision", 0.42, 0.426, False),
            ("average_precision", None, 0.426, False),
            ("rmse", 4.0, 1.0, True),
            ("rmse", 4.0, 3.9, False),
        ],
    )
    def test_of_a_run_far_better_than_guessing_it_is_not_said_that_it_may_learn_nothing(
        self, metric: str, guessing: float | None, level: float, learns: bool
    ) -> None:
        steps = range(80)
        columns: dict[str, list[float | None]] = {
            "iteration": [float(k + 1) for k in steps],
            "epoch": [(k + 1) / 4 for k in steps],
            "train_loss": [0.15 + 0.003 * (-1) ** k for k in steps],
            "val_loss": [0.16 if k % 4 == 3 else None for k in steps],
            f"val_{metric}": [level * (1 + 0.001 * (-1) ** (k // 4)) if k % 4 == 3 else None for k in steps],
        }
        maximize = metric != "rmse"
        log = from_record(columns, metric, maximize, maximize, Procedure(guessing=guessing))
        said = " ".join([*(text for text, _ in missing(measure(log))), *(one.reason for one in judge(log).dismissed)])
        assert "as of a finished model that goes on" in said
        assert ("one that learns nothing" not in said) is learns
        assert ("dead model" not in said) is learns

    def test_rows_in_memory_are_judged(self) -> None:
        log = from_record(self.rows(good_fit(200)), "accuracy", maximize=True, share=True)
        assert log.val is not None
        assert len(log.val.x) == 50
        assert judge(log).code == "good_fit"

    def test_the_best_epoch_follows_from_the_epoch_column(self) -> None:
        shape = overfit_turn(200)
        diagnosis = judge(from_record(self.rows(shape), "accuracy", maximize=True, share=True))
        assert diagnosis.code == "overfit"
        assert diagnosis.best_epoch == pytest.approx(float(diagnosis.best_x or 0) / 4)

    @pytest.mark.parametrize(("decay", "stronger"), [(0.0, [3e-4, 1e-3, 3e-3, 1e-2]), (1e-3, [3e-3, 1e-2, 3e-2, 1e-1])])
    def test_what_to_do_is_data_with_the_runs_own_numbers(self, decay: float, stronger: list[float]) -> None:
        known = Procedure(lr=0.1, weight_decay=decay, dropout=(0.1,), sweep_range=(1e-3, 3e-2))
        diagnosis = judge(from_record(self.rows(overfit_turn(200)), "accuracy", True, True, known))
        assert diagnosis.remedies == (
            Remedy("coarse-grid", {"steps.coarse-grid.weight_decays": stronger}),
            Remedy("run", {"model.args.dropout": 0.3}),
        )
        (note,) = [note for note in diagnosis.notes if note.code == "lr_too_high"]
        assert note.remedies[0] == Remedy("fine-run", {"steps.fine-run.lr_factors": [0.1, 0.3]})

    @pytest.mark.parametrize(("decay", "stronger"), [(10.0, [30.0]), (18.5, None), (1e3, None)])
    def test_no_decay_is_advised_by_which_nothing_of_the_weights_is_left(
        self, decay: float, stronger: list[float] | None
    ) -> None:
        """Decoupled decays are large where a run has few iterations: rate times decay is what a step takes away."""
        known = Procedure(lr=1e-3, weight_decay=decay)
        remedies = judge(from_record(self.rows(overfit_turn(200)), "accuracy", True, True, known)).remedies
        asked = [Remedy("coarse-grid", {"steps.coarse-grid.weight_decays": stronger})] if stronger else []
        assert [one for one in remedies if one.command == "coarse-grid"] == asked

    @pytest.mark.parametrize(
        ("dropout", "more"),
        [
            ((0.2, 0.4), [0.2, 0.5]),
            ((0.1, 0.2, 0.5), [0.1, 0.4, 0.5]),
            ((0.0, 0.7, 0.1), [0.0, 0.7, 0.3]),
            ((0.2, 0.5, 0.5), None),
            ((0.6,), None),
        ],
    )
    def test_of_several_probabilities_of_dropping_the_hidden_layers_rise(
        self, dropout: tuple[float, ...], more: list[float] | None
    ) -> None:
        known = Procedure(dropout=dropout, sweep_range=(1e-3, 3e-2))
        diagnosis = judge(from_record(self.rows(overfit_turn(200)), "accuracy", True, True, known))
        told = [remedy.set["model.args.dropout"] for remedy in diagnosis.remedies if "model.args.dropout" in remedy.set]
        assert told == ([] if more is None else [more])

    def test_a_run_that_was_short_goes_on_for_twice_its_epochs(self) -> None:
        diagnosis = judge(from_record(self.rows(not_converged(80)), "accuracy", maximize=True, share=True))
        assert diagnosis.code == "not_converged"
        assert diagnosis.remedies == (Remedy("fine-run", {"steps.fine-run.epochs": 40}),)
        lines = zip(diagnosis.as_dict()["advice"], codes()["not_converged"].advice, strict=False)
        assert all(told.startswith(line) for told, line in lines)  # with its odds
        # Of another tool's run nothing is known of the recipe.
        widened = " (`--set model.args.width=...`, of a recipe)"
        assert [line.removesuffix(widened) for line in judge(log_of(not_converged(80))).advice] == [*diagnosis.advice]
        assert f"train {40 // 20} times as long" in diagnosis.advice[0]

    def test_another_tools_log_gets_words_alone(self) -> None:
        diagnosis = judge(log_of(overfit_turn(200)))
        assert diagnosis.advice
        assert diagnosis.remedies == ()

    def test_what_tunekit_logs_anyway_is_not_asked_of_its_own_runs(self) -> None:
        def asked(advice: tuple[str, ...]) -> set[str]:
            return {line for line in advice if "log " in line.replace("the log of", "")}

        said: set[str] = set()
        for name in SHAPES:
            for points in (3, 12, 200):
                shape = SHAPES[name][1](points)
                if shape.val is None:
                    continue
                rows = self.rows(shape)
                ours = judge(from_record(rows, "accuracy", True, True))
                theirs = judge(replace(from_record(rows, "accuracy", True, True), procedure=None))
                assert not asked(ours.advice), (name, ours.advice)
                said |= asked(theirs.advice)
        assert said

    def test_no_remedy_changes_what_a_run_takes_from_its_sweep(self) -> None:
        """`optimizer.lr` is refused on a run, and the sweep finds another one in the next."""
        for name in SHAPES:
            shape = SHAPES[name][1](200)
            if shape.val is not None:
                remedies = judge(from_record(self.rows(shape), "accuracy", True, True)).remedies
                assert not any("optimizer.lr" in remedy.set for remedy in remedies), name

    def test_a_loss_of_guessing_is_called_so(self) -> None:
        rows: dict[str, list[float]] = {"iteration": list(range(1, 61)), "train_loss": [2.3026] * 60}
        diagnosis = judge(from_record(rows, "accuracy", True, True, Procedure(classes=10)))
        assert diagnosis.code == "not_learning"
        assert "guessing" in diagnosis.summary


def test_a_run_that_blew_up_to_what_is_not_finite_is_not_called_a_break_besides() -> None:
    losses = np.concatenate([2.0 * np.exp(-np.arange(60) / 20), np.full(20, 9.0)])
    assert "discontinuity" in said(Log("a", train=curve("loss", np.arange(80.0), losses, "iteration")))
    losses[-4:] = np.nan
    diagnosis = judge(Log("a", train=curve("loss", np.arange(80.0), losses, "iteration")))
    assert diagnosis.code == "diverged"
    assert "discontinuity" not in [note.code for note in diagnosis.notes]


def test_many_points_of_one_place_may_jump() -> None:
    """A log that is thinned, of batches that are all logged at their epoch."""
    epochs = np.repeat(np.arange(10.0), 1000)
    losses = 2.0 * np.exp(-np.arange(10_000) / 4000)
    for begin in (2500, 4500, 6500, 8500):
        losses[begin : begin + 60] = 40.0
    diagnosis = judge(Log("a", train=curve("loss", epochs, losses, "epoch")))
    assert diagnosis.code == "unstable"
    assert "at epoch 2, to 40" in diagnosis.summary
