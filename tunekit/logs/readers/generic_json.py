"""JSON of no known tool: one object a line, or one document of any shape that ../nested.py takes apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tunekit.logs import nested, source
from tunekit.logs.log import Log
from tunekit.logs.names import Part, part
from tunekit.logs.readers import FAINT
from tunekit.logs.table import from_records
from tunekit.logs.tabular import columns_log, nothing, several
from tunekit.vocabulary import UserError

NAME = "json"
DESCRIPTION = "JSON lines or a JSON document with keys that name a loss (lists, objects an epoch, train and val apart)"

_KEY = re.compile(rb'"([^"\\]{1,100})"\s*+:\s*+([\[{]?+\s*+)([-\dN]?+)')
_PYTHON = re.compile(rb"\{\s*+'[^'\"]{1,100}+'\s*+:\s*+[\[{]")
"""How a dictionary of lists begins as Python prints it."""

_NUMBERS = re.compile(rb"\[\s*+-?+\d")
_MEASURED = ("loss", "score", "error")
_WORDS = (("'", '"'), ("None", "null"), ("nan", "NaN"), ("inf", "Infinity"))
MEASURES = 500
"""Keys of an object that may be one evaluation: a vocabulary has more."""

KEYS = 1000
"""Keys at a file's beginning that are looked at."""


def recognise(path: Path) -> float:
    if path.suffix.lower() not in (".json", ".jsonl", ".ndjson", ".log", ".txt", ""):
        return 0.0
    data = source.head(path).lstrip()
    if data[:1] not in (b"{", b"[") or not source.is_text(data):
        return 0.0
    if _PYTHON.match(data):
        data = data.replace(b"'", b'"')
        return 0.4 if _tells(data) else 0.0
    if _NUMBERS.match(data):
        return 0.4 if part(path.stem).kind in _MEASURED else FAINT
    lines = source.first_record(path) is not None and path.suffix.lower() != ".json"
    if lines and b"loss" in data:
        return 0.42
    if _tells(data):
        return 0.4
    return 0.15 if lines else FAINT


def _tells(data: bytes) -> bool:
    """Whether a key names a loss, a split's measure, an accuracy, or a split whose value is a list of numbers."""
    seen: set[bytes] = set()
    for place, match in enumerate(_KEY.finditer(data)):
        if place >= KEYS:
            break
        if match[1] in seen:
            continue
        seen.add(match[1])
        said: Part = part(match[1].decode("utf-8", errors="replace"))
        if said.kind == "loss" or (said.kind in ("score", "error") and (said.side or "accuracy" in said.core)):
            return True
        if said.side and not said.kind and not said.core and match[2][:1] == b"[" and match[3]:
            return True
    return False


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run; UserError where the file holds nothing that reads as curves."""
    notes: list[str] = []
    document = None if _has_lines(path) else _document(source.text(path))
    named = part(path.stem).kind in _MEASURED
    if isinstance(document, list) and named and all(type(value) in (int, float) for value in document):
        document = {path.stem: document}
    if nested.is_points(document):  # a chart by itself, of which the file's name tells
        document = {path.stem: document}
    tables = [(run.name, run.columns(notes)) for run in nested.runs(document)]
    if not tables:
        tables = [("", from_records(_records(document, path, notes)))]
        if not any(part(name).kind in _MEASURED for name in tables[0][1]):  # a column of them may be asked for
            tables = [(run.name, run.columns(notes)) for run in nested.runs(document, told=False)] or tables
    logs = several(
        tables,
        lambda run: columns_log(run[1], path, NAME, train, val, name=run[0] or path.stem, notes=notes),
    )
    if not any(log.points or any(metric.train for metric in log.metrics) for log in logs):
        raise UserError(nothing(path, list(tables[0][1])))
    return [log for log in logs if log.points] or logs[:1]


def _document(content: str) -> object:
    """The value of a JSON document, of a dictionary as Python prints it, or of objects one after the other."""
    value = source.parse_json(content)
    if value is None and _PYTHON.match(content[:1000].encode()):
        for word, other in _WORDS:
            content = content.replace(word, other)
        value = source.parse_json(content)
    return value


def _records(document: object, path: Path, notes: list[str]) -> Iterator[dict[str, object]]:
    """One evaluation, where the document is one; the records of JSON lines."""
    if not isinstance(document, dict):
        lines = source.json_lines(path, notes)
        first = next(lines, None)
        if first is None and document is None:
            notes.clear()
            lines = source.json_objects(source.text(path), notes)
        yield from map(nested.flat, lines if first is None else chain([first], lines))
    elif len(document) <= MEASURES:
        yield nested.flat(document)


def _has_lines(path: Path) -> bool:
    """Whether the file is JSON lines beyond doubt: its first two lines are objects, and one document is one."""
    values = [source.parse_json(line) for line in source.first_lines(path, 2)]
    return len(values) == 2 and all(isinstance(value, dict) for value in values)
