"""Models and losses that do on purpose what is a fault elsewhere, beside those where it is one: frozen weights, random
numbers in eval mode, scaled outputs."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Frozen weights.


def layers(inputs: int = 12, width: int = 32, outputs: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))


class Head(nn.Module):
    """A trained head on a frozen body: `loaded` from what is the same under every seed, or as it was built."""

    def __init__(self, loaded: bool = False, no_grad: bool = False, kind: str = "linear") -> None:
        super().__init__()
        if kind == "lstm":
            self.body: nn.Module = nn.LSTM(12, 32, batch_first=True)
        else:
            self.body = layers(outputs=32)
        self.head, self.no_grad, self.kind = nn.Linear(32, 4), no_grad, kind
        if loaded:
            draw = torch.Generator().manual_seed(7)
            for p in self.body.parameters():
                p.data = 0.2 * torch.randn(p.shape, generator=draw)
        self.body.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            h = self.body(x[:, None])[0][:, 0] if self.kind == "lstm" else self.body(x)
        return self.head(F.relu(h))


def everything_frozen() -> nn.Module:
    return layers().requires_grad_(False)


class Taught(nn.Module):
    """A student beside its teacher, who was trained for a moment."""

    def __init__(self, no_grad: bool = True) -> None:
        super().__init__()
        self.teacher, self.student, self.no_grad = layers(width=64), layers(), no_grad
        self.teacher.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.no_grad):
            told = self.teacher(x)
        return self.student(x), told


def distilled(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    student, teacher = outputs
    near = F.kl_div(F.log_softmax(student / 2, 1), F.softmax(teacher / 2, 1), reduction="batchmean")
    return 0.5 * F.cross_entropy(student, targets) + 2 * near


class Follower(nn.Module):
    """A momentum encoder that follows in forward(): `pairs` gives likenesses with its keys, else both sides."""

    def __init__(self, pairs: bool = False) -> None:
        super().__init__()
        self.online, self.pairs = layers(outputs=16), pairs
        self.predictor = nn.Identity() if pairs else layers(16, 32, 16)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, x: Tensor) -> Any:
        shift = 0.1 * torch.tanh(x.roll(1, 1))
        with torch.no_grad():
            if self.training:
                for p, q in zip(self.online.parameters(), self.target.parameters(), strict=True):
                    q.lerp_(p, 0.01)
            keys = F.normalize(self.target(x + shift), dim=1)
        if self.pairs:
            return F.normalize(self.online(x), dim=1) @ keys.T
        return F.normalize(self.predictor(self.online(x)), dim=1), keys


def near_the_target(outputs: tuple[Tensor, Tensor], _targets: Tensor) -> Tensor:
    return 2 - 2 * (outputs[0] * outputs[1]).sum(1).mean()


def each_to_its_own(outputs: Tensor, _targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs / 0.5, torch.arange(len(outputs)))


class Fourier(nn.Module):
    """Features of fixed random frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(12, 32), requires_grad=False)
        self.head = layers(64, 32, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = x @ self.frequencies
        return self.head(torch.cat([z.sin(), z.cos()], 1))
