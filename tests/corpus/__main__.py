"""`python -m tests.corpus farm` trains what is not in runs/corpus yet; `tabulate` writes effects and curves of that;
`score` says what verdicts are worth by them: on the half that is seen, or with `--final` on the other, each time a line
of the ledger."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from tests.corpus.farm import PLACE, farm
from tests.corpus.score import enter, of_half, publish, table, totals, worths
from tests.corpus.truth import networks, tabulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("what", choices=("farm", "tabulate", "score"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, default=24.0, help="how long it begins trainings")
    parser.add_argument("--place", type=Path, default=PLACE)
    parser.add_argument("--final", action="store_true", help="score the half that is not seen")
    given = parser.parse_args()
    if given.what == "farm":
        farm(given.place, given.jobs, given.hours)
    elif given.what == "tabulate":
        print(tabulate(given.place))
    else:
        cases = of_half(given.final)
        figures, verdicts = totals(cases), worths(cases)
        if given.final:
            enter(figures)
            publish(verdicts, networks())
        console = Console(width=160)
        console.print(table(verdicts))
        for name, figure in figures.items():
            console.print(f"{name}: {figure}", highlight=False)


if __name__ == "__main__":
    main()
