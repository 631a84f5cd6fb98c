"""Noisy samples of a curve that is known: what underfitting and overfitting look like."""

from __future__ import annotations

import torch

from tunekit.training.data import Batch, TensorSplit
from tunekit.training.seeds import generator
from tunekit.training.sources.parts import Parts
from tunekit.vocabulary import UserError

COEFFICIENTS = (-1.0, 0.8, 3.0)
"""Of 1, x and x^2. The curve's variance is 4/3 + 9 * 4/45 = 2.13 over x in -1 to 1, of which a line explains 4/3."""
MOST = 10_000_000  # samples


def curve(n: int = 30, noise: float = 0.3, seed: int = 0, n_val: int = 200, n_test: int = 200) -> Parts:
    """y = -1 + 0.8x + 3x^2 and normal noise: float32 [n, 1] and [n]. x are the middles of n equal parts of -1 to 1, in
    any order, so that few samples stand for the whole range. No model gets below a mean squared error of noise^2 on
    samples that it has not seen."""
    if not all(isinstance(count, int) and 1 < count <= MOST for count in (n, n_val, n_test)):
        raise UserError(f"data.args: n, n_val and n_test must be whole numbers from 2 to {MOST:,}")
    if not 0 <= noise < float("inf"):
        raise UserError(f"data.args.noise: a standard deviation, 0 or more, not {noise}")
    train, val, test = (
        _samples(count, noise, generator(seed, f"curve {split}"))
        for split, count in (("train", n), ("val", n_val), ("test", n_test))
    )
    return Parts(train, val, test)


def _samples(count: int, noise: float, draw: torch.Generator) -> TensorSplit:
    place = torch.randperm(count, generator=draw).unsqueeze(1)
    x = (2 * place + 1) / count - 1
    y = sum(factor * x[:, 0] ** power for power, factor in enumerate(COEFFICIENTS))
    return TensorSplit(Batch((x,), {}, y + noise * torch.randn(count, generator=draw)))
