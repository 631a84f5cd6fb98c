"""`python -m tests.corpus farm` trains what is not in runs/corpus yet; `tabulate` writes effects and curves of that;
`score` says what verdicts are worth by them: on the half that is seen, or with `--final` on the other, each time a line
of the ledger; `peers` says the same of the log checkers of others, installed in the virtual environment `--peers`."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.corpus import peers
from tests.corpus.farm import PLACE, farm
from tests.corpus.score import enter, of_half, publish, table, totals, worths
from tests.corpus.truth import networks, tabulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("what", choices=("farm", "tabulate", "score", "peers"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, default=24.0, help="how long it begins trainings")
    parser.add_argument("--place", type=Path, default=PLACE)
    parser.add_argument("--final", action="store_true", help="score the half that is not seen")
    parser.add_argument("--peers", type=Path, help="a virtual environment that has " + ", ".join(peers.COMMANDS))
    given = parser.parse_args()
    console = Console(width=160)
    if given.what == "farm":
        farm(given.place, given.jobs, given.hours)
    elif given.what == "tabulate":
        print(tabulate(given.place))
    elif given.what == "peers":
        if given.peers is None:
            parser.error("peers needs --peers, the virtual environment that has them")
        compare(given.peers, given.final, console)
    else:
        cases = of_half(given.final)
        figures, verdicts = totals(cases), worths(cases)
        if given.final:
            enter(figures)
            publish(verdicts, networks())
        console.print(table(verdicts))
        for name, figure in figures.items():
            console.print(f"{name}: {figure}", highlight=False)


def compare(environment: Path, final: bool, console: Console) -> None:
    """A table of each of the others, and the totals of all beside tunekit's, which on the unseen half are a look."""
    figures = {"tunekit": totals(of_half(final))}
    if final:
        enter(figures["tunekit"])
    for tool in peers.COMMANDS:
        with peers.judge_of(tool, environment) as judge:
            cases = of_half(final, judge, peers.FORM)
        figures[tool] = totals(cases, peers.healthy(cases))
        console.print(f"\n{tool}", table(worths(cases)))
    beside = Table("", *figures["tunekit"], box=None)
    for name, counts in figures.items():
        beside.add_row(name, *counts.values())
    console.print("", beside)


if __name__ == "__main__":
    main()
