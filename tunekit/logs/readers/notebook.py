"""Jupyter notebooks: what their cells printed or showed as a table. Their code is not looked at."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.log import Log
from tunekit.logs.readers import printed_readers
from tunekit.vocabulary import UserError

NAME = "notebook"
DESCRIPTION = "Jupyter notebooks (.ipynb) with the output of a training in a cell"

_CELLS = re.compile(
    rb'\{\s*+"(?:cells|worksheets)":\s*+\[\s*+\{\s*+"(?:cell_type|attachments|id|execution_count|cells)"'
)
_ROW = re.compile(r"<tr\b[^<>]*+>", re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b[^<>]*+>([^<]*+(?:<(?!/?t[dhr]\b)[^<]*+)*+)", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*+>")


def recognise(path: Path) -> float:
    data = source.head(path).lstrip()
    if data[:1] != b"{":
        return 0.0
    if path.suffix.lower() != ".ipynb":  # standard input has no name
        return 0.9 if _CELLS.match(data) else 0.0
    return 0.9 if b'"cells"' in data or b'"nbformat"' in data or b'"worksheets"' in data else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: of the cell whose output has the most points."""
    document = source.parse_json(source.text(path))
    cells = [(f"cell {place}", lines) for place, lines in enumerate(map(_output, _cells(document)), 1) if lines]
    chosen = printed.most_points(list(printed_readers().values()), cells, path, train, val)
    if chosen is None:
        what = "no cell's output reads as a training" if isinstance(document, dict) else "is no complete notebook"
        raise UserError(f"{path}: {what}; save the notebook with its output")
    name, log, count = chosen
    others = (f"{count} cells show a training; {name}, with the most points, is judged",) if count > 1 else ()
    return [replace(log, format=NAME, notes=(*log.notes, *others))]


def _cells(document: object) -> Iterator[dict[str, object]]:
    """The cells of a notebook; of one of version 3 those of all its sheets."""
    if not isinstance(document, dict):
        return
    sheets = document.get("worksheets")
    for sheet in sheets if isinstance(sheets, list) else [document]:
        cells = sheet.get("cells") if isinstance(sheet, dict) else None
        yield from (cell for cell in cells if isinstance(cell, dict)) if isinstance(cells, list) else ()


def _output(cell: dict[str, object]) -> list[str]:
    """The lines of a cell's output: its streams, and of what it shows a table or else the text."""
    pieces: list[str] = []
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if not isinstance(output, dict):
            continue
        data = output.get("data", output)  # version 3 has no data
        shown = data if isinstance(data, dict) else {}
        table = _table(_text(shown.get("text/html", shown.get("html"))))
        pieces.append(_text(output.get("text")) if "text" in output else "")
        pieces.append(f"\n{table}\n" if table else _text(shown.get("text/plain")))
    return "".join(pieces).split("\n") if any(pieces) else []


def _text(value: object) -> str:
    """A text that is kept whole or in lines."""
    if isinstance(value, list):
        return "".join(piece for piece in value if isinstance(piece, str))
    return value if isinstance(value, str) else ""


def _table(markup: str) -> str:
    """The rows of HTML tables, a line each with bars between their cells."""
    rows = (_CELL.findall(row) for row in _ROW.split(markup)[1:])
    cells = ([html.unescape(_TAG.sub("", cell)).strip() or "-" for cell in row] for row in rows)
    return "\n".join("|" + "|".join(row) + "|" for row in cells)
