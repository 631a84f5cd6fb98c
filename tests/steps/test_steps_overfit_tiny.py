import math
from dataclasses import replace
from types import MappingProxyType

import pytest
from hand_made import carry_out, codes, context_of, exploding, failed, falling, found, judged, trained
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import Subset
from tunekit.measured import Alignment, Fit, Floor, LinearMap, Spread, TinySet, TinyTrained
from tunekit.steps import overfit_tiny
from tunekit.steps.overfit_tiny import remarks
from tunekit.vocabulary import Measurement, Record, Training, UserError

START = TinySet(
    kind="classification",
    accuracy=True,
    samples=100,
    parameters=10_000,
    start=2.3,
    floor=0.0,
    best_score=None,
    spread=None,
    conflicting=0,
)
TRAINED = TinyTrained(moved=0.5, gradient_norm=0.1, train_mode=Fit(0.01, 1.0), eval_mode=Fit(0.01, 1.0))
REGRESSION = replace(
    START,
    kind="regression",
    accuracy=False,
    samples=32,
    start=4.0,
    spread=Spread(mean=0.0, variance=4.0, residual=0.04),
)


def learned(request, at=20, score=1.0, end=1e-3):
    """Loss below the target from an iteration on."""
    losses = falling(2.3, end, request.until, speed=at / 5)
    return trained(request, losses, scores=[0.1] * at + [score] * (request.until - at))


def stuck(request, loss=2.3, score=0.1):
    return trained(request, [2.3, *[loss] * (request.until - 1)], scores=[score] * request.until)


def tiny(answer, start=START, trained_model=TRAINED, earlier=None, facts=None, blank=stuck, **recipe):
    context = context_of("overfit-tiny", earlier, facts, **recipe)

    def answered(request):
        if isinstance(request, Measurement):
            return Record(request, values=(trained_model if request.at else start).to_json())
        return blank(request) if request.purpose == overfit_tiny.CONTROL else answer(request)

    records = carry_out(context, answered, 20)
    return records, judged(context, records)


def rates(records):
    return [r.params["lr"] for r in records if r.request.purpose in overfit_tiny.ATTEMPTS]


