"""Curves by name become a Log: which is the training loss, which the validation, which the metric. No files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs.log import Log, Metric, curve, floats
from tunekit.logs.names import ADVERSARIAL, BOUNDED, SCORES, Part, part, preference
from tunekit.logs.table import Series
from tunekit.vocabulary import Curve, UserError

ENOUGH = 8
"""Points from which an epoch's mean is preferred to the losses of single steps."""

LEVELS = {"epoch": 0, "": 1, "step": 2}
"""Means of epochs are looked at before the losses of single steps."""

SHOWN = 80
"""Characters of a column's name that a message shows, by which it may be chosen too."""

METRICS = 12
"""A log may hold hundreds of metrics (per class, per size); the first few by preference are kept."""


def assemble(
    series: Series,
    format: str,
    files: Sequence[str | Path],
    *,
    name: str = "",
    train: str | None = None,
    val: str | None = None,
) -> Log:
    """The log of these curves. `train` and `val` force columns by name; UserError where there is no such one."""
    curves = {key: value for key, value in series.curves.items() if len(value.x)}
    notes = list(series.notes)
    where = str(files[0]) if files else name
    train_loss = _forced(train, curves, where) if train else _loss(curves, ("train", ""), notes)
    val_loss = _forced(val, curves, where) if val else _val_loss(curves, train_loss, notes)
    if not (train or val) and train_loss is None and val_loss is None:
        train_loss, val_loss = _bare(curves)
        if train_loss is None and val_loss is None:
            train_loss, val_loss = _error_as_loss(curves, notes)
    train_loss, val_loss = _own_clock(train_loss, val_loss)
    metrics = _metrics(curves, {item.name for item in (train_loss, val_loss) if item})
    metrics = tuple(replace(item, val=_own_clock(train_loss, item.val)[1]) for item in metrics)
    return Log(
        format=format,
        files=tuple(str(file) for file in files),
        name=name,
        train=train_loss,
        val=val_loss,
        metrics=metrics,
        lr=next((curves[key] for key in curves if part(key).kind == "rate"), None),
        epochs=series.epochs,
        notes=tuple(dict.fromkeys(notes)),
    )


def _forced(name: str, curves: Mapping[str, Curve], where: str) -> Curve:
    wanted = name.strip().lower()
    for key, value in curves.items():
        if wanted in (key.strip().lower(), key[:SHOWN].strip().lower()):
            return value
    known = ", ".join(repr(key[:SHOWN]) for key in list(curves)[:20]) or "none with numbers"
    known += f" and {len(curves) - 20:,} more" if len(curves) > 20 else ""
    raise UserError(f"{where}: no column {name!r}; the columns are {known}; name one of them with --train or --val")


def _loss(curves: Mapping[str, Curve], sides: Sequence[str], notes: list[str]) -> Curve | None:
    """The best candidate of a split: the plain loss, of single-step and epoch losses the epoch's, else the sum."""
    losses = [key for key in curves if part(key).kind == "loss" and part(key).side in sides]
    if not losses:
        return None
    plain = [key for key in losses if not part(key).core]
    if plain:
        return curves[min(plain, key=lambda key: _rank(key, curves, sides))]
    sided = [key for key in losses if part(key).side == sides[0]] or losses
    return _sum_of(sided, curves, notes)


def _rank(key: str, curves: Mapping[str, Curve], sides: Sequence[str]) -> tuple[object, ...]:
    seen, few = part(key), len(curves[key].x) < ENOUGH
    return few, not seen.total, sides.index(seen.side), LEVELS[seen.level], -len(curves[key].x)


def _sum_of(keys: Sequence[str], curves: Mapping[str, Curve], notes: list[str]) -> Curve | None:
    """The components' sum, where they are logged together and are parts of one loss."""
    longest = max(len(curves[key].x) for key in keys)
    keys = [key for key in keys if len(curves[key].x) == longest]
    best = min(keys, key=lambda key: (len(part(key).core), LEVELS[part(key).level]))
    level = part(best).level
    keys = [key for key in keys if part(key).level == level]
    first = floats(curves[keys[0]].x)
    together = all(np.array_equal(first, floats(curves[key].x)) for key in keys)
    if len(keys) == 1 or not together or any(ADVERSARIAL & set(part(key).core) for key in keys):
        if len(keys) > 1:
            notes.append(f"several losses; {best!r} is taken (--train and --val choose others)")
        return curves[best]
    total = np.sum([floats(curves[key].y) for key in keys], axis=0)
    notes.append(f"loss is the sum of {', '.join(keys)}")
    return curve(" + ".join(keys), first, total, curves[keys[0]].unit)


