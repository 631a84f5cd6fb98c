"""Figures of charts.py that a person can zoom and read off, for a page: drawn by Bokeh from what lies beside the run's
pictures. Draws no pictures (figures.py) and loads nothing from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tunekit.charts import Band, Bars, Cells, Figure, Line, Mark, Panel, Points, Rule, Tiles
from tunekit.files import read_json
from tunekit.jsondata import plain
from tunekit.logs.log import Array
from tunekit.report.cells import ink, limits, mark_of, word_of
from tunekit.report.drawable import moving_average
from tunekit.report.figures import in_rows, is_whole, shares_scale, thin
from tunekit.report.firstscreen import MOST_BYTES
from tunekit.report.style import COLOURS, DARKEST, MARKS, PALETTE, POINTS
from tunekit.rundir import RunFolder, write_atomically
from tunekit.telling import visible

if TYPE_CHECKING:
    from bokeh.models.renderers import GlyphRenderer
    from bokeh.models.text import PlainText
    from bokeh.plotting import figure as Plot
    from pydantic import TypeAdapter

MOST_CELLS = 2500
LETTERS = 60  # of a name
MOST_LETTERS = 40  # of all names below a panel that stand upright
HEIGHT = 340  # pixels of a panel without its legend
ROW = 18  # pixels of a row of the legend, of two columns
RATE = "return String(Number(Number({}).toPrecision(3)).toExponential()).replace('e+', 'e')"
"""JavaScript: a number of a logarithmic axis as a recipe has it."""
UNREADABLE = (LookupError, OverflowError, ValueError)
"""What is raised by data that fit their types and not each other: a run that somebody sent."""


@dataclass(frozen=True)
class Live:
    """`script`: HTML that draws, with all that it needs; `panels`: by name of a figure the HTML of its panels."""

    script: str = ""
    panels: Mapping[str, Sequence[str]] | None = None

    def of(self, name: str) -> Sequence[str]:
        return (self.panels or {}).get(name, ())


def keep(run: RunFolder, step: str, figure: Figure) -> None:
    """Write what a step's figure shows beside its picture; none of what stays a picture."""
    path = run.figure_data(step)
    if _is_drawn(figure):
        write_atomically(path, json.dumps(plain(asdict(thinned(figure)))).encode())
    else:
        path.unlink(missing_ok=True)


def kept(run: RunFolder, step: str) -> Figure | None:
    """What a step's figure shows; None where it has none, or none that can be read."""
    try:
        return _adapter().validate_python(read_json(run.figure_data(step), MOST_BYTES))
    except (OSError, ValueError):
        return None


@cache
def _adapter() -> TypeAdapter[Figure]:
    from pydantic import TypeAdapter

    return TypeAdapter(Figure)


def thinned(figure: Figure) -> Figure:
    """The same with at most as many points of a curve as are drawn."""
    return replace(figure, panels=[replace(panel, items=list(map(_thinned, panel.items))) for panel in figure.panels])


