"""The data report by hand-made data whose numbers are known."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from tests.conftest import config_of
from tunekit.configuration import DataSpec
from tunekit.measured import DataReport, FileSize, Sides
from tunekit.training.data import LoaderSplit
from tunekit.training.probes.report import measure_report
from tunekit.training.probes.values import kind_of, measure_input, measure_near_constant
from tunekit.training.sources import load_parts
from tunekit.training.sources.parts import Parts
from tunekit.training.sources.splits import splits_of
from tunekit.training.unreadable import Readable, without_unreadable

DATA = DataSpec(target="own:data", args={}, val_fraction=0.25, seed=0)


def reported(train, val=None, test=None, task="classification", **parts) -> DataReport:
    given = Parts(train, val, test, **parts)
    return measure_report(Readable(given, splits_of(given, DATA)), config_of(task=task))


def pair(values, targets) -> TensorDataset:
    return TensorDataset(torch.as_tensor(values), torch.as_tensor(targets))


class TestSplits:
    def test_classes_copies_and_what_splits_share_are_counted(self):
        train = pair([[0.0, 1], [0, 1], [0, 1], [2, 3], [4, 5]], [0, 0, 0, 1, 2])
        val = pair([[2.0, 3], [9, 9], [8, 8]], [1, 1, 0])
        test = pair([[9.0, 9], [0, 1], [2, 3], [7, 7]], [2, 0, 1, 1])
        told = reported(train, val, test)
        assert [(one.split, one.size, one.seen, one.repeated) for one in told.splits] == [
            ("train", 5, 5, 2),
            ("val", 3, 3, 0),
            ("test", 4, 4, 0),
        ]
        assert [one.classes for one in told.splits] == [{0: 3, 1: 1, 2: 1}, {0: 1, 1: 2}, {0: 1, 1: 2, 2: 1}]
        assert [(one.first, one.second, one.count, one.share, one.examples) for one in told.shared] == [
            ("train", "val", 1, 1 / 3, (0,)),
            ("train", "test", 2, 0.5, (1, 2)),
            ("val", "test", 2, 0.5, (0, 2)),
        ]

    @pytest.mark.parametrize("dtype", [torch.long, torch.float32, torch.bool, torch.uint8])
    @pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
    @pytest.mark.parametrize("task", ["classification", "binary"])
    def test_the_task_says_what_are_classes_and_the_type_does_not(self, dtype, shape, task):
        first, second = (torch.tensor(labels).to(dtype).reshape(shape) for labels in ([0] * 24 + [1] * 2, [1, 0]))
        told = reported(pair(torch.rand(26, 2), first), pair(torch.rand(2, 2), second), task=task)
        assert told.split("train").classes == {0: 24, 1: 2}
        assert told.samples.labels.train == {0: 24, 1: 2}
        assert told.samples.labels.val == {0: 1, 1: 1}
        assert (told.samples.labels.axes, told.targets) == (0, ())

    @pytest.mark.parametrize("odd", [0.5, float("nan"), float("inf")])
    def test_fractions_are_no_classes_and_a_regression_has_none(self, odd):
        labels = torch.tensor([0.0, 1.0, 1.0, odd])
        split = pair(torch.rand(4, 2), labels)
        assert reported(split, split, task="binary").samples.labels.train is None
        assert reported(split, split, task="binary").split("train").classes is None
        whole = pair(torch.rand(4, 2), labels[:3].repeat(2)[:4])
        assert reported(whole, whole, task="regression").samples.labels.train is None

    def test_samples_with_targets_that_are_not_finite_are_named(self):
        targets = torch.zeros(8, 2)
        targets[3, 1] = targets[5, 0] = targets[5, 1] = float("nan")
        split = reported(pair(torch.rand(8, 2), targets), pair(torch.rand(8, 2), targets), task="regression").samples
        assert (split.train.targets_not_finite, split.train.bad_targets) == (3, (3, 5))

    def test_targets_are_never_compared_by_what_a_class_is_called(self):
        told = reported(pair([[0.0], [1]], [0, 1]), pair([[2.0], [3]], [5, 6]))
        assert told.split("val").classes == {5: 1, 6: 1}
        assert told.class_name(5) == "5"

    def test_of_several_labels_a_sample_those_that_have_each_are_counted(self):
        labels = torch.tensor([[1.0, 0], [1, 1], [0, 0]])
        told = reported(pair(torch.rand(3, 2), labels), pair(torch.rand(3, 2), labels), task="multilabel")
        assert told.split("train").classes == {0: 2, 1: 1}

    def test_a_class_a_pixel_is_counted_by_pixels(self):
        masks = torch.zeros(4, 8, 8, dtype=torch.long)
        masks[:, :2] = 1
        masks[0, 7, 7] = 255  # nothing is known there
        told = reported(pair(torch.rand(4, 3, 8, 8), masks), pair(torch.rand(4, 3, 8, 8), masks))
        assert told.split("train").classes == {0: 191, 1: 64}
        assert told.target_axes == 2

    def test_a_stream_is_looked_at_as_far_as_a_sample_goes(self):
        class Stream(IterableDataset):
            def __iter__(self):
                yield from ((torch.full((2,), float(number)), torch.tensor(number % 2)) for number in range(3_000))

        told = reported(DataLoader(Stream(), batch_size=100), DataLoader(Stream(), batch_size=100))
        train = told.split("train")
        assert (train.size, train.seen, train.classes) == (3_000, 1_000, {0: 500, 1: 500})
        assert told.samples is None
        assert told.shared[0].count == 1_000  # validation is kept in memory, and looked at whole


class TestInputs:
    @pytest.mark.parametrize(
        ("shape", "dtype", "kind"),
        [
            ((7,), torch.float32, "table"),
            ((7,), torch.uint8, "table"),
            ((7,), torch.bool, "table"),
            ((), torch.float32, "table"),
            ((7,), torch.int64, "tokens"),
            ((3, 8, 8), torch.uint8, "images"),
            ((8, 8, 3), torch.float32, "images"),
            ((12, 64, 64), torch.float32, "images"),
            ((12, 8, 8), torch.float32, "other"),
            ((28, 28), torch.uint8, "images"),
            ((28, 28), torch.float32, "images"),
            ((100, 28), torch.float32, "series"),
            ((100, 3), torch.float32, "series"),
            ((3, 2, 8), torch.float32, "other"),
            ((3, 8, 8, 8), torch.float32, "other"),
            ((5, 5), torch.int64, "other"),
            ((5, 5), torch.bool, "other"),
            ((7,), torch.complex64, "other"),
        ],
    )
    def test_the_kind_is_told_by_shape_and_type(self, shape, dtype, kind):
        assert kind_of(torch.zeros(4, *shape).to(dtype)) == kind

    def test_numbers_a_channel_are_those_of_the_stored_values(self):
        images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        images[:, 1] = 100
        images[:2, 2] = 50  # half of them: mean 25, deviation 25
        told = reported(pair(images, [0, 1, 0, 1]), pair(images, [0, 1, 0, 1]), standardize=True)
        [one] = told.inputs
        assert (one.kind, one.dtype, one.shape, one.lowest, one.highest) == ("images", "uint8", (3, 8, 8), 0.0, 100.0)
        assert [(c.name, c.mean, c.std) for c in one.channels] == [
            ("red", 0.0, 0.0),
            ("green", 100.0, 0.0),
            ("blue", 25.0, 25.0),
        ]
        train = told.split("train")
        assert train.mean == pytest.approx(0, abs=1e-6)  # as the model gets them
        assert train.constant_features == 128

    def test_what_is_missing_is_counted_by_feature_and_left_out_of_its_numbers(self):
        x = torch.tensor([[1.0, np.nan], [3.0, 10.0], [5.0, np.inf]])
        told = measure_input("input 1", [x[:2], x[2:]], ["age", "height"])
        assert told.missing == 1
        assert [(c.name, c.missing, c.mean, c.lowest, c.highest) for c in told.channels] == [
            ("age", 0, 3.0, 1.0, 5.0),
            ("height", 1, 10.0, 10.0, 10.0),
        ]
        assert told.channels[0].std == pytest.approx((8 / 3) ** 0.5)

    def test_large_values_keep_their_small_deviation(self):
        x = torch.tensor([[1e6], [1e6 + 1], [1e6 + 2]], dtype=torch.float64)
        [channel] = measure_input("input 1", [x], None).channels
        assert channel.std == pytest.approx((2 / 3) ** 0.5)

    @pytest.mark.parametrize(("others", "found"), [(1, ["b"]), (2, [])])
    def test_a_feature_of_one_value_in_99_per_cent_is_near_constant(self, others, found):
        x = torch.rand(100, 2)
        x[:, 1] = 7
        x[:others, 1] = 0
        told = measure_near_constant([x[:40], x[40:]], ["a", "b"])
        assert [one.name for one in told] == found
        assert all((one.value, round(one.share, 3)) == (7, 0.99) for one in told)

    def test_sequences_have_lengths_without_their_padding(self):
        draw = torch.Generator().manual_seed(0)
        lengths = torch.tensor([4, 6, 8, 10] * 5)
        x = torch.randint(1, 30, (20, 10), generator=draw)
        x[torch.arange(10) >= lengths[:, None]] = 0
        told = measure_input("ids", [x], None).lengths
        assert (told.shortest, told.median, told.longest) == (4, 7.0, 10)
        assert told.padding == pytest.approx(0.3)
        assert told.vocabulary == len(set(x.flatten().tolist()) - {0})
        assert told.highest == int(x.max())

    def test_batches_of_differing_width_are_told_as_such(self):
        draw = torch.Generator().manual_seed(0)
        parts = [torch.randint(1, 30, (4, width), generator=draw) for width in (5, 9)]
        told = measure_input("ids", parts, None)
        assert told.shape == (0,)
        assert (told.lengths.shortest, told.lengths.longest) == (5, 9)
        told = measure_input("series", [torch.randn(4, width, 2, generator=draw) for width in (5, 9)], None)
        assert (told.lengths.shortest, told.lengths.median, told.lengths.longest) == (5, 7, 9)


class TestTargets:
    def test_far_values_of_a_regression_are_outliers(self):
        values = torch.arange(100.0)  # quartiles near 25 and 75: fences near -125 and 225
        values[3], values[5], values[7] = 200.0, 250.0, -500.0
        told = reported(pair(torch.rand(100, 2), values), pair(torch.rand(9, 2), torch.rand(9)), task="regression")
        [one] = told.targets
        assert (one.outliers, one.examples) == (2, (7, 5))
        assert (one.lowest, one.highest) == (-500.0, 250.0)
        assert one.mean == pytest.approx(float(values.mean()))
        assert told.split("train").classes is None

    def test_targets_of_one_value_have_no_outliers(self):
        values = torch.zeros(50)
        values[0] = 1.0
        told = reported(pair(torch.rand(50, 2), values), pair(torch.rand(9, 2), torch.rand(9)), task="regression")
        assert told.targets[0].outliers == 0


class Broken(Dataset):
    """Samples some of which raise; they know their files, classes and groups as torchvision's data sets do."""

    classes = ("cat", "dog")

    def __init__(self, size: int, bad: tuple[int, ...]) -> None:
        self.size, self.bad = size, bad
        self.groups = list(range(size))

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int):
        if index in self.bad:
            raise OSError(f"record {index} is damaged")
        return torch.tensor([float(index), 1.0]), index % 2


