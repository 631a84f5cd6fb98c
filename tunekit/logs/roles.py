"""Curves by name become a Log: which is the training loss, which the validation, which the metric. No files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tunekit.logs.asked import ask
from tunekit.logs.evaluations import EVALUATION, mixes_units, of_cases
from tunekit.logs.log import Array, Log, Metric, curve, finite, floats
from tunekit.logs.names import (
    ADVERSARIAL,
    BOUNDED,
    OPPONENTS,
    SHARES,
    SQUARES,
    Part,
    part,
    preference,
    split,
)
from tunekit.logs.objectives import objective_of
from tunekit.logs.owners import of_its_file, spelled_out
from tunekit.logs.table import Series
from tunekit.logs.wholes import whole
from tunekit.vocabulary import Curve

ENOUGH = 8
"""Points from which an epoch's mean is preferred to the losses of single steps."""

LEVELS = {"epoch": 0, "": 1, "step": 2}
"""Means of epochs are looked at before the losses of single steps."""

_NUMBERED_SET = re.compile(r"(validation_)(\d+)(.*)$", re.DOTALL)

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
    """The log of these curves. `train` and `val` name columns, of a loss or a score; NoColumn where there is no such
    one."""
    every = {key: value for key, value in series.curves.items() if len(value.x)}
    notes = list(series.notes)
    where = str(files[0]) if files else name
    spelled = spelled_out(of_its_file(every, files))
    blank = _never_computed(spelled, notes)
    curves = _told_apart({key: value for key, value in spelled.items() if key not in blank}, notes)
    objective = objective_of(curves, format, name)
    asked = {side: ask(text, side, every, where, notes) for side, text in (("train", train), ("val", val)) if text}
    scores = {side: one.key for side, one in asked.items() if one.score}
    losses = {side: one.curve for side, one in asked.items() if not one.score}
    others = {key: value for key, value in curves.items() if key not in scores.values()}
    train_loss = losses.get("train") or _loss(others, ("train", ""), notes)
    val_loss = losses.get("val") or _val_loss(others, train_loss, notes)
    if "train" in losses and "val" not in losses and train_loss and val_loss and val_loss.name == train_loss.name:
        val_loss = None
    if not asked and train_loss is None and val_loss is None:
        train_loss, val_loss = _bare(curves, notes)
        if train_loss is None and val_loss is None:
            train_loss, val_loss = _error_as_loss(curves, notes)
    if val_loss is None and train_loss is not None and "train" not in losses:
        val_loss = _from_perplexity(curves, train_loss, notes)
    train_loss, val_loss = _own_clock(train_loss, val_loss)
    metrics = _metrics(curves, {item.name for item in (train_loss, val_loss) if item}, notes)
    metrics += _unnamed_score(curves) if train_loss is not None else ()
    metrics = _named_first(scores, metrics, {**curves, **every})
    metrics = tuple(replace(item, val=_own_clock(train_loss, item.val)[1]) for item in metrics)
    if train_loss is None and val_loss is None and not objective and metrics and of_cases(metrics):
        notes.append(EVALUATION)
        metrics = ()
    return Log(
        format=format,
        files=tuple(str(file) for file in files),
        name=name,
        train=train_loss,
        val=val_loss,
        metrics=metrics,
        lr=_rate(curves),
        epochs=series.epochs,
        notes=tuple(dict.fromkeys(notes)),
        objective=objective,
        gradients=next((curves[key] for key in curves if part(key).kind == "grad_norm"), None),
        unfed=_unfed(curves),
        blank=next(iter(blank.values()), None) if val_loss is None else None,
    )


def _never_computed(curves: Mapping[str, Curve], notes: list[str]) -> dict[str, Curve]:
    """Losses of validation that are zero throughout, where others are not."""
    losses = {key: floats(curves[key].y) for key in curves if part(key).kind == "loss"}
    if not any(np.any(y != 0.0) for y in losses.values()):
        return {}
    blank = [key for key, y in losses.items() if part(key).side in ("val", "test") and len(y) > 1 and not np.any(y)]
    notes += [f"{key!r} is 0 in every row, so it was not computed; left out" for key in blank]
    return {key: curves[key] for key in blank}


