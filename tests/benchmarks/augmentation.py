"""tunekit's augmentations against kornia's and torchvision's, on a batch of 128 images of 3x32x32 on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import REPEATS, Report, alternate, ratio, spread, verdict

Entry = Callable[[Any, Any], Any]
"""Images and labels to images (and mixed labels)."""

PACKAGES = ("kornia", "torchvision")
BATCH = 128
TURNS = 25  # a process; of each side alternately
WARM = 2  # before them, which do not count
TARGET = 2.0  # times our own processor time, up to which a library would be taken
CHAINS = ("crop, flip", "resized_crop, flip, jitter with hue, erase")
"""Rows that are what recipes for 32x32 and for photographs have; by these it is decided."""

OURS: dict[str, Any] = {
    "flip": "flip",
    "crop": "crop",
    "resized_crop": "resized_crop",
    "rotate": "rotate",
    "affine": {"affine": {"shear": 5}},
    "jitter": "jitter",
    "jitter with hue": {"jitter": {"hue": 0.05}},
    "erase": {"erase": {"value": 0.0}},
    "noise": "noise",
    "mixup": "mixup",
    "cutmix": "cutmix",
}
"""Entries of recipes, by the name of a row."""
ROWS = (*OURS, *CHAINS)


def run(quick: bool) -> Report:
    turns = [fresh.call("augmentation.measure", turns=TURNS) for _ in range(1 if quick else REPEATS)]
    rows = []
    for name in ROWS:
        times = {side: [one for turn in turns for one in turn[name].get(side, [])] for side in ("tunekit", *PACKAGES)}
        row = [name, spread(times["tunekit"])]
        for package in PACKAGES:
            if not times[package]:
                row += ["not installed", "-", ""]
                continue
            share = ratio(times[package], times["tunekit"])
            row += [spread(times[package]), f"{share:.1f}", verdict(share <= TARGET) if name in CHAINS else ""]
        rows.append(row)
    notes = [
        "Milliseconds of processor time a batch, median (lowest to highest); a ratio is the library's over ours.",
        f"A library would be taken where the chains need at most {TARGET:g} times our own.",
        "kornia draws per sample by itself; torchvision draws once a call, so it is called once an image, and its "
        "MixUp and CutMix once a batch, with one share for all.",
        "All three get the images as they are used, from 0 to 1.",
    ]
    columns = ["entry", "tunekit ms", "kornia ms", "ratio", "", "torchvision ms", "ratio", ""]
    return Report("Augmentations", columns, rows, notes)


def measure(turns: int, warm: int = WARM, batch: int = BATCH) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of processor time of each turn, by row and side."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.rand(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    sides: dict[str, dict[str, Callable[[], object]]] = {name: {} for name in ROWS}
    for package, entries in (("tunekit", _ours), ("kornia", _kornia), ("torchvision", _torchvision)):
        if package == "tunekit" or find_spec(package) is not None:
            known = entries()
            for name in ROWS:
                sides[name][package] = _chained([known[part] for part in name.split(", ")], x, y)

    def timed(work: Callable[[], object]) -> float:
        before = time.process_time()
        work()
        return 1000 * (time.process_time() - before)

    found = {}
    for name, works in sides.items():
        calls = {side: (lambda work=work: timed(work)) for side, work in works.items()}
        found[name] = {side: times[warm:] for side, times in alternate(calls, turns + warm).items()}
    return found


def _chained(entries: list[Entry], x: Any, y: Any) -> Callable[[], object]:
    def whole() -> object:
        images = x
        for entry in entries:
            images = entry(images, y)
        return images

    return whole


def _ours() -> dict[str, Entry]:
    import torch

    from tunekit.training.augmentations import links_of
    from tunekit.training.augmentations.mixing import mixed_targets
    from tunekit.training.augmentations.units import Units

    units = Units(torch.zeros(3, 1, 1), torch.ones(3, 1, 1), torch.full((3, 1, 1), 0.5))

    def entry(written: Any) -> Entry:
        [link] = links_of([written])
        if not link.augmentation.mixes:
            return lambda x, _y: link.apply(x, units, True)

        def mixing(x: Any, y: Any) -> object:
            images, draw = link.apply(x, units, True)
            return images, mixed_targets(y, draw, numbers=False)

        return mixing

    return {name: entry(written) for name, written in OURS.items()}


def _kornia() -> dict[str, Entry]:
    import kornia.augmentation as k

    return {
        **_of_images(
            {
                "flip": k.RandomHorizontalFlip(p=0.5),
                "crop": k.RandomCrop((32, 32), padding=4),
                "resized_crop": k.RandomResizedCrop((32, 32), scale=(0.25, 1.0)),
                "rotate": k.RandomRotation(15.0, p=1.0),
                "affine": k.RandomAffine(10.0, (0.1, 0.1), (0.9, 1.1), 5.0, p=1.0),
                "jitter": k.ColorJitter(0.2, 0.2, 0.2, 0.0, p=1.0),
                "jitter with hue": k.ColorJitter(0.2, 0.2, 0.2, 0.05, p=1.0),
                "erase": k.RandomErasing(p=0.5),
                "noise": k.RandomGaussianNoise(0.0, 0.1, p=1.0),
            }
        ),
        "mixup": k.RandomMixUpV2(p=1.0, data_keys=["input", "class"]),
        "cutmix": k.RandomCutMixV2(p=1.0, data_keys=["input", "class"], use_correct_lambda=True),
    }


def _torchvision() -> dict[str, Entry]:
    import torch
    from torchvision.transforms import v2

    one = {
        "flip": v2.RandomHorizontalFlip(),
        "crop": v2.RandomCrop(32, padding=4),
        "resized_crop": v2.RandomResizedCrop(32, scale=(0.25, 1.0)),
        "rotate": v2.RandomRotation(15, interpolation=v2.InterpolationMode.BILINEAR),
        "affine": v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5, interpolation=v2.InterpolationMode.BILINEAR),
        "jitter": v2.ColorJitter(0.2, 0.2, 0.2),
        "jitter with hue": v2.ColorJitter(0.2, 0.2, 0.2, 0.05),
        "erase": v2.RandomErasing(),
        "noise": v2.GaussianNoise(0.0, 0.1),
    }
    return {
        **_of_images({name: _each(transform, torch.stack) for name, transform in one.items()}),
        "mixup": v2.MixUp(alpha=0.2, num_classes=10),
        "cutmix": v2.CutMix(alpha=1.0, num_classes=10),
    }


def _of_images(modules: dict[str, Any]) -> dict[str, Entry]:
    return {name: (lambda x, _y, module=module: module(x)) for name, module in modules.items()}


def _each(transform: Any, stack: Any) -> Callable[[Any], Any]:
    return lambda x: stack([transform(image) for image in x])
