import io
import os
import re
import struct
import urllib.error
import zlib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tunekit.configuration import DataSpec
from tunekit.telling import raised
from tunekit.training.order import BatchPlan
from tunekit.training.sources import data_digests, load_parts, read_splits
from tunekit.training.sources.parts import names_of_classes
from tunekit.vocabulary import UserError


def spec(**changes):
    return DataSpec(**{"target": "digits", **changes})


def test_digits_are_1797_images_of_8_by_8_with_values_to_16(tmp_path):
    splits = read_splits(spec(), tmp_path)
    assert len(splits.train) + len(splits.val) == 1797
    assert splits.train.stored.args[0].shape[1:] == (1, 8, 8)
    assert splits.train.stored.args[0].dtype == torch.uint8
    assert int(splits.train.stored.args[0].max()) == 16
    # The class counts that scikit-learn documents.
    counts = Counter([*splits.train.targets().tolist(), *splits.val.targets().tolist()])
    assert [counts[k] for k in range(10)] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    batch = splits.train.batch(torch.arange(len(splits.train))).args[0]
    assert batch.mean().item() == pytest.approx(0, abs=1e-4)
    assert batch.std().item() == pytest.approx(1, abs=1e-3)


def test_real_mnist_has_60000_and_10000(shared, tmp_path):
    if not (shared / "data" / "MNIST").is_dir():
        pytest.skip(f"needs MNIST at {shared / 'data'}")
    splits = read_splits(spec(target="torchvision:MNIST", args={"root": str(shared / "data")}), tmp_path)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (48_000, 12_000, 10_000)
    assert splits.train.stored.args[0].shape[1:] == (1, 28, 28)
    assert splits.train.stored.args[0].dtype == torch.uint8
    # 1 / 255 of 33.3 and 78.6: MNIST's published mean and standard deviation.
    assert splits.train.normalize.mean.item() / 255 == pytest.approx(0.1307, abs=1e-3)
    assert 1 / splits.train.normalize.scale.item() / 255 == pytest.approx(0.3081, abs=1e-3)


@pytest.mark.parametrize(
    ("target", "counts", "inputs", "means"),
    [
        ("breast-cancer", {0: 212, 1: 357}, 30, {"mean radius": 14.127, "worst area": 880.583}),
        ("wine", {0: 59, 1: 71, 2: 48}, 13, {"alcohol": 13.0, "proline": 746.9}),
        ("diabetes", None, 10, {"age": 48.518, "bmi": 26.376}),
    ],
)
def test_tables_of_scikit_learn_are_those_that_it_documents(tmp_path, target, counts, inputs, means):
    parts = load_parts(spec(target=target), tmp_path)
    for name, mean in means.items():
        assert parts.rows.values[name].mean() == pytest.approx(mean, abs=1e-3 * mean)
    splits = read_splits(spec(target=target), tmp_path)
    assert splits.train.stored.args[0].shape == (len(splits.train), inputs)
    assert splits.train.stored.args[0].mean(0).abs().max() < 1e-5
    targets = torch.cat([splits.train.targets(), splits.val.targets()])
    if counts is None:
        assert len(targets) == 442
        assert splits.train.targets().std().item() == pytest.approx(1, abs=0.01)
        assert splits.units.mean.item() == pytest.approx(152.1, abs=5)
    else:
        assert Counter(targets.tolist()) == counts
        assert len(splits.classes) == len(counts)


