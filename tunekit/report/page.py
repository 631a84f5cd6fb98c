"""report.html: one self-contained page of a run, from its results and figures. The template is page.html.j2."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path

from tunekit.layout import BEST, REPORT
from tunekit.report.console import cell
from tunekit.rundir import RunFolder, write_atomically
from tunekit.vocabulary import StepResult


def write_page(run: RunFolder) -> Path:
    """Write the page of what the run holds so far; returns its path."""
    import jinja2

    results = [result for step in run.steps() if (result := run.result(step)) is not None]
    images = {result.step: _image(run.figure(result.step)) for result in results}
    tables = {result.step: _table(result) for result in results}
    best = run.path / BEST
    template = resources.files("tunekit.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(template).render(
        run=run,
        results=results,
        images=images,
        tables=tables,
        best=best.read_text() if best.exists() else "",
        versions=run.manifest().get("versions", {}),
    )
    path = run.path / REPORT
    write_atomically(path, text.encode())
    return path


def _image(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else ""


def _table(result: StepResult) -> tuple[list[str], list[list[str]]] | None:
    names = list(dict.fromkeys(name for row in result.table for name in row))
    rows = [[cell(row.get(name), result.formats.get(name)) for name in names] for row in result.table]
    return (names, rows) if rows else None
