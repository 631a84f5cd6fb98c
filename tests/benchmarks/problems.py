"""Small problems with known difficulties, on which learning-rate finders are compared. Data are drawn from a seed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

SIZE, FEATURES, CLASSES = 2000, 20, 5

PROBLEMS = ("clean", "noisy", "deep", "batch_norm", "regression", "logistic")
"""An MLP on clean labels, with 30 % of them wrong, six layers deep, with batch normalisation; regression; no layer."""


def data(kind: str) -> tuple[TensorDataset, TensorDataset]:
    """(train, val): a random two-layer teacher over normal inputs."""
    draw = torch.Generator().manual_seed(PROBLEMS.index(kind))
    x = torch.randn(SIZE, FEATURES, generator=draw)
    hidden = torch.tanh(x @ torch.randn(FEATURES, 32, generator=draw) / FEATURES**0.5)
    outputs = hidden @ torch.randn(32, CLASSES, generator=draw)
    y: Tensor
    if kind == "regression":
        y = outputs[:, :1] + 0.1 * torch.randn(SIZE, 1, generator=draw)
    else:
        y = outputs.argmax(1)
        if kind == "noisy":
            wrong = torch.rand(SIZE, generator=draw) < 0.3
            y = torch.where(wrong, torch.randint(CLASSES, (SIZE,), generator=draw), y)
    cut = SIZE * 4 // 5
    return TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut:], y[cut:])


def model(kind: str) -> nn.Module:
    outputs = 1 if kind == "regression" else CLASSES
    if kind == "logistic":
        return nn.Linear(FEATURES, outputs)
    layers: list[nn.Module] = []
    width = FEATURES
    for _ in range(6 if kind == "deep" else 2):
        layers += [nn.Linear(width, 64), *([nn.BatchNorm1d(64)] if kind == "batch_norm" else []), nn.ReLU()]
        width = 64
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # with torch's own, six layers hardly start
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def loss(kind: str) -> Any:
    return nn.MSELoss() if kind == "regression" else nn.CrossEntropyLoss()
