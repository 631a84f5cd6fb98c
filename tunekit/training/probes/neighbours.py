"""Which samples lie nearest to each other: near copies across the splits, and whether targets of the nearest agree.

Distances are taken twice, of the values as they are and with every column in its standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tunekit.measured import Agreement, NearCopies, Neighbours

QUERIES = 500  # samples whose neighbours are sought ...
AMONG = 5_000  # ... among so many
WIDEST = 1_024  # values a sample that are looked at
FEWEST = 50  # samples of a split
NEAREST = 40  # neighbours that are looked at
GAP = 3.0  # how many times farther the next neighbour is than a near copy
COPIES = 10  # that a sample may have
BEYOND = 20  # neighbours behind the gap, by which the dimension is told
VOTES = 5  # neighbours that say a target
CLASSES = 50  # more are names
TWIN = 0.5  # of the usual distance to the nearest sample of the other split: nearer ones say nothing of other samples
RETURNS = 0.8  # how often another name must be right, over how often the own is so within training


@dataclass(frozen=True)
class Points:
    """Inputs [N, F] and their targets [N, ...]."""

    inputs: Tensor
    targets: Tensor


def measure_neighbours(train: Points, val: Points, task: str, counted: bool) -> Neighbours | None:
    """None: too few samples. `counted`: values of few kinds, of which near ones are no copies."""
    train, val = _thinned(train, AMONG), _thinned(val, AMONG)
    if min(len(train.inputs), len(val.inputs)) < FEWEST or train.inputs.shape[1:] != val.inputs.shape[1:]:
        return None
    centre, spread = train.inputs.mean(0), train.inputs.std(0)
    varies = spread > 1e-6 * (1 + centre.abs())
    if not bool(varies.any()):
        return None
    copies, agreements, alike = [], [], []
    for scale in (torch.ones_like(spread[varies]), spread[varies]):
        first, second = (Points((part.inputs - centre)[:, varies] / scale, part.targets) for part in (train, val))
        near = _Near(first, second)
        alike.append(near.alike())
        agreements.append(_agreement(near, task))
        copies.append(None if counted else _near_copies(first, second, task))
    return Neighbours(
        inputs_alike=max(alike, key=lambda one: abs(one - 0.5)),
        copies=max((one for one in copies if one is not None), key=lambda one: one.share, default=None),
        agreement=max(
            (one for one in agreements if one is not None), key=lambda one: max(one.train, one.within_val), default=None
        ),
    )


def _thinned(points: Points, most: int) -> Points:
    """Rows that are finite, evenly taken; columns likewise."""
    flat = points.inputs.reshape(len(points.inputs), -1)
    if flat.shape[1] > WIDEST:
        flat = flat[:, torch.linspace(0, flat.shape[1] - 1, WIDEST).long()]
    flat = flat.float()
    finite = torch.isfinite(flat).all(1).nonzero().flatten()
    finite = finite[torch.linspace(0, len(finite) - 1, min(most, len(finite))).long()]
    return Points(flat[finite], points.targets[finite])


def _distances(queries: Tensor, among: Tensor) -> Tensor:
    return torch.cdist(queries, among, compute_mode="use_mm_for_euclid_dist")


def _exact(queries: Tensor, among: Tensor, places: Tensor) -> Tensor:
    """Distances [Q, K] to the samples at `places` [Q, K] without the rounding of large products."""
    parts = zip(queries.split(50), places.split(50), strict=True)
    return torch.cat([(among[at] - part[:, None]).norm(dim=2) for part, at in parts])


def _picked(points: Points) -> Tensor:
    return torch.linspace(0, len(points.inputs) - 1, min(QUERIES, len(points.inputs))).long()


def _near_copies(train: Points, val: Points, task: str) -> NearCopies | None:
    """Validation samples with a few others of their own target far nearer than all the rest of it.

    Of samples drawn independently in D dimensions, the next neighbour is F times farther than the one before it by a
    chance of F ** (-j D) for the j-th: D is estimated for each sample by the neighbours behind the gap.
    """
    picks = _picked(val)
    queries, wanted = val.inputs[picks], val.targets[picks].reshape(len(picks), -1)
    inputs = torch.cat([train.inputs, val.inputs])
    targets = torch.cat([part.targets.reshape(len(part.targets), -1) for part in (train, val)])
    distances = _distances(queries, inputs)
    distances[torch.arange(len(picks)), len(train.inputs) + picks] = torch.inf
    if task in ("classification", "binary") and targets.shape[1] == 1:
        distances = distances.masked_fill(wanted != targets.T, torch.inf)
    count = min(NEAREST, len(inputs))
    rough, places = distances.topk(count, largest=False)
    exact = _exact(queries, inputs, places).masked_fill(rough.isinf(), torch.inf)
    near, order = exact.sort(1)
    places = places.gather(1, order)
    enough = near[:, min(count - 1, COPIES + BEYOND)].isfinite() & (near[:, 0] > 0)
    if count <= COPIES + BEYOND or int(enough.sum()) < FEWEST:
        return None
    near, places, wanted = near[enough], places[enough], wanted[enough]
    factor, last = (near[:, 1 : COPIES + 1] / near[:, :COPIES]).max(1)
    behind = near.gather(1, last[:, None] + 1 + torch.arange(BEYOND))
    dimension = (BEYOND - 2) / (behind[:, -1:] / behind[:, :-1]).log().sum(1).clamp_min(1e-9)
    chance = sum((GAP ** (-j * dimension) for j in range(1, COPIES + 1)), torch.zeros(len(near))).clamp_max(1.0)
    before = torch.arange(COPIES) <= last[:, None]
    same = (targets[places[:, :COPIES]] == wanted[:, None]).all(2)
    copied = (factor > GAP) & (same | ~before).all(1)
    numbers = torch.where(copied, last + 1, 0).double()
    in_training = copied & (before & (places[:, :COPIES] < len(train.inputs))).any(1)
    return NearCopies(
        share=float(in_training.double().mean()),
        scatter=float(numbers.var() / numbers.mean().clamp_min(1e-9)),
        by_chance=float(chance.mean()),
        factor=float(factor[copied].median()) if bool(copied.any()) else 1.0,
        looked_at=len(near),
    )


class _Near:
    """Distances from some validation and some training samples to the others of their split and across."""

    def __init__(self, train: Points, val: Points) -> None:
        self.train, self.val = train, val
        self.of_val, self.of_train = _picked(val), _picked(train)
        self.across = _distances(val.inputs[self.of_val], train.inputs)
        self.within_val = _to_others(val.inputs, self.of_val)
        self.within_train = _to_others(train.inputs, self.of_train)

    def alike(self) -> float:
        """Share of the validation samples that lie nearer to another of their split than to any of as many training
        samples: a half where both splits are drawn alike."""
        size = min(self.across.shape[1], self.within_val.shape[1] - 1)
        draw = torch.Generator().manual_seed(0)
        own = self.within_val[:, torch.randperm(self.within_val.shape[1], generator=draw)[: size + 1]].amin(1)
        other = self.across[:, torch.randperm(self.across.shape[1], generator=draw)[:size]].amin(1)
        return float(((own < other).double() + 0.5 * (own == other).double()).mean())


def _to_others(inputs: Tensor, picks: Tensor) -> Tensor:
    distances = _distances(inputs[picks], inputs)
    distances[torch.arange(len(picks)), picks] = torch.inf
    return distances


def _agreement(near: _Near, task: str) -> Agreement | None:
    """How well the nearest samples say a sample's target: within the splits, and from training to validation. Others
    within a split that are much nearer than samples of another split ever are (copies, one group) say nothing."""
    classes = task in ("classification", "binary")
    known, asked = (part.targets.reshape(len(part.targets), -1).squeeze(1) for part in (near.train, near.val))
    if known.dim() > 1 or not bool(torch.isfinite(torch.cat([known, asked])).all()):
        return None
    labels = torch.cat([known, asked]).unique()
    if classes and not 2 <= len(labels) <= CLASSES:
        return None
    if classes:
        known, asked = torch.searchsorted(labels, known), torch.searchsorted(labels, asked)
    else:
        known, asked = (part.argsort().argsort().double() / len(part) for part in (known, asked))
    usual = float(near.across.amin(1).median())
    own, inside = (
        within.masked_fill(within < TWIN * usual, torch.inf) for within in (near.within_train, near.within_val)
    )
    truth, other = known[near.of_train], asked[near.of_val]
    told, guessed = _told(own, known, classes), _told(near.across, known, classes)
    score = _kappa if classes else _correlation
    of_val, error = score(guessed, other)
    exchanged = _exchanged((told, guessed), (truth, other)) if classes else {}
    renamed = torch.tensor([exchanged.get(name, name) for name in guessed.tolist()]) if exchanged else guessed
    return Agreement(
        train=score(told, truth)[0],
        val=of_val,
        within_val=score(_told(inside, asked, classes), other)[0],
        error=error,
        exchanged=tuple((int(labels[name]), int(labels[new])) for name, new in exchanged.items()),
        renamed=score(renamed, other)[0],
        classes=classes,
        looked_at=len(near.of_val),
    )


def _told(distances: Tensor, targets: Tensor, classes: bool) -> Tensor:
    """What the nearest say: the class that most of them have (of equals the lowest), or their mean."""
    nearest = distances.topk(VOTES, largest=False).indices
    return targets[nearest].mode(1).values if classes else targets[nearest].mean(1)


def _kappa(told: Tensor, truth: Tensor) -> tuple[float, float]:
    """Agreement beyond chance, of what can be beyond it (Cohen 1960), and its standard error where there is none."""
    count = int(max(told.max(), truth.max())) + 1
    chance = float((torch.bincount(told, minlength=count) * torch.bincount(truth, minlength=count)).sum())
    chance /= len(told) ** 2
    if chance > 1 - 1e-9:
        return 0.0, 1.0
    agreed = float((told == truth).double().mean())
    return (agreed - chance) / (1 - chance), (chance / (1 - chance) / len(told)) ** 0.5


def _correlation(told: Tensor, truth: Tensor) -> tuple[float, float]:
    a, b = told - told.mean(), truth - truth.mean()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)), len(told) ** -0.5


def _exchanged(told: tuple[Tensor, Tensor], truths: tuple[Tensor, Tensor]) -> dict[int, int]:
    """What training calls a class, and what validation does, where these are the same names in another order."""
    count = 1 + int(max(part.max() for part in [*told, *truths]))
    train, val = (
        torch.bincount(guess * count + truth, minlength=count * count).view(count, count)
        for guess, truth in zip(told, truths, strict=True)
    )
    asked = [name for name in range(count) if int(val[name].sum()) > 0]
    moved = {name: int(val[name].argmax()) for name in asked if int(val[name].argmax()) != name}
    as_often = all(_share(val, *pair) >= RETURNS * _share(train, pair[0], pair[0]) for pair in moved.items())
    return moved if as_often and set(moved) == set(moved.values()) else {}


def _share(table: Tensor, name: int, other: int) -> float:
    return float(table[name, other]) / max(1, int(table[name].sum()))
