"""Weights & Biases without its cloud: the .wandb file of a run, else its printed output or its last values.

Only the history is decoded. The same file holds e-mail addresses, hosts and remotes, which are not looked at.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from tunekit.logs import nested, printed, source, wire
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.readers import printed_readers
from tunekit.logs.tabular import records_log
from tunekit.vocabulary import UserError

NAME = "wandb"
DESCRIPTION = "Weights & Biases run folders (run-*.wandb, else files/output.log, else files/wandb-summary.json)"

FILES = "*.wandb"
OUTPUT, SUMMARY = "output.log", "wandb-summary.json"
MARK = b":W&B"
HEADER = 7
"""Bytes before the first record: the mark, two bytes of magic, a version."""

HISTORY, ITEM, KEY, NESTED, VALUE = 2, 1, 1, 2, 16
"""Field numbers: Record.history, HistoryRecord.item, and a HistoryItem's key, nested_key, value_json."""


MARK_OF_VALUE = b"\x82\x01"
"""How the field of a value begins, before its length."""

LONGEST = 300
"""Bytes of a name that is remembered."""

ONE_BYTE = 128
"""Lengths below are written in a byte."""


def recognise(path: Path) -> float:
    if path.is_dir():
        run = re.match(r"(offline-)?run-", path.name) is not None
        printed = run and source.is_regular(path / "files" / OUTPUT)
        summed = any(source.is_regular(folder / SUMMARY) for folder in (path, path / "files"))
        return 0.95 if source.matching(path, FILES) or printed or summed else 0.0
    if path.suffix == ".wandb" or path.name == SUMMARY:
        return 0.95
    return 0.9 if source.head(path)[:4] == MARK else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. A run whose .wandb file holds no curve is judged by what it printed, else by its last values."""
    if path.is_file() and path.name != SUMMARY:
        return [_decoded(path, train, val, path.stem)]
    folder = path if path.is_dir() else path.parent
    logs = [_decoded(file, train, val, folder.name, strict=False) for file in source.matching(folder, FILES)]
    best = max(logs, key=lambda log: log.points, default=None)
    if best is not None and best.points:
        return [best]
    files = folder / "files" if (folder / "files").is_dir() else folder
    name = folder.name if files != folder or folder.name != "files" else folder.absolute().parent.name
    if source.is_regular(files / OUTPUT):
        log = printed.best_of_file(printed_readers().values(), files / OUTPUT, train, val)
        if log is not None:
            return [replace(log, format=NAME, name=name)]
    if source.is_regular(files / SUMMARY):
        return [_summary(files / SUMMARY, train, val, name)]
    if best is None:
        raise UserError(f"{path}: holds neither a .wandb file nor files/{OUTPUT} nor files/{SUMMARY}")
    return [best]


def _summary(path: Path, train: str | None, val: str | None, name: str) -> Log:
    """The last value of each metric: a row, no curve."""
    value = source.parse_json(source.text(path))
    last = nested.flat(value) if isinstance(value, dict) else {}
    row = {key: number for key, number in last.items() if not key.startswith("_")}
    note = "the summary holds the last value of each metric and no curve: give the .wandb file or a CSV export"
    return records_log([row], path, NAME, train, val, name=name, notes=[note])


def _decoded(path: Path, train: str | None, val: str | None, name: str, strict: bool = True) -> Log:
    notes: list[str] = []
    with source.opened(path) as file:
        mark = file.read(HEADER)[: len(MARK)]
        if mark == MARK:
            return records_log(_rows(file, notes), path, NAME, train, val, name=name, notes=notes)
    if strict and mark:
        raise UserError(f"{path}: does not begin like a .wandb file; it may be a Git LFS pointer: `git lfs pull`")
    return records_log((), path, NAME, train, val, name=name, notes=["the .wandb file is empty or no such file"])


def _rows(file: BinaryIO, notes: list[str]) -> Iterator[dict[str, object]]:
    """The rows of the history in a .wandb file, whose header is read."""
    try:
        for record in wire.leveldb_records(file):
            yield from _history(record)
    except wire.Torn:
        notes.append("the .wandb file ends within a record; read up to there")


def _history(record: bytes) -> Iterator[dict[str, object]]:
    """The numbers of a record, where it is one of the history; its count of calls is the step where it names none."""
    for number, _, value in wire.fields(record):
        if number == HISTORY and isinstance(value, bytes):
            row = dict(
                _item(item) for field, _, item in wire.fields(value) if field == ITEM and isinstance(item, bytes)
            )
            kept, counts = _kept(tuple(row))
            if "_step" in row and not counts:
                yield {**{key: row[key] for key in kept}, "step": row["_step"]}
            else:
                yield {key: row[key] for key in kept}


@lru_cache(maxsize=64)
def _kept(names: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The names in a row that are not W&B's own, and whether one of them counts."""
    kept = tuple(name for name in names if name and not name.startswith("_"))
    return kept, any(part(name).kind in ("step", "epoch") for name in kept)


def _item(data: bytes) -> tuple[str, object]:
    """The name of a measure and its value, in the usual order without a look at each field."""
    place = data.find(MARK_OF_VALUE)
    begin = place + len(MARK_OF_VALUE) + 1
    if place > 0 and begin <= len(data) and data[begin - 1] == len(data) - begin < ONE_BYTE:
        with contextlib.suppress(ValueError, wire.Torn):
            return _known_name(data[:place]), float(data[begin:])
    value: object = None
    for number, _, content in wire.fields(data):
        if number == VALUE and isinstance(content, bytes):
            value = source.parse_json(content.decode("utf-8", errors="replace"))
    if value in ("NaN", "Infinity", "-Infinity"):
        value = float(value)
    return _name(data), value


@lru_cache(maxsize=16384)
def _known_name(data: bytes) -> str:
    return _name(data)


def _name(data: bytes) -> str:
    keys = [content for number, _, content in wire.fields(data) if number in (KEY, NESTED)]
    return "/".join(key.decode("utf-8", errors="replace") for key in keys if isinstance(key, bytes) and key)
