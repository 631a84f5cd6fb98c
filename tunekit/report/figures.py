"""Figures as PNG, one function a step. Draws what it is given; computes nothing that a result would hold."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunekit.measured import InitialMeasured
from tunekit.rundir import write_atomically
from tunekit.vocabulary import Event, Measurement, Record, StepFinished, StepResult, Training, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tunekit.diagnosis import Diagnosis, Log

DPI = 110
POINTS = 2000  # a curve's points that are drawn


class Painter:
    """Draws finished steps beside the run, in a thread of its own: the next step does not wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pool = ThreadPoolExecutor(1)
        self._drawn: list[Future[None]] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, StepFinished) and not event.reused:
            self._drawn.append(self._pool.submit(draw_step, event.result, event.records, self.folder))

    def close(self) -> None:
        """Wait for what is still being drawn; raise what went wrong."""
        self._pool.shutdown(wait=True)
        for drawn in self._drawn:
            drawn.result()


def draw_step(result: StepResult, records: Sequence[Record], folder: Path) -> None:
    """Write `folder/STEP/STEP.png`."""
    draw = FIGURES[result.step]
    write_atomically(folder / result.step / f"{result.step}.png", png(draw(result, records)))


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _figure(columns: int, title: str) -> tuple[Figure, list[Axes]]:
    # The object interface: pyplot would take a second to import and keeps figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(title, 62 * columns), fontsize=10)
    axes = [figure.add_subplot(1, columns, k + 1) for k in range(columns)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    return figure, axes


def _title(result: StepResult) -> str:
    return f"{result.step}: {result.summary}"


def thin(x: Sequence[float], y: Sequence[float]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    step = max(1, math.ceil(len(x) / POINTS))
    return np.asarray(x[::step], dtype=float), np.asarray(y[::step], dtype=float)


def smooth(values: Sequence[float], window: int | None = None) -> np.ndarray[Any, Any]:
    """Moving average over a centred window (a twentieth of the curve unless given), shorter at the ends."""
    y = np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    window = max(1, min(len(y), window or len(y) // 20))
    kernel = np.ones(window)
    return np.convolve(y, kernel, "same") / np.convolve(np.ones(len(y)), kernel, "same")


def _initial(result: StepResult, records: Sequence[Record]) -> Figure:
    figure, (left, right) = _figure(2, _title(result))
    initial = [r for r in records if isinstance(r.request, Measurement) and r.request.probe == "initial"]
    measured = {str(r.params["seed"]): InitialMeasured.from_json(r.values).loss for r in initial}
    losses = {seed: loss for seed, loss in measured.items() if loss is not None}
    names, places = list(losses), np.arange(len(losses))
    left.bar(places - 0.18, [loss.train_mode for loss in losses.values()], 0.34, label="train mode")
    left.bar(places + 0.18, [loss.eval_mode for loss in losses.values()], 0.34, label="eval mode")
    left.set_xticks(range(len(names)), names)
    if "expected_loss" in result.handoff:
        expected = result.handoff["expected_loss"]
        left.axhline(expected, color="black", linestyle="--", label=f"expected: {result.handoff['expected']}")
    left.set(xlabel="seed of the initialisation", ylabel="loss")
    left.legend(fontsize=8, loc="lower right")
    depth = 0
    for seed, loss in losses.items():
        sizes = [max(weight.gradient, 1e-20) for weight in loss.gradients.weights]
        depth = max(depth, len(sizes))
        right.semilogy(sizes, marker="o", label=f"seed {seed}")
    right.set_xticks(range(0, depth, max(1, depth // 10)))
    right.set(xlabel="layer, from the input", ylabel="root mean square of the gradient")
    return figure


def _tiny(result: StepResult, records: Sequence[Record]) -> Figure:
    figure, (axis,) = _figure(1, _title(result))
    for record in records:
        if isinstance(record.request, Training):
            zeroed = record.params.get("inputs") == "zeroed"
            label = f"rate {short(record.params['lr'])}{', inputs zeroed' if zeroed else ''}"
            x, y = thin(record.rows["iteration"], record.column("train_loss"))
            axis.plot(x, y, linestyle=":" if zeroed else "-", label=label)
    axis.set(xlabel="epoch (one batch)", ylabel="training loss", yscale="symlog" if _negative(records) else "log")
    axis.legend(fontsize=8)
    return figure


def _negative(records: Sequence[Record]) -> bool:
    return any(value is not None and value <= 0 for record in records for value in record.rows.get("train_loss", ()))


def _sweep(result: StepResult, records: Sequence[Record]) -> Figure:
    figure, (left, right) = _figure(2, _title(result))
    runs = sorted((r for r in records if isinstance(r.request, Training)), key=lambda r: r.params["lr"])
    start = result.table[0]["start"] if result.table else None
    for record in runs:
        losses = record.column("train_loss")
        x, y = thin(record.rows["iteration"], list(smooth(losses, max(1, len(losses) // 10))))
        left.plot(
            x,
            y,
            label=short(record.params["lr"]),
            linewidth=2 if record.params["lr"] == result.handoff.get("lr") else 1,
        )
    if isinstance(start, float) and start > 0:
        left.set_ylim(top=1.5 * start)
    left.set(xlabel="iteration", ylabel="training loss, smoothed")
    left.legend(fontsize=7, ncols=2, title="rate", title_fontsize=8)
    rows = [row for row in result.table if isinstance(row["drop"], float)]
    right.errorbar([r["lr"] for r in rows], [r["drop"] for r in rows], yerr=[2 * r["noise"] for r in rows], marker="o")
    for row in result.table:
        if row["drop"] is None:
            right.axvline(row["lr"], color="red", alpha=0.3)
    if result.handoff:
        low, high = result.handoff["range"]
        right.axvspan(low * 0.9, high * 1.1, color="green", alpha=0.15, label="works")
        right.axvline(result.handoff["lr"], color="green", label="taken")
        right.legend(fontsize=8)
    right.set(xscale="log", xlabel="learning rate (red: diverged)", ylabel="drop of the loss, 2 standard errors")
    return figure


def _grid(result: StepResult, records: Sequence[Record]) -> Figure:
    """Rate by weight decay at the best of every other axis, and what each axis does at its best."""
    axes_data = result.details.get("axes", {})
    figure, drawn = _figure(1 + max(1, len(axes_data)), _title(result))
    metric = next((n for n in result.table[0] if n.startswith("val_")), "val_loss") if result.table else "val_loss"
    _heat_map(drawn[0], result, metric)
    for axis, (name, values) in zip(drawn[1:], axes_data.items(), strict=False):
        axis.plot(list(values), list(values.values()), marker="o")
        axis.set(xlabel=name, ylabel=f"best {metric}")
        axis.tick_params(axis="x", labelrotation=45, labelsize=7)
    return figure


def _heat_map(axis: Axes, result: StepResult, metric: str) -> None:
    rates = sorted({row["lr"] for row in result.table})
    decays = sorted({row["weight_decay"] for row in result.table})
    grid = np.full((len(decays), len(rates)), np.nan)
    words = [["" for _ in rates] for _ in decays]
    for row in reversed(result.table):  # the best first in the table: drawn last
        i, j = decays.index(row["weight_decay"]), rates.index(row["lr"])
        value = row.get(metric)
        if isinstance(value, float):
            grid[i, j] = value
            words[i][j] = f"{100 * value:.1f}" if "accuracy" in metric else f"{value:.3g}"
        elif not words[i][j]:
            words[i][j] = "x"
    axis.grid(False)
    if np.isfinite(grid).any():
        axis.imshow(grid, aspect="auto", origin="lower", cmap="viridis")
    for i, line in enumerate(words):
        for j, word in enumerate(line):
            colour = "red" if word == "x" else "black" if _is_bright(grid, i, j) else "white"
            axis.text(j, i, word, ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(rates)), [short(rate) for rate in rates])
    axis.set_yticks(range(len(decays)), [short(decay) for decay in decays])
    axis.set(xlabel="learning rate (x: diverged)", ylabel="weight decay", title=metric)


def _is_bright(grid: np.ndarray[Any, Any], i: int, j: int) -> bool:
    """Whether a cell lies in the light half of the colours."""
    low, high = np.nanmin(grid), np.nanmax(grid)
    return bool(high > low and (grid[i, j] - low) / (high - low) > 0.6)


def _fine(result: StepResult, records: Sequence[Record]) -> Figure:
    metric = next((name for name in (result.table[0] if result.table else {}) if name.startswith("val_")), "val_loss")
    names = list(dict.fromkeys(["val_loss", metric]))
    figure, drawn = _figure(len(names), _title(result))
    for axis, name in zip(drawn, names, strict=True):
        for record in records:
            points = record.validations(name)
            best = record.request.config.key in str(result.handoff.get("training", ""))
            label = f"{short(record.params['lr'])}, {short(record.params['weight_decay'])}" + (
                f", seed {record.params['seed']}" if "seed" in record.params else ""
            )
            axis.plot([i for i, _ in points], [v for _, v in points], label=label, linewidth=2.2 if best else 0.9)
        axis.set(xlabel="iteration", ylabel=name)
    drawn[0].legend(fontsize=7, title="rate, weight decay", title_fontsize=8)
    return figure


def _diagnosis(result: StepResult, records: Sequence[Record]) -> Figure:
    record = records[0]
    names = [name for name in record.rows if name.startswith("val_") and name != "val_loss"]
    figure, drawn = _figure(1 + bool(names), f"{result.diagnosis}: {result.summary}")
    for axis, name in zip(drawn, ["loss", *(n.removeprefix("val_") for n in names)], strict=False):
        train, val = record.column(f"train_{name}"), record.validations(f"val_{name}")
        points = [i for i, _ in val], [v for _, v in val]
        curves(axis, (record.rows["iteration"], train), points, name, result.details.get("smooth"))
    return figure


def draw_log(log: Log, diagnosis: Diagnosis) -> bytes:
    """The curves of any log with its verdict in the title, as PNG."""
    figure, drawn = _figure(1 + bool(log.metrics), f"{diagnosis.code}: {diagnosis.summary}")
    empty: tuple[list[float], list[float]] = ([], [])

    def points(curve: Any) -> tuple[Any, Any]:
        return empty if curve is None else (list(curve.x), list(curve.y))

    curves(drawn[0], points(log.train), points(log.val), "loss")
    if log.metrics:
        metric = log.metrics[0]
        curves(drawn[1], points(metric.train), points(metric.val), metric.name)
    if diagnosis.best_x is not None:
        drawn[0].axvline(diagnosis.best_x, color="grey", linestyle="--", linewidth=0.8)
    return png(figure)


def curves(axis: Axes, train: tuple[Any, Any], val: tuple[Any, Any], name: str, window: int | None = None) -> None:
    """Training raw and faint, smoothed and strong; validation with its best point marked."""
    if len(train[0]):
        x, y = thin(train[0], train[1])
        axis.plot(x, y, color="tab:blue", alpha=0.25, linewidth=0.8)
        axis.plot(*thin(train[0], list(smooth(train[1], window))), color="tab:blue", label=f"train {name}, smoothed")
    if len(val[0]):
        x, y = thin(val[0], val[1])
        axis.plot(x, y, color="tab:orange", marker="o" if len(x) < 60 else "", markersize=3, label=f"val {name}")
        if np.isfinite(y).any():
            k = int(np.nanargmin(y) if "loss" in name else np.nanargmax(y))
            axis.plot(x[k], y[k], marker="*", markersize=12, color="tab:red", label="best")
    axis.set(xlabel="iteration", ylabel=name)
    axis.legend(fontsize=8)


FIGURES: dict[str, Callable[[StepResult, Sequence[Record]], Figure]] = {
    "check-init-loss": _initial,
    "overfit-tiny": _tiny,
    "lr-sweep": _sweep,
    "coarse-grid": _grid,
    "fine-run": _fine,
    "diagnose": _diagnosis,
}
"""A step's name -> the figure of its result and records."""
