"""Bytes and lines of log files, whatever their encoding or damage. Not what they mean."""

from __future__ import annotations

import io
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, TextIO

from tunekit.files import open_regular
from tunekit.vocabulary import UserError

HEAD = 65536
"""Bytes that `recognise` may look at."""

WIDE = 4_000_000
"""Bytes that are looked at of a file whose first line is longer than HEAD: of a table with thousands of columns."""

LIMIT = 2_000_000_000
"""Bytes of the largest log that is read: some 30 million rows."""

DOCUMENT = 300_000_000
"""Bytes of the largest file that must be taken apart as one, as a JSON document: in memory it is ten times as large."""

CHUNK = 500
"""Lines of JSON that are parsed at once, which takes a third of the time."""

LINE = 16_000_000
"""Characters of a line that are read at once; what is longer counts as several lines."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*+[A-Za-z]|\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)")  # each ends before the next begins
_PLACE = re.compile(r"(?<![\d/.])(\d{1,12}+)/(\d{1,12}+)(?= ?\[| \u2501)")
_EPOCH = re.compile(r"[Ee]poch\D{0,6}+(\d++)")
_BEGINNING = re.compile(r"[^\d%]*+")
_DOCUMENT = re.compile(rb"\s*+(?:\{\s*+\"|\[\s*+[{\[]|<[!?a-zA-Z])")
_BETWEEN = re.compile(r"[\s,\[]*+(?=\{)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Refused(UserError):
    """What must not be read, nor anything below it, whatever else is there to be read."""


class NoLog(UserError):
    """What is known to hold no curve of a training, whoever reads it."""


def head(path: Path) -> bytes:
    """The first bytes of a file; empty for what is no regular file or cannot be read."""
    try:
        state = path.stat()
        return _head(path, state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else b""
    except (OSError, ValueError):
        return b""


@lru_cache(maxsize=256)
def _head(path: Path, _size: int, _changed: int) -> bytes:
    with open_regular(path) as file:
        return file.read(HEAD)


def sample(path: Path) -> bytes:
    """The first bytes of a file and, of a longer one, its last: a training often begins behind long settings."""
    try:
        state = path.stat()
        return _sample(path, state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else b""
    except (OSError, ValueError):
        return b""


@lru_cache(maxsize=64)
def _sample(path: Path, size: int, _changed: int) -> bytes:
    beginning = head(path)
    if size <= len(beginning) or beginning[:2] in _UTF16 or not is_text(beginning):
        return beginning
    with open_regular(path) as file:
        file.seek(max(len(beginning), size - HEAD))
        return beginning + b"\n" + file.read(HEAD).partition(b"\n")[2]


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file or a link to one; False too where that cannot be known."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def matching(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder whose path fits a glob pattern, in order; none where the folder cannot be looked into."""
    try:
        return sorted(item for item in folder.glob(pattern) if is_regular(item))
    except OSError:
        return []


def is_text(data: bytes) -> bool:
    """Without NUL bytes (UTF-16 with its mark excepted) and mostly printable."""
    if data[:2] in _UTF16:
        return True
    if b"\0" in data:
        return False
    control = sum(data.count(bytes([code])) for code in range(32) if code not in (7, 8, 9, 10, 12, 13, 27))
    return control <= len(data) // 100


def is_document(data: bytes) -> bool:
    """Whether a file begins as JSON, XML and HTML do, whose lines are no sentences."""
    return _DOCUMENT.match(data) is not None


def decode(data: bytes) -> str:
    """Text of UTF-8 or UTF-16; other bytes are replaced, since names and numbers are ASCII in every log."""
    return data.decode(_encoding(data), errors="replace")


def _encoding(data: bytes) -> str:
    return "utf-16" if data[:2] in _UTF16 else "utf-8-sig"


def first_lines(path: Path, count: int = 5) -> list[str]:
    """The first lines that are not blank, as text; none for a binary file."""
    data = head(path)
    if len(data) == HEAD and data.count(b"\n") < 2 and b"\r" not in data and data.lstrip()[:1] not in (b"{", b"["):
        data = _beginning(path)
    return list(_first_lines(data)[:count])


