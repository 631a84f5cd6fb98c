"""Room on the disk: what trainings will take of it, from plain numbers, and what is said of that. Reads no disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

ROW_BYTES = 70  # of metrics.csv, an iteration
SAMPLE_BYTES = 8  # of validations.bin, a sample and validation: its loss and its score
ARCHIVE_BYTES, TENSOR_BYTES = 2000, 350  # of a torch archive besides its numbers: once, and for each tensor
SAID_FROM = 0.1  # of what is free: less needs no word


@dataclass(frozen=True)
class Sizes:
    """Bytes of one training's weights."""

    checkpoint: int  # checkpoint.pt: the model, its average and the optimizer's state
    best: int  # best.pt: the model alone

    def at_least(self, other: Sizes) -> Sizes:
        return Sizes(max(self.checkpoint, other.checkpoint), max(self.best, other.best))


@dataclass(frozen=True)
class Planned:
    """A training that is asked for: what it adds to what is there."""

    iterations: int
    validations: int
    samples: int  # of the validation split
    begins: bool = True  # False: it goes on from a checkpoint, which is replaced


def sizes_of(numbers: int, tensors: int, states: int, averaged: bool) -> Sizes:
    """Sizes before anything was trained: of a model of so many bytes of numbers in so many tensors, and an optimizer
    that keeps `states` of each (Adam two, plain gradient descent none)."""
    copies = 1 + states + averaged
    return Sizes(archive(numbers * copies, tensors * copies), archive(numbers, tensors))


def archive(numbers: int, tensors: int) -> int:
    return ARCHIVE_BYTES + numbers + TENSOR_BYTES * tensors


def room(planned: Iterable[Planned], sizes: Sizes) -> int:
    """Bytes that trainings take. All of a step keep their weights until it ends, for the next round may go on from any
    of them."""
    total = 0
    for one in planned:
        total += one.iterations * ROW_BYTES + one.validations * one.samples * SAMPLE_BYTES
        if one.begins:
            total += sizes.checkpoint + (sizes.best if one.validations else 0)
    return total


def peak(steps: Iterable[Sequence[Planned]], sizes: Sizes, kept: int) -> int:
    """The most that a run holds at once, where each step leaves the weights of so many trainings at its end."""
    most = held = 0
    for planned in steps:
        most = max(most, held + room(planned, sizes))
        held += room(planned[:kept], sizes) + room([replace(one, begins=False) for one in planned[kept:]], sizes)
    return most


def warning(what: str, needed: int, trainings: int, free: int) -> str:
    """What to tell of a need, or nothing where it is small."""
    if needed <= SAID_FROM * free:
        return ""
    text = f"{what} will take about {shown(needed)} of the disk for {trainings} trainings; {shown(free)} are free"
    return text if needed <= free else f"{text}: too little, so free space or begin a run in another place (--runs-dir)"


def shown(size: float) -> str:
    """Bytes as a person reads them.

    >>> shown(1_900_000_000), shown(12_340), shown(999)
    ('1.9 GB', '12.3 kB', '999 bytes')
    """
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"
