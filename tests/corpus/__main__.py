"""`python -m tests.corpus farm` trains what is not in runs/corpus yet; `tabulate` writes effects and curves of that;
`score` says what verdicts are worth by them: on the half that is seen, or with `--final` on the other, each time a line
of the ledger; `known` carries tunekit's steps 1 and 3 out on each subject, and `score --known` says what those add to a
log; `peers` says the same of the log checkers of others, installed in the virtual environment `--peers`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.corpus import known, peers
from tests.corpus.farm import PLACE, farm, raise_subject
from tests.corpus.score import counted, enter, half, judged, of_half, publish, table, totals, worths
from tests.corpus.truth import networks, tabulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("what", choices=("farm", "tabulate", "score", "peers", "known"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, default=24.0, help="how long it begins trainings")
    parser.add_argument("--place", type=Path, default=PLACE)
    parser.add_argument("--final", action="store_true", help="score the half that is not seen")
    parser.add_argument("--known", action="store_true", help="score what the rest of a run adds to its log")
    parser.add_argument("--peers", type=Path, help="a virtual environment that has " + ", ".join(peers.COMMANDS))
    given = parser.parse_args()
    console = Console(width=160)
    if given.what == "farm":
        farm(given.place, given.jobs, given.hours, raise_subject, "trainings")
    elif given.what == "known":
        farm(given.place, given.jobs, given.hours, known.raise_subject, "sweeps")
    elif given.what == "tabulate":
        print(tabulate(given.place))
        print(known.tabulate(given.place))
    elif given.what == "peers":
        if given.peers is None:
            parser.error("peers needs --peers, the virtual environment that has them")
        compare(given.peers, given.final, console)
    elif given.known:
        if not known.KNOWN.exists():
            parser.error("score --known needs what `known` makes and `tabulate` gathers")
        inform(given.final, console)
    else:
        cases = of_half(given.final)
        figures, verdicts = totals(cases), worths(cases)
        if given.final:
            enter(figures)
            publish(counted(cases, of_half(False)), networks())
        console.print(table(verdicts))
        for name, figure in figures.items():
            console.print(f"{name}: {figure}", highlight=False)


def compare(environment: Path, final: bool, console: Console) -> None:
    """A table of each of the others, and the totals of all beside tunekit's, which on the unseen half are a look."""
    figures = {"tunekit": totals(of_half(final, form=peers.FORM))}
    if final:
        enter(figures["tunekit"], f"the log alone, as {peers.FORM}")
    for tool in peers.COMMANDS:
        with peers.judge_of(tool, environment) as judge:
            cases = of_half(final, judge, peers.FORM)
        figures[tool] = totals(cases, peers.healthy(cases))
        if final:
            enter(figures[tool], tool)
        console.print(f"\n{tool}", table(worths(cases)))
    beside(figures, console)


def inform(final: bool, console: Console) -> None:
    """The table of verdicts on logs with what their runs know, and the totals beside those of the same logs alone. The
    odds that tunekit prints are of logs alone: nothing is published."""
    procedures = known.procedures()
    numbers = [number for number in half(final) if number in procedures]
    alone, informed = judged(numbers), judged(numbers, known.judge_by(procedures))
    figures = {"the log alone": totals(alone), "the log and its run": totals(informed)}
    if final:
        for name, counts in figures.items():
            enter(counts, name)
    console.print(table(worths(informed)))
    beside(figures, console)
    console.print("", known.changes(alone, informed))


def beside(figures: Mapping[str, Mapping[str, str]], console: Console) -> None:
    """Totals, a line each."""
    shown = Table("", *next(iter(figures.values())), box=None)
    for name, counts in figures.items():
        shown.add_row(name, *counts.values())
    console.print("", shown)


if __name__ == "__main__":
    main()
