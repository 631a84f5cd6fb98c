"""Arguments of what is built in: a number where the default is one."""

import pytest

from tunekit.recipe import check_arguments
from tunekit.vocabulary import UserError


def layer(size, widths=(8, 8), rate=0.1, name="relu", norm=False, gap: float | None = None):
    """Stands for a model, an augmentation, a schedule."""


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"rate": True}, "args: layer: rate must be a number, not true"),
        ({"rate": "0.1"}, "args: layer: rate must be a number, not the text '0.1'"),
        ({"rate": float("nan")}, "args: layer: rate must be a finite number, not nan"),
        ({"rate": 10**13}, "args: layer: rate: 1e+13 is more than any training can use; at most 1e+12"),
        ({"widths": [8, False]}, "args: layer: widths.1 must be a number, not false"),
        ({"norm": "false"}, "args: layer: norm must be true or false, not the text 'false'"),
        ({"norm": 1}, "args: layer: norm must be true or false, not 1"),
    ],
)
def test_what_python_would_take_for_another_type_is_told(args, told):
    with pytest.raises(UserError) as caught:
        check_arguments(layer, args, "args: layer")
    assert str(caught.value) == told


def test_what_a_function_does_not_take_is_told_with_what_was_meant():
    with pytest.raises(UserError, match=r"^args: got an unexpected .* 'width' \(did you mean 'widths'\?\)$"):
        check_arguments(layer, {"width": 1}, "args")
    check_arguments(lambda rate=0.1, **more: (rate, more), {"width": 1}, "args")


def test_what_fits_and_what_is_the_functions_own_to_refuse_passes():
    check_arguments(layer, {"rate": 1, "widths": [], "name": True, "size": "x", "gap": None}, "args")
