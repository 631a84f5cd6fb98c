"""What verdicts are worth: each log of the corpus is read and judged as a person's is, and its advice is held against
what it really did."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from tests.corpus.forms import write_log
from tests.corpus.settings import INTERVENTIONS, subject
from tests.corpus.truth import HERE, Effect, Word, curves, effects, is_seen
from tunekit import diagnosis, shares
from tunekit.diagnosis.odds import Odds, Worth
from tunekit.logs import Log, read

LEDGER = HERE / "ledger.csv"
ODDS = Path(diagnosis.__file__).parent / "odds.json"

HEALTHY = ("good_fit", "cannot_tell", "insufficient_data", "no_validation")
"""What may be said of a training that nothing helps: that it is well, or that the log cannot tell."""

LEARNT = 0.9
"""Share of the loss of a constant answer, below which a network has learnt something."""

Said = tuple[str, str]
"""What was said of a log, and the intervention that its first advice is; none where it advises none of them."""

Judge = Callable[[int, Path], Said]
"""What judges the log of the subject of a number."""


@dataclass(frozen=True)
class Judged:
    """A subject with what was said of it and what its interventions did."""

    subject: int
    said: str
    first: str
    effects: Mapping[str, Effect]

    def word(self, name: str) -> Word:
        """What an intervention did. One that could not be carried out, as there was no fault to mend or gradients were
        clipped already, did nothing."""
        return self.effects[name].word if name in self.effects else "nothing"

    def carried_out(self, name: str) -> bool:
        """Looking for a fault is always: where there is none, it does nothing."""
        return name in self.effects or name == "mended"

    @property
    def learnt(self) -> bool:
        """Whether the network knows more than a constant answer does."""
        return all(effect.loss < LEARNT * effect.guess for effect in self.effects.values())

    @property
    def helping(self) -> list[str]:
        """What made a better network of it. A larger validation chooses among its weights, and is held against a
        smaller one."""
        return [name for name in self.effects if name != "larger_validation" and self.word(name) == "helps"]


def ours(_number: int, path: Path) -> Said:
    """tunekit's verdict on a log alone."""
    return verdict(read(path)[0])


def verdict(log: Log) -> Said:
    judged = diagnosis.judge(log)
    return judged.code, judged.counsel.first


def judged(numbers: Iterable[int], judge: Judge = ours, form: str = "") -> list[Judged]:
    """The subjects of these numbers that have curves and effects, by the verdict on their logs: in the form that each
    was kept in, or all in one."""
    logs, done = curves(), effects()
    found = []
    for number in numbers:
        if number not in logs or number not in done:
            continue
        one = subject(number)
        with tempfile.TemporaryDirectory() as folder:
            said = judge(number, write_log(replace(one, form=form or one.form), logs[number], Path(folder)))
        found.append(Judged(number, *said, done[number]))
    return found


def half(final: bool) -> list[int]:
    return [number for number in curves() if is_seen(number) != final]


def of_half(final: bool, judge: Judge = ours, form: str = "") -> list[Judged]:
    return judged(half(final), judge, form)


def worths(cases: Sequence[Judged]) -> dict[str, Worth]:
    """What each verdict was worth on these, the most frequent first."""
    return {said: _worth(said, cases) for said, _ in Counter(case.said for case in cases).most_common()}


def _worth(said: str, cases: Sequence[Judged]) -> Worth:
    these = [case for case in cases if case.said == said]
    firsts = Counter(case.first for case in these)
    most = next((name for name, _ in firsts.most_common() if name), "")
    helped = [case for case in cases if case.word(most) == "helps"]
    return Worth(
        logs=len(these),
        healthy=sum(not case.helping for case in these),
        by_first={first: _group(first, [case for case in these if case.first == first]) for first in firsts},
        missed=(sum(case.said != said for case in helped), len(helped)),
        order=_order(these),
    )


