"""The picture of a sweep: over the rates what each is judged by, and the losses that led to it where those judge."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from tunekit.charts import Band, Figure, Line, Panel, Rule
from tunekit.configuration import short
from tunekit.measured import UntouchedMeasured
from tunekit.steps.context import Context
from tunekit.steps.lr_sweep.curves import RateCurve
from tunekit.steps.lr_sweep.held_out import HeldOutRate
from tunekit.steps.noise import ERRORS
from tunekit.telling import span


def drawn(
    title: str, curves: Mapping[float, RateCurve], taken: float | None, works: tuple[float, float] | None
) -> Figure:
    """The losses of every rate, and what each ended at with the range that works; None where no rate does."""
    lines = [
        Line(
            range(1, len(curve.losses) + 1),
            curve.losses,
            short(curve.rate),
            smooth=max(1, len(curve.losses) // 10),
            strong=curve.rate == taken,
            shade=place / max(1, len(curves) - 1),
        )
        for place, curve in enumerate(curves.values())
    ]
    start = next(iter(curves.values())).start
    top = 1.5 * start if start > 0 else None
    low = 0.0 if top is not None and all(min(curve.losses, default=0.0) >= 0 for curve in curves.values()) else None
    losses = Panel(lines, "iterations", "training loss, smoothed", low=low, top=top, legend="learning rate")
    ends = Panel(
        _ends(curves, taken, works, start), "learning rate", "training loss at the end", x_scale="log", legend=""
    )
    return Figure(title, [losses, ends])


def held_out_drawn(
    context: Context[Any],
    title: str,
    rates: Mapping[float, HeldOutRate],
    taken: float | None,
    works: tuple[float, float] | None,
    untouched: UntouchedMeasured | None,
) -> Figure:
    """Of a fine-tuning the validation loss and the metric that each rate ended at, beside those of the model as it
    came."""
    gone = [one.rate for one in rates.values() if one.val_loss is None]
    sound = [one for one in rates.values() if one.val_loss is not None]
    loss, score = (None, None) if untouched is None else (untouched.loss, untouched.score)
    ended = {
        "val_loss": ([one.val_loss for one in sound], loss),
        context.metric: ([one.metric for one in sound], score),
    }
    panels = []
    for column, (values, start) in ended.items():
        known = [math.nan if value is None else value for value in values]
        line = Line([one.rate for one in sound], known, column, "val", points=True)
        level = [] if start is None else [Rule(y=start, label="untouched")]
        panels.append(
            Panel(
                [*_said(taken, works), *level, *_diverged(gone), line],
                "learning rate",
                f"{column} at the end",
                x_scale="log",
                legend="",
                share=context.facts.share and column == context.metric,
            )
        )
    return Figure(title, panels)


def _said(taken: float | None, works: tuple[float, float] | None) -> list[Rule | Band]:
    """The range that works, and what is taken of it."""
    if works is None or taken is None:
        return []
    return [
        Band(works[0] * 0.9, works[1] * 1.1, f"works: {span(*map(short, works))}"),
        Rule(x=taken, label=f"taken: {short(taken)}", colour="chosen", dashed=True),
    ]


def _diverged(rates: Collection[float]) -> list[Rule]:
    return [Rule(x=rate, label="diverged", colour="bad") for rate in rates]


def _ends(
    curves: Mapping[float, RateCurve], taken: float | None, works: tuple[float, float] | None, start: float
) -> list[Line | Rule | Band]:
    ends: list[Line | Rule | Band] = [*_said(taken, works), Rule(y=start, label="at the start")]
    ends += _diverged([curve.rate for curve in curves.values() if curve.diverged])
    sound = [curve for curve in curves.values() if not curve.diverged]
    rates, losses = [curve.rate for curve in sound], [curve.end for curve in sound]
    errors = [ERRORS * curve.error for curve in sound]
    return [*ends, Line(rates, losses, f"loss, +- {ERRORS:g} standard errors", "train", points=True, error=errors)]