class TestPlan:
    def test_regularisers_are_off_and_the_set_is_one_batch(self):
        context = context_of(
            "overfit-tiny",
            optimizer={"weight_decay": 0.1},
            model={"target": "mlp", "args": {"dropout": 0.5}},
            data={"target": "digits", "augment": ["flip"]},
            ema=0.9,
            clip_grad_norm=1.0,
            schedule="cosine",
        )
        config = overfit_tiny.plan(context, [])[0].config
        assert config.regularize is False
        assert (config.weight_decay, config.ema, config.clip_grad_norm) == (0.0, None, None)
        assert (config.data.augment, config.data.subset) == ((), Subset(per_class=10))
        assert (config.batch_size, config.schedule.name) == (100, "constant")

    def test_at_most_500_samples_and_32_where_there_are_no_classes(self):
        many = overfit_tiny.plan(context_of("overfit-tiny", facts={"classes": 200}), [])[0].config
        assert many.batch_size == 500
        none = overfit_tiny.plan(context_of("overfit-tiny", facts={"classes": None}, task="regression"), [])[0].config
        assert (none.data.subset, none.batch_size) == (Subset(samples=32), 32)

    @pytest.mark.parametrize(("target", "asked"), [("adam", [1e-2, 1e-3, 1e-4]), ("sgd", [1e-1, 1e-2, 1e-3])])
    def test_rates_suit_the_optimizer(self, target, asked):
        records, _ = tiny(learned, optimizer={"target": target})
        assert rates(records) == pytest.approx(asked)

    def test_rates_that_the_recipe_gives_are_taken_as_they_are(self):
        """Also where they happen to be the usual ones."""
        given = {"overfit-tiny": {"rates": [1e-2, 1e-3, 1e-4]}}
        records, _ = tiny(learned, optimizer={"target": "sgd"}, steps=given)
        assert rates(records) == [1e-2, 1e-3, 1e-4]

    def test_the_trained_model_is_looked_at_and_a_control_with_zeroed_inputs_run_as_long(self):
        records, _ = tiny(learned)
        look, control = (r.request for r in records[-2:])
        assert (look.purpose, control.purpose) == (overfit_tiny.TRAINED_MODEL, overfit_tiny.CONTROL)
        assert control.config.data.blank
        assert look.at == control.until < 300
        assert look.config.key != control.config.key

    def test_ten_times_the_rate_where_the_highest_was_best(self):
        records, _ = tiny(lambda r: learned(r) if r.config.lr > 0.05 else stuck(r, 2.3 - r.config.lr))
        assert rates(records) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-1])

    def test_four_times_the_iterations_where_the_loss_still_falls(self):
        def answer(request):
            if request.config.lr == 1e-3:
                losses = [2.3 * (1 - i / 1000) for i in range(request.until)]
                return trained(request, losses, scores=[0.9] * request.until)
            return stuck(request)

        records, _ = tiny(answer)
        assert [r.request.until for r in records if isinstance(r.request, Training)][3] == 1200

    @pytest.mark.parametrize("given", [None, [1e-4], [1e-3, 1e-4], [1e-1, 1e-2, 1e-3, 1e-4]])
    def test_a_lower_rate_where_all_diverged_whatever_number_of_rates_was_given(self, given):
        steps = {"overfit-tiny": {"rates": given}}
        records, result = tiny(
            lambda r: trained(r, exploding(2.3, r.until)) if r.config.lr > 5e-5 else learned(r), steps=steps
        )
        assert min(rates(records)) == pytest.approx(1e-5)
        assert result.verdict == "pass"

    def test_a_lower_rate_is_tried_once(self):
        records, _ = tiny(lambda r: trained(r, exploding(2.3, r.until)))
        assert rates(records) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])
        assert [r.request.purpose for r in records[-2:]] == [overfit_tiny.RATE, overfit_tiny.LOWER_RATE]
        assert [r.request.round for r in records[-2:]] == [0, 1]

    @given(
        st.dictionaries(st.integers(-7, 2), st.tuples(st.floats(-5, 1e5) | st.just(math.nan), st.floats(0, 1))),
        st.floats(0, 1),
    )
    def test_ends_and_judges_for_arbitrary_curves(self, ends, score):
        def answer(request):
            end, reached = ends.get(round(math.log10(request.config.lr)), (1.0, score))
            losses = [math.nan] * request.until if math.isnan(end) else falling(2.3, end, request.until)
            return trained(request, losses, scores=[reached] * request.until)

        _, result = tiny(answer)
        assert (result.verdict == "fail") == (not result.handoff)


