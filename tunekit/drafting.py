"""A recipe drafted from what a person has: a folder of images, a table, arrays, or a module of their own code. Files
are looked at as a training would read them; of a module only the text is read, nothing of it runs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tunekit.scripts import Found, found_in
from tunekit.telling import as_path, counted, pasted, visible
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from tunekit.training.sources.seen_images import SeenImages

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".gz")
ARRAYS = (".npz", ".npy")
FEW_PHOTOS = 5000
"""Images under which a pretrained network is the better beginning."""
SMALL_IMAGE = 40
"""Pixels a side up to which images are brought to 32."""
UNEVEN = 2.0
"""Times the rarest class that the most frequent has, from which on a metric counts classes alike."""
MOST_CLASSES = 50
"""Whole numbers up to which a column of them is taken for classes, where they are 0, 1, 2, ... without a gap."""
SMALL_TABLE = 1000
SHOWN = 8
BATCH = 64
LOOK = 20.0
"""Seconds after which no more images are looked at."""
SCRIPT_PAGE = "tunekit/docs/from-your-script.md"
TORCHVISION = "torchvision:"


@dataclass(frozen=True)
class Draft:
    """A recipe's keys in order, and what is told of each; `about` is its first line, `runs` whether it is known to,
    `notes` what its data lack."""

    about: str
    keys: Mapping[str, Any]
    told: Mapping[str, Sequence[str]] = field(default_factory=dict)
    runs: bool = True
    notes: Sequence[str] = ()

    def text(self, name: str) -> str:
        """As YAML, comments above the keys that they are about."""
        lines = [f"# {self.about}"]
        for key, value in {"name": name, **self.keys}.items():
            lines += [f"# {line}" for line in self.told.get(key, ())]
            lines += _dumped({key: value}) if isinstance(value, dict) else _dumped({key: value}, flow=False)
        return "\n".join(lines) + "\n"


def draft(
    path: Path, beside: Path, target: str | None = None, model: str | None = None, weights: Path | None = None
) -> Draft:
    """The recipe of a path, for a file in the folder `beside`. Errors: UserError."""
    if weights is not None and not weights.is_file():
        raise UserError(f"--weights {weights}: no such file")
    args: dict[str, Any] = {"path": _seen_from(path, beside)}
    suffix = path.suffix.lower()
    if path.is_dir():
        made = _images(path, args, model, weights)
    elif suffix == ".py":
        if path.resolve().parent != beside.resolve():
            raise UserError(f"{path}: a recipe finds modules in its own folder: write it into {path.parent}")
        made = _module(path)
    elif suffix in ARRAYS:
        made = _arrays(path, args)
    elif suffix in TABLES:
        made = _table(path, args, target)
    else:
        raise UserError(
            f"{path}: no kind of data that is known: a folder of images by class, a table ({', '.join(TABLES[:4])}), "
            "arrays (.npz), or a module of your own (.py)"
        )
    if target is not None and suffix not in TABLES:
        raise UserError(f"--target {target}: {path} is no table; only a table has a column to predict")
    if model is None and weights is None:
        return made
    return _with_model(made, model, None if weights is None else _seen_from(weights, beside))


def _dumped(part: Mapping[str, Any], flow: bool | None = None) -> list[str]:
    text: str = yaml.safe_dump(dict(part), default_flow_style=flow, sort_keys=False, width=100)
    return text.rstrip().split("\n")


def name_of(path: Path) -> str:
    """A recipe's name for a path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.resolve().name if path.is_dir() else path.stem).strip("-._")
    return name[:100] or "own"


def _seen_from(path: Path, beside: Path) -> str:
    """A path as a recipe in that folder writes it."""
    return path.as_posix() if path.is_absolute() else Path(os.path.relpath(path, beside)).as_posix()


def _with_model(made: Draft, model: str | None, weights: str | None) -> Draft:
    target = model or made.keys["model"]["target"]
    part: dict[str, Any] = {"target": target} if model else dict(made.keys["model"])
    if weights is not None:
        part["weights"] = weights
    elif target.startswith(TORCHVISION):
        part["pretrained"] = True
    told = {**made.told, "model": _told_of_model(target, weights)}
    return replace(made, keys={**made.keys, "model": part}, told=told)


def _told_of_model(target: str, weights: str | None) -> list[str]:
    if weights is not None:
        return ["Begins with the weights of that file. freeze: always trains the head alone, which is fast."]
    if target.startswith(TORCHVISION):
        return ["pretrained downloads ImageNet's weights once; a file of your own instead: weights: FILE."]
    return []


