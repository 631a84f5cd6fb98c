"""The problems of the corpus: real data and drawn ones, each with a large test set, split in two halves before the
first measurement. Thresholds are set on SEEN; UNSEEN is scored by `--final` alone."""

from __future__ import annotations

import argparse
import ast
import pydoc_data.topics
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.benchmarks.subjects import MNIST

Array = npt.NDArray[Any]

VALIDATION, LARGE_VALIDATION, TEST = 300, 1500, 3000
"""Samples of a person's validation, of the one that an intervention gives instead, and of the test set."""
LENGTH = 16
"""Characters or tokens of a sample."""


@dataclass(frozen=True)
class Pool:
    """All samples of a problem: x [n, ...] of numbers (float32) or of tokens (int64), y [n] or [n, length]. Test
    samples are the last; `order`: earlier ones follow each other in time and are not mixed over the splits."""

    x: Array
    y: Array
    classes: int | None  # None: a regression, standardised
    order: bool = False

    @property
    def tokens(self) -> int | None:
        """How many different ones there are; None of numbers."""
        return int(self.x.max()) + 1 if self.x.dtype.kind == "i" else None


@dataclass(frozen=True)
class Problem:
    """A source of samples. `sizes`: training samples that a subject may have; `families`: the networks that suit it;
    `wrong`: the share of the labels of training and validation that are drawn anew."""

    pool: Callable[[], Pool]
    families: tuple[str, ...]
    sizes: tuple[int, ...]
    wrong: float = 0.0


def _draw(seed: int) -> np.random.Generator:
    return np.random.default_rng([2026, seed])


def _digits() -> Pool:
    from sklearn.datasets import load_digits

    data = load_digits()
    return Pool((data.images[:, None] / 16).astype(np.float32), data.target.astype(np.int64), 10)


