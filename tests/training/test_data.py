import random
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from tunekit.configuration import DataSpec
from tunekit.configuration import Subset as Few
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Normalize, TensorSplit, as_batch
from tunekit.training.memory import in_memory
from tunekit.training.order import epoch_order, split_indices, tiny_subset
from tunekit.training.sources import read_splits, reduced, splits
from tunekit.training.sources.parts import Parts
from tunekit.training.sources.splits import _split_of
from tunekit.vocabulary import UserError


class Samples(Dataset):
    """`read(i)` for i below n."""

    def __init__(self, read, n=20):
        self.read, self.n = read, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return self.read(i)


def spec(**changes):
    return DataSpec(**{"target": "digits", **changes})


class TestSplitIndices:
    @given(st.lists(st.integers(0, 4), min_size=2, max_size=200), st.floats(0.05, 0.95), st.integers(0, 5))
    def test_stratified_keeps_the_share_of_every_class_and_some_of_it_in_both_parts(self, labels, fraction, seed):
        targets = torch.tensor(labels)
        train, val = split_indices(targets, len(labels), fraction, "stratified", seed, None)
        assert sorted([*train.tolist(), *val.tolist()]) == list(range(len(labels)))
        assert len(train) > 0
        assert len(val) > 0
        if max(Counter(labels).values()) > 1:
            in_val = Counter(targets[val].tolist())
            for label, count in Counter(labels).items():
                assert in_val[label] == (0 if count == 1 else min(max(1, round(count * fraction)), count - 1))

    @given(st.lists(st.integers(0, 9), min_size=2, max_size=100).filter(lambda g: len(set(g)) > 1), st.integers(0, 5))
    def test_groups_are_never_in_both_parts(self, groups, seed):
        train, val = split_indices(None, len(groups), 0.3, "group", seed, groups)
        assert sorted([*train.tolist(), *val.tolist()]) == list(range(len(groups)))
        assert not {groups[i] for i in train} & {groups[i] for i in val}
        assert len(train) > 0
        assert len(val) > 0

    @given(st.lists(st.integers(0, 10**6), min_size=2, max_size=100, unique=True), st.floats(0.05, 0.95))
    def test_by_time_validation_has_the_last(self, times, fraction):
        train, val = split_indices(None, len(times), fraction, "time", 0, times)
        assert max(times[i] for i in train) < min(times[i] for i in val)
        assert len(val) == min(max(1, round(len(times) * fraction)), len(times) - 1)

    def test_groups_and_times_may_be_arrays_tensors_or_words(self):
        for groups in (np.array([0, 0, 1, 1]), torch.tensor([0, 0, 1, 1]), ["a", "a", "b", "b"]):
            train, val = split_indices(None, 4, 0.5, "group", 0, groups)
            assert {tuple(train.tolist()), tuple(val.tolist())} == {(0, 1), (2, 3)}
        dates = ["2024-03-01", "2024-01-01", "2024-02-01"]
        assert split_indices(None, 3, 0.3, "time", 0, dates)[1].tolist() == [0]

    @pytest.mark.parametrize("how", ["stratified", "random", "group"])
    def test_the_seed_decides(self, how):
        targets, groups = torch.arange(200) % 5, [i % 20 for i in range(200)]
        first, again, other = (split_indices(targets, 200, 0.2, how, s, groups)[1].tolist() for s in (0, 0, 1))
        assert first == again != other

    def test_a_regression_target_is_split_at_random(self):
        train, val = split_indices(torch.rand(10), 10, 0.3, "stratified", 0, None)
        assert (len(train), len(val)) == (7, 3)

    @pytest.mark.parametrize(
        ("size", "how", "groups", "message"),
        [
            (1, "random", None, "1 sample cannot be split"),
            (4, "group", None, "group needs the data's groups"),
            (4, "time", None, "time needs the data's times"),
            (4, "group", [1, 2], "2 groups for 4 samples"),
            (4, "group", [1, 1, 1, 1], "at least two groups"),
        ],
    )
    def test_what_cannot_be_split_is_told(self, size, how, groups, message):
        with pytest.raises(UserError, match=message):
            split_indices(None, size, 0.2, how, 0, groups)


