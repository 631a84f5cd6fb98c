"""Folders of images as people have them: corrupt and hidden files, empty classes, splits of different classes."""

import pytest
import torch
from PIL import Image

from tunekit.configuration import DataSpec
from tunekit.training.memory import pack, unpack
from tunekit.training.sources import images, read_splits
from tunekit.vocabulary import UserError


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (value,) * 3).save(path)


def splits(folder, **args):
    return read_splits(DataSpec(target="image-folder", args={"path": "pets", "size": 8, **args}), folder)


@pytest.fixture
def pets(tmp_path):
    for name, value in (("cats", 10), ("dogs", 200)):
        for i in range(10):
            picture(tmp_path / "pets" / name / f"{i}.png", value + i)
    return tmp_path / "pets"


def test_classes_and_files_are_kept_with_their_samples(pets):
    parts = splits(pets.parent)
    assert parts.classes == ("cats", "dogs")
    for split in ("train", "val"):
        part = getattr(parts, split)
        assert len(parts.files[split]) == len(part)
        for file, image, label in zip(parts.files[split], part.stored.args[0], part.targets(), strict=True):
            with Image.open(file) as stored:
                assert stored.getpixel((0, 0))[0] == int(image[0, 0, 0])
            assert file.split("/")[-2] == parts.classes[label]
    shared = unpack(pack(parts))
    assert (shared.classes, shared.files) == (parts.classes, parts.files)


def test_all_corrupt_files_are_counted_and_the_first_named(pets):
    for i in range(8):
        (pets / "dogs" / f"{i}.png").write_bytes(b"none")
    with pytest.raises(UserError) as caught:
        splits(pets.parent)
    text = str(caught.value)
    assert text.startswith(f"data: {pets / 'dogs' / '0.png'}: cannot be read as an image: its 4 bytes are no image of")
    assert f"; and 7 more: {pets / 'dogs' / '1.png'}, " in text
    assert text.endswith("and 3 more; data.args.corrupt: skip leaves them out")
    assert "\n" not in text


def test_corrupt_files_are_left_out_where_that_is_asked(pets):
    (pets / "dogs" / "3.png").write_bytes(b"none")
    parts = splits(pets.parent, corrupt="skip")
    assert len(parts.train) + len(parts.val) == 19
    assert parts.notes == (f"1 images cannot be read and are left out: {pets / 'dogs' / '3.png'}",)
    with pytest.raises(UserError, match=r"data\.args\.corrupt: error or skip, not 'no'"):
        splits(pets.parent, corrupt="no")


def test_what_is_no_image_of_a_class_is_told(pets):
    (pets / "empty").mkdir()
    (pets / ".cache").mkdir()
    picture(pets / "cats" / "._0.png", 0)
    (pets / "cats" / "notes.txt").touch()
    parts = splits(pets.parent)
    assert parts.classes == ("cats", "dogs")
    assert parts.notes == (
        f"{pets}: no images in 'empty': no class of their own",
        f"{pets}: 1 hidden files are left out",
        f"{pets}: 1 files are no images by their names: left out",
    )


def test_classes_are_the_same_in_all_splits_though_one_has_fewer(tmp_path):
    for name, value in (("ants", 0), ("bees", 50), ("cats", 100)):
        for split in ("train", "valid", "test"):
            if (name, split) not in (("ants", "valid"), ("cats", "train")):
                picture(tmp_path / "pets" / split / name / "1.png", value)
    parts = splits(tmp_path)
    assert parts.classes == ("ants", "bees", "cats")
    assert parts.train.targets().tolist() == [0, 1]
    assert parts.val.targets().tolist() == [1, 2]
    assert parts.test.targets().tolist() == [0, 1, 2]
    assert parts.notes == ("no training sample of what validation asks for: cats",)


def test_what_is_too_large_for_memory_stays_in_its_files(pets, monkeypatch):
    kept = splits(pets.parent)
    monkeypatch.setattr(images, "MEMORY_LIMIT", 1)
    monkeypatch.setattr("tunekit.training.memory.MEMORY_LIMIT", 1)
    (pets / "dogs" / "broken.png").write_bytes(b"none")
    parts = splits(pets.parent, corrupt="skip")
    assert torch.equal(parts.train.targets(), kept.train.targets())
    assert torch.equal(parts.train.batch(torch.arange(16)).args[0], kept.train.stored.args[0])
