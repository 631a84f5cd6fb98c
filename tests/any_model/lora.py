"""Low-rank adapters on a frozen body that was trained on other digits."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset


def digits():
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    return torch.tensor(x, dtype=torch.float32)[order] / 8 - 1, torch.tensor(y)[order]


def data():
    x, y = digits()
    x = torch.rot90(x.view(-1, 8, 8), 1, (1, 2)).reshape(-1, 64)
    return TensorDataset(x[900:1300], y[900:1300]), TensorDataset(x[1300:], y[1300:])


class LoRA(nn.Module):
    def __init__(self, layer, rank=4):
        super().__init__()
        self.layer = layer
        self.a = nn.Parameter(torch.randn(rank, layer.in_features) / layer.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x):
        return self.layer(x) + x @ self.a.T @ self.b.T


def pretrained():
    x, y = digits()
    torch.manual_seed(1)
    body = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
    optimizer = torch.optim.Adam(body.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(body(x[:900]), y[:900]).backward()
        optimizer.step()
    return body


def net():
    with torch.random.fork_rng(devices=[]):
        body = pretrained()
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    return nn.Sequential(*(LoRA(layer) if isinstance(layer, nn.Linear) else layer for layer in body))