def _beginning(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(WIDE)
    except (OSError, ValueError):
        return b""


@lru_cache(maxsize=64)
def _first_lines(data: bytes) -> tuple[str, ...]:
    """The lines of a file's beginning, taken apart once for all the readers that look at it."""
    if not data or not is_text(data):
        return ()
    lines = (line.rstrip().lstrip(" ") for line in decode(data).splitlines())  # a tab may be an empty cell
    return tuple(line for line in lines if line)[:100]


@contextmanager
def opened(path: Path, most: int = LIMIT) -> Iterator[BinaryIO]:
    """A regular file of at most `most` bytes; UserError where it is none or cannot be read."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise UserError(f"{path}: {size / 1e9:.1f} GB is more than a log has; cut it or log less often")
            yield file
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path and its rights") from error


@contextmanager
def _as_text(path: Path, newline: str | None, most: int = LIMIT) -> Iterator[TextIO]:
    """A file as text; UserError for a binary one."""
    with opened(path, most) as file:
        beginning = file.read(HEAD)
        if not is_text(beginning):
            raise UserError(f"{path}: is no text file; give the log itself, or its format with --format")
        file.seek(0)
        yield io.TextIOWrapper(file, _encoding(beginning), errors="replace", newline=newline)


def text(path: Path) -> str:
    """The whole of a file that is one document; UserError for a binary or too large one."""
    with _as_text(path, "\n", DOCUMENT) as stream:
        return stream.read()


def lines(path: Path, newline: str | None = None) -> Iterator[str]:
    """The lines of a text file with their ends. `newline` as `open` takes it: None ends lines at "\\r" too."""
    with _as_text(path, newline) as stream:
        yield from iter(partial(stream.readline, LINE), "")


def blocks(path: Path, size: int) -> Iterator[str]:
    """Whole lines of a text file, so many characters at once; a line that is longer than that is cut."""
    with _as_text(path, None) as stream:
        begun = ""
        while piece := stream.read(size):
            piece = begun + piece
            end = piece.rfind("\n") + 1 or len(piece)
            begun = piece[end:]
            yield piece[:end]
        if begun:
            yield begun


def states(printed: Iterable[str]) -> Iterator[str]:
    """Lines without colour codes; each state of a progress bar is a line."""
    for line in printed:
        line = plain(line)
        yield from line.rstrip().split("\r") if "\r" in line else (line.rstrip("\n"),)


def shown(printed: Iterable[str]) -> Iterator[str]:
    """What stays on a terminal of lines with colour codes and carriage returns: the last state of each bar."""
    for line in printed:
        line = plain(line)
        if "\r" in line.rstrip():
            yield from _last_states(line)
        else:
            yield line.rstrip("\r\n")


def plain(line: str) -> str:
    """A line without colour codes and backspaces."""
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    return line.replace("\b", "") if "\b" in line else line


def bar_place(state: str) -> tuple[int, int] | None:
    """Where a progress bar stands (`12/400 [`) and how long it is; None for other text."""
    place = _PLACE.search(state, max(state.find("%|"), 0))
    return (int(place[1]), int(place[2])) if place else None


def _last_states(line: str) -> Iterator[str]:
    """States of one line that were not written over by a later state of the same bar or message."""
    last, last_key, last_place = "", None, None
    for state in line.split("\r"):
        if not state.strip():
            continue
        place = bar_place(state)
        epoch = _EPOCH.search(state)
        key = (epoch and epoch[1], _BEGINNING.match(state)[0].strip())  # type: ignore[index]
        if last and place is None and last_place is not None:
            over = last_place[0] < last_place[1]  # a message in the midst of a bar, which goes on behind it
        else:
            over = key == last_key and (place is None) == (last_place is None)
            over = over and (place is None or last_place is None or (place[1] == last_place[1] and place >= last_place))
        if last and not over:
            yield last
        last, last_key, last_place = state, key, place
    if last:
        yield last.rstrip("\n")


def json_lines(path: Path, notes: list[str]) -> Iterator[dict[str, object]]:
    """The objects of a file with one JSON object a line; `notes` takes what is said of lines that are none."""
    count = damaged = 0
    torn = False
    for chunk in _chunks(path):
        values = parse_each(chunk)
        count += len(chunk)
        for line, value in zip(chunk, values, strict=True):
            if isinstance(value, dict):
                torn = False
                yield value
            else:
                damaged += 1
                torn = line[0] == "{"
    if torn:
        notes.append("last line is torn; left out")
    if damaged > torn:
        notes.append(f"{damaged - torn} of {count} lines are no JSON objects; left out")


def _chunks(path: Path) -> Iterator[list[str]]:
    """The lines of a text file that are not blank, some at once."""
    for block in blocks(path, LINE):
        filled = [line.strip() for line in block.split("\n")]
        for start in range(0, len(filled), CHUNK):
            yield [line.rstrip(",") for line in filled[start : start + CHUNK] if line and line not in ("[", "]", ",")]


def parse_each(texts: list[str]) -> list[object]:
    """The JSON values of texts that are not blank, None for one that is no object; parsed at once where they can be."""
    if len(texts) > 1 and all(text[0] == "{" and text[-1] == "}" for text in texts):
        values = parse_json(f"[{','.join(texts)}]")
        if isinstance(values, list) and len(values) == len(texts):
            return values
    return [parse_json(text) if text[0] == "{" else None for text in texts]


def parse_json(line: str) -> object:
    """The JSON value of a text, or None where it is not JSON (too deep and too long numbers included)."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def json_objects(content: str, notes: list[str]) -> Iterator[dict[str, object]]:
    """The objects that stand one after the other in a text, or in a list that is cut short, up to a torn one, which
    `notes` takes."""
    decoder = json.JSONDecoder()
    place = 0
    while begun := _BETWEEN.match(content, place):
        try:
            value, place = decoder.raw_decode(content, begun.end())
        except (ValueError, RecursionError):
            notes.append(f"the file is torn at character {begun.end():,}; what follows is left out")
            return
        if isinstance(value, dict):
            yield value


def first_record(path: Path) -> dict[str, object] | None:
    """The first JSON object of a file of JSON lines; None where the first line is something else."""
    lines = first_lines(path, 1)
    if not lines or not lines[0].startswith("{"):
        return None
    value = parse_json(lines[0])
    return value if isinstance(value, dict) else None