def deterministic(i):
    return torch.tensor([i, i + 0.5]), i % 3


class TestInMemory:
    def test_a_tensor_dataset_is_taken_as_it_is(self):
        x, y = torch.randn(6, 2), torch.arange(6)
        split = in_memory(TensorDataset(x, y))
        assert isinstance(split, TensorSplit)
        assert split.stored.args[0] is x
        assert split.stored.targets is y

    def test_a_deterministic_dataset_is_read_once(self):
        split = in_memory(Samples(deterministic, n=300))
        assert isinstance(split, TensorSplit)
        assert split.stored.args[0].tolist() == [[i, i + 0.5] for i in range(300)]
        assert split.stored.targets.tolist() == [i % 3 for i in range(300)]

    @pytest.mark.parametrize(
        "read",
        [
            lambda i: (torch.rand(2), i),
            lambda i: (np.random.rand(2), i),
            lambda i: (torch.tensor([random.random()]), i),
            lambda i: (torch.ones(2), torch.rand(())),
            lambda i: {"x": torch.rand(2), "labels": i},
        ],
        ids=["torch", "numpy", "random", "target", "dictionary"],
    )
    def test_a_dataset_that_draws_stays_a_dataset(self, read):
        split = in_memory(Samples(read))
        assert isinstance(split, DatasetSplit)
        assert split.draws

    def test_a_transform_that_changes_one_sample_in_a_thousand_is_seen(self):
        split = in_memory(Samples(lambda i: (torch.ones(1) * (torch.rand(()) > 1e-3), i)))
        assert split.draws

    def test_samples_that_are_drawn_follow_from_seed_and_iteration_alone(self):
        split = in_memory(Samples(lambda i: (torch.rand(2) + np.random.rand() + random.random(), i)))
        picks = torch.tensor([3, 1, 2])
        first = split.batch(picks, 5, 7).args[0]
        torch.rand(3)
        assert torch.equal(split.batch(picks, 5, 7).args[0], first)
        assert not torch.equal(split.batch(picks, 5, 8).args[0], first)
        assert not torch.equal(split.batch(picks, 6, 7).args[0], first)

    @pytest.mark.parametrize("name", ["labels", "label", "targets", "target", "y"])
    def test_dictionaries_keep_their_names_and_give_their_target(self, name):
        split = in_memory(Samples(lambda i: {"ids": torch.tensor([i]), "mask": torch.ones(1), name: i % 2}))
        assert isinstance(split, TensorSplit)
        assert sorted(split.stored.kwargs) == ["ids", "mask"]
        assert split.stored.kwargs["ids"][:3].tolist() == [[0], [1], [2]]
        assert split.stored.targets[:3].tolist() == [0, 1, 0]

    def test_several_inputs_are_several_arguments(self):
        split = in_memory(Samples(lambda i: (torch.ones(1), torch.zeros(2), i)))
        assert [value.shape for value in split.stored.args] == [(20, 1), (20, 2)]

    def test_words_stay_in_the_dataset(self):
        split = in_memory(Samples(lambda i: ("word", i)))
        assert isinstance(split, DatasetSplit)
        assert not split.draws

    def test_ragged_samples_are_told_and_are_read_with_a_collate_fn(self):
        ragged = Samples(lambda i: (torch.ones(1 + i % 3), i))
        with pytest.raises(UserError, match=r"cannot be read and collated: RuntimeError: .*collate_fn"):
            in_memory(ragged)

        def pad(samples):
            xs, ys = zip(*samples, strict=True)
            return nn.utils.rnn.pad_sequence(xs, batch_first=True), torch.tensor(ys)

        split = in_memory(ragged, pad)
        assert isinstance(split, DatasetSplit)
        assert not split.draws
        # Each batch is as wide as its own longest sample.
        assert split.batch(torch.tensor([0, 3])).args[0].shape == (2, 1)
        assert split.batch(torch.tensor([0, 2])).args[0].shape == (2, 3)

    def test_an_error_in_reading_a_sample_is_told(self):
        with pytest.raises(UserError, match="cannot be read and collated: KeyError: 'image'"):
            in_memory(Samples(lambda i: {}["image"]))

    def test_samples_without_a_target_are_told(self):
        with pytest.raises(UserError, match="needs its targets under one of"):
            in_memory(Samples(lambda i: {"x": 1}))
        with pytest.raises(UserError, match="a sample must be"):
            in_memory(Samples(lambda i: torch.ones(1)))

    def test_an_empty_dataset_is_told(self):
        with pytest.raises(UserError, match="the dataset is empty"):
            in_memory(Samples(deterministic, n=0))

    def test_what_does_not_fit_in_memory_stays_a_dataset(self, monkeypatch):
        monkeypatch.setattr("tunekit.training.memory.MEMORY_LIMIT", 100)
        split = in_memory(Samples(deterministic, n=300))
        assert isinstance(split, DatasetSplit)
        assert not split.draws


