"""report.html: one self-contained page of a run, from its results and figures. The template is page.html.j2."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import Any

from tunekit.files import read_json, read_regular
from tunekit.layout import BEST, FINAL, REPORT, SCORED
from tunekit.measured import SplitScored
from tunekit.report.console import cell
from tunekit.report.final import CONFUSION, RESIDUALS, WORST, mistakes
from tunekit.rundir import RunFolder, with_commands, write_atomically
from tunekit.vocabulary import StepResult

PNG = b"\x89PNG\r\n"
MOST_BYTES = 20_000_000


def write_page(run: RunFolder, shown: str) -> Path:
    """Write the page of what the run holds so far; returns its path. `shown`: the run as a person types it."""
    import jinja2

    results = [with_commands(result, shown) for step in run.steps() if (result := run.result(step)) is not None]
    images = {result.step: _image(run.figure(result.step)) for result in results}
    versions = run.manifest().get("versions")
    tables = {result.step: _table(result) for result in results}
    template = resources.files("tunekit.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(template).render(
        run=run,
        results=results,
        images=images,
        tables=tables,
        final=_final(run),
        best=_bytes(run.path / BEST).decode(errors="replace"),
        versions=versions if isinstance(versions, dict) else {},
    )
    path = run.path / REPORT
    write_atomically(path, text.encode(errors="backslashreplace"))  # a folder's name may be no UTF-8
    return path


def _final(run: RunFolder) -> dict[str, Any] | None:
    """What the page shows of the final model; None where there is none."""
    said = run.final()
    if not said:
        return None
    lines = said.get("found")
    if not (isinstance(lines, list) and lines):  # of an older run
        lines = [said.get("summary", "")]
    try:
        table = mistakes(SplitScored.from_json(read_json(run.path / FINAL / SCORED, MOST_BYTES)))
    except (OSError, ValueError):
        table = None
    images = {name: _image(run.path / FINAL / name) for name in (CONFUSION, RESIDUALS, WORST)}
    return {"summary": said.get("summary", ""), "lines": lines, "table": table, "images": images}


def _image(path: Path) -> str:
    data = _bytes(path)
    return base64.b64encode(data).decode() if data.startswith(PNG) else ""


def _bytes(path: Path) -> bytes:
    """Of a file that a page may hold; none where there is no such one."""
    try:
        return read_regular(path, MOST_BYTES)
    except OSError:
        return b""


def _table(result: StepResult) -> tuple[list[str], list[list[str]]] | None:
    names = list(dict.fromkeys(name for row in result.table for name in row))
    rows = [[cell(row.get(name), result.formats.get(name)) for name in names] for row in result.table]
    return (names, rows) if rows else None