def _group(first: str, cases: Sequence[Judged]) -> dict[str, Odds]:
    """What each intervention did where it could be carried out: the first advice is asked of all."""
    counts = {name: _odds(name, [case for case in cases if case.carried_out(name)]) for name in INTERVENTIONS}
    return counts | ({first: _odds(first, cases)} if first else {})


def _order(cases: Sequence[Judged]) -> tuple[str, ...]:
    """What helped more often than it harmed, by how much. Which faults there are is the corpus' alone."""
    counts = {name: odds for name, odds in _group("", cases).items() if odds.of and name != "mended"}
    gains = {name: (odds.helps - odds.harms) / odds.of for name, odds in counts.items()}
    return tuple(sorted((name for name, gain in gains.items() if gain > 0), key=lambda name: -gains[name]))


def _odds(name: str, cases: Sequence[Judged]) -> Odds:
    words = [case.word(name) for case in cases]
    return Odds(words.count("helps"), words.count("harms"), len(words))


def table(verdicts: Mapping[str, Worth]) -> Table:
    """By verdict: how often it speaks, what its first advice did, where it was silent, and what helps most often."""
    shown = Table("said", "n", "first advice", "helps", "harms", "silent", "what helps most often", box=None)
    for said, worth in verdicts.items():
        most = sorted(worth.tried.items(), key=lambda one: -one[1].helps)[:4]
        best = ", ".join([*(f"{name} {odds.helps}/{odds.harms}" for name, odds in most), f"nothing {worth.healthy}"])
        silent = "{} of {}".format(*worth.missed) if worth.missed[1] else ""
        rows = [(name, share(odds.helps, odds.of), share(odds.harms, odds.of)) for name, odds in worth.first.items()]
        if worth.others:
            rows.append((f"another, {worth.others}", "", ""))
        logs = str(worth.logs)
        for row in rows:
            shown.add_row(said, logs, *row, silent, best)
            said = logs = silent = best = ""
    return shown


def totals(cases: Sequence[Judged], healthy: Collection[str] = HEALTHY) -> dict[str, str]:
    """The figures that the corpus is made for. A training is told that nothing helps where it is said to be well, or
    the log not to tell, and no advice that was carried out comes first."""
    asked = [case.word(case.first) for case in cases if case.first]
    unhelped = [case for case in cases if not case.helping]
    well = [case.said in healthy and not case.first for case in unhelped]
    well_learnt = [told for told, case in zip(well, unhelped, strict=True) if case.learnt]
    return {
        "subjects": str(len(cases)),
        "first advice was carried out": share(len(asked), len(cases)),
        "first advice helps": share(asked.count("helps"), len(asked)),
        "first advice harms": share(asked.count("harms"), len(asked)),
        "nothing helps, and told so": share(sum(well), len(well)),
        "learnt, nothing helps, and told so": share(sum(well_learnt), len(well_learnt)),
    }


def share(count: int, of: int) -> str:
    """A share with its interval, in per cent."""
    return shares.told(count, of) if of else "none"


def enter(figures: Mapping[str, str], judge: str = "the log alone") -> None:
    """A line of the ledger: each look at the unseen half is one. `judge`: by what tunekit judged."""
    with LEDGER.open("a", newline="") as file:
        writer = csv.writer(file)
        if not file.tell():
            writer.writerow(["when", "judged by", *figures])
        writer.writerow([f"{datetime.now(UTC):%Y-%m-%d %H:%M}", judge, *figures.values()])


def counted(unseen: Sequence[Judged], seen: Sequence[Judged]) -> dict[str, Worth]:
    """What tunekit tells: counts of the half that is not seen, in the order that the other gives. The best of several
    on the same logs would be the best by chance, too."""
    orders = {said: worth.order for said, worth in worths(seen).items()}
    return {said: replace(worth, order=orders.get(said, ())) for said, worth in worths(unseen).items()}


def publish(verdicts: Mapping[str, Worth], networks: int) -> None:
    """What tunekit prints from now on."""
    told = {"networks": networks, "verdicts": {said: worth.to_json() for said, worth in sorted(verdicts.items())}}
    ODDS.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
