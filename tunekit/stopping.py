"""A request to stop (Ctrl-C, SIGTERM, a budget that is used up) as something to ask for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping(budget_s: float | None) -> Iterator[Callable[[], str | None]]:
    """Ctrl-C, SIGTERM and the budget as something to ask for. A second Ctrl-C ends at once."""
    asked: list[str] = []
    deadline = None if budget_s is None else time.monotonic() + budget_s

    def note(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append("interrupted" if number == signal.SIGINT else "ended by SIGTERM")

    def why() -> str | None:
        if asked:
            return asked[0]
        return "the budget is used up" if deadline is not None and time.monotonic() > deadline else None

    if threading.current_thread() is not threading.main_thread():
        yield why
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield why
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
