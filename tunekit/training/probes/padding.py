"""Where sequences end and padding begins. Finds it from the numbers alone; judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

VOCABULARY = 4  # different tokens, below which a run of one is no padding
SHARE = 0.2  # of the sequences that end in padding
ONLY = 0.99  # share of the padding's occurrences that stand at an end
SORTED = 0.5  # share of the sequences that are in order: there every value has a run of its own


@dataclass(frozen=True)
class Padding:
    """`real` [B, L]: where a sequence has its own steps."""

    token: int  # that fills the rest; 0 where steps are numbers
    real: Tensor

    @property
    def lengths(self) -> Tensor:
        return self.real.sum(1)

    @property
    def left(self) -> bool:
        return bool((~self.real[:, 0]).any())


def find_padding(value: object) -> Padding | None:
    """The padding of sequences [B, L] of tokens, or [B, L, F] of numbers: one value that fills the ends of several,
    runs of differing lengths, and that stands nowhere else. None: there is none."""
    if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[1] < 3 or len(value) < 2:
        return None
    if value.dim() == 2 and not value.is_floating_point() and value.dtype != torch.bool:
        return _of_tokens(value)
    if value.dim() == 3 and value.is_floating_point():
        filled = (value == 0).all(2)
        return _of(filled, 0)
    return None


def _of_tokens(tokens: Tensor) -> Padding | None:
    if len(tokens.unique()) < VOCABULARY:
        return None
    for column in (-1, 0):
        token = int(tokens[:, column].mode().values)
        padding = _of(tokens == token, token)
        if padding is None:
            continue
        inner = padding.real[:, 1:] & padding.real[:, :-1]
        falls = ((tokens[:, 1:] < tokens[:, :-1]) & inner).any(1)
        if float((~falls).float().mean()) <= SORTED:
            return padding
    return None


def _of(filled: Tensor, token: int) -> Padding | None:
    """Padding, where the filled steps [B, L] are runs at one end of the sequences."""
    for turned in (filled, filled.flip(1)):
        run = turned.flip(1).long().cumprod(1).flip(1).bool()  # filled from here to the end
        count = int(turned.sum())
        lengths = run.sum(1)
        share = float((lengths > 0).float().mean())
        if not count or share < SHARE or len(lengths.unique()) < 2 or int(lengths.max()) < 2:
            continue
        if float(run.sum()) >= ONLY * count and not bool(run.all(1).any()):
            return Padding(token, ~(run if turned is filled else run.flip(1)))
    return None
