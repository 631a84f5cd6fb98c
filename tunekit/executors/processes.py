"""Requests in long-lived worker processes on this machine: each imports torch once and keeps its data."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tunekit.executors.base import MEMORY_HINT, STILLBORN, STOP_S, Event, carry_out
from tunekit.vocabulary import Measurement, Training, UserError
from tunekit.worker import Worker, Workspace

GREETING = "ready"


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    handle: int | None = None  # the request it carries out
    greeted: bool = False  # it has imported what it needs


class ProcessExecutor:
    """See Executor. A worker that dies is seen at once, its request reported lost, and another one started."""

    def __init__(self, jobs: int, gpus: Sequence[str] = ()) -> None:
        self.capacity = max(1, jobs)
        self._gpus = gpus
        # A fresh interpreter each: forking a process whose torch has started threads can hang.
        self._context = multiprocessing.get_context("spawn")
        self._workers = [self._start(place) for place in range(self.capacity)]
        self._waiting: deque[tuple[int, Training | Measurement, Workspace]] = deque()
        self._next = 0
        self._closed = False
        self._stillborn = 0

    def _start(self, place: int) -> _Worker:
        """A worker; each sees one GPU, where there are some, so that `cuda` means another one for each."""
        ours, theirs = self._context.Pipe()
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        # Not a daemon, which could have no processes of its own that read data ahead; it ends with the pipe.
        process = self._context.Process(target=_serve, args=(theirs, gpu), name="tunekit-worker")
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int:
        handle, self._next = self._next, self._next + 1
        self._waiting.append((handle, request, workspace))
        self._feed()
        return handle

    def _feed(self) -> None:
        for worker in self._workers:
            if worker.handle is None and self._waiting:
                item = self._waiting.popleft()
                try:
                    worker.pipe.send(item)
                    worker.handle = item[0]
                except OSError:
                    self._waiting.appendleft(item)  # it died while idle: poll replaces it

    def poll(self, timeout_s: float = 0.1) -> list[Event]:
        if self._closed:
            return []
        self._feed()
        events: list[Event] = []
        watched = {worker.pipe: worker for worker in self._workers}
        sentinels = {worker.process.sentinel: worker for worker in self._workers}
        ready = wait([*watched, *sentinels], timeout_s)
        for pipe in ready:
            if isinstance(pipe, Connection):
                events += self._receive(watched[pipe])
        for sentinel in ready:
            if isinstance(sentinel, int):
                events += self._bury(sentinels[sentinel])
        self._feed()
        return events

    def _receive(self, worker: _Worker) -> list[Event]:
        events: list[Event] = []
        with contextlib.suppress(EOFError, OSError):
            while worker.pipe.poll():
                event = worker.pipe.recv()
                if event == GREETING:
                    worker.greeted = True
                    continue
                if event.handle != worker.handle:
                    continue  # of a request that was cancelled
                events.append(event)
                if event.is_last:
                    worker.handle = None
        return events

    def _bury(self, worker: _Worker) -> list[Event]:
        """Report what a dead worker was doing, and put another in its place."""
        if worker not in self._workers:
            return []
        events = self._receive(worker)
        worker.process.join()
        if worker.handle is not None:
            events.append(Event(worker.handle, "lost", error=_cause(worker.process.exitcode)))
        elif not worker.greeted:
            self._stillborn += 1
            if self._stillborn > STILLBORN:
                raise UserError(
                    f"--jobs: worker processes end as they start: {_cause(worker.process.exitcode)}; try --jobs 1"
                )
        worker.pipe.close()
        place = self._workers.index(worker)
        self._workers[place] = self._start(place)
        return events

    def cancel(self, handle: int) -> None:
        self._waiting = deque(item for item in self._waiting if item[0] != handle)
        for worker in self._workers:
            if worker.handle == handle:
                with contextlib.suppress(OSError):
                    worker.pipe.send("stop")
                worker.handle = None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.pipe.send("stop")
                worker.pipe.send("end")
        for worker in self._workers:
            worker.process.join(STOP_S)
            if worker.process.is_alive():
                worker.process.terminate()
                worker.process.join()
            worker.pipe.close()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = f"; perhaps {MEMORY_HINT}" if name == "SIGKILL" else ""
        return f"its worker process was ended by {name}{hint}"
    return f"its worker process ended with exit code {code}"


def _serve(pipe: Connection, gpu: str | None) -> None:
    """A worker's life: requests come, events go; it ends with its supervisor, of which the broken pipe tells."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor says what to do
    worker = Worker()
    try:
        import torch  # while the supervisor still prepares the first request

        pipe.send(GREETING)
        if not pipe.poll():
            import torch._dynamo  # noqa: F401 - idle as yet: torch's optimizers import it, which takes a second

        while True:
            item = pipe.recv()
            if item == "end":
                # Everything is on disk: that Python took apart what torch leaves behind would cost most of a second.
                atexit.register(os._exit, 0)
                return
            if item == "stop":
                continue  # what was to be stopped has ended by itself
            handle, request, workspace = item
            for event in carry_out(worker, handle, request, workspace, partial(_is_stopped, pipe)):
                _tell(pipe, event)
    except (EOFError, OSError, _Orphaned, KeyboardInterrupt):
        return


class _Orphaned(BaseException):
    """The supervisor is gone: nobody listens at the other end of the pipe. No error of the request that is running."""


def _is_stopped(pipe: Connection) -> bool:
    try:
        return pipe.poll() and pipe.recv() == "stop"
    except (EOFError, OSError) as error:
        raise _Orphaned from error


def _tell(pipe: Connection, event: Event) -> None:
    try:
        pipe.send(event)
    except OSError as error:
        raise _Orphaned from error
