"""What executors run: a worker advances trainings up to an iteration and measures. Training and store, nothing else."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tunekit.configuration import DataSpec
from tunekit.guest import Visit, take_notes
from tunekit.layout import BEST_WEIGHTS, CHECKPOINT, SHARED
from tunekit.store import Entry, Store, Table
from tunekit.vocabulary import Measurement, Row, Training, UserError, judged_by
from tunekit.warned import once

if TYPE_CHECKING:  # torch is imported when something is trained
    from tunekit.training.data import Splits
    from tunekit.training.loop import Chunk, Session
    from tunekit.training.memory import Packed
    from tunekit.training.workbench import Workbench

FLUSH_S = 10.0  # a kill loses at most so many seconds of a training
PROGRESS_S = 0.2
SHARED_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Workspace:
    """Where a worker finds and puts things; none of it changes a number."""

    trainings: str
    folder: str  # the recipe's: modules and relative paths
    device: str
    readers: int = 0  # processes a training that read ahead, where the data are not in memory


@dataclass(frozen=True)
class Progress:
    """How far a request is: iterations done of those it asks for, last training loss, and the rows since the last news
    that show its course."""

    done: int
    total: int
    loss: float | None = None
    note: str = ""  # something the person should know
    about: str = ""  # what it is of, where it is told once whatever its words
    rows: tuple[Row, ...] = ()


class Worker:
    """Carries out requests in this process, and keeps what it has read for the next of the same run."""

    def __init__(self) -> None:
        self._place: Workspace | None = None
        self._bench: Workbench | None = None
        self._noted: set[str] = set()
        self._warned: dict[str, str] = {}

    def work(self, request: Training | Measurement, workspace: Workspace) -> Generator[Progress]:
        """Carry a request out, yielding its progress. The result is what then stands in the store. Errors: UserError,
        or the Exception that the person's code raised."""
        import torch  # noqa: F401 - before the person's code, so that what that changes of it is seen

        if isinstance(request, Training):
            running = self._advance(request, workspace)
            latest = Progress(0, request.until)
        else:
            running = self._measure(request, workspace)
            latest = Progress(0, 1)
        try:
            while True:
                try:
                    # The person's code sees the recipe's folder; between two news the caller has its own.
                    with chdir(workspace.folder), Visit(), once(self._warned):
                        progress = next(running, None)
                except Exception:
                    yield from self._news(latest)
                    raise
                latest = progress or latest
                yield from self._news(latest)
                if progress is None:
                    return
                yield progress
        finally:
            with chdir(workspace.folder), Visit():
                running.close()

    @property
    def is_spent(self) -> bool:
        """Whether this process can carry out nothing more: its GPU is lost to it."""
        from tunekit.training.device import gpu_is_lost

        return gpu_is_lost()

    def _news(self, latest: Progress) -> Iterator[Progress]:
        """What was put back behind the person's code, and what that warned of, each kind once."""
        for about, note in {**{note: note for note in take_notes()}, **self._warned}.items():
            if about not in self._noted:
                self._noted.add(about)
                yield replace(latest, rows=(), note=note, about=about)

    def _workbench(self, workspace: Workspace) -> Workbench:
        from tunekit.training.device import pick_device
        from tunekit.training.workbench import Workbench

        run = Path(workspace.trainings).parent
        place = replace(workspace, trainings=str(run))
        if self._bench is None or place != self._place:
            device, load = pick_device(workspace.device), partial(_shared_splits, run / SHARED)
            self._place, self._bench = place, Workbench(Path(workspace.folder), device, workspace.readers, load)
        return self._bench

    def _advance(self, request: Training, workspace: Workspace) -> Generator[Progress]:
        """Train up to `request.until`, from the checkpoint where there is one; only what is missing."""
        store = Store(Path(workspace.trainings))
        with store.lease(request.config) as entry:
            if is_finished(request, entry.rows(request.until)):
                return
            from tunekit.training.loop import Session

            bench = self._workbench(workspace)
            session = Session(request.config, bench)
            resumable = session.splits.shareable
            if resumable:
                session, damage = _continued(session, entry)
                if damage:
                    yield Progress(0, request.until, note=f"{entry.path.name}: {damage}; it is trained anew")
            if request.until == 0:  # the model as it came: its weights, and a table without rows
                with _saving():
                    entry.save(BEST_WEIGHTS, session.weights())
                    entry.append(session.task.metric.name, [])
                return
            writer = _Writer(entry, session)
            last = time.monotonic()
            course: list[Row] = []
            try:
                for chunk in session.run(request.until):
                    writer.add(chunk)
                    course += [row for row in chunk.rows if row.val_loss is not None or request.shows(row.iteration)]
                    if writer.ends(request):
                        break
                    now = time.monotonic()
                    if now - writer.flushed > FLUSH_S:
                        writer.flush()
                    if now - last > PROGRESS_S:
                        last = now
                        yield Progress(session.iteration, request.until, writer.losses[-1], rows=tuple(course))
                        course = []
            finally:
                # Also when the generator is closed by an interrupted run: it goes on from here.
                writer.flush()

    def _measure(self, request: Measurement, workspace: Workspace) -> Generator[Progress]:
        """Run a probe and store what it measured; a probe that was run before is not run again."""
        store = Store(Path(workspace.trainings))
        with store.lease(request.config) as entry:
            if entry.measurement(request.goal) is not None:
                return
            from tunekit.training.device import threads
            from tunekit.training.indices import checked_indices
            from tunekit.training.probes import PROBES, Subject

            bench = self._workbench(workspace)
            state = _state_at(request, entry, bench) if request.at else None
            if request.weights is not None:
                state = entry.best_weights()
            with threads(request.config.threads), checked_indices(bench.device):
                values = PROBES[request.probe](Subject(request.config, bench, state, request.args))
            entry.save_measurement(request.goal, values.to_json())
            yield Progress(1, 1)


