"""Figures drawn as PNG from what steps and logs give as data (charts.py). Computes nothing that a result would hold."""

from __future__ import annotations

import io
import math
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunekit.charts import Band, Bars, Cells, Figure, Line, Panel, Picture, Points, Rule, Tiles
from tunekit.logs.log import Array
from tunekit.report.cells import HIGHEST, draw_cells
from tunekit.report.drawable import drawable, moving_average
from tunekit.report.style import (
    COLOURS,
    DARKEST,
    DPI,
    LETTER,
    POINTS,
    SINGLE,
    WIDE,
    literal,
    name_ticks,
    numbered,
    styled,
)
from tunekit.rundir import RunFolder, write_atomically
from tunekit.vocabulary import Event, StepFinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

ACROSS = 3  # panels in a row, at most
HEIGHT = {1: 3.3, 2: 2.7, 3: 2.2}  # inches of a panel, by how many stand in its row
ENTRY = 0.17  # inches that a row of a legend is high
ROW = 0.55  # inches that a row of pictures is high
CELL = 0.3  # and one of cells
SIGN = 0.4  # inches that the sign before a label takes
NARROW = 10  # columns of cells that have room on a narrow sheet
GAP = 1  # pixels between pictures
NAMED = 24  # letters of a row's name
FEW = 60  # points of a curve that are marked one by one


class Painter:
    """Draws finished steps beside the run, in a thread of its own: the next step does not wait."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._pool = ThreadPoolExecutor(1)
        self._drawn: list[Future[None]] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, StepFinished) and event.figure is not None:
            import_plainly()
            self._drawn.append(self._pool.submit(_write, self.run, event.figure, event.result.step))

    def close(self) -> None:
        """Wait for what is still being drawn; raise what went wrong."""
        self._pool.shutdown(wait=True)
        for drawn in self._drawn:
            drawn.result()


def _write(run: RunFolder, figure: Callable[[], Figure], step: str) -> None:
    from tunekit.report.interactive import keep

    shown = figure()
    write_atomically(run.figure(step), draw(shown, step))
    keep(run, step, shown)


@contextmanager
def leaving_home_alone() -> Iterator[None]:
    """Matplotlib keeps a list of fonts in the person's home, and makes it where there is none. Within this it does not:
    the list is made for this process alone."""
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    if "matplotlib" in sys.modules or "MPLCONFIGDIR" in os.environ or any(kept.glob("fontlist-*.json")):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tunekit-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def draw(figure: Figure, name: str = "") -> bytes:
    """The figure as PNG, its title with a name in front."""
    import_plainly()
    buffer = io.BytesIO()
    with styled():
        drawn(figure, name).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def import_plainly() -> None:
    """Import matplotlib without a look at the current folder, whose `matplotlibrc` may be anybody's and have programs
    started. In the main thread: the folder is that of the whole process, and may be one that modules are looked for in
    (`python -c`, a notebook), so that it is one without any."""
    if "matplotlib" not in sys.modules:
        with chdir(Path(__file__).parents[1] / "docs"):
            import matplotlib as mpl  # noqa: F401


def drawn(figure: Figure, name: str = "") -> Sheet:
    """The figure on matplotlib's."""
    # The agg canvas without pyplot's interface: pyplot would take a second to import and keeps figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    rows = in_rows(figure.panels)
    width = SINGLE if len(figure.panels) == 1 and not _is_broad(figure.panels[0]) else WIDE
    heights = [max(_height(panel, width / across, across) for panel in row) for row, across in rows]
    title = f"{name}: {figure.title}" if name else figure.title
    title = textwrap.fill(title.replace(" %", "\N{NO-BREAK SPACE}%"), round(13 * width), break_on_hyphens=False)
    with styled():
        sheet = Sheet(figsize=(width, sum(heights) + 0.3 + 0.16 * title.count("\n")), layout="constrained")
        FigureCanvasAgg(sheet)
        sheet.suptitle(literal(title))
        grid = sheet.add_gridspec(len(rows), 6, height_ratios=heights)  # 6: two or three in a row have whole columns
        scales: dict[str, Axes] = {}
        for place, (row, across) in enumerate(rows):
            for column, panel in enumerate(row):
                span = 6 // across
                beside = scales.get(panel.y) if shares_scale(panel) else None
                axes = sheet.add_subplot(grid[place, column * span : (column + 1) * span], sharey=beside)
                if shares_scale(panel):
                    scales.setdefault(panel.y, axes)
                _panel(axes, panel, width / across)
    return sheet


