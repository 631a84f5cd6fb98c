"""Are two digits the same? Two inputs, one distance a pair, contrastive loss."""

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset


def pairs(x, y, n, g):
    first, second = torch.randint(len(y), (2, n), generator=g)
    same = torch.rand(n, generator=g) < 0.5
    for k in range(n):
        if same[k]:
            others = (y == y[first[k]]).nonzero().flatten()
            second[k] = others[torch.randint(len(others), (1,), generator=g)]
    return TensorDataset(x[first], x[second], (y[first] == y[second]).float())


def data():
    x, y = load_digits(return_X_y=True)
    g = torch.Generator().manual_seed(0)
    order = torch.randperm(len(y), generator=g)
    x, y = torch.tensor(x, dtype=torch.float32)[order] / 8 - 1, torch.tensor(y)[order]
    return pairs(x[:1400], y[:1400], 1600, g), pairs(x[1400:], y[1400:], 400, g)


class Siamese(nn.Module):
    def __init__(self, width=96, out=16):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, a, b):
        return (self.body(a) - self.body(b)).square().sum(1).add(1e-6).sqrt()


def contrastive(distance, same, margin=2.0):
    apart = torch.clamp(margin - distance, min=0)
    return (same * distance.square() + (1 - same) * apart.square()).mean()


def hits(distance, same, margin=2.0):
    return ((distance < margin / 2) == (same > 0.5)).float().mean()
