import math

import numpy as np
import pytest
from hand_made import carry_out, codes, context_of, exploding, failed, falling, found, judged, trained, trainings
from hypothesis import given, settings
from hypothesis import strategies as st

from tunekit.configuration import decimal
from tunekit.space import Choices, Range
from tunekit.steps import coarse_grid
from tunekit.steps.coarse_grid.drawn import with_own
from tunekit.steps.coarse_grid.plan import budget
from tunekit.vocabulary import Suggestion, UserError

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
SAMPLES = np.random.RandomState(0).gamma(1.0, 0.3, 40)  # what makes single validation samples hard, for every cell
DECAYS = [0.0, 1e-5, 1e-4, 1e-3]


def cell(request, loss, accuracy=None, own=0.01, per_epoch=20):
    """A cell that ends at this mean validation loss; `own`: spread of what its samples have apart from the others'."""
    seed = int(request.config.key, 16) % 2**32
    samples = SAMPLES - SAMPLES.mean() + loss + own * np.random.RandomState(seed).randn(len(SAMPLES))
    epochs = request.until // per_epoch
    validations = [(loss, 1 - loss if accuracy is None else accuracy)] * epochs
    return trained(request, falling(2.3, loss, request.until), validations, [samples] * epochs, per_epoch)


def gone(request):
    return trained(request, exploding(2.3, request.until))


def grid(answer, earlier=SWEPT, facts=None, **recipe):
    context = context_of("coarse-grid", earlier, facts, **recipe)
    records = carry_out(context, answer)
    return context, records, judged(context, records)


def inside(request):
    """Best at the sweep's rate and a decay of 1e-5."""
    lr, decay = request.config.lr, request.config.weight_decay
    return cell(request, 0.3 + 0.2 * abs(math.log10(lr / 3e-3)) + 0.03 * abs(math.log10((decay + 1e-7) / 1e-5)))


def values(records, name):
    return sorted({record.params[name] for record in records})


class TestPlan:
    def test_rates_around_the_sweeps_by_weight_decays_with_zero(self):
        _, records, _ = grid(inside)
        assert values(records, "lr") == [1.5e-3, 3e-3, 6e-3]
        assert values(records, "weight_decay") == DECAYS
        assert len(records) == 12
        assert all(r.params["lr"] == r.request.config.lr for r in records)
        assert all(r.params["weight_decay"] == r.request.config.weight_decay for r in records)

    def test_cells_that_are_compared_are_of_one_length_whatever_is_frozen(self):
        """Five epochs of 20 iterations, and the two that one of them waits for."""
        context = context_of("coarse-grid", SWEPT, search={"model.freeze": [0, 2, "always"]})
        budgets = {budget(context, {"model.freeze": value}) for value in (0, 2, "always")}
        assert budgets == {140}
        asked = context_of(
            "coarse-grid", SWEPT, model={"target": "mlp", "freeze": 2}, steps={"coarse-grid": {"epochs": 3}}
        )
        assert budget(asked, {}) == 60

    @pytest.mark.parametrize(
        ("per_epoch", "asked", "iterations"), [(20, None, 100), (60, None, 240), (500, None, 500), (20, 3, 60)]
    )
    def test_budget_is_200_iterations_within_one_to_five_epochs(self, per_epoch, asked, iterations):
        steps = {"coarse-grid": {"epochs": asked}} if asked else {}
        context = context_of("coarse-grid", SWEPT, {"iterations_per_epoch": per_epoch}, steps=steps)
        assert {request.until for request in trainings(coarse_grid.plan(context, []))} == {iterations}

    def test_without_a_sweep_the_recipes_own_rate_stands_in_the_middle(self):
        context = context_of("coarse-grid", optimizer={"lr": 0.02})
        assert sorted({r.params["lr"] for r in trainings(coarse_grid.plan(context, []))}) == [0.01, 0.02, 0.04]

    def test_a_finished_grid_is_known_to_be_finished(self):
        context, records, _ = grid(inside)
        assert coarse_grid.plan(context, records) == []

    def test_what_is_missing_of_a_grid_is_asked_for_and_nothing_else(self):
        context, records, _ = grid(inside)
        missing = coarse_grid.plan(context, records[:5] + records[6:])
        assert [request.identity for request in missing] == [records[5].request.identity]

    def test_equal_factors_make_one_cell(self):
        steps = {"coarse-grid": {"lr_factors": [1.0, 1.0], "weight_decays": [0.0, 0.0]}}
        assert len(trainings(coarse_grid.plan(context_of("coarse-grid", SWEPT, steps=steps), []))) == 1