def _thinned(item: Any) -> Any:
    if isinstance(item, Points):
        return replace(item, x=_short(item.x), y=_short(item.y))
    if not isinstance(item, Line):
        return item
    stride = max(1, math.ceil(len(item.x) / POINTS))
    x, y = _short(item.x), _short(item.y)
    best, smooth = item.best, item.smooth
    if best is not None:  # the point itself, not its neighbour
        x[best // stride], y[best // stride], best = float(item.x[best]), float(item.y[best]), best // stride
    error, low, high = (None if side is None else _short(side) for side in (item.error, item.low, item.high))
    smooth = smooth and max(1, smooth // stride)
    return replace(item, x=x, y=y, error=error, low=low, high=high, best=best, smooth=smooth)


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.7g}") for value in thin(values)]


def live(figures: Mapping[str, Figure | None]) -> Live:
    """Of figures by their names those that can be drawn so."""
    drawable = {name: figure for name, figure in figures.items() if figure is not None and _is_drawn(figure)}
    if not drawable:
        return Live()
    from bokeh.embed import components
    from bokeh.resources import Resources

    plots = {name: made for name, figure in drawable.items() if (made := _plots(figure))}
    every = [plot for made in plots.values() for plot in made]
    if not every:
        return Live()
    script, divs = components(tuple(every))
    left = iter(divs)
    bundle = "\n".join(Resources(mode="inline", log_level="error", components=["bokeh"]).js_raw)
    html = f"<script>{bundle}\ndocument.documentElement.classList.add('live');</script>{script}"
    return Live(html, {name: [next(left) for _ in made] for name, made in plots.items()})


def _is_drawn(figure: Figure) -> bool:
    """Whether all of it can be drawn so: pictures stay pictures, Bokeh knows no scale that is logarithmic on both
    sides of zero, and very many cells would be large and slow."""
    items = [item for panel in figure.panels for item in panel.items]
    scales = {scale for panel in figure.panels for scale in (panel.x_scale, panel.y_scale)}
    cells = sum(len(item.rows) * len(item.columns) for item in items if isinstance(item, Cells))
    return not any(isinstance(item, Tiles) for item in items) and "symlog" not in scales and cells <= MOST_CELLS


def _plots(figure: Figure) -> list[Plot]:
    try:
        drawn = [_Drawing(panel) for row, _ in in_rows(thinned(figure).panels) for panel in row]
    except UNREADABLE:
        return []
    scales: dict[str, Any] = {}
    for one in drawn:
        if shares_scale(one.panel):
            one.plot.y_range = scales.setdefault(one.panel.y, one.plot.y_range)
    return [one.plot for one in drawn]


class _Drawing:
    """A panel on Bokeh's figure."""

    def __init__(self, panel: Panel) -> None:
        from bokeh.models.annotations import Title
        from bokeh.plotting import figure

        self.panel, self.next = panel, 0
        self.plot = figure(
            height=HEIGHT,
            sizing_mode="stretch_width",
            title=Title(text=_text(panel.title)),
            x_axis_label=_text(panel.x),
            y_axis_label=_text(panel.y),
            x_axis_type="log" if panel.x_scale == "log" else "linear",
            y_axis_type="log" if panel.y_scale == "log" else "linear",
            tools="pan,box_zoom,wheel_zoom,reset",
            active_drag="box_zoom",
            toolbar_location="above",
        )
        self.plot.toolbar.logo = None
        self.labels: dict[str, list[GlyphRenderer[Any]]] = {}
        self.groups = [item for item in panel.items if isinstance(item, Bars)]
        for item in panel.items:
            self._draw(item)
        self._finish()

    def _draw(self, item: Any) -> None:
        if isinstance(item, Line):
            self._line(item)
        elif isinstance(item, Points):
            x, y = _pair(item.x, item.y)
            if item.line:
                self.plot.line(x, y, color="black", alpha=0.6, line_dash="dotted")
            else:
                self._read_off(self.plot.scatter(x, y, size=5, alpha=0.6, color=self._colour("")), "")
        elif isinstance(item, Bars):
            self._bars(item)
        elif isinstance(item, Rule):
            self._rule(item)
        elif isinstance(item, Band):
            style: dict[str, Any] = {"color": COLOURS[item.colour], "alpha": 0.15}
            if item.along == "x":
                self._name(self.plot.vstrip(x0=[item.low], x1=[item.high], **style), item.label)
            else:
                self._name(self.plot.hstrip(y0=[item.low], y1=[item.high], **style), item.label)
        else:
            self._cells(item)

    def _colour(self, meaning: Any) -> str:
        if meaning:
            return COLOURS[meaning]
        self.next += 1
        return PALETTE[(self.next - 1) % len(PALETTE)]

    def _line(self, line: Line) -> None:
        x, y = _pair(line.x, line.y)
        colour = self._colour(line.colour) if line.shade is None else _shade(line.shade)
        if line.low is not None and line.high is not None:
            (_, low), (_, high) = _pair(line.x, line.low), _pair(line.x, line.high)
            self._name(self.plot.varea(x, low, high, color=colour, alpha=0.2), line.label)
        if line.smooth is not None:
            self._name(self.plot.line(x, y, color=colour, alpha=0.25, line_width=0.8), line.label)
            y = np.asarray(moving_average(line.y, line.smooth), dtype=np.float32)
        dash, width = ("dotted" if line.dotted else "solid"), (2.6 if line.strong else 1.4)
        shown = 1.0 if line.joined else 0.0
        curve = self.plot.line(x, y, color=colour, line_width=width, line_dash=dash, line_alpha=shown)
        self._read_off(curve, line.label)
        self._name(curve, line.label)
        if line.error is not None:
            _, error = _pair(line.x, line.error)
            self._name(self.plot.segment(x, y - error, x, y + error, color=colour), line.label)
        if line.points or not line.joined or line.error is not None or line.best is not None:
            self._name(self.plot.scatter(x, y, size=5, color=colour), line.label)
        if line.best is not None:
            place = [line.x[line.best]], [line.y[line.best]]
            star = self.plot.scatter(*place, marker="star", size=16, color=COLOURS["chosen"])
            self._read_off(star, line.star)
            self._name(star, line.star)

    def _bars(self, bars: Bars) -> None:
        width = 0.7 / len(self.groups)
        places = np.arange(len(bars.heights)) + width * (self.groups.index(bars) - (len(self.groups) - 1) / 2)
        x, top = _pair(places, bars.heights)
        bottom = 0.0 if self.panel.y_scale == "linear" else float(np.nanmin(top)) / 10
        drawn = self.plot.vbar(x=x, top=top, width=width, bottom=bottom, color=self._colour(""))
        self._read_off(drawn, bars.label, "@top")
        self._name(drawn, bars.label)

    def _rule(self, rule: Rule) -> None:
        dash = "dashed" if rule.dashed else "solid"
        style: dict[str, Any] = {"color": COLOURS[rule.colour], "line_dash": dash, "line_width": 1.5}
        if rule.x is not None:
            self._name(self.plot.vspan(x=[rule.x], **style), rule.label)
        if rule.y is not None:
            self._name(self.plot.hspan(y=[rule.y], **style), rule.label)

    def _cells(self, cells: Cells) -> None:
        from bokeh.models import ColumnDataSource
        from bokeh.palettes import Viridis256
        from bokeh.transform import linear_cmap

        grid = np.asarray(cells.values, dtype=float)
        places = [(i, j) for i in range(len(cells.rows)) for j in range(len(cells.columns))]
        data: dict[str, Any] = {
            "x": [j for _, j in places],
            "y": [i for i, _ in places],
            "value": [grid[place] for place in places],
            "row": [named(cells.rows[i]) for i, _ in places],
            "column": [named(cells.columns[j]) for _, j in places],
            "word": [named(word_of(cells, i, j)) for i, j in places],
            "ink": [ink(cells, i, j) for i, j in places],
        }
        source, (low, high) = ColumnDataSource(data), limits(cells)
        colours = Viridis256[::-1] if cells.falling else Viridis256
        colour = linear_cmap("value", colours, low, high, nan_color="white")
        drawn = self.plot.rect("x", "y", 1, 1, source=source, fill_color=colour, line_color="white")
        self._marks(cells, places)
        self.plot.text("x", "y", "word", source=source, text_color="ink", text_align="center", text_baseline="middle")
        names = [(self.panel.y or "row", "@row"), (self.panel.x or "column", "@column")]
        self._hover(drawn, [*names, (self.panel.title or "value", "@word")])
        self.plot.grid.visible = False
        self.plot.yaxis.ticker = list(range(len(cells.rows)))
        self.plot.yaxis.major_label_overrides = {i: _text(name) for i, name in enumerate(cells.rows)}
        self._ticks(cells.columns)

    def _marks(self, cells: Cells, places: Sequence[tuple[int, int]]) -> None:
        looks: dict[Mark, dict[str, Any]] = {
            "diverged": {"fill_color": "#eeeeee", "hatch_pattern": "/", "hatch_color": "#777777", "line_color": None},
            "chosen": {"fill_color": None, "line_color": COLOURS["chosen"], "line_width": 3},
            "equal": {"fill_color": None, "line_color": None},
        }
        for mark, look in looks.items():
            marked = [place for place in places if mark_of(cells, *place) == mark]
            if marked:
                drawn = self.plot.rect([j for _, j in marked], [i for i, _ in marked], 1, 1, **look)
                self._name(drawn, f"[ ] {MARKS['equal']}" if mark == "equal" else MARKS[mark])

    def _ticks(self, names: Sequence[str]) -> None:
        self.plot.xaxis.ticker = list(range(len(names)))
        self.plot.xaxis.major_label_overrides = {i: _text(name) for i, name in enumerate(names)}
        if sum(len(name) + 2 for name in names) > MOST_LETTERS:
            self.plot.xaxis.major_label_orientation = math.pi / 4

    def _read_off(self, drawn: GlyphRenderer[Any], label: str, value: str = "@y") -> None:
        name = label or self.panel.y or "y"
        form = "0.0[000] %" if self.panel.share else "%.4g"
        self._hover(drawn, [(name, f"{value}{{{form}}}"), (self.panel.x or "x", "@x{%.4g}")])

    def _hover(self, drawn: GlyphRenderer[Any], rows: Sequence[tuple[str, str]]) -> None:
        from bokeh.models import CustomJSHover, HoverTool

        shown = [(named(name), value) for name, value in rows]
        forms: dict[str, Any] = {"@x": "printf", "@y": "printf", "@top": "printf"}
        if self.panel.x_scale == "log":
            forms["@x"] = CustomJSHover(code=RATE.format("value"))
        if self.panel.share:
            forms |= {"@y": "numeral", "@top": "numeral"}
        self.plot.add_tools(HoverTool(renderers=[drawn], tooltips=shown, formatters=forms, visible=False))

    def _name(self, drawn: GlyphRenderer[Any], label: str) -> None:
        if label:
            self.labels.setdefault(named(label), []).append(drawn)

    def _number(self) -> None:
        """Numbers on axes as a person writes them."""
        from bokeh.models import AdaptiveTicker, CustomJSTickFormatter, NumeralTickFormatter

        for axis, scale in ((self.plot.xaxis, self.panel.x_scale), (self.plot.yaxis, self.panel.y_scale)):
            if scale == "log":
                axis.formatter = CustomJSTickFormatter(code=RATE.format("tick"))
        if is_whole(self.panel) and self.panel.x_scale == "linear":
            self.plot.xaxis.ticker = AdaptiveTicker(mantissas=[1, 2, 5], min_interval=1)
        if self.panel.share:
            self.plot.yaxis.formatter = NumeralTickFormatter(format="0.[00] %")

    def _finish(self) -> None:
        from bokeh.models import DataRange1d
        from bokeh.models.annotations import Legend, LegendItem

        if self.panel.ticks is not None:
            self._ticks(self.panel.ticks)
        if self.panel.low is not None or self.panel.top is not None:
            ends: dict[str, Any] = {"start": self.panel.low, "end": self.panel.top}
            self.plot.update(y_range=DataRange1d(**{side: end for side, end in ends.items() if end is not None}))
        self._number()
        if self.panel.legend is None or not self.labels:
            return
        items = [LegendItem(label={"value": label}, renderers=drawn) for label, drawn in self.labels.items()]
        legend = Legend(
            items=items,
            ncols=2,
            label_text_font_size="11px",
            click_policy="hide",
            border_line_color=None,
            location="left",
        )
        legend.title = named(self.panel.legend) or None
        self.plot.add_layout(legend, "below")
        self.plot.height = HEIGHT + ROW * (len(items) + 3) // 2


def _shade(place: float) -> str:
    from bokeh.palettes import Viridis256

    return Viridis256[round(255 * DARKEST * place)]


def named(text: str) -> str:
    """A name as a figure has room for."""
    seen = visible(text)
    return seen if len(seen) <= LETTERS else f"{seen[: LETTERS - 1]}…"


def _text(text: str) -> PlainText:
    """As it stands: of a plain string Bokeh would read a formula between dollars, and fetch what draws it."""
    from bokeh.models.text import PlainText

    return PlainText(text=named(text))


def _pair(x: Any, y: Any) -> tuple[Array, Array]:
    """Of one length, and with gaps where a value is not finite. Errors: ValueError."""
    pair = [np.asarray(values, dtype=np.float32) for values in (x, y)]
    if pair[0].shape != pair[1].shape:
        raise ValueError("as many x as y")
    first, second = (np.where(np.isfinite(values), values, np.float32(math.nan)) for values in pair)
    return first, second
