"""The picture of a sweep: its losses, and over the rates what each came to."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tunekit.charts import Band, Figure, Line, Panel, Rule
from tunekit.configuration import short
from tunekit.steps.lr_sweep.curves import RateCurve
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


def _ends(
    curves: Mapping[float, RateCurve], taken: float | None, works: tuple[float, float] | None, start: float
) -> list[Line | Rule | Band]:
    ends: list[Line | Rule | Band] = []
    if works is not None and taken is not None:
        ends.append(Band(works[0] * 0.9, works[1] * 1.1, f"works: {span(*map(short, works))}"))
        ends.append(Rule(x=taken, label=f"taken: {short(taken)}", colour="chosen", dashed=True))
    if math.isfinite(start):
        ends.append(Rule(y=start, label="at the start"))
    ends += [Rule(x=curve.rate, label="diverged", colour="bad") for curve in curves.values() if curve.diverged]
    sound = [curve for curve in curves.values() if not curve.diverged]
    rates, losses = [curve.rate for curve in sound], [curve.end for curve in sound]
    errors = [ERRORS * curve.error for curve in sound]
    return [*ends, Line(rates, losses, f"loss, +- {ERRORS:g} standard errors", "train", points=True, error=errors)]
