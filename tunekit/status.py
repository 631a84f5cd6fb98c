"""How far a run is, and each of several: what `tunekit status` tells. Imports nobody's code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tunekit.rundir import RunFolder, is_run, read_run
from tunekit.vocabulary import StepResult, UserError, Verdict, Versioned

NONE: Literal["-"] = "-"


@dataclass(frozen=True)
class StepStatus(Versioned):
    """What `status RUN --json` prints of a step, and of the final model as the last; no verdict is "-"."""

    step: str
    verdict: Verdict | Literal["-"]
    summary: str
    outdated: bool = False

    @property
    def row(self) -> dict[str, Any]:
        return _row(super().row)


@dataclass(frozen=True)
class RunStatus(Versioned):
    """What `status --json` prints of a run, by the last of its steps that has a result."""

    run: str
    steps: str  # how many of how many have one
    verdict: Verdict | Literal["-"]
    summary: str
    step: str
    outdated: bool = False

    @property
    def row(self) -> dict[str, Any]:
        return _row(super().row)


def _row(every: dict[str, Any]) -> dict[str, Any]:
    """As a table has it: what is outdated says so beside its verdict."""
    outdated = every.pop("outdated")
    return {**every, "verdict": f"{every['verdict']}, outdated"} if outdated else every


def of_steps(run: RunFolder) -> list[StepStatus]:
    rows = [StepStatus(step, *_said(run.result(step)), outdated=step in run.outdated) for step in run.steps()]
    if final := run.final():
        rows.append(StepStatus("train", NONE, str(final.get("summary", "the final model"))))
    return rows


def of_runs(folder: Path) -> list[RunStatus]:
    """Of every run in a folder."""
    return [_of_run(path) for path in sorted(folder.iterdir() if folder.is_dir() else ()) if is_run(path)]


def _of_run(path: Path) -> RunStatus:
    try:
        run = read_run(path)
    except UserError as error:
        return RunStatus(str(path), NONE, NONE, f"cannot be read: {error}", NONE)
    names = run.steps()
    done = [result for name in names if (result := run.result(name))]
    last = done[-1] if done else None
    step = last.step if last else NONE
    return RunStatus(str(path), f"{len(done)}/{len(names)}", *_said(last), step, outdated=bool(run.outdated))


def _said(result: StepResult | None) -> tuple[Verdict | Literal["-"], str]:
    return (result.verdict, result.summary) if result else (NONE, "not run yet")