class TestPass:
    def test_epochs_are_given_beside_what_is_usual(self):
        _, result = tiny(learned)
        assert result.verdict == "pass"
        assert codes(result) == []
        assert "in 23 epochs at rate 1e-2; some tens is usual" in result.summary
        assert result.handoff["lr"] == 1e-2

    @pytest.mark.parametrize(("metric", "share"), [("balanced_accuracy", True), ("r2", False)])
    def test_the_metric_is_shown_in_per_cent_as_in_other_steps(self, metric, share):
        judgement = tiny(learned, facts={"metric": metric, "share": share})[1]
        assert (judgement.formats.get(metric) == "share") == share

    def test_loss_without_accuracy_and_accuracy_without_loss_do_not_pass(self):
        assert tiny(lambda r: learned(r, score=0.99))[1].verdict == "fail"
        assert tiny(lambda r: learned(r, end=0.2))[1].verdict == "fail"

    def test_the_floor_is_that_of_the_targets(self):
        """Soft targets: a loss of 0.5 is all that can be had."""
        _, result = tiny(lambda r: learned(r, end=0.51), start=replace(START, floor=0.5))
        assert result.verdict == "pass"

    def test_slow_is_a_warning(self):
        _, result = tiny(lambda r: learned(r, at=230))
        told = found(result, "overfit_slow")
        assert told.severity == "warn"
        assert told.evidence["epochs"] > 200

    def test_a_model_of_few_parameters_is_held_to_the_best_linear_map(self):
        few = replace(START, parameters=30, floor=0.9, best_score=0.7)
        assert tiny(lambda r: learned(r, end=0.91, score=0.68), start=few)[1].verdict == "pass"
        assert tiny(lambda r: learned(r, end=0.91, score=0.3), start=few)[1].verdict == "fail"

    def test_eval_mode_that_differs(self):
        differs = replace(TRAINED, eval_mode=Fit(1.0, 0.6))
        told = found(tiny(learned, trained_model=differs)[1], "eval_mode_differs")
        assert told.evidence == {"train": 1.0, "eval": 0.6}
        near = replace(TRAINED, eval_mode=Fit(0.1, 0.95))
        assert codes(tiny(learned, trained_model=near)[1]) == []

    def test_a_control_that_learns_without_inputs(self):
        _, result = tiny(learned, blank=learned)
        assert codes(result) == ["memorizes_without_input"]
        assert result.verdict == "warn"
        assert result.table[-1]["inputs"] == "zeroed"


class TestCause:
    def test_flat(self):
        _, result = tiny(stuck)
        assert codes(result) == ["loss_flat"]
        assert result.handoff == {}

    def test_flat_because_no_parameter_moved(self):
        _, result = tiny(lambda r: stuck(r, 1.9), trained_model=replace(TRAINED, moved=0.0))
        assert "no parameter of the model moved" in found(result, "loss_flat").message

    def test_a_loss_that_falls_by_a_tenth_is_not_flat(self):
        assert codes(tiny(lambda r: stuck(r, 2.07))[1]) == ["cannot_overfit"]

    def test_not_finite_at_every_rate(self):
        _, result = tiny(lambda r: trained(r, [2.3, 2.2, math.nan]))
        told = found(result, "loss_not_finite")
        assert told.evidence["iteration"] == 3
        assert result.verdict == "fail"

    @pytest.mark.parametrize("start", [math.inf, math.nan])
    def test_a_start_that_is_not_finite_is_no_floor_to_reach(self, start):
        _, result = tiny(lambda r: trained(r, [start]), start=replace(START, start=start, accuracy=False))
        assert codes(result) == ["loss_not_finite"]
        assert result.handoff == {}

    def test_conflicting_labels(self):
        _, result = tiny(lambda r: stuck(r, 0.7, 0.5), start=replace(START, conflicting=40))
        told = found(result, "cannot_overfit")
        assert "40 of the 100 samples" in told.message
        assert told.evidence["conflicting"] == 40

    def test_too_few_parameters(self):
        _, result = tiny(lambda r: stuck(r, 1.5, 0.5), start=replace(START, parameters=30))
        assert "30 parameters for 100 samples" in found(result, "cannot_overfit").message

    def test_dead_gradients(self):
        _, result = tiny(lambda r: stuck(r, 1.5, 0.5), trained_model=replace(TRAINED, gradient_norm=1e-9))
        assert "the gradient's norm is 1.0e-09" in found(result, "cannot_overfit").message

    def test_a_step_that_raised_is_an_error(self):
        with pytest.raises(UserError, match="boom"):
            tiny(failed)


MEASURED = {"classes": None, "metric": "mae", "maximize": False, "share": False}


def constant(request):
    return trained(request, [4.0] * request.until, metric="mae")


