"""Windows of one series: how many validation samples are training samples a little further on. Counts, no verdict."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.measured import Windows
from tunekit.training.data import Batch

SHORTEST = 8  # steps of a window
VALUES = 4_000_000  # values looked at
LOOKS = 2_000_000  # blocks of training samples looked at
CHECKED = 512  # validation samples
TOKENS_APART = 0.25  # of a window of tokens, that two may be apart: shorter pieces of text occur again by nature
SCATTER = 3.0  # standard errors
RICH = 4  # different steps in what two windows share: runs of one value coincide by nature

Hashes = npt.NDArray[np.uint64]


def measure_windows(train: list[Batch], val: list[Batch]) -> Windows | None:
    """Overlap of validation windows with training windows at another place. None: inputs that are no series."""
    first, second = _series(train), _series(val)
    if first is None or second is None or first.shape[1:] != second.shape[1:] or not len(first) or not len(second):
        return None
    axes = (1,) if first.dim() == 2 else (1, 2)
    found = [
        _overlap(first.movedim(axis, 1), second.movedim(axis, 1)) for axis in axes if first.shape[axis] >= SHORTEST
    ]
    return max((one for one in found if one is not None), key=lambda one: one.share, default=None)


def _series(batches: list[Batch]) -> Tensor | None:
    """The first input that may be a series: [N, L], [N, L, F] or [N, F, L]."""
    for place, value in enumerate(batches[0].inputs if batches else ()):
        if isinstance(value, Tensor) and value.dim() in (2, 3) and value.dtype != torch.bool:
            parts = [batch.inputs[place] for batch in batches]
            return torch.cat(parts).cpu() if len({part.shape[1:] for part in parts}) == 1 else None
    return None


def _overlap(train: Tensor, val: Tensor) -> Windows:
    length, numbers = train.shape[1], train[0].numel()
    # Neighbours stand together where a split keeps the order: of large data the beginning of both is taken.
    part = min(1.0, VALUES / (len(train) * numbers))
    train, val = train[: max(1, int(part * len(train)))], val[: max(1, int(part * len(val)))]
    picks = torch.linspace(0, len(val) - 1, min(CHECKED, len(val))).long().unique()
    tokens = not train.is_floating_point()
    farthest = int(TOKENS_APART * length) if tokens else length // 2
    steps = _steps(val[picks])
    sums, others, rich = _sums(_steps(train)), _sums(steps), _richness(steps)
    shares: dict[int, npt.NDArray[np.bool_]] = {}
    again: dict[int, float] = {}  # share of the pieces that stand in training at their own place: words that come again
    for shift in range(1, max(1, min(farthest, LOOKS // (2 * len(train)))) + 1):
        begins, ends = _block(sums, 0, length - shift), _block(sums, shift, length)
        first, second = _block(others, 0, length - shift), _block(others, shift, length)
        hits = _among(first, ends) | _among(second, begins)
        shares[shift] = hits & rich
        if tokens:
            again[shift] = float(((_among(first, begins) | _among(second, ends)) & rich).mean())
    same = float((_among(_block(others, 0, length), _block(sums, 0, length)) & rich).mean())
    beyond = {place: _beyond(float(hits.mean()), again.get(place, 0.0), len(picks)) for place, hits in shares.items()}
    shift = max(beyond, key=beyond.__getitem__)
    share = beyond[shift] if tokens else float(np.logical_or.reduce(list(shares.values())).mean())
    return Windows(share=share, same=same, shift=shift, length=length, looked_at=len(picks))


def _beyond(share: float, by_chance: float, count: int) -> float:
    """What one share of `count` samples has over another, where that is more than they scatter."""
    scatter = ((share * (1 - share) + by_chance * (1 - by_chance)) / count) ** 0.5
    return share - by_chance if share - by_chance > SCATTER * scatter else 0.0


def _steps(windows: Tensor) -> Hashes:
    """A hash of every step, [N, L]. Arithmetic is modulo 2^64 on purpose."""
    flat = windows.reshape(len(windows), windows.shape[1], -1)
    values = flat.float().numpy().view(np.int32) if flat.is_floating_point() else flat.long().numpy()
    odd = np.random.default_rng(0).integers(1, 2**62, values.shape[2], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed: Hashes = (values.astype(np.uint64) * odd).sum(2, dtype=np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(29))


def _sums(steps: Hashes) -> Hashes:
    """Running sums [N, L + 1] of the steps, each times a power of one odd number, so that blocks at any two places can
    be compared."""
    running = np.zeros((len(steps), steps.shape[1] + 1), dtype=np.uint64)
    np.cumsum(steps * _powers(steps.shape[1]), axis=1, dtype=np.uint64, out=running[:, 1:])
    return running


BASE = 0xD1342543DE82EF95  # any odd number


def _powers(length: int) -> Hashes:
    return np.array([pow(BASE, k, 2**64) for k in range(length)], dtype=np.uint64)


def _block(sums: Hashes, begin: int, end: int) -> Hashes:
    """A hash [N] of the steps from `begin` to `end`, wherever they stand."""
    blocks: Hashes = (sums[:, end] - sums[:, begin]) * np.uint64(pow(BASE, -begin, 2**64))
    return blocks


def _among(few: Hashes, many: Hashes) -> npt.NDArray[np.bool_]:
    """Which of the few occur among the many."""
    order = np.unique(few)
    places = np.minimum(np.searchsorted(order, many), len(order) - 1)
    met = np.zeros(len(order), dtype=bool)
    met[places[order[places] == many]] = True
    found: npt.NDArray[np.bool_] = met[np.searchsorted(order, few)]
    return found


def _richness(steps: Hashes) -> npt.NDArray[np.bool_]:
    """Which windows have several different steps in either half."""
    half = steps.shape[1] // 2
    first, second = (np.sort(part, axis=1) for part in (steps[:, :half], steps[:, half:]))
    rich: npt.NDArray[np.bool_] = np.minimum(_different(first), _different(second)) >= RICH
    return rich


def _different(ordered: Hashes) -> npt.NDArray[np.int64]:
    different: npt.NDArray[np.int64] = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
    return different
