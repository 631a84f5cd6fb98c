"""TensorBoard event files: scalars and scalar tensors of one run, over its files and its split folders."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tunekit.logs import source, wire
from tunekit.logs.log import Log
from tunekit.logs.names import TEST, TRAIN, VAL, side, split
from tunekit.logs.roles import assemble
from tunekit.logs.table import COLUMNS, Series
from tunekit.vocabulary import UserError

NAME = "tensorboard"
DESCRIPTION = "TensorBoard event files (events.out.tfevents.*), scalars and tensor scalars"

MARK = "tfevents"
FILES = f"*{MARK}*"
VERSION = b"brain.Event:"  # what the first event of a file says

SPLITS = TRAIN | VAL | TEST

DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
"""TensorProto's numbers for the types of a scalar, as NumPy names them."""

STEP, STEP_KEY = 10, 0x10
"""Where the step of an event stands behind its time, and the byte before it."""

SINGLE, SINGLE_KEY = struct.Struct("<f"), b"\x15"
"""A scalar and the byte before it."""

Shapes = dict[int, dict[int, dict[tuple[bytes, bytes], str]]]
"""Tags by the bytes before and behind their number, by how many stand behind it, by how many there are with it."""

Points = dict[str, "tuple[array[int], array[float]]"]


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.93 if _files(path) else 0.0
    return 0.95 if MARK in path.name or VERSION in source.head(path)[:64] else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: all event files of the folder, and of folders below that are one split's or one series' each.

    Of one split's folder or file, the run's that it belongs to.
    """
    folder = path if path.is_dir() else path.parent
    if folder.name.lower() in SPLITS and len(_files(folder.absolute().parent)) > 1:
        path = folder.absolute().parent
    groups = {"": [path]} if path.is_file() else _files(path)
    if not groups:
        raise UserError(f"{path}: holds no event files (events.out.tfevents.*)")
    series = Series()
    for prefix, files in groups.items():
        points: Points = {}
        for file in files:
            _collect(file, points, series.notes)
        if len(points) >= COLUMNS:
            series.say_full()
        for tag, (steps, values) in points.items():
            _add(series, f"{prefix}/{tag}" if prefix else tag, steps, values, alone=len(points) == 1)
    files = [file for group in groups.values() for file in group]
    name = path.parent.name if path.is_file() else path.name
    return [assemble(series, NAME, files, name=name, train=train, val=val)]


def _files(folder: Path) -> dict[str, list[Path]]:
    """Event files of a folder, oldest first, under ""; those of its split folders under the folder's name."""
    try:
        below = sorted(item for item in folder.iterdir() if item.is_dir() and not item.is_symlink())
    except OSError:
        return {}
    splits = [item for item in below if side(split(item.name))]
    groups = {"": source.matching(folder, FILES)} | {item.name: source.matching(item, FILES) for item in splits}
    return {name: files for name, files in groups.items() if files}


def _add(series: Series, name: str, steps: array[int], values: array[float], alone: bool) -> None:
    """One tag's points. A folder of `add_scalars` is named `Loss_train` and repeats `Loss` as its only tag."""
    prefix, _, tag = name.partition("/")
    if alone and tag and set(split(tag)) <= set(split(prefix)):
        name = prefix
    series.add(name, np.array(steps), np.array(values))


def _collect(path: Path, points: Points, notes: list[str]) -> None:
    """Add a file's points; a later step that is smaller than the last means a restart, which overrides."""
    try:
        with source.opened(path) as file:
            known: Shapes = {}
            for tag, step, value in (item for record in wire.tfrecords(file) for item in _known(record, known)):
                if tag not in points and len(points) >= COLUMNS:
                    continue
                steps, values = points.setdefault(tag, (array("q"), array("d")))
                while steps and steps[-1] > step:
                    steps.pop()
                    values.pop()
                steps.append(step)
                values.append(value)
    except wire.Torn:
        notes.append(f"{path.name} ends within a record; read up to there")


def _known(record: bytes, known: Shapes) -> Iterable[tuple[str, int, float]]:
    """The same as `_scalars`. What surrounds the number of a tag is the same in all its events but for the step."""
    try:
        step, place = wire.varint(record, STEP) if record[STEP - 1] == STEP_KEY else (0, 0)
    except (wire.Torn, IndexError):
        return list(_scalars(record))
    for behind in known.get(len(record) - place, ()) if place else ():
        end = len(record) - behind
        tag = known[len(record) - place][behind].get((record[place : end - 4], record[end:]))
        if tag is not None:
            return [(tag, _signed(step), float(SINGLE.unpack_from(record, end - 4)[0]))]
    items = list(_scalars(record))
    if place and len(items) == 1:
        start = record.rfind(SINGLE_KEY + SINGLE.pack(items[0][2])) + 1 if items[0][2] == items[0][2] else 0
        if start > place:
            behind = len(record) - start - 4
            shapes = known.setdefault(len(record) - place, {}).setdefault(behind, {})
            if len(shapes) < COLUMNS:
                shapes[record[place:start], record[start + 4 :]] = items[0][0]
    return items


def _signed(value: int) -> int:
    """An int64 of its two's complement."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _scalars(record: bytes) -> Iterator[tuple[str, int, float]]:
    """(tag, step, value) of an Event message: step is field 2, summary 5, its values field 1."""
    step, summaries = 0, []
    for number, kind, value in wire.fields(record):
        if number == 2 and isinstance(value, int):
            step = _signed(value)
        elif number == 5 and kind == 2 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, _, value in wire.fields(summary):
            if number == 1 and isinstance(value, bytes):
                tagged = _value(value)
                if tagged is not None:
                    yield tagged[0], step, tagged[1]


def _value(data: bytes) -> tuple[str, float] | None:
    """Tag (field 1) with a simple value (2, a float) or a tensor of one element (8); None for images and the like."""
    tag, single = "", None
    for number, kind, value in wire.fields(data):
        if number == 1 and isinstance(value, bytes):
            tag = value.decode("utf-8", errors="replace")
        elif number == 2 and kind == 5 and isinstance(value, bytes):
            single = struct.unpack("<f", value)[0]
        elif number == 8 and isinstance(value, bytes):
            single = _tensor(value)
    return None if single is None or not tag else (tag, float(single))


def _tensor(data: bytes) -> float | None:
    """The one element of a TensorProto: dtype 1, raw content 4, floats 5, doubles 6."""
    dtype, content = 0, b""
    for number, kind, value in wire.fields(data):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number in (4, 5, 6) and isinstance(value, bytes) and kind in (1, 2, 5):
            content = value
    code = DTYPES.get(dtype)
    if code is None or len(content) != np.dtype(code).itemsize:
        return None
    return float(np.frombuffer(content, dtype=code)[0])
