"""Tables with a row a measure (`epoch,metric,value`): the measures as columns. Other tables: delimited.py."""

from __future__ import annotations

from array import array
from itertools import islice
from pathlib import Path

import numpy as np

from tunekit.logs import source
from tunekit.logs.columns import Column, Columns
from tunekit.logs.heading import Heading, fields, names_split, number
from tunekit.logs.names import part
from tunekit.logs.table import COLUMNS


def columns(path: Path, top: Heading) -> Columns:
    """The values by the names that stand beside them, with the columns that count steps or epochs."""
    assert top.long is not None
    naming, value = (top.names.index(name) for name in top.long)
    split = next((place for place, name in enumerate(top.names) if name in top.splits), None)
    clocks = [(place, name) for place, name in enumerate(top.names) if part(name).kind in ("step", "epoch")]
    cells: dict[str, tuple[array[int], array[float]]] = {}

    def add(name: str, row: int, cell: str) -> None:
        known = number(cell, top.decimal_comma)
        if known is not None and (name in cells or len(cells) < COLUMNS):
            rows, values = cells.setdefault(name, (array("q"), array("d")))
            rows.append(row)
            values.append(known)

    filled = (line for line in source.lines(path) if line.strip())
    for row, line in enumerate(islice(filled, top.lines, None)):
        words = fields(line, top.separator)
        if len(words) == len(top.names) and words[naming]:
            owner = names_split(words[split]) if split is not None else ""
            add("/".join(word for word in (owner, words[naming]) if word), row, words[value])
            for place, name in clocks:
                add(name, row, words[place])
    return {name: Column(np.array(rows, np.int64), np.array(values)) for name, (rows, values) in cells.items()}
