"""The space of a step's study, asked once, holds every parameter that its plan comes to, however the trainings end."""

import math

import pytest
from hand_made import context_of, exploding, facts_of, failed, falling, trained, trainings
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import decimal
from tunekit.space import Choices, Range
from tunekit.steps import coarse_grid, fine_run, lr_sweep
from tunekit.steps.step import Part
from tunekit.vocabulary import Suggestion

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
rates = st.floats(1e-6, 10.0).map(decimal)
factors = st.lists(st.floats(0.05, 20.0), min_size=1, max_size=4).map(tuple)
decays = st.lists(st.one_of(st.just(0.0), st.floats(1e-7, 1e-1)), min_size=1, max_size=4).map(tuple)


def lies_on(value, axis) -> bool:
    if isinstance(axis, Choices):
        return value in axis.values
    whole = isinstance(axis.low, int)
    return axis.low <= value <= axis.high and isinstance(value, int if whole else float)


def walk(context, outcome, most=40):
    """Carries a plan out, each training ended as `outcome` says, and checks its parameters against the space
    of its study as it was before the first of them."""
    spaces, records = {}, []
    while requests := trainings(context.step.plan(context, records)):
        made = [r.build({"lr": 3e-3, "weight_decay": 0.0}) if isinstance(r, Suggestion) else r for r in requests]
        for request in made:
            part = context.step.part(request) if context.step.part else None
            step = context.step if part is None else part.step
            name = step.name if part is None else part.study
            if name not in spaces:
                spaces[name] = step.space(context.of(step), records)
            apart = part.values if part else {}
            params = {path: value for path, value in request.params.items() if path not in apart}
            assert set(params) - {"seed"} <= set(spaces[name])
            for path, value in params.items():
                if path == "seed" and path not in spaces[name]:
                    continue  # of a repeat: an attribute
                assert lies_on(value, spaces[name][path]), (path, value, spaces[name][path])
        records += [outcome(request) for request in made]
        assert len(records) < 10_000
        most -= 1
        assert most
    return spaces


class Outcome:
    """How a training ends, decided by its configuration and a seed: better towards an edge, diverged, or failed."""

    def __init__(self, slope_lr, slope_decay, diverges, fails):
        self.slope_lr, self.slope_decay, self.diverges, self.fails = slope_lr, slope_decay, diverges, fails

    def __call__(self, request):
        at = int(request.config.key[:6], 16) / 16**6
        if at < self.fails:
            return failed(request)
        if request.config.lr > self.diverges:
            return trained(request, exploding(2.3, request.until))
        loss = self.slope_lr * math.log10(request.config.lr) + self.slope_decay * math.log10(
            request.config.weight_decay + 1e-8
        )
        loss = 1 / (1 + math.exp(-loss / 4))
        epochs = request.until // 20
        return trained(request, falling(2.3, loss, request.until), [(loss, 1 - loss)] * epochs, [[loss] * 8] * epochs)


outcomes = st.builds(
    Outcome,
    st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0]),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.sampled_from([math.inf, 1e-1, 1e-3, 1e-9]),
    st.sampled_from([0.0, 0.0, 0.1]),
)


@given(low=rates, high=rates, extend=st.integers(0, 6), outcome=outcomes)
def test_a_sweeps(low, high, extend, outcome):
    low, high = sorted((low, high))
    context = context_of("lr-sweep", steps={"lr-sweep": {"low": low, "high": high, "extend": extend}})
    spaces = walk(context, outcome)
    assert set(spaces) == {"lr-sweep"}
    assert spaces["lr-sweep"]["lr"].log


@given(
    rate=rates,
    settings=st.fixed_dictionaries(
        {
            "lr_factors": factors,
            "weight_decays": decays,
            "extend": st.integers(0, 6),
            "epochs": st.integers(1, 3),
            "pruner": st.sampled_from(["none", "halving"]),
        }
    ),
    search=st.sampled_from(
        [
            {},
            {"batch_size": [32, 64]},
            {"model.args.dropout": [0, 0.3]},
            {"model.args.hidden": [[8], [8, 8]], "ema": [None, 0.9]},
        ]
    ),
    outcome=outcomes,
)
def test_a_grids_and_those_of_its_sweeps(rate, settings, search, outcome):
    swept = {"lr-sweep": {"lr": rate, "range": [rate, rate]}}
    sweep = {"low": 1e-4, "high": 1e-2, "extend": 1}
    spaces = walk(
        context_of("coarse-grid", swept, search=search, steps={"coarse-grid": settings, "lr-sweep": sweep}), outcome
    )
    own = spaces.get("coarse-grid")
    if own is None:
        return  # all sweeps failed
    zero = 0.0 in settings["weight_decays"]
    assert isinstance(own["weight_decay"], Choices if zero else Range)
    for path, values in search.items():
        assert own[path] == Choices(tuple(values))


