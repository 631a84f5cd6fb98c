"""Whether a view or a reshape in the person's code stands where axes were to be exchanged: the sizes change their
places, and the values do not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.measured import Regrouped
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.places import Calls, name_of, persons_line

REGROUPING = (Tensor.view, Tensor.reshape, torch.reshape, Tensor.view_as, Tensor.reshape_as, Tensor.unflatten)

Shapes = tuple[tuple[int, ...], tuple[int, ...]]  # before and after
Place = tuple[str, str, int]  # function, line, number of the call there


def measure_regrouped(session: Session, batch: Batch) -> tuple[Regrouped, ...]:
    """Calls in forward() that regroup, told from those whose sizes are alike by chance by a batch of another size."""
    fewer = len(batch) - 1
    if fewer < 2:
        return ()
    rest = batch.each(lambda value: value[:fewer] if value.dim() and len(value) == len(batch) else value)
    whole, part = _calls(session, batch), _calls(session, rest)
    found: dict[tuple[str, str], Regrouped] = {}
    for (function, line, number), shapes in whole.items():
        again = part.get((function, line, number))
        of_samples = None if again is None else _mixes(shapes, again)
        if of_samples is not None:
            found.setdefault((function, line), Regrouped(function, line, *shapes, of_samples))
    return tuple(found.values())


def _calls(session: Session, batch: Batch) -> dict[Place, Shapes]:
    calls: dict[Place, Shapes] = {}
    counts: Counter[tuple[str, str]] = Counter()

    def see(func: Callable[..., object], args: tuple[object, ...], _kwargs: Values, output: object) -> None:
        if func not in REGROUPING or not args or not isinstance(args[0], Tensor) or not isinstance(output, Tensor):
            return
        name, line = name_of(func), persons_line()
        if line:
            calls[name, line, counts[name, line]] = tuple(args[0].shape), tuple(output.shape)
            counts[name, line] += 1

    with torch.no_grad(), Calls(see):
        session.answer(session.model.eval(), batch)
    return calls


def _mixes(whole: Shapes, part: Shapes) -> bool | None:
    """Whether axes changed their places: True with the samples among them, False without; None where none did."""
    samples = [_of_samples(one, other) for one, other in zip(whole, part, strict=True)]
    before, after = whole
    if samples[0] is not None and samples[1] is not None and before[samples[0]] == after[samples[1]]:
        inside = [math.prod(shape[:axis]) for shape, axis in zip(whole, samples, strict=True)]
        if inside[0] != inside[1]:
            return True
    plain = [[size for size in shape if size != 1] for shape in whole]
    if plain[0] != plain[1] and sorted(plain[0]) == sorted(plain[1]):
        apart = [[size for size in shape if size != 1] for shape in part]
        return False if sorted(apart[0]) == sorted(apart[1]) and apart[0] != apart[1] else None
    return None


def _of_samples(whole: tuple[int, ...], part: tuple[int, ...]) -> int | None:
    """The axis of samples: the only one whose size goes with the batch's."""
    if len(whole) != len(part):
        return None
    changed = [axis for axis, sizes in enumerate(zip(whole, part, strict=True)) if sizes[0] != sizes[1]]
    return changed[0] if len(changed) == 1 else None
