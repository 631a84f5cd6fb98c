"""Training and validation samples as one split."""

import pytest
import torch
from torch.utils.data import TensorDataset

from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Normalize, Splits, TensorSplit
from tunekit.training.joining import with_validation
from tunekit.vocabulary import UserError


def stored(first, last):
    x = torch.arange(first, last).float().unsqueeze(1)
    return Batch((x,), {}, torch.arange(first, last))


def test_in_memory_validations_samples_come_behind_in_the_units_of_training():
    units = Normalize(torch.tensor([2.0]), torch.tensor([0.5]))
    joined = with_validation(Splits(TensorSplit(stored(0, 4), units), TensorSplit(stored(4, 6), units))).train
    batch = joined.batch(torch.arange(6))
    assert batch.targets.tolist() == [0, 1, 2, 3, 4, 5]
    assert batch.args[0].flatten().tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize("same", [True, False])
def test_datasets_are_joined_by_places_whether_they_were_one_or_two(same):
    whole = TensorDataset(torch.arange(10.0), torch.arange(10))
    other = whole if same else TensorDataset(torch.arange(100.0, 110.0), torch.arange(100, 110))
    train = DatasetSplit(whole, indices=torch.tensor([1, 3]))
    joined = with_validation(Splits(train, DatasetSplit(other, indices=torch.tensor([0, 9])))).train
    wanted = [1, 3, 0, 9] if same else [1, 3, 100, 109]
    assert joined.batch(torch.arange(4)).targets.tolist() == wanted
    assert len(joined) == 4


def test_what_cannot_be_joined_is_told_by_its_key():
    val = TensorSplit(stored(0, 2))
    with pytest.raises(UserError, match=r"train\.with_validation"):
        with_validation(Splits(LoaderSplit([], 1), val))
    wide = TensorSplit(Batch((torch.zeros(2, 3),), {}, torch.zeros(2)))
    with pytest.raises(UserError, match="differ in shape"):
        with_validation(Splits(wide, val))
