"""How fast a training goes here: a few iterations and a look at validation, timed. Nothing of it is kept."""

from __future__ import annotations

import time
from itertools import islice

import torch

from tunekit.measured import SpeedMeasured
from tunekit.training.evaluation import Tally
from tunekit.training.loop import Session
from tunekit.training.probes.subject import Subject

LOOK_S = 0.3  # for which iterations are timed
SLOW_S = 1.0  # an iteration that takes as long is timed once
MOST = 16  # iterations that are timed, and batches of validation: a quarter of it


def measure_speed(subject: Subject) -> SpeedMeasured:
    """Seconds of a training's parts. What no second session may read (a stream, a loader of the person's own) is left
    alone: zeros."""
    config = subject.config
    if not Session(config, subject.bench).splits.shareable:
        return SpeedMeasured(0.0, 0.0, 0.0, config.batch_size)
    started = time.perf_counter()
    session = Session(config, subject.bench)  # the first reads the data and imports what it needs
    start = time.perf_counter() - started
    session.optimizer  # noqa: B018 - built now, for it imports torch's compiler
    per_epoch = session.iterations_per_epoch
    each = _iterations(session, 1)
    more = min(MOST, int(LOOK_S / max(each, 1e-6)), max(1, per_epoch - 2))
    if more > 0 and each < SLOW_S:
        each = _iterations(session, 1 + more) / more
    sample = _sample(session)
    validating = sample * len(session.splits.val) if per_epoch <= 2 else 0.0  # it was timed with the iterations
    return SpeedMeasured(start, max(each / 10, each - validating), sample, config.batch_size)


def _iterations(session: Session, until: int) -> float:
    started = time.perf_counter()
    for _ in session.run(until):
        pass
    return time.perf_counter() - started


@torch.no_grad()
def _sample(session: Session) -> float:
    """Of a pass over validation, a sample."""
    started, seen = time.perf_counter(), 0
    tally = Tally(session.task, session.config.batch_size)
    for batch, outputs in islice(session.answers(session.splits.val), MOST // 4):
        tally.add(outputs, batch.targets, len(batch))
        seen += len(batch)
        if time.perf_counter() - started > LOOK_S:
            break
    if seen:
        tally.evaluation()
    return (time.perf_counter() - started) / max(1, seen)
