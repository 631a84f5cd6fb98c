"""report.html of real runs: what it holds, what is text on it, and how it looks in a browser."""

import json
import re
import shutil

import pytest

from tests.commands import Page, Visit
from tunekit.configuration import short
from tunekit.report.html import told
from tunekit.report.interactive import kept
from tunekit.report.page import write_page
from tunekit.rundir import RunFolder
from tunekit.shares import percent
from tunekit.steps import step_names

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[2J\u202e`code`" + "w" * 200


def result_of(run: RunFolder, step: str) -> dict:
    return json.loads((run.path / step / "result.json").read_text())


def change(run: RunFolder, step: str, **values) -> None:
    (run.path / step / "result.json").write_text(json.dumps({**result_of(run, step), **values}))


def _first(run: RunFolder) -> str:
    page = write_page(run, "runs/fast-001").read_text()
    return page[page.index("<body") : page.index("Load the weights")]


def _said(run: RunFolder) -> str:
    return re.sub("<[^>]+>", "", _first(run))


class TestFirstScreen:
    def test_of_a_run_with_a_final_model(self, run):
        page = Page(write_page(run, "runs/fast-001"))
        final = json.loads((run.path / "final/result.json").read_text())
        first = page.text[: page.text.index("Figure of") if "Figure of" in page.text else None]
        assert final["summary"] in first
        assert "runs/fast-001/final/model.safetensors" in first
        assert "model = load_model('runs/fast-001')" in first
        assert "1,438 training and 359 validation samples, 10 classes" in first
        assert (run.path / "best.yaml").read_text().rstrip() in page.text
        assert "tunekit predict runs/fast-001 FILES" in first

    def test_of_a_run_without_one_says_the_last_steps_sentence_and_what_is_next_once(self, run):
        shutil.rmtree(run.path / "final")
        page = Page(write_page(run, "runs/fast-001"))
        last, fine = result_of(run, "diagnose"), result_of(run, "fine-run")["handoff"]
        assert page.text.count("tunekit train runs/fast-001") == 1
        for step in step_names()[1:]:
            assert f"tunekit {step} runs/fast-001" not in page.text
        assert last["summary"] in page.text
        low, high = map(percent, fine["expected_interval"])
        assert f"val_accuracy {percent(fine['expected'])}, between {low} and {high} (about 95 %)" in page.text
        assert f"torch.load('runs/fast-001/trainings/{fine['training']}/best.pt')['model']" in page.text

    @pytest.mark.parametrize("failing", [("lr-sweep",), ("check-init-loss", "lr-sweep"), ("check-init-loss",)])
    @pytest.mark.parametrize("final", [True, False])
    def test_of_a_run_of_failed_steps_says_all_that_is_to_be_mended_before_what_is_next(self, run, failing, final):
        for step in step_names()[step_names().index("lr-sweep") + 1 :]:
            shutil.rmtree(run.path / step)
        if not final:
            shutil.rmtree(run.path / "final")
        words = []
        for step in failing:
            fails = [(f"{step} is {what}", f"mend {what} in {step}") for what in ("deaf", "blind")]
            words += [word for pair in fails for word in pair]
            findings = [
                {"code": "x", "severity": "fail", "message": message, "evidence": {}, "advice": [advice]}
                for message, advice in fails
            ]
            change(run, step, verdict="fail", findings=findings)
        page = Page(write_page(run, "runs/fast-001")).text
        head = page[: page.index("best.yaml\n") if "best.yaml\n" in page else page.index("Load the weights")]
        assert [word for word in words if word not in head] == []
        assert head.index("To mend") < head.index("Once that is mended")
        assert "Next" not in head

    def test_of_a_run_that_stopped_early(self, run):
        for step in step_names()[1:]:
            shutil.rmtree(run.path / step)
        for name in ("final", "trainings"):
            shutil.rmtree(run.path / name)
        (run.path / "best.yaml").unlink()
        page = Page(write_page(run, "runs/fast-001"))
        assert result_of(run, "check-init-loss")["summary"] in page.text
        assert "tunekit overfit-tiny runs/fast-001" in page.text
        assert "best.yaml\n" not in page.text

    def test_of_a_final_model_that_is_older_than_the_tuned_values(self, run):
        fine = result_of(run, "fine-run")["handoff"]
        page = write_page(run, "runs/fast-001").read_text()
        assert "older than the tuned values" not in page
        change(run, "fine-run", handoff={**fine, "lr": 2 * fine["lr"]})
        page = Page(write_page(run, "runs/fast-001")).text
        assert f"older than the tuned values: it was trained with lr {short(fine['lr'])}" in page
        assert "tunekit train runs/fast-001" in page[: page.index("In short")]

    @pytest.mark.parametrize(("verdict", "shown"), [("pass", "warn"), ("warn", "warn"), ("fail", "fail")])
    def test_classes_that_the_final_model_never_says_are_no_pass(self, run, verdict, shown):
        change(run, "diagnose", verdict=verdict)
        assert f'<span class="{verdict}">' in _first(run)
        path = run.path / "final/result.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "unsaid": "no sample was taken for 'yes'; `do`"}))
        first = _first(run)
        assert f'<span class="{shown}">' in first
        assert "<dt>never predicted</dt><dd>no sample was taken for &#39;yes&#39;; <code>do</code></dd>" in first

    def test_what_guessing_reaches_stands_beside_the_estimate(self, run):
        fine = result_of(run, "fine-run")
        [guess] = [row["val_accuracy"] for row in fine["table"] if row["lr"] == "guessing"]
        assert f"(about 95 %); guessing: {percent(guess)}" in _said(run)
        change(run, "fine-run", table=[row for row in fine["table"] if row["lr"] != "guessing"])
        assert f"guessing: {percent(guess)}" in _said(run)  # as the step before says
        change(run, "coarse-grid", table=[])
        assert "guessing" not in _said(run)

    def test_of_a_run_in_which_nothing_has_finished(self, run):
        for step in step_names():
            shutil.rmtree(run.path / step)
        shutil.rmtree(run.path / "final")
        assert "No step has finished." in Page(write_page(run, "runs/fast-001")).text


def test_a_section_a_step_and_what_follows(run):
    page = Page(write_page(run, "runs/fast-001"))
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["summary", *step_names(), "final", "recipe", "environment", "commands", "cost"]
    assert {link["href"] for link in page.all("a")} == {f"#{name}" for name in sections}
    assert all(image["alt"] for image in page.all("img"))
    assert all(head["scope"] == "col" for head in page.all("th"))
    assert "tunekit run runs/fast-001/recipe.yaml" in page.text
    costs = [result_of(run, step)["cost"] for step in step_names()]
    assert f"{sum(cost['iterations'] for cost in costs):,}{sum(cost['iterations_reused'] for cost in costs):,}" in (
        page.text
    )
    for evidence in (finding["evidence"] for step in step_names() for finding in result_of(run, step)["findings"]):
        assert all(name in page.text for name in evidence)
    for one in result_of(run, "diagnose")["details"]["dismissed"]:
        assert one["reason"] in page.text


def test_what_is_asked_for_lies_on_the_page_itself(run):
    page = Page(write_page(run, "runs/fast-001"))
    addresses = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href", "srcset")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert (run.path / "report.html").stat().st_size < 3_000_000


def test_names_and_messages_are_text(run, tmp_path):
    hostile = RunFolder(run.path.rename(tmp_path / "runs/<b>$x & `y`\x1b[31m"))
    finding = {"code": HOSTILE, "severity": "warn", "message": HOSTILE, "evidence": {HOSTILE: HOSTILE}}
    for step in step_names():
        change(
            hostile,
            step,
            summary=HOSTILE,
            findings=[{**finding, "advice": [HOSTILE], "remedies": []}],
            table=[{HOSTILE: HOSTILE, "lr": 0.1}],
            cost={"seconds": HOSTILE, "iterations": None},
        )
    (hostile.path / "best.yaml").write_text(f"name: x\n# {HOSTILE}\n")
    scored = json.loads((hostile.path / "final/scored.json").read_text())
    scored["worst"] = [{**scored["worst"][0], "name": HOSTILE}]
    scored["classes"] = [HOSTILE] * len(scored["classes"])
    (hostile.path / "final/scored.json").write_text(json.dumps(scored))
    said = json.loads((hostile.path / "final/result.json").read_text())
    (hostile.path / "final/result.json").write_text(json.dumps({**said, "summary": HOSTILE, "found": [HOSTILE]}))
    page = Page(write_page(hostile, f"runs/{HOSTILE}"))
    assert not any("onerror" in attributes for attributes in page.all("img"))
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    assert page.text.count("<img src=x onerror=alert(2)>\\x1b[2J\\u202e") >= 2 * len(step_names())
    assert re.search(r"<script>\s*alert", (hostile.path / "report.html").read_text()) is None


@pytest.mark.parametrize(
    ("message", "html"),
    [
        ("run `tunekit train r` now", "run <code>tunekit train r</code> now"),
        ("`<b>` & `", "<code>&lt;b&gt;</code> &amp; `"),
        (
            "rate 3e-2, 96.4 %",
            'rate <span class="number">3e-2</span>, <span class="number">96.4 %</span>',
        ),
        ("two\nlines", "two\\nlines"),
    ],
)
def test_backticks_are_code_and_numbers_are_not_broken(message, html):
    assert told(message) == html


class TestInABrowser:
    @pytest.mark.parametrize("width", [360, 800, 1400])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_nothing_is_fetched_nothing_fails_and_nothing_is_too_wide(self, run, browser, width, scheme):
        visit = Visit(browser, write_page(run, "runs/fast-001"), width, color_scheme=scheme)
        assert visit.drawn() >= 8
        assert visit.wide() == width
        assert (visit.complaints, visit.requests) == ([], [])
        assert visit.shown("figure.drawn img") == 0
        visit.page.emulate_media(media="print")
        assert visit.shown(".panels") == 0
        assert visit.shown("figure.drawn img") == len(step_names()) + 1  # and the confusion matrix

    def test_curves_are_read_off_zoomed_and_reset(self, run, browser):
        visit = Visit(browser, write_page(run, "runs/fast-001"))
        visit.drawn()
        place = visit.page.locator("#summary .panel").first
        place.scroll_into_view_if_needed()
        box, before = place.bounding_box(), visit.range()
        middle = (box["x"] + 0.55 * box["width"], box["y"] + 0.4 * box["height"])
        val = kept(run, "diagnose").panels[0].items[1]
        x, y = val.x[val.best], val.y[val.best]
        inside = visit.plot(f"[view.frame.x_scale.compute({x}), view.frame.y_scale.compute({y})]")
        visit.page.mouse.move(box["x"] + inside[0], box["y"] + inside[1], steps=3)
        tooltip = visit.page.locator(".bk-tooltip-content", has_text="best").inner_text()
        assert tooltip.split() == ["best", "val_accuracy:", f"{y:.4g}", "iterations:", f"{x:.4g}"]
        visit.page.mouse.move(*middle)
        visit.page.mouse.down()
        visit.page.mouse.move(middle[0] + 60, middle[1] + 60, steps=4)
        visit.page.mouse.up()
        low, high = visit.range()
        assert before[0] < low < high < before[1]
        place.locator(".bk-tool-icon-reset").click()
        assert visit.range() == pytest.approx(before)
        assert visit.complaints == []

    def test_without_scripts_the_pictures_stand(self, run, browser):
        visit = Visit(browser, write_page(run, "runs/fast-001"), java_script_enabled=False)
        assert visit.shown("figure img") == visit.page.locator("figure img").count() > len(step_names())
        assert visit.shown(".panels") == 0

    @pytest.mark.parametrize("name", [HOSTILE, r"$$\frac{1}{2}$$ \(x\) \[y\]"])
    def test_names_in_figures_are_text(self, run, browser, name):
        text = (run.path / "diagnose/figure.json").read_text()
        (run.path / "diagnose/figure.json").write_text(
            text.replace('"train loss, smoothed"', json.dumps(name)).replace('"iteration"', json.dumps(name))
        )
        grid = json.loads((run.path / "coarse-grid/figure.json").read_text())
        for panel in grid["panels"]:
            panel |= {"title": name, "ticks": panel["ticks"] and [name] * len(panel["ticks"])}
            for item in panel["items"]:
                item |= {key: [name] * len(item[key]) for key in ("columns", "rows") if key in item}
                item |= {"words": [[name] * len(row) for row in item["words"]]} if "words" in item else {}
        (run.path / "coarse-grid/figure.json").write_text(json.dumps(grid))
        change(run, "coarse-grid", summary=name)
        visit = Visit(browser, write_page(run, "runs/fast-001"), 360)
        assert visit.drawn() >= 8
        assert visit.wide() == 360
        assert (visit.complaints, visit.requests) == ([], [])
