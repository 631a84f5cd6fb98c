from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType

import pytest
import torch

from tunekit.training.structure import by_rows, changed, joined, rows, tensors

Pair = namedtuple("Pair", "a b")


@dataclass
class Parts:
    mean: torch.Tensor
    name: str = "x"


A, B = torch.arange(6.0).view(3, 2), torch.arange(3)
KINDS = [
    A,
    (A, B),
    [A, (B, "text")],
    {"a": A, "b": [B]},
    OrderedDict(a=A),
    Pair(A, B),
    Parts(A),
    MappingProxyType({"a": A}),
]


@pytest.mark.parametrize("value", KINDS)
def test_a_change_of_every_tensor_keeps_the_structure(value):
    twice = changed(value, lambda part: part * 2)
    assert isinstance(twice, dict if isinstance(value, MappingProxyType) else type(value))
    for before, after in zip(tensors(value), tensors(twice), strict=True):
        assert torch.equal(after, before * 2)
    assert torch.equal(next(tensors(value)), A)  # the value itself is as it was


@pytest.mark.parametrize("value", KINDS)
def test_rows_and_their_joining_are_inverse(value):
    again = joined([rows(value, slice(0, 1)), rows(value, slice(1, 3))])
    assert [part.tolist() for part in tensors(again)] == [part.tolist() for part in tensors(value)]


def test_what_has_a_row_for_each_sample():
    assert by_rows((A, {"b": B}), 3)
    assert not by_rows((A, torch.zeros(2)), 3)
    assert not by_rows((A, torch.tensor(1.0)), 3)
    assert not by_rows("text", 3)
