"""Splits whose targets do not fit each other, and near copies on both sides; sound ones beside them."""

import torch
from planted_data import Pair, _clouds, _digits, _draw, _plane, _standard
from torch import Tensor
from torch.utils.data import TensorDataset


def _two(x: Tensor, y: Tensor, xv: Tensor, yv: Tensor) -> Pair:
    return TensorDataset(x, y), TensorDataset(xv, yv)


def _cut(x: Tensor, y: Tensor, share: float = 0.75) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    cut = int(len(x) * share)
    return x[:cut], y[:cut], x[cut:], y[cut:]


def scaled(how: str = "") -> Pair:
    """A regression of unit scale; `how`: what was done to one split alone, or what targets are like by nature."""
    x, y, xv, yv = _cut(*_plane(1000))
    if how == "raw validation":
        yv = 92 + 44 * yv
    elif how == "thousandths":
        yv = yv / 1000
    elif how == "own maxima":
        y, yv = y / y.abs().max(), yv / (4 * yv.abs().max())
    elif how == "heavy tails":
        y, yv = (torch.exp(part) for part in (y, yv))
        yv[:2] = 300.0
    elif how == "another half of the range":
        low, high = (x[:, 0] < 0.3), (xv[:, 0] > -0.3)
        x, y, xv, yv = x[low], y[low], xv[high], yv[high]
    return _two(x, y[:, None], xv, yv[:, None])


def two_columns(fault: bool) -> Pair:
    x, y, xv, yv = _cut(*_plane(800))
    pair, other = torch.stack([y, 0.5 * y], 1), torch.stack([yv, 0.5 * yv], 1)
    return _two(x, pair, xv, other * torch.tensor([1.0, 20.0]) if fault else other)


def drifting(steps: int = 800) -> Pair:
    """A walk to be told from itself, cut in time."""
    walk = torch.randn(steps + 8, generator=_draw(6)).cumsum(0) / 8
    x = torch.stack([walk[i : i + 8] for i in range(steps)])
    return _two(*_cut(x, walk[8 : steps + 8, None]))


def labelled(how: str = "") -> Pair:
    """Digits; `how`: what was done to the labels of one split."""
    pictures, labels = _digits()
    x, y, xv, yv = _cut(_standard(pictures).flatten(1), labels)
    if how == "shuffled validation":
        yv = yv[torch.randperm(len(yv), generator=_draw(7))]
    elif how == "shuffled training":
        y = y[torch.randperm(len(y), generator=_draw(7))]
    elif how == "other names":
        yv = (yv + 3) % 10
    elif how == "two exchanged":
        yv = torch.where(yv == 1, 7, torch.where(yv == 7, 1, yv))
    elif how == "a third wrong":
        wrong = torch.rand(len(yv), generator=_draw(8)) < 0.33
        yv = torch.where(wrong, torch.randint(10, yv.shape, generator=_draw(9)), yv)
    return _two(x, y, xv, yv)


def persons(apart: bool = True) -> Pair:
    """Persons of forty records each, whose class no other person's records tell."""
    draw = _draw(10)
    centres, classes = torch.randn(24, 12, generator=draw), torch.arange(24) % 2
    person = torch.arange(24).repeat_interleave(40)
    x = centres[person] + 0.2 * torch.randn(len(person), 12, generator=draw)
    order = torch.arange(len(person)) if apart else torch.randperm(len(person), generator=draw)
    return _two(*_cut(x[order], classes[person][order]))


def disordered(fault: bool) -> Pair:
    x, y, xv, yv = _cut(*_plane(800))
    if fault:
        yv = yv[torch.randperm(len(yv), generator=_draw(7))]
    return _two(x, y[:, None], xv, yv[:, None])


def copied(how: str = "") -> Pair:
    """Clouds in 12 dimensions; `how`: what stands on both sides of the split."""
    x, y = _clouds(3, n=400)
    draw = _draw(12)
    if how in ("copies", "copies of training alone"):
        parts = (x, y) if how == "copies" else (x[:300], y[:300])
        many = torch.cat([parts[0] + 0.03 * torch.randn(parts[0].shape, generator=draw) for _ in range(4)])
        labels = parts[1].repeat(4)
        order = torch.randperm(len(labels), generator=draw)
        if how == "copies":
            return _two(*_cut(many[order], labels[order]))
        return _two(many[order], labels[order], x[300:], y[300:])
    if how == "three records of one thing":
        x = x.repeat_interleave(3, 0)
        x = x * (1 + 0.02 * torch.randn(x.shape, generator=draw))
        order = torch.randperm(len(x), generator=draw)
        return _two(*_cut(x[order], y.repeat_interleave(3)[order]))
    if how == "few positions":
        places = torch.randint(60, (800,), generator=draw)
        x = torch.randn(60, 12, generator=draw)[places] + 0.02 * torch.randn(800, 12, generator=draw)
        return _two(*_cut(x, places % 3))
    if how == "a plane":
        x = torch.randn(1000, 2, generator=draw)
        return _two(*_cut(torch.cat([x, x @ torch.randn(2, 10, generator=draw)], 1), (x.sum(1) > 0).long()))
    return _two(*_cut(x, y))
