import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hand_made import carry_out, codes, context_of, exploding, failed, falling, found, judged, left, trained
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import short
from tunekit.pipeline import read_recipe
from tunekit.steps import lr_sweep
from tunekit.steps.lr_sweep import rates_of
from tunekit.steps.lr_sweep.held_out import HeldOutRate, working_range
from tunekit.vocabulary import Training, UserError

LADDER = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


def usual_end(rate, best=1e-2, start=2.3, least=0.5):
    """Where a rate ends: a parabola in the logarithm around the best, never above the start."""
    return min(start, least + 0.4 * math.log10(rate / best) ** 2)


def sweep(context, losses_of):
    return carry_out(context, lambda request: trained(request, losses_of(request.config.lr, request.until)))


def usual(rate, count, noise=0.02, best=1e-2, diverges=3e-1):
    """Same noise at every rate: they see the same batches."""
    return exploding(2.3, count) if rate >= diverges else falling(2.3, usual_end(rate, best), count, noise)


def run(losses_of, **recipe):
    context = context_of("lr-sweep", **recipe)
    return judged(context, sweep(context, losses_of))


class TestPlan:
    def test_the_ladder_is_1_3_10_between_the_ends(self):
        assert lr_sweep.ladder(1e-5, 1e-1) == LADDER
        assert lr_sweep.ladder(2e-3, 2e-2) == [3e-3, 1e-2]
        assert lr_sweep.ladder(1e-3, 1e-3) == [1e-3]

    def test_an_interval_between_two_rungs_still_has_a_rate(self):
        assert lr_sweep.ladder(4e-3, 8e-3) == [4e-3]

    @given(st.floats(-6, 0), st.floats(0, 4))
    def test_the_ladder_rises_by_half_decades_within_its_ends(self, exponent, decades):
        low, high = 10.0**exponent, 10.0 ** (exponent + decades)
        rates = lr_sweep.ladder(low, high)
        assert rates == sorted(set(rates))
        assert all(low * 0.99 <= rate <= high * 1.01 for rate in rates)
        assert all(2.9 < second / first < 3.4 for first, second in pairwise(rates))

    def test_one_start_the_same_batches_and_a_small_decay_for_every_rate(self):
        requests = lr_sweep.plan(context_of("lr-sweep", optimizer={"weight_decay": 0.3}), [])
        assert [request.config.lr for request in requests] == LADDER
        assert len({replace(request.config, lr=0.0).key for request in requests}) == 1
        assert {request.config.weight_decay for request in requests} == {1e-4}
        assert {request.until for request in requests} == {100}

    def test_case_5_a_small_loader_is_cycled(self):
        requests = lr_sweep.plan(context_of("lr-sweep", facts={"iterations_per_epoch": 3}), [])
        assert {request.until for request in requests} == {100}

    def test_more_epochs_where_the_recipe_asks_and_an_epoch_is_long(self):
        context = context_of("lr-sweep", facts={"iterations_per_epoch": 150}, steps={"lr-sweep": {"epochs": 1.5}})
        assert {request.until for request in lr_sweep.plan(context, [])} == {225}

    @pytest.mark.parametrize(("freeze", "until"), [(0, 100), (2, 140), ("always", 100)])
    def test_a_rate_is_looked_for_as_long_behind_the_frozen_epochs(self, freeze, until):
        """At 20 iterations an epoch."""
        context = context_of("lr-sweep", model={"target": "mlp", "freeze": freeze})
        assert {request.until for request in lr_sweep.plan(context, [])} == {until}

    @pytest.mark.parametrize("freeze", [0, 2])
    def test_in_fine_tuning_the_frozen_epochs_come_before_its_own(self, freeze):
        context = context_of("lr-sweep", model={"target": "mlp", "weights": "w.pt", "freeze": freeze})
        requests = [request for request in lr_sweep.plan(context, []) if isinstance(request, Training)]
        assert {request.until for request in requests} == {100 + 20 * freeze}

    def test_case_21_the_recipes_schedule_does_not_fight_the_sweep(self):
        context = context_of("lr-sweep", schedule={"name": "cosine", "args": {"warmup": 20}})
        requests = lr_sweep.plan(context, [])
        assert {request.config.schedule.name for request in requests} == {"constant"}
        assert {request.config.schedule.args["warmup"] for request in requests} == {20}

    def test_case_7_a_sweep_run_twice_asks_for_the_same_trainings_and_says_the_same(self):
        first, second = (sweep(context_of("lr-sweep"), usual) for _ in range(2))
        assert [record.request.identity for record in first] == [record.request.identity for record in second]
        assert judged(context_of("lr-sweep"), first) == judged(context_of("lr-sweep"), second)

    def test_a_failed_rate_ends_the_plan_and_is_said_as_an_error(self):
        context = context_of("lr-sweep")
        records = carry_out(context, failed)
        with pytest.raises(UserError, match="boom"):
            judged(context, records)

    @given(
        st.dictionaries(st.integers(-16, 8), st.lists(st.floats(-10, 1e6) | st.just(math.nan), min_size=1), min_size=1),
        st.integers(0, 6),
    )
    def test_ends_and_judges_for_arbitrary_curves(self, curves, extend):
        def losses_of(rate, count):
            values = curves.get(round(2 * math.log10(rate)), curves[min(curves)])
            return [values[i % len(values)] for i in range(count)]

        context = context_of("lr-sweep", steps={"lr-sweep": {"extend": extend}})
        records = carry_out(context, lambda request: trained(request, losses_of(request.config.lr, request.until)), 30)
        assert len(records) <= len(LADDER) + extend
        result = judged(context, records)
        if result.handoff:
            low, high = result.handoff["range"]
            assert low <= result.handoff["lr"] <= high
            assert {low, high, result.handoff["lr"]} <= {record.request.config.lr for record in records}
        else:
            assert result.verdict == "fail"


