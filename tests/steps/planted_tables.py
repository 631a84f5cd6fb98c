"""Tables whose labels never change, or of which one column says the target; and sound ones beside them."""

import torch
from planted_data import Pair, _draw, _pair


def labels(change: str = "") -> Pair:
    """Five labels a sample; label 3 is changed in training, in validation, or in both."""
    draw = _draw(71)
    x = torch.randn(400, 10, generator=draw)
    y = (x @ torch.randn(10, 5, generator=draw) > 1.0).float()
    part, _, value = change.partition(" ")
    rows = {"": slice(0, 0), "training": slice(0, 300), "both": slice(0, 400)}[part]
    y[rows, 3] = float(value == "on")
    if value == "rare":
        y[:, 3] = 0
        y[350, 3] = 1
    return _pair(x, y)


LEAKS = {
    "sign": lambda x: x > 0,
    "threshold": lambda x: x > 1.2,
    "three stretches": lambda x: torch.bucketize(x, torch.tensor([-0.5, 0.8])),
    "beyond": lambda x: x.abs() > 1,
    "grades": lambda x: (2 * x).round() >= 1,
    "root": lambda x: x.sign() * x.abs().sqrt(),
    "logarithm": lambda x: -(x + 9).log(),
    "exponential": lambda x: x.exp(),
    "rounded": lambda x: (x * 100).round() / 100,
    "square": lambda x: x * x,
    "nearly the order": lambda x: x.exp() + 0.02 * torch.randn(len(x), generator=_draw(5)),
    "mostly": lambda x: x + 0.6 * torch.randn(len(x), generator=_draw(5)) > 0,
}
"""Targets by column 3."""


def leak(how: str, n: int = 400, numbers: bool = False) -> Pair:
    x = torch.randn(n, 8, generator=_draw(72))
    if how == "grades":
        x[:, 3] = (2 * x[:, 3]).round() / 2
    y = LEAKS[how](x[:, 3].clone())
    return _pair(x, y.float()[:, None] if numbers else y.long())


def recoded(flags: bool = False, classes: int = 4) -> Pair:
    """The class as a number in another order, or as one column for each."""
    draw = _draw(73)
    x, y = torch.randn(400, 8, generator=draw), torch.randint(classes, (400,), generator=draw)
    order = torch.tensor([5, 1, 9, 2])[:classes]
    if flags:
        x[:, 2 : 2 + classes] = (y[:, None] == order.argsort()).float()
    else:
        x[:, 3] = order[y].float()
    return _pair(x, y)


def apart(distance: float, spread: str = "normal", n: int = 1200) -> Pair:
    """Two classes that one measurement tells apart: clouds so many deviations from each other."""
    draw = _draw(74)
    x, y = torch.randn(n, 8, generator=draw), torch.randint(2, (n,), generator=draw)
    x[:, 3] += distance * y
    if spread == "skewed":
        x[:, 3] = (x[:, 3] / 3).exp()
    elif spread == "rounded":
        x[:, 3] = (5 * x[:, 3]).round() / 5
    return _pair(x, y)


def flowers() -> Pair:
    from sklearn.datasets import load_iris

    data = load_iris()
    order = torch.randperm(150, generator=_draw(1))
    return _pair(torch.tensor(data.data, dtype=torch.float32)[order], torch.tensor(data.target)[order])


def a_flower() -> Pair:
    """One of three kinds, which two measurements tell from the others."""
    train, val = flowers()
    return tuple(type(part)(part.tensors[0], (part.tensors[1] == 0).long()) for part in (train, val))


def smooth_series() -> Pair:
    """Windows of a slow wave, whose next value is nearly the last."""
    wave = torch.linspace(0, 25, 1200).sin()
    windows = wave.unfold(0, 9, 1)
    return _pair(windows[:, :8].clone(), windows[:, 8:].clone())


def categories(rich: bool = False, columns: int = 7, n: int = 6000) -> Pair:
    """Answers that vary beside columns of three kinds each, as inputs of 0 and 1 with one of measurements: equal rows
    by chance. `rich`: 32 measurements, of which a tenth stand there twice, some with another class."""
    draw = _draw(75)
    kinds = torch.randint(3, (n, columns), generator=draw)
    x = torch.nn.functional.one_hot(kinds, 3).flatten(1).float()
    x = torch.cat([x, (3 * torch.randn(n, 1, generator=draw)).round()], 1)
    if rich:
        x = torch.randn(n, 32, generator=draw)
        x[-n // 10 :] = x[: n // 10]
        x[: n // 20] = x[n // 20 : n // 10]
    return _pair(x, ((kinds[:, 0] == 1) ^ (torch.rand(n, generator=draw) < 0.2)).long())


def written_twice(how: str = "categories", n: int = 2500) -> Pair:
    """Rows that stand there twice, three in ten of the copies with the other label: three columns of 50 categories as
    inputs of 0 and 1, with one of each left out or not, and a number; or a measurement beside three answers."""
    draw = _draw(76)
    kinds = torch.nn.functional.one_hot(torch.randint(50, (n, 3), generator=draw), 50).float()
    x = torch.cat([kinds[:, :, how == "one left out" :].flatten(1), torch.randint(62, (n, 1), generator=draw) / 18], 1)
    if how == "measurement":
        x = torch.cat([torch.randn(n, 1, generator=draw), (torch.rand(n, 3, generator=draw) > 0.3).float()], 1)
    y = torch.randint(2, (n,), generator=draw)
    other = y ^ (torch.rand(n, generator=draw) < 0.3).long()
    order = torch.randperm(2 * n, generator=draw)
    return _pair(torch.cat([x, x])[order], torch.cat([y, other])[order])


def growing() -> Pair:
    """Windows of a count that only grows, and the next: all earlier values rise with it."""
    count = torch.poisson(torch.full((600,), 20.0), generator=_draw(77)).cumsum(0) / 3000
    windows = count.unfold(0, 9, 1)
    return _pair(windows[:, :8].clone(), windows[:, 8:].clone())


def powers() -> Pair:
    """Powers of a number, and its exponential."""
    x = torch.randn(400, 1, generator=_draw(78))
    return _pair(x ** torch.arange(1, 9), x.exp())
