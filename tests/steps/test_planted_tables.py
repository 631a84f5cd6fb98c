"""Labels that never change, and columns that say the target, each to be named; and sound tables beside them."""

import pytest
from inline_run import first_step, spoken

D = "planted_tables:"


def labelled(change):
    model_args = {"features": 10, "outputs": 5}
    data = {"data": D + "labels", "data_args": {"change": change}}
    return first_step({"model": "dense", "model_args": model_args, "task": "multilabel", **data})


@pytest.mark.parametrize(
    ("change", "code", "severity", "told"),
    [
        ("training off", "split_mismatch", "fail", "label 3 is on in validation but never in training"),
        ("training on", "split_mismatch", "fail", "label 3 is off in validation but never in training"),
        ("both off", "single_class", "warn", "label 3 is on in none of the 300 training samples"),
        ("both on", "single_class", "warn", "label 3 is off in none of the 300 training samples"),
        ("both rare", "split_mismatch", "note", "label 3 is on in validation but never in training"),
    ],
)
def test_a_label_that_training_never_has_is_told(change, code, severity, told):
    [finding] = labelled(change).findings
    assert (finding.code, finding.severity, finding.message) == (code, severity, told)


def test_labels_that_change_are_sound():
    assert spoken(labelled("")) == {}


def of_table(data, task="classification", outputs=2, features=8, **data_args):
    model_args = {"features": features, "outputs": outputs}
    return first_step(
        {"model": "dense", "model_args": model_args, "task": task, "data": D + data, "data_args": data_args}
    )


def giveaways(result):
    return [item.message for item in result.findings if item.code == "target_among_inputs"]


NUMBERS = {"task": "regression", "outputs": 1, "numbers": True}


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        ("leak", {"how": "sign"}),
        ("leak", {"how": "sign", "n": 4000}),
        ("leak", {"how": "sign", "n": 4000, "numbers": True, "task": "regression", "outputs": 1}),
        ("leak", {"how": "threshold", "n": 1200}),
        ("leak", {"how": "three stretches", "outputs": 3}),
        ("leak", {"how": "beyond"}),
        ("leak", {"how": "grades"}),
        ("leak", {"how": "root", **NUMBERS}),
        ("leak", {"how": "logarithm", **NUMBERS}),
        ("leak", {"how": "exponential", **NUMBERS}),
        ("recoded", {"outputs": 4}),
    ],
)
def test_a_column_that_says_the_target_by_itself_is_told(data, recipe):
    [message] = giveaways(of_table(data, **recipe))
    assert message.startswith("feature 3 (counted from 0) of the inputs alone says the target of all ")
    assert message.endswith("perhaps the answer itself")


@pytest.mark.parametrize(("recipe", "severity"), [({"how": "sign"}, "warn"), ({"how": "root", **NUMBERS}, "note")])
def test_an_order_is_told_no_louder_than_a_line(recipe, severity):
    findings = {item.code: item.severity for item in of_table("leak", **recipe).findings}
    assert findings["target_among_inputs"] == severity


def test_a_class_that_became_a_column_for_each_is_told():
    assert len(giveaways(of_table("recoded", outputs=4, flags=True))) == 1


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        ("leak", {"how": "sign", "n": 50}),
        ("leak", {"how": "square", **NUMBERS}),
        ("leak", {"how": "nearly the order", **NUMBERS}),
        ("leak", {"how": "mostly"}),
        ("apart", {"distance": 2.3}),
        ("apart", {"distance": 6.5}),
        ("apart", {"distance": 8.0}),
        ("apart", {"distance": 20.0}),
        ("apart", {"distance": 9.0, "spread": "skewed"}),
        ("apart", {"distance": 9.0, "spread": "rounded"}),
        ("flowers", {"features": 4, "outputs": 3}),
        ("a_flower", {"features": 4}),
        ("smooth_series", {"task": "regression", "outputs": 1}),
        ("growing", {"task": "regression", "outputs": 1}),
        ("powers", {"task": "regression", "outputs": 1}),
    ],
)
def test_what_says_much_by_nature_is_no_answer(data, recipe):
    assert giveaways(of_table(data, **recipe)) == []


def test_equal_rows_of_few_kinds_with_other_targets_are_no_fault():
    result = of_table("categories", features=22)
    assert spoken(result) == {}
    assert "conflicting_labels" not in [item.code for item in result.findings]


def test_equal_rows_of_many_measurements_are_told_with_their_other_targets():
    findings = {item.code: item.message for item in of_table("categories", features=32, rich=True).findings}
    assert {"conflicting_labels", "split_leak"} <= set(findings)
    assert findings["split_leak"].endswith("of them with another target there")


@pytest.mark.parametrize(("how", "features"), [("categories", 151), ("one left out", 148), ("measurement", 4)])
def test_rows_that_stand_there_twice_are_no_chance(how, features):
    findings = spoken(of_table("written_twice", features=features, how=how))
    assert (findings["split_leak"], findings["conflicting_labels"]) == ("fail", "warn")