class TestLoaders:
    def test_an_ordinary_loader_is_rebuilt_from_its_dataset(self):
        x, y = torch.randn(9, 2), torch.arange(9)
        for shuffle in (False, True):
            split = _split_of(DataLoader(TensorDataset(x, y), batch_size=4, shuffle=shuffle))
            assert isinstance(split, TensorSplit)
            assert torch.equal(split.stored.args[0], x)

    def test_its_collate_fn_is_kept(self):
        def doubled(samples):
            xs, ys = zip(*samples, strict=True)
            return 2 * torch.stack(xs), torch.tensor(ys)

        split = _split_of(DataLoader(Samples(deterministic), batch_size=4, collate_fn=doubled))
        assert split.batch(torch.tensor([3])).args[0].tolist() == [[6.0, 7.0]]

    def test_a_sampler_of_the_persons_own_trains_as_it_is(self):
        data = TensorDataset(torch.arange(10.0)[:, None], torch.arange(10))
        split = _split_of(DataLoader(data, batch_size=5, sampler=WeightedRandomSampler([1.0] * 10, 10)))
        assert isinstance(split, LoaderSplit)
        assert len(split) == 10

    def test_an_iterable_of_batches_trains_as_it_is(self):
        class Stream(IterableDataset):
            def __iter__(self):
                return iter([(torch.zeros(3, 2), torch.tensor([0, 1, 2]))] * 4)

        split = _split_of(Stream())
        assert isinstance(split, LoaderSplit)
        assert len(split) == 12
        assert [len(batch) for batch in split.batches()] == [3, 3, 3, 3]

    def test_an_iterable_of_single_samples_is_told(self):
        class Stream(IterableDataset):
            def __iter__(self):
                return iter([(torch.zeros(2), 1)] * 4)

        with pytest.raises(UserError, match="batches"):
            _split_of(Stream())
        assert len(_split_of(DataLoader(Stream(), batch_size=2))) == 4

    def test_what_can_be_gone_through_only_once_is_told(self):
        with pytest.raises(UserError, match="once"):
            _split_of((torch.zeros(3, 2), torch.zeros(3)) for _ in range(2))

    @pytest.mark.parametrize("returned", ["loader()", "Batches()", "weighted()", "(one := loader(), one)"])
    def test_what_cannot_be_held_out_is_never_its_own_validation(self, tmp_path, returned):
        (tmp_path / "flow.py").write_text(
            "import torch\nfrom torch.utils.data import *\n\n"
            "class Flow(IterableDataset):\n"
            "    def __iter__(self):\n        return iter([(torch.zeros(2), 1)] * 40)\n\n"
            "def loader():\n    return DataLoader(Flow(), batch_size=10)\n\n"
            "class Batches:\n"
            "    def __iter__(self):\n        return iter([(torch.zeros(5, 2), torch.zeros(5).long())] * 8)\n\n"
            "def weighted():\n"
            "    data = TensorDataset(torch.zeros(40, 2), torch.zeros(40).long())\n"
            "    return DataLoader(data, 10, sampler=WeightedRandomSampler([1.0] * 40, 40))\n\n"
            f"def data():\n    return {returned}\n"
        )
        with pytest.raises(UserError, match=r"no validation can be held out: return \(train, val\)"):
            read_splits(DataSpec(target="flow:data"), tmp_path)

    @pytest.mark.parametrize(
        ("name", "most", "told"), [("MOST_KEPT", 50, "50 samples"), ("MEMORY_LIMIT", 2**10, "0 GiB")]
    )
    def test_a_validation_without_an_end_is_told(self, monkeypatch, name, most, told):
        class Endless(IterableDataset):
            def __iter__(self):
                while True:
                    yield torch.zeros(3, 2), torch.tensor([0, 1, 2])

        monkeypatch.setattr(splits, "ENDLESS", 5)
        monkeypatch.setattr(splits, name, most)
        with pytest.raises(UserError, match=f"validation gives more than {told}, or has no end"):
            splits.splits_of(Parts(Endless(), Endless()), DataSpec(target="own:data"))

    def test_a_validation_of_many_small_batches_is_kept(self):
        class Singles(IterableDataset):
            def __iter__(self):
                return ((torch.zeros(1, 2), torch.tensor([n % 2])) for n in range(10_500))

        assert len(splits.splits_of(Parts(Singles(), Singles()), DataSpec(target="own:data")).val) == 10_500

    def test_loaders_as_a_whole_source(self, tmp_path):
        (tmp_path / "loaders_d.py").write_text(
            "import torch\n"
            "from torch.utils.data import *\n"
            "def make():\n"
            "    data = TensorDataset(torch.arange(10.)[:, None], torch.arange(10) % 2)\n"
            "    train = DataLoader(data, batch_size=5, sampler=WeightedRandomSampler([1.] * 10, 10))\n"
            "    return train, DataLoader(data, batch_size=4)\n"
        )
        splits = read_splits(spec(target="loaders_d:make"), tmp_path)
        assert not splits.shareable
        assert splits.val.targets().tolist() == [0, 1] * 5
        assert "without reuse" in splits.notes[0]


