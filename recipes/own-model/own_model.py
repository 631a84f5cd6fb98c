"""Waves of three shapes: the data, the model and the loss that own-model.yaml names."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

LENGTH = 64


def data(samples: int = 1500, noise: float = 0.3):
    """Sine waves (class 0), square waves (1) and mere noise (2): inputs [N, 1, 64], targets [N].

    Return (train, val), (train, val, test), or one dataset, which the recipe's `val_fraction` splits. Draw with a
    generator of your own: the data must be the same whenever they are asked for.
    """
    draw = torch.Generator().manual_seed(0)
    kinds = torch.arange(samples) % 3
    periods = 8 + 24 * torch.rand(samples, 1, generator=draw)
    phases = torch.rand(samples, 1, generator=draw)
    sine = torch.sin(2 * torch.pi * (torch.arange(LENGTH) / periods + phases))
    shapes = torch.stack([sine, sine.sign(), torch.zeros_like(sine)])
    clean = shapes[kinds, torch.arange(samples)]
    waves = clean + noise * torch.randn(samples, LENGTH, generator=draw)
    return TensorDataset(waves.unsqueeze(1), kinds)


class Waves(nn.Module):
    """Convolutions over time, the mean over all places, and a layer of three scores: [N, 1, 64] to [N, 3]."""

    def __init__(self, channels: int = 16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, channels, 7, padding=3, bias=False),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(channels, 2 * channels, 5, padding=2, bias=False),
            nn.BatchNorm1d(2 * channels),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * channels, 3)

    def forward(self, x):
        return self.head(self.body(x).mean(dim=2))  # scores as they are: the loss has the softmax


def loss(outputs, targets, missed_noise: float = 1.0):
    """Cross-entropy in which noise that is taken for a wave counts `missed_noise` times: a scalar, a weighted mean."""
    weights = torch.tensor([1.0, 1.0, missed_noise], device=outputs.device)
    return F.cross_entropy(outputs, targets, weight=weights)
