"""The recipes that come with tunekit: each is found, copied, sound, and run whole; a page lists them all."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import spawn
from tests.pages import DOCS, ROOT, page
from tunekit.pipeline import read_recipe
from tunekit.recipe.shipped import shipped

NAMES = [recipe.name for recipe in shipped()]


def drawn(count: int, classes: int, size: int, seed: int = 0):
    """Level stripes on a dark or a bright ground, which a flip or a shift leaves what they are: uint8
    [count, size, size, 3], and the class of each."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    cycles, bright = 1 + labels // 2, labels % 2
    heights = np.arange(size)[None] / size * cycles[:, None] + draw.random((count, 1))
    rows = 80 + 90 * bright[:, None] + 60 * np.sin(2 * np.pi * heights)
    noise = draw.normal(0, 12, (count, size, size, 3))
    return np.clip(rows[:, :, None, None] + noise, 0, 255).astype(np.uint8), labels


def fashion_mnist(folder, cache, monkeypatch):
    """Its four files of bytes, with fewer images of the same size."""
    place = cache / "torchvision" / "FashionMNIST" / "FashionMNIST" / "raw"
    place.mkdir(parents=True)
    for name, count in (("train", 1000), ("t10k", 200)):
        images, labels = drawn(count, 10, 28, seed=count)
        head = struct.pack(">4i", 0x803, count, 28, 28)
        (place / f"{name}-images-idx3-ubyte").write_bytes(head + images[..., 0].tobytes())
        (place / f"{name}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2i", 0x801, count) + labels.astype(np.uint8).tobytes()
        )


def cifar10(folder, cache, monkeypatch):
    """Its seven files, with fewer images of the same size, and their own checksums instead of the real ones'."""
    from torchvision.datasets import CIFAR10

    place = cache / "torchvision" / "CIFAR10" / CIFAR10.base_folder
    place.mkdir(parents=True)

    def written(name, content):
        data = pickle.dumps(content)
        (place / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def batch(name, seed):
        images, labels = drawn(160, 10, 32, seed)
        flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        return [name, written(name, {"data": flat, "labels": labels.tolist()})]

    meta = {"label_names": [f"class {number}" for number in range(10)]}
    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{number}", number) for number in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 6)])
    monkeypatch.setitem(CIFAR10.meta, "md5", written("batches.meta", meta))


def images(folder, cache, monkeypatch, name="images", each=60):
    """Pictures of several sizes in a folder a class, as people have them."""
    pixels, labels = drawn(3 * each, 3, 64)
    for number, (one, label) in enumerate(zip(pixels, labels, strict=True)):
        place = folder / name / ("cat", "dog", "horse")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one).resize((48 + number % 40, 64)).save(place / f"{number}.png")


def photos(folder, cache, monkeypatch):
    """Pictures, and a network's weights where torchvision would put them: random ones, of the real names and sizes."""
    import torch
    from torchvision.models import ResNet18_Weights, resnet18

    images(folder, cache, monkeypatch, "photos", each=40)
    monkeypatch.setenv("TORCH_HOME", str(cache / "torch"))
    place = cache / "torch" / "hub" / "checkpoints" / Path(ResNet18_Weights.DEFAULT.url).name
    place.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), place)


def mnist(folder, cache, monkeypatch):
    """The real one, as if it had been downloaded."""
    real = ROOT.parent / "shared" / "data"
    if not (real / "MNIST").is_dir():
        pytest.skip(f"needs torchvision's MNIST in {real}")
    (cache / "torchvision").mkdir()
    (cache / "torchvision" / "MNIST").symlink_to(real, target_is_directory=True)


def nothing(folder, cache, monkeypatch):
    """Its own data are here."""


SHORT = (
    "steps.check-init-loss.initializations=1",
    "steps.lr-sweep.iterations=40",
    "steps.lr-sweep.extend=0",
    "steps.coarse-grid.epochs=1",
    "steps.coarse-grid.extend=0",
    "steps.fine-run.top=1",
    "steps.fine-run.seeds=1",
    "steps.fine-run.epochs=4",
    "train.epochs=4",
)
EPOCH = (*SHORT, "steps.coarse-grid.weight_decays=[0]", "steps.fine-run.epochs=1", "train.epochs=1")
SMALL = ("data.args.size=32", "batch_size=16", "steps.overfit-tiny.per_class=4")
WHOLE = {
    "digits-cnn": (nothing, ("search={}", *SHORT)),
    "fashion-mnist": (fashion_mnist, ("model.args.channels=[8, 16, 32]", *SHORT)),
    "cifar10-resnet": (
        cifar10,
        ("model.args.depth=8", "schedule.warmup=5", "batch_size=32", "steps.overfit-tiny.per_class=3", *SHORT),
    ),
    "image-folder": (images, ("model.args.channels=[8, 16, 32]", *SMALL, *SHORT)),
    "fine-tune": (photos, (*SMALL, *SHORT, "steps.overfit-tiny.rates=[1e-2]", "steps.lr-sweep.iterations=20")),
    "mnist-mlp": (mnist, ("model.args.hidden=[64, 64]", *EPOCH)),
    "mnist-mlp-dropout": (mnist, ("model.args.hidden=[64, 64]", *EPOCH)),
    "mnist-mlp-best": (mnist, ("model.args.hidden=[64, 64]", *EPOCH)),
    "mnist-cnn": (mnist, ("model.args.channels=[4, 8, 16]", *EPOCH)),
    "table-classification": (nothing, ()),
    "table-regression": (nothing, ()),
    "text": (nothing, ("data.args.characters=40000", "model.args.depth=1", "schedule.warmup=10", *SHORT)),
    "own-model": (nothing, ("search={}", *SHORT)),
}
"""What stands for data that must be fetched, and what makes a run shorter."""
ELSEWHERE = re.compile("digits|polynomial")
"""Recipes that other tests run, on their real data."""


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TUNEKIT_CACHE", str(place))
    return place


