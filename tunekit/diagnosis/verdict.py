"""What judging gives: the outcome of one rule and the diagnosis of a log. No rule and no number is made here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tunekit.vocabulary import Finding, Values, Verdict, plain


@dataclass(frozen=True)
class Outcome:
    """What one rule says of a log: whether it speaks, the sentence with the deciding numbers, and how clearly.

    `margin` is the deciding number as a multiple of its threshold: 1 is a case on the edge.
    """

    speaks: bool
    text: str
    evidence: Values = field(default_factory=dict)
    margin: float = 2.0


def silent(text: str) -> Outcome:
    """A rule that does not speak, and the number that kept it silent."""
    return Outcome(False, text)


@dataclass(frozen=True)
class Dismissed:
    """A verdict that was considered, and the number that spoke against it."""

    code: str
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on a log. `code` is the headline; `notes` what else is true of the run."""

    code: str
    verdict: Verdict
    summary: str
    notes: tuple[Finding, ...] = ()
    evidence: Values = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    confidence: str = "medium"  # low | medium | high
    dismissed: tuple[Dismissed, ...] = ()
    change_if: tuple[str, ...] = ()
    best_epoch: float | None = None
    best_x: float | None = None
    source: Values = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The object that `tunekit diagnose --json` prints: plain JSON without NaN or Infinity."""
        return {
            "diagnosis": self.code,
            "verdict": self.verdict,
            "summary": self.summary,
            "notes": [note.code for note in self.notes],
            "evidence": plain(self.evidence),
            "advice": list(self.advice),
            "confidence": self.confidence,
            "dismissed": [{"code": item.code, "reason": item.reason} for item in self.dismissed],
            "change_if": list(self.change_if),
            "best_epoch": plain(self.best_epoch),
            "source": plain(self.source),
        }


def shown(value: float) -> str:
    """A number as a sentence shows it: three significant digits.

    >>> shown(0.012345), shown(1234.5), shown(2.0)
    ('0.0123', '1.23e+03', '2')
    """
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share as a sentence shows it: `12 %`, `0.4 %`."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.0995 else f"{100 * share:.2g} %"


def times(count: int) -> str:
    """A count as a sentence says it: once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
