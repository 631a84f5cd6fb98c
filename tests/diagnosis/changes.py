"""Changes of a log that leave what happened as it was: noise, missing rows, other units. No test here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tunekit.logs import Log
from tunekit.logs.log import Array, Metric, curve, floats
from tunekit.logs.objectives import Objective
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series
from tunekit.vocabulary import Curve

Change = Callable[[Curve], Curve]


def everywhere(log: Log, change: Change, losses_only: bool = False) -> Log:
    """The change made to each curve of a log, or to its losses."""

    def changed(item: Curve | None) -> Curve | None:
        return None if item is None else change(item)

    metrics = log.metrics
    objective = log.objective
    if not losses_only:
        metrics = tuple(replace(item, train=changed(item.train), val=changed(item.val)) for item in log.metrics)
        if objective is not None:
            objective = Objective(objective.kind, {part: change(item) for part, item in objective.curves.items()})
    return replace(log, train=changed(log.train), val=changed(log.val), metrics=metrics, objective=objective)


def rows(item: Curve, keep: Array | slice) -> Curve:
    return curve(item.name, floats(item.x)[keep], floats(item.y)[keep], item.unit)


def noisy(log: Log) -> Log:
    """Noise of 1 % of the range between the 5th and the 95th percentile, as long as losses stay above zero."""
    source = np.random.default_rng(len(log.name))

    def change(item: Curve) -> Curve:
        y = floats(item.y)
        good = y[np.isfinite(y)]
        if len(good) < 3:
            return item
        spread = min(float(np.percentile(good, 95) - np.percentile(good, 5)), 100 * float(np.median(np.abs(good))))
        added = y + 0.01 * spread * source.standard_normal(len(y))
        kept = np.where((y > 0) & (added <= 0), y, added)
        return curve(item.name, item.x, np.where(y == 0, y, kept), item.unit)

    return everywhere(log, change)


def without_first(log: Log) -> Log:
    return everywhere(log, lambda item: rows(item, slice(len(item.x) // 20, None)))


def without_last(log: Log) -> Log:
    return everywhere(log, lambda item: rows(item, slice(0, len(item.x) - len(item.x) // 20)))


def every_second(log: Log) -> Log:
    return everywhere(log, lambda item: rows(item, slice((len(item.x) - 1) % 2, None, 2)))


def losses_times_100(log: Log) -> Log:
    return everywhere(log, lambda item: curve(item.name, item.x, 100 * floats(item.y), item.unit), losses_only=True)


def validation_half_as_often(log: Log) -> Log:
    def half(item: Curve | None) -> Curve | None:
        return None if item is None else rows(item, slice((len(item.x) - 1) % 2, None, 2))

    metrics = tuple(replace(item, val=half(item.val)) for item in log.metrics)
    return replace(log, val=half(log.val), metrics=metrics)


def in_per_cent(log: Log) -> Log:
    """Metrics between 0 and 1 as percentages, read as a log's columns are."""

    def hundredfold(item: Metric) -> Metric:
        pair = [one and curve(one.name, one.x, 100 * floats(one.y), one.unit) for one in (item.train, item.val)]
        beside = {one.name: one for one in (log.train, log.val, *pair) if one is not None}
        again = assemble(Series(beside), log.format, ["a log"]).metrics
        return again[0] if len(again) == 1 else item

    return replace(log, metrics=tuple(hundredfold(item) if item.bounded else item for item in log.metrics))


STYLES = {
    "keras": ("loss", "val_loss", "{}", "val_{}", "lr"),
    "words": ("Train Loss", "Valid Loss", "Train {}", "Valid {}", "Learning Rate"),
    "slashes": ("train/loss", "eval/loss", "train/{}", "eval/{}", "train/learning_rate"),
    "behind": ("Loss/train", "Loss/val", "{}/train", "{}/val", "LR"),
    "steps": ("train_loss_step", "val_loss_epoch", "train_{}_epoch", "val_{}_epoch", "lr-Adam"),
}
"""What tools call a training loss, a validation loss, a metric of each, and a rate."""


def named_as(style: str) -> Callable[[Log], Log]:
    """The first metric and the losses under other names, read as a log's columns are; of a known objective as they
    are, which is told by its names."""
    train, val, trained, held, rate = STYLES[style]

    def change(log: Log) -> Log:
        if log.objective is not None or log.unfed:
            return log
        named = {train: log.train, val: log.val, rate: log.lr}
        for item in log.metrics[:1]:
            named |= {trained.format(item.name): item.train, held.format(item.name): item.val}
        series = {key: curve(key, one.x, one.y, one.unit) for key, one in named.items() if one is not None}
        again = assemble(Series(series), log.format, ["a log"])
        return replace(again, epochs=log.epochs, gradients=log.gradients, blank=log.blank)

    change.__name__ = f"named_as_{style}"
    return change


CHANGES: dict[str, Callable[[Log], Log]] = {
    change.__name__: change
    for change in (
        noisy,
        without_first,
        without_last,
        every_second,
        losses_times_100,
        validation_half_as_often,
        in_per_cent,
        *map(named_as, STYLES),
    )
}
