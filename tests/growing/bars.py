"""A dialect of one's own: `| epoch | tr | va |`, cells between bars, losses under short names, remarks behind `%`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tunekit.logs import source
from tunekit.logs.log import Log, curve
from tunekit.vocabulary import UserError

NAME = "bars"
DESCRIPTION = "tables between bars (| epoch | tr | va |) with remarks behind %"

HEADER = ["epoch", "tr", "va"]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.partition("%")[0].strip().strip("|").split("|")]


def recognise(path: Path) -> float:
    lines = source.first_lines(path, 1)
    return 0.9 if lines and lines[0].startswith("|") and _cells(lines[0]) == HEADER else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log."""
    lines = [line for line in source.text(path).splitlines() if line.startswith("|")]
    try:
        rows = np.array([[float(cell) for cell in _cells(line)] for line in lines[1:]]).reshape(-1, len(HEADER))
    except ValueError as error:
        raise UserError(f"{path}: a cell is no number: {error}") from None
    epochs, losses, validations = rows.T
    train_loss, val_loss = curve("tr", epochs, losses, "epoch"), curve("va", epochs, validations, "epoch")
    return [Log(NAME, (str(path),), path.stem, train_loss, val_loss)]