class TestPick:
    def test_the_largest_drop_and_the_range_that_reaches_four_fifths_of_it(self):
        result = run(usual)
        assert result.verdict == "pass"
        assert result.handoff["lr"] == 1e-2
        drop = {rate: 2.3 - usual_end(rate) for rate in LADDER}
        low, high = result.handoff["range"]
        assert all((drop[rate] >= 0.79 * drop[1e-2]) == (low <= rate <= high) for rate in LADDER)

    def test_a_single_rate_that_works_is_told_as_one(self):
        def losses_of(rate, count):
            return falling(2.3, 0.5, count, 0.01) if rate == 1e-3 else [2.3] * count

        result = run(losses_of)
        assert result.handoff["range"] == [1e-3, 1e-3]
        assert "; 1e-3 alone works over so many" in result.summary
        low, high = map(short, run(usual).handoff["range"])
        assert f"; {low} to {high} works over so many" in run(usual).summary

    def test_case_1_a_noisy_curve_does_not_pick_the_bottom_of_the_range(self):
        for seed in range(20):
            draw = np.random.RandomState(seed)
            extra = {rate: 0.3 * draw.randn(200) for rate in (*LADDER, 3e-1, 1.0)}

            def losses_of(rate, count, extra=extra):
                return list(np.array(usual(rate, count, noise=0.3)) + extra[rate][:count])

            lr = run(losses_of).handoff["lr"]
            assert 1e-3 <= lr <= 1e-1

    def test_case_2_an_early_spike_does_not_win(self):
        def losses_of(rate, count):
            losses = usual(rate, count)
            if rate == 1e-4:
                losses[2:5] = [6.0, 5.0, 4.0]  # falls steeply, but from a height of its own making
            return losses

        assert run(losses_of).handoff["lr"] == 1e-2

    @pytest.mark.filterwarnings("error")
    def test_case_3_nan_in_the_tail_changes_nothing(self):
        def with_nan(rate, count):
            losses = usual(rate, count)
            if rate == 1e-1:
                losses[60:] = [math.nan] * (count - 60)
            return losses

        assert run(with_nan).handoff["lr"] == run(usual).handoff["lr"] == 1e-2
        row = next(row for row in run(with_nan).table if row["lr"] == 1e-1)
        assert row["verdict"] == "diverged at 61"

    def test_case_4_few_iterations_give_a_number_or_a_plain_failure_never_none(self):
        for count in (1, 2, 5, 12):
            result = run(usual, steps={"lr-sweep": {"iterations": count}})
            assert result.verdict == "fail" or result.handoff["lr"] in LADDER

    def test_case_14_negative_losses_are_no_divergence(self):
        def losses_of(rate, count):
            return list(np.array(usual(rate, count)) - 40.0)

        result = run(losses_of)
        assert result.handoff["lr"] == 1e-2
        assert not [row for row in result.table if "diverged" in row["verdict"] and row["lr"] < 3e-1]

    def test_a_loss_that_starts_at_zero_and_falls_below_it(self):
        def losses_of(rate, count):
            return list(np.array(falling(0.0, -(2.3 - usual_end(rate)), count, 0.02)))

        assert run(losses_of).handoff["lr"] == 1e-2

    def test_case_16_the_rate_handed_on_is_what_training_then_uses(self):
        swept = run(usual).handoff
        context = context_of("coarse-grid", {"lr-sweep": swept})
        assert context.config().lr == context.params["lr"] == swept["lr"]

    def test_case_24_a_curve_that_still_falls_at_the_upper_edge_extends_upward(self):
        def losses_of(rate, count):
            return usual(rate, count, best=3e-1, diverges=3.0)

        context = context_of("lr-sweep")
        records = sweep(context, losses_of)
        assert max(record.request.config.lr for record in records) == 1.0
        result = judged(context, records)
        assert result.handoff["lr"] == 3e-1
        assert "best_at_edge" not in codes(result)

    def test_rates_beyond_the_range_are_confirmed_over_twice_the_iterations(self):
        records = sweep(context_of("lr-sweep"), lambda rate, count: usual(rate, count, best=3e-1, diverges=3.0))
        assert {r.request.until for r in records if r.request.config.lr > 0.1} == {200}

    def test_a_rate_above_the_range_that_blows_up_late_is_not_taken(self):
        def losses_of(rate, count):
            if rate > 1e-1:
                return [*falling(2.3, 0.1, 110), *exploding(2.3, count, 0)][:count]
            return usual(rate, count, best=1e-1)

        assert run(losses_of).handoff["lr"] <= 1e-1

    def test_the_best_at_the_lower_edge_extends_downward(self):
        result = run(lambda rate, count: usual(rate, count, best=3e-6, diverges=1e-2))
        assert result.handoff["lr"] == 3e-6
        assert "best_at_edge" not in codes(result)

    @pytest.mark.parametrize(("slope", "side", "option"), [(1, "highest", "high"), (-1, "lowest", "low")])
    def test_best_at_edge_is_said_when_the_extensions_are_used_up(self, slope, side, option):
        def losses_of(rate, count):
            return falling(2.3, 1.0 - 0.1 * slope * math.log10(rate), count, 0.01)

        context = context_of("lr-sweep")
        records = sweep(context, losses_of)
        assert len(records) == len(LADDER) + 3
        told = found(judged(context, records), "best_at_edge")
        assert told.severity == "warn"
        assert told.evidence["side"] == side
        (remedy,) = told.remedies
        assert remedy.command == "lr-sweep"
        assert list(remedy.set) == [f"steps.lr-sweep.{option}"]
        assert remedy.set[f"steps.lr-sweep.{option}"] not in {record.params["lr"] for record in records}

    def test_next_to_divergence_the_lower_neighbour_is_taken_where_it_does_nearly_as_well(self):
        ends = {1e-3: 1.5, 3e-3: 0.62, 1e-2: 0.5}

        def losses_of(rate, count):
            return exploding(2.3, count) if rate > 1e-2 else falling(2.3, ends.get(rate, 2.2), count, 0.01)

        result = run(losses_of)
        assert result.handoff["lr"] == 3e-3
        ends[3e-3] = 1.2
        assert run(losses_of).handoff["lr"] == 1e-2

    def test_without_divergence_next_to_it_the_best_is_taken(self):
        def losses_of(rate, count):
            return falling(2.3, {3e-3: 0.52, 1e-2: 0.5}.get(rate, 2.1), count, 0.01)

        assert run(losses_of).handoff["lr"] == 1e-2

    def test_narrow_range_needs_a_neighbour_that_diverges(self):
        def losses_of(rate, count, above):
            return above(2.3, count) if rate > 1e-3 else falling(2.3, 0.5 if rate == 1e-3 else 2.2, count, 0.01)

        narrow = run(lambda rate, count: losses_of(rate, count, exploding))
        assert found(narrow, "narrow_range").evidence == {"lr": 1e-3}
        assert narrow.handoff["range"] == [1e-3, 1e-3]
        flat = run(lambda rate, count: losses_of(rate, count, lambda start, n: falling(start, 2.2, n, 0.01)))
        assert codes(flat) == []


