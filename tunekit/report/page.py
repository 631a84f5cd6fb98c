"""report.html: one self-contained page of a run, from its results and figures. Template and data, nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tunekit.report.console import cell
from tunekit.rundir import RunDir
from tunekit.store import write_atomically
from tunekit.vocabulary import STEPS

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ run.name }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem } table { border-collapse: collapse; font-size: 13px; margin: .6rem 0 }
th, td { text-align: right; padding: .15rem .7rem; border-bottom: 1px solid #eee } th { color: #666 }
.pass { color: #1a7f37 } .warn { color: #9a6700 } .fail { color: #cf222e } .note { color: #0969da }
img { max-width: 100% } code, pre { background: #f6f8fa; padding: .1rem .3rem } pre { padding: .8rem; overflow: auto }
</style></head><body>
<h1>{{ run.name }}</h1>
<table>{% for result in results %}<tr><td style="text-align:left"><a href="#{{ result.step }}">{{ result.step }}</a></td>
<td class="{{ result.verdict }}">{{ result.verdict }}</td><td style="text-align:left">{{ result.summary }}</td></tr>{% endfor %}
</table>
{% for result in results %}
<h2 id="{{ result.step }}">{{ result.step }} <span class="{{ result.verdict }}">{{ result.verdict }}</span></h2>
<p>{{ result.summary }}</p>
{% for finding in result.findings %}<p><span class="{{ finding.severity }}">{{ finding.severity }}</span>
<b>{{ finding.code }}</b>: {{ finding.message }}</p><ul>{% for line in finding.advice %}<li>{{ line }}</li>{% endfor %}</ul>
{% endfor %}
{% if images[result.step] %}<img alt="figure of {{ result.step }}" src="data:image/png;base64,{{ images[result.step] }}">{% endif %}
{% if tables[result.step] %}<table><tr>{% for name in tables[result.step][0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in tables[result.step][1] %}<tr>{% for value in row %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table>{% endif %}
{% if result.next %}<p>Next: <code>{{ result.next }}</code></p>{% endif %}
{% endfor %}
{% if best %}<h2>best.yaml</h2><pre>{{ best }}</pre>{% endif %}
<p>{% for name, version in versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}</p>
</body></html>
"""


def write_page(run: RunDir) -> Path:
    """Write the page of what the run holds so far; returns its path."""
    import jinja2

    results = [result for step in STEPS if (result := run.result(step)) is not None]
    images = {result.step: _image(run.step_folder(result.step) / f"{result.step}.png") for result in results}
    tables = {result.step: _table(result.table) for result in results}
    best = run.path / "best.yaml"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string(TEMPLATE).render(
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
