"""What the readers of printed output share: how they are asked for a text. Which lines are theirs is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from heapq import nlargest
from pathlib import Path
from typing import Protocol

from tunekit.logs import source
from tunekit.logs.doubled import once
from tunekit.logs.log import Log
from tunekit.vocabulary import UserError

NUMBER = r"[-+]?+(?:(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?+\d++)?+|nan|NaN|NAN|inf(?:inity)?+|Inf(?:inity)?+)"
"""A number as programs print it, for `float`. It gives back nothing, so that no line costs the square of its length."""

LOOKED = 500
"""Lines at the beginning and at the end of a piece of text by which its reader is chosen."""

FEWEST = 2
"""Points of a log in a page or a notebook; a single number there is a result."""

PIECES = 200
"""Pieces of a page or a notebook that are looked at, the longest."""


MESSAGES = ("log", "message", "msg")
"""Keys under which programs that write JSON lines keep what was printed."""


class Printed(Protocol):
    """A reader of lines, wherever they stand: in a file of their own, a notebook's cell or a page's code block.

    `knows` is `recognise` for lines of a text. Lines may hold carriage returns, as progress bars write them.
    """

    NAME: str

    def knows(self, lines: Sequence[str]) -> float: ...

    def read_lines(self, lines: Iterable[str], path: Path, train: str | None, val: str | None) -> Log: ...


def recognise(path: Path, knows: Callable[[Sequence[str]], float]) -> float:
    """How well a reader knows the lines at a file's beginning and end."""
    lines = _lines(source.sample(path), message_key(path))
    return knows(lines) if lines else 0.0


def message_key(path: Path) -> str:
    """The key under which each line is a message, where a file holds one JSON object a line, as Docker keeps logs."""
    first = source.first_record(path) or {}
    return next((key for key in MESSAGES if isinstance(first.get(key), str)), "")


def _message(line: str, key: str) -> str:
    value = source.parse_json(line)
    message = value.get(key) if isinstance(value, dict) else None
    return f"{message.rstrip()}\n" if isinstance(message, str) else line


@lru_cache(maxsize=16)
def _lines(data: bytes, key: str) -> tuple[str, ...]:
    lines = source.decode(data).split("\n") if data and source.is_text(data[: source.HEAD]) else []
    return tuple(_message(line, key) for line in lines) if key else tuple(lines)


def best(
    readers: Iterable[Printed], lines: Sequence[str], path: Path, train: str | None, val: str | None
) -> Log | None:
    """The log in a piece of text by the reader that knows it best and finds points in it; None where none does.

    UserError where the first that knows it finds no column of the names given.
    """
    shown = lines if len(lines) <= 2 * LOOKED else [*lines[:LOOKED], *lines[-LOOKED:]]
    claims = sorted(((reader.knows(shown), reader.NAME, reader) for reader in readers), reverse=True)
    for score, _, reader in claims:
        if score > 0:
            log = reader.read_lines(once(lines), path, train, val)
            if max(log.points, *(len(metric.train.x) for metric in log.metrics if metric.train), 0) >= FEWEST:
                return log
    return None


def best_of_file(readers: Iterable[Printed], path: Path, train: str | None, val: str | None) -> Log | None:
    """The same for a whole file, which may be long."""
    claims = sorted(((recognise(path, reader.knows), reader.NAME, reader) for reader in readers), reverse=True)
    logs = (reader.read_lines(lines(path), path, train, val) for score, _, reader in claims if score > 0)
    return next((log for log in logs if log.points), None)


def most_points(
    readers: Sequence[Printed],
    blocks: Iterable[tuple[str, Sequence[str]]],
    path: Path,
    train: str | None,
    val: str | None,
) -> tuple[str, Log, int] | None:
    """Of named pieces of text the one with the most points: its name, its log, and how many have any."""
    failure: UserError | None = None
    logs: list[tuple[str, Log]] = []
    for name, lines in nlargest(PIECES, blocks, key=lambda block: len(block[1])):
        try:
            log = best(readers, lines, path, train, val)
        except UserError as error:
            failure = failure or error
            continue
        if log is not None:
            logs.append((name, log))
    if not logs:
        if failure is not None:
            raise failure
        return None
    name, log = max(logs, key=lambda item: item[1].points)
    return name, log, len(logs)


def lines(path: Path) -> Iterable[str]:
    """The lines of a text file, with the carriage returns in them; those that two handlers printed once."""
    key, whole = message_key(path), source.lines(path, "\n")
    return once((_message(line, key) for line in whole) if key else whole)
