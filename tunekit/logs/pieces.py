"""Tables of one document with clocks of their own, put together over common rows. Not what a name means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunekit.logs.columns import Column, Columns, Rows
from tunekit.logs.log import Array
from tunekit.logs.names import Part, part

MEASURED = ("loss", "score", "error")


@dataclass
class Piece:
    """Columns of one length, with the clocks (`epoch`, `step`) that are known for their rows."""

    columns: Columns
    length: int
    clocks: Columns = field(default_factory=dict)


def joined(pieces: Sequence[Piece], notes: list[str]) -> Columns:
    """The pieces over common rows: those of a clock that all have, else spread over the longest one."""
    if not pieces:
        return {}
    longest = max(pieces, key=lambda piece: piece.length)
    if len(pieces) == 1:
        return {**longest.clocks, **longest.columns}
    kind = next((kind for kind in ("step", "epoch") if all(_rises(piece, kind) for piece in pieces)), None)
    if kind is not None:
        places = np.unique(np.concatenate([piece.clocks[kind].values for piece in pieces]))
        shared = {kind: Column(np.arange(len(places)), places)}
        return shared | {name: item for piece in pieces for name, item in _on(places, piece, kind).items()}
    columns: Columns = dict(longest.clocks)
    for piece in pieces:
        rows = _spread(piece.length, longest.length)
        if piece.length > 1 and rows[0] > 0 and kinds(piece.columns):
            notes.append(
                f"the {piece.length:,} values of {next(iter(piece.columns))!r} are spread over "
                f"the {longest.length:,} of {next(iter(longest.columns))!r}"
            )
        columns |= {name: Column(rows[item.rows], item.values) for name, item in piece.columns.items()}
    return columns


def _rises(piece: Piece, kind: str) -> bool:
    """Whether each row of a piece has its own place on a clock."""
    clock = piece.clocks.get(kind)
    return clock is not None and len(clock.values) == piece.length and bool(np.all(np.diff(clock.values) > 0))


def _on(places: Array, piece: Piece, kind: str) -> Columns:
    rows: Rows = np.searchsorted(places, piece.clocks[kind].values).astype(np.int64)
    others = {name: item for name, item in piece.clocks.items() if name != kind}
    return {name: Column(rows[item.rows], item.values) for name, item in {**others, **piece.columns}.items()}


def _spread(length: int, longest: int) -> Rows:
    """Rows of a shorter list: a single value is the end's; nearly as many as the longest has begin with it."""
    if length == 1:
        return np.array([longest - 1], np.int64)
    if longest <= math.ceil(1.5 * length) or longest - length <= 1:
        return np.arange(length, dtype=np.int64)
    rows: Rows = np.round(np.arange(1, length + 1) * longest / length).astype(np.int64) - 1
    return rows


def kinds(names: Iterable[str]) -> set[str]:
    """What the names say: kinds of measures; "loss" too for a name that is nothing but a split."""
    seen = [part(name) for name in names]
    named = {item.kind for item in seen if item.kind in MEASURED}
    return named | {"loss" for item in seen if is_bare(item)}


def is_bare(said: Part) -> bool:
    return bool(said.side and not said.kind and not said.core)
