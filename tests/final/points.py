"""Data of a person's own for tests of the final model: three clouds of points, with a test split of 40."""

import os

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset


def clouds(count, seed, spread=0.6):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return centres[labels] + spread * torch.randn(count, 2, generator=draw), labels


def splits(test_labels=None):
    train, val, test = (TensorDataset(*clouds(count, seed)) for seed, count in enumerate((180, 60, 40)))
    if os.environ.get("TEST_LABELS"):
        test = TensorDataset(test.tensors[0], torch.full((40,), int(os.environ["TEST_LABELS"])))
    return train, val, test


class Stream(IterableDataset):
    def __init__(self, seed, count):
        self.seed, self.count = seed, count

    def __iter__(self):
        x, y = clouds(self.count, self.seed)
        yield from ((x[k : k + 20], y[k : k + 20]) for k in range(0, self.count, 20))


def streams():
    return DataLoader(Stream(0, 180), batch_size=None), Stream(1, 60), Stream(2, 40)


def numbers():
    """A regression whose target is 100 + 50 x."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 2, generator=draw)
    y = x[:, 0] * 2 + 0.1 * torch.randn(300, generator=draw)
    return tuple(TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 200), (200, 250), (250, 300)))


def labels():
    """Two questions of each point."""
    x, _ = clouds(300, 5)
    y = torch.stack([x[:, 0] > 0, x[:, 1] > 0], 1).float()
    return tuple(TensorDataset(x[a:b], y[a:b]) for a, b in ((0, 200), (200, 250), (250, 300)))


def net(outputs=3):
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, outputs))


def pictures():
    """Of images 8x8: probabilities."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Softmax(1))


def of_probabilities(outputs, targets):
    return -outputs.gather(1, targets[:, None]).clamp_min(1e-6).log().mean()


def spread_of_answers(outputs, targets):
    """A metric of a person's own: the share of right answers, whole."""
    return (outputs.argmax(1) == targets).float().mean()
