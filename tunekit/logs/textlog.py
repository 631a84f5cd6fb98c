"""Printed text to records: headings, settings, loops within loops, progress bars. What one line says: textline.py."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tunekit.logs.log import Log
from tunekit.logs.names import part, split
from tunekit.logs.tabular import records_log
from tunekit.logs.textline import SIDE_WORDS, Line, parse, pieces, says, side_of
from tunekit.logs.texttable import Table

LONGEST = 4000
"""Characters of a line that are looked at: a dumped configuration or array is no message."""

SAID = 3
"""Times that a script says an epoch's result at most; more are the lines of its batches."""

BLOCK = 500
"""Lines of `name: value` that are held back until it is clear whether they are settings."""

AHEAD = 50
"""Lines with numbers, before any epoch or step, that wait for a line that says whose they are."""

WHOLE = 0.9
"""Share of a loop from which the last state that was printed is its end."""

Record = dict[str, float]

_PREFIX = re.compile(
    r"\W*+(?:\d{2,4}[-/.:]\d\d[^A-Za-z]*+)?+(?:[\w.]++ - )?+"
    r"(?:(?:INFO|DEBUG|WARNING)\b[\s:\])-]*+(?:[\w.]++:(?=\s*+\S))?+)?+\W*+"
)
_VALUE = r"\[[^\[\]]*+\]|\{[^{}]*+\}|\([^()]*+\)|[^\s:=]++(?: [^\s:=]++){0,2}+"
_ENTRY = re.compile(rf"['\"]?([A-Za-z_][\w.\-]*+)['\"]?(?:\s*+[:=]\s*+| {{2,}}|\t)(?:({_VALUE})\s*+,?\s*+)?+$")
_SETTING = re.compile(
    r"(?i)(?:.*(?:batch_?size|num_|n_|epochs|seed|optim|_dir|_path|path|dataset|device|worker|scheduler|model|gpu|cuda|fp16|"
    r"resume|interval|warmup|decay|momentum|strategy|_steps|patience|smoothing|dropout|version|hidden)|do_|use_|no_|save_|eval_)"
)
_WORDY = re.compile(r"(?i)(?:true|false|none|null|[\[{(].*[\]})]|['\"]?[A-Za-z./~][\w./\-]*+['\"]?,?)$")
_DUMP = re.compile(r"\b(?:Namespace|Arguments|Config|Config(?:Dict)?|Params)\(")
_SWITCH = re.compile(r"(?:[:=]\s*+)(?:True|False|None|true|false|null)\b")
_NO_HEADING = frozenset(
    [
        "loader",
        "dataset",
        "data",
        "size",
        "samples",
        "images",
        "batches",
        "strategy",
        "interval",
        "steps",
        "split",
        "path",
        "dir",
        "file",
        "files",
        "loading",
        "loaded",
        "load",
        "saved",
        "saving",
        "save",
        "using",
        "building",
        "build",
        "examples",
        "shape",
        "set_size",
        "time",
        "best",
        "skip",
        "skipped",
        "no",
        "without",
        "before",
        "every",
    ]
)
_ENDS = re.compile(r"(?i)\b(?:complete[d]?|finish(?:ed)?|done|took|end of|over)\b")


def lines_log(lines: Iterable[str], path: Path, format: str, train: str | None, val: str | None, name: str = "") -> Log:
    """The log of everything in lines of text that reads as a loss or a metric."""
    return records_log(as_records(lines), path, format, train, val, name=name or path.stem)


def as_records(lines: Iterable[str]) -> Iterator[Record]:
    """One record a line that says something; epochs and steps are carried down to lines that follow."""
    return _by_epoch(_Reading().records(_without_settings(lines)))


def _without_settings(lines: Iterable[str]) -> Iterator[str]:
    """The lines without a printed configuration: several of `name: value` on end, a third of them settings.

    Where a loss or a metric is among them, two thirds: an epoch's result may be printed so.
    """
    block: list[str] = []
    settings = measures = 0
    for text in lines:
        entry = _ENTRY.match(text, _PREFIX.match(text).end()) if len(text) < 200 else None  # type: ignore[union-attr]
        if entry is not None and len(block) < BLOCK:
            block.append(text)
            value = entry[2] or ""
            setting = bool(_SETTING.match(entry[1]) or (value and _WORDY.match(value)))
            settings += setting
            measures += not setting and part(entry[1]).kind in ("loss", "score", "error")
            continue
        if block:
            yield from () if _is_configuration(len(block), settings, measures) else block
            block, settings, measures = [text] if entry is not None else [], 0, 0
        if entry is None and not _is_dump(text):
            yield text
    if not _is_configuration(len(block), settings, measures):
        yield from block


