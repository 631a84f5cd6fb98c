"""What would help, by curves that are drawn for it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.diagnosis.diagnosis_shapes import Shape, log_of
from tunekit.diagnosis import judge
from tunekit.diagnosis.measuring import measure
from tunekit.diagnosis.prospects import best_is_early, done, improves
from tunekit.logs.log import Procedure, curve
from tunekit.vocabulary import Remedy

T = np.linspace(0, 1, 40)
NOISE = np.random.default_rng(0).normal(0, 1, 40)


def made(train, val, score=None):
    return log_of(Shape(train, val, None, score))


def test_the_best_of_many_values_that_jump_is_no_fall():
    draw = np.random.default_rng(0)
    t = np.linspace(0, 1, 300)
    told = 0
    for _ in range(40):
        score = 0.8 - 0.5 * np.exp(-9 * t) + 0.022 * draw.normal(0, 1, 300)
        val = 0.6 + 1.7 * np.exp(-9 * t)
        diagnosis = judge(made(val, val + 0.02, score))
        told += "got worse" in diagnosis.summary
    assert told == 0


def of(train, val, score=None, rates=None):
    log = made(train, val, score)
    return measure(replace(log, lr=None if rates is None else curve("lr", log.train.x, rates, "epoch")))


class TestImproves:
    FALLS = 0.3 + 2 * np.exp(-4 * T)

    def test_a_validation_that_follows_to_its_end_improves(self):
        assert improves(of(self.FALLS, self.FALLS + 0.02))

    @pytest.mark.parametrize(
        "val",
        [
            0.3 + 2 * np.exp(-40 * T) + 0.02,  # stands since long
            0.6 + 2 * np.exp(-6 * T) + 0.5 * np.maximum(T - 0.5, 0),  # turned
            0.5 + 2 * np.exp(-4 * T),  # falls, far behind
            2.3 - 0.05 * T,  # hardly learnt anything
        ],
    )
    def test_one_that_stands_turned_or_lies_far_behind_does_not(self, val):
        assert not improves(of(self.FALLS, val))

    @pytest.mark.parametrize(
        "score", [0.9 - 0.3 * T, np.minimum(1.0, 0.3 + 2 * T)], ids=["grows worse", "has nothing to gain"]
    )
    def test_one_whose_metric_speaks_against_it_does_not(self, score):
        assert improves(of(self.FALLS, self.FALLS + 0.02, 0.3 + 0.5 * T))
        assert not improves(of(self.FALLS, self.FALLS + 0.02, score))

    def test_one_that_stood_still_at_last_does_not(self):
        stands = 0.3 + 2 * np.exp(-4 * np.minimum(T, 0.75)) + 0.02
        stands[33:36] -= 0.001  # the best lies late, by a hair
        assert not improves(of(self.FALLS, stands))

    def test_noise_is_no_improvement(self):
        draw = np.random.default_rng(3)
        flat = [np.where(T[::4] > 0.2, 0.5, 1.5) + 0.01 * draw.normal(0, 1, 10) for _ in range(200)]
        assert sum(improves(of(val, val + 0.01 * draw.normal(0, 1, 10))) for val in flat) < 20

    def test_what_improves_goes_on_first_though_it_has_settled(self):
        val = 0.3 + 2 * np.exp(-7 * T)
        diagnosis = judge(made(val, val + 0.02))
        assert diagnosis.code == "good_fit"
        assert diagnosis.counsel.first == "longer"

    def test_it_goes_on_in_a_run_of_its_own_too(self):
        val = 0.3 + 2 * np.exp(-7 * T)
        log = made(val, val + 0.02)
        epochs = curve("epoch", log.train.x, np.arange(1.0, 41), "epoch")
        diagnosis = judge(replace(log, epochs=epochs, procedure=Procedure()))
        assert diagnosis.remedies == (Remedy("fine-run", {"steps.fine-run.epochs": 80}),)


class TestOverfit:
    TRAIN = 2.3 * np.exp(-5 * T) + 0.02
    VAL = 0.5 + 1.8 * np.exp(-12 * T) + 0.8 * np.maximum(T - 0.3, 0)
    TURNED = 0.9 - 0.8 * np.exp(-12 * T) - 0.3 * np.maximum(T - 0.3, 0)
    RISES = 0.9 - 0.8 * np.exp(-3 * T)

    def test_the_best_weights_come_first_where_the_metric_was_no_worse_then(self):
        assert judge(made(self.TRAIN, self.VAL, self.TURNED)).counsel.first == "earlier_stop"
        assert not best_is_early(of(self.TRAIN, self.VAL, self.RISES))
        assert best_is_early(of(self.TRAIN, self.VAL))  # without a metric, by a loss that rose far
        assert not best_is_early(of(self.TRAIN, 0.7 + 1.6 * np.exp(-12 * T) + 0.07 * T))

    def test_the_best_weights_are_those_that_are_named(self):
        lucky = self.VAL.copy()
        lucky[2] = 0.1
        assert not best_is_early(of(self.TRAIN, lucky, self.TURNED))

    def test_the_last_weights_are_no_earlier_ones(self):
        falls = 1.2 + 1.1 * np.exp(-14 * T) - 1e-4 * T
        diagnosis = judge(made(self.TRAIN, falls))
        assert diagnosis.code == "overfit"
        assert "earlier_stop" not in diagnosis.counsel.tries

    def test_the_best_of_the_metric_is_named_besides(self):
        peak = 0.9 - 0.6 * np.abs(T - 0.5)
        log = made(self.TRAIN, self.VAL, peak)
        [line] = [line for line in judge(log).advice if "keep the checkpoint" in line]
        best = log.metrics[0].val.x[int(np.argmax(peak))]
        assert f"; by its {log.metrics[0].name} " in line
        assert line.split("; by its ")[1].split(" (")[0].endswith(f" {best:.0f}")

    def test_what_the_log_shows_to_be_done_is_not_advised_besides(self):
        falling = np.linspace(0.1, 0, 40)
        assert done(of(self.TRAIN, self.VAL, rates=falling)) == {"decayed", "averaged"}
        assert done(of(self.TRAIN, self.VAL, rates=np.full(40, 0.1))) == set()
        assert done(of(self.TRAIN, self.VAL)) == set()
        log = made(self.TRAIN, self.VAL)
        assert done(measure(replace(log, procedure=Procedure(averaged=True)))) == {"averaged"}

    @pytest.mark.parametrize(
        ("name", "averaged"), [("val_loss", False), ("ema_val_loss", True), ("val/loss_ema", True)]
    )
    def test_averaged_weights_are_told_by_their_name(self, name, averaged):
        log = made(self.TRAIN, self.VAL, self.RISES)
        assert ("averaged" in done(measure(replace(log, val=replace(log.val, name=name))))) is averaged

    def test_losses_below_zero_have_no_shares(self):
        fell = np.where(T < 0.3, 2 - 10 * T, -1.0 - 0.5 * T)
        assert not best_is_early(of(fell, fell + 0.1, 0.9 - 0.5 * np.exp(-9 * T)))

    def test_else_nothing_that_was_measured_comes_first(self):
        level = 0.7 + 1.6 * np.exp(-12 * T)
        diagnosis = judge(made(self.TRAIN, level))
        assert diagnosis.code == "overfit"
        assert diagnosis.counsel.first == ""
        assert diagnosis.confidence is None
