"""Losses and metrics weighed against each other, single points against many: faults beside their near misses."""

import numpy as np
import pytest
from test_diagnosis_sentences import recomputed

from tunekit.diagnosis import judge
from tunekit.logs import Log, Metric
from tunekit.logs.log import curve
from tunekit.logs.objectives import Objective


def made(train=None, val=None, held=None, trained=None, name="accuracy", kind=(True, True)):
    def series(called, y):
        return None if y is None else curve(called, np.arange(1, 1 + len(y)), y, "epoch")

    metrics, (maximize, bounded) = (), kind
    if held is not None:
        metrics = (Metric(name, maximize, series(name, trained), series(f"val_{name}", held), bounded=bounded),)
    return Log("test", train=series("loss", train), val=series("val_loss", val), metrics=metrics)


def told(log):
    """The diagnosis, once its numbers are computed again from the rows."""
    wrong, unread, _ = recomputed(log)
    assert (wrong, unread) == ([], [])
    return judge(log)


def noise(n, size, seed=3):
    return size * np.random.default_rng(seed).standard_normal(n)


ERROR = (False, False)
"""Of a metric: neither is higher better, nor has it bounds."""
T = np.linspace(0, 1, 40)
FALLS = 0.3 + 2 * np.exp(-3.5 * T)


class TestAccuracyThatStays:
    """Beside a validation loss that falls, a validation accuracy at chance is of other labels."""

    OTHER = 9 + 25 * np.exp(-2.5 * T)
    STAYS = 0.125 + noise(40, 0.002)
    RISES = 0.15 + 0.6 * T

    def test_while_both_losses_fall(self):
        diagnosis = told(made(90 * FALLS, self.OTHER, self.STAYS, self.RISES))
        assert diagnosis.code == "train_val_mismatch"
        assert "labels or their order" in diagnosis.summary
        assert not any("augmentation" in line for line in diagnosis.advice)

    @pytest.mark.parametrize("last", [0.2, 0.8])
    def test_one_that_follows_is_none(self, last):
        held = 0.125 + (last - 0.125) * T
        assert told(made(90 * FALLS, self.OTHER, held, self.RISES)).code != "train_val_mismatch"

    def test_a_loss_that_rises_besides_is_learnt_by_heart(self):
        assert told(made(FALLS, 2.1 + 0.9 * T, self.STAYS, self.RISES)).code in ("overfit", "train_val_mismatch")

    def test_one_that_stays_as_trainings_does_is_poor(self):
        diagnosis = told(made(FALLS, FALLS + 0.02, self.STAYS, self.STAYS + 0.01))
        assert diagnosis.code not in ("train_val_mismatch", "good_fit", "overfit")


class TestSettled:
    def test_a_steady_fall_of_both_goes_on_whatever_accuracy_does(self):
        train, held = 2.3 + 0.9 * np.exp(-2 * T), np.minimum(0.24 + 0.4 * T, 0.4)
        diagnosis = told(made(train, train + 0.08 * T, held, held + 0.02))
        assert diagnosis.code == "not_converged"

    def test_what_decays_to_a_level_has_settled(self):
        train = 0.3 + 2 * np.exp(-9 * T)
        assert told(made(train, train + 0.02)).code == "good_fit"

    def test_a_last_best_validation_has_all_but_settled(self):
        diagnosis = told(
            made(
                [5.5, 1.9, 1.55, 1.44, 1.37, 1.33, 1.3, 1.285, 1.28],
                [5.4, 1.9, 1.56, 1.45, 1.38, 1.34, 1.31, 1.295, 1.28],
            )
        )
        assert "the curves have settled" not in diagnosis.summary

    def test_a_gap_is_told_and_no_larger_model_advised(self):
        train, val = 0.04 + 5 * np.exp(-9 * T), 0.3 + 4 * np.exp(-9 * T)
        diagnosis = told(made(train, val, 0.07 + 0.8 * np.exp(-8 * T), name="cer", kind=ERROR))
        assert diagnosis.code == "good_fit"
        assert "with a gap between the losses" in diagnosis.summary
        assert not any("larger model" in line for line in diagnosis.advice)
        assert "gap" not in told(made(train + 0.2, val)).summary

    def test_a_validation_that_jumps_tells_nothing(self):
        val = [0.57, 0.53, 0.55, 0.77, 0.22, 0.44, 1.2, 0.31, 2.1]
        held = [0.81, 0.81, 0.81, 0.46, 0.87, 0.82, 0.27, 0.81, 0.81]
        trained = [0.69, 0.71, 0.73, 0.71, 0.74, 0.73, 0.77, 0.74, 0.71]
        diagnosis = told(made([0.6, 0.6, 0.55, 0.55, 0.48, 0.51, 0.46, 0.51, 0.53], val, held, trained))
        assert diagnosis.code not in ("overfit", "good_fit")

    def test_a_training_loss_that_lay_lower_before_falls_no_more(self):
        y = np.concatenate([np.geomspace(0.13, 0.026, 25), np.linspace(0.026, 0.036, 8), np.linspace(0.036, 0.033, 7)])
        assert "not_converged" not in {note.code for note in told(made(y)).notes}
        assert "not_converged" in {note.code for note in told(made(np.geomspace(0.13, 0.026, 40))).notes}


