"""What verdicts are worth: each log of the corpus is read and judged as a person's is, and its advice is held against
what it really did."""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from rich.table import Table
from scipy.stats import binomtest

from tests.corpus.forms import write_log
from tests.corpus.settings import subject
from tests.corpus.truth import HERE, Effect, curves, effects, is_seen
from tunekit.diagnosis import judge
from tunekit.logs import read

LEDGER = HERE / "ledger.csv"

FIRST: Mapping[str, str] = MappingProxyType(
    {
        "diverged": "lower_rate",
        "lr_too_high": "lower_rate",
        "unstable": "lower_rate",
        "lr_too_low": "higher_rate",
        "not_converged": "longer",
        "underfit": "wider",
        "overfit": "regularised",
        "metric_loss_disagree": "earlier_stop",
        "noisy_val": "larger_validation",
        "noisy_train": "larger_batch",
        "not_learning": "mended",
        "train_val_mismatch": "mended",
        "val_suspicious": "mended",
    }
)
"""The intervention that a verdict's first advice names, where it names one."""

HEALTHY = ("good_fit", "cannot_tell", "insufficient_data", "no_validation")
"""What may be said of a training that nothing helps: that it is well, or that the log cannot tell."""


@dataclass(frozen=True)
class Judged:
    """A subject with what was said of it and what its interventions did."""

    subject: int
    said: str
    effects: Mapping[str, Effect]

    @property
    def helping(self) -> list[str]:
        return [name for name, effect in self.effects.items() if effect.word == "helps"]


def judged(numbers: Iterable[int]) -> list[Judged]:
    """The subjects of these numbers that have curves and effects, by tunekit's verdict on the log alone."""
    logs, done = curves(), effects()
    found = []
    for number in numbers:
        if number not in logs or number not in done:
            continue
        with tempfile.TemporaryDirectory() as folder:
            log = read(write_log(subject(number), logs[number], Path(folder)))[0]
        found.append(Judged(number, judge(log).code, done[number]))
    return found


def of_half(final: bool) -> list[Judged]:
    return judged(number for number in curves() if is_seen(number) != final)


def odds(cases: Sequence[Judged]) -> Table:
    """By verdict: how often it speaks, what its first advice did, and what helps most often."""
    table = Table("said", "n", "its first advice", "helps", "harms", "what helps most often", box=None)
    for said, count in Counter(case.said for case in cases).most_common():
        these = [case for case in cases if case.said == said]
        first = FIRST.get(said)
        asked = [case.effects[first].word for case in these if first in case.effects] if first else []
        helping = Counter(name for case in these for name in case.helping)
        helping["nothing"] = sum(not case.helping for case in these)
        best = ", ".join(f"{name} {number}" for name, number in helping.most_common(4))
        shares = [_share(asked.count(word), len(asked)) for word in ("helps", "harms")] if asked else ["", ""]
        table.add_row(said, str(count), first or "", *shares, best)
    return table


def totals(cases: Sequence[Judged]) -> dict[str, str]:
    """The figures that the corpus is made for."""
    asked = [
        (first, case.effects[first].word)
        for case in cases
        if (first := FIRST.get(case.said)) is not None and first in case.effects
    ]
    words = [word for _, word in asked]
    healthy = [case for case in cases if not case.helping]
    told = sum(case.said in HEALTHY for case in healthy)
    return {
        "subjects": str(len(cases)),
        "first advice helps": _share(words.count("helps"), len(words)),
        "first advice harms": _share(words.count("harms"), len(words)),
        "healthy told so": _share(told, len(healthy)),
    }


def _share(count: int, of: int) -> str:
    """A share with its interval (Wilson), in per cent."""
    if not of:
        return "none"
    low, high = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of} ({100 * low:.0f} to {100 * high:.0f} %)"


def enter(figures: Mapping[str, str]) -> None:
    """A line of the ledger: each look at the unseen half is one."""
    with LEDGER.open("a", newline="") as file:
        writer = csv.writer(file)
        if not file.tell():
            writer.writerow(["when", *figures])
        writer.writerow([f"{datetime.now(UTC):%Y-%m-%d %H:%M}", *figures.values()])