def _images(path: Path, args: dict[str, Any], model: str | None, weights: Path | None) -> Draft:
    from tunekit.training.sources.seen_images import seen_images

    seen = seen_images(path, LOOK)
    counts, sides = seen.counts, seen.sides
    pretrained = weights is not None or (model or "").startswith(TORCHVISION)
    size = 224 if pretrained else 32 if sorted(sides)[len(sides) // 2] <= SMALL_IMAGE else 64
    channels = [32, 64] if size == 32 else [32, 64, 128]
    total = sum(counts.values())
    notes = _unreadable(seen)
    told = {
        "data": [
            f"size: pixels a side that all are brought to{'; the network was trained on 224' if pretrained else ''}.",
            "augment: what may happen to an image and leave its class what it is. No flip for letters and signs.",
            *(f"corrupt: skip, as {note}." for note in notes),
        ],
        "metric": _told_of_metric(counts.values()),
    }
    if total < FEW_PHOTOS and not pretrained:
        told["model"] = [
            "A small network from scratch. Of so few images one that has seen a million is most often better:",
            pasted("tunekit", "init", as_path(path), "--model", "torchvision:resnet18", "--force"),
        ]
    keys = {
        "task": "classification",
        "data": {
            "target": "image-folder",
            "args": {**args, "size": size, **({"corrupt": "skip"} if notes else {})},
            "val_fraction": 0.2,
            "augment": [
                "flip",
                {"resized_crop": {"scale": [0.5, 1.0]}} if pretrained else {"crop": {"padding": size // 16}},
            ],
        },
        "model": {"target": "cnn", "args": {"channels": channels, "batch_norm": True, "dropout": 0.2}},
        "metric": _metric(counts.values()),
        "optimizer": {"target": "adamw", "lr": 1e-3, "weight_decay": 1e-2},
        "batch_size": 32,
        "seed": 0,
        "steps": {"coarse-grid": {"epochs": 2}, "fine-run": {"epochs": 10, "patience": 4}},
    }
    return Draft(
        f"{counted(total, 'image')} of {counted(len(counts), 'class', 'classes')}: {_listed(sorted(counts))}",
        keys,
        told,
        notes=notes,
    )


def _unreadable(seen: SeenImages) -> list[str]:
    """Why files may have to be left out: some cannot be read, or it is not known of all."""
    files = seen.unreadable
    broken = [f"{counted(len(files), 'image')} cannot be read: {_listed(files)}"]
    rest = f"{seen.looked:,} of {seen.files:,} images were looked at, within {LOOK:g} s: others may be cut"
    return [*(broken if files else ()), *([rest] if seen.looked < seen.files else ())]


def _table(path: Path, args: dict[str, Any], target: str | None) -> Draft:
    from tunekit.training.sources.reading import read_frame
    from tunekit.training.sources.table import table

    frame = read_frame(path)
    if target is None:
        raise UserError(f"{path}: which column is to be predicted? --target NAME, one of {_listed(frame.names)}")
    parts = table(path, target)
    y = parts.train.stored.targets.numpy()
    data = {"target": "table", "args": {**args, "target": target}, "val_fraction": 0.2}
    hidden = [64, 64] if len(y) < SMALL_TABLE else [128, 128]
    about = f"{counted(len(y), 'row')} of {path.name}, to predict {target}"
    return _of_vectors(
        about,
        data,
        {"target": "mlp", "args": {"hidden": hidden, "dropout": 0.1}},
        y,
        parts.classes,
        {
            "data": [
                "What its columns are read as: `tunekit inspect` on this file. Rows that belong together, or follow",
                "each other: args: {groups: COLUMN} and split: group or time.",
            ],
        },
    )


def _arrays(path: Path, args: dict[str, Any]) -> Draft:
    from tunekit.training.sources.arrays import arrays

    parts = arrays(path)
    x, y = parts.train.stored.args[0], parts.train.stored.targets.numpy()
    shape = tuple(x.shape[1:])
    images = len(shape) == 3
    model = (
        {"target": "cnn", "args": {"channels": [32, 64], "batch_norm": True, "dropout": 0.1}}
        if images
        else {"target": "mlp", "args": {"hidden": [128, 128], "dropout": 0.1}}
    )
    data: dict[str, Any] = {"target": "arrays", "args": {**args, "standardize": bool(x.is_floating_point())}}
    if parts.val is None:
        data["val_fraction"] = 0.2
    about = f"{counted(len(y), 'sample')} of {path.name}, each {list(shape)}"
    return _of_vectors(about, data, model, y, parts.classes, {})


def _of_vectors(
    about: str,
    data: dict[str, Any],
    model: dict[str, Any],
    y: Any,
    classes: Sequence[str] | None,
    told: Mapping[str, Sequence[str]],
) -> Draft:
    """Numbers and their targets: classes where they are named, or whole numbers that count them."""
    labels = y.ndim == 1 and (classes is not None or _counts_classes(y))
    if labels:
        counts = Counter(y.tolist()).values()
        task = {"task": "classification"}
        told = {**told, "metric": _told_of_metric(counts)}
        metric = _metric(counts)
        if classes is None:
            told |= {"task": ["The target counts 0, 1, 2, ...: taken for classes. To predict a number: regression."]}
    else:
        task = {"task": "regression"}
        data = {**data, "args": {**data["args"], "standardize_target": True}}
        told = {**told, "metric": ["The share of the variance that is explained: 0 is what guessing gives."]}
        metric = "r2"
    keys = {
        **task,
        "data": data,
        "model": model,
        "metric": metric,
        "optimizer": {"target": "adamw", "lr": 1e-3, "weight_decay": 1e-2},
        "batch_size": BATCH,
        "seed": 0,
    }
    return Draft(about, keys, told)


def _counts_classes(y: Any) -> bool:
    values = sorted(set(y.tolist()))
    return y.dtype.kind in "iu" and values == list(range(len(values))) and 1 < len(values) <= MOST_CLASSES


def _metric(counts: Any) -> str:
    return "balanced_accuracy" if max(counts) > UNEVEN * min(counts) else "accuracy"


def _told_of_metric(counts: Any) -> list[str]:
    if _metric(counts) == "accuracy":
        return []
    return [f"The mean over the classes, as they are uneven: {min(counts):,} to {max(counts):,} samples."]


def _module(path: Path) -> Draft:
    found = found_in(path)
    if not found.models:
        raise UserError(
            f"{path}: no network found{_beside(found)}: a class whose base is nn.Module, or a function whose name "
            "holds `model` or `net`"
        )
    if not found.data:
        raise UserError(_without_data(path, found))
    told: dict[str, list[str]] = {}
    keys: dict[str, Any] = {"task": "classification"}
    told["task"] = ["Or regression, binary, multilabel: what targets mean, and how they are scored."]
    for part, names in (("data", found.data), ("model", found.models)):
        *others, name = names
        keys[part] = {"target": _target(path, name)}
        needed = [f"It needs args: {{{': ..., '.join(names[name])}: ...}}."] if names[name] else []
        told[part] = [*needed, *([f"Also there: {_listed(others)}."] if others else [])]
    if found.losses:
        target = _target(path, found.losses[-1])
        told["optimizer"] = [
            f"Without a line of its own the loss is the task's. The module's: loss: {{target: \"{target}\"}}"
        ]
    keys |= {"optimizer": {"target": "adam", "lr": 1e-3}, "batch_size": found.batch_size or BATCH, "seed": 0}
    return Draft(f"The network and the data of {path.name}, as it names them", keys, told, runs=False)


def _target(path: Path, name: str) -> str:
    """As a recipe names it: of the module itself, or of one that it imports whole."""
    module, _, last = name.rpartition(".")
    return f"{module or path.stem}:{last}"


def _beside(found: Found) -> str:
    """What else is there."""
    kinds = (("network", found.models), ("dataset", found.datasets), ("data", found.data))
    there = "; ".join(f"{what} {_listed(list(names))}" for what, names in kinds if names)
    return f" (there: {there})" if there else ""


def _without_data(path: Path, found: Found) -> str:
    """Where a script has its data inside its loop: what is there, and what to add."""
    wanted = "a function whose name holds `data`, `loaders` or `split`, and that returns (train, val)"
    if not found.datasets:
        return f"{path}: no data found{_beside(found)}: {wanted}"
    sets = [f"{name}({', '.join(f'{need}=...' for need in needs)})" for name, needs in found.datasets.items()]
    if found.collates:
        size = found.batch_size or BATCH
        sets = [f"DataLoader({one}, batch_size={size}, collate_fn={found.collates[-1]})" for one in sets]
    again = pasted("tunekit", "init", as_path(path))
    lines = [
        f"{path}: no function that gives its data{_beside(found)}. Add one, its dots filled, then `{again}` again:",
        f"    def data(): return {sets[0]}, {sets[-1]}",
        *(['its loop runs on import: put it below `if __name__ == "__main__":`'] if found.loops else []),
        f"{SCRIPT_PAGE} has an example; what is looked for is {wanted}",
    ]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(map(visible, names[:SHOWN])) + more
