import math
from dataclasses import replace

import numpy as np
import pytest
from hand_made import carry_out, codes, context_of, exploding, failed, falling, found, judged, left, trained, trainings
from hypothesis import given, settings
from hypothesis import strategies as st

from tunekit.final import Asked, final_training
from tunekit.final.candidates import with_asked
from tunekit.steps import fine_run
from tunekit.vocabulary import Remedy, UserError

TOP = [{"lr": 3e-3, "weight_decay": 1e-4}, {"lr": 3e-3, "weight_decay": 0.0}, {"lr": 6e-3, "weight_decay": 1e-4}]
BEST = {**TOP[0], "val_accuracy": 0.9, "val_loss": 0.1, "iterations": 100, "training": "x", "top": TOP}
GRID = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}, "coarse-grid": BEST}
SWEPT = {"lr-sweep": GRID["lr-sweep"]}
SAMPLES = np.random.RandomState(0).gamma(1.0, 0.3, 40)


def ended(request, loss, best_epoch=10, seed_effect=0.0, own=0.01):
    """A run whose validation loss falls to `loss` at an epoch and rises from there."""
    epochs = request.until // 20
    loss = loss + seed_effect * request.config.seed
    curve = [loss + 0.02 * abs(epoch - best_epoch) for epoch in range(1, epochs + 1)]
    noise = own * np.random.RandomState(int(request.config.key, 16) % 2**32).randn(len(SAMPLES))
    samples = [SAMPLES - SAMPLES.mean() + value + noise for value in curve]
    return trained(request, falling(2.3, 0.05, request.until), [(v, 1 - v) for v in curve], samples)


def by_rate(request):
    return ended(
        request, 0.2 + abs(math.log10(request.config.lr / 3e-3)) + 1000 * abs(request.config.weight_decay - 1e-4)
    )


def fine(answer, earlier=GRID, **changes):
    context = context_of("fine-run", earlier, **changes)
    records = carry_out(context, answer, 60)
    return context, records, judged(context, records)


class TestPlan:
    def test_the_best_few_go_on_from_the_grids_own_trainings(self):
        context = context_of("fine-run", GRID)
        grid = context_of("coarse-grid", SWEPT)
        cells = {r.request.config.key: r.request for r in carry_out(grid, lambda request: ended(request, 0.3, own=0.1))}
        requests = trainings(fine_run.plan(context, []))
        assert [dict(r.params) for r in requests] == TOP
        assert all(r.config.key in cells for r in requests)
        assert {r.until for r in requests} == {200}
        assert all(r.until > cells[r.config.key].until for r in requests)

    def test_then_finer_rates_around_the_winner_then_its_seeds(self):
        _, records, _ = fine(by_rate)
        assert [(r.params["lr"], r.params["weight_decay"], r.params.get("seed")) for r in records[3:]] == [
            (2.1e-3, 1e-4, None),
            (4.2e-3, 1e-4, None),
            (3e-3, 1e-4, 1),
            (3e-3, 1e-4, 2),
        ]
        assert [r.request.config.seed for r in records[-2:]] == [1, 2]

    def test_a_finer_rate_that_is_a_cell_already_is_not_run_twice(self):
        steps = {"fine-run": {"lr_factors": [1.0, 2.0], "seeds": 1}}
        _, records, _ = fine(by_rate, steps=steps)
        assert [record.request.purpose for record in records] == ["best cell"] * 3

    def test_runs_are_never_shorter_than_what_the_grids_best_has_behind_it_and_that_is_said(self):
        steps = {"fine-run": {"epochs": 4}}
        _, records, result = fine(by_rate, steps=steps)
        assert {record.request.until for record in records} == {100}
        assert found(result, "fine_run_lengthened").evidence == {"epochs": 5, "asked": 4}
        assert found(result, "fine_run_lengthened").severity == "note"
        _, records, result = fine(by_rate, steps={"fine-run": {"epochs": 5}})
        assert "fine_run_lengthened" not in codes(result)

    def test_the_final_training_is_as_long_as_those_runs(self):
        cells = left("coarse-grid", GRID["coarse-grid"])
        context = replace(context_of("diagnose", steps={"fine-run": {"epochs": 4}}), earlier={"coarse-grid": cells})
        assert final_training(context).until == 100
        asked = replace(context, recipe=with_asked(context.recipe, Asked(epochs=7)))
        assert final_training(asked).until == 140

    def test_the_weights_of_the_winner_are_the_first_that_stay(self):
        """Equal in the metric, told apart by the loss, as the winner is."""
        context, records, result = fine(lambda r: ended(r, 0.2 if r.config.weight_decay == 0.0 else 0.3))
        order = context.step.order(context, records)
        assert order[0].request.config.folder == result.handoff["training"]

    def test_a_finer_rate_that_wins_is_the_one_repeated(self):
        _, records, result = fine(lambda r: ended(r, 0.2 + abs(math.log10(r.config.lr / 2.1e-3))))
        assert {r.params["lr"] for r in records if "seed" in r.params} == {2.1e-3}
        assert result.handoff["lr"] == 2.1e-3

    def test_one_seed_means_no_repeats(self):
        _, records, result = fine(by_rate, steps={"fine-run": {"seeds": 1}})
        assert len(records) == 5
        assert result.handoff["spread"] is None

    def test_without_a_grid_the_recipes_own_values(self):
        context = context_of("fine-run", optimizer={"lr": 0.02, "weight_decay": 1e-3})
        assert [dict(r.params) for r in trainings(fine_run.plan(context, []))] == [{"lr": 0.02, "weight_decay": 1e-3}]

    def test_nothing_more_after_all_diverged(self):
        _, records, result = fine(lambda r: trained(r, exploding(2.3, r.until)))
        assert len(records) == 3
        assert codes(result) == ["fine_run_diverged"]
        assert (result.verdict, result.handoff) == ("fail", {})
        assert all(row["verdict"].startswith("diverged at") for row in result.table)

    @given(st.dictionaries(st.integers(0, 40), st.floats(0.01, 3) | st.just(math.nan)))
    @settings(max_examples=25)
    def test_ends_and_judges_for_arbitrary_runs(self, losses):
        def answer(request):
            loss = losses.get(int(request.config.key, 16) % 41, 0.5)
            return trained(request, exploding(2.3, request.until)) if math.isnan(loss) else ended(request, loss)

        _, records, result = fine(answer)
        assert len(records) <= 3 + 2 + 2
        assert bool(result.handoff) == any(r.iterations == 200 and "seed" not in r.params for r in records)


