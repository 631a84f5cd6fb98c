"""Requests on a Ray cluster, in long-lived actors that carry out one request each at a time (ray_worker.py)."""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunekit.executors.base import MEMORY_HINT, STILLBORN, STOP_S, Event, failure
from tunekit.executors.parcel import Code, Files, changes, pack_code, unpack
from tunekit.executors.ray_connect import connect
from tunekit.executors.ray_worker import Host, training_folder
from tunekit.rundir import disk_error, write_atomically
from tunekit.vocabulary import Measurement, StorageError, Training, UserError
from tunekit.worker import Workspace

if TYPE_CHECKING:
    from ray import ObjectRef

PATIENCE_S = 300.0  # how long a cluster may lack a node that is large enough: another may be on its way
LOOK_S = 5.0  # how often the cluster is asked for its nodes


class _Needs(NamedTuple):
    """What one worker takes of a node."""

    cpus: int
    gpus: float


@dataclass(frozen=True)
class _Waiting:
    handle: int
    request: Training | Measurement
    workspace: Workspace
    needs: _Needs
    token: str  # a file beside trainings/: a worker that sees it sees the run
    code: ObjectRef[Code]  # the recipe's folder

    @property
    def training(self) -> tuple[str, str]:
        """What no two workers may write to at a time."""
        return self.workspace.trainings, self.request.config.key


@dataclass
class _Worker:
    """An actor. It is starting or being asked (`asked`), at work (`stream`), or idle."""

    actor: Any
    needs: _Needs
    asked: ObjectRef[bool] | None = None  # whether it sees `token`
    token: str = ""
    sees: dict[str, bool] = field(default_factory=dict)
    stream: Iterator[ObjectRef[Event | Files]] | None = None  # of a request
    item: ObjectRef[Event | Files] | None = None  # the stream's next
    work: _Waiting | None = None
    silent: bool = False  # the request was cancelled: its files still come home, its events go nowhere

    @property
    def awaited(self) -> object:
        return next((thing for thing in (self.asked, self.item, self.stream) if thing is not None), None)