class TestLossThatStands:
    def test_beside_an_error_that_falls_by_half(self):
        error = 0.3 + 0.35 * np.exp(-5 * T)
        stands = 1 - 0.005 * T
        log = made(stands, 1.6 - 0.15 * T, error, error - 0.02, name="mae", kind=ERROR)
        assert told(log).code == "cannot_tell"
        assert "the loss does not show what the metric does" in judge(log).summary

    def test_beside_an_error_that_stands_as_well(self):
        log = made(1 - 0.005 * T, 1.6 - 0.005 * T, 0.64 - 0.01 * T, name="mae", kind=ERROR)
        assert told(log).code == "not_learning"

    def test_a_slow_line_beside_an_error_that_got_far(self):
        line = 0.25 - 0.014 * T
        far = made(line, None, 9.3 + 78 * np.exp(-20 * T), name="error", kind=ERROR)
        assert told(far).code not in ("lr_too_low", "good_fit")
        assert told(made(line, line + 0.001)).code in ("lr_too_low", "not_converged")

    def test_a_first_value_of_another_kind_is_no_start(self):
        y = np.concatenate([[1.5], 14.1 - 0.4 * np.linspace(0, 1, 199)]) + noise(200, 0.3)
        diagnosis = told(made(y, 4.05 + noise(19, 0.03)))
        assert "from 1.5" not in diagnosis.summary


class TestStandstill:
    def test_what_fell_at_once_did_not_stand_still_at_first(self):
        y = np.concatenate([[0.95], np.full(7, 0.825), 0.8 - 0.16 * np.linspace(0, 1, 32)]) + noise(40, 0.006)
        assert "plateau_then_drop" not in {judge(made(y, y)).code, *(note.code for note in judge(made(y, y)).notes)}

    def test_a_small_step_before_it_takes_nothing_from_it(self):
        y = np.concatenate([[0.78, 0.71], np.full(12, 0.693), 0.05 + 0.643 * np.exp(-9 * np.linspace(0, 1, 40))])
        assert told(made(y, y)).code == "plateau_then_drop"


class TestRising:
    def test_a_training_loss_that_rises_is_told(self):
        diagnosis = told(made([13.6, 14.0, 14.3, 14.5, 14.6, 14.7, 14.75]))
        assert "the training loss rose at each point, from 13.6" in diagnosis.summary
        assert "why the training loss rises" in diagnosis.advice[0]
        assert "rose" not in told(made([13.6, 13.2, 13.0, 12.9, 12.8, 12.7, 12.65])).summary


class TestReturns:
    def returns(self, y):
        x = np.arange(1, 1 + len(y))
        return Log("test", objective=Objective("reinforcement", {"reward": curve("ep_return", x, y, "row")}))

    def test_one_episode_is_no_policy(self):
        for seed in range(5):
            y = -1.6 + noise(3000, 7.0, seed)
            y[700] = 30.0
            assert told(self.returns(y)).code == "other_objective"

    def test_heavy_tails_are_none_either(self):
        y = np.random.default_rng(5).standard_t(2, 2000) * 5
        assert told(self.returns(y)).code == "other_objective"

    def test_a_policy_that_is_lost(self):
        y = np.where(np.arange(3000) < 1800, np.linspace(0, 30, 3000), 2.0) + noise(3000, 7.0)
        assert told(self.returns(y)).code == "reward_collapse"

    def test_one_that_comes_back(self):
        y = np.where(np.abs(np.arange(3000) - 2500) < 200, 2.0, np.linspace(10, 30, 3000)) + noise(3000, 7.0)
        assert told(self.returns(y)).code == "other_objective"

    @pytest.mark.parametrize("n", [10, 14, 25])
    def test_few_points(self, n):
        t = np.linspace(0, 1, n)
        assert told(self.returns(100 * (1 - np.exp(-5 * t)) + noise(n, 3))).code == "other_objective"
        assert told(self.returns(np.where(t < 0.5, 20 + 160 * t, 8) + noise(n, 2))).code == "reward_collapse"


