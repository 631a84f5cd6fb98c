"""What a person sees: cells, curves in a line, tables, figures and the page."""

import io
import math

import pytest
from rich.cells import cell_len
from rich.console import Console

from tunekit.charts import Bars, Cells, Figure, Line, Panel, Rule
from tunekit.diagnosis import Diagnosis
from tunekit.logs import Log, Metric
from tunekit.report import figures, logs
from tunekit.report.console import as_table, cell, show_result, sparkline
from tunekit.report.drawable import moving_average
from tunekit.report.live import Screen
from tunekit.vocabulary import Advanced, Curve, Finding, Noted, StepFinished, StepResult, StepStarted


def text_of(draw) -> str:
    out = io.StringIO()
    draw(Console(file=out, width=110, no_color=True))
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        ("rate", 0.003, "3e-3"),
        ("rate", 0.0, "0"),
        ("share", 0.98765, "98.8 %"),
        ("share", 0.9997, "99.97 %"),
        ("share", 1.0, "100.0 %"),
        ("share", 0.00001, "0.001 %"),
        ("share", 0.0, "0.0 %"),
        (None, 0.98765, "0.9877"),
        (None, 0.0123456, "0.01235"),
        (None, 3, "3"),
        ("rate", None, "-"),
        (None, [64, 64], "[64, 64]"),
    ],
)
def test_cells(form, value, shown):
    assert cell(value, form) == shown


def test_a_curve_in_one_line_falls_and_leaves_out_what_is_not_finite():
    line = sparkline([8.0, 7, 6, 5, 4, 3, 2, 1])
    assert line == "█▇▆▅▄▃▂▁"
    assert sparkline([math.nan, 1.0, math.inf, 2.0]) == "▁█"
    assert sparkline([1.0]) == ""
    assert sparkline([1e308] * 4 + [-1e308] * 4) == "████▁▁▁▁"
    assert sparkline([0.0, 5e-324]) == "▁█"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([1e308] * 200).strip("▁") == ""
    assert len(sparkline([math.sin(k) for k in range(100_000)])) == 60


def test_text_of_the_persons_own_is_never_markup():
    result = StepResult(
        "lr-sweep",
        "warn",
        "loss [bold]1[/bold]",
        (Finding("cells_failed", "warn", "ValueError: [/red] in model[0]", {}, ("see [link]",)),),
        table=({"model.args.hidden": "[/b]", "lr": 0.1},),
        next="tunekit run a[1].yaml",
    )
    shown = text_of(lambda console: show_result(console, result))
    for part in ("[bold]1[/bold]", "[/red] in model[0]", "[link]", "[/b]", "a[1].yaml"):
        assert part in shown


def test_without_a_terminal_there_are_plain_lines(monkeypatch):
    out = io.StringIO()
    screen = Screen(Console(file=out, width=110, no_color=True))
    monkeypatch.setattr("tunekit.report.live.PLAIN_S", 0.0)
    screen.emit(StepStarted("lr-sweep"))
    screen.emit(Advanced("lr-sweep", 50, 100, 1, 4))
    screen.emit(Noted("model.py changed"))
    screen.emit(StepFinished(StepResult("lr-sweep", "pass", "Rate 3e-3.", next="tunekit coarse-grid r"), ()))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("lr-sweep: 50/100 iterations")
    assert "\x1b" not in out.getvalue()
    assert any("model.py changed" in line for line in lines)
    assert any("next: tunekit coarse-grid r" in line for line in lines)


def test_a_table_takes_its_columns_from_all_rows():
    shown = text_of(lambda console: console.print(as_table([{"a": 1}, {"a": 2, "b": "x"}])))
    assert [line.split() for line in shown.splitlines()] == [["a", "b"], ["1", "-"], ["2", "x"]]


def test_smoothing_keeps_a_constant_and_the_mean_of_noise():
    assert moving_average([2.0] * 50, 5) == [2.0] * 50
    assert moving_average([0.0, 1.0] * 100, 20)[50:150] == pytest.approx([0.5] * 100)


def star(axes):
    """The point that is marked as the best."""
    (mark,) = [line for line in axes.lines if line.get_marker() == "*"]
    return [float(mark.get_xdata()[0]), float(mark.get_ydata()[0])]