def in_rows(panels: Sequence[Panel]) -> list[tuple[list[Panel], int]]:
    """What is drawn of panels, as they stand below each other, each row with how many have room in it: at most three,
    and a map has a row of its own beside others."""
    maps = [drawable(panel) for panel in panels if is_map(panel)]
    others = [drawable(panel) for panel in panels if not is_map(panel)]
    across = max(1, min(len(others), 2 if len(others) == 4 else ACROSS))
    rows = [others[start : start + across] for start in range(0, len(others), across)]
    return [*(([panel], 1) for panel in maps), *((row, across) for row in rows)]


def is_map(panel: Panel) -> bool:
    return any(isinstance(item, Cells) for item in panel.items)


def shares_scale(panel: Panel) -> bool:
    """Whether a panel has its y on one scale with all others of that name."""
    return bool(panel.y) and not any(isinstance(item, Cells | Tiles) for item in panel.items)


def _is_broad(panel: Panel) -> bool:
    return any(isinstance(item, Cells) and len(item.columns) > NARROW for item in panel.items)


def _height(panel: Panel, width: float, across: int) -> float:
    """Inches: what it shows, and its legend above."""
    pictures = max((len(item.names) for item in panel.items if isinstance(item, Tiles)), default=0)
    cells = max((len(item.rows) for item in panel.items if isinstance(item, Cells)), default=0)
    above = 0.0 if panel.legend is None else ENTRY * _columns(_labels(panel), width)[1]
    if pictures:
        return max(2.2, 0.7 + ROW * pictures) + above
    return (min(HIGHEST, max(1.7, 0.8 + CELL * cells)) if cells else HEIGHT[across]) + above


def _labels(panel: Panel) -> list[str]:
    """What its legend has, nearly: a label is said once."""
    own = [str(getattr(item, "label", "")) for item in panel.items]
    stars = [item.star for item in panel.items if isinstance(item, Line) and item.best is not None]
    marks = [mark for item in panel.items if isinstance(item, Cells) for row in item.marks or () for mark in row]
    return list(dict.fromkeys(text for text in [*own, *stars, *marks] if text))


def _columns(labels: Sequence[str], width: float) -> tuple[int, int]:
    """Columns of a legend that have room over a panel so wide, and lines that it has then."""
    for columns in range(len(labels), 0, -1):
        parts = np.array_split([_broken(label, width) for label in labels], columns)
        widest = [max(len(line) for label in part for line in label.split("\n")) for part in parts]
        if columns == 1 or sum(SIGN + LETTER * letters for letters in widest) < width - 0.7:
            return columns, max(sum(1 + label.count("\n") for label in part) for part in parts)
    return 1, 0


def _broken(label: str, width: float) -> str:
    """A label in lines that have room over a panel so wide: a wider legend would leave nothing of the panel."""
    return textwrap.fill(label, max(8, int((width - 1.2) / LETTER)), break_on_hyphens=False)


def _panel(axes: Axes, panel: Panel, width: float) -> None:
    if not any(isinstance(item, Cells | Tiles) for item in panel.items):
        axes.grid()
    axes.set(xlabel=panel.x, ylabel=panel.y, xscale=panel.x_scale, yscale=panel.y_scale)
    groups = [item for item in panel.items if isinstance(item, Bars)]
    for item in panel.items:
        if isinstance(item, Line):
            _line(axes, item)
        elif isinstance(item, Points):
            axes.plot(item.x, item.y, ":" if item.line else ".", color="black" if item.line else None, alpha=0.6)
        elif isinstance(item, Bars):
            _bars(axes, item, groups.index(item), len(groups))
        elif isinstance(item, Rule):
            _rule(axes, item)
        elif isinstance(item, Band):
            shaded = axes.axvspan if item.along == "x" else axes.axhspan
            shaded(item.low, item.high, color=COLOURS[item.colour], alpha=0.15, linewidth=0, label=item.label)
        elif isinstance(item, Tiles):
            _tiles(axes, item)
        else:
            draw_cells(axes, item, width)
    if not any(isinstance(item, Cells | Tiles) for item in panel.items):
        numbered(axes, is_whole(panel), panel.share)
    if panel.ticks is not None:
        name_ticks(axes, panel.ticks, width)
    if panel.low is not None or panel.top is not None:
        axes.set_ylim(panel.low, panel.top)
    _head(axes, panel, width)


def is_whole(panel: Panel) -> bool:
    """Whether all x are whole numbers, as iterations are."""
    every = [x for item in panel.items if isinstance(item, Line | Points) for x in item.x]
    return panel.ticks is None and bool(every) and all(float(x).is_integer() for x in every)