class TestRegression:
    def run(self, end, start=REGRESSION, at=20):
        def answer(request):
            return trained(request, falling(4.0, end, request.until, speed=at / 5), metric="mae")

        model = replace(TRAINED, train_mode=Fit(0.0, 0.1), eval_mode=Fit(0.0, 3.0))
        return tiny(answer, start, model, facts=MEASURED, blank=constant, task="regression")[1]

    def test_a_hundredth_of_the_variance_passes(self):
        result = self.run(0.03)
        assert result.verdict == "pass"
        assert "% of the variance" in result.summary
        assert codes(result) == []
        assert self.run(0.06).verdict == "fail"

    def test_the_residual_is_measured_in_the_loss_itself(self):
        """A mean absolute error of a tenth of the standard deviation leaves a hundredth of the variance."""
        absolute = replace(REGRESSION, spread=Spread(mean=0.0, variance=4.0, residual=0.2))
        assert self.run(0.15, absolute).verdict == "pass"
        assert "where 1 % of the variance is left" in self.run(0.15, absolute).summary

    def test_few_parameters_are_held_to_the_least_squares_floor(self):
        few = replace(REGRESSION, floor=0.6, parameters=9)
        assert self.run(0.62, few).verdict == "pass"
        assert self.run(0.75, few).verdict == "fail"

    def test_what_constant_outputs_reach_is_never_learned(self):
        """A line that explains a thousandth of what a hundredth of the variance is let be: zeroed inputs reach that."""
        free = Floor(loss=0.0, endless=False, constant=4.0, perfect=0.0, level=0.04, score=None)
        few = replace(REGRESSION, floor=3.98, parameters=2, free=free, linear=LinearMap(3.98, 0.1, 2))
        assert self.run(3.999, few).verdict == "fail"
        result = self.run(3.985, few)
        assert codes(result) == ["few_parameters"]
        assert "2 parameters cannot learn 32 targets by heart" in found(result, "few_parameters").message

    def test_of_a_loss_that_cannot_be_followed_the_best_constant_is_that_of_the_targets(self):
        far = replace(REGRESSION, start=500.0, constant=4.0, spread=Spread(mean=0.0, variance=4.0, residual=0.0))
        assert self.run(3.9, far).verdict == "fail"
        assert self.run(0.1, far).verdict == "pass"

    def test_fewer_parameters_than_the_linear_map_must_learn_something(self):
        free = Floor(loss=0.0, endless=False, constant=4.0, perfect=0.0, level=0.04, score=None)
        one = replace(REGRESSION, floor=1.0, parameters=1, free=free, linear=LinearMap(1.0, 0.1, 2))
        assert self.run(3.6, one).verdict == "pass"
        assert self.run(3.8, one).verdict == "fail"

    def test_nothing_linear_to_learn_asks_for_nothing_and_the_control_tells_nothing(self):
        free = Floor(loss=0.0, endless=False, constant=4.0, perfect=0.0, level=0.04, score=None)
        even = replace(REGRESSION, floor=3.9999, start=5.0, parameters=2, free=free, linear=LinearMap(3.9999, 0.1, 2))

        def answer(request):
            return trained(request, falling(5.0, 4.0, request.until, speed=4), metric="mae")

        result = tiny(answer, even, TRAINED, facts=MEASURED, blank=answer, task="regression")[1]
        assert codes(result) == ["few_parameters"]
        assert "no better than constant outputs" in found(result, "few_parameters").message

    def test_targets_far_from_zero_are_named_where_they_make_it_slow_or_impossible(self):
        far = replace(REGRESSION, spread=Spread(mean=50.0, variance=4.0, residual=0.04))
        slow = found(self.run(0.01, far, at=250), "overfit_slow")
        assert slow.severity == "note"
        assert "mean 50" in slow.message
        never = found(self.run(1.0, far), "cannot_overfit")
        assert "mean 50 and standard deviation 2" in never.message
        assert "standardise the targets" in never.advice[0]


def test_multilabel_needs_every_label_right():
    facts = {"classes": None}
    start = replace(START, kind="multilabel", start=0.69, samples=32)
    assert tiny(learned, start=start, facts=facts, task="multilabel")[1].verdict == "pass"
    assert tiny(lambda r: learned(r, score=0.97), start=start, facts=facts, task="multilabel")[1].verdict == "fail"


