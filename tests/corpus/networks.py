"""The networks of the corpus, as people write them: plain torch, nothing of tunekit."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Tokens(nn.Module):
    """Numbers [n, length, features] or tokens [n, length] as [n, length, width], with a place's own vector added."""

    def __init__(self, width: int, features: int, tokens: int | None, length: int, places: bool) -> None:
        super().__init__()
        self.first = nn.Linear(features, width) if tokens is None else nn.Embedding(tokens, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width)) if places else None

    def forward(self, x: Tensor) -> Tensor:
        given = self.first(x)
        return given if self.places is None else given + self.places


class Mlp(nn.Module):
    def __init__(  # noqa: PLR0913 - what a network is made of
        self, inputs: int, outputs: int, width: int, depth: int, norm: bool, dropout: float, squash: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for _ in range(depth):
            layers += [nn.Linear(inputs, width)]
            layers += [nn.BatchNorm1d(width)] if norm else []
            layers += [nn.Sigmoid() if squash else nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
            inputs = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Cnn(nn.Module):
    """Convolutions over images [n, channels, h, w] or series [n, length, channels], halved after each, then a mean."""

    def __init__(
        self, shape: tuple[int, ...], outputs: int, width: int, depth: int, norm: bool, dropout: float
    ) -> None:
        super().__init__()
        self.series = len(shape) == 2
        conv, batch, pool = (
            (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d) if self.series else (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
        )
        channels = shape[-1] if self.series else shape[0]
        layers: list[nn.Module] = []
        for place in range(depth):
            layers += [conv(channels, width, 3, padding=1)]
            layers += [batch(width)] if norm else []
            layers += [nn.ReLU(), *([pool(2)] if place < 2 else [])]
            channels = width
            width = min(2 * width, 512)
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.LazyLinear(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.transpose(1, 2) if self.series else x))


class Lstm(nn.Module):
    def __init__(self, first: _Tokens, outputs: int, width: int, depth: int, dropout: float, each: bool) -> None:
        super().__init__()
        self.first, self.each = first, each
        self.body = nn.LSTM(width, width, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.body(self.first(x))
        return self.head(states if self.each else states[:, -1])


class Transformer(nn.Module):
    """Pre-norm blocks; each place sees those before it where each has a target, else all."""

    def __init__(self, first: _Tokens, outputs: int, width: int, depth: int, dropout: float, each: bool) -> None:
        super().__init__()
        self.first, self.each = first, each
        block = nn.TransformerEncoderLayer(
            width, 2, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(block, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1]) if self.each else None
        states = self.body(self.first(x), mask=mask, is_causal=self.each)
        return self.head(states if self.each else states.mean(1))


def network(  # noqa: PLR0913 - what a network is made of
    family: str,
    x: Tensor,
    outputs: int,
    each: bool,
    tokens: int | None = None,
    width: int = 32,
    depth: int = 2,
    norm: bool = False,
    dropout: float = 0.0,
    squash: bool = False,
) -> nn.Module:
    """A network for samples like `x`. `each`: every place of a sequence has outputs; `tokens`: how many there are."""
    if family == "mlp":
        model: nn.Module = Mlp(x[0].numel(), outputs, width, depth, norm, dropout, squash)
    elif family == "cnn":
        model = Cnn(tuple(x.shape[1:]), outputs, width, depth, norm, dropout)
    else:
        length, features = x.shape[1], 1 if tokens is not None else x.shape[2]
        first = _Tokens(width, features, tokens, length, family == "transformer")
        model = (Lstm if family == "lstm" else Transformer)(first, outputs, width, depth, dropout, each)
    model(x[:2])  # lazy layers learn their inputs
    return model
