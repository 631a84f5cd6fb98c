"""What each input by itself changes of a model's answer. Measures; judges nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from tunekit.measured import InputUse
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.gradients import stirred
from tunekit.training.probes.sequences import exchanged
from tunekit.training.structure import tensors


@torch.no_grad()
def measure_inputs(session: Session, batch: Batch) -> tuple[InputUse, ...] | None:
    """For each input that differs between samples: whether other samples' values of it change anything, in eval or in
    train mode. An input that is the same for all, or that only numbers the samples, is left out."""
    if len(batch.inputs) < 2:
        return None
    uses = []
    with stirred(session.model):
        base = _answers(session, batch)
        if not _equal(base, _answers(session, batch)):
            return None
        for place, (name, value) in enumerate(zip(batch.names, batch.inputs, strict=True)):
            if not isinstance(value, Tensor) or not value.dim() or _is_number_of_sample(value):
                continue
            other = value.roll(1, 0)
            if torch.equal(value, other):
                continue
            try:
                changed = not _equal(base, _answers(session, exchanged(batch, {place: other})))
            except Exception:  # inputs that belong together may not be mixed
                continue
            uses.append(InputUse(name, changed, masks=_is_mask(value)))
    return tuple(uses)


def _answers(session: Session, batch: Batch) -> list[Tensor]:
    """All tensors that the model gives in eval mode and in train mode, with equal random numbers each time."""
    answers: list[Tensor] = []
    for mode in (False, True):
        session.model.train(mode)
        torch.manual_seed(0)
        answers += tensors(session.answer(session.model, batch))
    return answers


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(
        a.shape == b.shape and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        for a, b in zip(first, second, strict=True)
    )


def _is_number_of_sample(value: Tensor) -> bool:
    """Whether an input names each sample: one whole number each, no two alike."""
    one = value.numel() == len(value) and not value.is_floating_point()
    return one and len(value.unique()) == len(value)


def _is_mask(value: Tensor) -> bool:
    return value.dim() >= 2 and (value.dtype == torch.bool or bool(((value == 0) | (value == 1)).all()))