class TestUnreadable:
    def test_samples_that_raise_are_named_and_left_out(self):
        rest = without_unreadable(Parts(Broken(40, (3, 8)), Broken(9, (0,))), DATA, 100)
        assert [(one.split, one.name) for one in rest.unreadable] == [
            ("train", "sample 3"),
            ("train", "sample 8"),
            ("val", "sample 0"),
        ]
        assert "record 3 is damaged" in rest.unreadable[0].why
        told = measure_report(rest, config_of())
        assert [one.size for one in told.splits] == [38, 8]
        assert told.split("train").classes == {0: 19, 1: 19}
        assert told.class_names == ("cat", "dog")
        assert told.unreadable == rest.unreadable

    def test_groups_go_with_their_samples(self):
        data = DataSpec(target="own:data", args={}, val_fraction=0.25, split="group", seed=0)
        rest = without_unreadable(Parts(Broken(40, (3, 8))), data, 100)
        assert rest.splits.groups.groups == 38
        assert rest.splits.groups.shared == 0

    def test_a_loader_keeps_how_it_collates(self):
        def collate(samples):
            return torch.stack([x for x, _ in samples]) * 2, torch.tensor([y for _, y in samples])

        rest = without_unreadable(Parts(DataLoader(Broken(40, (3,)), 8, collate_fn=collate)), DATA, 100)
        assert not isinstance(rest.splits.train, LoaderSplit)
        assert float(rest.splits.train.batch(torch.arange(1)).args[0][0, 1]) == 2.0

    def test_where_all_can_be_read_there_is_nothing_to_leave_out(self):
        assert without_unreadable(Parts(Broken(40, ())), DATA, 100) is None


