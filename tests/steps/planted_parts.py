"""Models that give several parts, and losses that take outputs for other things than classes or the targets."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_diabetes, load_digits
from torch import nn
from torch.utils.data import TensorDataset


def halves(*values):
    order = torch.randperm(len(values[0]), generator=torch.Generator().manual_seed(0))
    cut = len(order) * 4 // 5
    train, val = (TensorDataset(*(value[part] for value in values)) for part in (order[:cut], order[cut:]))
    return train, val


def digits():
    x, y = load_digits(return_X_y=True)
    return halves(torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y))


def grades():
    """Four grades of how a disease goes on."""
    x, y = (torch.tensor(value, dtype=torch.float32) for value in load_diabetes(return_X_y=True))
    return halves(21 * x, torch.bucketize(y, torch.quantile(y, torch.tensor([0.25, 0.5, 0.75]))))


def counts():
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(900, 6, generator=draw)
    return halves(x, torch.poisson(torch.exp(0.5 * x[:, 0] - 0.4 * x[:, 1] + 1), generator=draw))


def triplets():
    """Pictures with one of the same digit and one of another."""
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 16, torch.tensor(y)
    draw = torch.Generator().manual_seed(0)
    pick = lambda where: where.nonzero().flatten()[torch.randint(int(where.sum()), (), generator=draw)]  # noqa: E731
    near, far = (torch.stack([pick(y == k) for k in y]), torch.stack([pick(y != k) for k in y]))
    return halves(x, x[near], x[far], y)


def pairs():
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 800, 10, generator=draw)
    return halves(a, b, torch.where(a[:, 0] + a[:, 1] > b[:, 0] + b[:, 1], 1.0, -1.0))


class Experts(nn.Module):
    """Logits, and how evenly the experts are asked."""

    def __init__(self, count=4):
        super().__init__()
        self.gate = nn.Linear(64, count)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)) for _ in range(count)
        )

    def forward(self, x):
        gates = self.gate(x).softmax(-1)
        logits = torch.einsum("bec,be->bc", torch.stack([expert(x) for expert in self.experts], 1), gates)
        return logits, gates.mean(0).square().sum()


def balanced(outputs, targets):
    return F.cross_entropy(outputs[0], targets) + 0.01 * outputs[1]


class Thresholds(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
        self.between = nn.Parameter(torch.tensor([1.0, 0.0, -1.0]))

    def forward(self, x):
        return self.score(x) + self.between


def cumulative(outputs, targets):
    return F.binary_cross_entropy_with_logits(outputs, (targets[:, None] > torch.arange(3)).float())


class Rate(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(self, x):
        return self.layers(x).squeeze(1)


def poisson(outputs, targets):
    return F.poisson_nll_loss(outputs, targets)


class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, *pictures):
        return torch.stack([F.normalize(self.layers(one), dim=-1) for one in pictures], 1)


def triplet(outputs, _targets, margin=0.5):
    return F.triplet_margin_loss(*outputs.unbind(1), margin=margin)


def never_violated(outputs, _targets):
    anchor, near, far = outputs.unbind(1)
    return F.relu((anchor - near).norm(dim=1) - (anchor - far).norm(dim=1) - 2.5).mean()


class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, a, b):
        return self.layers(a).squeeze(1), self.layers(b).squeeze(1)


def ranked(outputs, targets):
    return F.margin_ranking_loss(*outputs, targets, margin=1.0)


def ranked_the_other_way(outputs, targets):
    return F.margin_ranking_loss(*outputs, -targets, margin=1.0)


def in_order(outputs, targets):
    return ((outputs[0] - outputs[1]).sign() == targets).float().mean()
