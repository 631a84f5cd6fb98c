"""The tiny set of step 2 and its control: which samples, read once; what a blank batch still tells."""

import pytest
import torch
from torch.utils.data import Dataset

from tunekit.configuration import DataSpec, Subset
from tunekit.training.control import blank_batch
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, TensorSplit
from tunekit.training.order import first_samples, tiny_subset
from tunekit.training.sources import read_splits, reduced

TARGETS = torch.arange(6)
TOKENS = torch.tensor([[5, 7, 9, 0], [5, 3, 0, 0], [8, 2, 4, 6], [5, 0, 0, 0], [7, 7, 7, 7], [5, 1, 0, 0]])


def blank(*args, **kwargs):
    return blank_batch(Batch(args, kwargs, TARGETS))


class TestBlank:
    def test_numbers_are_zero_and_targets_stay(self):
        batch = blank(torch.randn(6, 3))
        assert not batch.args[0].any()
        assert torch.equal(batch.targets, TARGETS)

    def test_truth_values_and_lengths_beside_other_inputs_stay(self):
        mask, lengths = torch.rand(6, 3) > 0.5, torch.tensor([3, 1, 4, 1, 5, 2])
        batch = blank(torch.randn(6, 3, 2), mask=mask, lengths=lengths)
        assert torch.equal(batch.kwargs["mask"], mask)
        assert torch.equal(batch.kwargs["lengths"], lengths)

    def test_names_that_are_all_there_is_become_one(self):
        batch = blank(torch.tensor([4, 9, 2, 4, 4, 1]), torch.arange(6))
        assert [part.unique().numel() for part in batch.args] == [1, 1]

    def test_tokens_become_one_that_occurs_but_for_padding_at_the_ends(self):
        assert blank(TOKENS).args[0].tolist() == [
            [5, 5, 5, 0],
            [5, 5, 0, 0],
            [5, 5, 5, 5],
            [5, 0, 0, 0],
            [5, 5, 5, 5],
            [5, 5, 0, 0],
        ]

    def test_tokens_without_padding_become_one(self):
        assert (
            blank(torch.randint(1, 9, (6, 4), generator=torch.Generator().manual_seed(0))).args[0].unique().numel() == 1
        )

    def test_a_mask_of_ones_and_zeros_stays(self):
        mask = (TOKENS > 0).long()
        batch = blank(input_ids=TOKENS, attention_mask=mask)
        assert torch.equal(batch.kwargs["attention_mask"], mask)
        assert not torch.equal(batch.kwargs["input_ids"], TOKENS)

    def test_what_is_no_tensor_stays(self):
        assert blank(torch.ones(6, 2), names=["a"] * 6).kwargs["names"] == ["a"] * 6


class Drawing(Dataset):
    """Another input at each reading, and targets by name."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return torch.randn(3), {"sum": torch.tensor(float(index))}


class TestTinySet:
    def test_what_a_dataset_draws_is_drawn_once(self):
        subset = tiny_subset(DatasetSplit(Drawing()), Subset(samples=8), 0)
        every = torch.arange(8)
        assert len(subset) == 8
        assert torch.equal(subset.batch(every, 0, 1).args[0], subset.batch(every, 0, 2).args[0])

    def test_the_first_samples_of_a_stream_are_enough(self):
        batches = [(torch.randn(30, 2), torch.arange(30) % 3) for _ in range(40)]
        first = first_samples(LoaderSplit(batches, 1200))
        assert isinstance(first, TensorSplit)
        assert 500 <= len(first) < 560
        subset = tiny_subset(first, Subset(per_class=4), 0)
        assert torch.bincount(subset.targets()).tolist() == [4, 4, 4]

    def test_batches_of_differing_width_cannot_stand_below_each_other(self):
        assert first_samples(LoaderSplit([(torch.randn(4, k), torch.zeros(4)) for k in (3, 5)], 8)) is None


LOADER = """
import torch
from torch.utils.data import DataLoader, TensorDataset

def data(shuffle):
    rows = TensorDataset(torch.arange(40.0)[:, None], torch.arange(40) % 2)
    return DataLoader(rows, batch_size=8, shuffle=shuffle), DataLoader(rows, batch_size=8)

def stream():
    return [(torch.ones(4, 1) * k, torch.arange(4) % 2) for k in range(9)], DataLoader(data(True)[0].dataset, 8)
"""


@pytest.mark.parametrize(("shuffle", "said"), [(False, 1), (True, 0)])
def test_a_training_loader_that_does_not_shuffle_is_named(tmp_path, shuffle, said):
    (tmp_path / f"own_loader_{said}.py").write_text(LOADER)
    spec = DataSpec(target=f"own_loader_{said}:data", args={"shuffle": shuffle})
    notes = read_splits(spec, tmp_path).notes
    assert len([note for note in notes if "does not shuffle" in note]) == said


def test_the_control_of_a_stream_is_blank(tmp_path):
    (tmp_path / "own_stream.py").write_text(LOADER)
    spec = DataSpec(target="own_stream:stream", args={}, subset=Subset(samples=8), blank=True)
    train = reduced(read_splits(spec, tmp_path), spec).train
    assert len(train) == 8
    assert not train.batch(torch.arange(8)).args[0].any()