class TestNormalize:
    @pytest.mark.parametrize("shape", [(50, 3, 4, 5), (50, 7), (5000, 2)])
    def test_it_is_numpys_mean_and_standard_deviation(self, shape):
        x = 3 + 5 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
        axes = (0, 2, 3) if len(shape) == 4 else 0
        array = x.numpy().astype(np.float64)
        made = Normalize.fit(x)
        np.testing.assert_allclose(made.mean.flatten(), array.mean(axes), rtol=1e-5)
        np.testing.assert_allclose(1 / made.scale.flatten(), array.std(axes), rtol=1e-5)
        out = made(x).numpy()
        np.testing.assert_allclose(out.mean(axes), 0, atol=1e-5)
        np.testing.assert_allclose(out.std(axes), 1, rtol=1e-4)

    def test_bytes_are_normalised_and_stay_as_they_are(self):
        x = torch.tensor([[0, 255], [255, 255]], dtype=torch.uint8)
        made = Normalize.fit(x)
        assert made(x).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
        floats = x.float()
        made(floats)
        assert torch.equal(floats, x.float())

    def test_the_training_split_alone_is_measured(self, tmp_path):
        x = np.concatenate([np.zeros((10, 1)), np.full((10, 1), 4.0)]).astype(np.float32)
        np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2, x_val=x + 100, y_val=np.arange(20) % 2)
        splits = read_splits(spec(target="arrays", args={"path": "a.npz", "standardize": True}), tmp_path)
        assert splits.train.batch(torch.arange(20)).args[0].mean().item() == pytest.approx(0)
        assert splits.val.batch(torch.arange(20)).args[0].mean().item() == pytest.approx(50)