def test_all_are_run_by_a_test():
    assert len(NAMES) >= 12
    assert {name for name in NAMES if not ELSEWHERE.fullmatch(name)} == set(WHOLE)


def test_the_page_lists_all_and_says_which_never_saw_their_data():
    section = page("starting").partition("## The recipes that come with it")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| (.*?) \|$", section, re.M))
    assert set(rows) == set(NAMES)
    stood_for = {name for name, (data, _) in WHOLE.items() if data not in (nothing, mnist)}
    assert {name for name, seen in rows.items() if seen.startswith("stand-in")} == stood_for


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_each_is_the_recipe_of_that_name(tunekit, tmp_path, name):
    done = tunekit("init", name)
    assert done.code == 0
    written = done.out.rpartition("tunekit run ")[2].strip()
    loaded = read_recipe(tmp_path / written)
    assert loaded.recipe.name == name
    assert loaded.folder == (tmp_path / written).parent


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_in_one_line(name):
    [recipe] = [recipe for recipe in shipped() if recipe.name == name]
    assert recipe.path.read_text().startswith("# ")
    assert 20 < len(recipe.about) < 130


class TestOneWithCode:
    def test_is_a_folder_that_works_from_where_it_is_copied(self, tunekit, tmp_path):
        done = tunekit("init", "own-model", "my model")
        assert done.out == "my model written; next: tunekit run 'my model/own-model.yaml'\n"
        assert {path.name for path in (tmp_path / "my model").iterdir()} == {
            "own-model.yaml",
            "own_model.py",
            "tunekit.schema.json",
        }
        code = tmp_path / "my model" / "own_model.py"
        code.write_text(code.read_text().replace("samples: int = 1500", "samples: int = 90"))
        words = ("validate", "my model/own-model.yaml", "--set", "data.args={}")
        assert "72 training and 18 validation samples" in tunekit(*words).out

    def test_nothing_is_overwritten_unasked(self, tunekit, tmp_path):
        (tmp_path / "own-model").mkdir()
        own = tmp_path / "own-model" / "own_model.py"
        own.write_text("mine")
        done = tunekit("init", "own-model")
        assert (done.code, own.read_text()) == (2, "mine")
        assert "own-model: exists already" in done.err
        assert not (tmp_path / "own-model" / "own-model.yaml").exists()
        assert tunekit("init", "own-model", "--force").code == 0
        assert "class Waves" in own.read_text()

    @pytest.mark.parametrize(
        ("goal", "told"),
        [
            ("own.yaml", "own-model has several files; give the name of a folder"),
            ("no/such", "no/such: cannot be written: No such file or directory"),
            ("file", "file: exists already"),
        ],
    )
    def test_a_goal_that_cannot_be_is_told(self, tunekit, tmp_path, goal, told):
        (tmp_path / "file").touch()
        done = tunekit("init", "own-model", goal)
        assert done.code == 2
        assert told in done.err

    def test_its_name_means_the_copy_here_and_without_one_tunekits_own(self, tunekit, tmp_path):
        def samples():
            return json.loads(tunekit("validate", "own-model", "--set", "data.args={}", "--json").out)["n_train"]

        assert samples() == 1200
        tunekit("init", "own-model")
        code = tmp_path / "own-model" / "own_model.py"
        code.write_text(code.read_text().replace("samples: int = 1500", "samples: int = 90"))
        assert samples() == 72
        assert tunekit("check-init-loss", "own-model").code == 0
        assert json.loads(tunekit("status", "--json").out)[0]["run"] == "runs/own-model-001"
        assert tunekit("check-init-loss", "runs/own-model-001").code == 0