def test_image_files_are_told_as_they_lie_on_the_disk(tmp_path):
    from PIL import Image

    from tunekit.training.sources.images import image_folder

    for kind, mode, size in (("cat", "RGB", (40, 30)), ("dog", "L", (20, 20))):
        (tmp_path / kind).mkdir()
        for number in range(6):
            Image.new(mode, size, number).save(tmp_path / kind / f"{number}.png")
    parts = image_folder(tmp_path, size=16)
    told = measure_report(Readable(parts, splits_of(parts, DATA)), config_of())
    assert (told.files.size, told.files.seen, told.files.different) == (12, 12, 2)
    assert set(told.files.sizes) == {FileSize(40, 30, "RGB", 6), FileSize(20, 20, "L", 6)}
    assert (told.files.width, told.files.height) == (Sides(20, 30, 40), Sides(20, 25, 30))
    assert told.files.modes == {"RGB": 6, "L": 6}
    assert told.class_names == ("cat", "dog")
    assert told.inputs[0].shape == (3, 16, 16)


def test_image_files_of_all_sizes_are_told_by_range_and_median(tunekit, tmp_path):
    """Upright and across, of shorter sides 91, 93, ..., 149, and one size twice, which says nothing of the others."""
    from PIL import Image

    shorter = [*range(91, 151, 2), 149, 149]
    for number, side in enumerate(shorter):
        size = (side, 200) if number % 2 else (200, side)
        for split in ("train", "val") if number < 2 else ("train",):
            folder = tmp_path / "pets" / split / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("L" if number % 4 == 1 else "RGB", size, number).save(folder / f"{number}.png")
    (tmp_path / "pets.yaml").write_text(
        "name: pets\ndata: {target: image-folder, args: {path: pets, size: 32}}\nmodel: {target: cnn}\n"
    )
    done = tunekit("inspect", "pets.yaml")
    assert "the files' shorter side is 91 to 149 (median 122) pixels, and they are read at 32" in done.out, done.err
    assert "32 image files before they are resized: widths 93 to 200 (median" in done.out
    assert " of 200 x" not in done.out


