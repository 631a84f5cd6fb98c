import ast
import importlib
import re
from pathlib import Path

import pytest

import tunekit
from tunekit.diagnosis.rules import ORDER
from tunekit.findings import FOLDERS, Entry, catalogue, finding
from tunekit.vocabulary import STEPS, Code

CATALOGUE = catalogue()
RULES = {rule.code for rule in ORDER}
PACKAGE = Path(tunekit.__file__).parent
UNSOURCED = {"cells_failed", "not_repeatable", "discontinuity", "insufficient_data"}
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


def test_a_code_stands_beside_what_says_it():
    """In a step's folder: named as it is called, said in its own module or by one that imports it, and collected."""
    for step, folder in FOLDERS.items():
        path = PACKAGE / "steps" / folder.rpartition(".")[2]
        text = "\n".join(file.read_text() for file in path.glob("*.py"))
        modules = [importlib.import_module(f"{folder}.{file.stem}") for file in path.glob("[a-z]*.py")]
        codes = {name: code for module in modules for name, code in vars(module).items() if isinstance(code, Code)}
        assert {name.lower() for name in codes} == {code.name for code in codes.values()}, step
        assert [name for name in codes if f"{name}.finding(" not in text] == []
        collected = importlib.import_module(folder).CODES
        assert len(collected) == len(codes)
        assert set(collected) == set(codes.values())


def design_codes(shared: Path) -> set[str]:
    """The codes of DESIGN.md's chapter of codes."""
    text = (shared / "DESIGN.md").read_text()
    chapter = text.split("### Codes", 1)[1].split("\n## ", 1)[0].rsplit("More codes", 1)[0]
    return {word for words in re.findall(r"`([a-z_ \n]+)`", chapter) for word in words.split()}


def test_every_code_that_is_said_is_in_the_catalogue():
    said = set(used("steps", "diagnosis")) | RULES
    assert len(said) > 15
    assert said <= set(CATALOGUE)


def test_every_entry_of_the_catalogue_is_said_somewhere():
    texts = {
        node.value
        for room in ("steps", "diagnosis")
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(CATALOGUE) - texts == set()


def test_every_code_of_the_design_is_in_the_catalogue(shared):
    codes = design_codes(shared)
    assert len(codes) > 50
    assert codes <= set(CATALOGUE)


def test_codes_are_said_by_the_step_whose_they_are(shared):
    """The design lists each code under its step."""
    text = (shared / "DESIGN.md").read_text().split("### Codes", 1)[1].rsplit("More codes", 1)[0]
    for step in STEPS:
        listed = re.search(rf"^{step}: (.*?)(?=^[a-z-]+: |\Z)", text, re.S | re.M)
        assert listed, step
        for code in " ".join(re.findall(r"`([a-z_ \n]+)`", listed[1])).split():
            assert step in CATALOGUE[code].steps, code


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
    assert entry.causes or code == "good_fit"
    assert bool(entry.source) == (code not in UNSOURCED)


def test_severities_of_the_diagnosis_are_the_designs(shared):
    text = (shared / "DESIGN.md").read_text()
    line = re.search(r"^diagnose: fail (.*?); warn\s(.*?); note\s(.*?)\. A known", text, re.S | re.M)
    assert line
    for severity, group in zip(("fail", "warn", "note"), line.groups(), strict=True):
        for code in " ".join(re.findall(r"`([a-z_ \n]+)`", group)).split():
            assert CATALOGUE[code].severity == severity, code


def test_a_finding_has_its_entrys_severity_and_advice_unless_the_caller_knows_better():
    entry: Entry = CATALOGUE["dead_units"]
    usual = finding("dead_units", "half", {"share": 0.9})
    assert (usual.severity, usual.advice, usual.evidence) == (entry.severity, entry.advice, {"share": 0.9})
    other = finding("dead_units", "half", severity="note", advice=("mend",))
    assert (other.severity, other.advice, other.evidence) == ("note", ("mend",), {})


def test_an_unknown_code_is_refused():
    with pytest.raises(KeyError):
        finding("no_such_code", "")
