"""Data that draw at each reading, series in windows, groups, targets in their own units, own metrics; sound twins."""

import random
from typing import Any

import numpy as np
import torch
from planted_data import Pair, _clouds, _draw, _pair, _plane
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset, random_split


class Drawn(Dataset):
    """Samples through a transform (input, target, index) at each reading."""

    def __init__(self, x: Tensor, y: Tensor, transform: Any = None) -> None:
        self.x, self.y, self.transform = x, y, transform
        self.read = 0
        self.own = random.Random(3)
        self.numpy = np.random.default_rng(4)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.read += 1
        x, y = self.x[index], self.y[index]
        return (x, y) if self.transform is None else self.transform(self, x, y)


def _scenes(n: int, seed: int, size: int = 20) -> tuple[Tensor, Tensor]:
    """Pictures [n, 1, size, size] of an ellipse and a square on noise; the mask of the ellipse."""
    draw = _draw(seed)
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks, others = torch.zeros(n, 1, size, size), torch.zeros(n, 1, size, size)
    for mask, other in zip(masks, others, strict=True):
        r, c = torch.randint(4, size - 4, (2,), generator=draw).tolist()
        mask[0, (row - r) ** 2 + 2 * (column - c) ** 2 <= 14] = 1.0
        r, c = torch.randint(0, size - 4, (2,), generator=draw).tolist()
        other[0, r : r + 4, c : c + 4] = 1.0
    return masks - others + 0.3 * torch.randn(masks.shape, generator=draw), masks


def _flip(_data, x, y):
    return (x.flip(-1), y) if torch.rand(()) < 0.5 else (x, y)


def _flip_both(_data, x, y):
    return (x.flip(-1), y.flip(-1)) if torch.rand(()) < 0.5 else (x, y)


def _flip_apart(_data, x, y):
    return (x.flip(-2) if torch.rand(()) < 0.5 else x, y.flip(-2) if torch.rand(()) < 0.5 else y)


def _turn(_data, x, y):
    return torch.rot90(x, int(torch.randint(4, ())), (-2, -1)), y


def _turn_both(_data, x, y):
    times = int(torch.randint(4, ()))
    return torch.rot90(x, times, (-2, -1)), torch.rot90(y, times, (-2, -1))


def _shift(_data, x, y):
    by = tuple(torch.randint(-5, 6, (2,)).tolist())
    return x.roll(by, (-2, -1)), y


def _crop_both(_data, x, y):
    r, c = torch.randint(0, 5, (2,)).tolist()
    return x[:, r : r + 16, c : c + 16], y[:, r : r + 16, c : c + 16]


def _noise(_data, x, y):
    return x * (0.8 + 0.4 * torch.rand(())) + 0.1 * torch.randn(x.shape) + 0.4 * torch.rand(()) - 0.2, y


def _own_generator(data, x, y):
    return x + 0.1 * data.own.random(), y


def _counter(data, x, y):
    return x + 1e-3 * (data.read % 7), y


def _own_numpy(data, x, y):
    return x + torch.tensor(data.numpy.normal(size=x.shape), dtype=torch.float32), y


def _redrawn(_data, x, y):
    return x, torch.randint(4, ()) if torch.rand(()) < 0.5 else y


TRANSFORMS = {
    "flip": _flip,
    "flip both": _flip_both,
    "flip apart": _flip_apart,
    "turn": _turn,
    "turn both": _turn_both,
    "shift": _shift,
    "crop both": _crop_both,
    "noise": _noise,
    "own generator": _own_generator,
    "counter": _counter,
    "own numpy": _own_numpy,
    "redrawn": _redrawn,
}


def scenes(transform: str, classes: bool = False, whole: bool = False) -> Pair:
    """A mask a picture (`classes`: [H, W] of 0 and 1), or one class a picture (`whole`)."""
    pairs = []
    for n, seed in ((160, 1), (60, 2)):
        x, y = _scenes(n, seed)
        y = (x.mean((1, 2, 3)) > x.mean()).long() if whole else y[:, 0].long() if classes else y
        pairs.append((x, y))
    size = slice(2, 18) if transform == "crop both" else slice(None)
    val = [part[..., size, size] if part.dim() > 2 else part for part in pairs[1]]
    return Drawn(*pairs[0], TRANSFORMS[transform]), TensorDataset(*val)


def drawn_clouds(transform: str) -> Pair:
    x, y = _clouds(4)
    return Drawn(x[:600], y[:600], TRANSFORMS[transform]), TensorDataset(x[600:], y[600:])


def pixels(outputs: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, outputs, 3, padding=1))


def picture_class() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 2)
    )


# Series.


def _walk(steps: int = 700, features: int = 1) -> Tensor:
    noise = torch.randn(steps, features, generator=_draw(11))
    wave = torch.sin(torch.arange(steps) / 9.0)[:, None]
    return wave + 0.3 * noise


def windows(
    length: int = 16,
    stride: int = 1,
    how: str = "tunekit",
    features: int = 1,
    channels_first: bool = False,
    gap: int = 0,
) -> Any:
    """Windows and the value that follows. `how`: divided by tunekit, at random by their maker, or in time."""
    series = _walk(features=features)
    starts = range(0, len(series) - length, stride)
    x = torch.stack([series[s : s + length] for s in starts])
    y = torch.stack([series[s + length, :1] for s in starts])
    x = x[..., 0] if features == 1 else x.transpose(1, 2) if channels_first else x
    data = TensorDataset(x, y)
    if how == "tunekit":
        return data
    if how == "random":
        cut = int(0.8 * len(data))
        return tuple(random_split(data, [cut, len(data) - cut], _draw(1)))
    cut = int(0.75 * len(data))
    return TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut + gap :], y[cut + gap :])


