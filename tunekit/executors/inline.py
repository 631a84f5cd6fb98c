"""Requests in this process, one after the other: a poll carries the first of them on by a moment."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tunekit.executors import Event
from tunekit.vocabulary import Measurement, StorageError, Training, UserError
from tunekit.worker import Progress, Workspace, work

MEMORY_HINT = "out of memory: try a smaller batch_size, a smaller model or fewer --jobs"


class InlineExecutor:
    """See Executor. Needs no second process and no second import of torch."""

    capacity = 1

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Iterator[Progress]]] = deque()
        self._next = 0

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int:
        handle, self._next = self._next, self._next + 1
        self._waiting.append((handle, work(request, workspace)))
        return handle

    def poll(self, timeout_s: float = 0.1) -> list[Event]:
        if not self._waiting:
            return []
        handle, running = self._waiting[0]
        try:
            return [Event(handle, "progress", next(running))]
        except StopIteration:
            event = Event(handle, "done")
        except Exception as error:
            event = failure(handle, error)
        self._waiting.popleft()
        return [event]

    def cancel(self, handle: int) -> None:
        for item in list(self._waiting):
            if item[0] == handle:
                self._waiting.remove(item)
                _close(item[1])

    def close(self) -> None:
        while self._waiting:
            _close(self._waiting.popleft()[1])


def _close(running: Iterator[Progress]) -> None:
    if hasattr(running, "close"):
        running.close()  # saves where the training is


def failure(handle: int, error: Exception) -> Event:
    """The event that an exception makes of a request."""
    if isinstance(error, StorageError):
        return Event(handle, "storage", error=str(error))
    if isinstance(error, UserError):
        return Event(handle, "unusable", error=str(error))
    return Event(handle, "failed", error=describe(error))


def describe(error: BaseException) -> str:
    """An error of the person's code in one line, with the line of code that raised it."""
    trace, frames = error.__traceback__, []
    while trace:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    text = str(error).strip().splitlines()
    told = f"{type(error).__name__}{': ' + text[0] if text else ''}"
    if len(text) > 1 and text[0].startswith("Caught ") and "DataLoader worker" in text[0]:
        # A reader's error arrives as text: its traceback, and what was raised in the last line.
        matches = (re.match(r'\s*File "(.+)", line (\d+)', line) for line in text)
        frames = [(found[1], int(found[2])) for found in matches if found]
        told = text[-1]
    own = [frame for frame in frames if _is_theirs(frame[0])]
    told += f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""
    memory = isinstance(error, MemoryError) or "out of memory" in told.lower()
    return f"{told}; {MEMORY_HINT}" if memory else told


def _is_theirs(file: str) -> bool:
    return "site-packages" not in file and "/tunekit/" not in file and not file.startswith("<")
