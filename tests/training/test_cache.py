"""Downloads go to one place, once, whole, whoever asks; what is not to be had is told with what would do instead."""

import re
import threading
import urllib.error
from pathlib import Path

import pytest
import torch
import torchvision.datasets

from tunekit.configuration import DataSpec
from tunekit.training.sources import read_splits
from tunekit.training.sources.cache import cache_folder, downloaded
from tunekit.vocabulary import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Stand:
    """As MNIST and its like: files below root/CLASS/raw, and a class for each number."""

    downloads = 0
    classes = ("none", "one")

    def __init__(self, root, train=True, download=False, transform=None):
        file = Path(root) / "Stand" / "data.pt"
        if download and not file.exists():
            type(self).downloads += 1
            print("downloading")
            file.parent.mkdir(parents=True)
            self.fill(file)
        if not file.exists():
            raise RuntimeError("Dataset not found.")
        self.data = torch.load(file)[: 20 if train else 5]
        self.targets = torch.arange(len(self.data)) % 2

    def fill(self, file):
        torch.save(torch.zeros(20, 4, 4, dtype=torch.uint8), file)


@pytest.fixture
def stand(monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "Stand", Stand, raising=False)
    monkeypatch.setattr(Stand, "downloads", 0)
    return Stand


def splits(folder, **args):
    return read_splits(DataSpec(target="torchvision:Stand", args=args), folder)


def test_the_cache_is_the_users_or_where_the_variable_says(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.delenv("TUNEKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent / "xdg"))
    assert cache_folder().name == "tunekit"


def test_a_set_is_downloaded_once_for_all_recipes(stand, cache, tmp_path, capsys):
    for _ in range(2):
        parts = splits(tmp_path / "anywhere")
    assert stand.downloads == 1
    assert (len(parts.train), len(parts.val), len(parts.test)) == (16, 4, 5)
    assert parts.classes == ("none", "one")
    assert (cache / "torchvision" / "Stand" / "Stand" / "data.pt").is_file()
    assert capsys.readouterr().out == ""


def test_with_a_root_nothing_is_downloaded_unasked(stand, cache, tmp_path):
    with pytest.raises(UserError, match=r"not found; check data\.args\.root, or set data\.args\.download: true"):
        splits(tmp_path, root="here")
    splits(tmp_path, root="here", download=True)
    assert splits(tmp_path, root="here").classes
    assert not cache.exists()


def test_half_a_download_is_not_taken_for_whole(stand, cache, tmp_path, monkeypatch):
    def cut(self, file):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stand, "fill", cut)
        with pytest.raises(KeyboardInterrupt):
            splits(tmp_path)
    left = cache / "torchvision" / ".Stand.part"  # as a kill leaves it
    left.mkdir()
    (left / "Stand").mkdir()
    (left / "Stand" / "data.pt").write_bytes(b"half")
    assert len(splits(tmp_path).test) == 5
    assert stand.downloads == 2
    assert not left.exists()


def test_processes_that_want_the_same_wait_for_one():
    began, calls = threading.Barrier(4), []

    def download(place):
        calls.append(place)
        (place / "file").touch()

    def ask():
        began.wait()
        assert (downloaded("family", "name", download) / "file").exists()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10", "Flowers102"])
def test_without_a_network_it_is_said_what_would_do_instead(tmp_path, monkeypatch, cache, name):
    def unreachable(*_args, **_options):
        raise urllib.error.URLError("Temporary failure in name resolution")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError) as caught:
        read_splits(DataSpec(target=f"torchvision:{name}"), tmp_path)
    text = str(caught.value)
    assert "look at the network" in text
    assert text.endswith("data.args.root: FOLDER")
    assert "\n" not in text
    expected = {"MNIST": "MNIST/raw/train-images-idx3-ubyte", "CIFAR10": "cifar-10-batches-py/data_batch_1"}
    assert expected.get(name, "its files") in text
    assert not [path for path in (cache / "torchvision").iterdir() if path.is_dir()]


@pytest.mark.parametrize("left", [0, 40])
def test_a_set_of_the_cache_that_was_cut_is_named(tmp_path, stand, cache, left):
    splits(tmp_path)
    folder = cache / "torchvision" / "Stand"
    file = folder / "Stand" / "data.pt"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(UserError) as caught:
        splits(tmp_path)
    assert left or f"{file}: it is empty" in str(caught.value)
    assert str(caught.value).endswith(f"; delete {folder}, and it is downloaded anew")
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_told(tmp_path, stand, cache):
    cache.write_text("a file")
    with pytest.raises(UserError, match=r"cannot be written: .*; TUNEKIT_CACHE names another folder"):
        splits(tmp_path)


def test_no_recipe_points_outside_the_project():
    recipes = list((ROOT / "recipes").rglob("*.yaml"))
    assert len(recipes) >= 12
    assert not [path.name for path in recipes if re.search(r"\.\./|[:\s]/\w|~", path.read_text())]