class TestFigures:
    def test_a_line_is_drawn_as_it_is_with_its_best_point_marked(self):
        line = Line([1, 2, 3], [3.0, 1.0, 2.0], "val", "val", best=1)
        (axes,) = figures.drawn(Figure("title", [Panel([line], "x", "y", legend="")]), "step").axes
        assert list(axes.lines[0].get_ydata()) == [3.0, 1.0, 2.0]
        assert star(axes) == [2, 1.0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["val", "best"]

    def test_a_smoothed_line_is_its_moving_average_over_the_raw_one_in_one_colour(self):
        raw, smooth = figures.drawn(Figure("", [Panel([Line(range(9), [0.0, 3.0, 0.0] * 3, smooth=3)])])).axes[0].lines
        assert list(raw.get_ydata()) == [0.0, 3.0, 0.0] * 3
        assert list(smooth.get_ydata())[1:-1] == pytest.approx([1.0] * 7)
        assert raw.get_color() == smooth.get_color()

    def test_cells_show_values_words_and_what_is_not_there(self):
        cells = Cells(["1e-3", "1e-2"], ["0"], [[0.5, None]], [["50", "x"]])
        (axes,) = figures.drawn(Figure("", [Panel([cells], title="val")])).axes
        assert [text.get_text() for text in axes.texts] == ["50", "x"]
        assert [text.get_color() for text in axes.texts] == ["black", figures.COLOURS["bad"]]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1e-3", "1e-2"]
        assert axes.images[0].get_array().mask.tolist() == [[False, True]]

    def test_bars_of_several_groups_stand_side_by_side(self):
        panel = Panel([Bars([1.0, 2.0], "a"), Bars([3.0, 4.0], "b"), Rule(y=2.3, label="ln 10")], ticks=["0", "1"])
        axes = figures.drawn(Figure("", [panel])).axes[0]
        assert [bar.get_height() for bar in axes.patches] == [1.0, 2.0, 3.0, 4.0]
        first, second = axes.patches[0], axes.patches[2]
        assert first.get_x() + first.get_width() == pytest.approx(second.get_x())
        assert axes.lines[0].get_ydata()[0] == 2.3

    @pytest.mark.parametrize(("maximize", "best"), [(True, [3.0, 0.9]), (False, [1.0, 0.5])])
    def test_the_best_of_a_log_is_the_highest_or_the_lowest_as_its_metric_says(self, maximize, best):
        val = Curve("val_mae", [1.0, 2.0, 3.0, 4.0], [0.5, 0.6, 0.9, math.nan], "epoch")
        losses = Curve("val_loss", [1.0, 2.0, 3.0], [2.0, 1.0, 1.5], "epoch")
        log = Log("csv", train=losses, val=losses, metrics=(Metric("mae", maximize, None, val),))
        loss, metric = figures.drawn(logs.figure(log, Diagnosis("good_fit", "pass", ""))).axes
        assert star(metric) == best
        assert star(loss) == [2.0, 1.0]

    def test_long_curves_are_thinned_and_nothing_breaks_on_what_is_not_finite(self):
        values = [math.nan if k % 7 == 0 else float(k) for k in range(10_000)]
        (axes,) = figures.drawn(Figure("", [Panel([Line(range(10_000), values, smooth=10)])])).axes
        assert len(axes.lines[0].get_xdata()) <= figures.POINTS
        assert figures.draw(Figure("", [Panel([Line([], [])])]))[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("width", [80, 110, 200])
def test_a_table_with_long_names_keeps_its_last_column_on_a_narrow_screen(width):
    axes = {"optimizer.args.momentum": 0.9, "optimizer.target": "momentum", "data.augment_strength": 0.5}
    rows = [{**axes, "lr": 0.1, "weight_decay": 1e-3, "val_accuracy": 0.9, "verdict": "within noise"}]
    out = io.StringIO()
    Console(file=out, width=width).print(as_table(rows, width=width))
    assert all(word in out.getvalue() for word in ("verdict", "within", "noise", "0.9"))
    header = out.getvalue().splitlines()[0]
    assert ("optimizer.args.momentum" in header) is (width == 200)


def shown_table(rows, width: int, indent: int = 0) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(as_table(rows, width=width, indent=indent), crop=False)
    return out.getvalue().splitlines()


def test_each_part_of_a_split_table_has_the_first_columns_that_tell_its_rows_apart():
    numbers = {f"number_{n}": 0.125 for n in range(6)}
    rows = [{"lr": 10.0**-k, "inputs": which, **numbers} for k in (1, 2) for which in ("real", "zeroed")]
    parts = "\n".join(shown_table(rows, 40)).split("\n\n")
    assert len(parts) > 1
    for part in parts:
        named = [tuple(row.split()[:2]) for row in part.splitlines()[-4:]]
        assert named == [("0.1", "real"), ("0.1", "zeroed"), ("0.01", "real"), ("0.01", "zeroed")]
    alone = "\n".join(shown_table([{**row, "lr": k / 8} for k, row in enumerate(rows, 1)], 40)).split("\n\n")
    assert ["inputs" in part for part in alone] == [True] + [False] * (len(alone) - 1)


WORDS = "a sentence of several words that says at length what there is to say of it, and then some more of the same"
TABLES = {
    "prose last": [{"name": f"{k}-{'n' * 30}", "kind": "source", "about": WORDS} for k in "ab"],
    "prose between": [{"lr": f"1e-{k}", "verdict": WORDS, "at epoch": k, "seed": 1} for k in range(3)],
    "two of prose": [{"of": f"lr1e-{k}_{'k' * 20}", "goes": WORDS, "size": "1.0 MB", "then": WORDS} for k in range(3)],
    "many numbers": [{"lr": 3e-2, **{f"model.args.width_{n}": 1.234e-5 for n in range(14)}, "verdict": WORDS}],
    "a long name": [{"run": f"runs/{'r' * 200}", "steps": "3/6", "step": "lr-sweep", "verdict": "pass", "text": WORDS}],
    "a name of words": [{"run": "my runs/of a day", "n": 1, "summary": WORDS}],
    "wide letters": [{"name": "数" * 20, "kind": "code", "about": WORDS}],
}


@pytest.mark.parametrize("width", [40, 80, 100, 110, 160])
@pytest.mark.parametrize("indent", [0, 2])
@pytest.mark.parametrize("rows", TABLES.values(), ids=TABLES)
def test_keys_and_numbers_are_whole_and_prose_takes_lines(rows, indent, width):
    lines = shown_table(rows, width, indent)
    text = "\n".join(lines)
    assert "…" not in text
    keys = {cell(value) for row in rows for value in row.values()} - {WORDS}
    assert [key for key in keys if key not in text] == []
    said = [word for line in lines for word in line.split()]
    assert all(said.count(word) >= len(rows) for word in WORDS.split())
    fits = max(len(key) + key.count("数") for key in keys) + indent <= width
    assert not fits or max(map(cell_len, map(str.rstrip, lines))) <= width
    assert all(line.startswith(" " * indent) for line in lines if line)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_every_command_with_a_table_shows_its_keys_whole(width, tunekit, fast, tmp_path, monkeypatch):
    from tunekit.recipe.shipped import shipped
    from tunekit.steps import codes
    from tunekit.techniques import TECHNIQUES

    monkeypatch.setattr("tunekit.report.console.PLAIN_WIDTH", width)
    folder = "runs/" + "-".join(["of-a-day"] * 8)
    assert tunekit("check-init-loss", fast, "--runs-dir", folder).code == 0
    keys = {
        ("recipes",): {recipe.name for recipe in shipped()},
        ("explain",): {*codes(), *TECHNIQUES},
        ("explain", "overfitting"): {"overfit"},
        ("status", "--runs-dir", folder): {f"{folder}/fast-001", "1/6", "check-init-loss", "pass"},
        ("status", f"{folder}/fast-001"): {"check-init-loss", "pass", "fine-run", "diagnose"},
        ("run", fast, "--dry-run"): {"overfit-tiny", "lr-sweep"},
        ("inspect", fast): {"train", "val"},
    }
    for words, named in keys.items():
        shown = tunekit(*words)
        assert shown.code == 0, shown.err
        assert "…" not in shown.out
        assert named - set(shown.out.split()) == set(), words
