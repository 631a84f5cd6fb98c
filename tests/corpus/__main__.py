"""`python -m tests.corpus farm` trains what is not in runs/corpus yet; `tabulate` writes effects and curves of that."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.corpus.farm import PLACE, farm
from tests.corpus.truth import tabulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("what", choices=("farm", "tabulate"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, default=24.0, help="how long it begins trainings")
    parser.add_argument("--place", type=Path, default=PLACE)
    given = parser.parse_args()
    if given.what == "farm":
        farm(given.place, given.jobs, given.hours)
    else:
        print(tabulate(given.place))


if __name__ == "__main__":
    main()
