"""How far a step is, as it is told: its rounds together, in the numbers that were announced."""

from dataclasses import replace

import pytest

from tests.steps.hand_made import context_of, falling, trained
from tunekit.forecast import Forecast
from tunekit.outlook import look_ahead
from tunekit.progress import Before, Progress
from tunekit.vocabulary import Measurement, Record, Training


def walked(context):
    """The step's expected rounds, carried out: all news of it."""
    told, before = [], []
    for requests in context.step.expected(context):
        forecast = Forecast(context.facts)
        forecast.begin_round([forecast.work(one) for one in requests], 1)
        progress = Progress(context.step.name, requests, Before(tuple(before)), told.append, forecast)
        for place, request in enumerate(requests):
            progress.begin(place)
            until = request.until if isinstance(request, Training) else 1
            progress.advance(place, until)
            progress.finish(place, until)
            before.append(
                trained(request, falling(2.0, 0.5, until), [(0.5, 0.5)])
                if isinstance(request, Training)
                else Record(request, values={})
            )
    return told


SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
HALVING = {"coarse-grid": {"pruner": "halving", "epochs": 8}}


@pytest.mark.parametrize(
    "steps", [{}, {"coarse-grid": {"pruner": "none"}}, HALVING], ids=["as it is", "none", "halving"]
)
def test_what_is_counted_at_the_end_is_what_was_announced(steps):
    context = context_of("coarse-grid", SWEPT, steps=steps)
    ahead = look_ahead([context], Forecast(context.facts), 1, lambda _: 0).steps["coarse-grid"]
    told = walked(context)
    last = told[-1]
    assert (last.done, last.finished) == (last.total, last.planned) == (ahead.iterations, ahead.trainings)
    assert all(one.done <= one.total and one.finished <= one.planned for one in told)
    assert [one.done for one in told] == sorted(one.done for one in told)


def test_a_measurement_beside_trainings_is_no_trial_and_where_all_is_measured_each_is_one():
    [training, *_] = context_of("coarse-grid", SWEPT).step.expected(context_of("coarse-grid", SWEPT))[0]
    measured = Measurement("chance", training.config, {}, purpose="guessing")
    for requests, planned, total in (([training, measured], 1, training.until), ([measured], 1, 1)):
        told, forecast = [], Forecast(context_of("coarse-grid", SWEPT).facts)
        forecast.begin_round([forecast.work(one) for one in requests], 1)
        progress = Progress("coarse-grid", requests, Before(), told.append, forecast)
        for place in range(len(requests)):
            progress.begin(place)
            progress.finish(place)
        assert (told[-1].finished, told[-1].planned, told[-1].done, told[-1].total) == (planned, planned, total, total)


def test_what_an_earlier_step_trained_is_no_work_of_this_one():
    [training, other, *_] = context_of("coarse-grid", SWEPT).step.expected(context_of("coarse-grid", SWEPT))[0]
    told, forecast = [], Forecast(context_of("coarse-grid", SWEPT).facts)
    forecast.begin_round([forecast.work(training), forecast.work(other)], 1)
    stands = {training.config.key: 30}
    progress = Progress("coarse-grid", [training, other], Before((), stands), told.append, forecast)
    progress.begin(0)
    assert (told[-1].done, told[-1].total) == (0, training.until - 30 + other.until)
    progress.advance(0, 31)
    assert told[-1].done == 1
    progress.finish(0)
    done = told[-1].done
    assert done == training.until - 30
    before = [trained(training, falling(2.0, 0.5, training.until), [(0.5, 0.5)])]
    following = Progress("coarse-grid", [other], Before(before, stands), told.append, forecast)
    following.begin(0)
    assert (told[-1].done, told[-1].total) == (done, done + other.until)


def test_a_training_that_goes_on_counts_once():
    [training, *_] = context_of("coarse-grid", SWEPT).step.expected(context_of("coarse-grid", SWEPT))[0]
    begun = Before([trained(replace(training, until=10), falling(2.0, 0.5, 10))])
    told, forecast = [], Forecast(context_of("coarse-grid", SWEPT).facts)
    forecast.begin_round([forecast.work(training)], 1)
    progress = Progress("coarse-grid", [training], begun, told.append, forecast)
    progress.begin(0)
    assert (told[-1].done, told[-1].total, told[-1].finished, told[-1].planned) == (10, training.until, 0, 1)