class TestNothingWorks:
    def test_all_diverged_tries_lower_rates_first(self):
        context = context_of("lr-sweep")
        records = sweep(context, lambda rate, count: exploding(2.3, count))
        assert min(record.request.config.lr for record in records) == 3e-7
        result = judged(context, records)
        assert result.verdict == "fail"
        assert codes(result) == ["all_diverged"]
        assert result.handoff == {}

    def test_a_lower_rate_that_works_after_all_others_diverged_is_found(self):
        def losses_of(rate, count):
            if rate > 3e-6:
                return exploding(2.3, count)
            return falling(2.3, 1.0 + math.log10(3e-6 / rate), count, 0.01)

        result = run(losses_of)
        assert result.handoff["lr"] == 3e-6

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("loss", [math.nan, math.inf])
    def test_a_loss_that_is_not_finite_from_the_first_iteration_on(self, loss):
        result = run(lambda rate, count: [loss] * count)
        assert codes(result) == ["all_diverged"]
        assert found(result, "all_diverged").evidence["first_iteration"] == 1

    def test_noise_alone_is_no_drop(self):
        for seed in range(10):
            noise = np.random.RandomState(seed).randn(300)
            result = run(lambda rate, count, noise=noise: list(2.3 + 0.3 * noise[:count]))
            assert codes(result) == ["no_learning_rate_works"]

    @pytest.mark.parametrize(
        ("verdict", "said", "advised"),
        [("pass", "step 2 passed", "labels of the full data"), ("fail", "step 2 failed too", "overfit-tiny")],
    )
    def test_no_rate_works_says_what_step_2_found(self, verdict, said, advised):
        context = context_of("lr-sweep", {"overfit-tiny": left("overfit-tiny", verdict=verdict)})
        result = judged(context, sweep(context, lambda rate, count: [2.3] * count))
        told = found(result, "no_learning_rate_works")
        assert said in told.message
        assert any(advised in line for line in told.advice)

    def test_without_step_2_nothing_is_claimed_of_it(self):
        assert "step 2" not in found(run(lambda rate, count: [2.3] * count), "no_learning_rate_works").message


