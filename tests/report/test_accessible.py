"""Pages as people read them without a mouse, with a screen reader, on a telephone and on paper."""

import shutil
from importlib import resources
from itertools import pairwise

import pytest

from tests.commands import Visit
from tests.conftest import every_other_day
from tests.report.test_page import change
from tunekit.comparing import compare
from tunekit.report.page import write_page
from tunekit.steps import step_names

SERIOUS = {"serious", "critical"}
FAULT = {"code": "no", "severity": "fail", "message": "it is broken", "evidence": {"x": 1.0}, "advice": ["mend `it`"]}


@pytest.fixture(scope="module")
def axe() -> str:
    bundled = pytest.importorskip("axe_playwright_python", reason="brings axe-core")
    return (resources.files(bundled) / "axe.min.js").read_text()


def complaints(visit: Visit, axe: str) -> list[tuple[str, str, str]]:
    """What axe-core finds, in both schemes and on narrow and wide screens."""
    visit.drawn()
    visit.page.evaluate(axe)
    found = []
    for width, scheme in ((360, "light"), (360, "dark"), (1400, "light"), (1400, "dark")):
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.emulate_media(color_scheme=scheme)
        visit.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        said = visit.page.evaluate("axe.run(document)")
        assert len(said["passes"]) > 15
        found += [
            (scheme, one["id"], one["nodes"][0]["html"]) for one in said["violations"] if one["impact"] in SERIOUS
        ]
    return found


def test_a_finished_run(run, browser, axe):
    assert complaints(Visit(browser, write_page(run, "runs/fast-001")), axe) == []


@pytest.mark.parametrize("step", every_other_day(step_names()))
def test_a_run_that_failed(run, browser, axe, step):
    shutil.rmtree(run.path / "final")
    for later in step_names()[step_names().index(step) + 1 :]:
        shutil.rmtree(run.path / later)
    change(run, step, verdict="fail", findings=[{**FAULT, "remedies": []}])
    visit = Visit(browser, write_page(run, "runs/fast-001"))
    assert complaints(visit, axe) == []
    assert "it is broken" in visit.page.locator("header .verdict").inner_text() or step == "diagnose"


def test_runs_side_by_side(run, browser, axe):
    other = shutil.copytree(run.path, run.path.with_name("other"))
    page = run.path / "compare.html"
    compare([run.path, other]).write_page(page)
    assert complaints(Visit(browser, page), axe) == []


def test_headings_follow_one_another_and_keys_reach_everything(run, browser):
    for step in step_names():
        run.figure_data(step).unlink(missing_ok=True)
    (run.path / "final/scored.json").unlink()
    visit = Visit(browser, write_page(run, "runs/fast-001"))
    levels = visit.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels))
    every = visit.page.locator("a[href], summary, [tabindex='0']").count()
    reached = set()
    for _ in range(every):
        visit.page.keyboard.press("Tab")
        place, outline = visit.page.evaluate(
            "(() => { const on = document.activeElement; return "
            "[[...document.querySelectorAll('*')].indexOf(on), getComputedStyle(on).outlineStyle]; })()"
        )
        assert outline == "solid"
        reached.add(place)
    assert len(reached) == every > 20


def test_on_paper_everything_is_open(run, browser):
    visit = Visit(browser, write_page(run, "runs/fast-001"))
    visit.drawn()
    closed = visit.shown("details dl")
    visit.page.emulate_media(media="print")
    assert closed == 0
    heights = visit.page.evaluate("[...document.querySelectorAll('details dl')].map(one => one.offsetHeight)")
    assert heights
    assert min(heights) > 0
    assert visit.shown(".panels") == 0
    cut = "[...document.querySelectorAll('pre, .scroll')].filter(one => one.scrollHeight > one.clientHeight + 1).length"
    assert visit.page.evaluate(cut) == 0
