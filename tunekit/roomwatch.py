"""Says what a step's trainings will take of the disk, before they do: by diskroom's estimate, with what lies there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

from tunekit.configuration import TINY_VALIDATION
from tunekit.diskroom import ROW_BYTES, Planned, Sizes, room, warning
from tunekit.steps import Context
from tunekit.store import Store
from tunekit.vocabulary import Emit, Facts, Measurement, Noted, Training


class RoomWatch:
    """Of one step. It speaks once, and once more where what is free turns out to be too little."""

    def __init__(self, context: Context[Any], store: Store, emit: Emit) -> None:
        self._context, self._store, self._emit = context, store, emit
        self._sizes = guessed_sizes(context.facts)
        self._measured = False
        self._planned: list[Planned] = []
        self._said = 0.0  # share of what was free

    def begin(self, requests: Sequence[Training | Measurement]) -> None:
        """A round is about to be carried out."""
        trainings = [request for request in requests if isinstance(request, Training)]
        self._planned = [self._left(request) for request in trainings]
        self._tell()

    def wrote(self, request: Training | Measurement) -> None:
        """A request has ended: what it wrote tells what the others will."""
        if isinstance(request, Training) and self._learn(self._store.entry(request.config).sizes()):
            self._tell()

    def _learn(self, seen: Sizes | None) -> bool:
        """Take the sizes of a training's files, where it has some, for those of the others; whether that changes
        them."""
        if seen is None:
            return False
        before, self._sizes = self._sizes, self._sizes.at_least(seen) if self._measured else seen
        self._measured = True
        return self._sizes != before

    def _left(self, request: Training) -> Planned:
        """What is missing of a training, by the length of its metrics: reading them all would take a second look."""
        entry = self._store.entry(request.config)
        left, sizes = max(0, request.until - entry.metrics_bytes() // ROW_BYTES), entry.sizes()
        self._learn(sizes)
        return planned(self._context, request, left, begins=left > 0 and sizes is None)

    def _tell(self) -> None:
        needed, free = room(self._planned, self._sizes), shutil.disk_usage(self._store.root.parent).free
        share = needed / max(1, free)
        text = warning(self._context.step.name, needed, sum(one.begins for one in self._planned), free)
        if text and (not self._said or share > 1 >= self._said):
            self._said = share
            self._emit(Noted(text))


def guessed_sizes(facts: Facts) -> Sizes:
    """Before the first checkpoint."""
    return Sizes(facts.checkpoint_bytes, facts.weights_bytes)


def planned(context: Context[Any], request: Training, iterations: int, begins: bool) -> Planned:
    """A request as numbers: so many iterations of it are missing."""
    if request.config.data.subset is not None:
        # The tiny set is one batch, and its own validation split.
        return Planned(iterations, iterations // TINY_VALIDATION, request.config.batch_size, begins)
    return Planned(iterations, iterations // context.iterations_per_epoch(request.params), context.facts.n_val, begins)