def flat(features: int = 16) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(features, 24), nn.ReLU(), nn.Linear(24, 1))


def letters() -> nn.Module:
    return nn.Sequential(nn.Embedding(27, 8), nn.Flatten(), nn.Linear(192, 3))


def text_windows(how: str = "tunekit", stride: int = 1, length: int = 24) -> Any:
    """Windows of letters of one long random text, each with the class of the letter that follows."""
    text = torch.randint(0, 27, (900,), generator=_draw(12))
    starts = range(0, len(text) - length, stride)
    x = torch.stack([text[s : s + length] for s in starts])
    y = torch.stack([text[s + length] % 3 for s in starts])
    if how == "tunekit":
        return TensorDataset(x, y)
    cut = int(0.75 * len(x))
    return TensorDataset(x[:cut], y[:cut]), TensorDataset(x[cut + length :], y[cut + length :])


def sparse_table() -> Pair:
    """Columns of zeros and ones: shifted pieces coincide."""
    x = (torch.rand(800, 90, generator=_draw(13)) < 0.15).float()
    y = (x[:, :5].sum(1) > 0.5).long()
    return _pair(x + 0.0, y)


# Groups.


class Grouped(TensorDataset):
    def __init__(self, x: Tensor, y: Tensor, groups: Any) -> None:
        super().__init__(x, y)
        self.groups = groups


def grouped(how: str = "tunekit", size: int = 10) -> Any:
    """Rows of `size` a person."""
    x, y = _clouds(4)
    people = [f"p{i // size}" for i in range(len(x))]
    data = Grouped(x, y, people)
    if how == "tunekit":
        return data
    if how == "random":
        return tuple(random_split(data, [600, 200], _draw(2)))
    if how == "local numbers":  # each split counts its own people from zero
        return Grouped(x[:600], y[:600], torch.arange(600) // size), Grouped(
            x[600:], y[600:], torch.arange(200) // size
        )
    return Grouped(x[:600], y[:600], people[:600]), Grouped(x[600:], y[600:], people[600:])


# Targets.


def columns(stds: list[float], means: list[float] | None = None) -> Pair:
    x, y = _plane()
    both = torch.stack([y, 0.4 * y + x[:, 1] * 0.9], 1)[:, : len(stds)]
    both = (both - both.mean(0)) / both.std(0)
    return _pair(x, both * torch.tensor(stds) + torch.tensor(means or [0.0] * len(stds)))


def counts(whole: bool = False) -> Pair:
    """[N, 1] of floats, or (`whole`) [N] of integers."""
    x, y = _plane()
    drawn = torch.poisson((2.5 + 0.5 * y).exp(), generator=_draw(14))
    return _pair(x, drawn.long() if whole else drawn[:, None])


def poisson(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.poisson_nll_loss(outputs, targets)


def weighed(outputs: Tensor, targets: Tensor) -> Tensor:
    """Every column in units of its own."""
    return ((outputs - targets) / torch.tensor([8.0, 0.12])).square().mean()


def one_class() -> Pair:
    x, y = _clouds(4)
    return _pair(x, torch.ones_like(y))


def with_target(off: float = 0.0, classes: int = 0) -> Pair:
    """A table whose column 5 is the target (or its class) in other units, up to `off` of its spread."""
    draw = _draw(61)
    x = torch.randn(400, 8, generator=draw)
    y = x[:, :4].sum(1) / 2 + 0.5 * torch.randn(400, generator=draw)
    if classes:
        y = torch.bucketize(y, torch.tensor([-0.6, 0.6])) if classes == 3 else (y > 0).long()
    x[:, 5] = (y - y.double().mean()) * 0.7 + off * torch.randn(400, generator=draw)
    y = y if classes else y[:, None]
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])


def one_value() -> Pair:
    x, y = _plane()
    return _pair(x, torch.full((len(y), 1), 3.0))


def halves() -> Pair:
    x, y = _clouds(4)
    return _pair(x, y.float() + 0.5 * (torch.arange(len(y)) % 7 == 0))


# Metrics: (outputs, targets) -> scalar.


def rms_error(outputs, targets):
    return (outputs - targets).square().mean().sqrt()


def closeness(outputs, targets):
    return -(outputs - targets).abs().mean()


def hits(outputs, targets):
    return (outputs.argmax(1) == targets).float().mean()


def misses(outputs, targets):
    return (outputs.argmax(1) != targets).float().mean()


def overlap(outputs, targets):
    both = ((outputs > 0) & (targets > 0.5)).sum()
    return both / ((outputs > 0) | (targets > 0.5)).sum().clamp_min(1)


def mean_output(outputs, targets):
    """Says nothing of right and wrong."""
    return torch.tensor(0.5)


def no_number(outputs: Tensor, targets: Tensor) -> float:
    return float((outputs.amax(1) - 1000).sqrt().mean())


def over_nothing(outputs: Tensor, targets: Tensor) -> float:
    """Hits among the targets of a class that there is not."""
    return float((outputs.argmax(1) == targets)[targets > 90].float().mean())


def log_of_hits(outputs: Tensor, targets: Tensor) -> float:
    return float(((outputs.argmax(1) == targets).float().mean() - 0.5).log())


def rare_class(count: int = 1) -> Pair:
    """Forty classes, of which the last has so many samples, all in validation."""
    draw = _draw(62)
    x, y = torch.randn(800, 12, generator=draw), torch.arange(800) % 39
    y[600 : 600 + count] = 39
    return TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])


def skewed() -> Pair:
    """Four classes, the first twenty times as frequent as each of the others."""
    draw = _draw(63)
    x = torch.randn(920, 12, generator=draw)
    y = (torch.arange(920) % 23 - 19).clamp_min(0)
    return TensorDataset(x[:690], y[:690]), TensorDataset(x[690:], y[690:])
