"""Two worker processes against one, over the same trainings of the MNIST CNN."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
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
    row = [
        f"{RECIPE}, {found['about']}",
        spread(found["1"]),
        spread(found["2"]),
        f"{gain:.2f}",
        f"{TARGET}",
        verdict(gain >= TARGET),
    ]
    notes = [
        "Iterations a second of four trainings, from the first submitted to the last finished, checkpoints included; "
        "the workers had started and read their data before.",
        "Other work on the machine lowers the ratio: two workers need both cores, one worker finds the freer one.",
    ]
    return Report(
        "Two workers against one", ["recipe", "1 worker its/s", "2 workers its/s", "ratio", "target", ""], [row], notes
    )


def measure(name: str, iterations: int, trainings: int, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """Iterations a second with one and with two workers, in turns."""
    from tests.benchmarks.subjects import config_of
    from tunekit.executors import make_executor
    from tunekit.vocabulary import Training
    from tunekit.worker import Workspace

    config, folder = config_of(name, **(overrides or {}))
    executors = {str(jobs): make_executor("processes", jobs) for jobs in (1, 2)}

    def rate(executor: Any, until: int, seeds: Sequence[int]) -> float:
        with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
            workspace = Workspace(str(Path(place) / "trainings"), str(folder), "cpu")
            started = time.perf_counter()
            waiting = {
                executor.submit(Training(config.with_(seed=seed), until, {}), workspace) for seed in seeds
            }
            while waiting:
                for event in executor.poll():
                    if event.kind != "progress":
                        assert event.kind == "done", event.error
                        waiting.discard(event.handle)
            return until * len(seeds) / (time.perf_counter() - started)

    try:
        for executor in executors.values():
            rate(executor, 3, range(4))  # each worker imports torch and reads the data
        sides = {jobs: lambda e=executor: rate(e, iterations, range(trainings)) for jobs, executor in executors.items()}
        found = alternate(sides)
    finally:
        for executor in executors.values():
            executor.close()
    return {**found, "about": f"{config.precision}, {config.threads} thread a worker"}