class TestText:
    def test_the_target_of_a_character_is_the_next(self, tmp_path):
        (tmp_path / "t.txt").write_text("abracadabra!")
        splits = read_splits(spec(target="text", args={"path": "t.txt", "length": 3}, split="time"), tmp_path)
        assert splits.classes == tuple("!abcdr")
        words = ["".join(splits.classes[i] for i in row) for row in splits.train.stored.args[0].tolist()]
        after = ["".join(splits.classes[i] for i in row) for row in splits.train.targets().tolist()]
        assert (words, after) == (["abr", "aca"], ["bra", "cad"])
        assert ["".join(splits.classes[i] for i in row) for row in splits.val.targets().tolist()] == ["abr"]
        assert splits.files == {"train": ["characters from 1", "characters from 4"], "val": ["characters from 7"]}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
    @pytest.mark.parametrize("source", ["text", "table"])
    def test_it_is_read_in_any_encoding_that_says_itself(self, tmp_path, encoding, source):
        words = "size,y\n" + "\n".join(f"grün {i % 3},{i}" for i in range(12))
        (tmp_path / "t.csv").write_text(words, encoding)
        args = {"text": {"length": 4}, "table": {"target": "y"}}[source]
        splits = read_splits(spec(target=source, args={"path": "t.csv", **args}), tmp_path)
        names = splits.classes if source == "text" else splits.columns.names
        assert "grün 1" in str(names) if source == "table" else names == tuple(sorted(set(words)))
        assert any("is not UTF-8 (line 2)" in note for note in splits.notes) is (encoding == "latin-1")

    @pytest.mark.parametrize("source", ["text", "table"])
    def test_utf_16_without_its_mark_is_told(self, tmp_path, source):
        (tmp_path / "t.csv").write_text("a,y\n1,2\n" * 9, "utf-16-le")
        args = {"text": {}, "table": {"target": "y"}}[source]
        with pytest.raises(UserError, match=r"it is no text, or in UTF-16 without its mark; save it as UTF-8$"):
            read_splits(spec(target=source, args={"path": "t.csv", **args}), tmp_path)

    @pytest.mark.parametrize("length", range(1, 5))
    @pytest.mark.parametrize("split", ["random", "time"])
    def test_each_sample_of_any_length_is_told_by_its_place(self, tmp_path, length, split):
        (tmp_path / "t.txt").write_text("abcdefghi")
        splits = read_splits(spec(target="text", args={"path": "t.txt", "length": length}, split=split), tmp_path)
        for name, part in (("train", splits.train), ("val", splits.val)):
            first = part.stored.args[0][:, 0] + 1
            assert splits.files[name] == [f"characters from {place}" for place in first.tolist()]
        assert len(splits.train) + len(splits.val) == 8 // length

    def test_every_python_has_a_text(self, tmp_path):
        splits = read_splits(spec(target="text", args={"characters": 64_001}), tmp_path)
        assert len(splits.train) + len(splits.val) == 1000
        assert splits.train.stored.args[0].dtype == torch.int64
        assert 50 < len(splits.classes) < 300

    @pytest.mark.parametrize(
        ("content", "args", "told"),
        [
            (b"short", {}, "the text has 5 characters: too few for samples of 64"),
            (b"\0\1", {}, "it is no text"),
            (None, {}, "cannot be read: No such file"),
            (b"long enough", {"length": 0}, r"data\.args\.length: 1 to 65,536"),
            (b"long enough", {"characters": 0}, r"data\.args\.characters: at least 1"),
        ],
    )
    def test_what_is_none_is_told(self, tmp_path, content, args, told):
        if content is not None:
            (tmp_path / "t.txt").write_bytes(content)
        with pytest.raises(UserError, match=told):
            read_splits(spec(target="text", args={"path": "t.txt", **args}), tmp_path)


class TestCurve:
    def test_the_noise_is_what_a_quadratic_leaves_and_a_line_leaves_more(self, tmp_path):
        args = {"n": 20_000, "noise": 0.3, "seed": 1}
        x, y = (part.numpy() for part in self.samples(tmp_path, **args))
        residuals = [np.polyfit(x[:, 0], y, degree, full=True)[1][0] / len(y) for degree in (1, 2)]
        assert np.polyfit(x[:, 0], y, 2)[::-1] == pytest.approx([-1, 0.8, 3], abs=0.03)
        assert residuals == pytest.approx([0.8 + 0.09, 0.09], rel=0.03)

    def test_few_samples_cover_the_whole_range(self, tmp_path):
        x = self.samples(tmp_path, n=4)[0][:, 0]
        assert sorted(x.tolist()) == pytest.approx([-0.75, -0.25, 0.25, 0.75])

    def test_the_seed_decides(self, tmp_path):
        same, again, other = (self.samples(tmp_path, seed=seed)[1] for seed in (0, 0, 1))
        assert torch.equal(same, again)
        assert not torch.equal(same, other)

    @pytest.mark.parametrize("args", [{"n": 1}, {"n": 2.5}, {"noise": -1}, {"n_val": 10**9}])
    def test_what_is_no_curve_is_told(self, tmp_path, args):
        with pytest.raises(UserError, match=r"data\.args"):
            self.samples(tmp_path, **args)

    def samples(self, folder, **args):
        stored = read_splits(spec(target="curve", args=args), folder).train.stored
        return stored.args[0], stored.targets


