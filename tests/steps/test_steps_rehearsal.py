"""What of a search is rehearsed, which values are named where it fails, and which come to the same training."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.steps.hand_made import context_of
from tunekit.measured import Rehearsed
from tunekit.steps.coarse_grid.rehearsal import MOST, combinations, rehearsal_of
from tunekit.vocabulary import Record


def judged(search, fails=lambda values: False, seen=lambda values: values, **more):
    """Faults and notes where these combinations fail, and give these numbers."""
    rehearsal = rehearsal_of(context_of("coarse-grid", search=search, **more))
    values = {config.key: values for values, config in rehearsal.built}

    def record(request):
        own = values[request.config.key]
        if fails(own):
            return Record(request, error="does not fit")
        return Record(request, values=Rehearsed("", str(seen(own))).to_json())

    records = [record(request) for request in rehearsal.requests]
    return rehearsal.faults(records), rehearsal.notes(records)


HIDDEN, WIDTH, DROPOUT = "model.args.hidden", "model.args.width", "model.args.dropout"


def test_few_combinations_are_all_rehearsed():
    found = combinations({"a": [1, 2], "b": [3, 4, 5]})
    assert [tuple(one.values()) for one in found] == list(itertools.product([1, 2], [3, 4, 5]))
    assert combinations({}) == []


def test_of_many_combinations_each_pair_of_values_stands_in_one_and_each_value_beside_the_first():
    search = {name: list(range(4)) for name in "abcdef"}
    found = combinations(search)
    assert len(found) < MOST
    for one, other in itertools.combinations(search, 2):
        assert {(values[one], values[other]) for values in found} == set(itertools.product(range(4), repeat=2))
    for name in search:
        assert all({**dict.fromkeys(search, 0), name: place} in found for place in range(4))


def test_a_sweep_leaves_to_the_recipe_what_shares_the_rate():
    rehearsal = rehearsal_of(context_of("coarse-grid", search={"batch_size": [8, 16], DROPOUT: [0.1, 0.2]}))
    values = [values for values, _ in rehearsal.built]
    assert {"batch_size": 8} in values
    assert {"batch_size": 8, DROPOUT: 0.2} in values


@pytest.mark.parametrize(
    ("fails", "named"),
    [
        (lambda values: values.get(DROPOUT) == 0.2, f"search.{DROPOUT}: 0.2: "),
        (lambda values: (values.get(DROPOUT), values[WIDTH]) == (0.2, 8), f"search.{WIDTH}: 8 with search.{DROPOUT}: "),
        (lambda values: True, f"search.{WIDTH}: 4"),
    ],
    ids=["one", "two together", "all"],
)
def test_the_fewest_values_that_explain_a_failure_are_named(fails, named):
    [fault], _ = judged({WIDTH: [4, 8], DROPOUT: [0.1, 0.2]}, fails)
    assert fault.startswith(named)
    assert "does not fit" in fault


def test_what_a_recipe_cannot_hold_is_a_fault_as_well():
    faults, _ = judged({"optimizer.target": ["adam", "schedule-free"], "ema": [None, 0.9]})
    assert faults == [
        "search.optimizer.target: 'schedule-free' with search.ema: 0.9: ema: schedule-free averages its weights "
        "itself; leave ema out or set it to null"
    ]


def test_values_that_a_step_does_not_tell_apart_are_told():
    _, notes = judged({DROPOUT: [0, [0, 0], 0.5]}, seen=lambda values: values[DROPOUT] == 0.5)
    assert notes == [f"search.{DROPOUT}: 0 and [0, 0] look alike: one step on one batch shows no difference"]
    assert judged({DROPOUT: [0, 0.5]})[1] == []


def test_values_that_are_one_training_are_told():
    assert judged({"data.augment": [[]], "data.augment_strength": [0.5, 1]})[1] == [
        "search.data.augment_strength: 0.5 and 1 come to the same training: leave one of them out"
    ]


def test_a_strength_of_no_augmentation_is_trained_once():
    search = {"data.augment": [[], ["flip"]], "data.augment_strength": [0.5, 1]}
    rehearsal = rehearsal_of(context_of("coarse-grid", search=search))
    assert len(rehearsal.built) == 4
    assert len(rehearsal.requests) == 3
    _, [note] = judged(search, seen=lambda values: values["data.augment"] and values["data.augment_strength"])
    assert note == (
        "search.data.augment_strength: 0.5 and 1 come to the same training in some combinations, which is trained once"
    )


AXES = {
    "clip_grad_norm": [0.5, 0.9],
    "ema": [0.5, 0.9],
    "l1": [0.5, 0.9],
    "batch_size": [8, 16],
    "model.freeze": [0, 1],
    "data.augment": [[], ["flip"]],
    "data.augment_strength": [0.5, 1],
    "schedule.args.warmup": [1, 2],
    "optimizer.target": ["adam", "sgd"],
    "optimizer.args.own": [1, 2],
    "model.target": ["mlp", "cnn"],
    DROPOUT: [0, 0.5],
    "loss.args.weight": [[1, 2], [1, 3]],
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True), st.lists(st.sampled_from("ab")))
def test_only_equal_keys_are_called_the_same_training(axes, seen):
    """Whatever a step shows of them: class weights of a class that a batch lacks, an optimizer that acts every third
    step, differ later."""
    search = {axis: AXES[axis] for axis in axes}
    more = {} if "data.augment" in axes else {"data": {"target": "digits", "augment": ["flip"]}}
    _, notes = judged(search, seen=lambda _: next(iter(seen), "a"), **more)
    rehearsal = rehearsal_of(context_of("coarse-grid", search=search, **more))
    one = {
        f"search.{axis}"
        for (first, config), (second, other) in itertools.combinations(rehearsal.built, 2)
        if config.key == other.key
        for axis in first.keys() & second.keys()
        if first[axis] != second[axis]
    }
    assert {note.split(": ")[0] for note in notes if "the same training" in note} <= one
