"""Requests in this process, one after the other: a poll carries the first of them on by a moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator

from tunekit.executors.base import Event, carry_out
from tunekit.vocabulary import Measurement, Training
from tunekit.worker import Worker, Workspace


class InlineExecutor:
    """See Executor. Needs no second process and no second import of torch."""

    capacity = 1

    def __init__(self) -> None:
        self._worker = Worker()
        self._waiting: deque[tuple[int, Generator[Event]]] = deque()
        self._next = 0

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int:
        handle, self._next = self._next, self._next + 1
        self._waiting.append((handle, carry_out(self._worker, handle, request, workspace)))
        return handle

    def poll(self, timeout_s: float = 0.1) -> list[Event]:  # noqa: ARG002 - an Executor's; nothing is waited for here
        if not self._waiting:
            return []
        event = next(self._waiting[0][1])
        if event.is_last:
            self._waiting.popleft()
        return [event]

    def cancel(self, handle: int) -> None:
        for item in [item for item in self._waiting if item[0] == handle]:
            self._waiting.remove(item)
            item[1].close()  # saves where the training is

    def close(self) -> None:
        while self._waiting:
            self._waiting.popleft()[1].close()
