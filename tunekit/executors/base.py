"""What every executor shares: the Protocol, its events, and how one request is carried out where it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tunekit.telling import raised
from tunekit.vocabulary import Measurement, StorageError, Training, UserError
from tunekit.worker import Progress, Worker, Workspace

STILLBORN = 3  # workers that may end before they answer, until starting more is given up
STOP_S = 15.0  # what a worker has to save its training when the run is stopped
MEMORY_HINT = "out of memory: try a smaller batch_size, a smaller model or fewer --jobs"


@dataclass(frozen=True)
class Event:
    """News of a submitted request. `begun`: a worker has taken it up; `lost`: that worker died; `unusable`: the
    person's input is at fault (UserError); `storage`: what it did cannot be kept (StorageError)."""

    handle: int
    kind: Literal["begun", "progress", "done", "failed", "unusable", "storage", "lost"]
    progress: Progress | None = None
    error: str = ""

    @property
    def is_last(self) -> bool:
        """Whether there is no more news of the request."""
        return self.kind not in ("begun", "progress")


class Executor(Protocol):
    """Runs requests and streams back what becomes of them.

    - `submit` returns at once, with a handle that no other request of this executor has.
    - `poll` waits up to `timeout_s` for news and returns it in the order in which it came; [] where there is none.
      The first news of a request that a worker takes up is `begun`, once; after its last there is no more.
    - `cancel` stops a request, running or waiting; there is no more news of it, and what it did so far stays.
    - `close` stops everything and lets running trainings save where they are. Closing twice is fine.
    """

    capacity: int

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int: ...
    def poll(self, timeout_s: float = 0.1) -> list[Event]: ...
    def cancel(self, handle: int) -> None: ...
    def close(self) -> None: ...


class NoExecutor:
    """An Executor of commands that read: what is not in the store is not made."""

    capacity = 1

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int:
        folder = Path(workspace.trainings) / request.config.folder
        raise UserError(f"{folder}: is not there or damaged, and this command reads alone; give that of its step again")

    def poll(self, timeout_s: float = 0.1) -> list[Event]:  # noqa: ARG002 - an Executor's; nothing is waited for
        return []

    def cancel(self, handle: int) -> None:
        """There is nothing to stop."""

    def close(self) -> None:
        """There is nothing to stop."""


def carry_out(
    worker: Worker,
    handle: int,
    request: Training | Measurement,
    workspace: Workspace,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Event]:
    """A request's events, from its first to its last. `stopped` is asked between them: where it says so, or where this
    generator is closed, the training is saved where it is and there is no last event."""
    yield Event(handle, "begun")
    running = worker.work(request, workspace)
    try:
        for progress in running:
            yield Event(handle, "progress", progress)
            if stopped():
                running.close()
                return
        last = Event(handle, "done")
    except Exception as error:
        last = failure(handle, error)
    finally:
        running.close()
    yield last


def failure(handle: int, error: Exception) -> Event:
    """The event that an exception makes of a request."""
    if isinstance(error, StorageError):
        return Event(handle, "storage", error=str(error))
    if isinstance(error, UserError):
        return Event(handle, "unusable", error=str(error))
    text = raised(error, ours=True)
    memory = isinstance(error, MemoryError) or "out of memory" in text.lower()
    return Event(handle, "failed", error=f"{text}; {MEMORY_HINT}" if memory else text)