class TestGrowth:
    def test_a_best_cell_clearly_better_at_the_upper_rate_grows_a_row_of_every_decay(self):
        _, records, _ = grid(lambda request: cell(request, 0.5 - 0.1 * math.log2(request.config.lr / 3e-3)))
        assert values(records, "lr")[-2:] == [1.2e-2, 2.4e-2]
        assert len([r for r in records if r.params["lr"] == 1.2e-2]) == len(DECAYS)

    def test_growth_ends_where_the_recipe_says_and_the_edge_is_said(self):
        _, records, result = grid(
            lambda request: cell(request, 0.5 - 0.1 * math.log2(request.config.lr / 3e-3)),
            steps={"coarse-grid": {"extend": 1}},
        )
        assert values(records, "lr")[-1] == 1.2e-2
        told = found(result, "best_at_edge")
        assert told.evidence == {"lr": 1.2e-2, "side": "highest"}

    @pytest.mark.parametrize("values", [1, 2, 4])
    @pytest.mark.parametrize("extend", [1, 2])
    def test_however_many_values_are_searched_there_are_no_more_rows_than_the_recipe_says(self, values, extend):
        dropouts = [round(0.1 * k, 1) for k in range(values)]
        _, records, _ = grid(
            lambda request: cell(request, 0.9 - 0.1 * math.log2(request.config.lr / 3e-3)),
            search={"model.args.dropout": dropouts},
            steps={"coarse-grid": {"extend": extend}},
        )
        rows = [record for record in records if record.request.purpose == "further row"]
        assert sorted({record.request.round for record in rows}) == list(range(1, extend + 1))
        assert len(rows) == extend * len(DECAYS)
        assert len(records) == 12 * values + len(rows)

    def test_downward_too(self):
        _, records, _ = grid(lambda request: cell(request, 0.5 + 0.1 * math.log2(request.config.lr / 3e-3)))
        assert values(records, "lr")[0] < 1.5e-3

    def test_weight_decay_grows_upward_by_ten_and_never_below_zero(self):
        def stronger(request):
            return cell(request, 0.8 - 0.1 * math.log10(request.config.weight_decay + 1e-7))

        _, records, _ = grid(stronger)
        assert values(records, "weight_decay")[-2:] == [1e-2, 1e-1]
        _, records, result = grid(lambda request: cell(request, 0.3 + 100 * request.config.weight_decay))
        assert values(records, "weight_decay") == DECAYS
        assert "best_at_edge" not in codes(result)

    def test_the_edge_is_that_of_the_plane_in_which_the_grid_grows(self):
        """Cells of another optimizer, with rates of their own, are no neighbours of the best."""

        def answer(request):
            rate, adam = request.config.lr, request.config.optimizer.target == "adam"
            if request.purpose == "sweep":
                end = min(2.3, 0.5 + 0.4 * math.log10(rate / 1e-1) ** 2)
                return trained(request, falling(2.3, end, request.until, 0.01))
            return cell(request, 0.9 - 0.1 * math.log2(rate / 3e-3) if adam else 2.0, own=1e-4)

        steps = {"coarse-grid": {"extend": 0}}
        _, records, result = grid(answer, search={"optimizer.target": ["adam", "sgd"]}, steps=steps)
        assert max(record.params["lr"] for record in records if record.request.purpose == "cell") > 6e-3
        assert found(result, "best_at_edge").evidence == {"lr": 6e-3, "side": "highest"}

    def test_a_best_within_noise_at_the_edge_does_not_grow(self):
        _, records, result = grid(
            lambda request: cell(request, 0.3 - 1e-4 * math.log2(request.config.lr / 3e-3), own=0.1)
        )
        assert len(records) == 12
        assert "best_at_edge" not in codes(result)

    def test_not_at_all_where_the_recipe_forbids_it(self):
        _, records, _ = grid(
            lambda request: cell(request, 0.5 - 0.1 * math.log2(request.config.lr / 3e-3)),
            steps={"coarse-grid": {"extend": 0}},
        )
        assert len(records) == 12

    def test_an_edge_beside_diverged_cells_is_none(self):
        """The lowest rate is best because the next ones blew up: what lies beyond is looked at, the edge not blamed."""
        _, _, result = grid(lambda request: cell(request, 0.3) if request.config.lr < 2e-3 else gone(request))
        assert "best_at_edge" not in codes(result)
        assert "cells_diverged" in codes(result)

    @given(st.dictionaries(st.integers(0, 30), st.floats(-3, 50) | st.just(math.nan) | st.just(math.inf)))
    @settings(max_examples=25)
    def test_ends_and_judges_for_arbitrary_cells(self, losses):
        def answer(request):
            loss = losses.get(int(request.config.key, 16) % 31, 1.0)
            return cell(request, loss) if math.isfinite(loss) else gone(request)

        _, records, result = grid(answer)
        assert len(records) <= 12 + 2 * 2 * 6
        scored = [r for r in records if coarse_grid.objective(context_of("coarse-grid", SWEPT), r) is not None]
        assert bool(result.handoff) == bool(scored)


