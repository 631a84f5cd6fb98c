"""What a person sees: cells, curves in a line, tables, figures and the page."""

import io
import math

import pytest
from rich.console import Console

from tunekit.report import figures
from tunekit.report.console import Screen, as_table, cell, show_result, sparkline
from tunekit.vocabulary import Advanced, Finding, Noted, Record, StepFinished, StepResult, StepStarted, Training


def record_of(make_config, lr, losses) -> Record:
    """A training's record: a validation every second iteration."""
    count = len(losses)
    validated = [loss if k % 2 else None for k, loss in enumerate(losses)]
    rows = {
        "iteration": list(range(1, count + 1)),
        "epoch": [k / 2 for k in range(1, count + 1)],
        "lr": [lr] * count,
        "train_loss": losses,
        "train_accuracy": [0.5] * count,
        "val_loss": validated,
        "val_accuracy": [None if value is None else 0.9 for value in validated],
    }
    return Record(Training(make_config(lr=lr), count, {"lr": lr, "weight_decay": 0.0}, purpose="test"), rows)


def text_of(draw) -> str:
    out = io.StringIO()
    draw(Console(file=out, width=110, no_color=True))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("lr", 0.003, "3e-3"),
        ("weight_decay", 0.0, "0"),
        ("val_accuracy", 0.98765, "98.77 %"),
        ("val_loss", 0.0123456, "0.01235"),
        ("seed", 3, "3"),
        ("drop", None, "-"),
        ("model.args.hidden", [64, 64], "[64, 64]"),
    ],
)
def test_cells(name, value, shown):
    assert cell(name, value) == shown


def test_a_curve_in_one_line_falls_and_leaves_out_what_is_not_finite():
    line = sparkline([8.0, 7, 6, 5, 4, 3, 2, 1])
    assert line == "█▇▆▅▄▃▂▁"
    assert sparkline([math.nan, 1.0, math.inf, 2.0]) == "▁█"
    assert sparkline([1.0]) == ""
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
    monkeypatch.setattr("tunekit.report.console.PLAIN_S", 0.0)
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
    table = as_table([{"a": 1}, {"a": 2, "b": "x"}])
    assert [column.header for column in table.columns] == ["a", "b"]


def test_smoothing_keeps_a_constant_and_the_mean_of_noise():
    assert list(figures.smooth([2.0] * 50)) == [2.0] * 50
    assert figures.smooth([0.0, 1.0] * 100, 20)[50:150] == pytest.approx([0.5] * 100)


@pytest.mark.parametrize("step", sorted(figures.FIGURES))
def test_every_figure_is_drawn_from_a_run_that_diverged_too(step, make_config):
    good = record_of(make_config, 0.01, [2.0, 1.5, 1.0, 0.5] * 5)
    bad = record_of(make_config, 0.1, [2.0, 9.0, math.nan])
    sound = {"lr": 0.01, "weight_decay": 0.0, "val_accuracy": 0.9, "start": 2.0, "drop": 1.5, "noise": 0.1}
    gone = {"lr": 0.1, "weight_decay": 0.0, "val_accuracy": None, "start": 2.0, "drop": None, "noise": 9.0}
    table = ({**sound, "verdict": "best"}, {**gone, "verdict": "diverged"})
    handoff = {"lr": 0.01, "range": [0.01, 0.01]} if step == "lr-sweep" else {"training": "x"}
    result = StepResult(step, "pass", "summary", table=table, handoff=handoff, diagnosis="good_fit")
    drawn = figures.png(figures.FIGURES[step](result, (good, bad)))
    assert drawn[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(drawn) > 5_000
