"""Faults between the splits: targets on two scales, labels that do not fit, near copies; and sound splits beside them.

Step 1 runs in this process; the data stand in planted_splits.py.
"""

import pytest
from inline_run import first_step, spoken

S = "planted_splits:"


def case(data, outputs, features=12, **args):
    return {
        "model": "dense",
        "data": S + data,
        "data_args": args,
        "model_args": {"features": features, "outputs": outputs},
    }


def numbers(data="scaled", outputs=1, **args):
    return {**case(data, outputs, features=8, **args), "task": "regression"}


def digits(how):
    return case("labelled", 10, features=64, how=how)


FAULTS = {
    "validation targets in their own units": ("targets_mismatch", numbers(how="raw validation")),
    "validation targets in thousandths": ("targets_mismatch", numbers(how="thousandths")),
    "each split over its own maximum": ("targets_mismatch", numbers(how="own maxima")),
    "one column in another unit": ("targets_mismatch", numbers("two_columns", 2, fault=True)),
    "validation labels shuffled": ("targets_disagree", digits("shuffled validation")),
    "training labels shuffled": ("targets_disagree", digits("shuffled training")),
    "classes numbered otherwise": ("targets_disagree", digits("other names")),
    "two classes exchanged": ("targets_disagree", digits("two exchanged")),
    "targets of a regression out of order": ("targets_disagree", numbers("disordered", fault=True)),
    "copies with noise made before the split": ("near_copies", case("copied", 3, how="copies")),
    "three records of one thing": ("near_copies", case("copied", 3, how="three records of one thing")),
}

SOUND = {
    "one scale": numbers(),
    "two columns of one scale": numbers("two_columns", 2, fault=False),
    "labels that belong": digits(""),
    "a third of the validation labels wrong": digits("a third wrong"),
    "persons on both sides": case("persons", 2, apart=False),
    "targets in order": numbers("disordered", fault=False),
    "samples for themselves": case("copied", 3),
    "copies with noise of the training samples alone": case("copied", 3, how="copies of training alone"),
    "few positions with noise": case("copied", 3, how="few positions"),
    "a plane in many dimensions": case("copied", 2, how="a plane"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_step_1_names_the_fault_and_no_other(name):
    code, recipe = FAULTS[name]
    result = first_step(recipe)
    assert list(spoken(result)) == [code], [item.message for item in result.findings]


@pytest.mark.parametrize("name", SOUND)
def test_step_1_stays_silent(name):
    result = first_step(SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]


@pytest.mark.parametrize(
    "recipe",
    [
        numbers(how="heavy tails"),
        numbers(how="another half of the range"),
        numbers("drifting"),
        case("persons", 2),
    ],
)
def test_splits_that_differ_by_nature_do_so_in_their_inputs_alone(recipe):
    assert not {"targets_mismatch", "targets_disagree", "near_copies"} & spoken(first_step(recipe)).keys()


def test_exchanged_classes_are_named():
    [finding] = first_step(digits("two exchanged")).findings
    assert finding.message.endswith("what training calls 1 is 7, 7 is 1 there")
