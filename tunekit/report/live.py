"""A step's work while it goes on: on a terminal a line for each worker, elsewhere a calm line now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from tunekit.configuration import as_set
from tunekit.diskroom import shown
from tunekit.report.console import BLOCKS, line, show_result, sparkline
from tunekit.telling import counted, lasting
from tunekit.vocabulary import Advanced, Ahead, Event, Lane, Noted, RunForeseen, StepStarted

PLAIN_S = 10.0  # between progress lines where there is no terminal
REFRESHES = 4  # of a second
CURVE, NARROW_CURVE, NARROW = 20, 8, 70  # columns of a loss's curve, and of a terminal that has little room
ASCII = "_.-=*#"  # heights of a curve where the letters of a terminal hold no blocks


def is_live(console: Console, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines may be written over: not in a pipe, on a dumb terminal, or in continuous integration."""
    return console.is_terminal and not console.is_dumb_terminal and environment.get("CI", "") in ("", "0", "false")


def foreseen(event: RunForeseen | StepStarted) -> str:
    """The first line of a run or of a step; nothing where nothing is to be said."""
    if isinstance(event, RunForeseen):
        return f"{counted(event.steps, 'step')} to walk: {amount(event.ahead)}" if event.steps else ""
    if event.ahead is None:
        return ""
    place = f" ({event.place[0]} of {event.place[1]})" if event.place else ""
    return f"{event.step}{place}: {amount(event.ahead)}"


def amount(ahead: Ahead) -> str:
    """What is expected, in words."""
    time_left = "for a time not known yet" if ahead.seconds is None else f"about {lasting(ahead.seconds)}"
    if not ahead.trainings:
        return f"nothing to train, {time_left}"
    trainings, iterations = counted(ahead.trainings, "training"), counted(ahead.iterations, "iteration")
    return f"{trainings}, {iterations}, {time_left}, {shown(ahead.bytes)} of disk"


def iterations(event: Advanced) -> str:
    """Nothing where all is measured, each as one."""
    return f"{event.done:,}/{event.total:,} iterations" if event.total > event.planned else ""


def left(event: Advanced) -> str:
    return "" if event.left is None else f"about {lasting(event.left)} left of all"


class View:
    """The last news of a step, as wide as the terminal is."""

    def __init__(self, started: StepStarted) -> None:
        self._started = started
        self.news: Advanced | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, news = max(10, options.max_width - 1), self.news
        place = f" {self._started.place[0]}/{self._started.place[1]}" if self._started.place else ""
        if news is None:
            yield _cut(line((self._started.step, "bold"), place), width)
            return
        yield _cut(line((self._started.step, "bold"), place, f"  {left(news)}" if news.left is not None else ""), width)
        trials = f"  {', '.join(filter(None, (f'{news.finished}/{news.planned} trials', iterations(news))))}"
        best = f", best {news.best}" if news.best else ""
        if len(trials + best) > width and best:
            yield _cut(line(trials), width)
            trials, best = f"  best {news.best}", ""
        yield _cut(line(trials + best), width)
        for lane in news.lanes:
            yield _cut(self._lane(lane, width, options.ascii_only), width)

    def _lane(self, lane: Lane, width: int, ascii_only: bool) -> Text:
        wide = width >= NARROW
        done = f" {lane.done:>{len(str(lane.total))}}/{lane.total}" if lane.total > 1 else ""
        rate = f" {_rate(lane.rate)}/s" if lane.rate is not None else ""
        curve = sparkline(lane.losses, CURVE if wide else NARROW_CURVE, ASCII if ascii_only else BLOCKS)
        loss = f" {lane.losses[-1]:.3g}" if lane.losses else ""
        figures = f"{done}{rate if wide else ''}{' ' if curve else ''}{curve}{loss}"
        name = line(f"  {_named(lane)}")
        room = max(0, width - len(figures))
        name.truncate(room, overflow="ellipsis", pad=wide and room <= NARROW)
        return Text.assemble(name, (figures, "cyan"))


def _named(lane: Lane) -> str:
    values = (f"{name.rpartition('.')[2]} {as_set(name, value)}" for name, value in lane.params.items())
    return ", ".join(values) or lane.purpose


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _cut(text: Text, width: int) -> Text:
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


class Screen:
    """Shows a run's events as they come. `steps`: how many are walked; what comes next is said of the last, or of one
    that failed."""

    def __init__(self, console: Console, verbose: bool = False, steps: int = 1) -> None:
        self.console, self.verbose, self._to_walk = console, verbose, steps
        self._view: View | None = None
        self._live: Live | None = None
        self._told = time.monotonic()

    def emit(self, event: Event) -> None:
        if isinstance(event, RunForeseen):
            self._say(foreseen(event))
        elif isinstance(event, StepStarted):
            self._say(foreseen(event))
            self._start(event)
        elif isinstance(event, Advanced):
            self._advance(event)
        elif isinstance(event, Noted):
            self._say(f"  note: {event.text}")
        else:
            self.close()
            self._to_walk -= 1
            ends = self._to_walk <= 0 or event.result.verdict == "fail"
            show_result(self.console, event.result, event.reused, self.verbose, ends)

    def _say(self, text: str) -> None:
        if text:
            self.console.print(line(text))

    def _start(self, event: StepStarted) -> None:
        self.close()
        self._told = time.monotonic()
        self._view = View(event)
        if is_live(self.console):
            self._live = Live(self._view, console=self.console, transient=True, refresh_per_second=REFRESHES)
            self._live.start()

    def _advance(self, event: Advanced) -> None:
        if self._view is not None:
            self._view.news = event
        if self._live is None and time.monotonic() - self._told > PLAIN_S:
            self._told = time.monotonic()
            best = f"best {event.best}" if event.best else ""
            parts = (iterations(event), f"trials {event.finished}/{event.planned}", best, left(event))
            self._say(f"{event.step}: {', '.join(filter(None, parts))}")

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
