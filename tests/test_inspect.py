"""`tunekit inspect`: what it tells of recipes whose data and models are sound, damaged, or strange."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tunekit.charts import Figure, Panel, Picture, Tiles
from tunekit.pipeline import read_recipe
from tunekit.report.figures import draw, mosaic_of
from tunekit.steps.check_init_loss import OF_DATA
from tunekit.training.pictures import Scale, before_and_after
from tunekit.training.probes import PROBES
from tunekit.training.sources import read_splits
from tunekit.vocabulary import UNKNOWN

PIECES = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


def pictures():
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (120, 3, 16, 16), generator=draw, dtype=torch.uint8).float() / 255
    x[70] = x[100] = x[0]
    y = torch.arange(120) % 3
    return tuple(TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 60), (60, 90), (90, 120)))


class Records(Dataset):
    def __init__(self, size, bad=()):
        self.size, self.bad = size, bad

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        if i in self.bad:
            raise ValueError(f"record {i} is empty")
        return {"x": torch.tensor([i / 100, (i % 7) / 7, 1.0]), "label": i % 2}


def records(bad=()):
    return Records(100, bad), Records(40)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(3, 2)

    def forward(self, x):
        return self.last(x)


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((torch.tensor([n / 200, 1 - n / 200, 0.5]), n % 2) for n in range(200))


def stream():
    return DataLoader(Stream(), batch_size=20), DataLoader(Stream(), batch_size=20)


def glue(samples):
    nodes, edges, targets = zip(*samples)
    return torch.cat(nodes), torch.cat(edges, 1), torch.tensor([len(n) for n in nodes]), torch.tensor(targets)


def graphs():
    def some(size):
        return [(torch.ones(2 + n % 3, 3), torch.zeros(2, n % 3, dtype=torch.long), n % 2) for n in range(size)]

    return DataLoader(some(60), 8, True, collate_fn=glue), DataLoader(some(20), 8, collate_fn=glue)


def pooled():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)

        def forward(self, nodes, edges, sizes):
            return torch.stack([part.mean(0) for part in self.last(nodes).split(sizes.tolist())])

    return Pooled()


def too_narrow():
    return nn.Linear(5, 2)


def no_model():
    raise KeyError("weights")
"""


@pytest.fixture
def written(tmp_path):
    """A recipe with these pieces beside it."""
    (tmp_path / "pieces.py").write_text(PIECES)

    def write(**changes: str) -> str:
        keys = {"data": "{target: pieces:pictures}", "model": "{target: mlp}", **changes}
        (tmp_path / "own.yaml").write_text(
            "\n".join(f"{key}: {value}" for key, value in {"name": "own", **keys}.items())
        )
        return "own.yaml"

    return write


