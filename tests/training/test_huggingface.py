"""Sets of the library `datasets`, made here and read from the disk; what is not to be had is told in one line."""

import sys
from datetime import datetime

import numpy as np
import pytest
import torch
from PIL import Image

from tunekit.configuration import DataSpec, ModelSpec
from tunekit.training.data import Batch
from tunekit.training.models import build_model
from tunekit.training.sources import read_splits
from tunekit.training.sources.reading import read_frame
from tunekit.vocabulary import UserError

IMAGES = np.arange(20, dtype=np.uint8)[:, None, None].repeat(6, 1).repeat(6, 2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEKIT_CACHE", str(tmp_path / "cache"))


def splits(folder, name="disk", **args):
    return read_splits(DataSpec(target=f"datasets:{name}", args=args), folder)


@pytest.fixture
def library():
    return pytest.importorskip("datasets")


def test_images_and_their_class_names(library, tmp_path):
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    rows = {"image": [Image.fromarray(image) for image in IMAGES], "label": [i % 2 for i in range(20)]}
    whole = library.Dataset.from_dict(rows, features=features)
    library.DatasetDict({"train": whole, "validation": whole.select(range(6))}).save_to_disk(str(tmp_path / "set"))
    parts = splits(tmp_path, path="set")
    assert parts.classes == ("cat", "dog")
    assert torch.equal(parts.train.stored.args[0], torch.from_numpy(IMAGES[:, None]))
    assert parts.val.targets().tolist() == [0, 1] * 3
    assert parts.test is None
    assert splits(tmp_path, path="set", size=3).train.stored.args[0].shape == (20, 1, 3, 3)


def picture(mode="RGB", size=(6, 6)):
    return Image.new(mode, size, "white")


def saved(library, folder, **pictures):
    features = library.Features({"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog"])})
    sets = {
        name: library.Dataset.from_dict({"image": images, "label": [0, 1] * (len(images) // 2)}, features=features)
        for name, images in pictures.items()
    }
    library.DatasetDict(sets).save_to_disk(str(folder / "set"))


@pytest.mark.parametrize("odd", range(3))
def test_one_colour_image_of_any_split_makes_all_of_three_channels(library, tmp_path, odd):
    pictures = [picture("L") for _ in range(12)]
    pictures[4 * odd + 3] = Image.new("RGB", (6, 6), "red")
    saved(library, tmp_path, train=pictures[:4], validation=pictures[4:8], test=pictures[8:])
    parts = splits(tmp_path, path="set")
    stored = [part.stored.args[0] for part in (parts.train, parts.val, parts.test)]
    assert [part.shape for part in stored] == [(4, 3, 6, 6)] * 3
    assert stored[odd][3, :, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("odd", range(3))
def test_one_image_of_another_size_in_any_split_brings_all_to_one(library, tmp_path, odd):
    pictures = [picture() for _ in range(360)]
    pictures[120 * odd + 119] = picture(size=(6, 9))
    saved(library, tmp_path, train=pictures[:120], validation=pictures[120:240], test=pictures[240:])
    parts = splits(tmp_path, path="set")
    assert [part.stored.args[0].shape for part in (parts.train, parts.val, parts.test)] == [(120, 3, 64, 64)] * 3


def test_a_size_that_no_header_told_is_told_by_the_sample(library, tmp_path, monkeypatch):
    monkeypatch.setattr("tunekit.training.sources.huggingface.HEADERS", 2)
    saved(library, tmp_path, train=[picture(), picture(size=(6, 9)), picture(), picture()])
    with pytest.raises(UserError) as caught:
        splits(tmp_path, path="set")
    assert str(caught.value) == (
        "data: sample 1 of train is 6 x 9 pixels and others are 6 x 6; data.args.size: 64 brings all to as many a side"
    )
    assert splits(tmp_path, path="set", size=5).train.stored.args[0].shape[1:] == (3, 5, 5)


def test_a_colour_that_no_header_told_is_told_by_the_sample(library, tmp_path, monkeypatch):
    monkeypatch.setattr("tunekit.training.sources.huggingface.HEADERS", 2)
    saved(library, tmp_path, train=[picture("L"), picture("RGB"), picture("RGBA"), picture("L")])
    assert splits(tmp_path, path="set").train.stored.args[0].shape[1:] == (1, 6, 6)
    saved(library, tmp_path / "other", train=[picture("L"), Image.new("RGB", (6, 6), "red"), *[picture("L")] * 2])
    with pytest.raises(UserError) as caught:
        splits(tmp_path / "other", path="set")
    assert str(caught.value) == (
        "data: sample 1 of train is in colour and others are grey; make all of them one or the other"
    )


def test_images_that_a_camera_turned_are_of_the_size_that_a_person_sees(library, tmp_path):
    turned = picture(size=(9, 6))
    turned.getexif()[0x0112] = 6
    files = []
    for at, one in enumerate([picture(size=(6, 9)), turned] * 2):
        one.save(tmp_path / f"{at}.jpg", exif=one.getexif())
        files.append(str(tmp_path / f"{at}.jpg"))
    saved(library, tmp_path, train=files)
    assert splits(tmp_path, path="set").train.stored.args[0].shape[1:] == (3, 9, 6)


def test_columns_beside_the_images_or_the_texts_are_told(library, tmp_path):
    rows = {"label": [0, 1] * 2, "when": [datetime(2020, 1, 1)] * 4, "age": [1, 2, 3, 4]}
    features = library.Dataset.from_dict(rows).features
    images = library.Dataset.from_dict(
        {**rows, "image": [picture()] * 4}, features=library.Features({**features, "image": library.Image()})
    )
    images.save_to_disk(str(tmp_path / "images"))
    texts = library.Dataset.from_dict({**rows, "text": list("abcd")}).remove_columns("age")
    texts.save_to_disk(str(tmp_path / "texts"))
    another = "data.args.input names another column"
    assert splits(tmp_path, path="images").notes == (f"left out beside the images: 'when', 'age'; {another}",)
    assert splits(tmp_path, path="texts").notes[0] == f"left out beside the texts: 'when'; {another}"


def test_an_image_that_is_missing_is_told(library, tmp_path):
    saved(library, tmp_path, train=[picture(), picture(), None, picture()])
    with pytest.raises(UserError, match=r"column 'image' of train has no image in sample 2$"):
        splits(tmp_path, path="set")


def test_texts_are_characters_of_the_training_texts(library, tmp_path):
    train = ["good film", "bad", "", "a good one"] * 5
    rows = {"text": train, "label": [1, 0, 0, 1] * 5}
    sets = {"train": rows, "validation": {"text": ["bäd", "x" * 40], "label": [0, 1]}}
    whole = {name: library.Dataset.from_dict(part) for name, part in sets.items()}
    library.DatasetDict(whole).save_to_disk(str(tmp_path / "set"))
    parts = splits(tmp_path, path="set")
    letters = ["", *sorted(set("".join(train)))]
    tokens = parts.train.stored.args[0]
    assert tokens.dtype == torch.int64
    assert tokens.shape == (20, 10)
    assert ["".join(letters[k] for k in row) for row in tokens.tolist()] == train
    assert parts.val.stored.args[0][:, :3].tolist() == [[letters.index("b"), 0, letters.index("d")], [0, 0, 0]]
    assert parts.notes == (
        f"'text' is read as texts, character by character ({len(letters) - 1} different); in 5 samples it is empty, "
        "first in sample 2",
    )
    cut = splits(tmp_path, path="set", length=4)
    assert torch.equal(cut.train.stored.args[0], tokens[:, :4])
    assert "of which 10 are longer than 4 and cut; in 5 samples" in cut.notes[0]
    sample = Batch((tokens[:2],), {}, parts.train.targets()[:2])
    model = build_model(ModelSpec("transformer", {"width": 8, "heads": 2}), tmp_path, sample, 2, 0, lambda: parts)
    assert model(parts.val.stored.args[0]).shape == (2, 2)


def test_columns_of_numbers_and_a_target_of_texts(library, tmp_path):
    rows = {"a": [float(i) for i in range(10)], "b": [-i for i in range(10)], "who": ["u", "v"] * 5, "note": ["x"] * 10}
    library.Dataset.from_dict(rows).to_parquet(str(tmp_path / "t.parquet"))
    parts = splits(tmp_path, "parquet", path="t.parquet", target="who", standardize=False)
    assert parts.classes == ("u", "v")
    assert torch.cat([parts.train.stored.args[0], parts.val.stored.args[0]])[:, 0].sort().values.tolist() == list(
        range(10)
    )
    assert parts.train.stored.args[0][:, 1].tolist() == (-parts.train.stored.args[0][:, 0]).tolist()
    assert parts.notes == (
        "left out beside the numbers: 'note'; `data.target: table` with data.args.path reads columns of all kinds of a "
        ".csv or .parquet",
    )
    parts = splits(tmp_path, "parquet", path="t.parquet", target="a", input="b")
    assert parts.classes is None
    assert not parts.notes
    assert parts.train.targets().dtype == torch.float32


def test_numbers_that_float32_does_not_hold_are_standardised_in_double_precision(library, tmp_path):
    when = [1_700_000_000_000.0 + i for i in range(50)]
    library.Dataset.from_dict({"when": when, "then": when}).to_parquet(str(tmp_path / "t.parquet"))
    parts = splits(tmp_path, "parquet", path="t.parquet", target="then", standardize_target=True)
    batch = parts.train.batch(torch.arange(40))
    assert batch.args[0][:, 0].numpy() == pytest.approx(batch.targets.numpy(), abs=1e-6)
    assert len(batch.targets.unique()) == 40
    frame = read_frame(tmp_path / "t.parquet")
    inputs, _ = parts.columns.apply(frame, "float64")
    assert inputs[:, 0].tolist() == when
    assert "data.args.standardize_target: true" in splits(tmp_path, "parquet", path="t.parquet", target="then").notes[0]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            {"target": "whom"},
            r"data\.args\.target: datasets:parquet has no column 'whom'; it has a, who, note \(did you mean 'who'",
        ),
        ({"target": "who", "input": "b"}, r"data\.args\.input: datasets:parquet has no column 'b'"),
        ({"target": "who", "input": "who"}, "'who' is the target; the model would read its answer"),
        ({"target": "a"}, r"no column of images or numbers, several of texts \(who, note\); name one"),
        ({"target": "a", "input": ["who", "note"]}, "who, note: a text is read alone; name one of them"),
        ({"target": "who", "input": ["a", "note"]}, "a, note are no numbers of one shape"),
        ({"target": "a", "input": "who", "length": 0}, r"data\.args\.length: 1 to 65,536 characters a sample, not 0"),
        ({"target": "a", "input": "who", "size": 0}, r"data\.args\.size: 1 to 8,192 pixels a side, not 0"),
        ({}, r"data\.args\.target: name the column of targets, one of a, who, note"),
        ({"target": "who", "val": "other"}, r"data\.args\.val: datasets:parquet has no split 'other'; it has train"),
        ({"path": "none.parquet"}, r"none\.parquet: no such file or folder"),
    ],
)
def test_arguments_that_mean_nothing_are_told(library, tmp_path, args, told):
    library.Dataset.from_dict({"a": [1.0, 2.0], "who": ["u", "v"], "note": ["x", "y"]}).to_parquet(
        str(tmp_path / "t.parquet")
    )
    with pytest.raises(UserError, match=told) as caught:
        splits(tmp_path, "parquet", **{"path": "t.parquet", **args})
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_told(library, tmp_path):
    (tmp_path / "t.parquet").write_text("no parquet")
    with pytest.raises(UserError, match=r"t\.parquet cannot be read as datasets:parquet: ") as caught:
        splits(tmp_path, "parquet", path="t.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
@pytest.mark.parametrize("header", [False, True])
def test_a_file_without_rows_is_told(library, tmp_path, kind, header):
    file = tmp_path / f"t.{kind}"
    file.write_bytes({"csv": b"a,y\n", "json": b"[]"}.get(kind, b"") if header else b"")
    if header and kind == "parquet":
        library.Dataset.from_dict({"a": [1], "y": [0]}).select([]).to_parquet(str(file))
    with pytest.raises(UserError) as caught:
        splits(tmp_path, kind, path=file.name, target="y")
    assert str(caught.value) == f"data.args.path: {file} cannot be read as datasets:{kind}: it holds no rows"


def test_a_split_without_rows_is_told(library, tmp_path, monkeypatch):
    whole = library.Dataset.from_dict({"a": [1.0, 2.0], "y": [0, 1]})
    sets = library.DatasetDict({"train": whole, "validation": whole.select([])})
    monkeypatch.setattr(library, "load_dataset", lambda *_args, **_options: sets)
    with pytest.raises(UserError, match=r"^data\.args\.val: the split 'validation' of datasets:some is empty$"):
        splits(tmp_path, "some")


def test_without_a_network_it_is_said_what_would_do_instead(library, tmp_path, monkeypatch):
    def unreachable(*_args, **_options):
        raise ConnectionError("Couldn't reach 'mnist' on the Hub (LocalEntryNotFoundError)\nand more")

    monkeypatch.setattr(library, "load_dataset", unreachable)
    with pytest.raises(UserError) as caught:
        splits(tmp_path, "mnist")
    assert str(caught.value) == (
        "data: datasets:mnist cannot be had: Couldn't reach 'mnist' on the Hub (LocalEntryNotFoundError); look at the "
        "network, and whether the other end answers; or give a file or folder of yours: data.target: datasets:parquet "
        "(csv, json, imagefolder, disk) with data.args.path"
    )


def test_without_the_library_it_is_said_how_to_have_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r'datasets:mnist needs datasets: pip install "\.\[datasets\]"'):
        splits(tmp_path, "mnist")


def test_a_persons_own_module_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # the recipe's folder goes with the test
    (tmp_path / "datasets.py").write_text(
        "import torch\ndef mine():\n"
        "    return torch.utils.data.TensorDataset(torch.zeros(9, 2), torch.zeros(9).long())\n"
    )
    before = sys.modules.pop("datasets", None)
    try:
        assert len(splits(tmp_path, "mine").train) == 7
    finally:
        sys.modules.pop("datasets", None)
        if before is not None:
            sys.modules["datasets"] = before
