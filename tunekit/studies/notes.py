"""Notes in Markdown on studies and trials, where optuna-dashboard looks for them. It need not be installed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from tunekit.telling import spelled
from tunekit.vocabulary import StepResult

PIECE = 2045
"""Characters of a note in one attribute, as optuna-dashboard cuts it: some databases hold no longer ones."""


def save_note(
    storage: BaseStorage, study_id: int, attrs: Mapping[str, Any], text: str, trial_id: int | None = None
) -> None:
    """Put a note on a study, or on a trial of it. `attrs`: the study's system attributes. What a person has written
    there stays, and this note is not put."""
    place = "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"
    version, digest = f"{place}note_ver", f"tunekit:{place}note"
    standing = {name: value for name, value in attrs.items() if name.startswith(f"{place}note_str:")}
    body = "".join(standing[name] for name in sorted(standing, key=lambda name: int(name.rpartition(":")[2])))
    if body == text or (body and attrs.get(digest) != _digest(body)):
        return
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    pieces += [""] * (len(standing) - len(pieces))
    for number, piece in enumerate(pieces):
        storage.set_study_system_attr(study_id, f"{place}note_str:{number}", piece)
    storage.set_study_system_attr(study_id, digest, _digest(text))
    storage.set_study_system_attr(study_id, version, attrs.get(version, 0) + 1)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def study_note(name: str, result: StepResult) -> str:
    """What the step came to: verdict, findings with their advice, what it hands on, and what comes next."""
    lines = [f"## {name}: {result.verdict}", "", result.summary]
    for finding in result.findings:
        lines += ["", f"**{finding.severity}: `{finding.code}`**: {finding.message}"]
        lines += [f"- {line}" for line in finding.advice]
    if result.handoff:
        lines += ["", "| handed on | |", "| --- | --- |"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in result.handoff.items()]
    if result.next:
        lines += ["", f"Next: `{result.next}`"]
    return "\n".join(lines) + "\n"


def trial_note(
    trial: FrozenTrial, best: FrozenTrial | None, taken: FrozenTrial | None, metrics: list[str], step: str
) -> str:
    """What a trial reached and with which values; whether it is the best of its study, and the one that is taken."""
    reached = ", ".join(f"{name} {value:.6g}" for name, value in zip(metrics, trial.values or (), strict=True))
    if taken is None or best is None or taken.number == best.number:
        title = f"the best of {step}" if taken is None else f"the best of {step}, handed on"
        other = ""
    elif trial.number == taken.number:
        title = f"handed on by {step}"
        other = f"trial {best.number} has the {'same' if best.values == taken.values else 'better'} value"
    else:
        title = f"the best value of {step}"
        other = f"trial {taken.number} is handed on, as the study's note says"
    lines = [f"## {title}", "", f"{reached}; {other}" if other else reached, "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in trial.params.items()]
    lines += ["", f"Its files: `trainings/{trial.user_attrs['training']}`"]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else spelled(value)
    return text.replace("|", "\\|").replace("\n", " ")
