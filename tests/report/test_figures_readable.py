"""Pictures as a person reads them: what stands where, how large, in which colour; and the page's figures likewise."""

import itertools
import math
import subprocess
import sys

import matplotlib as mpl
import pytest
from bokeh.models import Rect
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from tunekit.charts import Band, Bars, Cells, Figure, Line, Panel, Rule
from tunekit.measured import SplitScored
from tunekit.report import figures, interactive
from tunekit.report.final import confusion
from tunekit.report.style import COLOURS, styled

SEEN = 800  # pixels of a screen or a page that a picture has
LEAST = 9  # pixels that a letter is high

CURVES = Panel(
    [
        Line([1, 2, 3], [3.0, 1.0, 2.0], "train loss, smoothed over the last twentieth", "train", smooth=2),
        Line([1, 2, 3], [3.0, 2.0, 2.5], "validation", "val", best=1),
        Rule(y=2.3, label="ln 10"),
        Band(1.5, 2.0, "works: 1e-3 to 1e-1"),
    ],
    "iterations",
    "loss",
    legend="rate",
)
PAIR = [Bars([1.0, 2.0], "train mode"), Bars([2.0, 3.0], "eval mode")]
BARS = Panel(PAIR, "seed", "count", legend="", ticks=["a", "b"])
WORDS = [["90", "80", ""], ["89", "", "50"]]
MARKED = Cells(
    ["1e-3", "1e-2", "1e-1"],
    ["0", "1e-4"],
    [[0.9, 0.8, None], [0.89, None, 0.5]],
    WORDS,
    [["chosen", "", "diverged"], ["equal", "diverged", ""]],
)
MAP = Panel([MARKED], "learning rate", "weight decay", "accuracy", legend="")


def sheet_of(*panels):
    with styled():
        sheet = figures.drawn(Figure("a title of some length that says what there is to see", list(panels)), "step")
        sheet.canvas.draw()
    return sheet


def seen_texts(sheet):
    return [text for text in sheet.findobj(Text) if text.get_visible() and text.get_text().strip()]


class TestReadable:
    @pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
    @pytest.mark.parametrize("kind", [CURVES, BARS, MAP], ids=["curves", "bars", "map"])
    def test_every_letter_is_large_enough_at_800_pixels(self, kind, number):
        sheet = sheet_of(*[kind] * number)
        shrunk = min(1.0, SEEN / (sheet.get_figwidth() * figures.DPI)) * figures.DPI / 72
        assert min(text.get_fontsize() * shrunk for text in seen_texts(sheet)) >= LEAST

    @pytest.mark.parametrize("panels", [[CURVES], [CURVES, BARS], [MAP, CURVES, BARS, CURVES], [CURVES] * 4])
    def test_a_legend_lies_over_nothing(self, panels):
        sheet = sheet_of(*panels)
        for axes in sheet.axes:
            legend = axes.get_legend().get_window_extent()
            assert not any(legend.overlaps(other.get_window_extent()) for other in sheet.axes)
            assert not legend.overlaps(sheet._suptitle.get_window_extent())
            assert not (axes.get_title() and legend.overlaps(axes.title.get_window_extent()))
            assert legend.x1 <= sheet.bbox.x1
            assert legend.y1 <= sheet.bbox.y1

    @pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 7, 10])
    def test_at_most_three_stand_in_a_row(self, number):
        sheet = sheet_of(*[CURVES] * number)
        tops = sorted(round(axes.get_position().y0, 3) for axes in sheet.axes)
        rows = [len(list(row)) for _, row in itertools.groupby(tops)]
        assert sum(rows) == number
        assert max(rows) <= 3
        assert min(axes.get_window_extent().width / sheet.bbox.width for axes in sheet.axes) > 0.2

    def test_a_map_beside_others_is_as_wide_as_all(self):
        sheet = sheet_of(BARS, MAP, BARS, BARS)
        heat, *others = sheet.axes
        assert heat.images
        assert heat.get_position().width > 2.5 * max(axes.get_position().width for axes in others)

    def test_axes_rise_and_iterations_and_rates_are_written_as_a_person_does(self):
        panel = Panel([Line([1, 2, 3], [3e-3, 1e-2, 0.5], points=True)], "layer", "gradient", y_scale="log")
        (axes,) = sheet_of(panel).axes
        assert axes.get_xlim()[0] < axes.get_xlim()[1]
        assert axes.get_ylim()[0] < axes.get_ylim()[1]
        shown = [label.get_text() for label in axes.get_xticklabels()]
        assert {"1", "2", "3"} <= set(shown)
        assert not any("." in label for label in shown)
        assert {"1e-2", "1e-1"} <= {label.get_text() for label in axes.get_yticklabels()}

    def test_iterations_and_rates_of_a_page_are_written_so_too(self):
        panel = Panel([Line([1, 2, 3], [3e-3, 1e-2, 0.5], points=True)], "layer", "gradient", y_scale="log")
        [plot] = interactive._plots(Figure("", [panel]))
        assert plot.xaxis[0].ticker.min_interval == 1
        assert "toExponential" in plot.yaxis[0].formatter.code

    @pytest.mark.parametrize(
        "panel",
        [
            Panel([Bars([], "train mode")], "seed", "loss", ticks=[], legend=""),
            Panel([Line([], [], error=[], points=True)], "learning rate", "loss", x_scale="log", legend=""),
            Panel([Cells(["1e0"], ["0"], [[None]], [[""]], [["diverged"]])], legend=""),
            Panel([Line([1], [math.nan], low=[math.nan], high=[math.nan])], "iterations", "loss", share=True),
        ],
    )
    @pytest.mark.filterwarnings("error")
    def test_a_figure_of_which_all_failed_is_drawn_still(self, panel):
        assert figures.draw(Figure("none", [panel, CURVES])).startswith(b"\x89PNG")

    def test_shares_are_told_in_per_cent_on_the_axis(self):
        (axes,) = sheet_of(Panel([Line([1, 2], [0.5, 0.9])], "epochs", "accuracy", share=True)).axes
        shown = [label.get_text() for label in axes.get_yticklabels()]
        assert all(label.endswith(" %") for label in shown)
        assert "80.0 %" in shown

    def test_no_number_is_parted_from_its_unit_at_the_end_of_a_line(self):
        sheet = figures.drawn(Figure("word 98.6 % " * 30, [CURVES]))
        assert not any(line.startswith("%") for line in sheet._suptitle.get_text().splitlines())


