"""Down to the least of a loss from numbers that are free: LBFGS, taken up again with smaller steps where a value on the
way is none, and Adam for what has corners."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SECONDS = 10.0  # of this process, a search: only a loss that is very slow is searched less well
ROUNDS = 14  # of LBFGS
STEPS = 10  # a round
RATES = (1.0, 0.2, 0.04)  # of LBFGS: the next where a value is not finite
ADAM_STEPS = 100
CLOSE = 1e-3  # share of a loss by which a round lowers it, if another follows
ROUNDING = 1e-7  # the same, as a share of the whole descent
ENDLESS = 0.1  # drop in the last half of a search, over the drop before, of a loss that falls without end
DEEP = 1000.0  # times the size of its start, below zero, where a loss falls without end

Loss = Callable[[], Tensor]


@dataclass(frozen=True)
class Descent:
    """Where a search ended."""

    loss: float
    endless: bool  # it fell without end
    sound: bool  # it came to an end, and no value on the way was none


class _Course:
    """The losses of a search, and the lowest point so far."""

    def __init__(self, loss: Loss, leaves: Sequence[Tensor]) -> None:
        self.loss, self.leaves = loss, leaves
        self.until = time.process_time() + SECONDS
        self.losses = [float(loss().detach())]
        self.best = [leaf.detach().clone() for leaf in leaves]

    @property
    def late(self) -> bool:
        return time.process_time() > self.until

    def note(self) -> bool:
        """Take down the loss where the leaves are; False where it is none."""
        value = float(self.loss().detach())
        if not math.isfinite(value):
            return False
        if not self.losses or not value >= min(self.losses):
            self.best = [leaf.detach().clone() for leaf in self.leaves]
        self.losses.append(value)
        return True

    def back(self) -> None:
        """To the lowest point."""
        with torch.no_grad():
            for leaf, value in zip(self.leaves, self.best, strict=True):
                leaf.copy_(value)

    @property
    def flat(self) -> bool:
        drop = self.losses[-2] - self.losses[-1]
        return drop <= CLOSE * abs(self.losses[-1]) + ROUNDING * (self.losses[0] - self.losses[-1])

    @property
    def endless(self) -> bool:
        losses = self.losses
        if losses[-1] < -DEEP * (1 + abs(losses[0])):
            return True
        middle = losses[len(losses) // 2]
        return len(losses) > ROUNDS and middle - losses[-1] > ENDLESS * max(losses[0] - middle, 1e-9)


def descend(loss: Loss, leaves: list[Tensor], thorough: bool) -> Descent:
    """Down from where the leaves are, which then are at the lowest point; `thorough`: with Adam as well."""
    torch.optim.LBFGS(leaves)  # the first imports torch's compiler, for seconds that are none of the search
    course = _Course(loss, leaves)
    sound = False
    for rate in RATES:
        sound = _lbfgs(course, rate)
        course.back()
        if sound or course.late:
            break
    endless = course.endless
    if thorough and not endless:
        _adam(course)
        course.back()
    return Descent(float(loss().detach()), endless, sound and not endless)


def _lbfgs(course: _Course, rate: float) -> bool:
    """Rounds of LBFGS until the loss is flat; False where a value is none."""
    search = torch.optim.LBFGS(course.leaves, lr=rate, max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        value = course.loss()
        value.backward()
        return value

    while len(course.losses) <= ROUNDS and not course.late:
        search.step(closure)
        if not course.note():
            return False
        if course.flat:
            break
    return True


def _adam(course: _Course) -> None:
    scale = max(max(float(leaf.detach().square().mean().sqrt()) for leaf in course.leaves), 0.1)
    for rate in (0.1 * scale, 0.01 * scale):
        course.back()
        search = torch.optim.Adam(course.leaves, lr=rate)
        for step in range(ADAM_STEPS):
            search.param_groups[0]["lr"] = rate * (1 - step / ADAM_STEPS)
            search.zero_grad()
            value = course.loss()
            value.backward()
            if course.late or not math.isfinite(float(value.detach())):
                break
            search.step()
        course.note()
