"""Lines that two handlers print, a logger and the terminal: each counts once. What a line says is not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from tunekit.logs import source

LOOKED = 5000
"""Lines by which it is told whether lines stand twice."""

PAIRS = 3
"""Pairs of equal lines that are no chance, where no line of their kind stands alone."""

RUNS = 6
"""Stretches of an even number of equal lines that are none: on a plateau equal lines follow each other."""

LONGEST = 4000
"""Characters of a line that is compared."""

_VARYING = re.compile(r"[\d.\s+-]++")
_LOGGER = re.compile(r"(?:INFO|DEBUG|WARNING):[\w.]++:(?=\S|\s++\S)")
"""What Python's logging writes before a message where nothing else is asked for."""

_PREFIXED = re.compile(r"[\])}>:|-]\s*+$|\b(?:INFO|DEBUG|WARNING)\s++$")


def once(lines: Iterable[str]) -> Iterator[str]:
    """The lines without the second of each pair, where every line of a kind has its copy behind it.

    The one may have a prefix that the other lacks, such as a logger's.
    """
    rest = iter(lines)
    first = list(islice(rest, LOOKED))
    doubled = _doubled_kinds(first)
    yield from _without_copies(chain(first, rest), doubled) if doubled else chain(first, rest)


def _doubled_kinds(lines: list[str]) -> set[str]:
    """Kinds of lines that always stand twice; "" among them where others, too rare to be told, do as well."""
    lengths: dict[str, list[int]] = {}
    last = ""
    for text in filter(_counts, map(source.plain, lines)):
        if last and _same(last, text):
            lengths[_kind(last)][-1] += 1
            continue
        last = text
        lengths.setdefault(_kind(text), []).append(1)
    if lengths and lengths[_kind(last)][-1] % 2:
        lengths[_kind(last)].pop()  # its copy may be the first line that is not looked at
    doubled = {kind for kind, runs in lengths.items() if _are_pairs(runs)}
    alone = any(run % 2 for runs in lengths.values() for run in runs)
    return doubled if alone or not doubled else doubled | {""}


def _are_pairs(runs: list[int]) -> bool:
    enough = PAIRS if all(run == 2 for run in runs) else RUNS
    return len(runs) >= enough and not any(run % 2 for run in runs)


def _without_copies(lines: Iterable[str], doubled: set[str]) -> Iterator[str]:
    """Of a pair the line without a prefix. Where every kind is doubled, headings are too."""
    waiting: str | None = None
    for line in lines:
        text = source.plain(line)
        if waiting is not None and _same(source.plain(waiting), text):
            yield min(waiting, line, key=len)
            waiting = None
            continue
        if waiting is not None:
            yield waiting
        waiting = line if ("" in doubled or _kind(text) in doubled) and text.strip() else None
        if waiting is None:
            yield line
    if waiting is not None:
        yield waiting


def _counts(text: str) -> bool:
    return len(text) <= LONGEST and any(map(str.isdigit, text))


def _kind(text: str) -> str:
    return _VARYING.sub("0", text)


def _same(first: str, second: str) -> bool:
    """Whether two lines are one message, of which one may begin with a prefix."""
    if first == second:
        return True
    shorter, longer = sorted((first.strip(), second.strip()), key=len)
    named = _LOGGER.match(shorter)
    shorter = shorter[named.end() :].strip() if named else shorter
    return longer.endswith(shorter) and _PREFIXED.search(longer[: len(longer) - len(shorter)]) is not None