class TestOneScale:
    A, B, C = (
        Panel([Line([0, 1], [0.9, high])], axis, name)
        for high, axis, name in ((0.901, "lr", "val"), (0.5, "decay", "val"), (7.0, "decay", "loss"))
    )

    def test_panels_of_one_metric_share_it_and_those_of_another_do_not(self):
        a, b, c = sheet_of(self.A, self.B, self.C).axes
        assert a.get_ylim() == b.get_ylim()
        assert a.get_ylim()[0] < 0.5
        assert c.get_ylim() != a.get_ylim()

    def test_so_do_those_of_a_page(self):
        a, b, c = interactive._plots(Figure("", [self.A, self.B, self.C]))
        assert a.y_range is b.y_range
        assert a.y_range is not c.y_range


def rectangles(axes):
    return [one for one in axes.patches if isinstance(one, Rectangle)]


def place(one) -> tuple[int, int]:
    return round(one.get_y() + 0.5), round(one.get_x() + 0.5)


class TestCells:
    def test_exactly_those_that_diverged_are_hatched_and_the_chosen_one_is_framed(self):
        (axes,) = sheet_of(MAP).axes
        assert {place(one) for one in rectangles(axes) if one.get_hatch()} == {(0, 2), (1, 1)}
        assert [place(one) for one in rectangles(axes) if not one.get_hatch()] == [(0, 0)]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            "chosen",
            "diverged",
            "equal within noise",
        ]

    def test_equal_ones_stand_in_brackets_and_no_others(self):
        (axes,) = sheet_of(MAP).axes
        assert {text.get_text() for text in axes.texts} == {"90", "80", "[89]", "50", ""}

    def test_a_page_marks_the_same_cells(self):
        [plot] = interactive._plots(Figure("", [MAP]))
        rects = [one for one in plot.renderers if isinstance(one.glyph, Rect)]
        marked = {
            (int(y), int(x), bool(one.glyph.hatch_pattern))
            for one in rects[1:3]
            for x, y in zip(one.data_source.data["x"], one.data_source.data["y"], strict=True)
        }
        assert marked == {(0, 2, True), (1, 1, True), (0, 0, False)}
        assert "[89]" in rects[0].data_source.data["word"]
        labels = [item.label.value for item in plot.legend[0].items]
        assert labels == ["diverged", "chosen", "[ ] equal within noise"]

    @pytest.mark.parametrize("values", [[0.1, 0.5, 0.9], [3.0, 20.0, 1e4], [-2.0, -1.0, 0.0]])
    def test_good_is_one_colour_whether_more_or_less_is_better(self, values):
        looks = []
        for falling in (False, True):
            cells = Cells(["a", "b", "c"], ["r"], [values], [["1", "2", "3"]], falling=falling)
            (axes,) = sheet_of(Panel([cells])).axes
            drawn = [tuple(axes.images[0].to_rgba(axes.images[0].get_array())[0][j]) for j in range(3)]
            [plot] = interactive._plots(Figure("", [Panel([cells])]))
            mapper = plot.renderers[0].glyph.fill_color.transform
            best, worst = (drawn[0], drawn[2]) if falling else (drawn[2], drawn[0])
            looks.append((best, worst, mapper.palette[0 if falling else -1]))
        assert looks[0] == looks[1]
        assert looks[0][0][:3] == pytest.approx(mpl.colors.to_rgb(looks[0][2]), abs=0.01)

    @pytest.mark.parametrize(("columns", "read"), [(5, True), (40, False)])
    def test_words_stand_where_they_have_room(self, columns, read):
        names = [f"{k}e-3" for k in range(columns)]
        cells = Cells(names, ["0", "1"], [[0.5] * columns] * 2, [["0.6603"] * columns] * 2)
        (axes,) = sheet_of(Panel([cells], "learning rate", "weight decay")).axes
        lowest = [text for text in axes.texts if text.get_position()[1] == 0]
        boxes = sorted((text.get_window_extent() for text in lowest), key=lambda box: box.x0)
        assert len(boxes) == (columns if read else 0)
        assert all(first.x1 < second.x0 for first, second in itertools.pairwise(boxes))

    def test_of_a_hundred_classes_those_are_named_that_have_room(self):
        names = [f"class {k}" for k in range(100)]
        cells = Cells(names, names, [[0.5] * 100] * 100, [[""] * 100] * 100)
        (axes,) = sheet_of(Panel([cells], "predicted", "true")).axes
        rows = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert 20 < len(rows) < 100
        assert all(first.y1 <= second.y0 + 2 for first, second in itertools.pairwise(rows))
        assert 20 < len(axes.get_xticklabels()) < 100

    def test_words_are_read_on_their_cells(self):
        for falling, inks in ((False, ["white", "black"]), (True, ["black", "white"])):
            cells = Cells(["a", "b"], ["r"], [[0.0, 1.0]], [["0", "1"]], falling=falling)
            (axes,) = sheet_of(Panel([cells])).axes
            assert [text.get_color() for text in axes.texts] == inks