def _is_configuration(entries: int, settings: int, measures: int) -> bool:
    return entries >= 3 and 3 * settings >= (2 if measures else 1) * entries


def _is_dump(text: str) -> bool:
    """Whether a line holds a whole configuration: `Namespace(lr=0.1, ...)`, or several switches."""
    if "(" in text and _DUMP.search(text):
        return True
    return says(text, "True", "False", "None", "true", "false") and len(_SWITCH.findall(text)) >= 2


class _Reading:
    """Where in a run the lines stand that were read last."""

    def __init__(self) -> None:
        self.side = ""  # told by a heading
        self.summed = False  # whether what the heading announced was said
        self.clock: Record = {}
        self.loop: Record = {}  # the numbers of a validation loop that is not over
        self.batches = 0
        self.bar: tuple[Line, Record] | None = None  # the last state of a progress bar, and its clock
        self.bars = 0
        self.told: Record = {}  # numbers that were said at this clock
        self.last: Record = {}
        self.ahead: list[Record] = []  # numbers that came before any epoch or step
        self.patient = True  # whether they wait for the name of their epoch
        self.follows = False  # whether epochs are named behind their numbers
        self.table = Table()

    def records(self, lines: Iterable[str]) -> Iterator[Record]:
        for whole in lines:
            if not whole:
                continue
            for text in pieces(whole) if len(whole) <= LONGEST else ():
                rows = self.table.row(text)
                if rows is not None:
                    yield from (row for row in rows if row != self.last)
                    self.last = rows[-1] if rows else self.last
                    continue
                if not any(char.isdigit() or char in "nN" for char in text):
                    self._heading(text)
                    continue
                line = parse(text, self._summarised(text) or self.side)
                if line is None:
                    self._heading(text)
                else:
                    yield from self._line(line, text)
        yield from self.table.rest()
        yield from self._bar_ends(at_end=True)
        yield from self._loop_ends()
        yield from self.ahead

    def _summarised(self, text: str) -> str:
        """The split of ` * Acc@1 69.8`, with which PyTorch's examples end a validation loop."""
        if "*" not in text or "@" not in text or text[_PREFIX.match(text).end() - 2 :][:1] not in "* ":  # type: ignore[union-attr]
            return ""
        return next((part(name).side for name in self.loop), "val")

    def _heading(self, text: str) -> None:
        """A line such as `Validation:`, which tells the split of those that follow."""
        if len(text) >= 120 or not says(text.lower(), *SIDE_WORDS):
            return
        tail = text[_PREFIX.match(text).end() :]  # type: ignore[union-attr]
        words = split(tail)
        told = side_of(words)
        named = re.search(r"[:=]\s*+[\w'\"]|[\w]/|_", tail)
        if told and len(words) <= 6 and not named and not _NO_HEADING.intersection(words):
            self.side = "" if told == "train" or _ENDS.search(tail) else told
            self.summed = False

    def _line(self, line: Line, text: str) -> Iterator[Record]:
        ahead = any(line.clock[name] > self.clock.get(name, -1.0) for name in line.clock)
        over = self.summed if line.inner is not None else ahead or _ENDS.search(text) is not None
        if line.values and self.side and over:
            self.side = ""
            line = parse(text) or line
        self.summed = bool(self.side and line.values and line.inner is None)
        validation = bool(line.sides) and line.sides <= {"val", "test"}
        if line.bar and validation:
            yield from self._bar_ends()
            if ahead:
                yield from self._move(line.clock)
            self.loop = line.values
        elif line.bar:
            yield from self._bar(line) if line.values else ()
        elif not line.values:
            if line.clock and (ahead or not self.side):  # else the count of a validation
                yield from self._end(line.clock) if "epoch" in line.clock and _ENDS.search(text) else ()
                yield from self._move(line.clock)
                self.side = ""
                self._heading(text)
        elif validation and line.inner is not None and line.clock.get("step", -1.0) != self.clock.get("step"):
            self._loop(line)
        elif validation and not ahead and (self.loop or (self.side and self.clock and not line.clock)):
            self.loop |= line.values
        else:
            yield from self._move(line.clock)
            yield from self._loop_ends()
            values = line.values
            if line.inner is not None:
                if "step" not in line.clock:
                    self.told = self.told if self.clock.get("step") == line.inner[0] else {}
                    self.clock["step"] = line.inner[0]
                values = _of_a_step(values)
            elif line.clock and "step" not in line.clock:
                self.clock.pop("step", None)
            yield from self._say(values, bool(line.clock))

    def _say(self, values: Record, own_clock: bool) -> Iterator[Record]:
        """The record, unless all in it was said at this clock: by another handler, in another form."""
        record = self._stamp() | values
        if (self.follows or (self.patient and not self.clock)) and not own_clock:
            self.ahead.append(values)
            if len(self.ahead) > AHEAD:
                self.patient = self.follows = False
                yield from self.ahead
                self.ahead = []
            return
        known = "step" in self.clock and all(self.told.get(name) == values[name] for name in values)
        if known or (own_clock and record == self.last):
            return
        self.told |= values
        self.last = record
        yield record

    def _end(self, clock: Record) -> Iterator[Record]:
        """`Epoch 3 done`: it names the epoch of the numbers above it, where none was named before them."""
        if self.ahead:
            self.follows = True
            ended, self.ahead = self.ahead, []
            yield from (clock | values for values in ended)

    def _move(self, clock: Record) -> Iterator[Record]:
        if self.ahead and clock:
            yield from self.ahead
            self.ahead = []
        if any(self.clock.get(name) != clock[name] for name in clock):
            yield from self._bar_ends()
            yield from self._loop_ends()
            self.told = {}
            if clock.get("epoch", self.clock.get("epoch")) != self.clock.get("epoch"):
                self.clock.pop("step", None)
            self.clock |= clock
            if "epoch" in clock:
                self.clock.pop("bar", None)

    def _loop(self, line: Line) -> None:
        """A batch of a validation loop: its numbers are averaged, or are averages already."""
        assert line.inner is not None
        self.batches += 1
        for name, value in line.values.items():
            share = 1.0 if line.running else 1.0 / self.batches
            self.loop[name] = self.loop.get(name, value) * (1.0 - share) + value * share

    def _loop_ends(self) -> Iterator[Record]:
        values, self.loop, self.batches = self.loop, {}, 0
        if values:
            yield from self._say(values, own_clock=False)

    def _bar(self, line: Line) -> Iterator[Record]:
        """A state of a progress bar: losses of single steps, and at its end those of the loop."""
        assert line.inner is not None
        step, total = line.inner
        before = self.bar[0] if self.bar is not None else None
        on = before is not None and before.clock == line.clock and before.inner is not None
        moved = True
        if on and before is not None and before.inner is not None:
            moved = step != before.inner[0]
            on = step >= before.inner[0] and total == before.inner[1]
        if not on:
            yield from self._bar_ends()
            yield from self._loop_ends()
        if line.clock.get("epoch", self.clock.get("epoch")) != self.clock.get("epoch"):
            yield from self._move(line.clock)
        if "epoch" not in self.clock or "bar" in self.clock:
            self.clock |= {"epoch": float(self.bars), "bar": 1.0}
        self.clock["step"] = step
        self.bar = (line, dict(self.clock))
        changed = {name: value for name, value in line.values.items() if self.told.get(name) != value}
        train = {name: line.values[name] for name in line.values if part(name).side not in ("val", "test")}
        if changed or moved:
            self.told |= changed
            yield self._stamp() | _of_a_step(train | changed)

    def _bar_ends(self, at_end: bool = False) -> Iterator[Record]:
        if self.bar is None:
            return
        (line, clock), self.bar = self.bar, None
        self.bars += 1
        assert line.inner is not None
        whole = line.inner[0] >= WHOLE * line.inner[1]
        if whole or not at_end:
            clock.pop("bar", None)
            yield clock | line.values

    def _stamp(self) -> Record:
        return {name: value for name, value in self.clock.items() if name != "bar"}


def _of_a_step(values: Record) -> Record:
    return {name if part(name).level or name == "lr" else f"{name}_step": value for name, value in values.items()}


def _by_epoch(records: Iterator[Record]) -> Iterator[Record]:
    """One record an epoch, with its last values, where epochs are all that is counted and none has many lines.

    Training scripts say an epoch's result two or three times: as it ends, in a summary, in a table.
    """
    counts: Counter[tuple[float, str]] = Counter()
    summaries: list[Record] = []  # as long as it may be so
    for record in records:
        summaries.append(record)
        counts.update((record.get("epoch", 0.0), name) for name in record if name != "epoch")
        often = any(counts[record.get("epoch", 0.0), name] > SAID for name in record if name != "epoch")
        if often or "step" in record or "epoch" not in record:
            yield from summaries
            yield from records
            return
    merged: Record = {}
    for record in summaries:
        if merged and merged["epoch"] != record["epoch"]:
            yield merged
            merged = {}
        merged |= record
    if merged:
        yield merged
