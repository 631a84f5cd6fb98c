"""Ten small problems on which the chain of steps is held against a default and two searches. Each has training,
validation and test samples, drawn anew for each split; the sizes are part of the problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.utils.data import TensorDataset

Sets = tuple[TensorDataset, TensorDataset, TensorDataset]


@dataclass(frozen=True)
class Problem:
    """Samples x, y of a seed and how many of them are for training and validation; the rest is the test."""

    samples: Callable[[int], tuple[Tensor, Tensor]]
    train: int
    val: int
    model: Callable[[], nn.Module]
    task: str = "classification"
    wrong: float = 0.0  # share of the training and validation labels that are drawn at random


def _of(loader: Callable[..., Any]) -> Callable[[int], tuple[Tensor, Tensor]]:
    """A table of scikit-learn's, standardised."""

    def samples(_seed: int) -> tuple[Tensor, Tensor]:
        x, y = loader(return_X_y=True)
        x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
        y = y.long() if loader is not datasets.load_diabetes else ((y - y.mean()) / y.std()).float()[:, None]
        return (x - x.mean(0)) / x.std(0).clamp_min(1e-6), y

    return samples


def _pictures(_seed: int) -> tuple[Tensor, Tensor]:
    x, y = datasets.load_digits(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32).view(-1, 1, 8, 8) / 8 - 1, torch.tensor(y)


def _friedman(seed: int) -> tuple[Tensor, Tensor]:
    x, y = datasets.make_friedman1(3000, n_features=10, noise=1.0, random_state=seed)
    y = torch.tensor(y, dtype=torch.float32)[:, None]
    return torch.tensor(x, dtype=torch.float32) * 2 - 1, (y - y.mean()) / y.std()


def _teacher(seed: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1000 + seed)
    x = torch.randn(4000, 20, generator=draw)
    hidden = torch.tanh(x @ torch.randn(20, 32, generator=draw) / 20**0.5)
    return x, (hidden @ torch.randn(32, 5, generator=draw)).argmax(1)


def _words(seed: int) -> tuple[Tensor, Tensor]:
    """Sequences of 20 of 30 words: does the first word that comes twice lie among the first fifteen?"""
    draw = torch.Generator().manual_seed(2000 + seed)
    x = torch.randint(0, 30, (4000, 20), generator=draw)
    seen = (x[:, :, None] == x[:, None]).tril(-1).any(2)
    first = torch.where(seen.any(1), seen.int().argmax(1), 19)
    return x, (x[torch.arange(len(x)), first] < 15).long()


def mlp(features: int, outputs: int, *hidden: int, norm: bool = False) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        width = features
        for size in hidden:
            layers += [nn.Linear(width, size), *([nn.BatchNorm1d(size)] if norm else []), nn.ReLU()]
            width = size
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    return build


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


class _Reader(nn.Module):
    """Embedding, one block of attention and a pooled decision: [B, 20] words to [B, 2]."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(30, width), nn.Embedding(20, width)
        self.block = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.block(self.words(x) + self.places(torch.arange(x.shape[1], device=x.device)))
        return self.head(states.mean(1))  # type: ignore[no-any-return]


PROBLEMS: dict[str, Problem] = {
    "digits, MLP with BatchNorm": Problem(_pictures, 1000, 300, mlp(64, 10, 128, 128, norm=True)),
    "digits, CNN": Problem(_pictures, 1000, 300, _cnn),
    "digits, a third of the labels wrong": Problem(_pictures, 1000, 300, mlp(64, 10, 128), wrong=0.33),
    "digits, 50 samples to validate": Problem(_pictures, 200, 50, mlp(64, 10, 64)),
    "breast cancer, 100 samples to validate": Problem(_of(datasets.load_breast_cancer), 269, 100, mlp(30, 2, 32)),
    "wine, 36 samples to validate": Problem(_of(datasets.load_wine), 72, 36, mlp(13, 3, 32)),
    "diabetes, regression": Problem(_of(datasets.load_diabetes), 200, 110, mlp(10, 1, 64, 64), "regression"),
    "Friedman's function, regression": Problem(_friedman, 800, 400, mlp(10, 1, 64, 64), "regression"),
    "a random teacher, six layers": Problem(_teacher, 1500, 500, mlp(20, 5, *[64] * 6)),
    "words, attention": Problem(_words, 1500, 500, _Reader),
}
"""Chosen before any of them was measured: two tables of few samples, two regressions, noise, depth, pictures, words."""


def sets(name: str, split: int) -> Sets:
    """(train, val, test) of a problem."""
    problem = PROBLEMS[name]
    x, y = problem.samples(split)
    draw = torch.Generator().manual_seed(split)
    order = torch.randperm(len(y), generator=draw)
    x, y = x[order], y[order]
    shown = problem.train + problem.val
    if problem.wrong:
        y = y.clone()
        wrong = torch.rand(shown, generator=draw) < problem.wrong
        y[:shown] = torch.where(wrong, torch.randint(int(y.max()) + 1, (shown,), generator=draw), y[:shown])
    cuts = (slice(0, problem.train), slice(problem.train, shown), slice(shown, len(y)))
    train, val, test = (TensorDataset(x[cut], y[cut]) for cut in cuts)
    return train, val, test


def model(name: str) -> nn.Module:
    """For a recipe's `model.target`."""
    return PROBLEMS[name].model()
