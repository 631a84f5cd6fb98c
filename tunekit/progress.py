"""A step's work at hand, followed: what is told of it while it goes on, with the time left of the whole command."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunekit.forecast import Forecast
from tunekit.steps import Context
from tunekit.vocabulary import Advanced, Emit, Lane, Measurement, Record, Request, Training

EVERY_S = 0.5  # the time left is reckoned anew
POINTS = 60  # of a training's losses that are told


@dataclass
class _Lane:
    """A request that a worker has: where it began, and the losses that were told of it."""

    began: float
    first: int
    losses: list[float]


@dataclass(frozen=True)
class Before:
    """What there is when a round begins: the records of the step's rounds before it, and by key how many iterations of
    a training earlier steps asked for."""

    records: Sequence[Record] = ()
    earlier: Mapping[str, int] = field(default_factory=dict)


class Progress:
    """Of the requests at hand. `best`: what the step has reached.

    A training counts once, however many rounds it goes on for, with its iterations beyond those of earlier steps; a
    measurement counts where nothing is trained.
    """

    def __init__(
        self,
        step: str,
        requests: Sequence[Training | Measurement],
        before: Before,
        emit: Emit,
        forecast: Forecast,
        best: Callable[[], str] = lambda: "",
    ) -> None:
        self.step, self.emit = step, emit
        self._requests, self._forecast, self._best = requests, forecast, best
        trains = any(isinstance(one, Training) for one in (*(record.request for record in before.records), *requests))
        counted = [record for record in before.records if not trains or isinstance(record.request, Training)]
        reached = {_name(one.request): max(one.iterations, 0 if trains else 1) for one in counted}
        self.totals = [one.until if isinstance(one, Training) else 0 if trains else 1 for one in requests]
        stands = {**before.earlier, **reached}
        self.done = [min(total, stands.get(_name(one), 0)) for one, total in zip(requests, self.totals, strict=True)]
        # Summed once: a large grid has too many to add up at each piece of news.
        self.summed = sum(max(0, count - before.earlier.get(name, 0)) for name, count in reached.items())
        self.total = self.summed + sum(self.totals) - sum(self.done)
        self._counts = [not trains or isinstance(one, Training) for one in requests]
        self.finished = len(reached.keys() - set(map(_name, requests)))
        self.planned = self.finished + sum(self._counts)
        self._lanes: dict[int, _Lane] = {}
        self._left: float | None = None
        self._reckoned = -EVERY_S

    def begin(self, place: int) -> None:
        self._forecast.begin(place)
        self._lanes[place] = _Lane(time.monotonic(), -1, [])
        self._tell()

    def advance(self, place: int, done: int, loss: float | None = None) -> None:
        self._set(place, min(max(done, self.done[place]), self.totals[place]))
        self._forecast.advance(place, done if isinstance(self._requests[place], Training) else 0)
        lane = self._lanes.get(place)
        if lane is not None and loss is not None:
            if lane.first < 0:
                lane.began, lane.first = time.monotonic(), done
            lane.losses.append(loss)
            if len(lane.losses) > 2 * POINTS:
                lane.losses = lane.losses[::2]
        self._tell()

    def finish(self, place: int, iterations: int = 0) -> None:
        self._forecast.end(place, iterations)
        self._set(place, self.totals[place])
        self._lanes.pop(place, None)
        self.finished += self._counts[place]
        self._tell()

    def _set(self, place: int, done: int) -> None:
        self.summed += done - self.done[place]
        self.done[place] = done

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._reckoned >= EVERY_S:
            self._reckoned, self._left = now, self._forecast.left()
        lanes = tuple(self._lane(place, lane) for place, lane in self._lanes.items())
        self.emit(
            Advanced(
                self.step,
                self.summed,
                self.total,
                self.finished,
                self.planned,
                left=self._left,
                lanes=lanes,
                best=self._best(),
            )
        )

    def _lane(self, place: int, lane: _Lane) -> Lane:
        request, done = self._requests[place], self.done[place]
        seconds = time.monotonic() - lane.began
        rate = (done - lane.first) / seconds if lane.first >= 0 and done > lane.first and seconds > 0 else None
        return Lane(request.params, request.purpose, done, self.totals[place], rate, tuple(lane.losses))


def _name(request: Request) -> str:
    """The same for a training that goes on."""
    if isinstance(request, Training):
        return request.config.key
    return request.goal if isinstance(request, Measurement) else str(request.number)


class Best:
    """The best value that a step's trials have reached so far, as its study is told it."""

    def __init__(self, context: Context[Any]) -> None:
        self._context, self.text = context, ""
        self._value: float | None = None

    def see(self, record: Record) -> None:
        context, step = self._context, self._context.step
        if record.error is not None or not isinstance(record.request, Training):
            return
        value = step.objective(context, record)
        sign = 1 if step.maximize(context) else -1
        if value is None or (self._value is not None and sign * value <= sign * self._value):
            return
        name = step.metric(context)
        self._value = value
        shown = context.metric_text(value) if name == context.metric else f"{value:.4g}"
        self.text = f"{name} {shown}"
