"""Folders of images as people have them: corrupt and hidden files, empty classes, splits of different classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tunekit.configuration import DataSpec
from tunekit.training.memory import pack, unpack
from tunekit.training.sources import images, read_splits
from tunekit.training.sources.huggingface import _Pictures, _Seen
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
    assert parts.notes == (f"cannot be read, and left out: {pets / 'dogs' / '3.png'}",)
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
        f"{pets}: left out: 1 hidden file",
        f"{pets}: left out: 1 file that is no image by the name",
    )


def test_pictures_beside_the_folders_of_classes_are_told(pets):
    picture(pets / "a.PNG", 0)
    (pets / "readme.md").touch()
    parts = splits(pets.parent)
    assert len(parts.train) + len(parts.val) == 20
    assert parts.notes == (f"{pets}: left out: 1 image in no class's folder, the first a.PNG",)


def test_what_lies_beside_the_splits_and_a_test_split_without_classes_are_told(tmp_path):
    for name in ("ants", "bees"):
        picture(tmp_path / "pets" / "Train" / name / "1.png", 0)
        picture(tmp_path / "pets" / "Valid" / name / "1.png", 50)
    picture(tmp_path / "pets" / "extra" / "deep" / "1.png", 0)
    (tmp_path / "pets" / "notes").mkdir()
    (tmp_path / "pets" / "notes" / "readme.md").touch()
    picture(tmp_path / "pets" / "test" / "1.png", 0)
    parts = splits(tmp_path)
    assert (len(parts.train), len(parts.val), parts.test, parts.classes) == (2, 2, None, ("ants", "bees"))
    beside, test = parts.notes
    assert beside == f"{tmp_path / 'pets'}: 'extra' beside its splits: left out"
    assert test.startswith(f"no test split: {tmp_path / 'pets' / 'test'}: 1 image (1.png, ...) in no class's")


def test_a_folder_without_images_of_a_class_is_refused_by_what_lies_there(tmp_path):
    picture(tmp_path / "pets" / "1.png", 0)
    with pytest.raises(UserError, match=r"pets: 1 image \(1\.png, \.\.\.\) in no class's folder: a folder of"):
        splits(tmp_path)
    (tmp_path / "pets" / "1.png").unlink()
    (tmp_path / "pets" / "cats").mkdir()
    with pytest.raises(UserError, match="pets: no images in it: a folder of images is needed for each class"):
        splits(tmp_path)
    (tmp_path / "pets" / "cats" / "1.heic").touch()
    with pytest.raises(UserError, match=r"no images in it but 1 other file \(1\.heic, \.\.\.\)"):
        splits(tmp_path)
    picture(tmp_path / "pets" / "train" / "cats" / "1.png", 0)
    picture(tmp_path / "pets" / "val" / "1.png", 0)
    with pytest.raises(UserError, match="val: 1 image"):
        splits(tmp_path)


def test_classes_one_folder_deeper_are_told(pets):
    pets.rename(pets.parent / "all")
    (pets.parent / "pets").mkdir()
    (pets.parent / "all").rename(pets / "animals")
    parts = splits(pets.parent)
    assert parts.classes == ("animals",)
    assert parts.notes[0].endswith("if the classes are 'cats', 'dogs' in it, say its path")


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
    asking = ("validation", "the test split")
    assert parts.notes == tuple(f"no training sample of what {name} asks for: cats" for name in asking)


def test_what_is_too_large_for_memory_stays_in_its_files(pets, monkeypatch):
    kept = splits(pets.parent)
    monkeypatch.setattr(images, "MEMORY_LIMIT", 1)
    monkeypatch.setattr("tunekit.training.memory.MEMORY_LIMIT", 1)
    (pets / "dogs" / "broken.png").write_bytes(b"none")
    parts = splits(pets.parent, corrupt="skip")
    assert torch.equal(parts.train.targets(), kept.train.targets())
    assert torch.equal(parts.train.batch(torch.arange(16)).args[0], kept.train.stored.args[0])


def upright():
    """A picture of 4x2: red, then blue."""
    image = Image.new("RGB", (4, 2), "red")
    image.paste((0, 0, 255), (2, 0, 4, 2))
    return image


def as_turned(way):
    """Stored as a camera held so does, with the mark that turns it upright again."""
    marks = Image.Exif()
    marks[images.ORIENTATION] = way
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[way]
    return upright().transpose(back), {"exif": marks}


def in_16_bits(value=0x80FF):
    return Image.fromarray(np.full((4, 4), value, np.uint16)), {}


def see_through():
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 2, 4))
    return image


@pytest.mark.parametrize("way", [3, 6, 8])
def test_a_photo_is_turned_as_its_camera_says(way, tmp_path):
    image, more = as_turned(way)
    image.save(tmp_path / "a.png", **more)
    read, changes = images.read_image(str(tmp_path / "a.png"))
    assert (read.size, read.getpixel((0, 0)), read.getpixel((3, 0))) == ((4, 2), (255, 0, 0), (0, 0, 255))
    assert changes == ("turned as the camera says (EXIF)",)


@pytest.mark.parametrize(
    ("name", "image", "more", "pixel", "told"),
    [
        ("grey.png", Image.new("L", (4, 4), 7), {}, (7, 7, 7), ()),
        ("bits.png", Image.new("1", (4, 4), 1), {}, (255, 255, 255), ()),
        ("deep.png", *in_16_bits(), (128, 128, 128), ("with 16 bits a value: the upper eight are read",)),
        ("deep.tif", *in_16_bits(), (128, 128, 128), ("with 16 bits a value: the upper eight are read",)),
        ("deep.pgm", *in_16_bits(), (128, 128, 128), (images.DEEP,)),
        ("dark.pgm", *in_16_bits(0x00FF), (0, 0, 0), (images.DEEP,)),
        ("dark.tif", *in_16_bits(0x00FF), (0, 0, 0), (images.DEEP,)),
        ("bytes.tif", Image.fromarray(np.full((4, 4), 200, np.int32)), {}, (200, 200, 200), (images.BYTES,)),
        ("wide.tif", Image.fromarray(np.full((4, 4), 0x80FF, np.int32)), {}, (128, 128, 128), (images.WIDE,)),
        ("palette.png", upright().quantize(2), {}, (0, 0, 255), ()),
        ("print.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), {"quality": 100}, (254, 0, 0), ()),
        ("clear.png", see_through(), {}, (255, 255, 255), ("transparent in places: these are white",)),
        ("clear.gif", see_through(), {}, (255, 255, 255), ("transparent in places: these are white",)),
        ("opaque.png", upright().convert("RGBA"), {}, (0, 0, 255), ()),
        (
            "moves.gif",
            upright(),
            {"save_all": True, "append_images": [Image.new("RGB", (4, 2))]},
            (0, 0, 255),
            ("with several frames: the first is read",),
        ),
    ],
)
def test_every_kind_of_picture_is_read_as_it_looks(name, image, more, pixel, told, tmp_path):
    image.save(tmp_path / name, **more)
    read, changes = images.read_image(str(tmp_path / name))
    assert read.mode == "RGB"
    assert read.getpixel((read.width - 1, 0)) == pytest.approx(pixel, abs=1)
    assert changes == told


@pytest.mark.parametrize("values", [np.ones((4, 4), np.float32), np.full((4, 4), -1, np.int32)])
def test_values_that_are_no_colours_are_refused_by_the_file(values, tmp_path):
    Image.fromarray(values).save(tmp_path / "depth.tif")
    with pytest.raises(UserError, match=r"depth\.tif: cannot be read as an image: its values are"):
        images.read_image(str(tmp_path / "depth.tif"))


def test_what_was_done_to_images_is_told_by_kind(pets):
    in_16_bits()[0].save(pets / "dogs" / "a.png")
    in_16_bits()[0].save(pets / "dogs" / "b.png")
    parts = splits(pets.parent)
    assert parts.notes == (
        f"2 images with 16 bits a value: the upper eight are read, the first {pets / 'dogs' / 'a.png'}",
    )


def test_a_dark_image_of_32_bits_is_on_the_scale_of_the_others(pets):
    for name, value in (("a", 0xFF), ("b", 0xFFFF)):
        Image.fromarray(np.full((4, 4), value, np.int32)).save(pets / "dogs" / f"{name}.tif")
    parts = splits(pets.parent)
    assert parts.notes == (f"2 images {images.WIDE}, the first {pets / 'dogs' / 'a.tif'}",)
    by_file = {
        Path(file).name: int(x.max())
        for split, name in ((parts.train, "train"), (parts.val, "val"))
        for file, x in zip(parts.files[name], split.stored.args[0], strict=True)
    }
    assert (by_file["a.tif"], by_file["b.tif"]) == (0, 255)


def test_a_hub_set_reads_pictures_alike():
    datasets = pytest.importorskip("datasets")
    image, _ = in_16_bits()
    rows = datasets.Dataset.from_dict({"image": [image, see_through()]}, datasets.Features({"image": datasets.Image()}))
    pictures = _Pictures("train", rows, "image", np.zeros(2), 4, _Seen(None, gray=False))
    assert pictures[0][0].unique().tolist() == [128]
    assert pictures[1][0][0, :, 3].unique().tolist() == [255]