class TestJudge:
    def test_the_best_cell_is_handed_on_with_its_value_and_the_best_few(self):
        context, records, result = grid(inside)
        best = next(r for r in records if (r.params["lr"], r.params["weight_decay"]) == (3e-3, 1e-5))
        assert {name: result.handoff[name] for name in ("lr", "weight_decay", "iterations", "training")} == {
            "lr": 3e-3,
            "weight_decay": 1e-5,
            "iterations": 100,
            "training": best.request.config.folder,
        }
        assert result.handoff["val_accuracy"] == pytest.approx(coarse_grid.objective(context, best))
        assert result.handoff["top"][0] == {"lr": 3e-3, "weight_decay": 1e-5}
        assert len(result.handoff["top"]) == 3

    def test_no_more_than_two_of_the_best_few_share_a_rate(self):
        _, _, result = grid(inside)
        rates = [params["lr"] for params in result.handoff["top"]]
        assert max(rates.count(rate) for rate in rates) == 2

    def test_a_metric_to_be_minimised(self):
        def answer(request):
            loss = 0.2 + abs(math.log10(request.config.lr / 3e-3))
            return trained(
                request,
                falling(2.0, loss, request.until),
                [(loss, loss)] * 5,
                [SAMPLES + loss] * 5,
                metric="mae",
            )

        _, _, result = grid(answer, facts={"metric": "mae", "maximize": False, "classes": None})
        assert result.handoff["lr"] == 3e-3
        assert result.handoff["val_mae"] == pytest.approx(0.2)

    def test_diverged_cells_are_marked_and_never_scored(self):
        context, records, result = grid(lambda request: gone(request) if request.config.lr > 5e-3 else inside(request))
        rows = [row for row in result.table if row["lr"] == 6e-3]
        assert len(rows) == 4
        assert all(row["verdict"].startswith("diverged at ") and row["val_accuracy"] is None for row in rows)
        assert result.handoff["lr"] < 5e-3
        assert found(result, "cells_diverged").severity == "note"
        assert all(coarse_grid.objective(context, r) is None for r in records if r.params["lr"] == 6e-3)

    def test_a_cell_that_validated_well_before_it_blew_up_is_not_the_best(self):
        def answer(request):
            if request.config.lr < 5e-3:
                return inside(request)
            losses = [*falling(2.3, 0.01, 60), *exploding(2.3, request.until, 0)]
            return trained(request, losses, [(0.01, 0.999)] * 3, [SAMPLES * 0.01] * 3)

        assert grid(answer)[2].handoff["lr"] < 5e-3

    def test_all_diverged_is_a_fail_without_a_hand_off(self):
        _, _, result = grid(gone)
        assert result.verdict == "fail"
        assert found(result, "cells_diverged").severity == "fail"
        assert result.handoff == {}

    def test_failed_cells_are_reported_with_their_error(self):
        _, _, result = grid(lambda request: failed(request) if request.config.lr > 5e-3 else inside(request))
        told = found(result, "cells_failed")
        assert (told.severity, len(told.evidence["cells"])) == ("warn", 4)
        assert "boom" in told.message
        assert {row["verdict"] for row in result.table if row["lr"] == 6e-3} == {"failed"}

    def test_all_failed_is_an_error_of_the_persons_code(self):
        with pytest.raises(UserError, match="boom"):
            grid(failed)

    def test_cells_within_noise_of_the_best_are_named(self):
        _, records, result = grid(lambda request: cell(request, 0.3, own=0.05))
        told = found(result, "within_noise")
        assert told.severity == "note"
        marked = [row for row in result.table if row["verdict"] == "loss within noise"]
        assert len(told.evidence["cells"]) == min(10, len(marked))
        assert len(marked) >= 5  # what its samples draw follows from a cell's key
        assert len(marked) < len(records)

    def test_no_tie_where_pairs_tell_cells_apart_though_their_means_lie_close(self):
        """Samples spread by 0.3, cells differ by 0.01 with a noise of 0.001 of their own: only pairing shows it."""

        def answer(request):
            steps = round(math.log2(request.config.lr / 3e-3)) + 4 * DECAYS.index(request.config.weight_decay)
            return cell(request, 0.3 + 0.01 * abs(steps), own=0.001)

        assert "within_noise" not in codes(grid(answer)[2])

    def test_equal_accuracies_are_told_apart_by_the_loss(self):
        _, _, result = grid(
            lambda request: cell(request, 0.3 + abs(math.log10(request.config.lr / 3e-3)), accuracy=0.9)
        )
        assert result.handoff["lr"] == 3e-3

    def test_what_each_axis_does_at_its_best(self):
        _, _, result = grid(inside)
        axes = result.details["axes"]
        assert set(axes) == {"lr", "weight_decay"}
        assert max(axes["lr"], key=axes["lr"].__getitem__) == "3e-3"
        assert max(axes["weight_decay"], key=axes["weight_decay"].__getitem__) == "1e-5"
        assert result.details["importance"] == {}


