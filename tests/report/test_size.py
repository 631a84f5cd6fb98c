"""A page is no larger than what is sent by mail, whatever a run holds; what is left out is said."""

import base64
import json

import numpy as np
import pytest

from tests.commands import Page
from tests.report.test_page import change, result_of
from tunekit.charts import Figure, Line, Panel
from tunekit.report.html import MOST, Picture, render
from tunekit.report.interactive import keep
from tunekit.report.page import write_page
from tunekit.steps import step_names

NOISE = b"\x89PNG\r\n" + np.random.default_rng(0).bytes(900_000)


def large(run) -> None:
    """Twelve curves of 100,000 points a step, 1,000 trials, 200 classes, 300 findings that tell much."""
    draws = np.random.default_rng(0)
    finding = {"code": "much", "severity": "note", "message": "m" * 30_000, "remedies": [], "advice": ["a" * 5000] * 3}
    finding["evidence"] = {f"e{place}": [0.123456789] * 300 for place in range(3)}
    x, curve = range(100_000), draws.normal(size=100_000)
    for step in step_names():
        lines = [Line(x, curve, f"line {place}") for place in range(12)]
        keep(run, step, Figure("curves", [Panel(lines, "iteration", "loss", legend="")]))
        row = {f"{name}{place}": draws.normal() for place in range(10) for name in ("lr", "wd")}
        change(run, step, findings=[finding] * 300, table=[{"trial": k, **row} for k in range(1000)])
        run.figure(step).write_bytes(NOISE)
    path = run.path / "final/scored.json"
    scored = json.loads(path.read_text())
    names = [f"class {place} {'n' * 100}" for place in range(200)]
    path.write_text(json.dumps({**scored, "classes": names, "confusion": [[5] * 200] * 200}))
    (run.path / "recipe.yaml").write_text("# long\n" * 100_000)


@pytest.mark.long
def test_of_a_large_run(run):
    large(run)
    page = write_page(run, "runs/fast-001")
    assert page.stat().st_size < MOST
    text = Page(page).text
    assert "more, in coarse-grid/result.json" in text
    assert "too large for this page, and lies in lr-sweep/lr-sweep.png" in text
    assert "letters more)" in text
    assert result_of(run, "diagnose")["summary"] in text


@pytest.mark.parametrize(("size", "stands"), [(100_000, True), (1_000_000, False)])
def test_a_picture_stands_where_there_is_room(size, stands):
    data = NOISE[:100] + b"\0" * size
    page = render(
        "compare.html.j2",
        {"curves": None},
        {"curves": Picture(data, "there.png")},
        title="t",
        verdicts=[],
        sides=[],
        differing=None,
        values=None,
        has_curves=True,
    ).decode()
    assert (base64.b64encode(data).decode() in page) is stands
    assert ("its picture is too large for this page, and lies in there.png" in page) is not stands
