"""Figures as data: panels of lines, bars, cells and rules. Steps give them, report draws them; not drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["linear", "log", "symlog"]
Colour = Literal["", "train", "val", "good", "bad", "plain", "chosen"]
"""What a colour means; "" takes the next of the palette."""
Mark = Literal["", "chosen", "equal", "diverged"]
"""What a cell is: chosen, equal to that within noise, without a value."""


@dataclass(frozen=True)
class Line:
    """A curve. `smooth`: drawn faint, with its moving average over so many points strong above it."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    colour: Colour = ""
    strong: bool = False
    dotted: bool = False
    points: bool = False
    joined: bool = True  # False: points alone
    shade: float | None = None  # from 0 to 1, of a curve that is one of an order: its place there
    error: Sequence[float] | None = None  # half the length of each error bar
    low: Sequence[float] | None = None  # what is shaded about the curve, from here ...
    high: Sequence[float] | None = None  # ... to there
    smooth: int | None = None
    best: int | None = None  # index of the point that is marked ...
    star: str = "best"  # ... and what it is


@dataclass(frozen=True)
class Points:
    """Points by themselves; `line`: not they, but a faint line through them."""

    x: Sequence[float]
    y: Sequence[float]
    line: bool = False


@dataclass(frozen=True)
class Bars:
    """A group of bars at the places 0, 1, ...; several groups of a panel stand side by side."""

    heights: Sequence[float]
    label: str


@dataclass(frozen=True)
class Rule:
    """A straight line across the panel, at an x or at a y."""

    x: float | None = None
    y: float | None = None
    label: str = ""
    colour: Colour = "plain"
    dashed: bool = False


@dataclass(frozen=True)
class Band:
    """A range of x, or of y, that is shaded."""

    low: float
    high: float
    label: str
    colour: Colour = "good"
    along: Literal["x", "y"] = "x"


@dataclass(frozen=True)
class Cells:
    """A map of values [rows, columns], None where there is none, with a word in each cell. Good values are bright, in
    whatever direction they are; beyond `low` and `high` colours differ no more."""

    columns: Sequence[str]
    rows: Sequence[str]
    values: Sequence[Sequence[float | None]]
    words: Sequence[Sequence[str]]
    marks: Sequence[Sequence[Mark]] | None = None  # as the words; None: nothing is marked
    falling: bool = False  # whether less is better
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Picture:
    """An image of bytes, row by row, each pixel's channels (one or three) together."""

    height: int
    width: int
    channels: int
    pixels: bytes


@dataclass(frozen=True)
class Tiles:
    """Rows of pictures, each with a name in front; a row may be shorter than others."""

    names: Sequence[str]
    pictures: Sequence[Sequence[Picture]]
    columns: Sequence[str] = ()  # names above, where there are any


@dataclass(frozen=True)
class Panel:
    """One pair of axes and what is drawn on them. Panels of a figure that have the same `y` share its scale."""

    items: Sequence[Line | Points | Bars | Rule | Band | Cells | Tiles]
    x: str = ""
    y: str = ""
    title: str = ""
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    top: float | None = None  # the highest y that is shown
    ticks: Sequence[str] | None = None  # names at x = 0, 1, ...
    legend: str | None = None  # its title; None where there is no legend
    low: float | None = None  # the lowest y that is shown
    share: bool = False  # whether y is told in per cent


@dataclass(frozen=True)
class Figure:
    """Panels in rows below one title."""

    title: str
    panels: Sequence[Panel]
