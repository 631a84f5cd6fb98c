"""report.html: one self-contained page of a run, from its results and figures. The template is page.html.j2."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tunekit.charts import Figure
from tunekit.layout import BEST, FINAL, RECIPE, REPORT
from tunekit.measured import SplitScored
from tunekit.report.console import cell
from tunekit.report.final import CONFUSION, RESIDUALS, WORST, by_class, confusion, mistakes, residuals
from tunekit.report.firstscreen import first_screen, reproducing, scored_of
from tunekit.report.html import Picture, Table, picture, read_bytes, render
from tunekit.report.interactive import kept
from tunekit.rundir import RunFolder, with_commands, write_atomically
from tunekit.vocabulary import Finding, StepResult

DRAWN = {
    CONFUSION: "Confusion matrix of the final model: true classes by predicted ones",
    RESIDUALS: "Residuals of the final model: predicted values by true ones, and what they are off by",
    WORST: "The samples that the final model is most wrong about",
}


def write_page(run: RunFolder, shown: str) -> Path:
    """Write the page of what the run holds so far; returns its path. `shown`: the run as a person types it."""
    results = [
        with_commands(result, shown, run.storage) for step in run.steps() if (result := run.result(step)) is not None
    ]
    final, scored = run.final(), scored_of(run)
    figures: dict[str, Figure | None] = {result.step: kept(run, result.step) for result in results}
    pictures = {result.step: _picture(run, run.figure(result.step)) for result in results}
    pictures |= {name: _picture(run, run.path / FINAL / name) for name in (DRAWN if final else ())}
    if final and scored is not None:
        on: Literal["test", "val"] = "test" if final.get("scored_on") == "test" else "val"
        figures |= {CONFUSION: confusion(scored, on), RESIDUALS: residuals(scored, on)}
    page = render(
        "page.html.j2",
        figures,
        pictures,
        run=run,
        shown=shown,
        first=first_screen(run, shown, results, final, scored),
        results=results,
        leading=next((result.step for result in reversed(results) if pictures[result.step].data), ""),
        tables={result.step: _table(result) for result in results},
        evidence=_evidence,
        dismissed=_dismissed,
        final=_final(final, scored),
        best=_text(run.path / BEST),
        recipe=_text(run.path / RECIPE),
        environment=_environment(run),
        commands=reproducing(shown, final),
        costs=_costs(results),
    )
    path = run.path / REPORT
    write_atomically(path, page)
    return path


def _picture(run: RunFolder, path: Path) -> Picture:
    return picture(path, path.relative_to(run.path).as_posix())


def _evidence(finding: Finding) -> list[tuple[str, str]]:
    return [(name, _shown(value)) for name, value in finding.evidence.items()]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else cell(value)


def _dismissed(result: StepResult) -> list[tuple[str, str]]:
    """Of a diagnosis: what was considered, and why it is not that."""
    said = result.details.get("dismissed")
    rows = [one for one in said if isinstance(one, Mapping)] if isinstance(said, list) else []
    return [(str(one.get("code", "")), str(one.get("reason", ""))) for one in rows]


def _final(said: Mapping[str, Any], scored: SplitScored | None) -> dict[str, Any] | None:
    """What the page shows of the final model; None where there is none."""
    if not said:
        return None
    lines = said.get("found")
    if not (isinstance(lines, list) and lines):  # of an older run
        lines = [said.get("summary", "")]
    tables = {"Accuracy by class": by_class(scored), "The worst mistakes": mistakes(scored)} if scored else {}
    return {"lines": lines, "tables": tables, "drawn": DRAWN}


def _environment(run: RunFolder) -> Table | None:
    """What it ran on, as the manifest has it."""
    manifest = run.manifest()
    own = {name: manifest.get(name) for name in ("platform", "cores")}
    every = {**own, **run.noted("decided"), **run.noted("versions")}
    shown = [[name, _shown(value)] for name, value in every.items() if value is not None]
    return (["what", "which"], shown) if shown else None


def _costs(results: Sequence[StepResult]) -> Table | None:
    """Seconds and iterations by step and in all, and the iterations that earlier trainings saved."""
    names = {"seconds": "seconds", "iterations": "iterations", "iterations_reused": "iterations saved"}
    costs = [[_amount(result.cost.get(name)) for name in names] for result in results]
    rows = [[result.step, *map(_count, cost)] for result, cost in zip(results, costs, strict=True)]
    rows.append(["in all", *(_count(sum(column)) for column in zip(*costs, strict=True))])
    return (["step", *names.values()], rows) if costs else None


def _amount(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _count(value: float) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _text(path: Path) -> str:
    return read_bytes(path).decode(errors="replace")


def _table(result: StepResult) -> Table | None:
    names = list(dict.fromkeys(name for row in result.table for name in row))
    rows = [[cell(row.get(name), result.formats.get(name)) for name in names] for row in result.table]
    return (names, rows) if rows else None
