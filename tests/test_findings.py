import ast
import re
from pathlib import Path

import pytest

import tunekit
from tunekit.findings import CATALOGUE, Entry, finding
from tunekit.vocabulary import STEPS

PACKAGE = Path(tunekit.__file__).parent
UNSOURCED = {"cells_failed", "not_repeatable"}
"""Codes that say what tunekit itself saw and that no paper, page or slide stands behind."""


def used(*rooms: str) -> dict[str, set[str]]:
    """Code -> files in which it is said: the first argument of every call of finding()."""
    found: dict[str, set[str]] = {}
    for room in rooms:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "finding" and node.args:
                    for part in ast.walk(node.args[0]):
                        if isinstance(part, ast.Constant) and isinstance(part.value, str):
                            found.setdefault(part.value, set()).add(path.name)
    return found


def test_every_code_that_is_said_is_in_the_catalogue():
    said = set(used("steps"))
    assert len(said) > 30
    assert said <= set(CATALOGUE)


def test_every_entry_of_the_catalogue_is_said_somewhere():
    texts = {
        node.value
        for room in ("steps",)
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(CATALOGUE) - texts == set()


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_an_entry_says_what_it_means_how_it_is_measured_and_what_to_do(code):
    entry = CATALOGUE[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert set(entry.steps) <= set(STEPS)
    assert entry.severity in ("note", "warn", "fail")
    assert entry.meaning.endswith(".")
    assert len(entry.meaning) < 130
    assert len(entry.measured) > 15
    assert entry.advice
    assert all(len(line) > 10 and not line.endswith(".") for line in entry.advice)
    assert entry.causes
    assert bool(entry.source) == (code not in UNSOURCED)


def test_a_finding_has_its_entrys_severity_and_advice_unless_the_caller_knows_better():
    entry: Entry = CATALOGUE["dead_units"]
    usual = finding("dead_units", "half", {"share": 0.9})
    assert (usual.severity, usual.advice, usual.evidence) == (entry.severity, entry.advice, {"share": 0.9})
    other = finding("dead_units", "half", severity="note", advice=("mend",))
    assert (other.severity, other.advice, other.evidence) == ("note", ("mend",), {})


def test_an_unknown_code_is_refused():
    with pytest.raises(KeyError):
        finding("no_such_code", "")
