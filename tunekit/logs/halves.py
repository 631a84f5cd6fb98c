"""Logs of one run's splits in files of their own (train.log and val.log) become one log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tunekit.logs.log import Log, Metric
from tunekit.logs.names import TEST, TRAIN, VAL, part, side, split
from tunekit.vocabulary import Curve

CURVE = 3
"""Points of a curve, beside which a single one is a result."""

_SIDES = TRAIN | VAL | TEST


def joined(logs: Sequence[Log]) -> list[Log]:
    """The logs, those of a training split with that of the validation split beside it.

    The names of their files, or of their folders, differ by the split alone; one has training and no validation, the
    other one loss at most.
    """
    groups: dict[object, dict[str, list[Log]]] = {}
    for log in logs:
        if len(log.files) == 1 and (place := _place(Path(log.files[0]))):
            owner, rest = place
            groups.setdefault((log.format, rest), {}).setdefault(owner, []).append(log)
    used: set[int] = set()
    pairs: list[Log] = []
    for sides in groups.values():
        trained, held = sides.get("train", []), sides.get("val") or sides.get("test") or []
        if len(trained) == len(held) == 1 and (pair := _pair(trained[0], held[0])):
            tested = sides.get("test", []) if "val" in sides else []
            told = tuple(f"{log.files[0]} is left out: validation is judged, not the test split" for log in tested)
            pairs.append(replace(pair, notes=(*pair.notes, *told)))
            used |= {id(log) for log in (*trained, *held, *tested)}
    return [*(log for log in logs if id(log) not in used), *pairs]


def without_results(logs: Sequence[Log]) -> list[Log]:
    """The logs without the single evaluations that lie beside curves in their folder: a run's results at its end."""
    curved = {_folder(log) for log in logs if _longest(log) >= CURVE}
    return [log for log in logs if _longest(log) > 1 or _folder(log) not in curved]


def _folder(log: Log) -> Path | None:
    return Path(log.files[0]).parent if log.files else None


def _longest(log: Log) -> int:
    curves = (log.train, log.val, *(curve for metric in log.metrics for curve in (metric.train, metric.val)))
    return max((len(curve.x) for curve in curves if curve is not None), default=CURVE)


def _place(file: Path) -> tuple[str, tuple[str, ...]] | None:
    """The split that a file's name or its folder's names, and what is left of its path without it."""
    for words, others in (
        (split(file.stem), (str(file.parent), file.suffix)),
        (split(file.parent.name), (str(file.parent.parent), file.name)),
    ):
        named = [word for word in words if word in _SIDES]
        if len(named) == 1:
            return side(named), (*others, *(word for word in words if word not in _SIDES))
    return None


def _pair(trained: Log, held: Log) -> Log | None:
    """One log of both; None where they are not the halves of one."""
    if trained.train and trained.val and trained.train.name == trained.val.name:  # one name for both was asked for
        trained, held = replace(trained, val=None), replace(held, train=None)
    losses = [curve for curve in (held.train, held.val) if curve is not None]
    if trained.train is None or trained.val is not None or len(losses) > 1:
        return None
    if side(split(trained.train.name)) in ("val", "test") or any(part(item.name).side == "train" for item in losses):
        return None
    metrics = {metric.name: metric for metric in trained.metrics}
    for metric in held.metrics:
        twin = metrics.get(metric.name)
        mine = metric.val or metric.train
        metrics[metric.name] = replace(metric, train=(twin.train or twin.val) if twin else None, val=mine)
    validation = _on_its_clock(trained.train, losses[0]) if losses else None
    folder = Path(trained.files[0]).parent
    return replace(
        trained,
        files=(*trained.files, *held.files),
        name=folder.name or trained.name,
        val=validation,
        metrics=tuple(_with_validation_first(metrics.values())),
        notes=(*trained.notes, *held.notes),
    )


def _with_validation_first(metrics: Iterable[Metric]) -> list[Metric]:
    return sorted(metrics, key=lambda metric: metric.val is None)


def _on_its_clock(train: Curve, val: Curve) -> Curve:
    """Validation with a clock of its own where both count rows and one has far more of them."""
    many, few = max(len(train.x), len(val.x)), min(len(train.x), len(val.x))
    return replace(val, unit="validation") if train.unit == val.unit == "row" and 2 * many > 3 * few else val
