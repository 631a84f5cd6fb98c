"""A polynomial of few inputs, linear in its coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import comb, prod

import torch
from torch import Tensor, nn

from tunekit.telling import counted
from tunekit.training.models.layers import whole

MOST_TERMS = 10_000


class Terms(nn.Module):
    """All products of Legendre polynomials of the inputs [B, n], of total degree 1 to d: [B, C(n+d, d) - 1].

    They span what the powers span. Inputs are brought to [-1, 1] by the training samples' range, where sqrt(2k + 1) P_k
    have a mean square of 1 and are orthogonal, so that gradient descent sees no x^9 of another size than x.
    """

    low: Tensor
    high: Tensor
    powers: Tensor

    def __init__(self, inputs: int, degree: int, low: Tensor, high: Tensor) -> None:
        super().__init__()
        chosen = (one for k in range(1, degree + 1) for one in combinations_with_replacement(range(inputs), k))
        powers = [[one.count(place) for place in range(inputs)] for one in chosen]
        self.degree = degree
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        self.register_buffer("powers", torch.tensor(powers))

    def forward(self, x: Tensor) -> Tensor:
        x = 2 * (x.flatten(1) - self.low) / (self.high - self.low).clamp_min(1e-12) - 1
        legendre = [torch.ones_like(x), x]
        for k in range(1, self.degree):  # Bonnet: (k + 1) P_{k+1} = (2k + 1) x P_k - k P_{k-1}
            legendre.append(((2 * k + 1) * x * legendre[k] - k * legendre[k - 1]) / (k + 1))
        scaled = torch.stack([math.sqrt(2 * k + 1) * p for k, p in enumerate(legendre)], 2)  # [B, n, degree + 1]
        chosen = scaled.unsqueeze(1).expand(-1, len(self.powers), -1, -1)
        return chosen.gather(3, self.powers.expand(len(x), -1, -1).unsqueeze(3)).squeeze(3).prod(2)


def polynomial(
    shape: Sequence[int], outputs: int, degree: int = 1, bounds: tuple[Tensor, Tensor] | None = None
) -> nn.Module:
    """A polynomial of some degree of few inputs [B, *shape] to [B, outputs]: its terms, and a linear layer.

    `bounds` are the least and the largest of each input in the training samples [n]; without them inputs are taken to
    lie in [-1, 1]. All coefficients begin at zero: the loss has one valley, and nothing to
    break the symmetry of. Errors: ValueError.
    """
    inputs = prod(shape)
    terms = comb(inputs + whole("degree", degree), degree) - 1
    if terms > MOST_TERMS:
        raise ValueError(
            f"degree {degree} of {counted(inputs, 'input')} has {terms:,} terms; at most {MOST_TERMS:,} are built"
        )
    low, high = bounds if bounds is not None else (-torch.ones(inputs), torch.ones(inputs))
    linear = nn.Linear(terms, outputs)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(Terms(inputs, degree, low, high), linear)
