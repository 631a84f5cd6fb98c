"""Numbers in printed text: `Epoch 3/10 ... train loss 0.31, val acc: 87.5%`. Which lines belong to which format is
the readers' business; here is what a line says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tunekit.logs.log import Log
from tunekit.logs.names import BOUNDED, ERRORS, LOSS, SCORES, TEST, TRAIN, VAL, part, split
from tunekit.logs.tabular import records_log

LONGEST = 4000
"""Characters of a line that are looked at: a dumped configuration or array is no message."""

NEAR = 200
"""Characters before a number's words in which its split may be named."""

SAID = 3
"""Times that a script says an epoch's result at most; more are the lines of its batches."""

# Lines are anybody's: no quantifier gives back what another could take, or a line could cost the square of its length.
_WORD = "nan|NaN|NAN|inf|Inf|INF|infinity"
_NUMBER = rf"[-+]?+(?:(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+|{_WORD})"
_PAIR = re.compile(
    r"[0-9@_/.\-]*+"
    rf"(?P<words>[A-Za-z][A-Za-z0-9@_/.\-]*+(?: (?!(?:{_WORD})(?![\w/]))[A-Za-z][A-Za-z0-9@_/\-]*+){{0,3}}+)"
    r"\s*+['\"]?+\]?+\)?+\s*+(?:[:=]|\bis\b|->|(?<=-)>)?+\s*+(?:tensor\()?+[\[(]?+\s*+"
    rf"(?P<number>{_NUMBER})(?:\s*+%)?(?![\w/])(?:\s*+\((?P<mean>{_NUMBER})\))?+"
    r"|[A-Za-z0-9@_/.\-]++"  # a word that no number follows, at once: none does from its middle on either
)
_EPOCH = re.compile(r"\bepochs?\b[\s:=#\[(-]*+(\d++)", re.IGNORECASE)
_BRACKET = re.compile(r"\[\s*+(\d++)\s*+/\s*+\d++\s*+\]")
_STEP = re.compile(r"\b(?:step|iter|iteration|global[_ ]step|update)s?\b[\s:=#\[(]*+(\d++)(?!\.?\d*+%)", re.IGNORECASE)
_BAR = re.compile(r"\d%\|[^|]*+\|\s*+\d++/\d|\[=*+>?+\.*+\]|\bETA\b|(?<!\d)\d++/\d++ \[")
_INSIDE = re.compile(r"\b(?:batch|iter|iteration|step)\b[\s:=#\[(]*+\d", re.IGNORECASE)
_SIDES = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(VAL | {"validate", "validating", "evaluating"}, "val")}
_SIDES.update(dict.fromkeys(TEST, "test"))
_SHORTEST_SIDES = [word for word in _SIDES if not any(other in word for other in _SIDES if other != word)]
_TELLING = LOSS | ERRORS | SCORES | {"lr"}
_NO_DIGITS = str.maketrans("123456789", "0" * 9)
_NOT_CURVES = re.compile(r"(?i)\b(best|max|min|lowest|highest|maximum|minimum|improved|patience|elapsed|target)\b")


@dataclass(slots=True)
class Line:
    """What one line says: where it stands (`epoch`, `step`, as far as it says) and its named numbers."""

    clock: dict[str, float]
    values: dict[str, float]


def lines_log(lines: Iterable[str], path: Path, format: str, train: str | None, val: str | None, name: str = "") -> Log:
    """The log of everything in lines of text that reads as a loss or a metric."""
    return records_log(as_records(lines), path, format, train, val, name=name or path.stem)


def as_records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    """One record a line that says something; epochs and steps are carried down to lines that follow."""
    return _by_epoch(_numbered(_parsed(lines)))


def _parsed(lines: Iterable[str]) -> Iterator[Line]:
    side = ""
    for text in lines:
        if not text:
            continue
        if len(text) > LONGEST or not any(char.isdigit() or char in "nN" for char in text):
            if len(text) < 80 and _says(text.lower(), *_SHORTEST_SIDES):  # a heading
                side = _side(split(text)) or side
            continue
        line = parse(text, side)
        if line is not None:
            yield line
            side = "" if "epoch" in line.clock and not line.values else side


