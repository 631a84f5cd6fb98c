"""Numbers in printed text: `Epoch 3/10 ... train loss 0.31, val acc: 87.5%`. Which lines belong to which format is
the readers' business; here is what a line says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.names import BOUNDED, ERRORS, LOSS, SCORES, TEST, TRAIN, VAL, part, split
from tunekit.logs.tabular import records_log

LONGEST = 4000
"""Characters of a line that are looked at: a dumped configuration or array is no message."""

SAID = 3
"""Times that a script says an epoch's result at most; more are the lines of its batches."""

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|NaN|NAN|inf|Inf|INF|infinity)"
_PAIR = re.compile(
    r"(?P<words>[A-Za-z][A-Za-z0-9@_/.\-]*(?:[ _][A-Za-z][A-Za-z0-9@_/\-]*){0,3})"
    r"\s*['\"]?\]?\)?\s*(?:[:=]|\bis\b|->)?\s*(?:tensor\()?[\[(]?\s*"
    rf"(?P<number>{_NUMBER})(?P<percent>\s*%)?(?![\w/])(?:\s*\((?P<mean>{_NUMBER})\))?"
)
_EPOCH = re.compile(r"\bepochs?\b[\s:=#\[(-]*(\d+)(?:\s*(?:/|of)\s*(\d+))?", re.IGNORECASE)
_BRACKET = re.compile(r"\[\s*(\d+)\s*/\s*(\d+)\s*\]")
_STEP = re.compile(r"\b(?:step|iter|iteration|global[_ ]step|update)s?\b[\s:=#\[(]*(\d+)(?!\.?\d*%)", re.IGNORECASE)
_BAR = re.compile(r"\d+%\|.*?\|\s*\d+/\d+|\[=*>?\.*\]|\bETA\b|\d+/\d+ \[")
_INSIDE = re.compile(r"\b(?:batch|iter|iteration|step)\b[\s:=#\[(]*\d+", re.IGNORECASE)
_SIDES = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(VAL | {"validate", "validating", "evaluating"}, "val")}
_SIDES.update(dict.fromkeys(TEST, "test"))
_TELLING = LOSS | ERRORS | SCORES | {"lr"}
_NOT_CURVES = re.compile(r"(?i)\b(best|max|min|lowest|highest|maximum|minimum|improved|patience|elapsed|target)\b")


@dataclass
class Line:
    """What one line says: where it stands (`epoch`, `step`, as far as it says) and its named numbers."""

    clock: dict[str, float]
    values: dict[str, float]


def text_log(path: Path, format: str, train: str | None, val: str | None, name: str = "") -> Log:
    """The log of everything in a text file that reads as a loss or a metric."""
    records = as_records(source.log_lines(path))
    return records_log(records, path, format, train, val, name=name or path.stem)


def as_records(lines: Iterable[str]) -> list[dict[str, float]]:
    """One record a line that says something; epochs and steps are carried down to lines that follow."""
    parsed: list[Line] = []
    side = ""
    for text in lines:
        if len(text) > LONGEST or not any(char.isdigit() or char in "nN" for char in text):
            if len(text) < 80:  # a heading
                side = _side(split(text)) or side
            continue
        line = parse(text, side)
        if line is not None:
            parsed.append(line)
            side = "" if "epoch" in line.clock and not line.values else side
    return _numbered(parsed)


def parse(text: str, heading: str = "") -> Line | None:
    """What a line says, or None for one without epoch, step or named numbers."""
    clock = _clock(text)
    inside = bool(_BAR.search(text)) or ("epoch" in clock and bool(_INSIDE.search(text)))
    values: dict[str, float] = {}
    for match in _PAIR.finditer(text):
        name = _name(match["words"], text[: match.start()], heading)
        if not name:
            continue
        if inside and not part(name).level:
            name += "_step"
        values.setdefault(name, float(match["mean"] or match["number"]))
    return Line(clock, values) if clock or values else None


def _clock(text: str) -> dict[str, float]:
    epoch = _EPOCH.search(text) or (None if _BAR.search(text) else _BRACKET.search(text))
    places = {"epoch": epoch, "step": _STEP.search(text)}
    return {name: float(match[1]) for name, match in places.items() if match}


def _name(words: str, before: str, heading: str) -> str:
    """A column's name from the words before a number: its telling word, its split, nothing else."""
    pieces = split(words)
    last = next((place for place in range(len(pieces) - 1, -1, -1) if pieces[place] in _TELLING), None)
    if last is None or len(pieces) - 1 - last > 1:
        return ""
    if _NOT_CURVES.search(words) or _NOT_CURVES.search(before[-24:]):
        return ""
    side = _side(pieces) or _side(split(before[-200:])) or heading
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


def _numbered(lines: Sequence[Line]) -> list[dict[str, float]]:
    """Records with the epoch and step that hold at each; the lines of one epoch's summary stay apart."""
    records: list[dict[str, float]] = []
    clock: dict[str, float] = {}
    for line in lines:
        clock |= line.clock
        if line.values:
            records.append({**clock, **line.values})
    return _by_epoch(records)


def _by_epoch(records: list[dict[str, float]]) -> list[dict[str, float]]:
    """One record an epoch, with its last values, where epochs are all that is counted and none has many lines.

    Training scripts say an epoch's result two or three times: as it ends, in a summary, in a table.
    """
    if not records or any("step" in record or "epoch" not in record for record in records):
        return records
    counts: Counter[tuple[float, str]] = Counter()
    for record in records:
        counts.update((record["epoch"], name) for name in record if name != "epoch")
    if max(counts.values(), default=0) > SAID:
        return records
    merged: list[dict[str, float]] = []
    for record in records:
        if merged and merged[-1]["epoch"] == record["epoch"]:
            merged[-1].update(record)
        else:
            merged.append(dict(record))
    return merged
