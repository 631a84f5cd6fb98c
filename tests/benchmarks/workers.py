"""Two worker processes against one, over the same trainings of the MNIST CNN."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import Report, alternate, ratio, spread, verdict

PACKAGES = ()
TARGET = 1.7
RECIPE = "mnist-cnn"


def run(quick: bool) -> Report:
    found = fresh.call("workers.measure", name=RECIPE, iterations=60 if quick else 150, trainings=4)
    gain = ratio(found["2"], found["1"])
    of_cpu = 2 * ratio(found["2 cpu"], found["1 cpu"]) if found["1 cpu"] else None
    row = [
        f"{RECIPE}, {found['about']}",
        spread(found["1"]),
        spread(found["2"]),
        f"{gain:.2f}",
        "-" if of_cpu is None else f"{of_cpu:.2f}",
        f"{TARGET}",
        verdict(gain >= TARGET),
    ]
    notes = [
        "Iterations a second of four trainings, from the first submitted to the last finished, checkpoints included; "
        "the workers had started and read their data before.",
        "Other work on the machine lowers the ratio: two workers need both cores, one worker finds the freer one.",
        "With a core each: twice the iterations a second of CPU time, two workers against one; what is missing to 2 is "
        "what they cost each other (memory, caches).",
    ]
    return Report(
        "Two workers against one",
        ["recipe", "1 worker its/s", "2 workers its/s", "ratio", "with a core each", "target", ""],
        [row],
        notes,
    )


def measure(name: str, iterations: int, trainings: int, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """Iterations a second with one and with two workers, in turns."""
    from tests.benchmarks.subjects import config_of
    from tunekit.executors import make_executor
    from tunekit.vocabulary import Training
    from tunekit.worker import Workspace

    config, folder = config_of(name, **(overrides or {}))
    executors = {str(jobs): make_executor("processes", jobs) for jobs in (1, 2)}

    def rate(executor: Any, until: int, seeds: Sequence[int]) -> tuple[float, float]:
        with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
            workspace = Workspace(str(Path(place) / "trainings"), str(folder), "cpu")
            started, cpu = time.perf_counter(), _cpu_of_children()
            waiting = {
                executor.submit(Training(replace(config, seed=seed), until, {}, purpose="test"), workspace)
                for seed in seeds
            }
            while waiting:
                for event in executor.poll():
                    if event.is_last:
                        assert event.kind == "done", event.error
                        waiting.discard(event.handle)
            count = until * len(seeds)
            return count / (time.perf_counter() - started), count / max(1e-9, _cpu_of_children() - cpu)

    try:
        for executor in executors.values():
            rate(executor, 3, range(4))  # each worker imports torch and reads the data
        sides = {jobs: lambda e=executor: rate(e, iterations, range(trainings)) for jobs, executor in executors.items()}
        found = alternate(sides)
    finally:
        for executor in executors.values():
            executor.close()
    told: dict[str, Any] = {"about": f"{config.precision}, {config.threads} thread a worker"}
    for jobs, turns in found.items():
        told[jobs] = [wall for wall, _ in turns]
        told[f"{jobs} cpu"] = [cpu for _, cpu in turns] if sys.platform == "linux" else []
    return told


def _cpu_of_children() -> float:
    """Seconds of CPU time that this process's children have used so far; 0 where the system does not tell."""
    total = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