def _continued(session: Session, entry: Entry) -> tuple[Session, str]:
    """The session at the training's checkpoint, or at its start where there is none; and what is wrong with the files
    where they are of no use."""
    had_checkpoint = entry.has_checkpoint()
    state = entry.checkpoint()
    if state is None:
        return session, "its files are damaged" if had_checkpoint else ""
    try:
        session.restore(state)
    except UserError as error:
        return type(session)(session.config, session.bench), f"its {error}"
    if entry.iterations() < session.iteration:
        # The metrics are damaged before the checkpoint: numbers that are gone must be computed again.
        return type(session)(session.config, session.bench), "its files are damaged"
    return session, ""


def _state_at(request: Measurement, entry: Entry, bench: Workbench) -> bytes:
    """The training as it stands at the iteration that is asked for: its checkpoint, or trained anew where that is gone
    or of another iteration. Errors: UserError where it cannot be trained anew."""
    from tunekit.training.loop import Session

    session = Session(request.config, bench)
    if session.splits.shareable and entry.iterations() >= request.at:
        session, _ = _continued(session, entry)
        if session.iteration > request.at:
            session = Session(request.config, bench)
        for _ in session.run(request.at):
            pass  # its rows are stored already
        return session.state()
    state = entry.checkpoint()
    if state is None:
        raise UserError(f"{entry.path}: no checkpoint to measure at iteration {request.at}")
    return state


def _shared_splits(place: Path, data: DataSpec, key: str, folder: Path) -> Splits:
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
        try:
            torch.save(packed, part)
            part.replace(path)
        except (OSError, RuntimeError):  # no room on the disk, of which torch makes an error of its own
            part.unlink(missing_ok=True)
            return splits
    return unpack(torch.load(path, mmap=True, weights_only=True))


def _size(packed: Packed) -> int:
    """Bytes of the training inputs."""
    train = packed["train"]
    return sum(int(value.nbytes) for value in (*train["args"], *train["kwargs"].values()))


@dataclass
class _Unsaved:
    """What a session has made since the last flush, and where in the files it belongs."""

    metrics_bytes: int
    validations: int
    chunks: list[Chunk] = field(default_factory=list)
    best_weights: bytes | None = None

    def is_of(self, session: Session) -> bool:
        """Whether it goes up to where the session stands: what ends a training may do so between any two lines."""
        if not self.chunks:
            return False
        last = self.chunks[-1].rows[-1]
        return not math.isfinite(last.train_loss) if session.dead else last.iteration == session.iteration


SAVING = threading.Event()
"""Set while rows, weights or a checkpoint are on their way to the store: then a worker answers nobody."""