@given(
    top=st.lists(st.tuples(rates, st.sampled_from([0.0, 1e-5, 1e-2])), min_size=1, max_size=3),
    factors=factors,
    seeds=st.integers(1, 4),
    outcome=outcomes,
)
def test_a_fine_runs(top, factors, seeds, outcome):
    cells = [{"lr": lr, "weight_decay": decay, "batch_size": 32} for lr, decay in top]
    grid = {**cells[0], "val_accuracy": 0.9, "val_loss": 0.1, "iterations": 40, "training": "t", "top": cells}
    settings = {"lr_factors": factors, "seeds": seeds, "epochs": 2}
    earlier = {**SWEPT, "coarse-grid": grid}
    spaces = walk(
        context_of("fine-run", earlier, search={"batch_size": [32, 64]}, steps={"fine-run": settings}), outcome
    )
    assert spaces["fine-run"]["batch_size"] == Choices((32, 64))


def test_without_a_grid_the_fine_run_has_the_recipes_own_values():
    """As with --keep-going."""
    context = context_of("fine-run", optimizer={"lr": 0.00123456, "weight_decay": 3e-4})
    own = walk(context, Outcome(0.0, 0.0, math.inf, 0.0))["fine-run"]
    assert own["lr"] == Range(8.64e-4, 1.73e-3, log=True)  # 0.7 and 1.4 times the recipe's, to three digits
    assert 3e-4 in own["weight_decay"].values


def test_the_sweep_of_a_searched_value_is_named_by_it():
    names = {
        Part(lr_sweep.STEP, {"batch_size": 64}).study: "lr-sweep/batch_size=64",
        Part(lr_sweep.STEP, {"model.args.hidden": [64, 64], "optimizer.target": "sgd"}).study: (
            "lr-sweep/model.args.hidden=[64,64],optimizer.target=sgd"
        ),
    }
    assert list(names) == list(names.values())
    long = Part(lr_sweep.STEP, {"model.args.hidden": list(range(100))}).study
    assert len(long) < 140
    assert long != Part(lr_sweep.STEP, {"model.args.hidden": list(range(101))}).study


def test_a_range_reaches_what_growth_may_add_and_no_further():
    """So importances and samplers of Optuna's look at rates that a grid might try, not at all that floats can say."""
    context = context_of("coarse-grid", SWEPT)
    assert coarse_grid.space(context, [])["lr"] == Range(3.75e-4, 2.4e-2, log=True)  # 3e-3 / 2 / 2**2, 3e-3 * 2 * 2**2
    assert coarse_grid.space(context, [])["weight_decay"] == Choices((0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1))
    narrow = context_of("coarse-grid", SWEPT, steps={"coarse-grid": {"extend": 0, "weight_decays": [1e-4, 1e-3]}})
    assert coarse_grid.space(narrow, [])["lr"] == Range(1.5e-3, 6e-3, log=True)
    assert coarse_grid.space(narrow, [])["weight_decay"] == Range(1e-4, 1e-3, log=True)
    assert lr_sweep.space(context_of("lr-sweep"))["lr"] == Range(3e-7, 3.0, log=True)
    grid = {"lr": 0.01, "weight_decay": 0.0, "val_accuracy": 0.9, "val_loss": 0.1, "iterations": 40, "training": "t"}
    grid["top"] = [{"lr": 0.01, "weight_decay": 0.0}, {"lr": 0.02, "weight_decay": 1e-4}]
    fine = fine_run.space(context_of("fine-run", {**SWEPT, "coarse-grid": grid}), [])
    assert fine["lr"] == Range(7e-3, 2.8e-2, log=True)
    assert "seed" not in fine


@pytest.mark.parametrize("epochs", [1, 3, 60, 400])
def test_a_trial_keeps_some_fifty_points_of_its_course(epochs):
    """Of the epochs' ends, or of all iterations: the same ones, whoever looks and however often."""
    context = context_of("fine-run", steps={"fine-run": {"epochs": epochs}})
    (request,) = trainings(fine_run.plan(context, []))
    per_epoch = facts_of().iterations_per_epoch
    ends = [i for i in range(per_epoch, request.until + 1, per_epoch) if request.shows(i, per_epoch)]
    assert min(epochs, 25) <= len(ends) <= 50
    assert 25 <= sum(request.shows(i) for i in range(1, request.until + 1)) <= 50 or request.until < 50