def _head(axes: Axes, panel: Panel, width: float) -> None:
    """The title, and between it and the panel the legend: outside, for a legend within lies over what is drawn."""
    pad = 5.0
    entries: dict[str, Any] = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        entries.setdefault(label, handle)
    if panel.legend is not None and entries:
        columns, lines = _columns(list(entries), width)
        pad += 72 * ENTRY * (lines + bool(panel.legend))
        axes.legend(
            entries.values(),
            [literal(_broken(label, width)) for label in entries],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.1,
            ncols=columns,
            title=panel.legend or None,
            alignment="left",
        )
    if panel.title:
        axes.set_title(literal(panel.title), pad=pad)


def _rule(axes: Axes, rule: Rule) -> None:
    style: dict[str, Any] = {"color": COLOURS[rule.colour], "linestyle": "--" if rule.dashed else "-"}
    style["label"] = literal(rule.label) or None
    if rule.x is not None:
        axes.axvline(rule.x, **style)
    if rule.y is not None:
        axes.axhline(rule.y, **style)


def _line(axes: Axes, line: Line) -> None:
    x, y = thin(line.x), thin(line.y)
    style: dict[str, Any] = {"linestyle": (":" if line.dotted else "-") if line.joined else ""}
    style |= {"linewidth": 2.4 if line.strong else 1.3, "zorder": 2.5 if line.strong else 2}
    if line.shade is not None:
        style["color"] = _shade(line.shade)
    elif line.colour:
        style["color"] = COLOURS[line.colour]
    if line.low is not None and line.high is not None:
        shadow = style.get("color", COLOURS["plain"])
        axes.fill_between(x, thin(line.low), thin(line.high), color=shadow, alpha=0.2, linewidth=0)
    if line.error is not None:
        axes.errorbar(x, y, yerr=thin(line.error), marker="o", markersize=4, label=line.label or None, **style)
    elif line.smooth is not None:
        (raw,) = axes.plot(x, y, color=style.get("color"), alpha=0.25, linewidth=0.8)
        style["color"] = raw.get_color()
        axes.plot(x, thin(moving_average(line.y, line.smooth)), label=line.label or None, **style)
    elif len(x):
        marked = line.points or not line.joined or (line.best is not None and len(x) < FEW)
        axes.plot(x, y, label=line.label or None, marker="o" if marked else "", markersize=4, **style)
    if line.best is not None:
        star: dict[str, Any] = {"marker": "*", "markersize": 12, "markeredgecolor": "white", "linestyle": ""}
        axes.plot(line.x[line.best], line.y[line.best], label=line.star, color=COLOURS["chosen"], zorder=3, **star)


def _shade(place: float) -> Any:
    import matplotlib as mpl

    return mpl.colormaps["viridis"](DARKEST * place)


def thin(values: Sequence[float | None]) -> Array:
    """At most so many values as are drawn; None becomes NaN."""
    stride = max(1, math.ceil(len(values) / POINTS))
    return np.asarray(values[::stride], dtype=float)


def _bars(axes: Axes, bars: Bars, place: int, groups: int) -> None:
    width = 0.7 / groups
    axes.bar(np.arange(len(bars.heights)) + width * (place - (groups - 1) / 2), bars.heights, width, label=bars.label)


def _tiles(axes: Axes, tiles: Tiles) -> None:
    """All pictures as one, in cells as large as the largest."""
    mosaic, height, width = mosaic_of(tiles)
    axes.imshow(mosaic, interpolation="nearest")
    axes.spines[["left", "bottom"]].set_visible(False)
    names = [literal(name if len(name) <= NAMED else f"{name[: NAMED - 1]}…") for name in tiles.names]
    axes.set_yticks([row * (height + GAP) + height / 2 for row in range(len(names))], names)
    axes.set_xticks([column * (width + GAP) + width / 2 for column in range(len(tiles.columns))], tiles.columns)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()


def mosaic_of(tiles: Tiles) -> tuple[npt.NDArray[np.uint8], int, int]:
    """The pictures side by side [H, W, 3] on white, and the height and width of a cell."""
    every = [picture for row in tiles.pictures for picture in row]
    height, width = (max((getattr(one, side) for one in every), default=1) for side in ("height", "width"))
    columns = max((len(row) for row in tiles.pictures), default=0)
    shape = (len(tiles.pictures) * (height + GAP), max(1, columns) * (width + GAP), 3)
    mosaic = np.full(shape, 255, dtype=np.uint8)
    for i, row in enumerate(tiles.pictures):
        for j, picture in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            mosaic[top : top + picture.height, left : left + picture.width] = _pixels(picture)
    return mosaic, height, width


def _pixels(picture: Picture) -> npt.NDArray[np.uint8]:
    pixels = np.frombuffer(picture.pixels, dtype=np.uint8)
    return pixels.reshape(picture.height, picture.width, picture.channels)
