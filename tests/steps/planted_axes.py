"""Models that bring axes to other places, by permute or by view; pictures [n, 10, 10, 3], steps [n, 12, 5]."""

import torch
from planted_data import _draw
from torch import Tensor, nn
from torch.utils.data import TensorDataset

Pair = tuple[TensorDataset, TensorDataset]


def pictures(n: int = 240) -> Pair:
    x = torch.randn(n, 10, 10, 3, generator=_draw(1))
    y = torch.arange(n) % 4
    x[torch.arange(n), 2 * y + 1, :, 0] += 3
    return TensorDataset(x[:160], y[:160]), TensorDataset(x[160:], y[160:])


def steps(n: int = 240) -> Pair:
    x = torch.randn(n, 12, 5, generator=_draw(2))
    y = (x[:, :, 0].mean(1) > 0).long()
    return TensorDataset(x[:160], y[:160]), TensorDataset(x[160:], y[160:])


class Pictures(nn.Module):
    """Channels last, which convolutions want first."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.reshape(-1, 3, 10, 10) if self.how == "view" else x.permute(0, 3, 1, 2))


class Steps(nn.Module):
    """Features of each step, brought to where a convolution over time wants them; the mean of what it gives."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.first, self.over_time, self.head = nn.Linear(5, 6), nn.Conv1d(6, 8, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        values = self.first(x)
        if self.how == "view":
            values = values.view(len(x), 6, 12)
        elif self.how == "flat and back":
            values = values.view(len(x) * 12, 6).view(len(x), 12, 6).transpose(1, 2)
        elif self.how == "heads":
            values = values.view(len(x), 12, 2, 3).transpose(1, 2).flatten(1, 2).reshape(len(x), 2, 12, 3)
            values = values.transpose(1, 2).reshape(len(x), 12, 6).transpose(1, 2)
        elif self.how == "one in between":
            values = values.view(len(x), 12, 1, 6).view(len(x), 1, 12, 6).squeeze(1).transpose(1, 2)
        else:
            values = values.transpose(1, 2)
        return self.head(self.over_time(values).mean(2))


class LastStates(nn.Module):
    """Both directions' last states [2, N, 4], side by side."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.lstm, self.head = nn.GRU(5, 4, bidirectional=True, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        states = self.lstm(x)[1]
        return self.head(states.view(len(x), 8) if self.how == "view" else states.transpose(0, 1).flatten(1))