FREE = Floor(loss=0.0, endless=False, constant=2.0, perfect=0.0, level=None, score=1.0)


def draws(request, loss):
    return trained(request, falling(3.0, loss, request.until, speed=4), metric="error")


class TestOfAnyLoss:
    """Without an accuracy the loss alone is judged by, and what is measured of it."""

    START = replace(START, accuracy=False, start=3.0, free=FREE)
    FACTS = MappingProxyType({"classes": None, "metric": "loss", "maximize": False, "share": False})

    def run(self, end, start=START, model=TRAINED, blank=stuck, **recipe):
        facts = dict(self.FACTS)
        return tiny(lambda r: draws(r, end), start, model, facts=facts, blank=blank, **{"metric": "loss", **recipe})[1]

    def test_no_accuracy_is_asked_for(self):
        assert codes(self.run(0.05)) == []
        assert "accuracy" not in self.run(0.05).summary
        assert self.run(0.2).verdict == "fail"

    def test_the_floor_is_the_losss_own(self):
        floor = replace(self.START, floor=0.5, free=replace(FREE, loss=0.5))
        assert self.run(0.55, floor).verdict == "pass"
        assert self.run(0.05, floor).verdict == "pass"

    def test_a_model_that_draws_must_leave_constant_outputs_behind_by_a_tenth(self):
        drawing = replace(self.START, random=True)
        assert codes(self.run(1.7, drawing)) == []
        told = found(self.run(1.95, drawing), "cannot_overfit")
        assert "the same for every sample have 2" in told.message
        assert "averaged" in told.advice[0]

    def test_a_loss_that_is_as_low_without_inputs(self):
        result = self.run(1.0, replace(self.START, free=None), blank=lambda r: draws(r, 1.0))
        assert "with the inputs zeroed the loss is as low" in found(result, "cannot_overfit").message
        apart = replace(self.START, free=None, told_apart=True)
        result = self.run(1.0, apart, blank=lambda r: draws(r, 1.0))
        assert "zeroed" not in found(result, "cannot_overfit").message

    def test_masks_and_lengths_may_be_what_it_was_learned_from(self):
        assert codes(self.run(0.01, blank=lambda r: draws(r, 0.01))) == ["memorizes_without_input"]
        apart = replace(self.START, told_apart=True)
        assert codes(self.run(0.01, apart, blank=lambda r: draws(r, 0.01))) == []

    def test_an_accuracy_that_counts_what_the_loss_leaves_out_is_not_judged_by(self):
        """Padding that is a token like others: right answers are no better for the loss, and none is misaligned."""
        padded = replace(self.START, accuracy=True, free=replace(FREE, score=0.7))
        assert codes(self.run(0.01, padded)) == []

    def test_many_targets_a_sample_take_longer(self):
        dense = replace(self.START, samples=10, targets=2560)
        assert remarks.slow_limit(dense) == pytest.approx(200 * math.log(2561) / math.log(11))
        assert remarks.slow_limit(replace(dense, targets=10)) == 200

    def test_a_loss_without_a_floor_is_not_slow_to_reach_what_is_held_to_be_one(self):
        slow = found(tiny(lambda r: learned(r, at=230))[1], "overfit_slow")
        assert slow.severity == "warn"
        endless = replace(START, free=replace(FREE, endless=True))
        assert codes(tiny(lambda r: learned(r, at=230), start=endless)[1]) == ["loss_without_floor"]

    def test_eval_mode_is_judged_by_the_loss(self):
        worse = replace(TRAINED, eval_mode=Fit(0.5, math.nan), train_mode=Fit(0.01, math.nan))
        told = found(self.run(0.01, model=worse), "eval_mode_differs")
        assert told.evidence == {"train_loss": 0.01, "eval_loss": 0.5}
        still = found(self.run(0.01, model=replace(worse, still_norms=("body.1",))), "eval_mode_differs")
        assert "body.1" in still.message
        better = replace(TRAINED, eval_mode=Fit(0.01, math.nan), train_mode=Fit(0.5, math.nan))
        assert "eval_mode_differs" not in codes(self.run(0.5, replace(self.START, random=True), better))

    def test_weights_that_a_checkpoint_does_not_hold(self):
        for model in (replace(TRAINED, reloaded=2.5), replace(TRAINED, train_mode=Fit(2.5, math.nan))):
            assert codes(self.run(0.01, model=model)) == ["weights_not_saved"]
        assert codes(self.run(0.01, model=replace(TRAINED, reloaded=0.2))) == []
        assert codes(self.run(0.01, model=replace(TRAINED, reloaded=math.nan))) == ["weights_not_saved"]

    @pytest.mark.parametrize(
        ("alignment", "said"),
        [
            (Alignment(looked=12, astray=11, shifted=False), True),
            (Alignment(looked=12, astray=11, shifted=True), False),
            (Alignment(looked=12, astray=3, shifted=False), False),
            (Alignment(looked=3, astray=3, shifted=False), False),
        ],
    )
    def test_a_loss_that_looks_elsewhere(self, alignment, said):
        result = self.run(0.01, replace(self.START, alignment=alignment))
        assert (codes(result) == ["loss_misaligned"]) == said

    @pytest.mark.parametrize(
        ("kind", "metric", "code", "severity"),
        [
            ("classification", "auto", "loss_misaligned", "fail"),
            ("binary", "accuracy", "loss_misaligned", "fail"),
            ("binary", "auto", "metric_disagrees", "note"),
        ],
    )
    def test_an_accuracy_that_is_low_where_the_loss_is_least(self, kind, metric, code, severity):
        free = replace(FREE, score=0.1, perfect=5.0)
        start = replace(self.START, kind=kind, accuracy=True, free=free)
        assert found(self.run(0.01, start, metric=metric), code).severity == severity

    def test_what_is_wrong_in_the_model_is_named(self):
        def said(**model):
            return found(self.run(1.0, model=replace(TRAINED, **model)), "cannot_overfit")

        assert "body.3.weight" in said(still=("body.3.weight",)).message
        assert "the same for every sample" in said(varies=1e-7).message
        assert "40.0 % of the outputs" in said(at_bounds=0.4).message
        assert "no gradient reaches head.bias" in said(without_gradient=("head.bias",)).message
        assert "more capacity" in said().advice[0]


