"""A network that comes trained, and few noisy samples of a task beside its own to tune it on."""

from functools import cache

import torch
from torch import nn
from torch.utils.data import TensorDataset

FEATURES, CLASSES = 20, 5


def _teacher(seed: int) -> nn.Module:
    draw = torch.Generator().manual_seed(1000 + seed)
    net = nn.Sequential(nn.Linear(FEATURES, 24), nn.Tanh(), nn.Linear(24, CLASSES))
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draw) / parameter.shape[-1] ** 0.5
    return net


def _inputs(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def _labels(x: torch.Tensor, seed: int, shift: float) -> torch.Tensor:
    """What the teacher says; shifted: beside it another one's opinion counts."""
    return (_teacher(seed)(x) + shift * _teacher(seed + 500)(x)).argmax(1)


def _mlp(width: int = 64) -> nn.Sequential:
    hidden = [nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, CLASSES))


@cache
def _weights(seed: int):
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        net, x = _mlp(), _inputs(4000, seed)
        y = _labels(x, seed, 0.0)
        optimizer = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
        for _ in range(600):
            rows = torch.randint(4000, (128,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
        return {name: value.detach().clone() for name, value in net.state_dict().items()}


def trained(seed: int = 0) -> nn.Module:
    """An MLP trained on 4,000 samples of the unshifted task."""
    net = _mlp()
    net.load_state_dict(_weights(seed))
    return net


def few(seed: int = 0, count: int = 100, val: int = 100, noise: float = 0.15, shift: float = 0.7):
    """Few samples of the shifted task, some labels drawn at random; validation likewise."""
    x = _inputs(count + val, 7000 + seed)
    y = _labels(x, seed, shift)
    draw = torch.Generator().manual_seed(seed)
    flip = torch.rand(len(y), generator=draw) < noise
    y = torch.where(flip, torch.randint(CLASSES, y.shape, generator=draw), y)
    return TensorDataset(x[:count], y[:count]), TensorDataset(x[count:], y[count:])


@torch.no_grad()
def accuracy_on_new_samples(net: nn.Module, seed: int = 0, shift: float = 0.7, count: int = 5000) -> float:
    x = _inputs(count, 9000 + seed)
    return float((net.eval()(x).argmax(1) == _labels(x, seed, shift)).float().mean())