def _unfed(curves: Mapping[str, Curve]) -> tuple[str, ...]:
    """Parts of the training loss that are zero at each point, though those of validation are not."""
    losses = {key: part(key) for key in curves if part(key).kind == "loss" and part(key).core}
    held = {seen.core for key, seen in losses.items() if seen.side in ("val", "test") and np.any(floats(curves[key].y))}
    zero = [key for key, seen in losses.items() if seen.side == "train" and not np.any(floats(curves[key].y))]
    return tuple(sorted(key for key in zero if losses[key].core in held and len(curves[key].x) >= ENOUGH))


def _told_apart(curves: Mapping[str, Curve], notes: list[str]) -> Mapping[str, Curve]:
    """The curves by names that tell their splits."""
    numbered = {key: match for key in curves if (match := _NUMBERED_SET.match(key))}
    if {match[2] for match in numbered.values()} != {"0", "1"} or any(part(key).side == "train" for key in curves):
        return curves
    first, second = (_level(curves, numbered, number) for number in "01")
    fitted = "0" if first <= second else "1"
    notes.append(f"'validation_{fitted}' is taken for the training set: its errors are the lower ones")
    return {
        f"train{numbered[key][3]}" if key in numbered and numbered[key][2] == fitted else key: curves[key]
        for key in curves
    }


