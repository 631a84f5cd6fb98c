"""What a stranger's recipe may name. Whatever of it runs says so in the file that SPRUNG names."""

import os
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import TensorDataset


def _sprung(what: str) -> None:
    with Path(os.environ["SPRUNG"]).open("a") as file:
        file.write(f"{what}\n")


_sprung("import")


def net() -> nn.Module:
    _sprung("model")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def data():
    _sprung("data")
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(200) % 10
    x = torch.randn(10, 64, generator=generator)[y] + torch.randn(200, 64, generator=generator)
    return TensorDataset(x[:150], y[:150]), TensorDataset(x[150:], y[150:])


def loss(outputs, targets):
    _sprung("loss")
    return nn.functional.cross_entropy(outputs, targets)


class Optimizer(torch.optim.SGD):
    def __init__(self, *args, **kwargs):
        _sprung("optimizer")
        super().__init__(*args, **kwargs)