def cells_seen(cells: Cells) -> list[dict[tuple[int, int], tuple[tuple[float, ...], str]]]:
    """By place of a cell with a value its colour and its ink: of the picture, and of the page."""
    (axes,) = sheet_of(Panel([cells])).axes
    shown = axes.images[0]
    inks = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_color() for t in axes.texts}
    picture = {
        (i, j): (tuple(shown.to_rgba(shown.get_array())[i][j][:3]), inks[i, j])
        for i, row in enumerate(cells.values)
        for j, value in enumerate(row)
        if value is not None
    }
    [plot] = interactive._plots(Figure("", [Panel([cells])]))
    drawn = plot.renderers[0]
    data, mapper = drawn.data_source.data, drawn.glyph.fill_color.transform
    page = {}
    for x, y, value, ink in zip(data["x"], data["y"], data["value"], data["ink"], strict=True):
        if not math.isnan(value):
            place = (value - mapper.low) / (mapper.high - mapper.low)
            colour = mapper.palette[min(255, max(0, int(256 * place)))]
            page[y, x] = mpl.colors.to_rgb(colour), ink
    return [picture, page]


def contrast(first, second) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class TestOneValue:
    """Maps of which all values are one, and maps on a scale of their own."""

    @pytest.mark.parametrize("value", [0.0, 1.0, 0.5, -3.0, 1e30, 1e-30])
    @pytest.mark.parametrize("falling", [False, True])
    @pytest.mark.parametrize("shape", [(1, 1), (2, 3)])
    def test_where_all_are_equal_all_are_good(self, value, falling, shape):
        rows, columns = shape
        grid = [[value] * columns for _ in range(rows)]
        grid[-1][-1] = None if shape != (1, 1) else value  # one that diverged
        cells = Cells(["c"] * columns, ["r"] * rows, grid, [["1"] * columns] * rows, falling=falling)
        for seen in cells_seen(cells):
            for colour, ink in seen.values():
                assert colour == pytest.approx(mpl.colormaps["viridis"](1.0)[:3], abs=0.01)
                assert ink == "black"

    @pytest.mark.parametrize("falling", [False, True])
    def test_every_number_has_contrast(self, falling):
        values = [k / 50 for k in range(51)]
        cells = Cells(["c"] * 51, ["r"], [values], [[""] * 51], falling=falling, low=0.0, high=1.0)
        for seen in cells_seen(cells):
            assert len(seen) == 51
            assert min(contrast(colour, ink) for colour, ink in seen.values()) > 4.4

    @pytest.mark.parametrize("counts", [((580, 0), (20, 0)), ((0, 5), (5, 0)), ((3, 3), (3, 3)), ((7,),)])
    def test_a_share_of_a_class_has_one_colour_whatever_others_are(self, counts):
        names = tuple("abc"[: len(counts)])
        scored = SplitScored(sum(map(sum, counts)), "accuracy", confusion=counts, classes=names)
        [panel] = confusion(scored, "val").panels
        [cells] = panel.items
        for seen in cells_seen(cells):
            for (i, j), (colour, _) in seen.items():
                row = counts[::-1][i]
                assert colour == pytest.approx(mpl.colormaps["viridis"](row[j] / sum(row))[:3], abs=0.02)


def luminance(colour) -> float:
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_what_is_compared_differs_in_lightness_too():
    """Who sees no colours tells training from validation, and good from bad."""
    for first, second in (("train", "val"), ("plain", "val"), ("chosen", "bad")):
        light, dark = sorted((luminance(COLOURS[first]), luminance(COLOURS[second])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 1.8


def test_matplotlib_is_imported_where_modules_are_looked_for_in_the_current_folder():
    """As with `python -c` and in a notebook: none of ours stands for one of Python's."""
    code = "from tunekit.report.figures import import_plainly; import_plainly(); import html.entities"
    subprocess.run([sys.executable, "-c", code], check=True)
