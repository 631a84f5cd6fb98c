"""Printed text to records: headings, settings, loops within loops, progress bars. What one line says: textline.py."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from tunekit.logs.blocks import Blocks
from tunekit.logs.forms import Line, Templates, form_of
from tunekit.logs.log import Log
from tunekit.logs.names import part, split, word_set
from tunekit.logs.table import from_records
from tunekit.logs.tabular import columns_log
from tunekit.logs.textclock import FOLDS, fold_of, says, starts_first_epoch
from tunekit.logs.textforms import ENDS, PREFIX, Formed, Forms, without_settings
from tunekit.logs.textline import parse, pieces, template_of
from tunekit.logs.textname import SIDE_WORDS, side_of
from tunekit.logs.texttable import Table

SAID = 3
"""Times that a script says an epoch's result at most; more are the lines of its batches."""

AHEAD = 50
"""Lines with numbers, before any epoch or step, that wait for a line that says whose they are."""

WHOLE = 0.9
"""Share of a loop from which the last state that was printed is its end."""

Record = dict[str, float]

_NO_HEADING = word_set(
    "loader dataset data size samples images batches strategy interval steps split path dir file files loading "
    "loaded load saved saving save using building build examples shape set_size time best skip skipped no without "
    "before every"
)


def lines_log(lines: Iterable[str], path: Path, format: str, train: str | None, val: str | None, name: str = "") -> Log:
    """The log of everything in lines of text that reads as a loss or a metric."""
    breaks: list[int] = []
    columns = from_records(_marked(as_records(lines), breaks))
    if side_of(split(path.stem)) == "val" and not any(part(column).side for column in columns):
        measures = [column for column in columns if part(column).kind in ("loss", "error", "score")]
        columns = {f"val_{column}" if column in measures else column: cells for column, cells in columns.items()}
    return columns_log(columns, path, format, train, val, name=name or path.stem, breaks=breaks)


def _marked(records: Iterable[Record], breaks: list[int]) -> Iterator[Record]:
    """The records; `breaks` takes the places of those with which a run begins."""
    for row, record in enumerate(records):
        if not record:
            breaks.append(row + 1)
        yield record


def as_records(lines: Iterable[str]) -> Iterator[Record]:
    """One record a line that says something; epochs and steps are carried down to lines that follow.

    An empty record stands where the text says that a run begins anew.
    """
    forms = Forms()
    return _by_epoch(_Reading(forms).records(without_settings(lines, forms)))


