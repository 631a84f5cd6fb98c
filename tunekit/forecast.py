"""How long all that is left of a command will take: what is expected to be trained, at the speed seen so far. Pure
arithmetic on numbers and a clock that is given."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tunekit.configuration import TINY_VALIDATION, digest
from tunekit.diskroom import Planned
from tunekit.measured import SpeedMeasured
from tunekit.vocabulary import Facts, Measurement, Request, Training

PARTS = 6  # of what a machine is asked for: see `Work.parts`
PASSES = 30  # through the model that a measurement takes, before one has been seen
SAVING_S, LOOKING_S = 0.05, 0.1  # of a training's files and of a measurement, before one has been seen
CLOSING_S = 0.003  # of a validation besides its samples, likewise
HALF_LIFE_S = 20.0  # after which what was seen counts half: another load of the machine, another model size
NOISE = 0.3  # of a second that was watched, as a share; of longer ones less, by their root
ENOUGH_S = 2.0  # watched, before something is said where nothing was timed beforehand
TURN_S = 0.5  # a step's own, besides what it asks for: judging, drawing, writing; before one has been seen
LAST_TURNS = 3.0  # of these, what a command does when all steps are done: the page
LEAST = 0.05  # share of what was timed that a part costs, for a kind that is new
SOLVED = 0.5  # share of its length after which a training ends that may be solved, before one has ended

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """A training or a measurement, as far as it costs something."""

    purpose: str
    key: str = ""  # of the training: what is trained of it once costs nothing again
    until: int = 0  # iterations; 0 for a measurement
    behind: int = 0  # of them those that stand in the store
    batch: int = 0
    every: int = 0  # iterations from one validation to the next
    samples: int = 0  # of a validation
    may_be_solved: bool = False
    measures: bool = False
    kind: str = ""  # trainings of one kind have model, data, optimizer and batch size in common, and so their speed

    def parts(self, start: int, end: int, turns: float) -> Numbers:
        """What it asks for from one iteration to another: trainings begun and ended (`turns`, of either half of one),
        iterations, samples trained on, validations, samples validated on, measurements."""
        if self.measures:
            return np.array([0, 0, 0, 0, 0, turns])
        count = end - start
        validations = end // self.every - start // self.every if self.every else 0
        return np.array([turns, count, count * self.batch, validations, validations * self.samples, 0])


class Speed:
    """Seconds for each part of work: what was timed beforehand, corrected by what has been watched since (least
    squares, where what was timed weighs like a guess that may be off by its own size)."""

    def __init__(self, guess: Numbers) -> None:
        self._guess = guess
        self._squares, self._sums = np.zeros((PARTS, PARTS)), np.zeros(PARTS)
        self._seconds: Numbers | None = None

    def watch(self, parts: Numbers, seconds: float) -> None:
        """So long it took. It weighs by what it should have taken: by what it took, short ones would count too much."""
        weight, kept = 1 / (NOISE**2 * max(1e-6, float(parts @ self._guess))), 0.5 ** (seconds / HALF_LIFE_S)
        self._squares = kept * self._squares + weight * np.outer(parts, parts)
        self._sums = kept * self._sums + weight * seconds * parts
        self._seconds = None

    @property
    def each(self) -> Numbers:
        """Seconds of each part."""
        if self._seconds is None:
            self._seconds = self._solved()
        return self._seconds

    def _solved(self) -> Numbers:
        """In units of the guess; nothing takes less than no time."""
        scale = self._guess
        matrix = self._squares * np.outer(scale, scale) + np.eye(PARTS)
        right = self._sums * scale + 1.0
        solved, free = np.zeros(PARTS), np.ones(PARTS, bool)
        while free.any():
            solved[:] = 0.0
            solved[free] = np.linalg.solve(matrix[np.ix_(free, free)], right[free])
            if (solved >= 0).all():
                break
            free &= solved > 0
        seconds: Numbers = solved * scale
        return seconds


class Speeds:
    """Those of all work, and of each kind that has been seen, for which the former are the guess."""

    def __init__(self, timed: SpeedMeasured | None = None) -> None:
        known = timed if timed is not None and timed.iteration > 0 else None
        each = known or SpeedMeasured(0.5, 0.01, 1e-4, 64)
        iteration = each.iteration / 2  # half of it for each sample, until a second batch size is seen
        training, measurement = each.start + SAVING_S, LOOKING_S + PASSES * each.iteration
        sample = max(each.sample, 1e-9)
        self._guess = np.array([training, iteration, iteration / each.batch, CLOSING_S, sample, measurement])
        self._all, self._kinds = Speed(self._guess), dict[str, Speed]()
        self._watched_s = 0.0 if known is None else ENOUGH_S

    @property
    def is_known(self) -> bool:
        return self._watched_s >= ENOUGH_S

    def watch(self, kind: str, parts: Numbers, seconds: float) -> None:
        if kind not in self._kinds:
            self._kinds[kind] = Speed(np.maximum(self._all.each, LEAST * self._guess))
        for speed in (self._all, self._kinds[kind]):
            speed.watch(parts, seconds)
        self._watched_s += seconds

    def seconds(self, kind: str, parts: Numbers) -> float:
        return float(parts @ self._kinds.get(kind, self._all).each)


@dataclass
class _Round:
    """The requests at hand: how far each is, and since when the clock runs for it."""

    works: Sequence[Work]
    at: list[int]
    since: dict[int, float] = field(default_factory=dict)  # of those that run, by place
    ended: set[int] = field(default_factory=set)


Rounds = Sequence[Sequence[Work]]


class Forecast:
    """Of a command: `expect` says what each step is expected to ask for, the round at hand is followed, and `left`
    gives the seconds until all of it is done, by so many workers."""

    def __init__(
        self,
        facts: Facts | None = None,
        timed: SpeedMeasured | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed, self._facts, self._clock = Speeds(timed), facts, clock
        self._ahead: dict[str, Rounds] = {}
        self._rest: Rounds = ()  # of the step at hand
        self._round = _Round([], [])
        self._workers = 1
        self._begun: dict[str, int] = {}  # trainings of a kind
        self._turns: list[float] = []
        self._ended: float | None = None  # when the last request of the step before did
        self._used = [0.0, 0.0]  # iterations of trainings of this step that ended, and what they could have taken

    def work(self, request: Request, behind: int = 0) -> Work:
        """What a request costs, of which so many iterations stand already."""
        if isinstance(request, Measurement):
            return Work(request.purpose, measures=True)
        if not isinstance(request, Training):
            raise TypeError("a draw is no work before it is drawn")
        config, facts, until = request.config, self._facts, request.until
        every = samples = 0
        if config.data.subset is not None:
            every, samples = TINY_VALIDATION, config.batch_size
        elif facts is not None:
            every, samples = facts.batches(config.batch_size), facts.n_val
        solved = request.stop.solved_loss is not None
        same = (config.model, config.data, config.optimizer.target, config.loss, config.batch_size, config.regularize)
        return Work(
            request.purpose,
            config.key,
            until,
            behind,
            config.batch_size,
            every,
            samples,
            solved,
            kind=digest([repr(one) for one in same]),
        )

    def expect(self, ahead: Mapping[str, Rounds]) -> None:
        """The steps that are still to be walked, with the one that begins next."""
        self._ahead = dict(ahead)

    def begin_step(self, name: str) -> None:
        if self._ended is not None:
            self._turns.append(self._clock() - self._ended)
            self._ended = None
        self._rest, self._round, self._used = self._ahead.pop(name, ()), _Round([], []), [0.0, 0.0]

    def begin_round(self, works: Sequence[Work], workers: int) -> None:
        """What is asked for in earnest, in the place of the round that was expected and of what lay before it."""
        purposes = {work.purpose for work in works}
        for place, expected in enumerate(self._rest):
            if purposes & {work.purpose for work in expected}:
                self._rest = self._rest[place + 1 :]
                break
        self._round, self._workers = _Round(works, [work.behind for work in works]), workers

    def begin(self, place: int) -> None:
        """A worker has taken it up, perhaps once more."""
        self._round.since[place] = self._clock()
        self._round.at[place] = self._round.works[place].behind

    def advance(self, place: int, done: int) -> None:
        if place in self._round.since:
            self._watch(place, done, 0.5 if self._round.at[place] == self._round.works[place].behind else 0.0)

    def end(self, place: int, done: int) -> None:
        """It is over, after so many iterations."""
        now, work = self._round, self._round.works[place]
        if place in now.since:
            first = now.at[place] == work.behind
            self._watch(place, max(done, now.at[place]), 1.0 if first or work.measures else 0.5)
            del now.since[place]
            self._used[0] += done
            self._used[1] += work.until
        now.ended.add(place)
        self._ended = self._clock()

    def _watch(self, place: int, done: int, turns: float) -> None:
        now, clock, work = self._round, self._clock(), self._round.works[place]
        if done < now.at[place] or (done == now.at[place] and not turns) or (work.measures and turns < 1.0):
            return
        anew = bool(turns) and not work.measures and now.at[place] == work.behind
        if anew:
            self._begun[work.kind] = self._begun.get(work.kind, 0) + 1
        once = anew and self._begun[work.kind] <= self._workers  # each worker reads the data, and imports, once
        if not once:
            self.speed.watch(work.kind, work.parts(now.at[place], done, turns), clock - now.since[place])
        now.at[place], now.since[place] = done, clock

    def left(self) -> float | None:
        """Seconds until all is done; None where nothing has been seen yet."""
        if not self.speed.is_known:
            return None
        reach: dict[str, int] = {}
        share, now = self._share(), self._round
        running = [self._rest_of(place, share) for place in now.since]
        waiting = [place for place in range(len(now.works)) if place not in now.since and place not in now.ended]
        seconds = _span([*running, *(self._cost(now.works[place], reach, share) for place in waiting)], self._workers)
        for work in now.works:
            reach[work.key] = max(reach.get(work.key, 0), work.until)
        seconds += self._seconds_of(self._rest, reach, share, self._workers)
        for rounds in self._ahead.values():
            seconds += self._seconds_of(rounds, reach, None, self._workers)
        turns = len(self._ahead) + bool(now.works) + LAST_TURNS
        return seconds + turns * self._turn()

    def _turn(self) -> float:
        return (TURN_S + sum(self._turns)) / (1 + len(self._turns))

    def seconds_of(self, rounds: Rounds, workers: int, reach: dict[str, int] | None = None) -> float | None:
        """What a step's rounds will take. `reach`: how far each training has come before them, and then after them."""
        if not self.speed.is_known:
            return None
        return TURN_S + self._seconds_of(rounds, {} if reach is None else reach, None, workers)

    def _seconds_of(self, rounds: Rounds, reach: dict[str, int], share: float | None, workers: int) -> float:
        seconds = 0.0
        for works in rounds:
            seconds += _span([self._cost(work, reach, share) for work in works], workers)
            for work in works:
                reach[work.key] = max(reach.get(work.key, 0), work.until)
        return seconds

    def _share(self) -> float | None:
        """Of their length that trainings of this step take, by those that have ended and one that takes it all."""
        used, whole = self._used
        length = max((work.until for work in self._round.works), default=0)
        if not whole:
            return None
        solved = any(work.may_be_solved for work in self._round.works)
        return (used + (SOLVED if solved else 1.0) * length) / (whole + length)

    def _expected(self, work: Work, start: int, share: float | None) -> int:
        """Where a training will end that has come so far."""
        share = share if share is not None else SOLVED if work.may_be_solved else 1.0
        return start + max(1, round(share * (work.until - start))) if start < work.until else start

    def _cost(self, work: Work, reach: Mapping[str, int], share: float | None) -> float:
        start = max(work.behind, reach.get(work.key, 0))
        if not work.measures and start >= work.until:
            return 0.0
        return self.speed.seconds(work.kind, work.parts(start, self._expected(work, start, share), 1.0))

    def _rest_of(self, place: int, share: float | None) -> float:
        """Of one that runs."""
        now, work = self._round, self._round.works[place]
        at = now.at[place]
        if not work.measures and at == work.behind:
            whole = self._cost(work, {}, share)
        else:
            rest = work.parts(at, self._expected(work, at, share), 1.0 if work.measures else 0.5)
            whole = self.speed.seconds(work.kind, rest)
        return max(0.0, whole - (self._clock() - now.since[place]))


def _span(seconds: Iterable[float], workers: int) -> float:
    """How long workers take that each begin the next as soon as they are free."""
    free = [0.0] * workers
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def planned(rounds: Rounds, reach: dict[str, int]) -> list[Planned]:
    """What the disk will hold of the rounds' trainings; `reach` as in `Forecast.seconds_of`."""
    held = []
    for work in (work for works in rounds for work in works if not work.measures):
        start = max(work.behind, reach.get(work.key, 0))
        reach[work.key] = max(start, work.until)
        if start < work.until:
            validations = work.until // work.every - start // work.every if work.every else 0
            held.append(Planned(work.until - start, validations, work.samples, begins=start == 0))
    return held
