"""Bytes and lines of log files, whatever their encoding or damage. Not what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from tunekit.vocabulary import UserError

HEAD = 65536
"""Bytes that `recognise` may look at."""

LIMIT = 2_000_000_000
"""Bytes of the largest log that is read: some 30 million rows."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def head(path: Path) -> bytes:
    """The first bytes of a file; empty for what cannot be read."""
    try:
        if not path.is_file():
            return b""
        state = path.stat()
        return _head(path, state.st_size, state.st_mtime_ns)
    except (OSError, ValueError):
        return b""


@lru_cache(maxsize=256)
def _head(path: Path, _size: int, _changed: int) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def matching(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder whose path fits a glob pattern, in order; none where the folder cannot be looked into."""
    try:
        return sorted(item for item in folder.glob(pattern) if item.is_file())
    except OSError:
        return []


def is_text(data: bytes) -> bool:
    """Without NUL bytes (UTF-16 with its mark excepted) and mostly printable."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    if b"\0" in data:
        return False
    control = sum(data.count(bytes([code])) for code in range(32) if code not in (7, 8, 9, 10, 12, 13, 27))
    return control <= len(data) // 100


def decode(data: bytes) -> str:
    """Text of UTF-8 or UTF-16; other bytes are replaced, since names and numbers are ASCII in every log."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def first_lines(path: Path, count: int = 5) -> list[str]:
    """The first lines that are not blank, as text; none for a binary file."""
    return list(_first_lines(head(path))[:count])


@lru_cache(maxsize=64)
def _first_lines(data: bytes) -> tuple[str, ...]:
    """The lines of a file's beginning, taken apart once for all the readers that look at it."""
    if not data or not is_text(data):
        return ()
    lines = (line.strip() for line in decode(data).splitlines())
    return tuple(line for line in lines if line)[:100]


def load(path: Path) -> bytes:
    """The whole file; UserError where it cannot be read."""
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise UserError(f"{path}: {size / 1e9:.1f} GB is more than a log has; cut it or log less often")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path and its rights") from error


def text(path: Path) -> str:
    """The whole file as text; UserError for a binary one."""
    data = load(path)
    if not is_text(data[:HEAD]):
        raise UserError(f"{path}: is no text file; give the log itself, or its format with --format")
    return decode(data)


def log_lines(path: Path) -> Iterator[str]:
    """Lines without colour codes; of a progress bar's many states the last one that says something."""
    for line in text(path).split("\n"):
        if "\r" in line:
            pieces = [piece for piece in line.split("\r") if piece.strip()]
            line = pieces[-1] if pieces else ""
        yield _ANSI.sub("", line) if "\x1b" in line else line


def json_lines(path: Path) -> tuple[list[dict[str, object]], list[str]]:
    """The objects of a file with one JSON object a line, and notes of lines that are none and are left out."""
    notes: list[str] = []
    objects: list[dict[str, object]] = []
    damaged = 0
    lines = [line for line in text(path).splitlines() if line.strip()]
    for place, line in enumerate(lines):
        value = parse_json(line)
        if isinstance(value, dict):
            objects.append(value)
        elif place == len(lines) - 1 and line.lstrip().startswith("{"):
            notes.append("last line is torn; left out")
        else:
            damaged += 1
    if damaged:
        notes.append(f"{damaged} of {len(lines)} lines are no JSON objects; left out")
    return objects, notes


def parse_json(line: str) -> object:
    """The JSON value of a text, or None where it is not JSON (too deep and too long numbers included)."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def first_record(path: Path) -> dict[str, object] | None:
    """The first JSON object of a file of JSON lines; None where the first line is something else."""
    lines = first_lines(path, 1)
    if not lines or not lines[0].startswith("{"):
        return None
    value = parse_json(lines[0])
    return value if isinstance(value, dict) else None