@cache
def _mnist_pixels() -> tuple[Array, Array]:
    """Images averaged to 14x14, the test set of MNIST last."""
    pixels, labels = [], []
    for split in ("train", "t10k"):
        raw = (MNIST / "MNIST" / "raw" / f"{split}-images-idx3-ubyte").read_bytes()
        images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 14, 2, 14, 2)
        pixels.append(images.mean((2, 4), dtype=np.float32) / 255)
        labels.append(
            np.frombuffer((MNIST / "MNIST" / "raw" / f"{split}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
        )
    return np.concatenate(pixels)[:, None], np.concatenate(labels).astype(np.int64)


def _mnist() -> Pool:
    x, y = _mnist_pixels()
    return Pool(x, y, 10)


def _mnist_rows() -> Pool:
    """An image as a sequence of its rows."""
    x, y = _mnist_pixels()
    return Pool(x[:, 0], y, 10)


def _table() -> Pool:
    """Rules of thumb over numbers and categories, a tenth of the answers otherwise."""
    draw, n = _draw(1), 12000
    numbers = draw.standard_normal((n, 10))
    kinds = draw.integers(0, 4, (n, 3))
    score = np.stack(
        [
            numbers[:, 0] * (kinds[:, 0] - 1.5) + np.where(numbers[:, 1] > 0.5, 1.5, 0),
            np.abs(numbers[:, 2]) - 0.8 + (kinds[:, 1] == kinds[:, 2]),
            np.sin(2 * numbers[:, 3]) + numbers[:, 4] * (numbers[:, 5] > 0),
        ],
        1,
    )
    y = (score + 0.4 * draw.standard_normal(score.shape)).argmax(1)
    coded = np.concatenate([numbers, *(np.eye(4)[kinds[:, k]] for k in range(3))], 1)
    return Pool(coded.astype(np.float32), y.astype(np.int64), 3)


def _rare() -> Pool:
    """Five per cent of the answers are yes; what decides is the interaction of a few numbers."""
    draw, n = _draw(2), 16000
    x = draw.standard_normal((n, 12))
    score = x[:, 0] * x[:, 1] + 0.7 * x[:, 2] + 0.5 * (x[:, 3] ** 2 - 1) + 0.5 * draw.standard_normal(n)
    return Pool(x.astype(np.float32), (score > np.quantile(score, 0.95)).astype(np.int64), 2)


def _friedman() -> Pool:
    """Friedman's first function (Annals of Statistics 1991) of five of ten numbers, with noise."""
    draw, n = _draw(3), 12000
    x = draw.random((n, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return Pool((x * 2 - 1).astype(np.float32), _standardised(y + 1.5 * draw.standard_normal(n)), None)


def _weak() -> Pool:
    """A signal that explains a sixth of the variance, beside thirty numbers that say nothing."""
    draw, n = _draw(4), 16000
    x = draw.standard_normal((n, 36))
    signal = np.tanh(x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * np.abs(x[:, 3])
    return Pool(x.astype(np.float32), _standardised(signal + 2.7 * draw.standard_normal(n)), None)


def _standardised(y: Array) -> Array:
    return ((y - y.mean()) / y.std()).astype(np.float32)


def _spirals() -> Pool:
    """Three arms in the plane, with noise."""
    draw, n = _draw(5), 10000
    arm, at = draw.integers(0, 3, n), np.sqrt(draw.random(n))
    angle = 5 * at + arm * 2 * np.pi / 3 + 0.25 * draw.standard_normal(n)
    x = 2 * np.stack([at * np.cos(angle), at * np.sin(angle)], 1)
    return Pool(x.astype(np.float32), arm.astype(np.int64), 3)


def _shapes() -> Pool:
    """Outlines of discs, squares, crosses and rings on a noisy ground of 12x12."""
    draw, n, side = _draw(6), 10000, 12
    kind = draw.integers(0, 4, n)
    rows, columns = np.mgrid[0:side, 0:side]
    centre = draw.uniform(4, side - 5, (2, n, 1, 1))
    size = draw.uniform(2, 3.8, (n, 1, 1))
    down, right = np.abs(rows - centre[0]), np.abs(columns - centre[1])
    far, square = np.hypot(down, right), np.maximum(down, right)
    figures = [
        far < size,
        square < size * 0.9,
        (np.minimum(down, right) < 0.7) & (square < size * 1.2),
        np.abs(far - size) < 0.8,
    ]
    image = np.choose(kind[:, None, None], figures) * draw.uniform(0.5, 1.2, (n, 1, 1))
    image = image + 0.5 * draw.standard_normal((n, side, side))
    return Pool(image[:, None].astype(np.float32), kind.astype(np.int64), 4)


def _waves() -> Pool:
    """Series of 32 values in two channels: five rhythms at any phase, with a drift and noise."""
    draw, n, length = _draw(7), 10000, 32
    kind = draw.integers(0, 5, n)
    time = np.arange(length) / length
    pace = np.array([2.0, 3.0, 3.0, 5.0, 4.0])[kind, None]
    phase = draw.uniform(0, 2 * np.pi, (n, 1))
    first = np.sin(2 * np.pi * pace * time + phase)
    second = np.where(kind[:, None] == 2, np.sign(first), np.cos(2 * np.pi * pace * time * (1 + (kind == 4))[:, None]))
    series = np.stack([first + draw.standard_normal((n, 1)) * time, second], 2)
    return Pool((series + 0.7 * draw.standard_normal(series.shape)).astype(np.float32), kind.astype(np.int64), 5)


def _brackets() -> Pool:
    """How deep a sequence of two kinds of brackets and letters is nested at its deepest: 0 to 4."""
    draw, n = _draw(8), 14000
    steps = draw.choice(5, (n, LENGTH), p=[0.2, 0.15, 0.15, 0.15, 0.35])
    depth = np.zeros(n, np.int64)
    deepest = np.zeros(n, np.int64)
    for place in range(LENGTH):
        token = steps[:, place]
        opens, closes = (token == 0) | (token == 1), (token == 2) | (token == 3)
        depth = np.clip(depth + opens - closes, 0, None)
        deepest = np.maximum(deepest, depth)
    return Pool(steps.astype(np.int64), np.clip(deepest - 2, 0, 4), 5)


def _tags() -> Pool:
    """A tag for each token: its kind, which the token before and the first of the sequence decide with it."""
    draw, n, words = _draw(9), 12000, 60
    ranks = 1 / np.arange(1, words + 1)
    x = draw.choice(words, (n, LENGTH), p=ranks / ranks.sum())
    table = draw.integers(0, 6, (words, 4))
    before = np.concatenate([np.zeros((n, 1), np.int64), x[:, :-1]], 1)
    y = table[x, (before % 2) * 2 + (x[:, :1] % 2)]
    wrong = draw.random(y.shape) < 0.1
    return Pool(x.astype(np.int64), np.where(wrong, draw.integers(0, 6, y.shape), y).astype(np.int64), 6)


def _characters(text: str, skip: int) -> Pool:
    """The next character at each of LENGTH places, windows beginning every `skip` characters."""
    common = sorted(set(text), key=lambda one: (-text.count(one), one))[:59]
    number = {one: place for place, one in enumerate(common)}
    codes = np.array([number.get(one, len(common)) for one in text], np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, LENGTH + 1)[::skip]
    return Pool(windows[:, :-1].copy(), windows[:, 1:].copy(), len(common) + 1, order=True)


def _topics() -> Pool:
    """Python's own reference."""
    return _characters("\n".join(pydoc_data.topics.topics.values()), 30)


def _code() -> Pool:
    """The source of three modules of Python."""
    return _characters("\n".join(Path(module.__file__).read_text() for module in (argparse, typing, ast)), 24)


SEEN: Mapping[str, Problem] = MappingProxyType(
    {
        "digits": Problem(_digits, ("mlp", "cnn"), (150, 500)),
        "mnist_wrong_labels": Problem(_mnist, ("mlp", "cnn"), (600, 2000), wrong=0.3),
        "table": Problem(_table, ("mlp",), (300, 1000, 4000)),
        "friedman": Problem(_friedman, ("mlp",), (200, 600, 2000)),
        "shapes": Problem(_shapes, ("cnn", "mlp"), (300, 1000, 2000)),
        "brackets": Problem(_brackets, ("lstm", "transformer"), (500, 2000)),
        "topics": Problem(_topics, ("transformer", "lstm"), (300, 1000, 3000)),
        "mnist_few": Problem(_mnist, ("mlp", "cnn"), (60, 150)),
    }
)
UNSEEN: Mapping[str, Problem] = MappingProxyType(
    {
        "mnist": Problem(_mnist, ("mlp", "cnn"), (600, 2000)),
        "mnist_rows": Problem(_mnist_rows, ("lstm", "transformer"), (500, 1500)),
        "rare": Problem(_rare, ("mlp",), (1000, 4000)),
        "weak": Problem(_weak, ("mlp",), (300, 1000, 4000)),
        "spirals": Problem(_spirals, ("mlp",), (60, 200, 600)),
        "waves": Problem(_waves, ("cnn", "lstm"), (150, 500, 1500)),
        "tags": Problem(_tags, ("lstm", "transformer"), (200, 600, 2000)),
        "code": Problem(_code, ("transformer", "lstm"), (300, 1000, 3000)),
    }
)
PROBLEMS: Mapping[str, Problem] = MappingProxyType({**SEEN, **UNSEEN})


@dataclass(frozen=True)
class Splits:
    """A subject's samples by split, each (x, y). `large`: more validation samples, where the problem has them."""

    train: tuple[Array, Array]
    val: tuple[Array, Array]
    large: tuple[Array, Array] | None
    test: tuple[Array, Array]


@cache
def _pool(name: str) -> Pool:
    return PROBLEMS[name].pool()


def pool_of(name: str) -> Pool:
    """All samples of a problem."""
    return _pool(name)


@cache
def guess_of(name: str) -> float:
    """The test loss of the best answer that is the same for all samples: the entropy of the labels, or the variance."""
    pool = _pool(name)
    y = splits_of(name, min(PROBLEMS[name].sizes), 0).test[1]
    if pool.classes is None:
        return float(np.var(y))
    shares = np.bincount(y.ravel(), minlength=pool.classes) / y.size
    return float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))


def splits_of(name: str, size: int, seed: int) -> Splits:
    """So many training samples of a problem, drawn by `seed`; the test set is the same for all."""
    pool, problem, draw = _pool(name), PROBLEMS[name], np.random.default_rng(seed)
    tested = min(TEST, len(pool.x) * 2 // 5)
    before = len(pool.x) - tested
    few, many = (min(count, (before - size) // 2) for count in (VALIDATION, LARGE_VALIDATION))
    if pool.order:  # validation lies between training and test
        begin = int(draw.integers(0, before - size - many + 1))
        places = np.arange(begin, begin + size + many)
    else:
        places = draw.permutation(before)[: size + many]
    y = pool.y
    if problem.wrong:
        changed = draw.random(len(y)) < problem.wrong
        y = np.where(changed & (np.arange(len(y)) < before), draw.integers(0, pool.classes or 2, len(y)), y)
    train, val, large = places[:size], places[size : size + few], places[size:]
    test = np.arange(before, len(pool.x))
    more = (pool.x[large], y[large]) if many >= 2 * few else None
    return Splits((pool.x[train], y[train]), (pool.x[val], y[val]), more, (pool.x[test], y[test]))
