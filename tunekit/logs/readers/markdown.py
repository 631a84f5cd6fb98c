"""Markdown and question-and-answer pages with a training's output, in blocks of code, quoted or as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import nlargest
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.log import Log
from tunekit.logs.readers import printed_readers
from tunekit.vocabulary import UserError

NAME = "markdown"
DESCRIPTION = "Markdown pages (.md) with the output of a training in a block of code"

SUFFIXES = (".md", ".markdown", ".rst")

_FENCE = re.compile(r"[\s>]*+(```|~~~)")
_QUOTED = re.compile(r"^(?:(?: ?> ?)++|(?: {4}|\t))")


def recognise(path: Path) -> float:
    if path.suffix.lower() not in SUFFIXES:
        return 0.0
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    readers = list(printed_readers().values())
    longest = nlargest(printed.PIECES, _blocks(lines), key=lambda block: len(block[1]))
    pieces = [*(block for _, block in longest), _unquoted(lines)]
    return 0.95 if any(reader.knows(piece) >= 0.3 for piece in pieces for reader in readers) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: of the block with the most points, else of the text without its marks."""
    lines = source.text(path).split("\n")
    readers = list(printed_readers().values())
    chosen = printed.most_points(readers, _blocks(lines), path, train, val)
    if chosen is None:
        chosen = printed.most_points(readers, [("its text", _unquoted(lines))], path, train, val)
    if chosen is None:
        raise UserError(f"{path}: no block of code and no line reads as a training's output")
    name, log, count = chosen
    others = (f"{count} blocks show a training; {name}, with the most points, is judged",) if count > 1 else ()
    return [replace(log, format=NAME, notes=(*log.notes, *others))]


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Fenced blocks, and stretches of lines that are indented or quoted, by the number of their first line."""
    block: list[str] = []
    fence, first = "", 0
    for place, line in enumerate([*lines, "the end"], 1):
        mark = _FENCE.match(line)
        if mark and fence and mark[1] != fence:
            mark = None
        inside = not mark and (fence or _QUOTED.match(line) or (block and not line.strip()))
        if inside and place <= len(lines):
            first = first if block else place
            block.append(_QUOTED.sub("", line, count=1))
        else:
            if any(block):
                yield f"the one at line {first}", block
            block = []
        if mark:
            fence = "" if fence else mark[1]


def _unquoted(lines: Sequence[str]) -> list[str]:
    return [_QUOTED.sub("", line, count=1) for line in lines if not _FENCE.match(line)]