def test_objective_scores_the_end_and_never_a_diverged_run():
    context = context_of("lr-sweep")
    request = lr_sweep.plan(context, [])[0]
    assert lr_sweep.objective(context, trained(request, [2.0] * 90 + [1.0] * 10)) == pytest.approx(1.0)
    assert lr_sweep.objective(context, trained(request, [2.0, math.inf])) is None


def test_the_start_is_that_of_the_lowest_rate_for_all():
    """A high rate has fallen within the window that tells the start: its own would hide its drop."""
    context = context_of("lr-sweep")
    records = sweep(context, lambda rate, count: falling(2.3, 0.2, count, speed=2.0) if rate == 1e-2 else [2.3] * count)
    assert lr_sweep.read_curves(records)[1e-2].drop == pytest.approx(2.1, abs=0.01)
    assert lr_sweep.read_curves([replace(r) for r in records])[1e-2].start == pytest.approx(2.3)


def least_squares(rate, count, signal, seed):
    """Losses of a linear model by gradient descent: 16 new samples a batch, of which little can be known."""
    draw = np.random.default_rng(seed)
    true = draw.normal(size=5)
    weights, losses = np.zeros(5), []
    for _ in range(count):
        x = draw.normal(size=(16, 5))
        errors = x @ (weights - signal * true / np.linalg.norm(true)) - draw.normal(size=16)
        losses.append(float(np.mean(errors**2)))
        weights -= rate * 2 * x.T @ errors / 16
    return losses


