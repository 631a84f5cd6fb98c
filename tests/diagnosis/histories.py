"""Histories drawn at random in each kind, whose truth is known because it made them.

Of each: columns as a log's table has them, the verdicts that are right, and those that are false of it. No test here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tunekit.logs import Log
from tunekit.logs.log import Array, curve
from tunekit.logs.roles import assemble
from tunekit.logs.table import Series

FAULTS = frozenset(
    {"overfit", "underfit", "not_learning", "diverged", "discontinuity", "train_val_mismatch", "noisy_val"}
    | {"val_suspicious", "metric_loss_disagree", "unstable", "lr_too_high", "lr_too_low", "plateau_then_drop"}
    | {"nothing_to_learn", "reward_collapse"}
)
SOUND = frozenset({"good_fit", "not_converged", "cannot_tell"})
PRAISE = frozenset({"good_fit", "not_converged"})


@dataclass(frozen=True)
class History:
    """Columns by name, an absent value as NaN; by epochs unless `every` steps. `false` holds what is neither right."""

    columns: dict[str, Array]
    right: frozenset[str]
    false: frozenset[str] = FAULTS
    every: int = 0

    def log(self) -> Log:
        unit = "iteration" if self.every else "epoch"
        curves = {}
        for name, y in self.columns.items():
            x = (self.every or 1) * np.arange(1, 1 + len(y))
            keep = ~np.isnan(y) if name.startswith("eval") else np.ones(len(y), bool)
            curves[name] = curve(name, x[keep], y[keep], unit)
        return assemble(Series(curves), "drawn", ["drawn"])


class Draw:
    """What a kind draws from: a length, a start, noises, and falls of either shape."""

    def __init__(self, seed: int) -> None:
        self.source = np.random.default_rng(seed)
        self.n = int(np.exp(self.between(np.log(10), np.log(300))))
        self.start = float(np.exp(self.between(np.log(0.3), np.log(10))))
        self.noise = float(np.exp(self.between(np.log(0.003), np.log(0.03))))
        self.power = bool(self.source.random() < 0.5)
        self.speed = self.between(6, 14)

    @property
    def done(self) -> Array:
        return np.linspace(0.0, 1.0, self.n)

    def between(self, low: float, high: float) -> float:
        return float(self.source.uniform(low, high))

    def chance(self, share: float) -> bool:
        return bool(self.source.random() < share)

    def down(self, start: float, floor: float, speed: float | None = None) -> Array:
        speed = self.speed if speed is None else speed
        if self.power:
            left, last = (1 + 30 * self.done) ** (-speed / 5), 31 ** (-speed / 5)
            fallen: Array = floor + (start - floor) * (left - last) / (1 - last)
            return fallen
        return floor + (start - floor) * np.exp(-speed * self.done)

    def noisy(self, y: Array, size: float | None = None) -> Array:
        return y * np.exp((self.noise if size is None else size) * self.source.standard_normal(len(y)))

    def counted(self, rate: Array, samples: int = 2000) -> Array:
        return np.asarray(self.source.binomial(samples, np.clip(rate, 0, 1)) / samples)


def sound(d: Draw) -> History:
    floor = d.start * d.between(0.08, 0.45)
    val = d.down(d.start * d.between(0.85, 1.02), floor * d.between(0.75, 1.12))
    columns = {"train_loss": d.noisy(d.down(d.start, floor)), "val_loss": d.noisy(val, d.noise * d.between(1, 3))}
    if d.chance(0.6):
        top = d.between(0.75, 0.97)
        rate = top - (top - 0.15) * np.exp(-d.speed * d.done)
        columns["val_accuracy"] = d.counted(rate)
        if d.chance(0.5):
            columns["train_accuracy"] = d.counted(rate + 0.02, 20_000)
    return History(columns, SOUND)


def augmented(d: Draw) -> History:
    floor = d.start * d.between(0.25, 0.5)
    val = d.down(0.9 * d.start, floor * d.between(0.45, 0.8))
    columns = {"train_loss": d.noisy(d.down(d.start, floor)), "val_loss": d.noisy(val, 2 * d.noise)}
    if d.chance(0.5):
        columns["val_accuracy"] = d.counted(0.9 - 0.8 * np.exp(-d.speed * d.done))
    return History(columns, SOUND)


def steps(d: Draw) -> History:
    """Losses of single steps, validated a few times."""
    d.n = int(np.exp(d.between(np.log(300), np.log(5000))))
    floor = d.start * d.between(0.1, 0.4)
    level = floor + (d.start - floor) * np.exp(-d.between(8, 15) * d.done)
    held = np.full(d.n, np.nan)
    at = np.linspace(d.n // 8, d.n - 1, int(d.source.integers(6, 20))).astype(int)
    held[at] = d.noisy(level[at] * d.between(1.0, 1.1), 0.006)
    return History({"loss": d.noisy(level, d.between(0.05, 0.35)), "eval_loss": held}, SOUND, every=10)


def overfitted(d: Draw) -> History:
    turn = int(d.between(0.1, 0.6) * d.n)
    base = d.down(d.start, d.start * d.between(0.3, 0.5), d.between(12, 20))
    rise = 1 + d.between(0.2, 1.0) * (d.done - d.done[turn]) / (1 - d.done[turn])
    train = d.down(d.start, d.start * d.between(0.005, 0.1), d.between(4, 8))
    val = np.where(np.arange(d.n) <= turn, base, base[turn] * rise)
    columns = {"train_loss": d.noisy(train), "val_loss": d.noisy(val, d.noise * d.between(1, 3))}
    if d.chance(0.5):
        rate = 0.8 - 0.6 * np.exp(-14 * d.done) - 0.15 * np.maximum(d.done - d.done[turn], 0)
        columns["val_accuracy"] = d.counted(rate)
    right = frozenset({"overfit", "metric_loss_disagree"})
    return History(columns, right, FAULTS - right | PRAISE | {"cannot_tell"})


def dead(d: Draw) -> History:
    """A classifier at ln C, from up to 15 % above it."""
    classes = int(d.source.choice([2, 3, 5, 10, 50, 100, 1000]))
    level, small = np.log(classes), min(d.noise, 0.006)
    train = level * (1 + d.between(0, 0.15) * np.exp(-40 * d.done))
    columns = {"train_loss": d.noisy(train, small), "val_loss": d.noisy(np.full(d.n, level), small)}
    right = {"not_learning"}
    if d.chance(0.7):
        columns["val_accuracy"] = d.counted(np.full(d.n, 1 / classes))
    else:
        right.add("cannot_tell")
    return History(columns, frozenset(right), FAULTS - right | PRAISE)


def level(d: Draw) -> History:
    """A loss that stays where it is, of no known number of classes."""
    small = min(d.noise, 0.01)
    columns = {
        "train_loss": d.noisy(d.start * (1 + d.between(0, 0.01) * np.exp(-30 * d.done)), small),
        "val_loss": d.noisy(np.full(d.n, 1.03 * d.start), small),
    }
    return History(columns, frozenset({"not_learning", "cannot_tell"}), FAULTS - {"not_learning"} | PRAISE)


def falling(d: Draw) -> History:
    y = d.start * (0.1 + 0.9 * np.exp(-d.between(0.7, 2.2) * d.done))
    columns = {"train_loss": d.noisy(y, d.noise / 2), "val_loss": d.noisy(y * d.between(0.97, 1.06), d.noise / 2)}
    return History(columns, SOUND - {"good_fit"} | {"lr_too_low"}, FAULTS - {"lr_too_low"} | {"good_fit"})


def diverging(d: Draw) -> History:
    y, at = d.down(d.start, 0.2 * d.start), int(d.between(0.3, 0.85) * d.n)
    y[at:] = y[at] * np.exp(np.linspace(0, d.between(3.5, 8), d.n - at))
    columns = {"train_loss": d.noisy(y), "val_loss": d.noisy(1.05 * y)}
    return History(columns, frozenset({"diverged"}), FAULTS - {"diverged", "discontinuity"} | SOUND)


def collapsing(d: Draw) -> History:
    y, at = d.down(d.start, 0.2 * d.start), int(d.between(0.3, 0.8) * d.n)
    y[at:] = d.start
    columns = {"train_loss": d.noisy(y), "val_loss": d.noisy(y)}
    return History(columns, frozenset({"diverged", "discontinuity"}), FAULTS - {"diverged", "discontinuity"} | SOUND)


def poor(d: Draw) -> History:
    y, top = d.down(d.start, d.start * d.between(0.7, 0.9)), d.between(0.25, 0.5)
    rate, small = top - (top - 0.12) * np.exp(-d.speed * d.done), min(d.noise, 0.006)
    columns = {
        "train_loss": d.noisy(y, small),
        "train_accuracy": d.counted(rate, 20_000),
        "val_loss": d.noisy(1.01 * y, small),
        "val_accuracy": d.counted(rate, 3000),
    }
    return History(columns, frozenset({"underfit", "cannot_tell"}), FAULTS - {"underfit"} | PRAISE)


def summed(d: Draw) -> History:
    """A training loss that is summed over accumulation steps."""
    base, small = d.down(d.start, d.start * d.between(0.2, 0.5)), min(d.noise, 0.01)
    times = int(d.source.choice([2, 4, 8, 16, 32]))
    columns = {"train_loss": times * d.noisy(base, small), "eval_loss": d.noisy(base * d.between(1.0, 1.03), small)}
    right = frozenset({"train_val_mismatch"})
    return History(columns, right, FAULTS - right | PRAISE)


def spiked(d: Draw) -> History:
    base = d.down(d.start, 0.25 * d.start)
    val = d.noisy(1.1 * base, 0.04)
    val[(np.linspace(0.25, 0.85, 4) * (d.n - 1)).astype(int)] = d.start * np.exp(d.source.uniform(1, 3, 4))
    columns = {"train_loss": d.noisy(base), "val_loss": val}
    return History(columns, frozenset({"noisy_val"}), FAULTS - {"noisy_val"} | PRAISE)


KINDS: dict[str, Callable[[Draw], History]] = {
    kind.__name__: kind
    for kind in (
        sound,
        augmented,
        steps,
        overfitted,
        dead,
        level,
        falling,
        diverging,
        collapsing,
        poor,
        summed,
        spiked,
    )
}


def history(kind: str, seed: int) -> History:
    return KINDS[kind](Draw(seed))
