"""The grid as a figure: rate by weight decay, and what each axis does at its best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tunekit.charts import Band, Cells, Figure, Line, Mark, Panel
from tunekit.configuration import as_set, short
from tunekit.steps.coarse_grid.findings import is_pruned, within_noise
from tunekit.steps.coarse_grid.late import DECAY
from tunekit.steps.coarse_grid.plan import CoarseGrid, is_cell, objective, scored_cells
from tunekit.steps.context import Context
from tunekit.vocabulary import Record, StepResult

FURTHEST = 4  # a scale ends at so many times the median distance from the best: beyond it all is bad
NOISE = 3  # and holds at least so many times what is equal to the best: noise does not look like an effect
SPOKEN = {"lr": "learning rate", DECAY: "weight decay"}


def figure(context: Context[CoarseGrid], result: StepResult, records: Sequence[Record]) -> Figure:
    """Rate by weight decay at the best of every other axis, and what each axis does at its best: all on one scale."""
    scored = scored_cells(context, records)
    equal = within_noise(context, scored) if scored else []
    every = [value for record in scored if (value := objective(context, record)) is not None]
    alike = [value for record in equal if (value := objective(context, record)) is not None]
    low, high = scale(every, alike, context.facts.maximize)
    panels = [_map(context, records, scored, equal, (low, high))]
    noise = [Band(min(every[0], *alike), max(every[0], *alike), "equal within noise", along="y")] if alike else []
    margin = 0.05 * (high - low)
    for axis, values in result.details.get("axes", {}).items():
        panels.append(
            Panel(
                [*noise, _line(values, as_set(axis, result.handoff.get(axis)))],
                SPOKEN.get(axis, axis),
                f"best {context.metric}",
                low=low - margin,
                top=high + margin,
                ticks=list(values),
                share=context.facts.share,
                legend="" if len(panels) == 1 else None,
            )
        )
    return Figure(result.summary, panels)


def scale(values: Sequence[float], equal: Sequence[float], maximize: bool) -> tuple[float, float]:
    """Lowest and highest of the scale for values of which the first is the best, and of which some are equal to it."""
    if not values:
        return 0.0, 1.0
    best = values[0]
    off = sorted(abs(value - best) for value in values)
    median = off[len(off) // 2]
    reach = min(off[-1], FURTHEST * median) if median else off[-1]
    reach = max(reach, NOISE * max((abs(value - best) for value in equal), default=0.0)) or abs(best) / 10 or 1.0
    return (best - reach, best) if maximize else (best, best + reach)


def _line(values: Mapping[str, float | None], chosen: str) -> Line:
    """The best of each setting. Names have no order: no line joins them."""
    numbers = [math.nan if value is None else value for value in values.values()]
    best = list(values).index(chosen) if chosen in values else None
    ordered = all(map(_is_number, values))
    return Line(range(len(numbers)), numbers, points=True, joined=ordered, best=best, star="chosen")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _map(
    context: Context[CoarseGrid],
    records: Sequence[Record],
    scored: Sequence[Record],
    equal: Sequence[Record],
    limits: tuple[float, float],
) -> Panel:
    cells = [record for record in records if is_cell(record)]
    rates, decays = (sorted({record.params[axis] for record in cells}) for axis in ("lr", DECAY))
    values: list[list[float | None]] = [[None for _ in rates] for _ in decays]
    words = [["" for _ in rates] for _ in decays]
    marks: list[list[Mark]] = [["" for _ in rates] for _ in decays]
    unscored = [record for record in cells if record not in scored]
    for record in [*unscored, *reversed(scored)]:  # the best of a place is written last
        i, j = decays.index(record.params[DECAY]), rates.index(record.params["lr"])
        value = objective(context, record)
        values[i][j] = value
        words[i][j] = context.metric_text(value).removesuffix(" %") if value is not None else _without(record)
        marks[i][j] = "diverged" if value is None and not words[i][j] else ""
        if value is not None:
            marks[i][j] = "chosen" if record is scored[0] else "equal" if record in equal else ""
    names = [[short(value) for value in axis] for axis in (rates, decays)]
    low, high = limits
    unit = ", %" if context.facts.share else ""
    return Panel(
        [Cells(names[0], names[1], values, words, marks, not context.facts.maximize, low, high)],
        "learning rate",
        "weight decay",
        f"{context.metric}{unit}: brighter is better",
        legend="",
    )


def _without(record: Record) -> str:
    """What stands in a cell that has no value though it did not diverge."""
    return "failed" if record.error else "pruned" if is_pruned(record) else ""