def told(tunekit, path: str) -> dict:
    done = tunekit("inspect", path, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_digits_as_data(tunekit):
    tunekit("init", "digits")
    seen = told(tunekit, "digits.yaml")
    assert [(one["split"], one["size"]) for one in seen["splits"]] == [("train", 1438), ("val", 359)]
    assert sum(sum(one["classes"].values()) for one in seen["splits"]) == 1797
    [one] = seen["inputs"]
    assert (one["kind"], one["shape"], one["dtype"], one["highest"]) == ("images", [1, 8, 8], "uint8", 16)
    assert one["channels"][0]["mean"] == pytest.approx(4.88, abs=0.05)
    assert [pair["count"] for pair in seen["shared"]] == [0]
    assert seen["model"]["parameters"] > 10_000
    assert seen["model"]["forward_ms"] > 0
    assert "two convolutions" in seen["advice"]["starts"][0]["title"]
    assert seen["disk"]["bytes"] > 0
    assert seen["data"]["train"]["size"] == 1438


def test_the_report_as_text_names_the_next_commands(tunekit, written):
    done = tunekit("inspect", written(), "--set", "batch_size=16")
    lines = done.out.splitlines()
    assert lines[0] == "own: 60 training, 30 validation, 30 test samples"
    assert (
        "samples in two splits: 1 of validation in training (sample 10); 1 of test in training (sample 10); 1"
        in done.out
    )
    assert "fail split_leak: 1 test samples (3.3 %) are training samples too (test sample 10)" in done.out
    assert "input 1: images 3 x 16 x 16, float32, from 0 to 1" in lines
    assert "  to start from" not in done.out
    assert lines[-2:] == [
        "pictures of it: tunekit inspect own.yaml --set batch_size=16 --figure own.png",
        "next: tunekit run own.yaml --set batch_size=16",
    ]


def test_nothing_is_written_unless_a_figure_is_asked_for(tunekit, written, tmp_path):
    path = written(data="{target: pieces:pictures, augment: [{crop: {padding: 2}}]}")
    before = set(tmp_path.iterdir())
    tunekit("inspect", path)
    assert {one for one in tmp_path.iterdir() if one.name != "__pycache__"} == before
    assert tunekit("inspect", path, "--figure", "seen.png").code == 0
    assert (tmp_path / "seen.png").read_bytes().startswith(b"\x89PNG")
    refused = tunekit("inspect", path, "--figure", "seen.pdf")
    assert (refused.code, "must end in .png" in refused.err) == (2, True)
    assert tunekit("inspect", path, "--figure", "nowhere/seen.png").code == 2


def test_damaged_files_are_named_and_the_rest_is_told(tunekit, tmp_path):
    """A folder with two corrupt files and a class of three."""
    from PIL import Image

    for kind, count in (("cat", 14), ("dog", 16), ("rare", 3)):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng(number + count).integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / kind / f"{number}.png")
    (tmp_path / "pets/cat/0.png").write_bytes(b"no picture")
    whole = (tmp_path / "pets/dog/1.png").read_bytes()
    (tmp_path / "pets/dog/1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pets.yaml").write_text(
        "name: pets\ndata: {target: image-folder, args: {path: pets, size: 16}}\nmodel: {target: cnn}\n"
    )
    seen = told(tunekit, "pets.yaml")
    assert sorted(one["name"].rpartition("pets/")[2] for one in seen["unreadable"]) == ["cat/0.png", "dog/1.png"]
    assert "no image of a known format" in seen["unreadable"][0]["why"]
    assert seen["class_names"] == ["cat", "dog", "rare"]
    assert sum(one["size"] for one in seen["splits"]) == 31
    assert seen["files"]["sizes"] == [{"width": 40, "height": 30, "mode": "RGB", "count": 31}]
    assert "rare" in next(one for one in seen["advice"]["remarks"] if one["code"] == "few_samples")["message"]
    text = tunekit("inspect", "pets.yaml").out
    assert "once that is mended: tunekit validate pets.yaml" in text
    assert "next: tunekit run" not in text
    assert "a run stops at what cannot be read: data.args.corrupt: skip leaves them out" in text
    assert text.count("cat/0.png") == 1
    assert "note: " not in text
    text = tunekit("inspect", "pets.yaml", "--set", "data.args.corrupt=skip").out
    assert "a run leaves out what cannot be read" in text
    assert "a run stops" not in text
    assert text.count("cat/0.png") == 1
    assert (
        "note: cannot be read, and left out: "
        in tunekit("validate", "pets.yaml", "--set", "data.args.corrupt=skip").out
    )


def test_a_sample_that_raises_is_named(tunekit, written):
    path = written(data="{target: pieces:records, args: {bad: [7]}}", model="{target: pieces:Named}")
    [one] = told(tunekit, path)["unreadable"]
    assert (one["split"], one["name"]) == ("train", "sample 7")
    assert one["why"] == "ValueError: record 7 is empty (pieces.py, line 24)"


