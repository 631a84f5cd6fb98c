"""`tunekit init` on what a person has: it looks, and the recipe that it writes is sound."""

import numpy as np
import pytest
import yaml
from PIL import Image

from tunekit.drafting import draft
from tunekit.scripts import found_in

DRAW = np.random.default_rng(0)

MODULE = """
import torch
from torch import nn
import lightning as L

raise RuntimeError("nothing of it runs")

class Block(nn.Module): ...

class Net(Block):
    def __init__(self, hidden, *, depth, width=3): ...

class Lit(L.LightningModule): ...

class Nobody: ...

class Data(L.LightningDataModule): ...

def get_dataloaders(root, batch=3): ...

def load_data(): ...

def focal_loss(outputs, targets): ...

def make_model(): ...
"""


def photos(folder, sizes, side=(48, 64)):
    for name, count in sizes.items():
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = DRAW.integers(0, 255, (*side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")


def table(path, rows):
    path.write_text("age,plan,churn,spent\n" + "\n".join(rows) + "\n")


def written(path):
    return yaml.safe_load(path.read_text())


def test_a_folder_of_images_by_class(tmp_path, tunekit):
    photos(tmp_path / "my photos", {"cat": 6, "a: dog": 20})
    done = tunekit("init", "my photos")
    assert done.code == 0
    assert "26 images of 2 classes: a: dog, cat" in done.out
    recipe = written(tmp_path / "my-photos.yaml")
    assert recipe["data"]["args"] == {"path": "my photos", "size": 64}
    assert recipe["metric"] == "balanced_accuracy"
    assert tunekit("validate", "my-photos.yaml").code == 0


def test_small_images_stay_small_and_a_pretrained_network_wants_large_ones(tmp_path):
    photos(tmp_path / "icons", {"a": 3, "b": 3}, (16, 16))
    assert draft(tmp_path / "icons", tmp_path).keys["data"]["args"]["size"] == 32
    pretrained = draft(tmp_path / "icons", tmp_path, model="torchvision:resnet18")
    assert pretrained.keys["model"] == {"target": "torchvision:resnet18", "pretrained": True}
    assert pretrained.keys["data"]["args"]["size"] == 224
    (tmp_path / "w.pth").touch()
    own = draft(tmp_path / "icons", tmp_path / "sub", model="torchvision:resnet18", weights=tmp_path / "w.pth")
    assert own.keys["model"] == {"target": "torchvision:resnet18", "weights": str(tmp_path / "w.pth")}


def test_images_that_cannot_be_read_are_named_and_left_out_by_the_recipe(tmp_path, tunekit):
    photos(tmp_path / "photos", {"cat": 12, "dog": 13})
    whole = (tmp_path / "photos" / "dog" / "3.png").read_bytes()
    (tmp_path / "photos" / "dog" / "3.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "photos" / "dog" / "4.png").write_bytes(b"")
    (tmp_path / "photos" / "cat" / "a\nb.png").write_text("no image")
    done = tunekit("init", "photos")
    assert done.code == 0
    assert "23 images of 2 classes" in done.out
    assert "note: 3 images cannot be read: photos/cat/a\\nb.png, photos/dog/3.png, photos/dog/4.png" in done.out
    assert "tunekit run photos.yaml --dry-run" in done.out
    assert written(tmp_path / "photos.yaml")["data"]["args"]["corrupt"] == "skip"
    assert "# corrupt: skip, as 3 images" in (tmp_path / "photos.yaml").read_text()
    assert tunekit("validate", "photos.yaml").code == 0


def test_those_of_other_splits_count_and_of_a_short_look_it_is_said(tmp_path, monkeypatch):
    photos(tmp_path / "photos" / "train", {"cat": 40, "dog": 40}, (4, 4))
    photos(tmp_path / "photos" / "val", {"cat": 2, "dog": 2}, (4, 4))
    sound = draft(tmp_path / "photos", tmp_path)
    assert "corrupt" not in sound.keys["data"]["args"]
    assert not sound.notes
    (tmp_path / "photos" / "val" / "cat" / "0.png").write_bytes(b"GIF89a")
    made = draft(tmp_path / "photos", tmp_path)
    assert made.keys["data"]["args"]["corrupt"] == "skip"
    assert made.about.startswith("80 images")
    monkeypatch.setattr("tunekit.drafting.LOOK", 0.0)
    hasty = draft(tmp_path / "photos", tmp_path)
    assert hasty.keys["data"]["args"]["corrupt"] == "skip"
    assert hasty.notes[-1].startswith("64 of 84 images were looked at")


@pytest.mark.parametrize(
    ("target", "task", "metric"),
    [
        ("churn", "classification", "balanced_accuracy"),
        ("spent", "regression", "r2"),
        ("plan", "classification", "accuracy"),
    ],
)
def test_a_table_is_told_by_its_target(tmp_path, tunekit, target, task, metric):
    rows = [f"{20 + k % 50},{'ab'[k % 2]},{'yes' if k % 5 == 0 else 'no'},{k * 1.37}" for k in range(120)]
    table(tmp_path / "churn.csv", rows)
    assert tunekit("init", "churn.csv", "--target", target).code == 0
    recipe = written(tmp_path / "churn.yaml")
    assert (recipe["task"], recipe["metric"]) == (task, metric)
    assert tunekit("validate", "churn.yaml").code == 0


def test_a_table_without_a_target_lists_its_columns(tmp_path, tunekit):
    table(tmp_path / "churn.csv", ["31,a,yes,1.5"] * 9)
    done = tunekit("init", "churn.csv")
    assert done.code == 2
    assert "--target NAME, one of age, plan, churn, spent" in done.err
    assert not (tmp_path / "churn.yaml").exists()


@pytest.mark.parametrize(
    ("shape", "y", "task", "model"),
    [
        ((1, 8, 8), DRAW.integers(0, 3, 90), "classification", "cnn"),
        ((5,), DRAW.normal(size=90), "regression", "mlp"),
        ((5,), DRAW.integers(0, 900, 90), "regression", "mlp"),  # whole numbers that count nothing
        ((5,), DRAW.choice([0, 2, 5], 90), "regression", "mlp"),
    ],
)
def test_arrays_are_told_by_their_shapes(tmp_path, tunekit, shape, y, task, model):
    np.savez(tmp_path / "data.npz", x=DRAW.normal(size=(90, *shape)).astype(np.float32), y=y)
    assert tunekit("init", "data.npz", "recipe.yaml").code == 0
    recipe = written(tmp_path / "recipe.yaml")
    assert (recipe["task"], recipe["model"]["target"]) == (task, model)
    assert tunekit("validate", "recipe.yaml").code == 0


def test_a_module_is_read_and_not_run(tmp_path, tunekit):
    (tmp_path / "mine.py").write_text(MODULE)
    found = found_in(tmp_path / "mine.py")
    assert dict(found.models) == {"Block": [], "Net": ["hidden", "depth"], "Lit": []}
    assert dict(found.data) == {"get_dataloaders": ["root"], "load_data": []}
    assert list(found.losses) == ["focal_loss"]
    done = tunekit("init", "mine.py")
    assert done.code == 0
    assert "tunekit validate mine.yaml" in done.out
    text = (tmp_path / "mine.yaml").read_text()
    assert "mine:focal_loss" in text
    assert "Block, Net" in text


def test_a_module_of_one_s_own_that_is_whole_runs(tmp_path, tunekit):
    (tmp_path / "whole.py").write_text(
        "import torch\nfrom torch import nn\nfrom torch.utils.data import TensorDataset\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.layer = nn.Linear(4, 3)\n"
        "    def forward(self, x):\n        return self.layer(x)\n"
        "def data():\n    return TensorDataset(torch.randn(80, 4), torch.arange(80) % 3)\n"
    )
    assert tunekit("init", "whole.py").code == 0
    assert tunekit("validate", "whole.yaml").code == 0


SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

EPOCHS, BATCH = 3, 32

class Windows(Dataset):
    def __init__(self, path, train=True): ...

class Base(nn.Module): ...

def main():
    val = DataLoader(Windows("v"), 256)
    loader = DataLoader(Windows("w"), BATCH, shuffle=True)

if __name__ == "__main__":
    main()
"""


def test_modules_beside_that_are_imported_are_read_too(tmp_path, tunekit):
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text("import mine\n")  # a circle
    (tmp_path / "nets" / "deep.py").write_text("from train import Base\nclass Net(Base):\n    pass\n")
    (tmp_path / "mine.py").write_text("import nets\nfrom nets.deep import Net as Mine\nimport train\ndef data(): ...\n")
    found = found_in(tmp_path / "mine.py")
    assert list(found.models) == ["train.Base", "Mine"]
    assert (list(found.datasets), list(found.data)) == (["train.Windows"], ["data"])
    assert tunekit("init", "mine.py").code == 0
    recipe = written(tmp_path / "mine.yaml")
    assert (recipe["model"]["target"], recipe["batch_size"]) == ("mine:Mine", 32)
    for line, target in (("from train import Base as Net", "mine:Net"), ("import train as t", "train:Base")):
        (tmp_path / "mine.py").write_text(f"{line}\ndef data(): ...\n")
        assert tunekit("init", "mine.py", "--force").code == 0
        assert written(tmp_path / "mine.yaml")["model"]["target"] == target


def test_of_a_script_without_a_function_for_its_data_the_line_to_add_is_shown(tmp_path, tunekit):
    (tmp_path / "train.py").write_text(SCRIPT)
    done = tunekit("init", "train.py")
    assert done.code == 2
    assert "network Base; dataset Windows" in done.err
    assert "    def data(): return Windows(path=...), Windows(path=...)\n" in done.err
    assert "tunekit/docs/from-your-script.md" in done.err
    assert "on import" not in done.err
    (tmp_path / "train.py").write_text(SCRIPT + "def collate(batch): ...\nfor epoch in range(3): ...\n")
    text = tunekit("init", "train.py").err
    assert "return DataLoader(Windows(path=...), batch_size=32, collate_fn=collate), DataLoader(" in text
    assert "its loop runs on import" in text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("DataLoader(data, batch_size=16)", 16),
        ("DataLoader(data, 256); torch.utils.data.DataLoader(data, 8, shuffle=True)", 8),
        ("SIZE: int = 4\nBATCH = 24\ndef f():\n    return DataLoader(data, BATCH)", 24),
        ("p.add_argument('--batch-size', '-b', type=int, default=48)\nDataLoader(data, a.batch_size)", 48),
        ("DataLoader(data, batch_size=None)", None),
        ("DataLoader(data, size)", None),
    ],
)
def test_the_batch_is_what_a_loader_in_the_text_says(tmp_path, text, size):
    (tmp_path / "mine.py").write_text(text)
    assert found_in(tmp_path / "mine.py").batch_size == size


def test_a_module_has_its_recipe_beside_it(tmp_path, tunekit):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "mine.py").write_text(MODULE)
    done = tunekit("init", "src/mine.py", "mine.yaml")
    assert done.code == 2
    assert "write it into src" in done.err
    assert tunekit("init", "src/mine.py").code == 0
    assert (tmp_path / "src" / "mine.yaml").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere.csv",), "nowhere.csv: no such file or folder"),
        (("digit",), "did you mean 'digits'?"),
        (("digits", "--target", "y"), "--target"),
        (("notes.md",), "no kind of data that is known"),
        (("churn.csv", "--target", "churn", "--weights", "resnet81.pth"), "--weights resnet81.pth: no such file"),
        (("cut",), "no image for training that can be read"),
        (("empty",), "a folder of images is needed for each class"),
        (("bad.py",), "cannot be read as Python"),
        (("plain.py",), "no network found"),
        (("notes.md", "--target", "y"), "no kind of data"),
        (("churn.csv", "--target", "chrun"), "churn"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_and_nothing_is_written(tmp_path, tunekit, words, told):
    (tmp_path / "notes.md").write_text("# notes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut" / "cat").mkdir(parents=True)
    (tmp_path / "cut" / "cat" / "0.jpg").write_bytes(b"")
    (tmp_path / "bad.py").write_text("def (:")
    (tmp_path / "plain.py").write_text("x = 1\n")
    table(tmp_path / "churn.csv", ["31,a,yes,1.5"] * 9)
    done = tunekit("init", *words)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.glob("*.yaml"))


def test_what_is_there_stays_unless_forced(tmp_path, tunekit):
    table(tmp_path / "churn.csv", [f"{k},a,{'yes' if k % 2 else 'no'},1.5" for k in range(40)])
    (tmp_path / "churn.yaml").write_text("mine")
    assert tunekit("init", "churn.csv", "--target", "churn").code == 2
    assert (tmp_path / "churn.yaml").read_text() == "mine"
    assert tunekit("init", "churn.csv", "--target", "churn", "--force").code == 0


def test_a_path_is_written_as_the_recipe_sees_it(tmp_path, tunekit):
    table(tmp_path / "churn.csv", [f"{k},a,{'yes' if k % 2 else 'no'},1.5" for k in range(40)])
    assert tunekit("init", "churn.csv", "sub/mine.yaml", "--target", "churn").code == 0
    assert written(tmp_path / "sub" / "mine.yaml")["data"]["args"]["path"] == "../churn.csv"
    assert tunekit("validate", "sub/mine.yaml").code == 0
