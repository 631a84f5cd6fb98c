"""`python -m tests.benchmarks [NAME ...] [--quick]`: one table a benchmark, written nowhere but on the screen."""

from __future__ import annotations

import argparse
import os
from importlib import import_module

from tests.benchmarks.sidebyside import machine, show

BENCHMARKS = ("loop", "workers", "bookkeeping", "by_hand", "lr_finders", "chain", "logs", "augmentation")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; otherwise all")
    parser.add_argument("--quick", action="store_true", help="fewer trials, the same on both sides")
    given = parser.parse_args()
    for name in given.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name!r}; one of {', '.join(BENCHMARKS)}")
    for name in given.names or BENCHMARKS:
        module = import_module(f"tests.benchmarks.{name}")
        before = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        report = module.run(given.quick)
        about = f"{machine(module.PACKAGES)} after, {before:.1f} before{'; --quick' if given.quick else ''}"
        show(report, about)


if __name__ == "__main__":
    main()