class TestTinySubset:
    def test_so_many_of_each_class(self):
        split = TensorSplit(Batch((torch.randn(300, 2),), {}, torch.arange(300) % 3))
        subset = tiny_subset(split, Few(7, 32), 0)
        assert Counter(subset.targets().tolist()) == {0: 7, 1: 7, 2: 7}

    def test_no_more_than_there_are_and_never_more_than_500(self):
        few = TensorSplit(Batch((torch.randn(5, 1),), {}, torch.tensor([0, 0, 0, 0, 1])))
        assert Counter(tiny_subset(few, Few(3), 0).targets().tolist()) == {0: 3, 1: 1}
        many = TensorSplit(Batch((torch.randn(3000, 1),), {}, torch.arange(3000) % 100))
        assert Counter(tiny_subset(many, Few(50), 0).targets().tolist()) == dict.fromkeys(range(100), 5)
        huge = TensorSplit(Batch((torch.randn(3000, 1),), {}, torch.arange(3000) % 1000))
        assert len(tiny_subset(huge, Few(5), 0)) == 500
        without_classes = TensorSplit(Batch((torch.randn(3000, 1),), {}, torch.randn(3000, 1)))
        assert len(tiny_subset(without_classes, Few(samples=900), 0)) == 500

    def test_so_many_samples_where_there_are_no_classes(self):
        split = TensorSplit(Batch((torch.randn(300, 2),), {}, torch.randn(300, 2)))
        assert len(tiny_subset(split, Few(7, 32), 0)) == 32

    def test_the_seed_decides_and_a_drawing_dataset_is_frozen(self):
        drawing = in_memory(Samples(lambda i: (torch.rand(3), i % 2), n=40))
        first, again = (tiny_subset(drawing, Few(4), 0) for _ in range(2))
        other = tiny_subset(drawing, Few(4), 1)
        assert isinstance(first, TensorSplit)
        assert torch.equal(first.stored.args[0], again.stored.args[0])
        assert not torch.equal(first.stored.args[0], other.stored.args[0])
        assert Counter(first.targets().tolist()) == {0: 4, 1: 4}

    def test_blank_has_the_same_targets_and_inputs_of_zeros(self, tmp_path):
        whole = read_splits(spec(), tmp_path)
        plain = reduced(whole, spec(subset=Few(5)))
        blank = reduced(whole, spec(subset=Few(5), blank=True))
        everything = torch.arange(50)
        assert torch.equal(plain.train.targets(), blank.train.targets())
        assert blank.train.batch(everything).args[0].abs().max() == 0
        assert plain.train.batch(everything).args[0].abs().max() > 0


@given(st.integers(1, 300), st.integers(0, 3), st.integers(0, 3))
def test_the_order_of_an_epoch_is_a_permutation_of_its_own(size, seed, epoch):
    order = epoch_order(size, seed, epoch)
    assert sorted(order.tolist()) == list(range(size))
    assert torch.equal(order, epoch_order(size, seed, epoch))
    if size > 50:
        assert not torch.equal(order, epoch_order(size, seed, epoch + 1))
        assert not torch.equal(order, epoch_order(size, seed + 1, epoch))


def test_taking_twice_is_taking_the_taken():
    for split in (in_memory(Samples(deterministic)), in_memory(Samples(lambda i: ("w", i)))):
        part = split.take(torch.tensor([5, 3, 9])).take(torch.tensor([2, 0]))
        assert part.batch(torch.arange(2)).targets.tolist() == split.batch(torch.tensor([9, 5])).targets.tolist()


def test_a_subset_of_a_dataset_is_read_too():
    assert in_memory(Subset(TensorDataset(torch.arange(6.0)[:, None], torch.arange(6)), [4, 2])).targets().tolist() == [
        4,
        2,
    ]


def test_as_batch_takes_lists_as_tuples():
    batch = as_batch([torch.zeros(2, 3), torch.ones(2)])
    assert len(batch.args) == 1
    assert len(batch) == 2


def test_of_a_sample_that_cannot_be_read_its_file_is_told_and_a_text_is_not(tmp_path):
    (tmp_path / "here.png").write_text("")
    file = str(tmp_path / "here.png")

    def unreadable(_index):
        raise ValueError

    listed = Samples(unreadable)
    listed.samples = [
        (file, 0),
        file,
        tmp_path / "gone.png",
        (tmp_path / "gone.png", 1),
        "a private text",
        ("a private text", 1),
        "private " * 2000,
        "private\0",
        (file, "and", "more"),
    ]
    split, told = DatasetSplit(listed), []
    for index in range(len(listed.samples)):
        with pytest.raises(ValueError) as caught:
            split.batch(torch.tensor([index]))
        told += [note.removeprefix("reading ") for note in caught.value.__notes__]
    gone = str(tmp_path / "gone.png")
    assert told == [file, file, gone, gone, *(f"sample {index}" for index in range(4, 9))]
