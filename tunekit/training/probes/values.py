"""The values of inputs as they are stored: kind, range, moments a channel, lengths of sequences. Measures alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tunekit.measured import Channel, InputKind, InputReport, Lengths, NearConstant
from tunekit.training.probes.looked import WIDE, is_additive_mask
from tunekit.training.probes.moments import Moments
from tunekit.training.probes.padding import find_padding

COLOURS = 4  # channels that pictures have at most ...
BANDS = 16  # ... or, of larger ones, as satellites take them
SIDE = 4  # pixels, below which nothing is a picture ...
LARGE = 16  # ... and from which one of more channels, or without any, is
AT_ONCE = 2**22  # values that are held in double precision
ROWS = 10_000  # of a table in which near-constant columns are looked for
NEAR = 0.99  # share of the samples that have one value, from which a feature is near-constant


def kind_of(value: Tensor) -> InputKind:
    """What a batch [B, ...] of an input holds, by its shape and type."""
    shape, whole = tuple(value.shape[1:]), not value.is_floating_point() and not value.is_complex()
    wide = whole and value.dtype not in (torch.uint8, torch.bool)
    if value.is_complex() or (value.dtype == torch.bool and len(shape) > 1):
        return "other"
    if len(shape) <= 1:
        return "tokens" if wide and len(shape) == 1 else "table"
    if len(shape) == 3 and channel_axis(shape) is not None:
        return "images"
    if len(shape) == 2:
        alike = min(shape) >= LARGE and (value.dtype == torch.uint8 or shape[0] == shape[1])
        return "images" if alike and not wide else "series" if not wide else "other"
    return "other"


def channel_axis(shape: Sequence[int]) -> int | None:
    """Which of the three axes of a picture holds its channels: 0, or 2 where they stand last; None: it is none."""
    for axis, sides in ((0, shape[1:]), (2, shape[:2])):
        if min(sides) >= SIDE and (shape[axis] <= COLOURS or (shape[axis] <= BANDS and min(sides) >= 2 * LARGE)):
            return axis
    return None


def measure_input(name: str, parts: Sequence[Tensor], features: Sequence[str] | None) -> InputReport:
    """An input by its batches [B, ...]; `features` are the names of a table's columns."""
    kind, shapes = kind_of(parts[0]), {tuple(part.shape[1:]) for part in parts}
    shape = shapes.pop() if len(shapes) == 1 else tuple(0 for _ in parts[0].shape[1:])
    moments = Moments(1)
    by_channel = Moments(_channels(kind, parts[0])) if kind in ("images", "table") and 0 not in shape else None
    for part in _pieces(parts):
        flat = part.reshape(-1, 1).double().numpy()
        if len(flat):
            moments.add(flat)
        if by_channel is not None and len(flat):
            by_channel.add(_by_channel(kind, part).double().numpy())
    whole = moments.channel(0, name)
    channels = () if by_channel is None else _named(kind, by_channel, features)
    lengths = _lengths(parts, kind) if kind in ("tokens", "series") else None
    dtype = str(parts[0].dtype).removeprefix("torch.")
    return InputReport(name, kind, dtype, shape, whole.lowest, whole.highest, whole.missing, channels, lengths)


def _pieces(parts: Sequence[Tensor]) -> Iterator[Tensor]:
    for part in parts:
        if not part.is_complex() and not is_additive_mask(part):
            yield from part.split(max(1, AT_ONCE // max(1, part[:1].numel())))


def _channels(kind: InputKind, part: Tensor) -> int:
    return _by_channel(kind, part[:1]).shape[1]


def _by_channel(kind: InputKind, part: Tensor) -> Tensor:
    """[B, ...] as [rows, channels or features]."""
    if kind == "table":
        return part.reshape(len(part), -1)
    if part.dim() == 3:
        return part.reshape(-1, 1)
    last = part.movedim(1 + (channel_axis(part.shape[1:]) or 0), -1)
    return last.reshape(-1, last.shape[-1])


def _named(kind: InputKind, moments: Moments, features: Sequence[str] | None) -> tuple[Channel, ...]:
    count = len(moments.count)
    if count > WIDE:
        return ()
    if kind == "table":
        names = list(features) if features is not None and len(features) == count else list(map(str, range(count)))
    else:
        names = {1: ["grey"], 3: ["red", "green", "blue"]}.get(count, list(map(str, range(count))))
    return tuple(moments.channel(column, name) for column, name in enumerate(names))


def measure_near_constant(parts: Sequence[Tensor], features: Sequence[str] | None) -> tuple[NearConstant, ...]:
    """Columns of a table [B, F] that have one value in nearly all rows."""
    if len({part.shape[1:] for part in parts}) > 1:
        return ()  # sequences, padded batch by batch
    rows = sum(map(len, parts))
    table = torch.cat([part.reshape(len(part), -1)[:: max(1, rows // ROWS)] for part in parts])
    if not len(table) > 1 or not 0 < table.shape[1] <= WIDE or table.is_complex():
        return ()
    usual = table.mode(0).values
    shares = (table == usual).double().mean(0)
    named = features if features is not None and len(features) == table.shape[1] else None
    return tuple(
        NearConstant(column, named[column] if named else str(column), float(usual[column]), float(shares[column]))
        for column in (shares >= NEAR).nonzero().flatten().tolist()
    )


def _lengths(parts: Sequence[Tensor], kind: InputKind) -> Lengths | None:
    """Batches of one width are looked at together: padding shows by the runs of several sequences."""
    alike = len({part.shape[1:] for part in parts}) == 1
    batches = [torch.cat(list(parts))] if alike else list(parts)
    lengths, steps = [], 0
    tokens: set[int] = set()
    padded = False
    for batch in batches:
        real = _real(batch)
        padded = padded or not bool(real.all())
        lengths.append(real.sum(1))
        steps += real.numel()
        if kind == "tokens":
            tokens.update(batch[real].unique().tolist())
    every = torch.cat(lengths)
    if not len(every) or (kind == "series" and alike and not padded):
        return None
    return Lengths(
        shortest=int(every.min()),
        median=float(np.median(every.numpy())),
        longest=int(every.max()),
        padding=1 - int(every.sum()) / max(1, steps),
        vocabulary=len(tokens) if kind == "tokens" else None,
        highest=max(tokens, default=None) if kind == "tokens" else None,
    )


def _real(batch: Tensor) -> Tensor:
    """Which steps [B, L] are a sequence's own: none of an empty one, which is padding alone."""
    real = torch.ones(batch.shape[:2], dtype=torch.bool)
    first = batch.flatten(1)[:, :1]
    one = (batch.flatten(1) == first).all(1)
    padding = find_padding(batch[~one])
    if padding is not None:
        real[~one] = padding.real
        real[one & (first[:, 0] == padding.token)] = False
    return real
