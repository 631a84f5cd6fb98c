"""Runs drawn by hand, as the near misses of verdicts are: curves as functions of the share of the run that is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tunekit.logs.log import Array, Log, Metric, curve
from tunekit.logs.objectives import Objective
from tunekit.vocabulary import Curve

Line = Callable[[Array], Array]


@dataclass(frozen=True)
class Drawn:
    """A run of so many epochs. `why`: what it is, in the words of who might take it for something else."""

    why: str
    train: Line
    val: Line | None = None
    train_accuracy: Line | None = None
    val_accuracy: Line | None = None
    lr: Line | None = None
    reward: Line | None = None
    epochs: int = 60

    def log(self) -> Log:
        done = np.linspace(0.0, 1.0, self.epochs)

        def series(name: str, line: Line | None) -> Curve | None:
            return None if line is None else curve(name, np.arange(1, 1 + len(done)), line(done), "epoch")

        accuracy = series("train_accuracy", self.train_accuracy), series("val_accuracy", self.val_accuracy)
        metrics = (Metric("accuracy", True, *accuracy, bounded=True),) if any(accuracy) else ()
        losses = series("train_loss", self.train), series("val_loss", self.val)
        reward = series("reward", self.reward)
        objective = None if reward is None else Objective("reinforcement", {"reward": reward})
        log = Log("drawn", train=losses[0], val=losses[1], metrics=metrics, lr=series("lr", self.lr))
        return replace(log, objective=objective)


def fall(start: float, floor: float, speed: float) -> Line:
    """An exponential from `start` towards `floor`."""
    return lambda done: floor + (start - floor) * np.exp(-speed * done)


def level(value: float) -> Line:
    return lambda done: np.full(len(done), value)


def jumps(line: Line, factor: float, *places: float) -> Line:
    """The curve with single points at these shares of the run multiplied."""

    def spiked(done: Array) -> Array:
        y = line(done)
        y[[round(share * (len(done) - 1)) for share in places]] *= factor
        return y

    return spiked
