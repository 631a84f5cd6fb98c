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
