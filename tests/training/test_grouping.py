"""Groups that data name, on both sides of a split, through to the splits that a training gets."""

import numpy as np
import pytest
import torch
from torch.utils.data import Subset, TensorDataset

from tunekit.measured import GroupsShared
from tunekit.training.data import Batch, Splits, TensorSplit
from tunekit.training.memory import pack, unpack
from tunekit.training.sources.grouping import divided_groups, given_groups, shared_groups
from tunekit.training.sources.parts import Parts


class Named(TensorDataset):
    def __init__(self, groups):
        super().__init__(torch.zeros(len(groups), 2), torch.zeros(len(groups)))
        self.groups = groups


def halves(parts, split="random"):
    return divided_groups(parts, split, torch.tensor([0, 1, 2]), torch.tensor([3, 4]))


def test_groups_on_both_sides_are_counted_and_named():
    assert shared_groups(["a", "a", "b"], ["b", "c", "b", "d"]) == GroupsShared(4, 1, 0.5, ("b",))
    assert shared_groups(["a"], None) is None


@pytest.mark.parametrize(
    "groups", [list("aabbc"), tuple("aabbc"), np.array(list("aabbc")), torch.tensor([0, 0, 1, 1, 2])]
)
def test_groups_of_a_dataset_or_of_its_parts(groups):
    train, val = halves(Parts(Named(groups)))
    assert shared_groups(train, val).shared == 1
    data = Named(groups)
    assert shared_groups(*given_groups(Parts(Subset(data, [0, 2]), Subset(data, [1, 3, 4])))).share == 2 / 3


@pytest.mark.parametrize("groups", [3, "aabbc", [1, 2], None, [[1], [2], [3], [4], [5]], torch.zeros(5, 2)])
def test_an_attribute_of_that_name_that_holds_no_groups(groups):
    data = Named([0] * 5)
    data.groups = groups
    assert halves(Parts(data)) == (None, None)


def test_times_are_no_groups_and_two_counts_from_zero_are_not_compared():
    assert halves(Parts(Named([0, 0, 1, 1, 2])), "time") == (None, None)
    assert halves(Parts(Named([0] * 5), groups=[1, 1, 2, 2, 2], grouped=False)) == (None, None)
    assert given_groups(Parts(Named([0, 1, 2]), Named([0, 0, 1]))) == (None, None)
    assert shared_groups(*given_groups(Parts(Named([5, 6, 7]), Named([7, 9])))).shared == 1


def test_what_is_shared_goes_along_when_splits_are_shared_between_processes():
    split = TensorSplit(Batch((torch.zeros(3, 2),), {}, torch.zeros(3)))
    splits = Splits(split, split, groups=GroupsShared(4, 1, 0.5, ("b",)))
    assert unpack(pack(splits)).groups == splits.groups
    assert unpack(pack(Splits(split, split))).groups is None
