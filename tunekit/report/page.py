"""report.html: one self-contained page of a run, from its results and figures. The template is page.html.j2."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from tunekit.report.console import cell
from tunekit.rundir import RunDir, write_atomically
from tunekit.vocabulary import STEPS


def write_page(run: RunDir) -> Path:
    """Write the page of what the run holds so far; returns its path."""
    import jinja2

    results = [result for step in STEPS if (result := run.result(step)) is not None]
    images = {result.step: _image(run.step_folder(result.step) / f"{result.step}.png") for result in results}
    tables = {result.step: _table(result.table) for result in results}
    best = run.path / "best.yaml"
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
    path = run.path / "report.html"
    write_atomically(path, text.encode())
    return path


def _image(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode() if path.exists() else ""


def _table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]] | None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return (names, [[cell(name, row.get(name)) for name in names] for row in rows]) if rows else None
