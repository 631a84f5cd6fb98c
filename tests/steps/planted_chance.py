"""Data from which nothing can be learned, or something, and models that learn nothing."""

import torch
from torch import nn
from torch.utils.data import TensorDataset


def _split(x, y):
    return TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])


def _inputs(count: int = 900):
    return torch.randn(count, 10, generator=torch.Generator().manual_seed(0))


def random_labels():
    x = _inputs()
    return _split(x, torch.randint(4, (len(x),), generator=torch.Generator().manual_seed(1)))


def learnable():
    x = _inputs()
    return _split(x, (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long())


def imbalanced():
    """A tenth of the second class."""
    x = _inputs()
    return _split(x, (x[:, 0] + x[:, 1] > 1.8).long())


def learnable_regression():
    x = _inputs()
    return _split(x, x[:, 0] + 0.5 * x[:, 1])


def weak_regression():
    """A quarter of the variance can be explained."""
    x = _inputs()
    return _split(x, x[:, 0] + 1.7 * torch.randn(len(x), generator=torch.Generator().manual_seed(2)))


class Zeros(nn.Module):
    def __init__(self, outputs: int = 4):
        super().__init__()
        self.body, self.outputs = nn.Linear(10, outputs), outputs

    def forward(self, x):
        return 0 * self.body(x)


def zeros():
    return Zeros()


class Constant(nn.Module):
    """Learns a level, whatever comes in."""

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.level.expand(len(x), 1)


def constant():
    return Constant()


def macro_f1(outputs, targets):
    scores = []
    for label in range(outputs.shape[1]):
        said, right = outputs.argmax(1) == label, targets == label
        both = (said & right).sum()
        scores.append(2 * both / (said.sum() + right.sum()).clamp_min(1))
    return torch.stack(scores).float().mean()
