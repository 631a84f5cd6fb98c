"""Figures that a person can zoom: what is kept of them, what Bokeh is given, and what stays a picture."""

import json
import math

import numpy as np
import pytest
from bokeh.models import HoverTool, HSpan, Rect, VBar, VStrip
from bokeh.models import Line as Curve

from tunekit.charts import Band, Bars, Cells, Figure, Line, Panel, Picture, Points, Rule, Tiles
from tunekit.report import interactive
from tunekit.report.interactive import keep, kept, live, thinned
from tunekit.report.style import COLOURS, POINTS
from tunekit.rundir import RunFolder

ALL = Figure(
    "every kind",
    [
        Panel(
            [
                Line([1.0, 2.0], [0.5, math.inf], "a", "train", strong=True, error=[0.1, 0.2], smooth=3, best=0),
                Line([1.0], [2.0], dotted=True),
                Points([1.0, 2.0], [3.0, 4.0], line=True),
                Points([], []),
                Rule(x=1.0, label="here", dashed=True),
                Rule(y=2.0),
                Band(0.1, 0.2, "works"),
            ],
            "x",
            "y",
            "title",
            "log",
            "log",
            3.0,
            legend="rate",
        ),
        Panel([Bars([1.0, 2.0], "one"), Bars([3.0, 4.0], "two")], ticks=["p", "q"]),
        Panel([Cells(["1e-3", "1e-2"], ["0"], [[0.5, None]], [["50", "x"]])]),
    ],
)


def glyphs(panel: Panel, kind: type) -> list:
    [plot] = interactive._plots(Figure("", [panel]))
    return [renderer for renderer in plot.renderers if isinstance(renderer.glyph, kind)]


def numbers(renderer, column: str) -> list[float]:
    return [float(value) for value in renderer.data_source.data[column]]


@pytest.fixture
def run(tmp_path) -> RunFolder:
    (tmp_path / "lr-sweep").mkdir()
    return RunFolder(tmp_path)


class TestKept:
    def test_every_kind_comes_back_as_it_was(self, run):
        keep(run, "lr-sweep", ALL)
        assert kept(run, "lr-sweep") == ALL
        json.loads(run.figure_data("lr-sweep").read_text(), parse_constant=pytest.fail)

    def test_what_steps_give_for_sequences(self, run):
        given = Figure("", [Panel([Line(range(3), np.arange(3) / 2), Bars(np.float32([1, 2]), "b")])])
        keep(run, "lr-sweep", given)
        line, bars = kept(run, "lr-sweep").panels[0].items
        assert (list(line.x), list(line.y), list(bars.heights)) == ([0, 1, 2], [0, 0.5, 1], [1, 2])

    def test_a_long_curve_is_thinned_and_its_best_point_is_kept(self):
        values = [float(k % 997) for k in range(10 * POINTS)]
        [line] = (
            thinned(Figure("", [Panel([Line(range(10 * POINTS), values, smooth=100, best=12_345)])])).panels[0].items
        )
        assert len(line.x) == len(line.y) == POINTS
        assert (line.x[line.best], line.y[line.best]) == (12_345, values[12_345])
        assert line.smooth == 10
        assert list(line.x) == sorted(line.x)

    def test_what_stays_a_picture_leaves_no_data_of_an_earlier_figure(self, run):
        keep(run, "lr-sweep", ALL)
        keep(run, "lr-sweep", Figure("", [Panel([Tiles(["a"], [[Picture(1, 1, 1, b"0")]])])]))
        assert kept(run, "lr-sweep") is None
        assert not run.figure_data("lr-sweep").exists()

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"title": 1, "panels": [{}]}', '{"title": "", "panels": "ab"}'])
    def test_what_cannot_be_read_is_none(self, run, text):
        run.figure_data("lr-sweep").write_text(text)
        assert kept(run, "lr-sweep") is None


class TestDrawn:
    def test_a_line_its_average_its_best_point_and_gaps(self):
        panel = Panel([Line([1, 2, 3], [3.0, math.inf, 0.0], "val", smooth=1)], "iteration", "loss")
        raw, average = glyphs(panel, Curve)
        assert numbers(raw, "y")[::2] == [3.0, 0.0]
        assert math.isnan(numbers(raw, "y")[1])
        assert numbers(average, "y")[::2] == [3.0, 0.0]
        assert raw.glyph.line_color == average.glyph.line_color

    def test_what_is_read_off_has_the_names_of_curve_and_axis(self):
        [plot] = interactive._plots(Figure("", [Panel([Line([1], [2.0], "val @y $x")], "iteration", "loss")]))
        [hover] = [tool for tool in plot.tools if isinstance(tool, HoverTool)]
        assert [name for name, _ in hover.tooltips] == ["val @y $x", "iteration"]

    def test_bars_of_several_groups_stand_side_by_side(self):
        first, second = glyphs(ALL.panels[1], VBar)
        width = first.glyph.width
        assert numbers(second, "x") == pytest.approx([x + width for x in numbers(first, "x")])
        assert numbers(second, "top") == [3.0, 4.0]

    def test_cells_bands_and_rules(self):
        [cells] = glyphs(ALL.panels[2], Rect)
        assert list(cells.data_source.data["word"]) == ["50", "x"]
        assert list(cells.data_source.data["ink"]) == ["black", COLOURS["bad"]]
        [band] = glyphs(ALL.panels[0], VStrip)
        assert (numbers(band, "x0"), numbers(band, "x1")) == ([0.1], [0.2])
        [rule] = glyphs(ALL.panels[0], HSpan)
        assert numbers(rule, "y") == [2.0]

    def test_colours_and_labels_are_those_of_the_picture(self):
        [plot] = interactive._plots(Figure("", [ALL.panels[0]]))
        assert [item.label.value for item in plot.legend[0].items] == ["a", "best", "here", "works"]
        assert plot.legend[0].title == "rate"
        assert plot.y_range.end == 3.0

    @pytest.mark.parametrize(
        "panel",
        [
            Panel([Line([0.0], [1.0])], y_scale="symlog"),
            Panel([Cells(["c"] * 60, ["r"] * 60, [[0.0] * 60] * 60, [[""] * 60] * 60)]),
            Panel([Line([0.0, 1.0], [1.0])]),
            Panel([Line([0.0], [1.0], best=7)]),
            Panel([Cells(["a", "b"], ["c"], [[1.0]], [["1"]])]),
        ],
    )
    def test_what_cannot_be_drawn_so_stays_a_picture(self, panel):
        drawn = live({"sound": ALL, "other": Figure("", [panel])})
        assert len(drawn.of("sound")) == 3
        assert drawn.of("other") == ()

    def test_nothing_is_loaded_where_nothing_is_drawn(self):
        assert live({"a": None}).script == ""