class TestPatience:
    def test_a_run_that_waits_in_vain_is_stopped_early_and_this_is_said(self):
        steps = {"fine-run": {"patience": 2, "seeds": 1}}
        _, records, result = fine(lambda r: ended(r, 0.2, best_epoch=3), steps=steps)
        assert {record.iterations for record in records} == {5 * 20}
        assert {record.request.until for record in records} == {10 * 20}
        assert result.table[0]["verdict"] == "best, stopped early at epoch 5"
        assert result.table[0]["at epoch"] == 3

    def test_one_that_reaches_its_end_is_not(self):
        _, _, result = fine(lambda r: ended(r, 0.2, best_epoch=8), steps={"fine-run": {"patience": 2, "seeds": 1}})
        assert result.table[0]["verdict"] == "best"

    def test_it_is_no_part_of_a_trainings_name(self):
        plain, patient = (context_of("fine-run", GRID, steps={"fine-run": {"patience": p}}) for p in (None, 3))
        goals = [{request.goal for request in trainings(fine_run.plan(context, []))} for context in (plain, patient)]
        assert goals[0] == goals[1]


class TestJudge:
    def test_the_best_epoch_counts_not_the_last(self):
        _, _, result = fine(lambda r: ended(r, 0.2 + abs(math.log10(r.config.lr / 3e-3)), best_epoch=6))
        assert result.handoff["epoch"] == 6
        assert result.handoff["val_accuracy"] == pytest.approx(0.8)
        assert result.handoff["val_loss"] == pytest.approx(0.2)
        assert result.handoff["iterations"] == 200

    def test_the_spread_over_the_seeds_is_given(self):
        _, _, result = fine(lambda r: ended(r, by_rate(r).rows["val_loss"][-1], seed_effect=0.01))
        assert result.handoff["seeds"] == pytest.approx([0.8, 0.79, 0.78])
        assert result.handoff["spread"] == pytest.approx(0.01)
        assert "over 3 seeds" in result.summary

    def test_seeds_do_not_compete_for_the_first_place(self):
        _, _, result = fine(lambda r: ended(r, 0.05 if r.config.seed else 0.2 + r.config.lr))
        assert "seed" not in result.handoff
        assert result.handoff["val_accuracy"] < 0.81

    def test_a_winner_within_noise_of_the_runner_up_is_said(self):
        _, _, result = fine(lambda r: ended(r, 0.2, own=0.05))
        assert found(result, "within_noise").severity == "note"
        _, _, result = fine(by_rate)
        assert "within_noise" not in codes(result)

    def test_a_spread_beyond_every_difference_is_unstable(self):
        _, _, result = fine(lambda r: ended(r, 0.2 + 1e-4 * math.log10(r.config.lr), seed_effect=0.3))
        told = found(result, "unstable_across_seeds")
        assert told.severity == "warn"
        assert len(told.evidence["values"]) == 3

    def test_a_small_spread_is_not_though_the_settings_are_equal(self):
        """40 samples at 80 % vary by 6 points on their own."""
        _, _, result = fine(lambda r: ended(r, 0.2, seed_effect=0.02))
        assert "unstable_across_seeds" not in codes(result)

    def test_still_improving_needs_a_best_at_the_end_and_a_falling_loss(self):
        def answer(request, best_epoch=10):
            return ended(request, 0.2 + abs(math.log10(request.config.lr / 3e-3)), best_epoch)

        _, _, result = fine(answer)
        told = found(result, "still_improving")
        assert told.severity == "note"
        assert told.remedies == (Remedy("fine-run", {"steps.fine-run.epochs": 20}),)
        _, _, result = fine(lambda r: answer(r, 7))
        assert "still_improving" not in codes(result)

    def test_still_improving_is_silent_on_a_plateau(self):
        def answer(request):
            validations = [(0.2 - 1e-5 * epoch, 0.8 + 1e-5 * epoch) for epoch in range(10)]
            return trained(request, falling(2.3, 0.05, 200), validations, [SAMPLES] * 10)

        assert "still_improving" not in codes(fine(answer)[2])

    def test_a_run_that_diverged_late_is_not_taken_for_its_good_beginning(self):
        def answer(request):
            if request.config.lr == 6e-3:
                losses = [*falling(2.3, 0.01, 150), *exploding(2.3, 50, 0)]
                return trained(request, losses, [(0.01, 0.99)] * 7, [SAMPLES * 0.01] * 7)
            return by_rate(request)

        _, _, result = fine(answer)
        assert result.handoff["lr"] == 3e-3
        assert any(row["lr"] == 6e-3 and row["verdict"].startswith("diverged") for row in result.table)

    def test_one_failed_run_is_in_the_table_and_all_failed_is_an_error(self):
        _, _, result = fine(lambda r: failed(r) if r.config.lr == 6e-3 else by_rate(r))
        assert "failed" in [row["verdict"] for row in result.table]
        with pytest.raises(UserError, match="boom"):
            fine(failed)

    def test_runs_that_cannot_be_continued_are_said(self):
        facts = {"shareable": False, "notes": ("an iterable",)}
        assert found(fine(by_rate, facts=facts)[2], "not_repeatable").message == "an iterable"


