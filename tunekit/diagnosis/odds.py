"""What a verdict's advice is worth: how often it helped and harmed where it was carried out, on trainings that no rule
was set on. The figures lie in odds.json; the trainings, and how to get the figures again, in tests/corpus."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from tunekit import shares
from tunekit.jsondata import JsonData


@dataclass(frozen=True)
class Intervention:
    """A change of a training that was carried out from the same start, in pairs over several seeds."""

    name: str
    words: str
    decides: str
    """The cheapest experiment that says whether it helps here."""
    of_recipes: str = ""
    """How most recipes ask for it; of a run its own is told instead."""


INTERVENTIONS: Mapping[str, Intervention] = MappingProxyType(
    {
        name: Intervention(name, *words)
        for name, *words in (
            (
                "longer",
                "twice as many epochs",
                "a fifth of the epochs more, at half the highest rate: does validation improve?",
            ),
            ("lower_rate", "a third of the rate", "a fifth of the epochs at a third of the rate"),
            ("higher_rate", "three times the rate", "a fifth of the epochs at three times the rate"),
            (
                "wider",
                "four times the width",
                "five epochs of it beside five as it is",
                "`--set model.args.width=...`, of a recipe",
            ),
            ("narrower", "a quarter of the width", "the same epochs at a quarter of the width"),
            ("regularised", "more dropout and weight decay", "the same epochs with dropout higher by 0.25"),
            ("larger_batch", "four times the batch", "the same epochs with four times the batch"),
            ("warm_up", "a warm-up over a tenth", "a fifth of the epochs with a warm-up"),
            ("clipped", "gradients clipped at 1", "a fifth of the epochs with gradients clipped at 1"),
            (
                "decayed",
                "a rate that decays to zero",
                "the last third of the epochs once more, the rate falling to zero",
            ),
            ("mended", "the fault in the pipeline mended", "20 samples: are they learnt by heart?"),
            (
                "earlier_stop",
                "the weights of the best validation",
                "their metric beside that of the last weights",
            ),
            ("averaged", "averaged weights", "their metric beside that of the last weights"),
            (
                "larger_validation",
                "weights chosen on more validation",
                "validation on five times the samples",
            ),
        )
    }
)
"""Those of the corpus by name."""


@dataclass(frozen=True)
class Odds(JsonData):
    """In how many trainings something helped and harmed, of how many; in the others it did neither."""

    helps: int
    harms: int
    of: int

    @property
    def share(self) -> float:
        """Of those that it helped."""
        return self.helps / self.of

    @property
    def words(self) -> str:
        return f"helped {shares.told(self.helps, self.of)}, harmed {self.harms}"

    def __add__(self, other: Odds) -> Odds:
        return Odds(self.helps + other.helps, self.harms + other.harms, self.of + other.of)


NONE = Odds(0, 0, 0)
ENOUGH = 10
"""Trainings from which on odds are told."""
SELDOM = 0.2
"""Share of such trainings up to which what else helped is not worth a line."""


@dataclass(frozen=True)
class Worth(JsonData):
    """What a verdict was worth on those logs of the corpus that no rule was set on.

    `logs` of which it was said; `healthy`: those of them that nothing helped. `by_first`: by the intervention that was
    its first advice, empty where that is none, what each intervention did to those logs where it could be carried out.
    `missed`: of the logs that its most frequent first advice helps, those on which the verdict was silent, and all.
    `order`: what helped more often than it harmed on the other half, on which rules are set, the most useful first.
    """

    logs: int
    healthy: int
    by_first: Mapping[str, Mapping[str, Odds]]
    missed: tuple[int, int]
    order: tuple[str, ...] = ()

    @property
    def first(self) -> dict[str, Odds]:
        """What first advice did, the most frequent first."""
        counts = {name: group[name] for name, group in self.by_first.items() if name}
        return dict(sorted(counts.items(), key=lambda one: -one[1].of))

    @property
    def tried(self) -> dict[str, Odds]:
        """What each intervention did, whatever came first."""
        names = {name: None for group in self.by_first.values() for name in group}
        return {name: sum((group[name] for group in self.by_first.values() if name in group), NONE) for name in names}

    def odds(self, first: str) -> dict[str, Odds]:
        """What is told of each intervention where `first` is the first advice: of such logs where they are enough, else
        of all of which the verdict was said."""
        group = self.by_first.get(first, {})
        told = group if max((odds.of for odds in group.values()), default=0) >= ENOUGH else self.tried
        return {name: odds for name, odds in told.items() if odds.of >= ENOUGH}

    @property
    def others(self) -> int:
        """Logs of which the first advice was none that was carried out."""
        return self.logs - sum(odds.of for odds in self.first.values())

    @property
    def words(self) -> list[str]:
        """What `tunekit explain` says of the verdict beside its advice."""
        if not self.logs:
            return []
        lines = [f"said of {self.logs} logs of the corpus; nothing that was tried helped {self.healthy} of them"]
        lines += [f"where it came first, {INTERVENTIONS[name].words} {odds.words}" for name, odds in self.first.items()]
        silent, helped = self.missed
        for name in [*self.first][: min(1, helped)]:
            lines.append(f"silent in {silent} of the {helped} logs that {INTERVENTIONS[name].words} helped")
        return lines


UNMEASURED = Worth(0, 0, {}, (0, 0))


@dataclass(frozen=True)
class Measured:
    """The corpus: how many networks were trained for it, and what each verdict was worth, by its code."""

    networks: int
    verdicts: Mapping[str, Worth]


@cache
def measured() -> Measured:
    data = json.loads((resources.files(__package__) / "odds.json").read_text())
    return Measured(data["networks"], {code: Worth.from_json(one) for code, one in data["verdicts"].items()})


def worth(code: str) -> Worth:
    """What a verdict was worth; one that the corpus does not hold is UNMEASURED."""
    return measured().verdicts.get(code, UNMEASURED)


class Tried(str):
    """A line of advice that names an intervention of the corpus."""

    does: str

    def __new__(cls, text: str, does: str = "") -> Tried:
        line = super().__new__(cls, text)
        line.does = does
        return line


@dataclass(frozen=True)
class Told(JsonData):
    """What an intervention does, by name and in words, with its odds."""

    does: str
    words: str
    helps: int
    harms: int
    of: int


@dataclass(frozen=True)
class Counsel:
    """Advice with its odds, as it is told of one log.

    `first` is the intervention that the first line names, `tries` are all that lines name; `confidence` is the share of
    such logs that the first helped, None where that was not measured. `runner_up` is what else helps most, and
    `decides` the experiment that says whether it does here.
    """

    lines: tuple[str, ...]
    first: str
    tries: tuple[str, ...]
    confidence: float | None
    runner_up: str
    odds: Mapping[str, Odds]
    decides: str | None = None

    @property
    def told(self) -> tuple[Told, ...]:
        return tuple(
            Told(name, INTERVENTIONS[name].words, one.helps, one.harms, one.of) for name, one in self.odds.items()
        )


NO_COUNSEL = Counsel((), "", (), None, "", {})


def counsel(
    code: str, advice: Sequence[str], done: Collection[str] = (), commands: Mapping[str, str] | None = None
) -> Counsel:
    """The advice of a verdict with its odds. `done`: interventions that are not told besides, as the log shows them;
    `commands`: of a run, those that carry interventions out on it."""
    known = worth(code)
    tries = tuple(filter(None, map(_does, advice)))
    first = _does(advice[0]) if advice else ""
    odds = known.odds(first)
    others = (name for name in known.order if name in odds and name not in (*tries, *done))
    runner_up = next((name for name in others if odds[name].share > SELDOM), "")
    confidence = odds[first].share if first in odds else None
    lines = [told(line, odds) for line in advice]
    decides = None
    if runner_up:
        also = INTERVENTIONS[runner_up]
        how = also.of_recipes if commands is None else commands.get(runner_up)
        decides = f"{also.decides} ({how})" if how else also.decides
        lines.append(f"not seen in curves: {also.words} {odds[runner_up].words}; what decides: {decides}")
    kept = {name: odds[name] for name in (*tries, runner_up) if name in odds}
    return Counsel(tuple(lines), first, tries, confidence, runner_up, kept, decides)


def told(line: str, odds: Mapping[str, Odds]) -> str:
    """A line of advice with what was carried out and its odds, where they are known."""
    does = _does(line)
    return f"{line} ({INTERVENTIONS[does].words} {odds[does].words})" if does in odds else str(line)


def _does(line: str) -> str:
    return line.does if isinstance(line, Tried) else ""
