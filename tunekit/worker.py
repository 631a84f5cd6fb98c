"""What executors run: advance a training up to an iteration, measure a probe. Training and store, nothing else."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tunekit.store import Entry, Store
from tunekit.vocabulary import Measurement, Training, UserError

FLUSH_S = 10.0  # a kill loses at most so many seconds of a training
PROGRESS_S = 0.2
SHARED = ".data"  # beside trainings/, while a command runs
SHARED_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Workspace:
    """Where a worker finds and puts things; none of it changes a number."""

    trainings: str
    folder: str  # the recipe's: modules and relative paths
    device: str
    readers: int = 0  # processes a training that read ahead, where the data are not in memory


def _shared_splits(place: Path, data: Mapping[str, Any], key: str, folder: Path) -> Any:
    """Splits in a file that all workers of the machine map: large data are in memory once, not once a worker.

    A small data set or one that is no tensors is read by each worker for itself.
    """
    import torch

    from tunekit.training.memory import pack, unpack
    from tunekit.training.sources import read_splits

    path = place / f"{key}.pt"
    if not path.exists():
        splits = read_splits(data, folder)
        packed = pack(splits)
        if packed is None or _size(packed) < SHARED_BYTES or not place.parent.exists():
            return splits
        place.mkdir(exist_ok=True)
        part = path.with_name(f".{key}.{os.getpid()}.part")
        torch.save(packed, part)
        part.replace(path)
    return unpack(torch.load(path, mmap=True, weights_only=True))


def _size(packed: Mapping[str, Any]) -> int:
    """Bytes of the training inputs."""
    train = packed["train"]
    return sum(int(value.nbytes) for value in (*train["args"], *train["kwargs"].values()))


@dataclass(frozen=True)
class Progress:
    """How far a request is: iterations done of those it asks for, last training loss."""

    done: int
    total: int
    loss: float | None = None
    note: str = ""  # something the person should know


def work(request: Training | Measurement, workspace: Workspace) -> Iterator[Progress]:
    """Carry a request out, yielding its progress. The result is what then stands in the store. Errors: UserError, or
    what the person's code raised."""
    from tunekit.training.loop import use_loader

    use_loader(partial(_shared_splits, Path(workspace.trainings).parent / SHARED))
    running = advance(request, workspace) if isinstance(request, Training) else measure(request, workspace)
    try:
        while True:
            # The person's code sees the recipe's folder; between two news the caller has its own.
            with chdir(workspace.folder):
                progress = next(running, None)
            if progress is None:
                return
            yield progress
    finally:
        with chdir(workspace.folder):
            running.close()


def advance(request: Training, workspace: Workspace) -> Generator[Progress, None, None]:
    """Train up to `request.until`, from the checkpoint where there is one; only what is missing."""
    store = Store(Path(workspace.trainings))
    with store.lease(request.config) as entry:
        if is_finished(request, entry.rows(request.until)):
            return
        from tunekit.training.device import pick_device
        from tunekit.training.loop import Session

        folder, device = Path(workspace.folder), pick_device(workspace.device)
        session = Session(request.config, folder, device, workspace.readers)
        kept = entry.has_checkpoint()
        state = entry.checkpoint() if session.splits.shareable else None
        if state is not None:
            session.restore(state)
            if entry.iterations() < session.iteration:
                # The metrics are damaged before the checkpoint: numbers that are gone must be computed again.
                session = Session(request.config, folder, device, workspace.readers)
        if kept and session.splits.shareable and session.iteration == 0:
            yield Progress(0, request.until, note=f"{entry.path.name}: its files are damaged; it is trained anew")
        writer = _Writer(entry, session)
        last = time.monotonic()
        try:
            for chunk in session.run(request.until):
                writer.add(chunk)
                if writer.ends(request):
                    break
                now = time.monotonic()
                if now - writer.flushed > FLUSH_S:
                    writer.flush()
                if now - last > PROGRESS_S:
                    last = now
                    yield Progress(session.iteration, request.until, writer.losses[-1])
        finally:
            # Also when the generator is closed by an interrupted run: it goes on from here.
            writer.flush()


