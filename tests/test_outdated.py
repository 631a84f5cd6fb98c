"""What was made before a step that it hangs on was carried out anew is said to be outdated, wherever it is read."""

import json
from pathlib import Path

import pytest

from tests.commands import Page

OUTDATED = "fine-run: outdated, for what it hangs on changed since"


@pytest.fixture
def redone(tunekit, fast):
    assert tunekit("run", fast).code == 0
    assert not any(row["outdated"] for row in json.loads(tunekit("status", "runs/fast-001", "--json").out))
    done = tunekit("coarse-grid", "runs/fast-001", "--set", "steps.coarse-grid.epochs=2")
    assert done.code == 0, done.err
    return "runs/fast-001"


def test_what_hangs_on_a_step_that_is_done_anew_is_outdated_until_it_is_done_too(tunekit, redone):
    rows = json.loads(tunekit("status", redone, "--json").out)
    assert [row["step"] for row in rows if row["outdated"]] == ["fine-run", "diagnose"]
    assert "pass, outdated" in tunekit("status").out
    page = Page(Path(redone) / "report.html").text
    assert "Outdated: what it hangs on changed since." in page
    assert f"tunekit run {redone}" in page
    assert "fine-run, diagnose: outdated, for what they hang on" in tunekit("train", redone, "--epochs", "1").out
    assert OUTDATED in tunekit("diagnose", redone).out
    compared = tunekit("compare", redone, redone)
    assert f"note: {redone}: {OUTDATED}" in compared.out
    assert tunekit("run", redone).code == 0
    assert not any(row["outdated"] for row in json.loads(tunekit("status", redone, "--json").out))
    assert "outdated" not in tunekit("diagnose", redone).out
