"""A diagnosis of any log as text and figure: the verdict, its numbers, what was dismissed, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tunekit.diagnosis import Diagnosis
from tunekit.logs import Log
from tunekit.report.console import COLOURS, as_table, show_finding, sparkline
from tunekit.report.figures import draw_log
from tunekit.rundir import write_atomically


def show_logs(console: Console, found: Sequence[tuple[Log, Diagnosis]]) -> None:
    """The first log in full, and a table where there are several."""
    log, diagnosis = found[0]
    colour = COLOURS[diagnosis.verdict]
    name = f"{log.name}: " if log.name else ""
    console.print(
        f"{escape(name)}[{colour} bold]{diagnosis.code}[/] ({diagnosis.verdict}, confidence {diagnosis.confidence})"
    )
    console.print(f"  {escape(diagnosis.summary)}")
    for title, curve in (("train", log.train), ("val", log.val)):
        line = sparkline(list(curve.y)) if curve is not None else ""
        if line:
            console.print(f"  {title:5} {line}")
    for note in diagnosis.notes:
        show_finding(console, note)
    if diagnosis.dismissed:
        console.print("  considered and dismissed:")
        for item in diagnosis.dismissed[:4]:
            console.print(f"    {item.code}: {escape(item.reason)}")
    if diagnosis.advice:
        console.print("  what to do:")
        for line in diagnosis.advice:
            console.print(f"    - {escape(line)}")
    for remark in log.notes:
        console.print(f"  of the file: {escape(remark)}")
    if len(found) > 1:
        rows = [{"run": log.name, "verdict": d.code, "summary": d.summary} for log, d in found]
        console.print(as_table(rows, 50))


def write_figure(log: Log, diagnosis: Diagnosis, path: Path) -> Path:
    """Draw a log's curves beside it; returns the file's path."""
    folder = path if path.is_dir() else path.parent
    name = f"diagnosis-{log.name.replace('/', '-')}.png" if log.name else "diagnosis.png"
    write_atomically(folder / name, draw_log(log, diagnosis))
    return folder / name