def test_names_of_classes_come_with_arrays(tmp_path):
    arrays = {"x": np.zeros((4, 2)), "y": np.array([0, 1, 0, 1])}
    np.savez(tmp_path / "a.npz", **arrays, class_names=np.array(["u", "v"]))
    assert read_splits(spec(target="arrays", args={"path": "a.npz"}), tmp_path).classes == ("u", "v")
    np.savez(tmp_path / "a.npz", **arrays, class_names=np.array(["u"]))
    with pytest.raises(UserError, match=r"1 class_names, and y has a class 1"):
        read_splits(spec(target="arrays", args={"path": "a.npz"}), tmp_path)


class TestArrays:
    def test_its_own_validation_and_test_are_used(self, tmp_path):
        x, y = np.random.rand(12, 3), np.arange(12)
        np.savez(tmp_path / "a.npz", x=x, y=y, x_val=x[:4], y_val=y[:4], x_test=x[:2], y_test=y[:2])
        splits = read_splits(spec(target="arrays", args={"path": "a.npz"}), tmp_path)
        assert (len(splits.train), len(splits.val), len(splits.test)) == (12, 4, 2)
        assert splits.train.stored.args[0].dtype == torch.float32
        assert splits.train.targets().dtype == torch.long

    def test_groups_of_the_file_are_kept_apart(self, tmp_path):
        groups = np.arange(30) // 3
        np.savez(tmp_path / "a.npz", x=np.arange(30.0)[:, None], y=np.arange(30) % 2, groups=groups)
        splits = read_splits(spec(target="arrays", args={"path": "a.npz"}, split="group"), tmp_path)
        train, val = ({groups[int(v)] for v in part.stored.args[0][:, 0]} for part in (splits.train, splits.val))
        assert not train & val
        assert len(train | val) == 10

    def test_times_of_the_file_decide(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.arange(10.0)[:, None], y=np.zeros(10), times=np.arange(10)[::-1])
        splits = read_splits(spec(target="arrays", args={"path": "a.npz"}, split="time"), tmp_path)
        assert sorted(splits.val.stored.args[0][:, 0].tolist()) == [0.0, 1.0]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": np.zeros((3, 1)), "y": np.zeros(2)}, "3 inputs and 2 targets"),
            ({"x": np.zeros((0, 1)), "y": np.zeros(0)}, "the dataset is empty"),
            ({"inputs": np.zeros(3)}, "has no x and no y; it has inputs"),
            ({"x": np.zeros((1, 1)), "y": np.zeros(1)}, "1 sample cannot be split"),
            (
                {"x": np.zeros((3, 1)), "y": np.zeros(3), "x_val": np.zeros((3, 1))},
                r"a\.npz has no y_val; it has",
            ),
            (
                {"x": np.zeros((3, 2)), "y": np.zeros(3), "x_val": np.zeros((3, 7)), "y_val": np.zeros(3)},
                r"a\.npz: inputs of one sample differ in shape: \(2,\), \(7,\)",
            ),
            ({"x": np.array("abc"), "y": np.zeros(3)}, r"a\.npz: the inputs must be numbers"),
        ],
    )
    def test_what_does_not_fit_is_told(self, tmp_path, arrays, message):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(UserError, match=message):
            read_splits(spec(target="arrays", args={"path": "a.npz"}), tmp_path)

    @pytest.mark.parametrize("content", [None, b"", b"no zip", b"PK\x03\x04broken"])
    def test_a_file_that_is_none_is_told(self, tmp_path, content):
        if content is not None:
            (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.npz cannot be read as \.npz"):
            read_splits(spec(target="arrays", args={"path": "a.npz"}), tmp_path)


class TestDoublePrecision:
    """Milliseconds since 1970 are 1.7e12, where neighbours among float32 are 131,072 apart."""

    MS = 1_700_000_000_000 + np.arange(50)

    def saved(self, folder, x, y, **more):
        np.savez(folder / "a.npz", x=x, y=y, **more)

    def splits(self, folder, **args):
        return read_splits(spec(target="arrays", args={"path": "a.npz", **args}), folder)

    @pytest.mark.parametrize("dtype", [np.float64, np.int64])
    def test_what_is_standardised_is_so_before_it_becomes_float32(self, tmp_path, dtype):
        x = np.stack([self.MS, self.MS % 7], 1).astype(dtype)
        self.saved(tmp_path, x, self.MS.astype(dtype), x_val=x[:1], y_val=x[:1, 0], x_test=x[40:], y_test=x[40:, 0])
        splits = self.splits(tmp_path, standardize=True, standardize_target=True)
        mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
        for part, rows in ((splits.train, x), (splits.val, x[:1]), (splits.test, x[40:])):
            batch = part.batch(torch.arange(len(part)))
            assert batch.args[0].dtype == batch.targets.dtype == torch.float32
            assert batch.args[0].numpy() == pytest.approx((rows - mean) / std, abs=1e-6)
            assert batch.targets.numpy() == pytest.approx((rows[:, 0] - mean[0]) / std[0], abs=1e-6)
        assert len(splits.notes) == 1

    def test_what_is_not_standardised_is_told(self, tmp_path):
        self.saved(tmp_path, np.stack([np.ones(50), self.MS.astype(float)], 1), self.MS)
        notes = self.splits(tmp_path).notes
        told = "loses differences (mean 1.7e+12, standard deviation 14.43): data.args."
        assert notes == (
            f"in float32 input feature 1 {told}standardize: true keeps them",
            f"in float32 the target {told}standardize_target: true keeps them",
        )

    @pytest.mark.parametrize("x", [np.random.rand(50, 2), np.full((50, 1), 1.7e12), np.random.rand(50, 1, 4, 4) * 255])
    @pytest.mark.parametrize("standardize", [True, False])
    def test_what_float32_holds_is_kept_in_it(self, tmp_path, x, standardize):
        self.saved(tmp_path, x, np.arange(50) % 2)
        splits = self.splits(tmp_path, standardize=standardize)
        assert splits.train.stored.args[0].dtype == torch.float32
        assert not splits.notes

    def test_numbers_of_tokens_lose_nothing(self, tmp_path):
        tokens = np.full((50, 3), 128_001, np.int64)
        tokens[::2, 1] += 3
        self.saved(tmp_path, tokens, np.arange(50) % 2)
        assert not self.splits(tmp_path).notes

    def test_of_a_table_it_is_told_too(self, tmp_path):
        rows = "\n".join(f"{ms},{ms % 7},{ms}" for ms in self.MS)
        (tmp_path / "t.csv").write_text(f"when,b,y\n{rows}\n")
        args = {"path": "t.csv", "target": "y", "features": ["when", "b"]}
        notes = read_splits(spec(target="table", args={**args, "standardize": False}), tmp_path).notes
        assert [note.partition(" loses")[0] for note in notes] == ["in float32 the target", "in float32 'when'"]
        splits = read_splits(spec(target="table", args={**args, "standardize_target": True}), tmp_path)
        assert splits.train.targets().numpy() == pytest.approx(splits.train.stored.args[0][:, 0].numpy(), abs=1e-6)

    def test_a_value_that_is_missing_takes_no_other_with_it(self, tmp_path):
        x = np.arange(100.0).reshape(50, 2)
        x[7, 1] = np.nan
        self.saved(tmp_path, x, np.arange(50) % 2, x_val=x[:2], y_val=np.arange(2))
        train = self.splits(tmp_path, standardize=True).train
        values = train.batch(torch.arange(50)).args[0].numpy()
        assert np.argwhere(np.isnan(values)).tolist() == [[7, 1]]
        assert (np.nanmean(values, 0), np.nanstd(values, 0)) == (
            pytest.approx([0, 0], abs=1e-6),
            pytest.approx([1, 1], abs=1e-6),
        )


class TestImageFolder:
    def test_images_by_class_in_the_asked_size(self, tmp_path):
        from PIL import Image

        for name, value in (("cats", 0), ("dogs", 255)):
            (tmp_path / "pets" / name).mkdir(parents=True)
            for i in range(5):
                Image.new("RGB", (20, 30), (value,) * 3).save(tmp_path / "pets" / name / f"{i}.png")
        splits = read_splits(spec(target="image-folder", args={"path": "pets", "size": 16}), tmp_path)
        assert (len(splits.train), len(splits.val)) == (8, 2)
        assert splits.train.stored.args[0].shape == (8, 3, 16, 16)
        bright = splits.train.stored.args[0].float().mean((1, 2, 3)) > 100
        assert torch.equal(bright.long(), splits.train.targets())

    def test_a_folder_that_is_none_or_has_no_images_is_told(self, tmp_path):
        with pytest.raises(UserError, match="no such folder"):
            read_splits(spec(target="image-folder", args={"path": "pets"}), tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match=r"data\.args\.path"):
            read_splits(spec(target="image-folder", args={"path": "empty"}), tmp_path)


def _truncated(path):
    whole = io.BytesIO()
    Image.effect_noise((40, 40), 100).save(whole, "png")
    path.write_bytes(whole.getvalue()[:400])


def _chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _bomb(path):
    """A header of 60,000 by 60,000 pixels, and next to nothing behind it."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", bytes(10)))


class TestDamagedImages:
    @pytest.fixture
    def pets(self, tmp_path):
        for name in ("cats", "dogs"):
            (tmp_path / "pets" / name).mkdir(parents=True)
            for i in range(20):
                Image.new("RGB", (8, 8), (i,) * 3).save(tmp_path / "pets" / name / f"{i}.png")
        return tmp_path / "pets"

    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (_truncated, "truncated"),
            (Path.touch, "it is empty"),
            (lambda path: path.write_text("no image"), "its 8 bytes are no image of a known format"),
            (_bomb, "decompression bomb"),
            (lambda path: os.mkfifo(path), "is no regular file"),
            (lambda path: path.symlink_to(path.with_name("gone.png")), "No such file"),
        ],
    )
    def test_the_file_is_named(self, pets, damage, told):
        path = pets / "cats" / "17.png"
        path.unlink()
        damage(path)
        with pytest.raises(UserError) as caught:
            read_splits(spec(target="image-folder", args={"path": "pets", "size": 8}), pets.parent)
        assert str(caught.value).startswith(f"data: {path}: cannot be read as an image: ")
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "free space" not in str(caught.value)

    def test_a_folder_that_is_called_like_an_image_is_none(self, pets):
        (pets / "cats" / "x.png").mkdir()
        splits = read_splits(spec(target="image-folder", args={"path": "pets", "size": 8}), pets.parent)
        assert len(splits.train) + len(splits.val) == 40

    @pytest.mark.parametrize("size", [0, -1, 10**9])
    def test_a_size_that_no_image_has_is_refused(self, pets, size):
        with pytest.raises(UserError, match=r"data\.args\.size: 1 to 8,192 pixels a side, not"):
            read_splits(spec(target="image-folder", args={"path": "pets", "size": size}), pets.parent)


class TestDamagedArrays:
    def refused(self, folder, told):
        with pytest.raises(UserError) as caught:
            read_splits(spec(target="arrays", args={"path": "a.npz"}), folder)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_member_that_is_damaged_is_named_with_its_file(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=np.zeros((50, 3)), y=np.arange(50))
        data = bytearray(path.read_bytes())
        data[data.rindex(np.arange(50).tobytes()) + 9] ^= 0xFF
        path.write_bytes(bytes(data))
        self.refused(tmp_path, f"{path} cannot be read as .npz: its array 'y': Bad CRC-32")

    def test_members_that_are_no_arrays_of_numbers_are_told(self, tmp_path):
        np.savez(tmp_path / "a.npz", x=np.zeros((4, 3)), y=np.array(["a", "b", "a", "b"]))
        self.refused(
            tmp_path, "a.npz: the targets must be numbers, one row a sample, not <U1(4,); class_names, y = np."
        )
        np.savez(tmp_path / "a.npz", x=np.zeros((4, 3)), y=np.ones(4) * 1j)
        self.refused(tmp_path, "a.npz: the targets must be numbers, one row a sample, not complex128(4,)")
        np.savez(tmp_path / "a.npz", x=np.zeros((4, 3)), y=np.full(4, 2**63 + 5, np.uint64))
        self.refused(tmp_path, f"a.npz: the targets reach {2**63 + 5}, beyond int64")
        np.savez(tmp_path / "a.npz", x=np.float64(3), y=np.zeros(1))
        self.refused(tmp_path, "a.npz: the inputs must be numbers")
        np.savez(tmp_path / "a.npz", x=np.array([None, {}]), y=np.zeros(2))
        self.refused(tmp_path, "its array 'x': it holds Python objects; store numbers, such as x.astype(np.float32)")

    def test_another_file_than_an_npz_has_the_line_that_makes_one(self, tmp_path):
        (tmp_path / "a.npz").write_text("a,b\n1,2\n")
        self.refused(tmp_path, "File is not a zip file; np.savez('a.npz', x=x, y=y) makes one")
        np.save(tmp_path / "b.npy", np.zeros((4, 3)))
        with pytest.raises(UserError, match=r"b\.npy is one array: np\.savez\('data\.npz', x=x, y=y\) makes"):
            read_splits(spec(target="arrays", args={"path": "b.npy"}), tmp_path)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4", ">f8", "g", "u1", "u2", "u4", "u8", "i2", ">i8", "?"])
def test_arrays_of_every_type_hold_the_same_numbers(tmp_path, kind):
    x, y = np.arange(40).reshape(20, 2) % 2, np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x=x.astype(kind), y=y.astype(kind))
    read = read_splits(spec(target="arrays", args={"path": "a.npz"}, split="random"), tmp_path)
    inputs = torch.cat([read.train.stored.args[0], read.val.stored.args[0]])
    assert sorted(map(tuple, inputs.tolist())) == sorted(map(tuple, x.tolist()))
    assert sorted([*read.train.targets().tolist(), *read.val.targets().tolist()]) == sorted(y.tolist())
    whole = np.dtype(kind).kind != "f"
    assert inputs.is_floating_point() is not whole
    assert read.train.targets().dtype == (torch.long if whole else torch.float32)
    assert inputs.dtype not in (torch.float16, torch.float64, torch.uint16, torch.uint32, torch.uint64)


OWN = """
import torch

class Own(torch.utils.data.Dataset):
    def __init__(self, draws):
        self.draws = draws
    def __len__(self):
        return 100
    def __getitem__(self, i):
        if i == 37:
            raise ValueError("no such thing")
        return torch.rand(3) if self.draws else torch.zeros(3), i % 2

def make(draws):
    return Own(draws), torch.utils.data.TensorDataset(torch.zeros(4, 3), torch.zeros(4).long())
"""


class TestOwnSamples:
    def test_what_a_sample_raises_is_told_with_its_index_and_line(self, tmp_path):
        (tmp_path / "own_src3.py").write_text(OWN)
        with pytest.raises(UserError) as caught:
            read_splits(spec(target="own_src3:make", args={"draws": False}), tmp_path)
        assert str(caught.value) == "data: ValueError: no such thing (own_src3.py, line 11), while reading sample 37"

    @pytest.mark.parametrize("readers", [0, 1])
    def test_also_where_samples_are_read_batch_by_batch(self, tmp_path, readers):
        (tmp_path / "own_src4.py").write_text(OWN)
        train = read_splits(spec(target="own_src4:make", args={"draws": True}), tmp_path).train
        with pytest.raises(ValueError, match="no such thing") as caught:
            list(BatchPlan(train, 0, 10, 10).stream(0, 10, readers, pin=False))
        assert raised(caught.value) == "ValueError: no such thing (own_src4.py, line 11), while reading sample 37"

    @pytest.mark.parametrize("readers", [0, 1])
    def test_a_readers_own_words_stay_one_line(self, tmp_path, readers):
        own = OWN.replace("ValueError(", "UserError(").replace("import torch\n", f"import torch\n{IMPORT}\n", 1)
        (tmp_path / "own_src5.py").write_text(own)
        train = read_splits(spec(target="own_src5:make", args={"draws": True}), tmp_path).train
        with pytest.raises(UserError) as caught:
            list(BatchPlan(train, 0, 10, 10).stream(0, 10, readers, pin=False))
        assert str(caught.value) == "no such thing"

    def test_of_a_loader_the_batch_is_told(self, tmp_path):
        (tmp_path / "own_src6.py").write_text(
            f"{OWN}\ndef loads():\n    return torch.utils.data.DataLoader(\n"
            "        Own(True), sampler=torch.utils.data.SubsetRandomSampler([1, 2, 3, 37]), batch_size=1)\n"
        )
        with pytest.raises(ValueError, match="no such thing") as caught:
            read_splits(spec(target="own_src6:loads"), tmp_path)
        assert re.search(r"while reading batch \d of the loader$", raised(caught.value))


@pytest.mark.parametrize(
    ("error", "download", "told"),
    [
        (RuntimeError("Dataset not found."), False, "not found; check data.args.root, or set data.args.download: true"),
        (RuntimeError("File is corrupted."), True, "File is corrupted; check data.args.root"),
        (RuntimeError("Error downloading a:\nTried b, <urlopen error no name>"), True, "a; look at the network"),
        (urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")), True, "look at the network"),
        (PermissionError(13, "Permission denied", "/data"), True, "/data: Permission denied; mend access"),
    ],
)
def test_a_torchvision_set_has_the_advice_of_its_cause(tmp_path, monkeypatch, error, download, told):
    def broken(*_args, **_options):
        raise error

    monkeypatch.setattr("torchvision.datasets.Broken", broken, raising=False)
    with pytest.raises(UserError) as caught:
        read_splits(spec(target="torchvision:Broken", args={"root": "x", "download": download}), tmp_path)
    assert told in str(caught.value)
    assert ("network" in told) is ("network" in str(caught.value))
    assert "\n" not in str(caught.value)


IMPORT = "from tunekit.vocabulary import UserError"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "digitz"}, "data.target: no source 'digitz' (did you mean 'digits'?); one of digits"),
        ({"args": {"scale": 2}}, "data.args: digits: got an unexpected keyword argument 'scale'"),
        ({"target": "arrays"}, "data.args: arrays: missing 1 required positional argument: 'path'"),
        (
            {"target": "torchvision:MNIS", "args": {"root": "."}},
            "data.target: torchvision has no dataset 'MNIS' (did you",
        ),
        (
            {"target": "torchvision:MNIST", "args": {"rot": "."}},
            "data.args: torchvision:MNIST has no argument 'rot' (did",
        ),
        ({"target": "torchvision:Nope", "args": {"root": "."}}, "data.target: torchvision has no dataset 'Nope'"),
        ({"target": "torchvision:MNIST", "args": {"root": "x"}}, "data: torchvision:MNIST at "),
        ({"target": "own_src:nothing"}, "data.target: own_src:nothing must return"),
        ({"target": "own_src:raises"}, "data.target: own_src:raises raised ZeroDivisionError"),
        ({"target": "own_src:empty"}, "data: the dataset is empty"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, change, message):
    (tmp_path / "own_src.py").write_text(
        "def nothing(): return None\ndef raises(): 1 / 0\ndef empty(): return Empty(), Empty()\n"
        "class Empty:\n    def __len__(self): return 0\n    def __getitem__(self, i): raise IndexError\n"
    )
    with pytest.raises(UserError) as caught:
        read_splits(spec(**change), tmp_path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_persons_source_gets_its_arguments_and_keeps_its_splits(tmp_path):
    (tmp_path / "own_src2.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def make(n):\n"
        "    sets = [TensorDataset(torch.full((k, 2), float(k)), torch.zeros(k)) for k in (n, 3, 2)]\n"
        "    return tuple(sets)\n"
    )
    splits = read_splits(spec(target="own_src2:make", args={"n": 7}), tmp_path)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (7, 3, 2)


def test_the_names_of_classes_of_a_persons_dataset_are_kept(tmp_path):
    (tmp_path / "own_src7.py").write_text(
        "import torch\nfrom torch.utils.data import DataLoader, Subset, TensorDataset\n"
        "class Named(TensorDataset):\n    classes = ['ant', 'bee']\n"
        "def make():\n    whole = Named(torch.zeros(9, 2), torch.arange(9) % 2)\n"
        "    return DataLoader(Subset(whole, range(6)), shuffle=True), Subset(whole, [6, 7, 8])\n"
    )
    assert read_splits(spec(target="own_src7:make"), tmp_path).classes == ("ant", "bee")


@pytest.mark.parametrize("classes", [[3, 3, 1, 0, 2, 1], [True, False], [0.5, 1.5], [], "ab", None])
def test_what_a_dataset_calls_classes_may_be_none(classes):
    """Those of each sample, as some have it, are no names."""
    assert names_of_classes(SimpleNamespace(classes=classes)) is None


def test_data_digests_change_with_a_files_content(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"123")
    data = spec(target="arrays", args={"path": "a.npz", "standardize": True})
    first = data_digests(data, tmp_path)
    assert list(first) == ["a.npz"]
    assert data_digests(data, tmp_path) == first
    path.write_bytes(b"1234")
    assert data_digests(data, tmp_path) != first