class TestNoise:
    """What noise may make is no ground, in either direction."""

    def test_a_dead_run_of_noisy_losses_has_not_too_little_capacity(self):
        for seed in range(8):
            train, val = 2.303 * np.exp(noise(25, 0.03, seed)), 2.303 * np.exp(noise(25, 0.01, seed + 50))
            held = np.random.default_rng(seed).binomial(500, 0.1, 25) / 500
            assert told(made(train, val, held)).code in ("not_learning", "cannot_tell")

    def test_a_poor_run_that_learnt_has(self):
        y = 1.75 + 0.55 * np.exp(-12 * T)
        assert told(made(y, y + 0.01, 0.38 - 0.27 * np.exp(-12 * T))).code == "underfit"

    def test_few_epochs_with_a_wide_gap_are_not_good(self):
        train, val = 0.15 + 2 * np.exp(-5 * T[::4]), 0.88 + 1.3 * np.exp(-12 * T[::4])
        assert told(made(train, val)).code in ("overfit", "cannot_tell")
        assert told(made(train + 0.6, val)).code != "overfit"

    def test_a_metric_that_lost_what_the_loss_lost_holds_not(self):
        val = [1.9, 0.75, 0.7, 0.74, 0.8, 0.9, 1.0, 1.1, 1.25, 1.45]
        held = [0.3, 0.72, 0.78, 0.79, 0.8, 0.79, 0.8, 0.77, 0.76, 0.72]
        assert told(made(0.02 + 2 * np.exp(-5 * T[::4]), val, held)).code == "overfit"


class TestSaid:
    def test_a_loss_that_grows_does_not_stand_still(self):
        y = np.concatenate([[4.9, 7.3, 7.6], np.full(37, 7.65)]) + noise(40, 0.01)
        assert "stands still" not in told(made(y, None, np.full(40, 0.02) + noise(40, 0.0005))).summary

    def test_a_metric_that_stands_in_three_digits_does_not_rise(self):
        held = 0.74 + 1e-5 * np.arange(40) - 0.7 * np.exp(-30 * T)
        log = made(0.06 + 1.5 * np.exp(-9 * T), None, held, name="hits1", kind=(True, False))
        assert "from 0.74 to 0.74" not in told(log).summary

    def test_where_no_loss_is_finite_none_went_anywhere(self):
        diagnosis = judge(made(np.full(13, np.nan)))
        assert not [item for item in diagnosis.dismissed if "nan" in item.reason]

    def test_growth_is_told_once(self):
        diagnosis = told(made(8 * np.exp(2.5 * T)))
        assert diagnosis.code == "diverged"
        assert all("the training loss" not in note.message for note in diagnosis.notes)

    def test_an_accuracy_alone_has_no_training_loss(self):
        held = 0.9 - 0.8 * np.exp(-8 * T)
        diagnosis = told(made(None, None, held))
        said = [
            diagnosis.summary,
            *(item.reason for item in diagnosis.dismissed),
            *(n.message for n in diagnosis.notes),
        ]
        assert not any("training loss" in text and "no training loss" not in text for text in said)

    def test_no_gap_is_spoken_of_where_none_is_known(self):
        alone = told(made(0.06 + 1.5 * np.exp(-9 * T), None, 0.9 - 0.8 * np.exp(-12 * T)))
        assert alone.code == "good_fit"
        assert not any("stays small" in line for line in alone.advice)

    def test_a_loss_that_came_back_is_no_finished_model(self):
        y = [2.3, 1.25, 0.8, 2.3, 2.31, 2.3]
        diagnosis = told(made(y, [2.31, 1.3, 0.85, 2.31, 2.31, 2.31]))
        assert "finished model" not in diagnosis.summary

    def test_one_answer_at_three_validations_is_not_good(self):
        y = 0.55 * np.exp(noise(90, 0.12)) + 0.1 * (np.arange(90) < 2)
        diagnosis = told(made(y, [0.551, 0.5515, 0.5508], [0.76, 0.76, 0.76]))
        assert diagnosis.code in ("not_learning", "cannot_tell", "underfit")
