"""Which findings the screen shows by default: those of which a person has something to decide."""

import io
import json

import pytest
from rich.console import Console

from tunekit.report.console import show_findings
from tunekit.steps import codes
from tunekit.vocabulary import Finding, Remedy


def shown(findings, verbose=False) -> list[str]:
    out = io.StringIO()
    show_findings(Console(file=out, width=200, no_color=True), findings, verbose)
    return out.getvalue().splitlines()


IDLE = Finding("idle", "note", "it is so", {}, ("nothing to do: it ends by itself",), asks=False)
DUMB = Finding("dumb", "note", "it is so")
ASKS = Finding("asks", "note", "look", {}, ("try less", "nothing to do else"))
MADE = Finding("made", "note", "look", {}, (), (Remedy("run", {"lr": 1.0}),))
WARN = Finding("warn", "warn", "careful", {}, ("nothing to do where it is meant",), asks=False)


@pytest.mark.parametrize(
    ("findings", "codes_shown", "counts"),
    [
        ([], [], []),
        ([ASKS, MADE, WARN], ["asks", "made", "warn"], []),
        ([IDLE, ASKS], ["asks"], ["  1 note without a decision (--verbose)"]),
        ([IDLE, DUMB], [], ["  2 notes without a decision (--verbose)"]),
    ],
)
def test_notes_without_a_decision_are_counted_alone(findings, codes_shown, counts):
    lines = shown(findings)
    assert [line.split()[1].rstrip(":") for line in lines if line.startswith(("  note ", "  warn "))] == codes_shown
    assert [line for line in lines if "--verbose" in line] == counts
    every = shown(findings, verbose=True)
    assert [line.split()[1].rstrip(":") for line in every if line[2] != " "] == [one.code for one in findings]


def test_what_asks_nothing_says_so():
    idle = {code.name: code.advice for code, _ in codes().values() if not code.asks}
    assert len(idle) > 3
    assert [name for name, advice in idle.items() if not any("nothing to do" in line for line in advice)] == []


def test_a_run_holds_what_the_screen_leaves_out(tunekit, fast, tmp_path):
    short = tunekit("run", fast, "--to", "overfit-tiny", "--set", "model.args.dropout=0.1").out
    assert "note without a decision (--verbose)" in short
    result = json.loads((tmp_path / "runs/fast-001/overfit-tiny/result.json").read_text())
    idle = [one for one in result["findings"] if not one["asks"]]
    assert len(idle) == 1
    assert idle[0]["code"] not in short
    assert idle[0]["code"] in tunekit("overfit-tiny", "runs/fast-001", "-v").out
    assert idle[0]["message"] in (tmp_path / "runs/fast-001/report.html").read_text()
