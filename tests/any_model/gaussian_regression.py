"""A mean and a variance a sample, trained by the likelihood of a normal distribution."""

import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from torch.utils.data import TensorDataset


def data():
    x, y = load_diabetes(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    x, y = (x - x[:340].mean(0)) / x[:340].std(0), (y - y[:340].mean()) / y[:340].std()
    return TensorDataset(x[:340], y[:340]), TensorDataset(x[340:], y[340:])


class Net(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.mean, self.log_variance = nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, x):
        h = self.body(x)
        return torch.cat([self.mean(h), self.log_variance(h)], 1)


def likelihood(outputs, y):
    mean, log_variance = outputs.chunk(2, 1)
    return 0.5 * (log_variance + (y - mean).square() * torch.exp(-log_variance)).mean()
