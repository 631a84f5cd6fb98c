"""What a metric remembers from one batch of validation to the next: torchmetrics' sums, or scores alone where the order
of all of them counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.halves import halves
from tunekit.training.outputs import refusable
from tunekit.vocabulary import SPLITS

if TYPE_CHECKING:
    import torchmetrics

WHOLE_SPLITS = 4  # splits into halves for which a metric of a whole split is computed; the others are left out (NaN)
KEPT_VALUES = 2**22  # up to which a metric that keeps them is also computed over halves

Numbers = npt.NDArray[np.float32]
Answers = tuple[Tensor, Tensor, Tensor]
"""What a metric takes of a batch, on the CPU: predictions [M, ...], targets [M, ...], and of which of its samples each
is [M]: a sample may have several positions, or none that counts."""


class State(Protocol):
    """A metric in the making. `keeps`: it holds all that it was given, so that another one can be made of a part."""

    keeps: bool

    def update(self, predictions: Tensor, targets: Tensor) -> None: ...
    def compute(self) -> float: ...


@dataclass(frozen=True)
class Streamed:
    """A metric that is fed batch by batch. `read`: outputs and targets as it takes them; `start`: its state, by the
    shape of the first outputs. Both raise what is `refusable` for those that they do not take."""

    read: Callable[[Tensor, Any], Answers]
    start: Callable[[Tensor], State]

    def over(self, outputs: Tensor, targets: Any) -> float:
        """The metric over all that is given."""
        predictions, wanted, _ = self.read(outputs, targets)
        state = self.start(outputs)
        state.update(predictions, wanted)
        return state.compute()


@dataclass
class Sums:
    """A metric of torchmetrics with what is made of its value. Sums are in double precision."""

    metric: torchmetrics.Metric
    finish: Callable[[Any], Tensor] = lambda value: value
    keeps: bool = False
    empty: bool = True

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        if len(targets):
            try:
                with quiet():
                    self.metric.update(predictions, targets)
            except TypeError as error:  # one of texts, say
                raise ValueError(str(error)) from error
            self.empty = False

    def compute(self) -> float:
        if self.empty:
            return math.nan
        with quiet():
            return float(self.finish(self.metric.compute()))


@dataclass
class Kept:
    """A metric for which all predictions count at once."""

    function: Callable[[Tensor, Tensor], float]
    predictions: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    keeps: bool = True

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        self.predictions.append(predictions)
        self.targets.append(targets)

    def compute(self) -> float:
        return self.over(None)

    def over(self, members: Tensor | None) -> float:
        """Of the predictions at these places [M], or of all."""
        predictions, targets = torch.cat(self.predictions), torch.cat(self.targets)
        if members is not None:
            predictions, targets = predictions[members], targets[members]
        if not len(targets):
            return math.nan
        with quiet():
            return self.function(predictions, targets)


@contextmanager
def quiet() -> Iterator[None]:
    """What torchmetrics warns of: a class without positives is no part of a mean (see `Occurring`)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Running:
    """A streamed metric over a split of `size` samples, and over the halves of its first splits. A metric of sums is
    fed once for each half; one that keeps its scores keeps them once. Without a size, or where samples have no rows of
    their own, there are no halves."""

    def __init__(self, streamed: Streamed, size: int | None) -> None:
        self.streamed = streamed
        self.state: State | None = None
        self.halves: list[State] = []
        self.owners: list[Tensor] = []
        self.seen = 0
        self.members = None if size is None else _members(size)

    def add(self, outputs: Tensor, targets: Any, count: int, apart: bool) -> None:
        """A batch of `count` samples. `apart`: outputs and targets have a row for each."""
        predictions, wanted, owners = self.streamed.read(outputs, targets)
        if self.state is None:
            self.state = self.streamed.start(outputs)
        self.state.update(predictions, wanted)
        owners = owners + self.seen
        self.seen += count
        if not apart or (self.members is not None and self.seen > self.members.shape[1]):
            self.members = None
        if self.members is None:
            return
        if self.state.keeps:
            self.owners.append(owners)
            return
        if not self.halves:
            self.halves = [self.streamed.start(outputs) for _ in self.members]
        for half, members in zip(self.halves, self.members, strict=True):
            picks = members[owners]
            half.update(predictions[picks], wanted[picks])

    def values(self) -> tuple[float, Numbers]:
        """The metric, and over halves [2 * SPLITS], NaN for splits that were not looked at; or empty."""
        assert self.state is not None, "a split has samples"
        whole = self.state.compute()
        if self.members is None or self.seen != self.members.shape[1] or not len(self.members):
            return whole, np.empty(0, np.float32)
        found = np.full(2 * SPLITS, np.nan, np.float32)
        if isinstance(self.state, Kept):
            if sum(part.numel() for part in self.state.predictions) > KEPT_VALUES:
                return whole, np.empty(0, np.float32)
            owners = torch.cat(self.owners)
            asked: list[Callable[[], float]] = [
                lambda state=self.state, picks=members[owners]: state.over(picks)  # type: ignore[misc]
                for members in self.members
            ]
        else:
            asked = [half.compute for half in self.halves]
        for place, value in enumerate(asked):
            with refusable():  # a half that the metric does not take
                found[place] = value()
        return whole, found


def _members(size: int) -> Tensor:
    """Whether a sample is in the first and the second half of each of the first splits: [2 * WHOLE_SPLITS, size]."""
    first = torch.from_numpy(halves(size)[:WHOLE_SPLITS].copy())
    return torch.stack([first, ~first], dim=1).reshape(-1, size)
