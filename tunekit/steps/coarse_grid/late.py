"""Searched values that act late: a short run flatters the training without them, so the grid does not decide them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunekit.vocabulary import Record

DECAY = "weight_decay"
LATE = ("dropout", "drop_path", "drop_rate", "stochastic_depth", "label_smoothing", "smoothing", "mixup", "cutmix")
"""Arguments by which a model or a loss is regularised, as they are commonly called; augmentation and decay besides."""


def is_late(path: str) -> bool:
    """Whether a searched value is a regulariser's strength."""
    last = path.rpartition(".")[2]
    return path == DECAY or path.startswith("data.augment") or any(name in last for name in LATE)


def is_on(value: Any, values: Sequence[Any]) -> bool:
    """Whether a setting regularises, among those of its axis: where all do, more than the least."""
    if any(not other for other in values):
        return bool(value)
    numbers = all(isinstance(other, int | float) for other in values)
    return bool(value > min(values)) if numbers else True


def arms(scored: Sequence[Record]) -> dict[str, list[Record]]:
    """For each late axis of which both arms have cells, those of the regularised arm, the best first."""
    found = {}
    for path in scored[0].params if scored else ():
        values = [record.params.get(path) for record in scored]
        on = [record for record, value in zip(scored, values, strict=True) if is_on(value, values)]
        if is_late(path) and 0 < len(on) < len(scored):
            found[path] = on
    return found


def with_arms(
    chosen: Sequence[Record], scored: Sequence[Record], wanted: int, skip: Sequence[str] = ()
) -> tuple[list[Record], list[str]]:
    """The chosen cells with the best regularised one for every late axis of which they have none, in the place of the
    last of them; and the axes for which there is no place. `skip`: axes on which nothing differs."""
    cells, left, own = list(chosen), [], 1  # the best itself stays
    for path, on in arms(scored).items():
        if path in skip or any(record in cells for record in on):
            continue
        if own >= wanted:
            left.append(path)
        elif len(cells) < wanted:
            cells.append(on[0])
            own += 1
        else:
            cells[len(cells) - own] = on[0]
            own += 1
    return cells, left
