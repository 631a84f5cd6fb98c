"""Alternating measurements, their medians, and the table that shows them with the machine they come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

REPEATS = 3


@dataclass(frozen=True)
class Report:
    """What a benchmark found: rows of one table, and what a reader must know to judge them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def alternate(sides: Mapping[str, Callable[[], Any]], repeats: int = REPEATS) -> dict[str, list[Any]]:
    """Each side's results, taken A, B, A, B, ...: what else the machine does meets all of them alike."""
    found: dict[str, list[Any]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            found[name].append(side())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of neighbours: a load that comes and goes strikes out."""
    return median(a / b for a, b in zip(above, below, strict=True))


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median with the lowest and the highest: `41.2 (39.8 to 44.0)`."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def machine(packages: Sequence[str] = ()) -> str:
    """Cores, processor, versions, date and what else the machine is doing, in one line."""
    versions = [f"{name} {version(name) or 'not installed'}" for name in ("torch", *packages)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    python = f"Python {platform.python_version()}"
    return f"{cores} cores, {_processor()}; {python}, {', '.join(versions)}; {date.today()}; load average {load}"


def version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    able = [flag for flag in ("amx_bf16", "avx512_bf16") if any(flag in line.split() for line in lines)]
    return " with ".join([named or platform.processor() or "unknown processor", *able[:1]])


def show(report: Report, about: str, console: Console | None = None) -> None:
    """Print a report as a table that is Markdown at the same time."""
    console = console or Console(width=400)  # a table whose lines were broken would be no Markdown any more
    table = Table(box=box.MARKDOWN)
    for place, column in enumerate(report.columns):
        table.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    for row in report.rows:
        table.add_row(*row)
    console.print(f"\n[bold]{report.title}[/bold]\n", highlight=False)
    console.print(table)
    for line in (*report.notes, about):
        console.print(f"- {line}", highlight=False, soft_wrap=True)
