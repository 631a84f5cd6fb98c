"""How figures look, on pictures and on a page: colours and what they mean, sizes of text and lines, numbers on axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunekit.charts import Colour, Mark
from tunekit.configuration import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

DPI = 150
WIDE, SINGLE = 8.0, 6.0  # inches of a sheet, and of one with a single panel: at 800 pixels a point is 1.4 pixels
POINTS = 2000  # a curve's points that are drawn
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7F7F7F")
"""M. Okabe and K. Ito, 'Color Universal Design', 2008: those that are seen on white, and a grey."""
COLOURS: dict[Colour, str] = {
    "train": PALETTE[0],
    "val": PALETTE[1],
    "good": PALETTE[2],
    "bad": PALETTE[5],
    "plain": "#555555",
    "chosen": "#000000",
}
MARKS: dict[Mark, str] = {"chosen": "chosen", "equal": "equal within noise", "diverged": "diverged"}
"""What a marked cell is called."""
DARKEST = 0.88  # of the map of colours, whose last ones are not seen as lines on white
BRIGHT = 0.435  # of the map of colours: from there on black has more contrast than white, and each has 4.5 or more
LETTER = 0.062  # inches that one is wide ...
LINE = 0.14  # ... and that a line of them is high
STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "figure.titlesize": 9.5,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.title_fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.3,
    "hatch.linewidth": 0.7,
    "hatch.color": "#777777",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "image.cmap": "viridis",
}


@contextmanager
def styled() -> Iterator[None]:
    """Within this matplotlib draws as all figures look, whatever a person's own settings are."""
    import matplotlib as mpl
    from cycler import cycler

    with mpl.rc_context({**mpl.rcParamsDefault, **STYLE, "axes.prop_cycle": cycler(color=PALETTE)}):
        yield


def numbered(axes: Axes, whole: bool, share: bool) -> None:
    """Numbers on axes as a person writes them: rates as in a recipe, shares in per cent, iterations without a point."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            _as_rates(axis)
    if whole and axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _as_rates(axis: Axis) -> None:
    from matplotlib.ticker import LogFormatter

    class Rates(LogFormatter):
        """Says which ticks have a number, and that one as a recipe has it."""

        def __call__(self, x: float, pos: Any = None) -> str:
            return short(x) if super().__call__(x, pos) else ""

    axis.set_major_formatter(Rates())
    axis.set_minor_formatter(Rates(labelOnlyBase=False, minor_thresholds=(1.5, 0.5)))


def name_ticks(axes: Axes, names: Sequence[str], width: float) -> None:
    """Names at 0, 1, ... on the x of a panel so many inches wide; aslant where they are long; some of them where all
    have no room."""
    tick(axes.xaxis, names, width - 0.8)
    if names:
        axes.set_xlim(-0.5, len(names) - 0.5)
    if LETTER * sum(len(name) + 2 for name in names) > width - 0.8:
        axes.tick_params(axis="x", labelrotation=45)


def tick(axis: Axis, names: Sequence[str], length: float) -> None:
    """Names at 0, 1, ... of an axis so many inches long: every second, third, ... where all have no room."""
    every = range(0, len(names), max(1, math.ceil(len(names) * LINE / length)))
    axis.set_ticks(every, [literal(names[place]) for place in every])


def literal(text: str) -> str:
    """A person's text as matplotlib draws it letter by letter: between two dollars it would read a formula."""
    return text.replace("$", r"\$")
