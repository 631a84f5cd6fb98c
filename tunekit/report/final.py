"""Figures of a final model, from what was measured of it: which class is taken for which, or how far numbers are off;
and a sheet of the worst mistakes."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tunekit.charts import Cells, Figure, Panel, Points, Rule
from tunekit.layout import FINAL
from tunekit.measured import Mistake, SplitScored
from tunekit.report.figures import draw, import_plainly
from tunekit.report.style import DPI, WIDE, literal, styled
from tunekit.rundir import RunFolder, write_atomically
from tunekit.shares import percent
from tunekit.telling import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

CONFUSION, RESIDUALS, WORST = "confusion.png", "residuals.png", "worst.png"
NAMED = {"test": "test split", "val": "validation"}
WORDS = 25  # classes up to which each cell has its number
ACROSS = 5  # pictures in a row of the sheet
SMALL = 7.0  # points of what stands above them ...
ROOM = 72 * (WIDE / ACROSS - 0.15)  # ... and that one of its lines has


def write_figures(run: RunFolder, scored: SplitScored, on: str) -> list[Path]:
    """Draw what there is into the run's folder; what is of an earlier model goes. Returns what was written."""
    folder = run.path / FINAL
    pictures = {CONFUSION: confusion(scored, on), RESIDUALS: residuals(scored, on), WORST: None}
    written = []
    for name, figure in pictures.items():
        data = draw(figure) if figure is not None else worst(scored) if name == WORST else None
        if data is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomically(folder / name, data)
            written.append(folder / name)
    return written


def confusion(scored: SplitScored, on: str) -> Figure | None:
    """True classes by predicted ones, coloured by the share of each true class, with counts; blank where there are
    none: a single mistake is seen."""
    if not scored.confusion:
        return None
    totals = [max(1, sum(row)) for row in scored.confusion]
    rows = zip(scored.confusion, totals, strict=True)
    shares = [[count / total if count else None for count in row] for row, total in rows]
    few = len(scored.classes) <= WORDS
    words = [[str(count) if few and count else "" for count in row] for row in scored.confusion]
    title = f"{NAMED[on]}: {counted(scored.samples, 'sample')}"
    if scored.errors is not None:
        title += f", {scored.errors:,} wrong"
    # Rows are drawn from below: the first class stands on top.
    cells = Cells(scored.classes, scored.classes[::-1], shares[::-1], words[::-1], low=0.0, high=1.0)
    said = "brighter: a larger share of the true class; white: no sample"
    return Figure(title, [Panel([cells], "predicted", "true", said)])


def residuals(scored: SplitScored, on: str) -> Figure | None:
    """Predicted values by true ones, and what they are off by."""
    if not scored.true:
        return None
    off = [said - true for said, true in zip(scored.predicted, scored.true, strict=True)]
    low, high = min(scored.true), max(scored.true)
    ideal = Points([low, high], [low, high], line=True)
    panels = [
        Panel([Points(scored.true, scored.predicted), ideal], "true", "predicted"),
        Panel([Points(scored.predicted, off), Rule(y=0.0, dashed=True)], "predicted", "predicted - true"),
    ]
    value = percent(scored.value) if scored.share else f"{scored.value:.4g}"
    return Figure(f"{NAMED[on]}: {scored.metric} {value} over {counted(scored.samples, 'sample')}", panels)


def worst(scored: SplitScored) -> bytes | None:
    """A PNG with the pictures of the worst mistakes, each with what it is, what it was taken for, and how surely."""
    shown = [one for one in scored.worst if one.picture]
    if not shown:
        return None
    import_plainly()
    buffer = io.BytesIO()
    with styled():
        _sheet(shown, scored.classes).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _sheet(shown: list[Mistake], classes: tuple[str, ...]) -> Sheet:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Sheet
    from matplotlib.image import imread

    down = -(-len(shown) // ACROSS)
    sheet = Sheet(figsize=(WIDE, 2.1 * down + 0.4), layout="constrained")
    FigureCanvasAgg(sheet)
    sheet.suptitle("the worst mistakes: true, taken for (with which probability)")
    for place, one in enumerate(shown, start=1):
        axes = sheet.add_subplot(down, ACROSS, place)
        axes.imshow(imread(io.BytesIO(base64.b64decode(one.picture))), cmap="gray", interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(literal("\n".join(caption(one, classes))), fontsize=SMALL)
    return sheet


def caption(one: Mistake, classes: tuple[str, ...]) -> list[str]:
    """What a sample is and was taken for, in lines that have room above its picture: the name of its file or its place,
    and `8, taken for 3 (97.0 %)`, where that is long in three lines."""
    place = fitted(Path(one.name).name if one.name else f"sample {one.sample}")
    if one.true is None or one.predicted is None:
        return [place, f"loss {one.loss:.3g}"]
    true, said = (_named(value, classes) for value in (one.true, one.predicted))
    sure = [] if one.probability is None else [f"({percent(one.probability)})"]
    whole = " ".join([f"{true}, taken for {said}", *sure])
    return [place, whole] if fitted(whole) == whole else [place, fitted(true), fitted(said, "taken for "), *sure]


def fitted(name: str, before: str = "") -> str:
    """The name with what stands before it, its middle left out where the line has no room for all."""
    text, left = before + name, len(name)
    while left > 1 and sum(map(_wide, text)) > ROOM:
        left -= 1
        text = f"{before}{name[: (left + 1) // 2]}…{name[len(name) - left // 2 :]}"
    return text


@cache
def _wide(letter: str) -> float:
    """Points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(letter, FontProperties(size=SMALL), ismath=False)
    return float(width)


def mistakes(scored: SplitScored) -> tuple[list[str], list[list[str]]] | None:
    """The worst mistakes as a table: names of columns, and rows of text; None where there are none."""
    rows = [
        [
            one.name or f"sample {one.sample}",
            *("-" if value is None else _named(value, scored.classes) for value in (one.true, one.predicted)),
            "-" if one.probability is None else percent(one.probability),
            f"{one.loss:.3g}",
        ]
        for one in scored.worst
    ]
    return (["sample", "true", "taken for", "probability", "loss"], rows) if rows else None


def by_class(scored: SplitScored) -> tuple[list[str], list[list[str]]] | None:
    """How much of each class is found, as a table; None where answers are no classes."""
    rows = [
        [one.name, f"{one.count:,}", f"{one.right:,}", "-" if one.share is None else percent(one.share)]
        for one in scored.from_worst
    ]
    return (["class", "samples", "right", "accuracy"], rows) if rows else None


def _named(value: float, classes: tuple[str, ...]) -> str:
    known = value.is_integer() and 0 <= value < len(classes)
    return classes[int(value)] if known else f"{value:.4g}"
