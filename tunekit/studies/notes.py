"""Notes in Markdown on studies and trials, where optuna-dashboard looks for them. It need not be installed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from tunekit.shares import percent
from tunekit.telling import spelled, visible
from tunekit.vocabulary import StepResult

PIECE = 2045
"""Characters of a note in one attribute, as optuna-dashboard cuts it: some databases hold no longer ones."""

OF_TRIAL = re.compile(r"(tunekit:)?dashboard:([0-9]{1,18}):(.*)", re.DOTALL)
"""An attribute of a study that is about the trial with this id in its storage, as the notes on trials are."""

OF_DASHBOARD = ("dashboard:", "tunekit:dashboard:")
"""How the attributes begin that notes are kept in, and the marks of those that are tunekit's."""


def save_note(
    storage: BaseStorage, study_id: int, attrs: Mapping[str, Any], text: str, trial_id: int | None = None
) -> None:
    """Put a note on a study, or on a trial of it. `attrs`: the study's system attributes. Where a person has written
    one it stays: optuna-dashboard counts the versions of a note, and tunekit keeps the number of its own last one."""
    place = "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"
    version, mark = f"{place}note_ver", f"tunekit:{place}note_ver"
    newest, own = attrs.get(version, 0), attrs.get(mark, 0)
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    longest = sum(name.startswith(f"{place}note_str:") for name in attrs)
    pieces += [""] * (longest - len(pieces))
    standing = [attrs.get(f"{place}note_str:{number}") for number in range(len(pieces))]
    if newest > own or (newest == own and standing == pieces):
        return
    # In this order, so that after a kill at any of them it is put again.
    storage.set_study_system_attr(study_id, mark, newest + 1)
    for number, piece in enumerate(pieces):
        storage.set_study_system_attr(study_id, f"{place}note_str:{number}", piece)
    storage.set_study_system_attr(study_id, version, newest + 1)


def noted_trials(attrs: Mapping[str, Any]) -> list[int]:
    """Ids of the trials with notes of tunekit's."""
    matches = [OF_TRIAL.fullmatch(name) for name in attrs]
    return [int(match[2]) for match in matches if match and match[1]]


def with_ids(name: str, ids: Mapping[int, int]) -> str | None:
    """The name of an attribute that may be about a trial, with the id that the trial has elsewhere; None where it has
    none there."""
    match = OF_TRIAL.fullmatch(name)
    if match is None:
        return name
    trial_id = ids.get(int(match[2]))
    return None if trial_id is None else f"{match[1] or ''}dashboard:{trial_id}:{match[3]}"


def study_note(name: str, result: StepResult) -> str:
    """What the step came to: verdict, findings with their advice, what it hands on, and what comes next."""
    lines = [f"## {name}: {result.verdict}", "", literal(result.summary)]
    for finding in result.findings:
        lines += ["", f"**{finding.severity}: `{finding.code}`**: {literal(finding.message)}"]
        lines += [f"- {literal(line)}" for line in finding.advice]
    if result.handoff:
        lines += ["", "| handed on | |", "| --- | --- |"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in result.handoff.items()]
    shares, withheld = (result.details.get(name) for name in ("importance", "importance_note"))
    if shares or withheld:
        told = ", ".join(f"{name} {percent(share)}" for name, share in (shares or {}).items())
        lines += ["", f"Importance: {told or withheld}"]
    if result.next:
        lines += ["", f"Next: `{result.next}`"]
    return "\n".join(lines) + "\n"


def trial_note(trial: FrozenTrial, best: FrozenTrial, chosen: FrozenTrial, metrics: Sequence[str], step: str) -> str:
    """What a trial reached and with which values; whether it is the best, or what is handed on."""
    reached = ", ".join(f"{name} {value:.6g}" for name, value in zip(metrics, trial.values or (), strict=True))
    if best.number == chosen.number:
        title, other = f"the best of {step}", ""
    elif trial.number == chosen.number:
        title = f"handed on by {step}"
        other = f"; trial {best.number} has the {'same' if best.values == chosen.values else 'better'} value"
    else:
        title, other = f"the best value of {step}", f"; trial {chosen.number} is handed on, as the study's note says"
    lines = [f"## {title}", "", f"{reached}{other}", "", "| | |", "| --- | --- |"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in trial.params.items()]
    lines += ["", f"Its files: `trainings/{trial.user_attrs['training']}`"]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else spelled(value)
    return literal(text).replace("|", "\\|")


def literal(text: str) -> str:
    """A text as a note shows it letter by letter, but for code between backticks: a dashboard reads HTML, links and
    formulas."""
    parts = re.split("(`[^`]*`)", visible(text))
    return "".join(part if part.startswith("`") else re.sub(r"([\\<&*\[$])", r"\\\1", part) for part in parts)
