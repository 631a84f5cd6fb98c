"""report.html: one self-contained page of a run, from its results and figures. The template is page.html.j2."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunekit.charts import Figure
from tunekit.files import read_regular
from tunekit.layout import BEST, FINAL, RECIPE, REPORT
from tunekit.measured import SplitScored
from tunekit.report.console import cell
from tunekit.report.final import CONFUSION, RESIDUALS, WORST, by_class, confusion, mistakes, residuals
from tunekit.report.firstscreen import MOST_BYTES, first_screen, reproducing, scored_of
from tunekit.report.interactive import kept, live
from tunekit.rundir import RunFolder, with_commands, write_atomically
from tunekit.telling import visible
from tunekit.vocabulary import Finding, StepResult

if TYPE_CHECKING:
    from markupsafe import Markup

PNG = b"\x89PNG\r\n"
DRAWN = {
    CONFUSION: "Confusion matrix of the final model: true classes by predicted ones",
    RESIDUALS: "Residuals of the final model: predicted values by true ones, and what they are off by",
    WORST: "The samples that the final model is most wrong about",
}
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( %)?|-")
UNBROKEN = re.compile(r"[+-]?\d[\d.,]*(e-\d+|(e-\d+)? %)")
PROSE = 40  # letters of a cell above which it may break into lines

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Names of columns, and rows of text."""


def write_page(run: RunFolder, shown: str) -> Path:
    """Write the page of what the run holds so far; returns its path. `shown`: the run as a person types it."""
    results = [
        with_commands(result, shown, run.storage) for step in run.steps() if (result := run.result(step)) is not None
    ]
    final, scored = run.final(), scored_of(run)
    images = {result.step: _image(run.figure(result.step)) for result in results}
    figures: dict[str, Figure | None] = {result.step: kept(run, result.step) for result in results}
    if final and scored is not None:
        on: Literal["test", "val"] = "test" if final.get("scored_on") == "test" else "val"
        figures |= {CONFUSION: confusion(scored, on), RESIDUALS: residuals(scored, on)}
    text = _template().render(
        run=run,
        shown=shown,
        first=first_screen(run, shown, results, final, scored),
        results=results,
        images=images,
        live=live(figures),
        leading=next((result.step for result in reversed(results) if images[result.step]), ""),
        tables={result.step: _table(result) for result in results},
        final=_final(run, final, scored),
        best=_text(run.path / BEST),
        recipe=_text(run.path / RECIPE),
        environment=_environment(run),
        commands=reproducing(shown, final),
        costs=_costs(results),
    )
    path = run.path / REPORT
    write_atomically(path, text.encode(errors="backslashreplace"))  # a folder's name may be no UTF-8
    return path


def _template() -> Any:
    """Whatever the template prints is made visible, and then escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"told": told, "lines": _lines, "evidence": _evidence, "dismissed": _dismissed, "kind": kind}
    return environment.from_string(
        resources.files("tunekit.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    )


def told(text: object) -> Markup:
    """A message as HTML: what stands between backticks is code, and no number is broken at its hyphen or unit."""
    from markupsafe import Markup, escape

    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text))))
    return Markup(UNBROKEN.sub(r'<span class="number">\g<0></span>', text))


def _lines(text: str) -> Markup:
    """A text of several lines, each of them visible."""
    from markupsafe import Markup

    return Markup("\n").join(visible(line) for line in text.rstrip("\n").split("\n"))


def kind(text: str) -> str:
    """Of a table's cell: a number, or a text that may break into lines."""
    return "number" if NUMBER.fullmatch(text) else "prose" if len(text) > PROSE else "word"


def _evidence(finding: Finding) -> list[tuple[str, str]]:
    return [(name, _shown(value)) for name, value in finding.evidence.items()]


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else cell(value)


def _dismissed(result: StepResult) -> list[tuple[str, str]]:
    """Of a diagnosis: what was considered, and why it is not that."""
    said = result.details.get("dismissed")
    rows = [one for one in said if isinstance(one, Mapping)] if isinstance(said, list) else []
    return [(str(one.get("code", "")), str(one.get("reason", ""))) for one in rows]


def _final(run: RunFolder, said: Mapping[str, Any], scored: SplitScored | None) -> dict[str, Any] | None:
    """What the page shows of the final model; None where there is none."""
    if not said:
        return None
    lines = said.get("found")
    if not (isinstance(lines, list) and lines):  # of an older run
        lines = [said.get("summary", "")]
    images = {name: (what, _image(run.path / FINAL / name)) for name, what in DRAWN.items()}
    tables = {"Accuracy by class": by_class(scored), "The worst mistakes": mistakes(scored)} if scored else {}
    return {"lines": lines, "tables": tables, "images": images}


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


def _image(path: Path) -> str:
    data = _bytes(path)
    return base64.b64encode(data).decode() if data.startswith(PNG) else ""


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace")


def _bytes(path: Path) -> bytes:
    """Of a file that a page may hold; none where there is no such one."""
    try:
        return read_regular(path, MOST_BYTES)
    except OSError:
        return b""


def _table(result: StepResult) -> Table | None:
    names = list(dict.fromkeys(name for row in result.table for name in row))
    rows = [[cell(row.get(name), result.formats.get(name)) for name in names] for row in result.table]
    return (names, rows) if rows else None
