"""Where requests run, behind one Protocol (base.py): inline.py, processes.py and Ray. Here: which of them, how many."""

from __future__ import annotations

import os
from pathlib import Path

from tunekit.executors.base import Event, Executor, NoExecutor

__all__ = ["Event", "Executor", "NoExecutor", "auto_jobs", "cores", "make_executor", "visible_gpus"]


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
    cards = Path("/proc/driver/nvidia/gpus")
    return [str(place) for place in range(len(list(cards.iterdir())))] if cards.is_dir() else []
