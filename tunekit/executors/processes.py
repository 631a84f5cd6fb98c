"""Requests in long-lived worker processes on this machine: each imports torch once and keeps its data."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from tunekit.executors.base import MEMORY_HINT, STILLBORN, STOP_S, Event, carry_out
from tunekit.stopping import GRACE_S, HANGUP, Stop
from tunekit.vocabulary import Measurement, Training, UserError
from tunekit.worker import SAVING, Worker, Workspace

GREETING = "ready"
LEAVING = "leaving"  # what follows is its last: another one takes its place
HEARD = "stopping"  # a worker's answer to the end: it saves what it does, which is waited for
LISTEN_S = 0.2  # how often a worker that saves looks whether it shall stop
KILL_S = 2.0  # what a worker that was told to end by SIGTERM has, until it is killed


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    handle: int | None = None  # of the request that it carries out
    request: Training | Measurement | None = None
    done: int = 0  # iterations, as far as it told
    greeted: bool = False  # it has imported what it needs
    heard: bool = False  # it knows that it shall stop
    leaves: bool = False  # it takes no more requests
    terminated: float | None = None  # when it was told to end by SIGTERM


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
            if worker.handle is None and not worker.leaves and self._waiting:
                item = self._waiting.popleft()
                try:
                    worker.pipe.send(item)
                    worker.handle, worker.request, worker.done = item[0], item[1], 0
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
                if not isinstance(event, Event):
                    worker.greeted = worker.greeted or event == GREETING
                    worker.heard = worker.heard or event == HEARD
                    worker.leaves = worker.leaves or event == LEAVING
                    continue
                if event.handle != worker.handle:
                    continue  # of a request that was cancelled
                events.append(event)
                worker.done = event.progress.done if event.progress is not None else worker.done
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
            events.append(Event(worker.handle, "lost", error=_cause(worker.process.exitcode) + _doing(worker)))
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
            worker.heard = False  # of what it was told before
            with contextlib.suppress(OSError):
                worker.pipe.send("stop")
                worker.pipe.send("end")
        try:
            self._await_ends()
        finally:
            for worker in self._workers:  # also of an impatient person
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()

    def _await_ends(self) -> None:
        """Wait for workers that save what they do. One that does not even answer is in code that does not return."""
        start = time.monotonic()
        while alive := [worker for worker in self._workers if worker.process.is_alive()]:
            wait([worker.process.sentinel for worker in alive], 0.05)
            now = time.monotonic()
            for worker in alive:
                self._receive(worker)
                if worker.heard and now - start <= STOP_S:
                    continue
                if worker.terminated is not None:
                    if now - worker.terminated > KILL_S:
                        worker.process.kill()
                elif now - start > GRACE_S:
                    worker.process.terminate()
                    worker.terminated = now


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = f"; perhaps {MEMORY_HINT}" if name == "SIGKILL" else ""
        return f"its worker process was ended by {name}{hint}"
    return f"its worker process ended with exit code {code}"


def _doing(worker: _Worker) -> str:
    """What a lost worker was doing, and whose code: it may have ended itself."""
    request = worker.request
    assert request is not None, "it has a handle"
    config = request.config
    if isinstance(request, Training):
        what = f"at iteration {worker.done} of training {config.folder}"
    else:
        what = f"as it measured {request.probe!r}"
    parts = (config.data.target, config.model.target, config.loss.target, config.metric.target.split(" ")[-1])
    own = ", ".join(part for part in parts if ":" in part)
    return f", {what}" + (f" (with the code of {own})" if own else "")


def _serve(pipe: Connection, gpu: str | None) -> None:
    """A worker's life: requests come, events go; it ends with its supervisor, of which the broken pipe tells."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    for number in (signal.SIGINT, HANGUP):  # they reach the whole group; the supervisor says what to do
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    worker = Worker()
    news = _News(pipe)
    threading.Thread(target=_listen, args=(news,), daemon=True).start()
    try:
        import torch  # while the supervisor still prepares the first request

        news.send(GREETING)
        if not pipe.poll():
            import torch._dynamo  # noqa: F401 - idle as yet: torch's optimizers import it, which takes a second

        while True:
            item = pipe.recv()
            if item == "end":
                _leave()
            if item == "stop":
                continue  # what was to be stopped has ended by itself
            handle, request, workspace = item
            for event in carry_out(worker, handle, request, workspace, partial(_is_stopped, news)):
                ends = event.is_last and event.kind != "done" and worker.is_spent
                if ends:
                    news.send(LEAVING)  # before the event, upon which it would be given another request
                _tell(news, event)
                if ends:
                    _leave()
    except Stop:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)  # what was whole is saved; who asks why it ended learns it
    except (EOFError, OSError, _Orphaned):
        _leave()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise Stop


def _leave() -> None:
    """Everything is on disk: Python would wait for threads of a person's, and take apart what torch leaves behind."""
    for child in multiprocessing.active_children():
        child.terminate()  # it reads data ahead
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(0)


class _Orphaned(BaseException):
    """The supervisor is gone: nobody listens at the other end of the pipe. No error of the request that is running."""


class _News:
    """A worker's end of its pipe, where two threads tell."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self._lock = pipe, threading.Lock()

    def send(self, item: object) -> None:
        with self._lock:
            self.pipe.send(item)


def _listen(news: _News) -> None:
    """Answer for the main thread while it saves: it does not ask then, and to write a large checkpoint takes long."""
    with contextlib.suppress(OSError):  # the supervisor is gone, as the main thread will see
        while True:
            time.sleep(LISTEN_S)
            if SAVING.is_set() and news.pipe.poll():
                news.send(HEARD)


def _is_stopped(news: _News) -> bool:
    try:
        if not (news.pipe.poll() and news.pipe.recv() == "stop"):
            return False
        news.send(HEARD)
        return True
    except (EOFError, OSError) as error:
        raise _Orphaned from error


def _tell(news: _News, event: Event) -> None:
    try:
        news.send(event)
    except OSError as error:
        raise _Orphaned from error