def _val_loss(curves: Mapping[str, Curve], train: Curve | None, notes: list[str]) -> Curve | None:
    """The validation loss that is the training loss's twin; the test loss where there is no validation."""
    for side in ("val", "test"):
        losses = [key for key in curves if part(key).kind == "loss" and part(key).side == side]
        losses = [key for key in losses if len(curves[key].x) >= 2 or side == "val"]
        if not losses:
            continue
        wanted = {part(name).core for name in train.name.split(" + ")} if train is not None else set()
        twins = [key for key in losses if part(key).core in wanted]
        plain = [key for key in losses if not part(key).core]
        if len(wanted) > 1 and len(twins) == len(wanted):
            return _sum_of(twins, curves, notes)
        if plain or twins:
            return curves[min(plain or twins, key=lambda key: _rank(key, curves, (side,)))]
        if len(losses) == 1 or train is None or wanted == {()}:
            longest = max(losses, key=lambda key: len(curves[key].x))
            notes.append(f"validation loss is {longest!r} (--val chooses another)")
            return curves[longest]
    return None


def _bare(curves: Mapping[str, Curve]) -> tuple[Curve | None, Curve | None]:
    """Columns called just `train` and `val`, which hold a loss unless the log says otherwise."""
    bare = {
        part(key).side: value
        for key, value in curves.items()
        if not part(key).kind and not part(key).core and not any(char.isdigit() for char in key)
    }
    return bare.get("train"), bare.get("val") or bare.get("test")


def _error_as_loss(curves: Mapping[str, Curve], notes: list[str]) -> tuple[Curve | None, Curve | None]:
    """Where a log has no loss at all, an error measure (MSE, MAE, ...) that it has for training."""
    for key in curves:
        if part(key).kind == "error" and part(key).side in ("train", ""):
            kin = [other for other in curves if part(other).kind == "error" and part(other).core == part(key).core]
            notes.append(f"no loss in the log; {key!r} is judged in its place")
            return curves[key], next((curves[other] for other in kin if part(other).side in ("val", "test")), None)
    return None, None


def _own_clock(train: Curve | None, val: Curve | None) -> tuple[Curve | None, Curve | None]:
    """Validation counted in epochs beside training counted in steps, under one name for both clocks."""
    if train is None or val is None or train.unit != val.unit or len(val.x) < 3:
        return train, val
    counts = bool(np.all(np.diff(floats(val.x)) == 1)) and float(val.x[0]) in (0.0, 1.0)
    if counts and len(train.x) > len(val.x) and float(train.x[-1]) >= 3 * float(val.x[-1]):
        return train, Curve(val.name, val.x, val.y, "epoch" if train.unit != "epoch" else "validation")
    return train, val


def _metrics(curves: Mapping[str, Curve], used: set[str]) -> tuple[Metric, ...]:
    """Metric pairs, those a person looks at first in front. An unsided one is the split its twins leave open."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for key in curves:
        seen = part(key)
        if seen.kind in ("score", "error") and key not in used:
            sides = groups.setdefault(seen.core, {})
            old = sides.get(seen.side)
            if old is None or (part(old).level == "step" and seen.level != "step"):
                sides[seen.side] = key
    keras_like = any(part(key).kind == "loss" and part(key).side == "" for key in curves)
    has_val_loss = any(part(key).kind == "loss" and part(key).side in ("val", "test") for key in curves)
    pairs = []
    for core, sides in groups.items():
        val_key = sides.get("val") or sides.get("test")
        train_key = sides.get("train")
        bare = sides.get("")
        if bare and val_key and not train_key:
            train_key = bare
        elif bare and not val_key:
            detection = any(re.match(r"m?ap(\d|$)", word) for word in core)
            if train_key or detection or (has_val_loss and not keras_like):
                val_key = bare
            else:
                train_key = bare
        pairs.append((core, train_key, val_key))
    pairs.sort(key=lambda item: (item[2] is None, preference(Part("", "", item[0]))))
    return tuple(_metric(core, train, val, curves) for core, train, val in pairs[:METRICS])


def _metric(core: tuple[str, ...], train: str | None, val: str | None, curves: Mapping[str, Curve]) -> Metric:
    both = [floats(curves[key].y) for key in (train, val) if key]
    peak = max((float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y))) for y in both), default=0.0)
    bounded = bool(BOUNDED & set(core)) and peak <= 100.5
    scale = 0.01 if bounded and peak > 1.5 else 1.0
    pair = [
        None if key is None else curve(key, curves[key].x, floats(curves[key].y) * scale, curves[key].unit)
        for key in (train, val)
    ]
    maximize = bool(SCORES & set(core)) and not {"err", "error"} & set(core)
    return Metric("_".join(core) or "metric", maximize, pair[0], pair[1], bounded)