@pytest.mark.parametrize(
    ("model", "why"),
    [("pieces:no_model", "KeyError: 'weights'"), ("pieces:too_narrow", "mat1 and mat2 shapes cannot be multiplied")],
)
def test_the_data_are_told_where_the_model_cannot_be_built(tunekit, written, model, why):
    done = tunekit("inspect", written(model=f"{{target: {model}}}"))
    assert done.code == 0
    [line] = [line for line in done.out.splitlines() if line.startswith("model: ")]
    assert why in line
    assert "own: 60 training" in done.out
    assert "to start from: a CNN of two convolutions" in done.out
    assert "disk:" not in done.out


def test_data_judged_without_the_model_are_told_so(tunekit, written, monkeypatch):
    def refuse(_subject):
        raise ValueError("no questions")

    monkeypatch.setitem(PROBES, "usage", refuse)
    out = " ".join(tunekit("inspect", written()).out.split())
    assert "the data are judged without the model, which step 1 could not be carried out on: ValueError: no que" in out


def test_data_that_cannot_be_read_at_all_are_one_line(tunekit, written):
    done = tunekit("inspect", written(data="{target: arrays, args: {path: gone.npz}}"))
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "model", "first", "silent"),
    [
        ("stream", "{target: mlp}", "own: 200 training, 200 validation samples", False),
        ("graphs", "{target: pieces:pooled}", "own: 60 training, 20 validation samples", True),
        ("records", "{target: pieces:Named}", "own: 100 training, 40 validation samples", False),
    ],
)
def test_data_of_other_shapes_are_told_too(tunekit, written, data, model, first, silent):
    done = tunekit("inspect", written(data=f"{{target: pieces:{data}}}", model=model))
    assert done.out.startswith(first), done.err
    assert ("no advice on an architecture" in done.out) == silent
    assert "parameters" in done.out


def test_a_column_with_gaps_is_told(tunekit, tmp_path):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(80, 3)).astype(np.float32)
    x[:5, 1] = np.nan
    x[:, 2] = 4
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(80) % 2)
    (tmp_path / "own.yaml").write_text(
        "name: own\ndata: {target: arrays, args: {path: own.npz}}\nmodel: {target: mlp}\n"
    )
    seen = told(tunekit, "own.yaml")
    missing = [channel["missing"] for channel in seen["inputs"][0]["channels"]]
    assert missing[0] == missing[2] == 0
    assert 0 < missing[1] <= 5
    assert [one["feature"] for one in seen["near_constant"]] == [2]
    assert seen["findings"][0]["code"] == "input_not_finite"


class TestPictures:
    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            ([0.0, 16.0, 8.0], [0, 255, 128]),  # few kinds of grey: from the least to the largest
            ([0.0, 255.0, 128.0], [0, 255, 128]),
            ([10.0, 200.0, 128.0], [10, 200, 128]),  # bytes stay what they are
            ([0.2, 0.4, 1.0], [51, 102, 255]),
            ([-1.0, 1.0, 0.0], [0, 255, 128]),
        ],
    )
    def test_values_become_bytes(self, values, wanted):
        images = torch.tensor(values).view(1, 1, 1, 3).expand(1, 1, 4, 3)
        images = torch.cat([images, images[..., :1]], 3)
        [picture] = Scale.of(images).pictures(images)
        assert (picture.height, picture.width, picture.channels) == (4, 4, 1)
        assert list(picture.pixels[:3]) == wanted

    def test_what_leaves_the_range_is_cut(self):
        scale = Scale(0.0, 1.0)
        [picture] = scale.pictures(torch.full((1, 4, 4, 3), 2.0))
        assert set(picture.pixels) == {255}
        assert picture.channels == 3

    def test_a_mosaic_holds_each_picture_at_its_place(self):
        black, red = Picture(2, 2, 1, bytes(4)), Picture(2, 1, 3, bytes([255, 0, 0] * 2))
        mosaic, height, width = mosaic_of(Tiles(["a", "b"], [[black], [black, red]]))
        assert (height, width, mosaic.shape) == (2, 2, (6, 6, 3))
        assert mosaic[:2, :2].max() == mosaic[3:5, :2].max() == 0
        assert mosaic[3:5, 3].tolist() == [[255, 0, 0]] * 2
        assert mosaic[:2, 3:].min() == mosaic[2].min() == 255  # white where there is none

    def test_rows_of_pictures_make_a_sheet_higher(self):
        picture = Picture(2, 2, 1, bytes(4))
        heights = [
            int.from_bytes(draw(Figure("own", [Panel([Tiles(["x"] * rows, [[picture]] * rows)])]))[20:24])
            for rows in (2, 20)
        ]
        assert heights[1] > 2 * heights[0]


