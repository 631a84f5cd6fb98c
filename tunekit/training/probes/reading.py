"""Samples that are read again: whether one seed gives them twice, and whether targets go along with their inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.measured import Reading
from tunekit.training.data import Batch, DatasetSplit, LoaderSplit, Split

SAMPLES = 8  # read again
READINGS = 3  # of each, under seeds of their own, where pictures have masks; else one
PAIRS = 16  # of readings, whose pictures are laid over each other
GRID = 32  # pixels a side, to which pictures are brought
ALIKE = 0.7  # correlation of two pictures, the second flipped, turned or shifted, above which that is what happened ...
BETTER = 0.15  # ... where it is so much above what it is without
LEAST = 0.01  # share of a target that a movement must change
CLOSE = 1e-4  # of a value's size: rounding


def measure_reading(split: Split | LoaderSplit) -> Reading | None:
    """What readings of the same samples differ by. None: samples in memory, or batches of a stream."""
    if not isinstance(split, DatasetSplit) or len(split) == 0:
        return None
    picks = torch.linspace(0, len(split) - 1, min(SAMPLES, len(split))).long()
    first, again = split.batch(picks), split.batch(picks)
    differ = ~_same_rows(first, again)
    example = int(picks[int(differ.nonzero()[0, 0])]) if bool(differ.any()) else None
    readings = READINGS if _picture(first) is not None and _mask(first) is not None else 1
    others = [split.batch(picks, seed=0, number=number) for number in range(1, readings + 1)] if split.draws else []
    redrawn, pairs = _redrawn(first, others)
    moved, followed, how = _moved(first, others)
    return Reading(len(picks), int(differ.sum()), example, moved, followed, how, redrawn, pairs)


def _same_rows(first: Batch, second: Batch) -> Tensor:
    """For every sample: whether inputs and targets are equal in both readings."""
    same = _same([*first.inputs, first.targets], [*second.inputs, second.targets])
    return torch.ones(1, dtype=torch.bool) if same is None else same


def _same(first: list[object], second: list[object]) -> Tensor | None:
    """For every sample: whether these values are equal up to rounding; None where none is a tensor."""
    rows: Tensor | None = None
    for a, b in zip(first, second, strict=True):
        if not isinstance(a, Tensor) or not isinstance(b, Tensor) or not a.dim():
            continue
        if a.shape != b.shape:
            return torch.zeros(len(a), dtype=torch.bool)
        x, y = (torch.nan_to_num(value.reshape(len(value), -1).double()) for value in (a, b))
        equal = ((x - y).abs() <= CLOSE * (x.abs() + y.abs())).all(1)
        rows = equal if rows is None or len(rows) != len(equal) else rows & equal
    return rows


def _redrawn(first: Batch, others: list[Batch]) -> tuple[int, int]:
    """Pairs of readings with equal inputs and other targets, and all pairs."""
    redrawn = pairs = 0
    for other in others:
        inputs, targets = _same(first.inputs, other.inputs), _same([first.targets], [other.targets])
        if inputs is None or targets is None or len(inputs) != len(targets):
            continue
        redrawn, pairs = redrawn + int((inputs & ~targets).sum()), pairs + len(inputs)
    return redrawn, pairs


def _moved(first: Batch, others: list[Batch]) -> tuple[int, int, str]:
    """Pairs of readings whose picture was flipped, turned or shifted where that changes its mask; how many of the masks
    went along; and the commonest movement."""
    pairs: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for other in others:
        layers = (_picture(first), _picture(other), _mask(first), _mask(other))
        if any(layer is None for layer in layers):
            return 0, 0, ""
        a, b, s, t = (layer for layer in layers if layer is not None)
        if a.shape == b.shape and s.shape == t.shape and len(a) == len(s):
            pairs += [(a[i], b[i], s[i], t[i]) for i in range(len(a)) if not torch.equal(a[i], b[i])]
    names: list[str] = []
    followed = 0
    for before, after, target, later in pairs[:PAIRS]:
        movement = _movement(before, after)
        if movement is None:
            continue
        index, shift, name = movement
        mapped = _shifted(_warped(later[None], _candidates()[0][index : index + 1], "nearest"), shift)[0]
        if _agreement(mapped, later) > 1 - LEAST:
            continue  # empty or symmetric: it shows nothing
        names.append(name)
        followed += _agreement(target, mapped) > _agreement(target, later)
    return len(names), followed, max(set(names), key=names.count) if names else ""


def _picture(batch: Batch) -> Tensor | None:
    """The first input that is a picture, [B, GRID, GRID]."""
    for value in batch.inputs:
        if isinstance(value, Tensor) and value.dim() in (3, 4) and value.dtype != torch.bool:
            return _laid_out(value, "area")
    return None


def _mask(batch: Batch) -> Tensor | None:
    """Targets that are laid out like a picture, [B, GRID, GRID]."""
    targets = batch.targets
    return _laid_out(targets, "nearest") if isinstance(targets, Tensor) and targets.dim() in (3, 4) else None


def _laid_out(value: Tensor, mode: str) -> Tensor | None:
    """[B, GRID, GRID] of pictures [B, C, H, W], [B, H, W, C] or [B, H, W]; channels are mixed in unequal parts, so that
    masks of one channel a class do not vanish."""
    if value.dim() == 4 and value.shape[3] <= 4 < value.shape[1]:
        value = value.permute(0, 3, 1, 2)
    if value.dim() == 4:
        parts = torch.linspace(1.0, 2.0, value.shape[1]).view(1, -1, 1, 1)
        value = (value.float() * parts).sum(1)
    if min(value.shape[1:]) < 4:
        return None
    return F.interpolate(torch.nan_to_num(value.float())[:, None], (GRID, GRID), mode=mode)[:, 0]


def _candidates() -> tuple[Tensor, list[str]]:
    """Flips and turns, exact ones first, and small changes of size: maps [K, 2, 3] for `affine_grid` and names."""
    maps, names = [], []
    exact = [(90.0 * k, flip, 1.0) for flip in (1.0, -1.0) for k in range(4)]
    others = [(15.0 * k, flip, size) for size in (1.0, 0.8, 1.25) for flip in (1.0, -1.0) for k in range(24)]
    for angle, flip, size in [*exact, *others]:
        turn = torch.deg2rad(torch.tensor(angle))
        cos, sin = float(turn.cos()) * size, float(turn.sin()) * size
        maps.append([[flip * cos, -flip * sin, 0.0], [sin, cos, 0.0]])
        kinds = ["turned" if angle else "", "flipped" if flip < 0 else "", "resized" if size != 1 else ""]
        names.append(" and ".join(filter(None, kinds)) or "shifted")
    return torch.tensor(maps), names


def _movement(before: Tensor, after: Tensor) -> tuple[int, tuple[int, int], str] | None:
    """The candidate and the shift that lay the second picture over the first, where they do much better than none."""
    maps, names = _candidates()
    spectrum = torch.fft.rfft2(_unit(before[None]))
    still = float((_unit(before[None]) * _unit(after[None])).sum().abs())
    for part in (slice(0, 8), slice(8, len(maps))):
        turned = _unit(_warped(after.expand(len(maps[part]), GRID, GRID), maps[part], "bilinear"))
        overlap = torch.fft.irfft2(spectrum * torch.fft.rfft2(turned).conj(), s=(GRID, GRID)).flatten(1)
        best = overlap.amax(1)
        index = int(best.argmax())
        if float(best[index]) > max(ALIKE, still + BETTER):
            place = int(overlap[index].argmax())
            return index + (part.start or 0), (place // GRID, place % GRID), names[index + (part.start or 0)]
    return None


def _unit(pictures: Tensor) -> Tensor:
    centred = pictures - pictures.mean((1, 2), keepdim=True)
    sizes: Tensor = centred.flatten(1).norm(dim=1).clamp_min(1e-12)
    return centred / sizes.view(-1, 1, 1)


def _warped(pictures: Tensor, maps: Tensor, mode: str) -> Tensor:
    grid = F.affine_grid(maps, [len(maps), 1, GRID, GRID], align_corners=False)
    return F.grid_sample(pictures[:, None], grid, mode=mode, padding_mode="border", align_corners=False)[:, 0]


def _shifted(pictures: Tensor, shift: tuple[int, int]) -> Tensor:
    return pictures.roll(shift, (1, 2))


def _agreement(a: Tensor, b: Tensor) -> float:
    """Share of the pixels that are equal within a twentieth of the range."""
    size = float(torch.maximum(a.max(), b.max()) - torch.minimum(a.min(), b.min()))
    return float(((a - b).abs() <= 0.05 * size).float().mean())