class RayExecutor:
    """See Executor. Actors rather than tasks: each imports torch once, keeps its data, and can be told to stop.

    A request goes to a worker that has answered, so one that waits for room in the cluster holds nothing up. Where a
    worker does not see the run's folder, the training's files go with the request and come back after each flush.

    - `jobs`: workers; 0 for as many as the cluster has room for, also when it grows.
    - `address`: of a running cluster; None starts Ray on this machine, and ends it with `close`.
    - `shared`: False where nodes are not to use this machine's folders even if they see them.

    Errors: UserError where Ray is missing or cannot be reached.
    """

    def __init__(self, jobs: int = 0, address: str | None = None, shared: bool = True) -> None:
        self._jobs, self._local, self._shared = jobs, address is None, shared
        self._ray, self._ours = connect(jobs, address)
        self._host = self._ray.remote(concurrency_groups={"control": 1})(Host)
        self._workers: list[_Worker] = []
        self._waiting: deque[_Waiting] = deque()
        self._news: deque[Event] = deque()
        self._tokens: dict[Path, Path] = {}
        self._code: dict[str, ObjectRef[Code]] = {}
        self._nodes: list[Mapping[str, float]] = []
        self._looked = self._stuck_since = -math.inf
        self._next = self._stillborn = 0
        self._closed = False
        self.capacity = 1
        self._look()

    def _look(self) -> None:
        """Ask for the cluster's nodes: a capacity is a number of CPUs, as one of processes is."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        self._nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self.capacity = self._jobs or max(1, self._total("CPU"))

    def _total(self, resource: str) -> int:
        return int(sum(node.get(resource, 0) for node in self._nodes))

    def _room(self, needs: _Needs) -> int:
        """How many workers of such needs the cluster's nodes hold."""
        rooms = (
            (node.get("CPU", 0) / needs.cpus, needs.gpus and node.get("GPU", 0) / needs.gpus) for node in self._nodes
        )
        return sum(int(min(cpu, gpu) if needs.gpus else cpu) for cpu, gpu in rooms)

    def _needs(self, request: Training | Measurement, workspace: Workspace) -> _Needs:
        """A GPU each where the device is one; a share of one where more workers were asked for than there are GPUs."""
        cpus = request.config.threads + workspace.readers
        if workspace.device.startswith("cuda:"):
            raise UserError(f"device: {workspace.device}: Ray deals out the GPUs of its nodes itself; say cuda")
        gpus = self._total("GPU")
        if workspace.device != "cuda" and not (workspace.device == "auto" and gpus):
            return _Needs(cpus, 0.0)
        return _Needs(cpus, 1.0 if not gpus else 1.0 / math.ceil(max(1, self._jobs / gpus)))

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int:
        handle, self._next = self._next, self._next + 1
        try:
            needs, token = self._needs(request, workspace), self._token(Path(workspace.trainings).parent)
            self._waiting.append(
                _Waiting(handle, request, workspace, needs, token, self._shipped(Path(workspace.folder)))
            )
        except UserError as error:
            self._news.append(failure(handle, error))
        self._feed()
        return handle

    def _token(self, place: Path) -> str:
        """A file in the run's folder by which a worker knows that it sees the same one."""
        if place not in self._tokens:
            path = place / f".{uuid.uuid4().hex}.part"  # the store sweeps what a kill leaves of it
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(place, error) from None
            write_atomically(path, b"")
            self._tokens[place] = path
        return str(self._tokens[place])

    def _shipped(self, folder: Path) -> ObjectRef[Code]:
        """The recipe's folder in Ray's object store, put there once: a command works with its code as it began."""
        if str(folder) not in self._code:
            code = Code(str(folder), {}) if self._local and self._shared else pack_code(folder)
            self._code[str(folder)] = self._ray.put(code)
        return self._code[str(folder)]

    def _feed(self) -> None:
        """Give what waits to idle workers, and start workers for the rest. One worker a training at a time."""
        if self._waiting:
            self._look()
        wanted = {item.needs for item in self._waiting}
        for worker in [other for other in self._workers if wanted and other.awaited is None]:
            if worker.needs not in wanted:  # it stands in the way of others
                worker.actor.end.remote()
                self._workers.remove(worker)  # with its last reference the actor ends, after what it was told
        busy = {worker.work.training for worker in self._workers if worker.work is not None}
        starting = [worker.needs for worker in self._workers if worker.asked is not None]
        for item in list(self._waiting):
            if item.training in busy:
                continue
            idle = [worker for worker in self._workers if worker.awaited is None and worker.needs == item.needs]
            known = next((worker for worker in idle if item.token in worker.sees), None)
            if known is not None:
                self._waiting.remove(item)
                busy.add(item.training)
                self._send(known, item)
            elif item.needs in starting:
                starting.remove(item.needs)
                self._check_room(item.needs)
            elif idle:
                self._ask(idle[0], item.token)
            else:
                self._start(item)

    def _start(self, item: _Waiting) -> None:
        self._check_room(item.needs)
        if len(self._workers) < (self._jobs or max(1, self._room(item.needs))):
            # Ray restarts nothing by itself: what was lost is the supervisor's to repeat.
            options = {"num_cpus": item.needs.cpus, "num_gpus": item.needs.gpus, "max_restarts": 0}
            worker = _Worker(self._host.options(**options).remote(), item.needs)
            self._workers.append(worker)
            self._ask(worker, item.token)

    def _check_room(self, needs: _Needs) -> None:
        """Errors: UserError where no node is large enough, nor becomes so."""
        now = time.monotonic()
        if self._room(needs):
            self._stuck_since = -math.inf
            return
        if self._stuck_since == -math.inf:
            self._stuck_since = now
        if self._local or now - self._stuck_since > PATIENCE_S:
            wanted = f"{needs.cpus} CPUs and {needs.gpus:g} GPUs" if needs.gpus else f"{needs.cpus} CPUs"
            raise UserError(
                f"--executor ray: a training needs {wanted}, and no node is that large: the cluster "
                f"holds {self._total('CPU')} CPUs and {self._total('GPU')} GPUs on {len(self._nodes)} nodes; "
                "lower `threads`, change --device or add a node"
            )

    def _ask(self, worker: _Worker, token: str) -> None:
        worker.token = token
        worker.asked = worker.actor.sees.options(concurrency_group="control").remote(token)

    def _send(self, worker: _Worker, item: _Waiting) -> None:
        seed = None
        if not (self._shared and worker.sees[item.token]):
            seed, _ = changes(training_folder(item.request, item.workspace), {})
        method = worker.actor.carry_out.options(num_returns="streaming")
        worker.stream = method.remote(item.handle, item.request, item.workspace, [item.code], seed, self._shared)
        worker.work, worker.silent = item, False

    def poll(self, timeout_s: float = 0.1) -> list[Event]:
        if self._closed:
            return []
        self._feed()
        events = list(self._news)
        self._news.clear()
        for worker in self._ready(0 if events else timeout_s):
            events += self._receive(worker)
        self._feed()
        return events

    def _ready(self, timeout_s: float) -> list[_Worker]:
        """Workers of which there is something to fetch, without waiting any more."""
        watched = {id(worker.awaited): worker for worker in self._workers if worker.awaited is not None}
        if not watched:
            if self._waiting:
                time.sleep(timeout_s)
            return []
        things = [worker.awaited for worker in watched.values()]
        if not self._ray.wait(things, timeout=timeout_s)[0]:
            return []
        return [watched[id(thing)] for thing in self._ray.wait(things, num_returns=len(things), timeout=0)[0]]

    def _receive(self, worker: _Worker) -> list[Event]:
        """The next thing that a worker has to say."""
        from ray.exceptions import RayError, RayTaskError

        try:
            if worker.asked is not None:
                worker.sees[worker.token] = self._ray.get(worker.asked)
                worker.asked, self._stillborn = None, 0
                return []
            if worker.item is None:
                assert worker.stream is not None
                worker.item = next(worker.stream)
                if not self._ray.wait([worker.item], timeout=0)[0]:
                    return []  # large, and still on its way here
            item, worker.item = self._ray.get(worker.item), None
            return self._take(worker, item)
        except StopIteration:
            worker.stream = worker.work = None
            return []
        except RayTaskError as error:
            if worker.work is None:
                return self._bury(worker, error)
            worker.item = None
            cause = error.cause if isinstance(error.cause, Exception) else error
            event = failure(worker.work.handle, cause)
            kind = "failed" if event.kind == "storage" else event.kind  # a full disk there is not the run's own
            return self._news_of(worker, replace(event, kind=kind))
        except RayError as error:
            return self._bury(worker, error)

    def _take(self, worker: _Worker, item: Event | Files) -> list[Event]:
        if isinstance(item, Event):
            return self._news_of(worker, item)
        assert worker.work is not None
        try:
            unpack(training_folder(worker.work.request, worker.work.workspace), item)
        except StorageError as error:
            worker.actor.stop.options(concurrency_group="control").remote(worker.work.handle)
            return self._news_of(worker, failure(worker.work.handle, error))
        return []

    def _news_of(self, worker: _Worker, event: Event) -> list[Event]:
        if worker.silent:
            return []
        worker.silent = event.is_last  # nothing follows the last word
        return [event]

    def _bury(self, worker: _Worker, error: Exception) -> list[Event]:
        """Report what a lost worker was doing; another one is started when it is needed."""
        events = []
        if worker.work is not None:
            events = self._news_of(worker, Event(worker.work.handle, "lost", error=_cause(error)))
        elif not worker.sees:
            self._stillborn += 1
        self._end(worker)
        if self._stillborn > STILLBORN:
            raise UserError(f"--executor ray: workers end as they start: {_cause(error)}")
        return events

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(Exception):
            self._ray.kill(worker.actor)

    def cancel(self, handle: int) -> None:
        self._waiting = deque(item for item in self._waiting if item.handle != handle)
        self._news = deque(event for event in self._news if event.handle != handle)
        for worker in self._workers:
            if worker.work is not None and worker.work.handle == handle:
                worker.silent = True
                worker.actor.stop.options(concurrency_group="control").remote(handle)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.clear()
        try:
            for worker in self._workers:
                if worker.work is not None:
                    self.cancel(worker.work.handle)
            end = time.monotonic() + STOP_S
            while any(worker.stream is not None for worker in self._workers) and time.monotonic() < end:
                for worker in self._ready(0.2):
                    with contextlib.suppress(UserError):
                        self._receive(worker)
            ended = [worker.actor.end.remote() for worker in self._workers if worker.awaited is None]
            if ended:
                self._ray.wait(ended, num_returns=len(ended), timeout=2)
        finally:
            for worker in list(self._workers):
                self._end(worker)
            for path in self._tokens.values():
                with contextlib.suppress(OSError):
                    path.unlink()
            if self._ours:
                self._ray.shutdown()


def _cause(error: Exception) -> str:
    """Why a worker was lost, in one line of Ray's many."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if type(error).__name__ == "OutOfMemoryError" or "running low on memory" in text:
        return f"its Ray worker was ended: {MEMORY_HINT}"
    if "creation task" in text or type(error).__name__ in ("RayTaskError", "RuntimeEnvSetupError"):
        return lines[-1]
    if "node has died" in text or "unavailable" in text or "node was terminated" in text:
        return "its Ray node was lost"
    if "worker process has died" in text or "died unexpectedly" in text:
        return f"its Ray worker ended unexpectedly; perhaps {MEMORY_HINT}"
    return f"its Ray worker was lost: {lines[0] if lines else type(error).__name__}"
