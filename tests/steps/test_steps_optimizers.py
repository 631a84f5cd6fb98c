"""What the steps make of an optimizer that finds its rate, of one that averages, and of decay on weights alone."""

import math

import pytest
from hand_made import carry_out, codes, context_of, falling, judged, trained, trainings

from tunekit.configuration import ScheduleSpec
from tunekit.final.candidates import final_training
from tunekit.pipeline import schema
from tunekit.steps.coarse_grid.decays import FOUND, decay_ladder, forgotten_in
from tunekit.steps.lr_sweep import rates_of
from tunekit.vocabulary import UNKNOWN

LEAST = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}}
PRODIGY = {"target": "prodigy"}
SWEPT = {"lr-sweep": {"lr": 1.0, "range": [1.0, 1.0]}}


def answer(request):
    end = 0.5 + 0.1 * abs(math.log10(request.config.lr))
    losses = falling(2.3, end, request.until, noise=0.01)
    validations = [(0.5, 0.8)] * (request.until // 20)
    return trained(request, losses, validations, [[0.5] * 40] * len(validations))


def test_a_rate_of_1_is_given_to_what_finds_its_own():
    assert schema().model_validate({**LEAST, "optimizer": PRODIGY}).optimizer.lr == 1.0
    assert schema().model_validate({**LEAST, "optimizer": {**PRODIGY, "lr": 0.5}}).optimizer.lr == 0.5
    assert schema().model_validate({**LEAST, "optimizer": {"target": "adam"}}).optimizer.lr == 1e-3


def test_it_is_not_swept_and_the_sweep_says_why():
    context = context_of("lr-sweep", optimizer=PRODIGY)
    assert carry_out(context, answer) == []
    result = judged(context, [])
    assert codes(result) == ["rate_is_found"]
    assert (result.verdict, result.handoff["lr"], list(result.handoff["range"])) == ("pass", 1.0, [1.0, 1.0])
    assert rates_of(context) == [1.0]


def test_the_tiny_set_is_tried_at_rate_1():
    from tunekit.steps.overfit_tiny import _rates

    assert _rates(context_of("overfit-tiny", optimizer=PRODIGY)) == [1.0]
    assert _rates(context_of("overfit-tiny", optimizer=PRODIGY, steps={"overfit-tiny": {"rates": [0.1]}})) == [0.1]


def test_the_grid_and_the_fine_run_vary_weight_decay_alone():
    context = context_of("coarse-grid", SWEPT, optimizer=PRODIGY)
    cells = carry_out(context, answer)
    assert {cell.params["lr"] for cell in cells} == {1.0}
    assert len({cell.params["weight_decay"] for cell in cells}) > 1
    fine = context_of("fine-run", optimizer=PRODIGY)
    runs = carry_out(fine, answer)
    assert {run.params["lr"] for run in runs} == {1.0}
    assert {run.request.purpose for run in runs} == {"best cell", "repeat over seeds"}


def test_its_decays_are_those_of_the_rate_that_it_will_find():
    """1 / (rate x decay x iterations) is 10, 3 and 1 lengths of the fine run (200 iterations), at about Adam's rate."""
    context = context_of("coarse-grid", SWEPT, optimizer=PRODIGY)
    ladder = decay_ladder(context, None, {}, 1.0)
    assert ladder == pytest.approx((0.0, 1 / (FOUND * 2000), 1 / (FOUND * 600), 1 / (FOUND * 200)), rel=1e-2)
    assert forgotten_in(context, {"lr": 1.0, "weight_decay": 0.1}) is None


def test_searched_beside_one_that_is_swept_each_has_its_own():
    context = context_of(
        "coarse-grid",
        {"lr-sweep": {"lr": 1e-3, "range": [1e-4, 1e-2]}},
        search={"optimizer.target": ["adam", "prodigy", "sgd"]},
    )
    first = trainings(context.step.plan(context, []))
    assert {request.config.optimizer.target for request in first} == {"sgd"}
    records, asked = [], first
    while asked[0].purpose == "sweep":
        records += [answer(request) for request in asked]
        asked = trainings(context.step.plan(context, records))
    cells = {(request.config.optimizer.target, request.config.lr) for request in asked}
    assert {rate for target, rate in cells if target == "prodigy"} == {1.0}
    assert {rate for target, rate in cells if target == "adam"} == {5e-4, 1e-3, 2e-3}
    assert len({rate for target, rate in cells if target == "sgd"}) == 3


@pytest.mark.parametrize("target", ["schedule-free", "schedule-free-sgd"])
def test_a_schedule_free_optimizer_takes_no_schedule_and_no_second_average(target):
    optimizer = {"target": target}
    with pytest.raises(ValueError, match=rf"schedule: {target} takes none"):
        schema().model_validate({**LEAST, "optimizer": optimizer, "schedule": "cosine"})
    with pytest.raises(ValueError, match=rf"ema: {target} averages its weights itself"):
        schema().model_validate({**LEAST, "optimizer": optimizer, "ema": 0.99})
    context = context_of("fine-run", optimizer=optimizer, schedule={"warmup": 10})
    assert final_training(context, 3).config.schedule == ScheduleSpec("constant", {"warmup": 10})
    assert len(rates_of(context_of("lr-sweep", optimizer=optimizer))) == 9


def test_decay_on_weights_is_an_axis_that_keeps_the_rate():
    context = context_of(
        "coarse-grid",
        {"lr-sweep": {"lr": 1e-3, "range": [1e-4, 1e-2]}},
        search={"optimizer.decay_on": ["all", "weights"]},
    )
    cells = trainings(context.step.plan(context, []))
    assert {(cell.purpose, cell.config.optimizer.decay_on) for cell in cells} == {("cell", "all"), ("cell", "weights")}
    recipe = context.recipe.with_training(cells[-1].config)
    assert recipe.optimizer.decay_on == cells[-1].config.optimizer.decay_on
    assert recipe.training_config(UNKNOWN).optimizer == cells[-1].config.optimizer


def test_the_sweep_counts_its_iterations_from_the_end_of_a_warmup():
    [without, *_] = trainings(context_of("lr-sweep").step.plan(context_of("lr-sweep"), []))
    context = context_of("lr-sweep", schedule={"warmup": "2 epochs"})
    [request, *_] = trainings(context.step.plan(context, []))
    assert request.until == without.until + 40
    assert request.config.schedule == ScheduleSpec("constant", {"warmup": 40})