def test_a_table_is_told_as_it_was_before_its_gaps_were_filled(tmp_path):
    """Heights 10, 20, 30 and 60 with a gap, which the median (25) fills; texts with a gap."""
    from tunekit.training.sources.table import table

    rows = [("10", "a"), ("20", "b"), ("", "a"), ("30", ""), ("60", "b")] * 4
    text = "height,kind,y\n" + "\n".join(f"{height},{kind},{n % 2}" for n, (height, kind) in enumerate(rows))
    for name in ("train", "val"):
        (tmp_path / f"{name}.csv").write_text(text)
    parts = table(tmp_path / "train.csv", "y", val_path=tmp_path / "val.csv")
    told = measure_report(Readable(parts, splits_of(parts, DATA)), config_of())
    [one] = told.inputs
    height = next(channel for channel in one.channels if channel.name == "height")
    assert (height.count, height.missing) == (16, 4)
    assert height.mean == pytest.approx(30, rel=1e-5)
    assert height.std == pytest.approx(350**0.5, rel=1e-5)
    assert (height.lowest, height.highest) == (pytest.approx(10, rel=1e-5), pytest.approx(60, rel=1e-5))
    assert one.missing == 8


@pytest.mark.parametrize("empty", [0, 1, 30])
@pytest.mark.parametrize("left", [False, True])
def test_an_empty_sequence_is_padding_alone(empty, left):
    generator = torch.Generator().manual_seed(0)
    wanted = torch.randint(3, 11, (200,), generator=generator)
    wanted[:empty] = 0
    tokens = torch.randint(1, 30, (200, 10), generator=generator)
    tokens[torch.arange(10) >= wanted[:, None]] = 0
    lengths = measure_input("text", [tokens.flip(1) if left else tokens], None).lengths
    assert (lengths.shortest, lengths.longest, lengths.vocabulary) == (0 if empty else 3, 10, 29)
    assert lengths.padding == pytest.approx(1 - float(wanted.sum()) / 2000)


def test_a_column_without_any_number_is_missing_and_not_constant():
    values = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * 100 + 500
    values[:, 0] = torch.nan
    values[:, 1] = 7.0
    values[5, 2] = torch.nan
    told = reported(pair(values, torch.arange(60) % 2))
    train = told.split("train")
    assert (train.features, train.constant_features) == (3, 1)
    assert [(one.count, one.missing) for one in told.inputs[0].channels] == [(0, 44), (44, 0), (43, 1)]
    known = told.inputs[0].channels[2]
    assert train.mean == pytest.approx((7 + known.mean) / 2)
    assert train.std == pytest.approx((known.std**2 / 2 + ((known.mean - 7) / 2) ** 2) ** 0.5)


def test_a_near_constant_column_of_a_table_is_told_in_its_own_units(tmp_path):
    rows = "\n".join(f"{20 if i % 400 else 1000 + i},{i % 7},{i % 2}" for i in range(4000))
    (tmp_path / "t.csv").write_text(f"wage,b,y\n{rows}\n")
    data = DataSpec(target="table", args={"path": "t.csv", "target": "y"})
    parts = load_parts(data, tmp_path)
    told = measure_report(Readable(parts, splits_of(parts, data)), config_of(task="classification"))
    assert [(one.name, one.value) for one in told.near_constant] == [("wage", pytest.approx(20, rel=1e-4))]