class _Writer:
    """Rows of a session on their way to the store: metrics first, then the checkpoint that stands for them."""

    def __init__(self, entry: Entry, session: Any) -> None:
        rows = entry.cut(session.iteration)
        self.entry, self.session = entry, session
        metric = session.task.metric
        self.header = [
            "iteration",
            "epoch",
            "lr",
            "train_loss",
            f"train_{metric.name}",
            "val_loss",
            f"val_{metric.name}",
        ]
        if metric.compute is None:
            self.header = ["iteration", "epoch", "lr", "train_loss", "val_loss"]
        self.losses: list[float] = list(rows.get("train_loss", ()))
        self.scores: list[float] = list(rows.get(f"train_{metric.name}", ()))
        self.checked = 0
        self.flushed = time.monotonic()
        scored = [value for value in rows.get(f"val_{metric.name}", ()) if value is not None]
        self.sign = 1.0 if metric.maximize else -1.0
        self.best = max((self.sign * value for value in scored if math.isfinite(value)), default=-math.inf)
        self.best_weights: bytes | None = None
        self.rows: list[Any] = []
        self.sample_losses: list[Any] = []

    def add(self, chunk: Any) -> None:
        for row in chunk.rows:
            self.losses.append(row[3])
            self.scores.append(row[4])
            self.rows.append(row if len(self.header) == len(row) else (*row[:4], row[5]))
        if chunk.sample_losses is not None:
            self.sample_losses.append(chunk.sample_losses)
            score = chunk.rows[-1][6]
            if math.isfinite(score) and self.sign * score > self.best:
                self.best = self.sign * score
                self.best_weights = self.session.weights()

    def ends(self, request: Training) -> bool:
        stop, start = request.stop, self.checked
        self.checked = len(self.losses)
        return (
            stop.diverged_at(self.losses, start) is not None
            or stop.solved_at(self.losses, self.scores, start) is not None
        )

    def flush(self) -> None:
        if not self.rows:
            return
        for losses in self.sample_losses:
            self.entry.append_losses(losses)
        self.entry.append(self.header, self.rows)
        if self.session.dead:
            self.entry.drop_checkpoint()  # not finite: stored and final
        else:
            if self.best_weights is not None:
                self.entry.save("best.pt", self.best_weights)
            self.entry.save("checkpoint.pt", self.session.state())
        self.rows, self.sample_losses, self.best_weights = [], [], None
        self.flushed = time.monotonic()


def is_finished(request: Training, rows: dict[str, list[Any]]) -> bool:
    """Whether the stored rows answer the request: its budget is used, or its rule ended it."""
    losses = rows.get("train_loss", [])
    if len(losses) >= request.until:
        return True
    metric = next((name for name in rows if name.startswith("train_") and name != "train_loss"), None)
    scores = rows[metric] if metric else []
    return request.stop.diverged_at(losses) is not None or request.stop.solved_at(losses, scores) is not None


def measure(request: Measurement, workspace: Workspace) -> Generator[Progress, None, None]:
    """Run a probe and store what it found; a probe that was run before is not run again."""
    store = Store(Path(workspace.trainings))
    with store.lease(request.config) as entry:
        if entry.measurement(request.goal) is not None:
            return
        from tunekit.training.device import pick_device
        from tunekit.training.probes import PROBES, Subject

        state = entry.checkpoint() if request.at else None
        if request.at and state is None:
            raise UserError(f"{entry.path}: no checkpoint to measure at iteration {request.at}")
        device = pick_device(workspace.device)
        subject = Subject(request.config, Path(workspace.folder), device, state, request.args)
        entry.save_measurement(request.goal, PROBES[request.probe](subject).to_json())
        yield Progress(1, 1)
