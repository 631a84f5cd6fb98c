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

from tunekit.charts import Band, Bars, Cells, Colour, Figure, Line, Panel, Picture, Points, Rule, Tiles
from tunekit.logs.log import Array
from tunekit.rundir import RunFolder, write_atomically
from tunekit.vocabulary import Event, StepFinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

DPI = 110
POINTS = 2000  # a curve's points that are drawn
ROW = 0.55  # inches that a row of pictures is high
GAP = 1  # pixels between pictures
NAMED = 24  # letters of a row's name
FEW = 60  # points of a curve that are marked one by one
COLOURS: dict[Colour, str] = {"train": "#1f77b4", "val": "#ff7f0e", "good": "green", "bad": "red", "plain": "black"}


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
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(mpl.rcParamsDefault):
        drawn(figure, name).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def import_plainly() -> None:
    """Import matplotlib without a look at the current folder, whose `matplotlibrc` may be anybody's and have programs
    started. In the main thread: the folder is that of the whole process."""
    if "matplotlib" not in sys.modules:
        with chdir(Path(__file__).parent):
            import matplotlib as mpl  # noqa: F401


def drawn(figure: Figure, name: str = "") -> Sheet:
    """The figure on matplotlib's."""
    # The agg canvas without pyplot's interface: pyplot would take a second to import and keeps figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet

    columns = len(figure.panels)
    items = (item for panel in figure.panels for item in panel.items)
    rows = max((len(item.names) for item in items if isinstance(item, Tiles)), default=0)
    sheet = Sheet(figsize=(5.2 * columns, max(3.8, 0.7 + ROW * rows)), layout="constrained")
    FigureCanvasAgg(sheet)
    title = f"{name}: {figure.title}" if name else figure.title
    sheet.suptitle(literal(textwrap.fill(title, 62 * columns)), fontsize=10)
    for place, panel in enumerate(figure.panels, start=1):
        _panel(sheet.add_subplot(1, columns, place), panel)
    return sheet


def literal(text: str) -> str:
    """A person's text as matplotlib draws it letter by letter: between two dollars it would read a formula."""
    return text.replace("$", r"\$")


def _panel(axes: Axes, panel: Panel) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    if not any(isinstance(item, Cells | Tiles) for item in panel.items):
        axes.grid(alpha=0.25)
    axes.set(xlabel=panel.x, ylabel=panel.y, title=panel.title, xscale=panel.x_scale, yscale=panel.y_scale)
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
            axes.axvspan(item.low, item.high, color=COLOURS[item.colour], alpha=0.15, label=item.label)
        elif isinstance(item, Tiles):
            _tiles(axes, item)
        else:
            _cells(axes, item)
    if panel.ticks is not None:
        axes.set_xticks(range(len(panel.ticks)), [literal(tick) for tick in panel.ticks])
        axes.tick_params(axis="x", labelrotation=45 if len(panel.ticks) > FEW // 10 else 0, labelsize=7)
    if panel.top is not None:
        axes.set_ylim(top=panel.top)
    if panel.legend is not None and axes.get_legend_handles_labels()[0]:
        columns = 2 if len(axes.get_legend_handles_labels()[0]) > FEW // 10 else 1
        axes.legend(loc="best", fontsize=7, ncols=columns, title=panel.legend or None, title_fontsize=8)


def _rule(axes: Axes, rule: Rule) -> None:
    style: dict[str, Any] = {"color": COLOURS[rule.colour], "linestyle": "--" if rule.dashed else "-"}
    style |= {"label": rule.label or None, "alpha": 0.3 if rule.colour == "bad" else 1.0}
    if rule.x is not None:
        axes.axvline(rule.x, **style)
    if rule.y is not None:
        axes.axhline(rule.y, **style)


def _line(axes: Axes, line: Line) -> None:
    x, y = thin(line.x), thin(line.y)
    style: dict[str, Any] = {"linestyle": ":" if line.dotted else "-", "linewidth": 2.2 if line.strong else 1.1}
    if line.colour:
        style["color"] = COLOURS[line.colour]
    if line.error is not None:
        axes.errorbar(x, y, yerr=thin(line.error), marker="o", label=line.label or None, **style)
    elif line.smooth is not None:
        (raw,) = axes.plot(x, y, color=style.get("color"), alpha=0.25, linewidth=0.8)
        style["color"] = raw.get_color()
        axes.plot(x, thin(moving_average(line.y, line.smooth)), label=line.label or None, **style)
    elif len(x):
        marker = "o" if line.points or (line.best is not None and len(x) < FEW) else ""
        axes.plot(x, y, label=line.label or None, marker=marker, markersize=3, **style)
    if line.best is not None:
        axes.plot(line.x[line.best], line.y[line.best], marker="*", markersize=12, color="tab:red", label="best")


def thin(values: Sequence[float | None]) -> Array:
    """At most so many values as are drawn; None becomes NaN."""
    stride = max(1, math.ceil(len(values) / POINTS))
    return np.asarray(values[::stride], dtype=float)


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Means over a centred window, shorter at the ends; what is not finite counts as zero."""
    y = np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    kernel = np.ones(max(1, min(len(y), window)))
    means: list[float] = (np.convolve(y, kernel, "same") / np.convolve(np.ones(len(y)), kernel, "same")).tolist()
    return means


def _bars(axes: Axes, bars: Bars, place: int, groups: int) -> None:
    width = 0.7 / groups
    axes.bar(np.arange(len(bars.heights)) + width * (place - (groups - 1) / 2), bars.heights, width, label=bars.label)


def _cells(axes: Axes, cells: Cells) -> None:
    grid = np.asarray(cells.values, dtype=float)
    if np.isfinite(grid).any():
        axes.imshow(grid, aspect="auto", origin="lower", cmap="viridis")
    for i, line in enumerate(cells.words):
        for j, word in enumerate(line):
            colour = "red" if not math.isfinite(grid[i, j]) else "black" if is_bright(grid, i, j) else "white"
            axes.text(j, i, word, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(cells.columns)), [literal(name) for name in cells.columns])
    axes.set_yticks(range(len(cells.rows)), [literal(name) for name in cells.rows])


def _tiles(axes: Axes, tiles: Tiles) -> None:
    """All pictures as one, in cells as large as the largest."""
    mosaic, height, width = mosaic_of(tiles)
    axes.imshow(mosaic, interpolation="nearest")
    axes.spines[["left", "bottom"]].set_visible(False)
    names = [literal(name if len(name) <= NAMED else f"{name[: NAMED - 1]}…") for name in tiles.names]
    axes.set_yticks([row * (height + GAP) + height / 2 for row in range(len(names))], names, fontsize=7)
    axes.set_xticks(
        [column * (width + GAP) + width / 2 for column in range(len(tiles.columns))], tiles.columns, fontsize=7
    )
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


def is_bright(grid: Array, i: int, j: int) -> bool:
    """Whether a cell lies in the light half of the colours."""
    low, high = np.nanmin(grid), np.nanmax(grid)
    return bool(high > low and (grid[i, j] - low) / (high - low) > 0.6)