def parse(text: str, heading: str = "") -> Line | None:
    """What a line says, or None for one without epoch, step or named numbers."""
    lowered = text.lower()
    bar = ("[" in text or "%|" in text or "ETA" in text) and _BAR.search(text) is not None
    clock = _clock(text, lowered, bar)
    inside = bar or ("epoch" in clock and _says(lowered, "batch", "iter", "step") and bool(_INSIDE.search(text)))
    values: dict[str, float] = {}
    for match in _PAIR.finditer(text):
        if match["words"] is None:
            continue
        before = text[max(0, match.start() - NEAR) : match.start()].translate(_NO_DIGITS)
        name = _name(match["words"][-NEAR:], before, heading)
        if not name:
            continue
        if inside and not part(name).level:
            name += "_step"
        values.setdefault(name, float(match["mean"] or match["number"]))
    return Line(clock, values) if clock or values else None


def _clock(text: str, lowered: str, bar: bool) -> dict[str, float]:
    epoch = _EPOCH.search(text) if "epoch" in lowered else None
    if epoch is None and not bar and "[" in text:
        epoch = _BRACKET.search(text)
    step = _STEP.search(text) if _says(lowered, "step", "iter", "update") else None
    return {name: float(match[1]) for name, match in (("epoch", epoch), ("step", step)) if match}


def _says(lowered: str, *words: str) -> bool:
    """Whether one of the words is in a text: a hundredth of the time that a search by regular expression takes."""
    return any(word in lowered for word in words)


@lru_cache(maxsize=4096)
def _name(words: str, before: str, heading: str) -> str:
    """A column's name from the words before a number: its telling word, its split, nothing else.

    `before`: what stands before them, its digits all zeros so that lines that differ in numbers alone are one case.
    """
    pieces = split(words)
    last = next((place for place in range(len(pieces) - 1, -1, -1) if pieces[place] in _TELLING), None)
    if last is None or len(pieces) - 1 - last > 1:
        return ""
    if _NOT_CURVES.search(words) or _NOT_CURVES.search(before[-24:]):
        return ""
    side = _side(pieces) or _side(split(before)) or heading
    telling = pieces[last]
    if telling in ("err", "error") and not side:  # any program prints errors
        return ""
    if telling == "lr":
        return "lr"
    kind = "loss" if telling in LOSS else telling
    kin = pieces[last - 1] if last and pieces[last - 1] not in _SIDES else ""
    word = f"{kin}_{kind}" if kin and kind == "loss" and _tells_apart(kin) else kind
    return f"{side}_{word}" if side else word


def _tells_apart(word: str) -> bool:
    return bool(part(f"{word}_loss").core) and word not in BOUNDED and len(word) < 12 and not word.isdigit()


def _side(words: Sequence[str]) -> str:
    """The split that the last of such words names."""
    return next((_SIDES[word] for word in reversed(words) if word in _SIDES), "")


def _numbered(lines: Iterable[Line]) -> Iterator[dict[str, float]]:
    """Records with the epoch and step that hold at each; the lines of one epoch's summary stay apart."""
    clock: dict[str, float] = {}
    for line in lines:
        clock |= line.clock
        if line.values:
            yield {**clock, **line.values}


def _by_epoch(records: Iterator[dict[str, float]]) -> Iterator[dict[str, float]]:
    """One record an epoch, with its last values, where epochs are all that is counted and none has many lines.

    Training scripts say an epoch's result two or three times: as it ends, in a summary, in a table.
    """
    counts: Counter[tuple[float, str]] = Counter()
    summaries: list[dict[str, float]] = []  # as long as it may be so
    for record in records:
        summaries.append(record)
        counts.update((record.get("epoch", 0.0), name) for name in record if name != "epoch")
        often = any(counts[record.get("epoch", 0.0), name] > SAID for name in record if name != "epoch")
        if often or "step" in record or "epoch" not in record:
            yield from summaries
            yield from records
            return
    merged: dict[str, float] = {}
    for record in summaries:
        if merged and merged["epoch"] != record["epoch"]:
            yield merged
            merged = {}
        merged |= record
    if merged:
        yield merged
