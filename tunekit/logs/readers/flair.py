"""Flair's loss.tsv. Rows of old versions have an empty cell before each block of metrics that was not measured."""

from collections.abc import Iterator
from pathlib import Path

from tunekit.logs import delimited, heading, source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "flair"
DESCRIPTION = "Flair loss.tsv (EPOCH, TIMESTAMP, BAD_EPOCHS, LEARNING_RATE, TRAIN_LOSS, DEV_LOSS, DEV_F1, ...)"

FIXED = ("EPOCH", "TIMESTAMP", "BAD_EPOCHS", "LEARNING_RATE", "TRAIN_LOSS")
"""Columns that stand at the front in every version, some of which leave one out; what follows are blocks of metrics."""


def recognise(path: Path) -> float:
    names = delimited.header(path)
    return 0.95 if names[:2] == ["EPOCH", "TIMESTAMP"] and {"LEARNING_RATE", "TRAIN_LOSS"} <= set(names) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    notes: list[str] = []
    return [records_log(_rows(path, notes), path, NAME, train, val, notes=notes)]


def _rows(path: Path, notes: list[str]) -> Iterator[dict[str, object]]:
    """The rows under their columns; of one that does not fit the header only what stands before the metrics."""
    names: list[str] = []
    shifted = unfit = 0
    for line in source.lines(path):
        cells = [cell.strip() for cell in line.rstrip("\n").split("\t")]
        if cells[0] == "EPOCH":
            names = cells
            continue
        surplus = len(cells) - len(names)
        if surplus and surplus == cells.count(""):
            cells = [cell for cell in cells if cell]
            shifted += 1
        elif surplus and any(cells):
            cells = cells[: sum(name in FIXED for name in names)]
            unfit += 1
        numbers = zip(names, map(heading.number, cells), strict=False)
        yield {name: number for name, number in numbers if name != "TIMESTAMP"}
    if shifted:
        notes.append(f"{shifted} rows have more cells than the header; their empty cells are left out")
    if unfit:
        notes.append(f"{unfit} rows have another number of cells than the header; only their training loss is read")