@contextmanager
def _saving() -> Iterator[None]:
    SAVING.set()
    try:
        yield
    finally:
        SAVING.clear()


class _Writer:
    """Rows of a session on their way to the store: metrics first, then the checkpoint that stands for them."""

    def __init__(self, entry: Entry, session: Session) -> None:
        table = entry.cut(session.iteration)
        self.entry, self.session = entry, session
        metric = session.task.metric
        self.metric = metric.name
        self.losses: list[float] = list(table.get("train_loss", ()))
        self.scores = _shown(table.get(f"train_{metric.name}", ()))
        self.validations = [value for value in table.get(f"val_{metric.name}", ()) if value is not None]
        self.checked = 0
        self.flushed = time.monotonic()
        self.sign = 1.0 if metric.maximize else -1.0
        self.best = max((self.sign * value for value in self.validations if math.isfinite(value)), default=-math.inf)
        validations = sum(value is not None for value in table.get("val_loss", ()))
        self.unsaved = _Unsaved(entry.metrics_bytes(), validations)

    def add(self, chunk: Chunk) -> None:
        self.losses += [row.train_loss for row in chunk.rows]
        self.scores += _shown(row.train_metric for row in chunk.rows)
        self.validations += [row.val_metric for row in chunk.rows if row.val_metric is not None]
        if chunk.evaluation is not None:
            score = chunk.rows[-1].val_metric
            if score is not None and math.isfinite(score) and self.sign * score > self.best:
                self.best = self.sign * score
                with _saving():
                    self.unsaved.best_weights = self.session.weights()
        self.unsaved.chunks.append(chunk)

    def ends(self, request: Training) -> bool:
        stop, start = request.stop, self.checked
        self.checked = len(self.losses)
        return (
            stop.diverged_at(self.losses, start) is not None
            or stop.solved_at(self.losses, self.scores, start) is not None
            or stop.stale_at(self.validations) is not None
        )

    def flush(self) -> None:
        """Save what is not saved yet. Where it is interrupted, the next one writes the same to the same places."""
        unsaved = self.unsaved
        if not self.session.whole or not unsaved.is_of(self.session):
            return  # in the middle of an iteration the weights stand for none
        with _saving():
            self._save(unsaved)

    def _save(self, unsaved: _Unsaved) -> None:
        every = [chunk.evaluation for chunk in unsaved.chunks if chunk.evaluation is not None]
        for number, one in enumerate(every, start=unsaved.validations):
            self.entry.append_validation(one.sample_losses, one.sample_scores, one.halves, validation=number)
        rows = [row for chunk in unsaved.chunks for row in chunk.rows]
        size = self.entry.append(self.metric, rows, unsaved.metrics_bytes)
        if not self.session.validates and not self.session.dead:
            unsaved.best_weights = self.session.weights()  # none is known to be better than the last
        if unsaved.best_weights is not None:
            self.entry.save(BEST_WEIGHTS, unsaved.best_weights)
        if self.session.dead:
            self.entry.drop_checkpoint()  # not finite: stored and final
        else:
            self.entry.save(CHECKPOINT, self.session.state())
        self.unsaved = _Unsaved(size, unsaved.validations + len(every))
        self.flushed = time.monotonic()


def _shown(scores: Iterable[float | None]) -> list[float]:
    """Scores of training batches; NaN where a batch's says nothing of the whole."""
    return [math.nan if score is None else score for score in scores]


def is_finished(request: Training, rows: Table) -> bool:
    """Whether the stored rows answer the request: its budget is used, or its rule ended it."""
    losses = rows.get("train_loss")
    if losses is None:
        return False  # nothing is stored, not even that there is nothing to train
    if len(losses) >= request.until:
        return True
    scores = _shown(rows.get(f"train_{judged_by(rows)}", ()))
    return (
        request.stop.diverged_at(losses) is not None
        or request.stop.solved_at(losses, scores) is not None
        or stopped_early_at(request, rows) is not None
    )


def stopped_early_at(request: Training, rows: Table) -> int | None:
    """The iteration (from 1) at which the request's patience ran out, or None. Rows beyond it are another request's,
    of more patience."""
    index = request.stop.stale_at(rows.get(f"val_{judged_by(rows)}", ()))
    return None if index is None else index + 1