class _Reading:
    """Where in a run the lines stand that were read last."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms
        self.out: list[Record] = []
        self.templates = Templates(template_of)
        self.side = ""  # told by a heading
        self.summed = False  # whether what the heading announced was said
        self.clock: Record = {}
        self.furthest = -1.0  # the step that was said last
        self.ended = False  # whether the epoch's result was said, so that a step that begins anew is the next one's
        self.loop: Record = {}  # the numbers of a validation loop that is not over
        self.batches = 0
        self.bar: tuple[Line, Record] | None = None  # the last state of a progress bar, and its clock
        self.bars = 0
        self.told: Record = {}  # numbers that were said at this clock
        self.often: set[str] = set()  # numbers of which more than one is said at a clock
        self.last: Record = {}
        self.fold = ""
        self.ahead: list[Record] = []  # numbers that came before any epoch or step
        self.patient = True  # whether they wait for the name of their epoch
        self.follows = False  # whether epochs are named behind their numbers
        self.table = Table()
        self.blocks = Blocks()

    def records(self, lines: Iterable[Formed]) -> Iterator[Record]:
        for whole, its_form in lines:
            for text in pieces(whole):
                form = its_form if text is whole else form_of(text)
                rows = self.blocks.row(text)
                if rows is None:
                    rows = self.table.row(text, form)
                if rows:
                    self.patient = False
                    self._release()
                if rows is not None:
                    self.out += (row for row in rows if row != self.last)
                    self.last = rows[-1] if rows else self.last
                    continue
                seen = self.forms.of(text, form)
                if seen.empty:
                    self._heading(text)
                    continue
                side = next((part(name).side for name in self.loop), "val") if seen.summary else self.side
                template = self.templates.of(text, form, side)
                if template is None:
                    self._heading(text)
                else:
                    self._line(template.filled(text), text, seen.over)
            if self.out:
                yield from self.out
                self.out.clear()
        self.out += self.table.rest() + self.blocks.rest()
        self._bar_ends(at_end=True)
        self._loop_ends()
        yield from (*self.out, *self.ahead)

    def _heading(self, text: str) -> None:
        """A line such as `Validation:`, which tells the split of those that follow."""
        lowered = text.lower()
        if len(text) < 120 and says(lowered, *FOLDS) and (fold := fold_of(text)):
            self._fold(fold)
        if len(text) >= 120 or not says(lowered, *SIDE_WORDS):
            return
        tail = text[PREFIX.match(text).end() :]  # type: ignore[union-attr]
        words = split(tail)
        told = side_of(words)
        named = re.search(r"[:=]\s*+[\w'\"]|[A-Za-z_]/|_", tail)
        if told and len(words) <= 6 and not named and not _NO_HEADING.intersection(words):
            self.side = "" if told == "train" or ENDS.search(tail) else told
            self.summed = False

    def _fold(self, fold: str) -> None:
        """The next fold or run of a text is another training; its epochs may be counted by their bars alone."""
        if self.fold and self.fold != fold:
            self._begin_anew()
        self.fold = fold

    def _begin_anew(self) -> None:
        self._bar_ends()
        self._loop_ends()
        self._release()
        if "bar" in self.clock:
            self.clock = {}
        self.bars = 0
        self.side, self.told, self.last = "", {}, {}
        self.out.append({})

    def _line(self, line: Line, text: str, ends: bool) -> None:
        ahead = any(line.clock[name] > self.clock.get(name, -1.0) for name in line.clock)
        over = self.summed if line.inner is not None else ahead or ends
        if line.values and self.side and over:
            self.side = ""
            line = parse(text) or line
        self.summed = bool(self.side and line.values and line.inner is None)
        validation = bool(line.sides) and line.sides <= {"val", "test"}
        if line.bar and validation:
            self._bar_ends()
            if ahead:
                self._move(line.clock)
            self.loop = line.values
        elif line.bar:
            if line.values:
                self._bar(line)
        elif not line.values:
            if self.told and line.clock == {"epoch": self.clock.get("epoch")} and starts_first_epoch(text, line.clock):
                self._begin_anew()
            anew = line.clock.get("epoch", math.inf) < self.clock.get("epoch", -1.0)
            if line.clock and (ahead or anew or not self.side):  # else the count of a validation
                if "epoch" in line.clock and ends:
                    self._end(line.clock)
                self._move(line.clock)
                self.side = ""
                self._heading(text)
        elif validation and line.inner is not None and line.clock.get("step", -1.0) != self.clock.get("step"):
            self._loop(line)
        elif validation and not ahead and (self.loop or (self.side and self.clock and not line.clock)):
            self.loop |= line.values
        else:
            self._is_summarised(line)
            self._move(self._next(line))
            self._loop_ends()
            values = line.values
            if line.inner is not None:
                if "step" not in line.clock:
                    self.told = self.told if self.clock.get("step") == line.inner[0] else {}
                    self.clock["step"] = line.inner[0]
                values = _of_a_step(values)
            elif line.clock and "step" not in line.clock:
                self.clock.pop("step", None)
            self._say(values, bool(line.clock))

    def _is_summarised(self, line: Line) -> None:
        """What a line behind a loop or its bar says once more counts once."""
        for name in line.values:
            self.loop.pop(name, None)
        if self.bar is not None and line.inner is None:
            shown, clock = self.bar
            if "bar" in clock or line.clock.get("epoch", clock.get("epoch")) == clock.get("epoch"):
                for name in line.values:
                    shown.values.pop(name, None)

    def _next(self, line: Line) -> Record:
        """A line's place. Where epochs are named at their ends alone, a step that begins anew is the next one's."""
        step = line.inner[0] if line.inner is not None else line.clock.get("step")
        if step is None:
            self.ended = "epoch" in line.clock and self.furthest >= 0
            return line.clock
        anew = self.ended and step < self.furthest and "epoch" not in line.clock
        self.ended = self.ended and not anew and "epoch" not in line.clock
        self.furthest = step
        return line.clock | {"epoch": self.clock["epoch"] + 1} if anew else line.clock

    def _say(self, values: Record, own_clock: bool) -> None:
        """The record, unless all in it was said at this clock: by another handler, in another form."""
        if (self.follows or (self.patient and not self.clock)) and not own_clock:
            self.ahead.append(values)
            if len(self.ahead) > AHEAD:
                self.patient = self.follows = False
                self._release()
            return
        if self.told:
            self.often.update(name for name, value in values.items() if self.told.get(name, value) != value)
        known = "step" in self.clock and all(self.told.get(name) == value for name, value in values.items())
        record = self._stamp() | values
        if (known or (own_clock and record == self.last)) and self.often.isdisjoint(values):
            return
        self.told |= values
        self.last = record
        self.out.append(record)

    def _end(self, clock: Record) -> None:
        """`Epoch 3 done`: it names the epoch of the numbers above it, where none was named before them."""
        if self.ahead:
            self.follows = True
            ended, self.ahead = self.ahead, []
            self.out += (clock | values for values in ended)

    def _release(self) -> None:
        """The numbers that waited for an epoch stand where they were said."""
        self.out += self.ahead
        self.ahead = []

    def _move(self, clock: Record) -> None:
        if self.ahead and clock:
            self._release()
        if any(self.clock.get(name) != clock[name] for name in clock):
            self._bar_ends()
            self._loop_ends()
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

    def _loop_ends(self) -> None:
        values, self.loop, self.batches = self.loop, {}, 0
        if values:
            self._say(values, own_clock=False)

    def _bar(self, line: Line) -> None:
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
            self._bar_ends()
            self._loop_ends()
        if line.clock.get("epoch", self.clock.get("epoch")) != self.clock.get("epoch"):
            self._move(line.clock)
        if "epoch" not in self.clock or "bar" in self.clock:
            self.clock |= {"epoch": float(self.bars), "bar": 1.0}
        self.clock["step"] = step
        self.bar = (line, dict(self.clock))
        changed = {name: value for name, value in line.values.items() if self.told.get(name) != value}
        train = {name: line.values[name] for name in line.values if part(name).side not in ("val", "test")}
        if changed or moved:
            self.told |= changed
            self.out.append(self._stamp() | _of_a_step(train | changed))

    def _bar_ends(self, at_end: bool = False) -> None:
        if self.bar is None:
            return
        (line, clock), self.bar = self.bar, None
        self.bars += 1
        assert line.inner is not None
        whole = line.inner[0] >= WHOLE * line.inner[1]
        if whole or not at_end:
            clock.pop("bar", None)
            self.out.append(clock | line.values)

    def _stamp(self) -> Record:
        if "bar" not in self.clock:
            return self.clock
        return {name: value for name, value in self.clock.items() if name != "bar"}


def _of_a_step(values: Record) -> Record:
    return {_step_name(name): value for name, value in values.items()}


@lru_cache(maxsize=4096)
def _step_name(name: str) -> str:
    return name if part(name).level or name == "lr" else f"{name}_step"


def _by_epoch(records: Iterator[Record]) -> Iterator[Record]:
    """One record an epoch, with its last values, where epochs are all that is counted and none has many lines.

    Training scripts say an epoch's result two or three times: as it ends, in a summary, in a table.
    """
    counts: Counter[tuple[float, str]] = Counter()
    summaries: list[Record] = []  # as long as it may be so
    for record in records:
        summaries.append(record)
        if not record:
            counts.clear()
            continue
        counts.update((record.get("epoch", 0.0), name) for name in record if name != "epoch")
        often = any(counts[record.get("epoch", 0.0), name] > SAID for name in record if name != "epoch")
        if often or "step" in record or "epoch" not in record:
            yield from summaries
            yield from records
            return
    merged: Record = {}
    for record in summaries:
        if merged and merged["epoch"] != record.get("epoch"):
            yield merged
            merged = {}
        if not record:
            yield record
        merged |= record
    if merged:
        yield merged
