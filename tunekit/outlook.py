"""What steps are expected to train, to take of the time and of the disk, before the first of them begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunekit.diskroom import Planned, Sizes, peak, room
from tunekit.forecast import Forecast, Rounds, planned
from tunekit.roomwatch import guessed_sizes
from tunekit.steps import Context
from tunekit.vocabulary import Ahead, Facts, Request, Versioned

KEPT = 5  # trainings of a step whose weights stay


@dataclass(frozen=True, kw_only=True)
class StepAhead(Ahead):
    step: str


@dataclass(frozen=True, kw_only=True)
class DryRun(Ahead, Versioned):
    """What `--dry-run --json` prints: of all steps together, and of each. `line`: the disk in words; `free`: bytes of
    it."""

    line: str
    free: int
    steps: tuple[StepAhead, ...]


@dataclass(frozen=True)
class Outlook:
    """By step, in order: the rounds that are expected, and what they come to."""

    rounds: Mapping[str, Rounds]
    steps: Mapping[str, Ahead]
    whole: Ahead


def ahead_of(rounds: Rounds, forecast: Forecast, workers: int, facts: Facts) -> Ahead:
    """What trainings of one step, or of none, come to."""
    trainings = planned(rounds, {})
    iterations = sum(one.iterations for one in trainings)
    seconds = forecast.seconds_of(rounds, workers)
    return Ahead(len(trainings), iterations, seconds, room(trainings, guessed_sizes(facts)))


def look_ahead(
    contexts: Sequence[Context[Any]], forecast: Forecast, workers: int, behind: Callable[[Request], int | None]
) -> Outlook:
    """Of steps that are walked one after another. `behind`: how many iterations of a training stand already; None for
    what stands whole, and costs nothing."""
    rounds: dict[str, Rounds] = {}
    for context in contexts:
        expected = [[(one, behind(one)) for one in requests] for requests in context.step.expected(context)]
        rounds[context.step.name] = [
            [forecast.work(one, stands) for one, stands in requests if stands is not None] for requests in expected
        ]
    sizes = guessed_sizes(contexts[0].facts) if contexts else Sizes(0, 0)
    steps: dict[str, Ahead] = {}
    held: list[Sequence[Planned]] = []
    reached: tuple[dict[str, int], dict[str, int]] = {}, {}
    for name, works in rounds.items():
        begun = dict(reached[0])
        trainings = planned(works, reached[0])
        held.append(trainings)
        steps[name] = Ahead(
            len({work.key for each in works for work in each if max(work.behind, begun.get(work.key, 0)) < work.until}),
            sum(one.iterations for one in trainings),
            forecast.seconds_of(works, workers, reached[1]),
            room(trainings, sizes),
        )
    each = [one.seconds for one in steps.values() if one.seconds is not None]
    whole = Ahead(
        sum(one.trainings for one in steps.values()),
        sum(one.iterations for one in steps.values()),
        sum(each) if len(each) == len(steps) else None,
        peak(held, sizes, KEPT),
    )
    return Outlook(rounds, steps, whole)