@pytest.mark.long
def test_mnist(tunekit, shared, tmp_path):
    """The counts that its authors give."""
    data = f"{{target: 'torchvision:MNIST', args: {{root: {shared / 'data'}}}}}"
    (tmp_path / "mnist.yaml").write_text(f"name: mnist\ndata: {data}\nmodel: {{target: mlp}}\n")
    seen = told(tunekit, "mnist.yaml")
    assert [one["size"] for one in seen["splits"]] == [48_000, 12_000, 10_000]
    assert seen["splits"][2]["classes"] == {
        str(digit): count for digit, count in enumerate([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    }
    assert [pair["count"] for pair in seen["shared"]] == [0, 0, 0]
    [channel] = seen["inputs"][0]["channels"]
    assert channel["mean"] / 255 == pytest.approx(0.1307, abs=5e-4)
    assert channel["std"] / 255 == pytest.approx(0.3081, abs=5e-4)


PEOPLE = """id,age,"name, full",city,joined,empty,bought
{rows}
"""


def test_a_table_as_people_have_it_is_told_in_its_own_units(tunekit, tmp_path):
    """Quotes with commas, dates, texts, empty cells, an empty column, yes and no."""
    rows = [
        f'{n},{"" if n % 10 == 3 else 20 + n % 50},"Person, {n}",{("Rome", "Oslo")[n % 2]},2020-01-{1 + n % 28:02d},,'
        f"{'yes' if n % 9 == 0 else 'no'}"
        for n in range(200)
    ]
    (tmp_path / "people.csv").write_text(PEOPLE.format(rows="\n".join(rows)))
    (tmp_path / "people.yaml").write_text(
        "name: people\ntask: binary\ndata: {target: table, args: {path: people.csv, target: bought}}\n"
        "model: {target: mlp}\n"
    )
    seen = told(tunekit, "people.yaml")
    channels = {channel["name"]: channel for channel in seen["inputs"][0]["channels"]}
    assert {"age", "city = Rome", "city = Oslo", "joined"} <= set(channels)
    assert channels["age"]["lowest"] == pytest.approx(20, abs=1e-3)
    assert channels["age"]["highest"] == pytest.approx(69, abs=1e-3)
    assert channels["joined"]["lowest"] == pytest.approx(18_262, abs=0.1)  # days from 1970 to 2020-01-01
    missing = channels["age"]["missing"]
    assert 10 <= missing <= 20
    assert seen["inputs"][0]["missing"] == missing
    assert seen["class_names"] == ["no", "yes"]
    assert sum(sum(one["classes"].values()) for one in seen["splits"]) == 200
    text = tunekit("inspect", "people.yaml").out
    assert "18,262" in text
    assert "e+0" not in text
    wrong = tunekit("inspect", "people.yaml", "--set", "data.args.target=gone")
    assert (wrong.code, len(wrong.err.strip().splitlines())) == (2, 1)
    assert "has no column 'gone'" in wrong.err


class TestBeforeAndAfter:
    def shown(self, written, tmp_path, augment: str):
        recipe = read_recipe(Path(written(data=f"{{target: pieces:pictures, augment: [{augment}]}}")), ()).recipe
        config = recipe.training_config(UNKNOWN)
        return before_and_after(config, read_splits(config.data, tmp_path), tmp_path, "abc")

    def test_a_flip_is_shown_as_one(self, tunekit, written, tmp_path):
        pairs = self.shown(written, tmp_path, "{flip: {p: 1.0}}")
        assert len(pairs) == 8
        assert {name for name, _, _ in pairs} == {"a", "b", "c"}
        for _, before, after in pairs:
            first, second = (np.frombuffer(one.pixels, np.uint8).reshape(16, 16, 3) for one in (before, after))
            assert np.array_equal(first[:, ::-1], second)

    def test_without_augmentation_there_is_nothing_to_show(self, tunekit, written, tmp_path):
        assert self.shown(written, tmp_path, "") == []


def test_of_numbers_without_classes_there_are_no_pictures_and_the_report_comes(tunekit, tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=x.sum(1))
    (tmp_path / "own.yaml").write_text(
        "name: own\ntask: regression\ndata: {target: arrays, args: {path: own.npz}}\nmodel: {target: mlp}\n"
    )
    done = tunekit("inspect", "own.yaml", "--figure", "own.png")
    assert done.code == 0
    assert "own: 64 training, 16 validation samples" in done.out
    assert "no pictures: the training data hold neither pictures nor classes" in done.out
    assert not (tmp_path / "own.png").exists()


@pytest.mark.parametrize(
    ("task", "targets", "code"),
    [
        ("regression", lambda draw, x: 249 + 40 * draw.normal(size=len(x)), "targets_not_standardized"),
        ("regression", lambda draw, x: np.full(len(x), 3.0), "single_class"),
        ("regression", lambda draw, x: np.where(x[:, 0] > 1.5, np.nan, draw.normal(size=len(x))), "input_not_finite"),
        ("classification", lambda draw, x: 1 + np.arange(len(x)) % 4, "class_count_mismatch"),
        ("classification", lambda draw, x: np.arange(len(x)) % 40 == 0, "class_imbalance"),
        ("classification", lambda draw, x: draw.normal(size=len(x)), "labels_out_of_range"),
        ("binary", lambda draw, x: np.arange(len(x)) % 2 * 2 - 1, "labels_out_of_range"),
    ],
)
def test_what_step_1_finds_in_the_data_is_told_before_any_run(tunekit, tmp_path, task, targets, code):
    """All of it, and nothing else: the same measurements, judged by the same rules."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 6)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=targets(draw, x).astype(np.float32 if task == "regression" else None))
    (tmp_path / "own.yaml").write_text(
        f"name: own\ntask: {task}\ndata: {{target: arrays, args: {{path: own.npz}}}}\nmodel: {{target: mlp}}\n"
    )
    before = [(one["code"], one["severity"], one["message"]) for one in told(tunekit, "own.yaml")["findings"]]
    step = json.loads(tunekit("check-init-loss", "own.yaml", "--json").out)
    after = [(one["code"], one["severity"], one["message"]) for one in step["findings"] if one["code"] in OF_DATA]
    assert before == after
    assert code in [one[0] for one in before]
    accepted = json.loads(tunekit("inspect", "own.yaml", "--json", "--set", f"accept=[{code}]").out)["findings"]
    assert {one["severity"] for one in accepted if one["code"] == code} == {"note"}


def test_a_column_that_says_the_target_goes_by_its_name(tmp_path, tunekit):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(400, 3))
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{'yes' if c > 0 else 'no'}" for a, b, c in rows]
    (tmp_path / "t.csv").write_text("\n".join(["age,income,paid back,buys", *lines]))
    data = "{target: table, args: {path: t.csv, target: buys}}"
    (tmp_path / "own.yaml").write_text(f"name: own\ntask: binary\ndata: {data}\nmodel: {{target: mlp}}\n")
    [finding] = told(tunekit, "own.yaml")["findings"]
    assert finding["code"] == "target_among_inputs"
    assert finding["message"].startswith("column 'paid back' of the inputs alone says the target of all 320 samples")
