"""`tunekit compare`: differences by hand, and of two real runs."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.commands import Page
from tunekit.comparing import Against, _against, _difference, _names, compare, curves
from tunekit.steps.noise import Difference
from tunekit.vocabulary import UserError

FIRST, SECOND = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_the_same_samples_are_compared_in_pairs():
    """Differences 0 1 0 0 0 0 1 0: their mean is 1/4, their variance 3/14, its error sqrt(3/14 / 8)."""
    found = _difference(True, FIRST, SECOND, "accuracy")
    assert found == Difference(pytest.approx(0.25), pytest.approx(math.sqrt(3 / 14 / 8)), 8, "accuracy")


def test_other_samples_have_errors_of_their_own():
    """5 of 8 and 7 of 8 right: variances 15/56 and 1/8."""
    found = _difference(False, FIRST, SECOND, "accuracy")
    assert found == Difference(pytest.approx(0.25), pytest.approx(math.sqrt((15 / 56 + 1 / 8) / 8)), 8, "accuracy")
    assert _difference(True, FIRST, SECOND[:-1], "accuracy") is None  # no pairs
    assert _difference(False, FIRST, [math.nan, 1.0], "accuracy") is None


def with_data(record, target):
    config = record.request.config
    changed = replace(config, data=replace(config.data, target=target))
    return replace(record, request=replace(record.request, config=changed))


def with_loss(record, target):
    config = record.request.config
    changed = replace(config, loss=replace(config.loss, target=target))
    return replace(record, request=replace(record.request, config=changed))


@pytest.mark.parametrize("path", ["key", "value", "runs/key"])
def test_a_runs_name_is_no_other_column(path):
    run = SimpleNamespace(name=path.rpartition("/")[2])
    names = _names([run, run], [Path(path), Path(path)])
    assert len({*names, "key", "value"}) == 4


def against(mean, error, pairs=True, share=True):
    return Against("one", "two", "accuracy", share, Difference(mean, error, 400, "accuracy"), None, pairs)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (against(0.03, 0.01), "two is better than one: accuracy by 1.00 to 5.00 points, in pairs over 400 validation"),
        (against(-0.03, 0.01), "two is worse than one: accuracy by 1.00 to 5.00 points, in pairs"),
        (against(0.01, 0.01, pairs=False), "no more than noise: accuracy better by -1.00 to 3.00 points, by other"),
        (against(0.5, 0.1, share=False), "two is better than one: accuracy by 0.3 to 0.7"),
        (replace(against(0.5, 0.1), by_metric=None), "two and one: not compared"),
    ],
)
def test_what_is_told(made, told):
    assert told in made.told


def test_two_runs_side_by_side(tmp_path, fast, tunekit):
    for name, hidden in (("one", "[32]"), ("two", "[3]")):
        assert tunekit("run", fast, "--name", name, "--set", f"model.args.hidden={hidden}", "--keep-going").code in (
            0,
            1,
        )
    done = tunekit("compare", "runs/one", "runs/two")
    assert done.code == 0
    assert done.out.startswith("two is worse than one: accuracy by ")
    assert "in pairs over" in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ["model.args.hidden", "[32]", "[3]"] in rows
    data = json.loads(tunekit("compare", "runs/one", "runs/two", "--json").out)
    assert data["against"][0]["metric"]["clear"] is True
    found = compare([tmp_path / "runs" / "one", tmp_path / "runs" / "two"])
    one, two = (run.record.val_scores[run.place] for run in found.runs)
    assert data["against"][0]["metric"]["better_by"] == pytest.approx(float(np.mean(two - one)), rel=1e-5)
    done = tunekit("compare", "runs/one", "runs/two", "--page", "side.html")
    assert done.out.endswith("side.html written\n")
    page = Page(tmp_path / "side.html")
    assert all(told["told"] in page.text for told in data["against"])
    assert "model.args.hidden[32][3]" in page.text.replace("\n", "")
    assert {link["href"] for link in page.all("a")} >= {"runs/one/report.html", "runs/two/report.html", "#run-2"}
    assert len(curves(found.runs).panels) == 2
    other = replace(found.runs[1], record=with_data(found.runs[1].record, "wine"))
    assert "not compared" in _against(found.runs[0], other).told
    focal = replace(found.runs[1], record=with_loss(found.runs[1].record, "focal"))
    panels = curves([found.runs[0], focal]).panels
    assert [panel.y for panel in panels] == [
        "val_accuracy",
        "val_loss (classification, auto)",
        "val_loss (classification, focal)",
    ]
    assert [panel.share for panel in panels] == [True, False, False]
    itself = compare([tmp_path / "runs" / "one", tmp_path / "runs" / "one"])
    assert len({run.name for run in itself.runs}) == 2
    assert itself.differing == []
    assert "no more than noise" in itself.against[0].told


def test_what_cannot_be_compared_is_told_in_a_line(tmp_path, fast, tunekit):
    assert tunekit("check-init-loss", fast, "--name", "early").code in (0, 1)
    for words, told in (
        (("runs/early",), "give two or more"),
        (("runs/early", "runs/early"), "no step has named its best training"),
        (("runs/early", "runs/none"), "runs/"),
        (("runs/early", "runs/early", "--page", "recipe.yaml"), "ends in .html"),
        (("runs/early", "runs/early", "--page", "no/such.html"), "in a folder that there is"),
    ):
        done = tunekit("compare", *words)
        assert done.code == 2
        assert told in done.err
        assert done.err.count("\n") == 1
    with pytest.raises(UserError, match="no step"):
        compare([tmp_path / "runs" / "early"])
