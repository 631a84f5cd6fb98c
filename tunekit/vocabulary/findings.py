"""What is said of a run: a finding, its code, and what to do next as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from tunekit.configuration import Values

Severity = Literal["note", "warn", "fail"]
Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Remedy:
    """What a person may do next, as data: a step or another command, and changes of the recipe."""

    command: str
    set: Values = field(default_factory=dict)  # dotted path -> value


@dataclass(frozen=True)
class Finding:
    """One thing that is said of a run, by its code. `advice` is in words; `remedies` are the same as data; `asks`:
    whether it is advice to do something."""

    code: str
    severity: Severity
    message: str
    evidence: Values = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    asks: bool = True

    @property
    def decides(self) -> bool:
        """Whether a person has something to decide or to do."""
        return self.severity != "note" or bool(self.remedies) or (self.asks and bool(self.advice))


@dataclass(frozen=True)
class Code:
    """A thing that can be said, whatever the run: what `tunekit explain NAME` prints. It stands beside what says it.

    `severity` is the one a finding has unless whoever says it knows better. A text that states a threshold is made from
    the constant. `explains_later`: a fault that shows again in later steps, as their symptoms (`symptom`).
    `asks`: see Finding.
    """

    name: str
    severity: Severity
    meaning: str
    measured: str
    causes: str
    advice: tuple[str, ...]
    source: str
    _: KW_ONLY
    symptom: bool = True
    explains_later: bool = False
    asks: bool = True

    def finding(
        self,
        message: str,
        evidence: Values | None = None,
        *,
        advice: tuple[str, ...] | None = None,
        severity: Severity | None = None,
        remedies: tuple[Remedy, ...] = (),
        asks: bool | None = None,
    ) -> Finding:
        """This code said of a run, with its own severity and advice unless others are given."""
        told = self.advice if advice is None else advice
        known, graver = dict(evidence or {}), severity or self.severity
        return Finding(self.name, graver, message, known, told, remedies, self.asks if asks is None else asks)


def worst(findings: Sequence[Finding]) -> Verdict:
    """The verdict that the gravest finding gives: notes pass."""
    severities = {finding.severity for finding in findings}
    return "fail" if "fail" in severities else "warn" if "warn" in severities else "pass"