def _level(curves: Mapping[str, Curve], numbered: Mapping[str, re.Match[str]], number: str) -> float:
    """Where the first measure of XGBoost's n-th evaluation set lies in the second half: low is good."""
    key = min(key for key, match in numbered.items() if match[2] == number)
    y = floats(curves[key].y)
    level = float(np.median(y[len(y) // 2 :]))
    return -level if part(key).kind == "score" else level


def _rate(curves: Mapping[str, Curve]) -> Curve | None:
    rates = [key for key in curves if part(key).kind == "rate"]
    return curves[min(rates, key=lambda key: (-len(curves[key].x), _opponent(key), key))] if rates else None


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
    words = split(key)
    plain = ("loss" not in words, len(words))  # `loss` before `nll_loss` and `cost`
    return few, not seen.total, sides.index(seen.side), LEVELS[seen.level], plain, -len(curves[key].x), key


def _sum_of(keys: Sequence[str], curves: Mapping[str, Curve], notes: list[str]) -> Curve | None:
    """The components' sum, where they are logged together and are parts of one loss."""
    longest = max(len(curves[key].x) for key in keys)
    keys = [key for key in keys if len(curves[key].x) == longest]
    best = min(keys, key=lambda key: (len(part(key).core), LEVELS[part(key).level], _opponent(key), key))
    level = part(best).level
    keys = [key for key in keys if part(key).level == level]
    first = floats(curves[keys[0]].x)
    together = all(np.array_equal(first, floats(curves[key].x)) for key in keys)
    if (total := whole(keys, curves, together)) is not None:
        notes.append(f"{total!r} is taken for the total of the losses (--train and --val choose others)")
        return curves[total]
    if len(keys) == 1 or not together or any(ADVERSARIAL & set(part(key).core) for key in keys):
        if len(keys) > 1:
            notes.append(f"several losses; {best!r} is taken (--train and --val choose others)")
        return curves[best]
    added = np.sum([floats(curves[key].y) for key in keys], axis=0)
    notes.append(f"loss is the sum of {', '.join(keys)}")
    return curve(" + ".join(keys), first, added, curves[keys[0]].unit)


def _opponent(key: str) -> bool:
    """Whether a loss is of what only helps another to be trained: a discriminator, a critic."""
    return not OPPONENTS.isdisjoint(part(key).core)


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
            longest = min(losses, key=lambda key: (-len(curves[key].x), key))
            notes.append(f"validation loss is {longest!r} (--val chooses another)")
            return curves[longest]
    return None


def _unnamed_score(curves: Mapping[str, Curve]) -> tuple[Metric, ...]:
    """`Loss: 1.2, Train: 0.71, Val: 0.69`: numbers of splits that rise as scores do."""
    sides = {part(key).side: key for key in curves if not part(key).kind and not part(key).core}
    train, val = sides.get("train"), sides.get("val") or sides.get("test")
    if train is None or val is None or not _rises_as_scores_do(curves[train]):
        return ()
    unit = 0.01 if float(np.nanmax(floats(curves[train].y))) > 1.0 else 1.0
    scaled = [curve(key, curves[key].x, floats(curves[key].y) * unit, curves[key].unit) for key in (train, val)]
    return (Metric("score", True, scaled[0], scaled[1], bounded=True),)


def _bare(curves: Mapping[str, Curve], notes: list[str]) -> tuple[Curve | None, Curve | None]:
    """Columns called just `train` and `val`, which hold a loss unless the log says otherwise."""
    bare = {
        part(key).side: value
        for key, value in sorted(curves.items(), reverse=True)
        if not part(key).kind and not part(key).core and not any(char.isdigit() for char in key)
    }
    if any(set(map(float, value.y[:1000])) <= {0.0, 1.0} for value in bare.values()):
        return None, None  # a mark of what belongs to a split
    train, val = bare.get("train"), bare.get("val") or bare.get("test")
    if train is not None and _rises_as_scores_do(train):
        notes.append(
            f"{train.name!r} rises within 0 and 1 or 0 and 100, as no loss does; --train and --val name losses"
        )
        return None, None
    return train, val


def _rises_as_scores_do(candidate: Curve) -> bool:
    _, y = finite(candidate)
    third = len(y) // 3
    if third < 1 or float(np.min(y)) < 0.0 or not (float(np.max(y)) <= 1.0 or 10.0 < float(np.max(y)) <= 100.0):
        return False
    return float(np.median(y[-third:])) > 1.05 * float(np.median(y[:third]))


def _error_as_loss(curves: Mapping[str, Curve], notes: list[str]) -> tuple[Curve | None, Curve | None]:
    """Where a log has no loss at all, an error measure (MSE, MAE, ...) that it has for training."""
    errors = [key for key in sorted(curves) if part(key).kind == "error"]
    pairs = []
    for key in errors:
        if part(key).side in ("train", ""):
            kin = [other for other in errors if part(other).core == part(key).core and other != key]
            twin = next((other for side in ("val", "test") for other in kin if part(other).side == side), None)
            rank = min((SQUARES.index(word) for word in part(key).core if word in SQUARES), default=len(SQUARES))
            pairs.append((twin is None, rank, key, twin))
    if not pairs:
        return None, None
    _, _, key, twin = min(pairs, key=lambda pair: pair[:3])
    notes.append(f"no loss in the log; {key!r} is judged in its place")
    return curves[key], curves[twin] if twin else None


def _from_perplexity(curves: Mapping[str, Curve], train: Curve, notes: list[str]) -> Curve | None:
    """Validation's cross-entropy where only its perplexity is logged; the base is the one of training's own pair."""
    perplexities = {part(key).side: key for key in sorted(curves) if part(key).core == ("ppl",)}
    key = perplexities.get("val") or perplexities.get("test")
    own = perplexities.get("train") or perplexities.get("")
    values = finite(curves[key])[1] if key is not None else ()
    if key is None or part(train.name).kind != "loss" or len(values) < 2 or min(values) < 1.0:
        return None
    base = 1.0
    if own is not None:
        _, at_loss, at_ppl = np.intersect1d(floats(train.x), floats(curves[own].x), return_indices=True)
        losses = floats(train.y)[at_loss]
        logs = np.log(np.maximum(floats(curves[own].y)[at_ppl], 1.0))
        fits = [base for base in (1.0, math.log(2.0)) if _near(logs, losses * base)]
        if not fits:
            return None
        base = fits[0]
    word = "ln" if base == 1.0 else "log2"
    why = "as training's is of its perplexity" if own is not None else "taken for that of a cross-entropy in nats"
    notes.append(f"validation loss is {word} of {key!r}, {why}")
    return curve(f"{word} {key}", curves[key].x, np.log(floats(curves[key].y)) / base, curves[key].unit)


def _near(first: Array, second: Array) -> bool:
    """Whether two logs of one quantity agree as far as their digits go."""
    return bool(len(first)) and float(np.median(np.abs(first - second))) <= 0.02 * float(np.max(np.abs(second))) + 0.01


def _own_clock(train: Curve | None, val: Curve | None) -> tuple[Curve | None, Curve | None]:
    """Validation counted in epochs beside training counted in steps, under one name for both clocks."""
    if train is None or val is None or train.unit != val.unit or len(val.x) < 3:
        return train, val
    counts = bool(np.all(np.diff(floats(val.x)) == 1)) and float(val.x[0]) in (0.0, 1.0)
    if counts and len(train.x) > len(val.x) and float(train.x[-1]) >= 3 * float(val.x[-1]):
        return train, Curve(val.name, val.x, val.y, "epoch" if train.unit != "epoch" else "validation")
    return train, val


def _metrics(curves: Mapping[str, Curve], used: set[str], notes: list[str]) -> tuple[Metric, ...]:
    """Metric pairs, those a person looks at first in front. An unsided one is the split its twins leave open."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for key in sorted(curves, key=lambda key: (len(key), key)):
        seen = part(key)
        if seen.kind == "score" and mixes_units(curves[key]):
            notes.append(f"{key!r} holds fractions and percents in turn; left out")
            continue
        if seen.kind in ("score", "error") and curves[key].name not in used:
            sides = groups.setdefault(seen.core, {})
            old = sides.get(seen.side)
            if old is None or (part(old).level == "step" and seen.level != "step"):
                sides[seen.side] = key
    keras_like = any(part(key).kind == "loss" and part(key).side == "" for key in curves)
    has_loss = any(part(key).kind == "loss" for key in curves)
    has_val_loss = any(part(key).kind == "loss" and part(key).side in ("val", "test") for key in curves)
    pairs = []
    for core, sides in groups.items():
        val_key = sides.get("val") or sides.get("test")
        train_key = sides.get("train")
        bare = sides.get("")
        if bare and val_key and not train_key:
            train_key = bare
        elif bare and not val_key:
            beside = {key for key in curves if part(key).kind == "loss" and part(key).side in ("train", "")}
            of_a_step = part(bare).level == "step" and any(_together(curves[bare], curves[key]) for key in beside)
            evaluated = any(re.match(r"m?ap(\d|$)", word) for word in core)
            evaluated = evaluated or _is_of_evaluations(curves[bare], [curves[key] for key in beside])
            if of_a_step:
                train_key = train_key or bare
            elif train_key or evaluated or not has_loss or (has_val_loss and not keras_like):
                val_key = bare
            else:
                train_key = bare
        pairs.append((core, train_key, val_key))
    pairs.sort(key=lambda item: (item[2] is None, preference(Part("", "", item[0])), item[0]))
    return tuple(_metric(core, train, val, curves) for core, train, val in pairs[:METRICS])


def _named_first(
    scores: Mapping[str, str], metrics: tuple[Metric, ...], curves: Mapping[str, Curve]
) -> tuple[Metric, ...]:
    """The metrics, those of the columns that were named as scores of a split in front, with the other split's twin."""
    for core in dict.fromkeys(part(key).core for key in scores.values()):
        named = {side: key for side, key in scores.items() if part(key).core == core}
        known = next((item for item in metrics if item.name == _called(core)), None)
        for side, twin in (("train", known.train), ("val", known.val)) if known is not None else ():
            if twin is not None and twin.name not in named.values():
                named.setdefault(side, twin.name)
        first = replace(_metric(core, named.get("train"), named.get("val"), curves), maximize=True)
        metrics = (first, *(item for item in metrics if item is not known))
    return metrics


def _is_of_evaluations(metric: Curve, losses: Sequence[Curve]) -> bool:
    """Whether a metric that names no split is told at half of the epochs at most that have a training loss."""
    whole = [loss for loss in losses if part(loss.name).level != "step" and loss.unit == "epoch"]
    every = max((len(np.unique(np.floor(floats(loss.x)))) for loss in whole), default=0)
    return metric.unit == "epoch" and 1 < len(metric.x) <= every / 2


def _together(first: Curve, second: Curve) -> bool:
    return first.unit == second.unit and np.array_equal(floats(first.x), floats(second.x))


def _metric(core: tuple[str, ...], train: str | None, val: str | None, curves: Mapping[str, Curve]) -> Metric:
    both = [floats(curves[key].y) for key in (train, val) if key]
    peak = max((float(np.max(y, initial=0.0, where=np.isfinite(y))) for y in both), default=0.0)
    lowest = min((float(np.min(y, initial=0.0, where=np.isfinite(y))) for y in both), default=0.0)
    per_cent = peak > 1.5
    bounded = bool(BOUNDED & set(core)) and peak <= 100.5 and lowest >= (-100.5 if per_cent else -1.0)
    scale = 0.01 if bounded and per_cent else 1.0
    pair = [
        None if key is None else curve(key, curves[key].x, floats(curves[key].y) * scale, curves[key].unit)
        for key in (train, val)
    ]
    maximize = any(part(key).kind == "score" for key in (train, val) if key)
    share = bounded and bool(SHARES & set(core))
    return Metric(_called(core), maximize, pair[0], pair[1], bounded, share)


def _called(core: tuple[str, ...]) -> str:
    return "_".join(core) or "metric"
