"""What has no finite value is not drawn, and has no label: in a picture and on a page alike; gaps stay gaps."""

import math

import pytest
from bokeh.models import Line as Curve

from tunekit.charts import Band, Bars, Figure, Line, Panel, Points, Rule
from tunekit.report import figures, interactive
from tunekit.report.drawable import moving_average

NAN, INF = math.nan, math.inf
SOUND = Line([1, 2, 3], [0.5, NAN, 0.7], "val", "val")
NOWHERE = [
    Line([1, 2], [NAN, NAN], "none"),
    Line([1, 2], [NAN, INF], "none", smooth=2),
    Line([1, 2], [None, -INF], "none", error=[NAN, NAN]),
    Line([1, 2], [NAN, NAN], "none", best=0, low=[NAN, NAN], high=[NAN, NAN]),
    Line([], [], "none"),
    Points([1, 2], [NAN, NAN]),
    Bars([NAN, NAN], "none"),
    Rule(y=NAN, label="none"),
    Rule(x=INF, label="none"),
    Band(NAN, 1.0, "none"),
]


def labels_of(panel: Panel) -> tuple[list[str], list[str]]:
    """Of the picture and of the page."""
    (axes,) = figures.drawn(Figure("", [panel])).axes
    [plot] = interactive._plots(Figure("", [panel]))
    shown = axes.get_legend()
    read = [] if shown is None else [text.get_text() for text in shown.get_texts()]
    return read, [item.label.value for legend in plot.legend for item in legend.items]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("item", NOWHERE)
def test_what_has_no_finite_value_is_neither_drawn_nor_named(item):
    with_it, without = Panel([item, SOUND], legend=""), Panel([SOUND], legend="")
    assert labels_of(with_it) == labels_of(without) == (["val"], ["val"])
    assert labels_of(Panel([item], legend="")) == ([], [])
    (axes,) = figures.drawn(Figure("", [with_it])).axes
    assert len(axes.lines) == 1
    assert not axes.patches
    assert not axes.collections
    [plot] = interactive._plots(Figure("", [with_it]))
    assert len(plot.renderers) == 1


def test_a_point_that_is_not_finite_has_no_star():
    assert labels_of(Panel([Line([1, 2], [NAN, 2.0], "val", best=0)], legend="")) == (["val"], ["val"])


@pytest.mark.parametrize("window", [1, 3, 5])
def test_a_gap_of_a_smoothed_curve_stays_one_and_its_neighbours_are_means_of_what_there_is(window):
    values = [2.0, 2.0, NAN, 2.0, INF, 2.0, NAN]
    line = Line(range(7), values, smooth=window)
    (axes,) = figures.drawn(Figure("", [Panel([line])])).axes
    [plot] = interactive._plots(Figure("", [Panel([line])]))
    page = [one for one in plot.renderers if isinstance(one.glyph, Curve)][-1].data_source.data["y"]
    for drawn in (axes.lines[-1].get_ydata(), page, moving_average(values, window)):
        assert [None if math.isnan(y) else float(y) for y in drawn] == [2.0, 2.0, None, 2.0, None, 2.0, None]
