"""What a trial costs besides its training: 10,000 trials through supervisor and studies, answered at once."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import fresh
from tests.benchmarks.sidebyside import REPEATS, Report, spread, verdict
from tunekit.executors import Event
from tunekit.store import Validations
from tunekit.vocabulary import Facts, Measurement, Record, StepResult, Training

PACKAGES = ("optuna",)
TRIALS = 10_000
SECONDS, MEGABYTES = 100.0, 100.0
VALIDATIONS = 5  # reports of a trial


def run(quick: bool) -> Report:
    found = [fresh.call("bookkeeping.measure", trials=TRIALS) for _ in range(1 if quick else REPEATS)]
    seconds, memory = ([turn[name] for turn in found] for name in ("seconds", "megabytes"))
    rate = sorted(TRIALS / value for value in seconds)
    worst = max(memory)
    rows = [
        ["seconds", spread(seconds), f"{SECONDS:.0f}", verdict(sorted(seconds)[len(seconds) // 2] <= SECONDS)],
        ["trials a second", spread(rate, 0), f"{TRIALS / SECONDS:.0f}", ""],
        ["growth of peak memory, MB", spread(memory), f"{MEGABYTES:.0f}", verdict(worst < MEGABYTES)],
        ["the journal, MB", f"{found[0]['journal_megabytes']:.1f}", "", ""],
        ["finding them all finished, seconds", spread([turn["again"] for turn in found]), "", ""],
    ]
    notes = [
        f"{TRIALS:,} trainings planned at once, each with {VALIDATIONS} validations reported to its trial, in a "
        "journal on disk; the store and the executor are made up and answer at once."
    ]
    return Report("Bookkeeping of 10,000 trials", ["what", "measured", "target", ""], rows, notes)


class Answers:
    """A store and an executor at once: whatever is submitted is done, with the same few rows."""

    capacity = 2

    def __init__(self) -> None:
        self.done: set[str] = set()
        self.events: list[Event] = []
        self.path = Path("nowhere")
        self.root = Path.cwd() / "trainings"
        column = [0.5] * VALIDATIONS
        numbers = list(range(1, VALIDATIONS + 1))
        self.columns: dict[str, Sequence[Any]] = {"iteration": numbers, "epoch": numbers, "lr": column}
        self.columns |= dict.fromkeys(("train_loss", "train_accuracy", "val_loss", "val_accuracy"), column)
        self.asked = ""

    def submit(self, request: Training | Measurement, workspace: Any) -> int:
        self.done.add(request.config.folder)
        handle = len(self.events) + 1_000_000 * len(self.done)
        self.events.append(Event(handle, "done"))
        return handle

    def poll(self, timeout_s: float = 0.1) -> list[Event]:
        news, self.events = self.events[:50], self.events[50:]
        return news

    def cancel(self, handle: int) -> None: ...

    def close(self) -> None: ...

    def entry(self, config: Any) -> Answers:
        self.asked = config.folder
        return self

    def rows(self, until: int | None = None) -> dict[str, Sequence[Any]]:
        return self.columns if self.asked in self.done else {}

    def sizes(self) -> None: ...

    def metrics_bytes(self) -> int:
        return 0

    def lacks_weights(self) -> bool:
        return False

    def drop_weights(self) -> None: ...

    def validations(self, validations: int | None = None) -> Validations:
        nothing = np.empty((0, 0), np.float32)
        return Validations(nothing, nothing, nothing)


def grid(trials: int) -> Any:
    """A step of so many trials, planned at once."""
    from tunekit.steps import get_step
    from tunekit.steps.step import Judgement

    def plan(context: Any, records: Sequence[Record]) -> list[Training]:
        if records:
            return []
        base = context.config()
        params = [{"lr": 1e-3, "weight_decay": 1e-6 * (number + 1), "seed": number} for number in range(trials)]
        return [Training(replace(base, **values), VALIDATIONS, values, purpose="cell") for values in params]

    def objective(context: Any, record: Record) -> float:
        return float(record.validations("val_accuracy")[-1][1])

    def judge(context: Any, records: Sequence[Record]) -> Judgement:
        assert all(record.iterations == VALIDATIONS for record in records)
        return Judgement(f"{len(records)} trials")

    step = get_step("lr-sweep")
    return replace(step, plan=plan, judge=judge, objective=objective, maximize=lambda context: True, figure=None)


def measure(trials: int) -> dict[str, float]:
    """Seconds and growth of the peak memory for so many trials, and the size of their journal."""
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as place:
        _step(Path(place) / "warm", 10)  # imports and first calls are no part of it
        before = _peak_megabytes()
        folder = Path(place) / "run"
        seconds, _ = _step(folder, trials)
        journal = (folder / "studies.journal").stat().st_size / 2**20
        peak = _peak_megabytes()
        (folder / "lr-sweep" / "result.json").unlink()
        again, _ = _step(folder, trials)
    return {"seconds": seconds, "megabytes": peak - before, "journal_megabytes": journal, "again": again}


def _step(folder: Path, trials: int) -> tuple[float, StepResult]:
    from tunekit.pipeline import schema
    from tunekit.rundir import RunDir
    from tunekit.steps import Context
    from tunekit.studies import Studies, open_journal
    from tunekit.supervisor import Supervisor
    from tunekit.worker import Workspace

    folder.mkdir(exist_ok=True)
    recipe = schema().model_validate({"name": "grid", "data": {"target": "digits"}, "model": {"target": "mlp"}})
    facts = Facts(1437, 360, VALIDATIONS, "accuracy", True, 10, 1000, 1, "fp32", "cpu", {})
    run, answers = RunDir(folder, recipe, folder), Answers()
    started = time.perf_counter()
    studies = Studies(open_journal(run.journal))
    supervisor = Supervisor(run, studies, answers, Workspace("", "", "cpu"), lambda event: None, "runs/grid")
    supervisor._store = answers  # type: ignore[assignment]
    result = supervisor.run_step(Context(grid(trials), recipe, facts))
    return time.perf_counter() - started, result


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