def test_a_weak_signal_is_seen_over_batches_of_much_noise():
    """At most a fifth of the loss can be learned, and a batch's loss is off by a third: in pairs that is enough."""
    told = [run(lambda rate, count, s=seed: least_squares(rate, count, 0.5, s)) for seed in range(10)]
    assert sum(3e-3 <= one.handoff.get("lr", 0) <= 1e-1 for one in told) >= 8


def test_noise_alone_is_no_signal():
    told = [run(lambda rate, count, s=seed: least_squares(rate, count, 0.0, s)) for seed in range(20)]
    assert sum("no_learning_rate_works" in codes(one) for one in told) >= 17


@pytest.mark.parametrize(("end", "told"), [(2.303, True), (2.29, True), (2.2, False), (0.5, False)])
def test_a_fall_to_the_loss_of_a_guess_is_told(end, told):
    """A network of sigmoids starts above ln 10, learns its last bias, and then stands for long."""
    known = {"initial_loss": 2.45, "expected_loss": math.log(10), "expected": "ln 10"}
    context = context_of("lr-sweep", {"check-init-loss": known})

    def losses(rate, count):
        return falling(2.45, max(end, usual_end(rate)) + 1e-3 * abs(math.log10(rate / 1e-2)), count)

    result = judged(context, sweep(context, losses))
    assert ("ends_at_chance" in codes(result)) is told
    assert result.handoff


def test_a_range_that_is_upside_down_is_refused(tmp_path):
    (tmp_path / "r.yaml").write_text(
        "name: r\ndata: {target: digits}\nmodel: {target: mlp}\nsteps:\n  lr-sweep: {low: 10, high: 0.1}\n"
    )
    with pytest.raises(UserError, match=r"r\.yaml, line 5: .*low: 10 is above .*high, 0\.1"):
        read_recipe(tmp_path / "r.yaml")


class TestRateNotUsed:
    """Equal runs at all rates, though they learn: the rate does not reach the optimizer."""

    def test_runs_that_are_equal_to_the_digit_hand_on_no_rate_and_cost_no_further_one(self):
        context = context_of("lr-sweep")
        records = carry_out(context, lambda request: trained(request, falling(2.3, 0.5, request.until, 0.01)))
        result = judged(context, records)
        assert (codes(result), result.handoff, len(records)) == (["rate_not_used"], {}, 9)

    def test_runs_that_differ_in_the_sixth_digit_are_not(self):
        context = context_of("lr-sweep")

        def answer(request):
            return trained(request, falling(2.3, 0.5 + 1e-4 * math.log10(request.config.lr), request.until))

        assert "rate_not_used" not in codes(judged(context, carry_out(context, answer)))

    def test_a_model_that_learns_nothing_is_told_so(self):
        context = context_of("lr-sweep")
        records = carry_out(context, lambda request: trained(request, [2.3] * request.until))
        assert codes(judged(context, records)) == ["no_learning_rate_works"]


def test_a_rate_of_fine_tuning_works_where_the_metric_is_the_bests_though_the_loss_is_not():
    """Of two that are always right one is surer; the third is wrong."""
    losses = {1e-3: (1e-3, 1.0), 1e-2: (1e-4, 1.0), 1e-1: (0.5, 0.8)}
    rates = {
        rate: HeldOutRate(rate, loss, score, [loss * (1 + 0.01 * k) for k in range(40)], None)
        for rate, (loss, score) in losses.items()
    }
    assert working_range(rates, 1e-2) == (1e-3, 1e-2)
    worse = {**rates, 1e-3: replace(rates[1e-3], metric=0.98)}
    assert working_range(worse, 1e-2) == (1e-2, 1e-2)


@pytest.mark.parametrize(
    ("target", "low", "high"), [("adam", 1e-5, 1e-1), ("sgd", 1e-4, 1.0), ("momentum", 1e-4, 1.0), ("SGD", 1e-4, 1.0)]
)
def test_the_ladder_is_the_optimizers_own_where_the_recipe_gives_none(target, low, high):
    rates = rates_of(context_of("lr-sweep", optimizer={"target": target}))
    assert (rates[0], rates[-1], len(rates)) == (low, high, 9)
    given = rates_of(context_of("lr-sweep", optimizer={"target": target}, steps={"lr-sweep": {"low": 1e-6}}))
    assert (given[0], given[-1]) == (1e-6, high)