class TestAveraging:
    def told(self, raw, **changes):
        def answer(request):
            record = ended(request, 0.2, best_epoch=5)
            column = [None if v is None else 0.7 for v in record.rows["val_accuracy"]]
            column[next(place for place, v in enumerate(column) if v is not None)] = raw
            return replace(record, rows={**record.rows, "raw_val_accuracy": column})

        return fine(answer, ema=0.99, steps={"fine-run": {"seeds": 1}})[2]

    def test_what_it_was_worth_is_said(self):
        note = found(self.told(0.75), "ema_compared")
        assert note.evidence == {"averaged": pytest.approx(0.8), "raw": 0.75}
        assert note.message == (
            "averaged over some 100 iterations, the weights validate better by 5.0 points: "
            "val_accuracy 80.0 % against 75.0 % of the raw ones"
        )
        assert not note.advice

    def test_an_average_that_lags_behind_has_its_advice(self):
        note = found(self.told(0.9), "ema_compared")
        assert "worse by 10.0 points" in note.message  # each at its own best epoch
        assert "smaller `ema`" in note.advice[0]
        assert note.remedies == (Remedy("fine-run", {"ema": None}),)

    def test_without_an_average_nothing_is(self):
        assert "ema_compared" not in codes(fine(by_rate)[2])