def test_a_name_means_no_folder_that_holds_no_recipe(tunekit, tmp_path):
    (tmp_path / "digits").mkdir()
    assert "1438 training" in tunekit("validate", "digits").out
    (tmp_path / "other").mkdir()
    assert "other: is no run of tunekit" in tunekit("run", "other").err


def test_the_paths_of_one_by_its_name_begin_here(tunekit, tmp_path, cache, monkeypatch):
    images(tmp_path, cache, monkeypatch)
    words = ("check-init-loss", "image-folder", "--set", "data.args.size=16")
    assert tunekit(*words, "--name", "here").code in (0, 1)
    assert tunekit("check-init-loss", "runs/here").code in (0, 1)
    done = tunekit("validate", "image-folder", "--set", "data.args.path=nowhere")
    assert f"error: data.args.path: {tmp_path / 'nowhere'}: no such folder" in done.err


@pytest.mark.parametrize(("name", "target"), [("table-classification", "survived"), ("table-regression", "age")])
def test_a_table_of_ones_own_takes_the_place_of_its_data(tunekit, tmp_path, name, target):
    draw = np.random.default_rng(0)
    rows = [f"{draw.integers(1, 90)},{draw.random():.3f},{('yes', 'no')[draw.integers(2)]}" for _ in range(200)]
    (tmp_path / "patients.csv").write_text("\n".join(["age,dose,survived", *rows]))
    written = re.search(r"--set '(data=.*)'$", (ROOT / "recipes" / f"{name}.yaml").read_text(), re.M).group(1)
    file, column = re.search(r"path: (\S+), target: (\w+)", written).groups()
    own = written.replace(file, "patients.csv").replace(f"target: {column}", f"target: {target}")
    done = tunekit("validate", name, "--set", own)
    assert "160 training and 40 validation samples" in done.out, done.err


@pytest.mark.long
def test_the_wheel_has_them_all_their_code_and_the_docs(tmp_path):
    (tmp_path / "wheel").mkdir()
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "wheel"), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("what builds a wheel cannot be had here")
    assert done.returncode == 0, done.stderr
    [wheel] = (tmp_path / "wheel").glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    docs = tmp_path / "installed" / "tunekit" / "docs"
    assert {path.name for path in docs.iterdir()} == {path.name for path in DOCS.iterdir()}
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    (tmp_path / "work").mkdir()

    def told(*words):
        done = spawn(*words, cwd=tmp_path / "work", env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    known = json.loads(told("recipes", "--json"))
    assert [recipe["name"] for recipe in known] == NAMES
    assert all(Path(recipe["path"]).is_relative_to(tmp_path / "installed") for recipe in known)
    assert "sound" in told("validate", "own-model")
    for name in NAMES:
        told("init", name)
    assert {path.name for path in (tmp_path / "work" / "own-model").iterdir()} == {
        "own-model.yaml",
        "own_model.py",
        "tunekit.schema.json",
    }
    assert "sound" in told("validate", "own-model/own-model.yaml")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in WHOLE if name != "fine-tune"])  # which is run below, twice
def test_each_is_run_whole(tunekit, tmp_path, cache, monkeypatch, name):
    data, shorter = WHOLE[name]
    data(tmp_path, cache, monkeypatch)
    recipe = tunekit("init", name).out.rpartition("tunekit run ")[2].strip()
    words = [word for change in shorter for word in ("--set", change)]
    done = tunekit("run", recipe, "--jobs", "1", *words)
    assert done.code == 0, done.out + done.err
    told = json.loads(tunekit("train", f"runs/{name}-001", "--json").out)
    assert (tmp_path / "runs" / f"{name}-001" / "final" / "model.safetensors").is_file()
    assert ("test" in told and told["test"] is not None) == ("mnist" in name or name == "cifar10-resnet")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_body_is_let_go_of_as_the_recipe_says(tunekit, tmp_path, cache, monkeypatch):
    import torch
    from safetensors.torch import load_file

    data, shorter = WHOLE["fine-tune"]
    data(tmp_path, cache, monkeypatch)
    tunekit("init", "fine-tune")
    words = [word for change in shorter for word in ("--set", change)]
    lines = re.findall(r"^#  +tunekit ((?:run|train) .*)$", (tmp_path / "fine-tune.yaml").read_text(), re.M)
    assert len(lines) == 4
    for line in lines:
        more = [*words, "--jobs", "1"] if line.startswith("run") else []
        done = tunekit(*line.split(), *more)
        assert done.code == 0, done.out + done.err
    frozen, free = (
        load_file(tmp_path / "runs" / run / "final" / "model.safetensors") for run in ("fine-tune-001", "unfrozen")
    )
    name = "layer1.0.conv1.weight"
    [before] = (cache / "torch").rglob("*.pth")
    assert torch.equal(frozen[name], torch.load(before)[name])
    assert not torch.equal(free[name], frozen[name])
    assert torch.allclose(free[name], frozen[name], atol=0.1)
