"""What a training's configuration says of its procedure."""

import pytest

from tunekit.logs.log import dropout_of


@pytest.mark.parametrize(
    ("args", "rates"),
    [
        ({"dropout": 0.1}, (0.1,)),
        ({"dropout": 0}, (0.0,)),
        ({"dropout": [0.2, 0.5, 0.5]}, (0.2, 0.5, 0.5)),
        ({"dropout": []}, None),
        ({"dropout": True}, None),
        ({"dropout": [0.1, None]}, None),
        ({"dropout": {"attention": 0.1}}, None),
        ({"dropout": "light"}, None),
        ({}, None),
        (None, None),
        ([0.1], None),
    ],
)
def test_probabilities_of_dropping_in_every_form_that_a_model_may_have(args, rates):
    assert dropout_of(args) == rates
