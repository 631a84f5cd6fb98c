"""The screen: live bars on a terminal, plain lines elsewhere, and how results, tables and findings look as text."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tunekit.configuration import short
from tunekit.telling import visible
from tunekit.vocabulary import Advanced, Event, Finding, Format, Noted, StepResult, StepStarted

LONG, VERY_LONG = 1e4, 1e9  # numbers between are shown whole
ROWS = 10  # of a step's table on the screen; the rest stands in result.json
PLAIN_S = 10.0  # between progress lines where there is no terminal
COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "note": "cyan"}
PLAIN_WIDTH = 110
GAP, LAST = 3, 12  # columns of the screen between those of a table, and for its last one at least


def make_console(stderr: bool = False) -> Console:
    # The file as it is now: while a person's code runs, `sys.stdout` is another one, and live bars go on.
    file = sys.stderr if stderr else sys.stdout
    console = Console(file=file, stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console.no_color, console.soft_wrap, console.width = True, True, PLAIN_WIDTH
    return console


def line(*parts: str | tuple[str, str]) -> Text:
    """A line of texts, some with a style: none of them is markup, and a terminal obeys none."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


class Screen:
    """Shows a run's events as they come."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._started = self._told = time.monotonic()

    def emit(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._start(event.step)
        elif isinstance(event, Advanced):
            self._advance(event)
        elif isinstance(event, Noted):
            self.console.print(line(f"  note: {event.text}"))
        else:
            self.close()
            show_result(self.console, event.result, reused=event.reused)

    def _start(self, step: str) -> None:
        self._started = self._told = time.monotonic()
        if not self.console.is_terminal:
            return
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("iterations, {task.fields[rate]}, trials {task.fields[trials]}, left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._progress.add_task(step, total=None, rate="", trials="")
        self._progress.start()

    def _advance(self, event: Advanced) -> None:
        seconds = max(time.monotonic() - self._started, 1e-6)
        rate = f"{event.done / seconds:,.0f}/s"
        trials = f"{event.finished}/{event.planned}"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=event.done, total=event.total, rate=rate, trials=trials)
        elif not self.console.is_terminal and time.monotonic() - self._told > PLAIN_S:
            self._told = time.monotonic()
            left = (event.total - event.done) * seconds / max(1, event.done)
            done = f"{event.done}/{event.total} iterations, {rate}, trials {trials}"
            self.console.print(line(f"{event.step}: {done}, about {left:.0f} s left"))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def show_result(console: Console, result: StepResult, reused: bool = False) -> None:
    """A step's sentence of verdict, its table, its findings and the next command."""
    colour = COLOURS[result.verdict]
    again = " (finished before)" if reused else ""
    seconds = result.cost.get("seconds")
    cost = "" if reused or seconds is None else f"  {seconds:.1f} s"
    console.print(line((result.step, "bold"), " ", (result.verdict, colour), f"{again}{cost}"))
    console.print(line(f"  {result.summary}"))
    if result.table and not reused:
        table = as_table(result.table, formats=result.formats, width=console.width - 2)
        console.print(Padding(table, (0, 0, 0, 2), expand=False))
        if len(result.table) > ROWS:
            console.print(line(f"  and {len(result.table) - ROWS} more in {result.step}/result.json"))
    for finding in result.findings:
        show_finding(console, finding, repeat=finding.message != result.summary)
    if result.next:
        mend = result.verdict == "fail" and not result.diagnosis
        console.print(line("  once that is mended: " if mend else "  next: ", (result.next, "bold")))
    console.print()


def show_finding(console: Console, finding: Finding, repeat: bool = True) -> None:
    colour = COLOURS[finding.severity]
    message = f": {finding.message}" if repeat else ""
    console.print(line("  ", (finding.severity, colour), f" {finding.code}{message}"))
    for advice in finding.advice:
        console.print(line(f"    - {advice}"))


def as_table(
    rows: Sequence[Mapping[str, object]],
    limit: int = ROWS,
    formats: Mapping[str, Format] | None = None,
    width: int = PLAIN_WIDTH,
) -> Table:
    """Rows of named cells as a table; columns in the order in which they first appear. `width`: of the screen."""
    formats = formats or {}
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False)
    cells = [[cell(row.get(name), formats.get(name)) for name in names] for row in rows[:limit]]
    widths = [max(map(len, column)) + GAP for column in zip(names, *cells, strict=True)]
    wide = sum(widths[:-1]) + LAST > width
    for name in names:
        numeric = any(isinstance(row.get(name), int | float) for row in rows)
        # Where there is too little room names break, and the last column, the longest words as a rule, takes several
        # lines.
        title = Text("\n").join(map(line, re.findall(r"[^._]*[._]?", name)[:-1])) if wide else line(name)
        table.add_column(title, justify="right" if numeric else "left", no_wrap=name != names[-1] and not wide)
    for row in cells:
        table.add_row(*map(line, row))
    return table


def cell(value: object, form: Format | None = None) -> str:
    """A value as a table shows it: rates short, shares in per cent, other numbers with four digits, or whole where
    four would need an exponent for no more than millions."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    if form == "rate":
        return short(value)
    if form == "share":
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if LONG <= abs(value) < VERY_LONG else f"{value:.4g}"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A curve in one line of block characters: each the mean of its share of the finite values."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    count = min(width, len(finite))
    edges = [k * len(finite) // count for k in range(count + 1)]
    peak = max(map(abs, finite)) or 1.0  # as shares of it no sum and no difference overflows
    means = [sum(value / peak for value in finite[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    blocks = "▁▂▃▄▅▆▇█"
    span = high - low or 1.0
    return "".join(blocks[round((mean - low) / span * (len(blocks) - 1))] for mean in means)
