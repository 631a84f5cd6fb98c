"""What reading a long log costs: a million rows in the forms that long logs have, read and judged."""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import REPEATS, Report, alternate, ratio, spread, verdict

PACKAGES = ("numpy",)
ROWS = 1_000_000
SECONDS, MEGABYTES = 3.0, 500.0


def _values(rows: int) -> Iterator[tuple[int, float]]:
    return ((row, 0.3 + 2 / (1 + row / 5000)) for row in range(rows))


def _csv(rows: int) -> Iterator[str]:
    yield "step,train_loss,val_loss,lr\n"
    for row, loss in _values(rows):
        yield f"{row},{loss:.6f},{loss + 0.05 if row % 1000 == 0 else ''},0.001\n"


def _jsonl(rows: int) -> Iterator[str]:
    for row, loss in _values(rows):
        evaluated = {"val_loss": loss + 0.05} if row % 1000 == 0 else {}
        yield json.dumps({"step": row, "train_loss": round(loss, 6), "lr": 0.001} | evaluated) + "\n"


def _text(rows: int) -> Iterator[str]:
    for row, loss in _values(rows):
        yield f"[2026-03-01 10:00:00] step {row} | loss {loss:.6f} | lr 1.00e-03 | {40 + row % 7} ms\n"
        if row % 1000 == 0:
            yield f"[2026-03-01 10:00:00] step {row} | val loss {loss + 0.05:.6f}\n"


FORMS: dict[str, tuple[str, Callable[[int], Iterator[str]]]] = {
    "CSV": ("log.csv", _csv),
    "JSON lines": ("metrics.jsonl", _jsonl),
    "printed lines": ("train.log", _text),
}


def run(quick: bool) -> Report:
    rows = []
    count = ROWS // 10 if quick else ROWS
    with tempfile.TemporaryDirectory() as folder:
        for form, (name, lines) in FORMS.items():
            path = Path(folder) / name
            with path.open("w") as file:
                file.writelines(lines(count))
            found = alternate(_sides(str(path)), 1 if quick else REPEATS)
            seconds = [turn["seconds"] for turn in found["tunekit"]]
            peak = max(turn["megabytes"] for turn in found["tunekit"])
            met = verdict(median(seconds) <= SECONDS and peak <= MEGABYTES)
            by_hand = found["by hand"]
            against = f"{ratio(seconds, by_hand):.2f}"
            rows.append(
                [form, spread(seconds), f"{peak:.0f}", f"{SECONDS:.0f}, {MEGABYTES:.0f}", met, spread(by_hand), against]
            )
    notes = [
        f"{count:,} rows; processor seconds of reading and judging, and the process's peak. By hand: csv.reader, "
        "json.loads or one regular expression of the lines, and float, into a list a column; nothing is recognised.",
    ]
    return Report("A long log", ["form", "seconds", "peak, MB", "target", "", "by hand, seconds", "ratio"], rows, notes)


def _sides(path: str) -> dict[str, Callable[[], Any]]:
    return {
        "tunekit": lambda: fresh.call("logs.judged", path=path),
        "by hand": lambda: fresh.call("logs.by_hand", path=path),
    }


def judged(path: str) -> dict[str, float]:
    from tunekit.diagnosis import judge
    from tunekit.logs import read

    started = time.process_time()
    judge(read(path)[0])
    return {"seconds": time.process_time() - started, "megabytes": _peak_megabytes()}


def by_hand(path: str) -> float:
    """Seconds of what a script does that knows the file."""
    started = time.process_time()
    with Path(path).open(newline="") as file:
        if path.endswith(".csv"):
            _, *rows = csv.reader(file)
            columns = [[float(row[place] or "nan") for row in rows] for place in range(4)]
        elif path.endswith(".jsonl"):
            records = [json.loads(line) for line in file]
            columns = [[record.get(name) for record in records] for name in ("step", "train_loss", "val_loss", "lr")]
        else:
            pattern = re.compile(r"step (\d+) \| (?:val )?loss ([\d.]+)(?: \| lr ([\d.e-]+))?")
            found = [match.groups("nan") for line in file if (match := pattern.search(line))]
            columns = [[float(cells[place]) for cells in found] for place in range(3)]
    assert columns[0]
    return time.process_time() - started


def _peak_megabytes() -> float:
    """Not of getrusage where /proc tells better: its peak begins with that of the process that was forked."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(next(line.split()[1] for line in status.open() if line.startswith("VmHWM"))) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
