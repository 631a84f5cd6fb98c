"""What the log checkers of others say of the corpus, held against the same effects as tunekit's verdicts: losslint
0.4.1, runmedic 0.1.1 and trainproof 0.22.0, as their own commands print it.

All logs are written as CSV, which each of them reads in full as it stands: columns `epoch` or `step`, `train_loss`,
`val_loss`, and `lr` where a subject tells it. None says more of another form. What they would not read in the forms
that subjects have: losslint `keras`, and nothing is found in what it takes `table` and `printed` for; runmedic `keras`
and `table`; trainproof `keras`, `table`, `printed`, and `jsonl` for its names (`train/loss`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.corpus.score import Judge, Judged, Said

FORM = "csv"
"""Of the logs, among `forms.FORMS`."""

COMMANDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "losslint": ("check", "--format", "json"),
        "runmedic": ("diagnose", "--json"),
        "trainproof": ("doctor", "--json"),
    }
)
"""The command of each, which a log's path follows."""

NOTHING, UNREAD, NOTE = "nothing found", "not read", " (info)"
SEVERITIES: Mapping[str, int] = MappingProxyType(
    {"error": 0, "critical": 0, "FAIL": 0, "warning": 1, "WARN": 1, "info": 2, "INFO": 2}
)
"""What they call them, the gravest 0. Other levels, such as PASS, are no findings."""

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "best checkpoint": "earlier_stop",
        "early stopping": "earlier_stop",
        "raising the lr": "higher_rate",
        "clip gradients": "clipped",
        "decaying schedule": "decayed",
        "overfit a single batch": "mended",
        "check a batch": "mended",
        "check the split": "mended",
        "check the collator": "mended",
    }
)
"""The intervention that words of advice name: those that are the first of a finding. What is none of them, as to look
at one step's batch or to stop at a plateau, is passed over. Looking for a fault of the pipeline is `mended`, as it is
for tunekit. losslint and trainproof give most findings no advice."""

RUNNER = """
import contextlib, importlib, io, json, sys
tool, *words = sys.argv[1:]
main = importlib.import_module(tool + ".cli").main
for path in sys.stdin:
    sys.argv = [tool, *words, path.rstrip("\\n")]
    out, aside = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(aside):
        with contextlib.suppress(SystemExit, Exception):
            main()
    print(json.dumps(out.getvalue()), flush=True)
"""
"""Runs a checker's command in one process on a path a line, and answers what it prints as a line of JSON."""


@contextmanager
def judge_of(tool: str, environment: Path) -> Iterator[Judge]:
    """The judge that a checker is, installed in a virtual environment."""
    command = [str(environment / "bin" / "python"), "-c", RUNNER, tool, *COMMANDS[tool]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asks, answers = process.stdin, process.stdout
        assert asks is not None
        assert answers is not None

        def judge(_number: int, path: Path) -> Said:
            print(path, file=asks, flush=True)
            return said_in(json.loads(answers.readline()))

        yield judge


def said_in(printed: str) -> Said:
    """The gravest finding, the first of those as grave, in what a checker printed of a log; and its first advice."""
    reports = _reports(json.loads(printed)) if printed else []
    if not reports:
        return UNREAD, ""
    findings = [one for report in reports for one in report["findings"] if _severity(one) in SEVERITIES]
    if not findings:
        return NOTHING, ""
    gravest = min(findings, key=lambda one: SEVERITIES[_severity(one)])
    note = NOTE if _severity(gravest).lower() == "info" else ""
    return f"{gravest.get('check') or gravest['id']}{note}", _first_advice(gravest)


def _reports(told: Any) -> list[dict[str, Any]]:
    """Of a list of runs, of an envelope of reports, or of one report."""
    reports: list[dict[str, Any]] = told if isinstance(told, list) else told.get("reports", [told])
    return reports


def _severity(finding: Mapping[str, Any]) -> str:
    return str(finding.get("severity") or finding["level"])


def _first_advice(finding: Mapping[str, Any]) -> str:
    lines = finding.get("fixes") or [finding.get("message", ""), finding.get("evidence", "")]
    named = (name for line in lines for words, name in ADVICE.items() if words in line.lower())
    return next(named, "")


def healthy(cases: Iterable[Judged]) -> set[str]:
    """What of the said may be said of a training that nothing helps: nothing, and what the checker itself calls a note
    rather than a warning."""
    return {case.said for case in cases if case.said == NOTHING or case.said.endswith(NOTE)}