def test_a_small_model_is_slow_for_want_of_room():
    told = found(tiny(lambda r: learned(r, at=230), start=replace(START, parameters=600))[1], "overfit_slow")
    assert told.severity == "note"
    assert "600 parameters for 100 targets" in told.message


class TestMixture:
    """A likelihood of several bumps: constant outputs fall without end onto a few targets."""

    FREE = Floor(loss=-8.3, endless=True, constant=-1.1, perfect=None, level=-8.8, score=None)
    START = replace(REGRESSION, start=1.0, floor=-8.8, free=FREE, spread=replace(REGRESSION.spread, residual=0.01))

    def run(self, end, blank, start=START):
        return tiny(lambda r: stuck(r, end, math.nan), start=start, blank=lambda r: stuck(r, blank, math.nan))[1]

    def test_what_the_inputs_gain_counts(self):
        result = self.run(-0.9, 0.4)
        assert codes(result) == ["loss_without_floor"]
        assert "0.4 with the inputs zeroed" in result.summary
        assert result.handoff["loss"] == pytest.approx(-0.9)

    @pytest.mark.parametrize(("end", "blank"), [(0.4, 0.4), (-0.1, 0.3), (-0.9, -0.8)])
    def test_what_zeroed_inputs_reach_as_well_does_not(self, end, blank):
        assert "cannot_overfit" in codes(self.run(end, blank))

    def test_a_single_bump_has_a_best_constant(self):
        single = replace(self.START, free=replace(self.FREE, constant=0.4))
        assert "cannot_overfit" in codes(self.run(-0.9, 0.4, single))
