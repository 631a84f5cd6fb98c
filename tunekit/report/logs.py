"""A diagnosis of any log as text and figure: the verdict, its numbers, what was dismissed, what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tunekit.charts import Figure, Line, Panel, Rule
from tunekit.diagnosis import Diagnosis
from tunekit.logs import Log
from tunekit.report.console import COLOURS, as_table, line, show_findings, sparkline
from tunekit.report.figures import draw
from tunekit.rundir import write_atomically
from tunekit.vocabulary import Curve

RUNS = 50
"""Rows of the table of several logs."""


def show_logs(console: Console, judged: Sequence[tuple[Log, Diagnosis]], verbose: bool = False) -> None:
    """The first log in full, and a table where there are several."""
    log, diagnosis = judged[0]
    colour = COLOURS[diagnosis.verdict]
    name = f"{log.name}: " if log.name else ""
    known = diagnosis.counsel.odds.get(diagnosis.counsel.first)
    sure = "" if known is None else f"; its first advice helped {known.helps} of {known.of}"
    told = f" ({diagnosis.verdict}{sure})"
    console.print(line(name, (diagnosis.code, f"{colour} bold"), told))
    console.print(line(f"  {diagnosis.summary}"))
    for title, curve in (("train", log.train), ("val", log.val)):
        drawn = sparkline(list(curve.y)) if curve is not None else ""
        if drawn:
            console.print(line(f"  {title:5} {drawn}"))
    show_findings(console, diagnosis.notes, verbose)
    if diagnosis.dismissed:
        console.print("  considered and dismissed:")
        for item in diagnosis.dismissed[:4]:
            console.print(line(f"    {item.code}: {item.reason}"))
    if diagnosis.unchecked:
        console.print(line(f"  not checked: {_unchecked(diagnosis)}"))
    if diagnosis.advice:
        console.print("  what to do:")
        for advice in diagnosis.advice:
            console.print(line(f"    - {advice}"))
    for remark in log.notes:
        console.print(line(f"  of the file: {remark}"))
    if len(judged) > 1:
        rows = [{"run": log.name, "verdict": d.code, "summary": d.summary} for log, d in judged]
        console.print(as_table(rows, RUNS, width=console.width), crop=False)
        if len(judged) > RUNS:
            console.print(line(f"  and {len(judged) - RUNS:,} more (--json lists all)"))


def _unchecked(diagnosis: Diagnosis) -> str:
    """The verdicts that could not be asked, together with those that want the same."""
    wanted: dict[str, list[str]] = {}
    for item in diagnosis.unchecked:
        wanted.setdefault(item.reason, []).append(item.code)
    return "; ".join(f"{', '.join(codes)} ({what})" for what, codes in wanted.items())


def write_figure(log: Log, diagnosis: Diagnosis, path: Path) -> Path:
    """Draw a log's curves beside it; returns the file's path."""
    folder = path if path.is_dir() else path.parent
    name = f"diagnosis-{log.name.replace('/', '-')}.png" if log.name else "diagnosis.png"
    write_atomically(folder / name, draw(figure(log, diagnosis)))
    return folder / name


def figure(log: Log, diagnosis: Diagnosis) -> Figure:
    """The curves of a log below its verdict: the loss, and the metric that comes first."""
    best = () if diagnosis.best_x is None else (Rule(x=diagnosis.best_x, label="best loss", dashed=True),)
    panels = [Panel([*_lines(log.train, log.val, "loss", False), *best], _unit(log.train, log.val), "loss", legend="")]
    for metric in log.metrics[:1]:
        lines = _lines(metric.train, metric.val, metric.name, metric.maximize)
        unit = _unit(metric.train, metric.val)
        panels.append(Panel(lines, unit, metric.name, share=metric.share, legend=""))
    return Figure(f"{diagnosis.code}: {diagnosis.summary}", panels)


def _unit(*curves: Curve | None) -> str:
    return next((f"{curve.unit}s" for curve in curves if curve is not None), "iterations")


def _lines(train: Curve | None, val: Curve | None, name: str, maximize: bool) -> list[Line]:
    lines = []
    if train is not None:
        window = max(1, len(train.y) // 20)
        lines.append(Line(train.x, train.y, f"train {name}, smoothed", "train", smooth=window))
    if val is not None:
        values = [(value if maximize else -value, -place) for place, value in enumerate(val.y) if math.isfinite(value)]
        best = -max(values)[1] if values else None
        lines.append(Line(val.x, val.y, f"val {name}", "val", best=best, star="highest" if maximize else "lowest"))
    return lines
