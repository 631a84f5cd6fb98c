"""Where requests run, behind one Protocol: in this process (inline.py), in worker processes (processes.py), on Ray."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tunekit.vocabulary import Measurement, Training
from tunekit.worker import Progress, Workspace


@dataclass(frozen=True)
class Event:
    """News of a submitted request. `lost`: its worker died; `unusable`: the person's input is at fault (UserError);
    `storage`: what it did cannot be kept (StorageError)."""

    handle: int
    kind: Literal["progress", "done", "failed", "unusable", "storage", "lost"]
    progress: Progress | None = None
    error: str = ""


class Executor(Protocol):
    """Runs requests and streams back what becomes of them.

    - `submit` returns at once, with a handle that no other request of this executor has.
    - `poll` waits up to `timeout_s` for news and returns it in the order in which it came; [] where there is none.
      After any event but `progress` there is no more news of that handle.
    - `cancel` stops a request, running or waiting; there is no more news of it, and what it did so far stays.
    - `close` stops everything and lets running trainings save where they are. Closing twice is fine.
    """

    capacity: int

    def submit(self, request: Training | Measurement, workspace: Workspace) -> int: ...
    def poll(self, timeout_s: float = 0.1) -> list[Event]: ...
    def cancel(self, handle: int) -> None: ...
    def close(self) -> None: ...


def make_executor(name: str, jobs: int | None, address: str | None = None) -> Executor:
    """The executor of a name with so many workers; on Ray, None is as many as the cluster at `address` holds.

    Errors: UserError where Ray is missing or cannot be reached.
    """
    if name == "ray":
        from tunekit.executors.ray_cluster import RayExecutor

        return RayExecutor(jobs or 0, address)
    jobs = jobs or 1
    if name == "inline" or (name == "auto" and jobs <= 1):
        from tunekit.executors.inline import InlineExecutor

        return InlineExecutor()
    from tunekit.executors.processes import ProcessExecutor

    return ProcessExecutor(jobs, visible_gpus())


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def auto_jobs(device: str | None) -> int:
    """One worker a GPU where trainings run on GPUs, else one a core."""
    gpus = [] if device in ("cpu", "mps") else visible_gpus()
    return len(gpus) or cores()


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; found without torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    found = Path("/proc/driver/nvidia/gpus")
    return [str(place) for place in range(len(list(found.iterdir())))] if found.is_dir() else []
