"""How results, tables and findings look as text on a screen. What is shown while a step goes on is in live.py."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tunekit.configuration import short
from tunekit.shares import percent
from tunekit.telling import counted, visible
from tunekit.vocabulary import Finding, Format, StepResult

LONG, VERY_LONG = 1e4, 1e9  # numbers between are shown whole
ROWS = 10  # of a step's table on the screen; the rest stands in result.json
COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "note": "cyan"}
PLAIN_WIDTH = 110
GAP, PROSE = 3, 20  # columns of the screen between those of a table, and for a text of several words at least


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


def show_result(
    console: Console, result: StepResult, reused: bool = False, verbose: bool = False, ends: bool = True
) -> None:
    """A step's sentence of verdict, its table, its findings and, where a person's command `ends` with it, the next."""
    colour = COLOURS[result.verdict]
    again = " (finished before)" if reused else ""
    seconds = result.cost.get("seconds")
    cost = "" if reused or seconds is None else f"  {seconds:.1f} s"
    console.print(line((result.step, "bold"), " ", (result.verdict, colour), f"{again}{cost}"))
    console.print(line(f"  {result.summary}"))
    if result.table and not reused:
        console.print(as_table(result.table, formats=result.formats, width=console.width, indent=2), crop=False)
        if len(result.table) > ROWS:
            console.print(line(f"  and {len(result.table) - ROWS} more in {result.step}/result.json"))
    show_findings(console, result.findings, verbose, result.summary)
    if result.next and ends:
        mend = result.verdict == "fail" and not result.diagnosis
        console.print(line("  once that is mended: " if mend else "  next: ", (result.next, "bold")))
    console.print()


def show_findings(console: Console, findings: Sequence[Finding], verbose: bool, summary: str = "") -> None:
    """What a person has something to decide of, and with `verbose` the rest; without it is only counted. `summary`: was
    shown already."""
    for finding in findings:
        if verbose or finding.decides:
            show_finding(console, finding, repeat=finding.message != summary)
    hidden = 0 if verbose else sum(not finding.decides for finding in findings)
    if hidden:
        console.print(line(f"  {counted(hidden, 'note')} without a decision (--verbose)"))


def show_finding(console: Console, finding: Finding, repeat: bool = True) -> None:
    colour = COLOURS[finding.severity]
    message = f": {finding.message}" if repeat else ""
    console.print(line("  ", (finding.severity, colour), f" {finding.code}{message}"))
    for advice in finding.advice:
        console.print(line(f"    - {advice}"))


@dataclass(frozen=True)
class Column:
    """A column of a table. A text of several words may take several lines where there is little room; the first column,
    which says what a row is of, a number and a single word never do."""

    name: str
    cells: Sequence[Text]
    numeric: bool
    prose: bool

    def title(self, narrow: bool) -> list[Text]:
        """The name, where there is little room on a line a part."""
        return [line(part) for part in re.findall(r"[^._]+[._]?|[._]", self.name)] if narrow else [line(self.name)]

    def width(self, narrow: bool) -> int:
        """What it takes of the screen at least, with the gap to the next."""
        widest = max((cell.cell_len for cell in self.cells), default=0)
        title = max((part.cell_len for part in self.title(narrow)), default=0)
        return max(title, min(widest, PROSE) if self.prose else widest) + GAP


@dataclass(frozen=True)
class Tables:
    """Tables below each other, each as wide as it is: Padding would cut what is wider than the screen."""

    parts: Sequence[Table]
    indent: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for place, table in enumerate(self.parts):
            if place:
                yield Segment.line()
            for text in Segment.split_lines(
                console.render(table, options.update_width(options.max_width - self.indent))
            ):
                yield from (Segment(" " * self.indent), *text, Segment.line())


def as_table(
    rows: Sequence[Mapping[str, object]],
    limit: int = ROWS,
    formats: Mapping[str, Format] | None = None,
    width: int = PLAIN_WIDTH,
    indent: int = 0,
) -> Tables:
    """Rows of named cells as a table, to be printed without cropping; columns in the order in which they first appear.

    What is too wide for the screen, `width` across, goes on below, each part with the first columns that tell its rows
    apart. A single column that is wider is left to the terminal.
    """
    formats, shown = formats or {}, rows[:limit]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = []
    for name in names:
        values = [row.get(name) for row in shown]
        numeric = any(isinstance(row.get(name), int | float) for row in rows)
        prose = name != names[0] and any(isinstance(value, str) and " " in value for value in values)
        columns.append(Column(name, [line(cell(value, formats.get(name))) for value in values], numeric, prose))
    room = width - indent + GAP
    narrow = _width(columns, False) > room
    return Tables([_table(part, room, narrow) for part in _parts(columns, room, narrow)], indent)


def _width(columns: Sequence[Column], narrow: bool) -> int:
    return sum(column.width(narrow) for column in columns)


def _parts(columns: Sequence[Column], room: int, narrow: bool) -> list[list[Column]]:
    """The columns in as many tables as it takes for each to fit."""
    names = _naming(columns)
    again = next((names[:n] for n in range(len(names), 0, -1) if _width(names[:n], narrow) <= room / 2), [])
    parts = [list(columns[:1])]
    for column in columns[1:]:
        if len(parts[-1]) > len(again) and _width([*parts[-1], column], narrow) > room:
            parts.append([*again])
        parts[-1].append(column)
    return parts


def _naming(columns: Sequence[Column]) -> list[Column]:
    """The first columns by which no two rows are alike; the first alone where no few do, or a text is needed for it."""
    for n in range(1, len(columns)):
        rows = list(zip(*(tuple(cell.plain for cell in column.cells) for column in columns[:n]), strict=True))
        if columns[n - 1].prose:
            break
        if len(set(rows)) == len(rows):
            return list(columns[:n])
    return list(columns[:1])


def _table(columns: Sequence[Column], room: int, narrow: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False)
    needed = _width(columns, narrow)
    table.width = needed - GAP if needed > room else None
    for column in columns:
        side: JustifyMethod = "right" if column.numeric else "left"
        title = Text("\n").join(column.title(narrow))
        table.add_column(title, justify=side, no_wrap=not column.prose, overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*row)
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
        return percent(value)
    return f"{value:,.0f}" if LONG <= abs(value) < VERY_LONG else f"{value:.4g}"


BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 60, blocks: str = BLOCKS) -> str:
    """A curve in one line of block characters: each the mean of its share of the finite values."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    count = min(width, len(finite))
    edges = [k * len(finite) // count for k in range(count + 1)]
    peak = max(map(abs, finite)) or 1.0  # as shares of it no sum and no difference overflows
    means = [sum(value / peak for value in finite[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    span = high - low or 1.0
    return "".join(blocks[round((mean - low) / span * (len(blocks) - 1))] for mean in means)