class TestSearch:
    def test_a_value_that_moves_the_rate_gets_its_own_sweep(self):
        """Batches of 16 want a third of the rate of batches of 64."""

        def answer(request):
            best = 1e-3 if request.config.batch_size == 16 else 3e-3
            if "weight_decay" not in request.params:
                end = min(2.3, 0.5 + 0.4 * math.log10(request.config.lr / best) ** 2)
                return trained(request, falling(2.3, end, request.until, 0.01))
            per_epoch = 20 if request.config.batch_size == 64 else 80
            return cell(request, 0.3 + abs(math.log10(request.config.lr / best)), per_epoch=per_epoch)

        _, records, result = grid(answer, search={"batch_size": [64, 16]})
        swept = [r for r in records if "weight_decay" not in r.params]
        assert {r.params["batch_size"] for r in swept} == {16}
        cells = [r for r in records if "weight_decay" in r.params]
        rates = {size: values([r for r in cells if r.params["batch_size"] == size], "lr") for size in (16, 64)}
        assert rates == {16: [5e-4, 1e-3, 2e-3], 64: [1.5e-3, 3e-3, 6e-3]}
        assert {r.request.until // 80 for r in cells if r.params["batch_size"] == 16} == {3}
        assert "batch_size" in result.handoff
        assert set(result.details["axes"]) == {"lr", "weight_decay", "batch_size"}

    def test_a_sweeps_and_a_cells_training_of_equal_length_are_two_trials_of_one_training(self):
        steps = {"lr-sweep": {"iterations": 200, "high": 1e-2}, "coarse-grid": {"lr_factors": [1.0], "extend": 0}}
        _, records, _ = grid(
            lambda request: cell(request, 0.3 + abs(math.log10(request.config.lr / 3e-3)), per_epoch=40),
            search={"batch_size": [32]},
            steps=steps,
        )
        purposes = {}
        for record in records:
            purposes.setdefault(record.request.goal, []).append(record.request.purpose)
        assert ["sweep", "cell"] in purposes.values()
        assert len({record.request.identity for record in records}) == len(records)
        assert sum(record.request.purpose == "cell" for record in records) == len(DECAYS)

    def test_a_value_that_does_not_move_the_rate_shares_the_sweep(self):
        _, records, _ = grid(inside, search={"model.args.dropout": [0.0, 0.5]})
        assert len(records) == 24
        assert all("weight_decay" in record.params for record in records)
        assert values(records, "model.args.dropout") == [0.0, 0.5]

    def test_a_value_whose_sweep_finds_no_rate_is_left_out(self):
        def answer(request):
            if "weight_decay" not in request.params:
                return trained(request, [2.3] * request.until)
            return inside(request)

        _, records, result = grid(answer, search={"optimizer.target": ["adam", "sgd"]})
        assert {r.params["optimizer.target"] for r in records if "weight_decay" in r.params} == {"adam"}
        assert result.handoff["optimizer.target"] == "adam"

    def test_a_value_whose_sweep_fails_is_reported(self):
        def answer(request):
            return failed(request) if "weight_decay" not in request.params else inside(request)

        _, _, result = grid(
            answer, search={"model.args.hidden": [[64], [8]]}, model={"target": "mlp", "args": {"hidden": [64]}}
        )
        assert "cells_failed" in codes(result)
        assert result.handoff["model.args.hidden"] == [64]


class TestSearchedValuesThatDoNotWork:
    """They have no cells; the grid says so, and fails where none is left."""

    def grid_of(self, values, answers):
        """`answers`: by batch size, of the sweep's trainings."""

        def answer(request):
            size = request.config.batch_size
            if "weight_decay" not in request.params and size in answers:
                return answers[size](request)
            return cell(request, 0.3, per_epoch=1280 // size)

        return grid(answer, search={"batch_size": values})

    def test_one_without_a_rate_is_named_beside_the_others(self):
        flat = lambda request: trained(request, [2.3] * request.until)  # noqa: E731
        _, records, result = self.grid_of([64, 16], {16: flat})
        assert found(result, "no_rate_for_value").severity == "warn"
        assert found(result, "no_rate_for_value").message == "batch_size 16 has no cells: none of 9 rates works"
        assert {r.params["batch_size"] for r in records if "weight_decay" in r.params} == {64}

    def test_one_whose_sweep_failed_says_so_and_its_trials_are_no_cells(self):
        _, _, result = self.grid_of([64, 16], {16: failed})
        told = "batch_size 16 has no cells: its sweep failed: RuntimeError: boom"
        assert [(item.code, item.message) for item in result.findings if item.code != "within_noise"] == [
            ("cells_failed", told)
        ]

    def test_where_none_is_left_the_step_fails(self):
        flat = lambda request: trained(request, [2.3] * request.until)  # noqa: E731
        _, _, result = self.grid_of([32, 16], {32: flat, 16: exploded})
        assert result.verdict == "fail"
        assert {(item.code, item.severity) for item in result.findings} == {("no_rate_for_value", "fail")}


def exploded(request):
    return trained(request, exploding(2.3, request.until))


class TestDrawn:
    @pytest.mark.parametrize("sampler", ["random", "tpe"])
    def test_trials_are_drawn_in_waves_of_four_until_the_count(self, sampler):
        context = context_of("coarse-grid", SWEPT, steps={"coarse-grid": {"sampler": sampler, "trials": 10}})
        sizes, records = [], []
        while requests := trainings(coarse_grid.plan(context, records)):
            assert all(isinstance(r, Suggestion) and r.sampler == sampler for r in requests)
            assert [r.number for r in requests] == list(range(len(records), len(records) + len(requests)))
            sizes.append(len(requests))
            records += [cell(r.build({"lr": 1e-3 * (r.number + 1), "weight_decay": 1e-4}), 0.3) for r in requests]
        assert sizes == [4, 4, 2]

    def test_the_rate_is_drawn_from_the_working_range_widened_by_two(self):
        context = context_of(
            "coarse-grid", SWEPT, search={"batch_size": [32, 64]}, steps={"coarse-grid": {"sampler": "random"}}
        )
        assert coarse_grid.space(context, []) == {
            "lr": Range(5e-4, 2e-2, log=True),
            "weight_decay": Choices(tuple(DECAYS)),
            "batch_size": Choices((32, 64)),
        }

    def test_drawn_parameters_make_the_training(self):
        context = context_of("coarse-grid", SWEPT, steps={"coarse-grid": {"sampler": "random"}})
        request = coarse_grid.plan(context, [])[0].build({"lr": 2e-3, "weight_decay": 0.0})
        assert (request.config.lr, request.config.weight_decay) == (2e-3, 0.0)

    @pytest.mark.parametrize(
        ("optimizer", "low", "high"),
        [("adam", 5e-4, 2e-2), ("sgd", 5e-3, 0.2), ("adamw", 5e-4, 2e-2), ("prodigy", 1.0, 1.0)],
    )
    def test_each_searched_optimizer_has_rates_and_decays_of_its_own(self, optimizer, low, high):
        names = ["adam", "sgd", "adamw", "prodigy"]
        steps = {"coarse-grid": {"sampler": "random"}}
        context = context_of("coarse-grid", SWEPT, search={"optimizer.target": names}, steps=steps)
        space = coarse_grid.space(context, [])
        assert (space["lr"].low, space["lr"].high) == (5e-4, 1.0)
        every = space["weight_decay"].values
        rates, decays = [], set()
        for place, lr in enumerate(np.geomspace(5e-4, 1.0, 41)):
            decay = every[place % len(every)]
            drawn = with_own(context, {"lr": decimal(lr), "weight_decay": decay, "optimizer.target": optimizer})
            assert with_own(context, drawn) == drawn  # as a draw is read back
            rates.append(drawn["lr"])
            decays.add(drawn["weight_decay"])
        drawn = {"lr": 1.0, "weight_decay": 0.0, "optimizer.target": optimizer}
        assert coarse_grid.plan(context, [])[0].build(drawn).config.lr == high
        assert min(rates) == low
        assert max(rates) == high
        assert decays < set(space["weight_decay"].values)
        assert (set(DECAYS) == decays) is (optimizer in ("adam", "sgd"))
        # As even as what was drawn: half of it below the middle.
        middle = (low * high) ** 0.5
        assert low == high or np.mean([rate < middle for rate in rates]) == pytest.approx(0.5, abs=0.05)

    def test_judged_as_a_grid_is(self):
        def draw(suggestion):
            return {"lr": 1e-3 * 1.3**suggestion.number, "weight_decay": 1e-4}

        context = context_of("coarse-grid", SWEPT, steps={"coarse-grid": {"sampler": "random", "trials": 6}})
        records = carry_out(context, inside, draw=draw)
        result = judged(context, records)
        assert result.handoff["lr"] == pytest.approx(1e-3 * 1.3**4, rel=0.01)
        assert result.verdict == "pass"


def test_a_searched_optimizer_has_a_sweep_over_its_own_range():
    """And its study's axis reaches as far."""
    context = context_of(
        "coarse-grid", {"lr-sweep": {"lr": 1e-3, "range": [1e-4, 1e-2]}}, search={"optimizer.target": ["adam", "sgd"]}
    )
    requests = trainings(context.step.plan(context, []))
    assert {request.config.optimizer.target for request in requests} == {"sgd"}  # adam is the recipe's own
    rates = sorted(request.config.lr for request in requests)
    assert (rates[0], rates[-1]) == (1e-4, 1.0)
    part = context.step.part(requests[0])
    axis = part.step.space(context.of(part.step).at(part.values), [])["lr"]
    assert axis.low < 1e-4 < 1.0 < axis.high


@pytest.mark.parametrize(("best", "overruled"), [(1e-1, False), (3e-3, True)])
def test_a_best_rate_is_held_against_the_sweep_of_its_own_optimizer(best, overruled):
    """The sweep of Adam says nothing of the rates of SGD."""

    def answer(request):
        lr, target = request.config.lr, request.config.optimizer.target
        if request.purpose == "sweep":
            return trained(request, falling(2.3, 0.5 + 0.4 * math.log10(lr / 1e-1) ** 2, request.until))
        away = abs(math.log10(lr / best)) if target == "sgd" else 2.0
        return cell(request, 0.3 + 0.2 * away)

    context = context_of(
        "coarse-grid",
        {"lr-sweep": {"lr": 1e-3, "range": [1e-4, 1e-2]}},
        search={"optimizer.target": ["adam", "sgd"]},
        steps={"coarse-grid": {"lr_factors": [0.03, 1], "weight_decays": [0.0], "extend": 0}},
    )
    result = judged(context, carry_out(context, answer))
    assert result.handoff["optimizer.target"] == "sgd"
    assert ("sweep_overruled" in codes(result)) is overruled
