"""What can be explained, by name: codes and techniques, as `tunekit explain --json` prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tunekit.advice.remarks import CODES
from tunekit.diagnosis.odds import Worth, measured
from tunekit.steps import codes
from tunekit.techniques import TECHNIQUES, Technique
from tunekit.vocabulary import Code, Versioned


@dataclass(frozen=True, kw_only=True)
class CodeExplained(Code, Versioned):
    """A code: the steps that say it, and what it was worth where that was measured."""

    code: str
    kind: Literal["code"] = "code"
    steps: tuple[str, ...]
    worth: Worth | None


@dataclass(frozen=True)
class TechniqueExplained(Technique, Versioned):
    """A technique."""


Explained = CodeExplained | TechniqueExplained


@dataclass(frozen=True)
class SeveralExplained(Versioned):
    """All, or what a plain word means, by name."""

    schema: int = field(default=3, kw_only=True)  # 2 had the entries beside it
    entries: Mapping[str, Explained]


def explained() -> dict[str, Explained]:
    """All of them."""
    said = {**codes(), **{code.name: (code, ["inspect"]) for code in CODES}}
    worth = measured().verdicts
    told: dict[str, Explained] = {
        name: CodeExplained(**vars(code), code=name, steps=tuple(steps), worth=worth.get(name))
        for name, (code, steps) in said.items()
    }
    return told | {one.name: TechniqueExplained(**vars(one)) for one in TECHNIQUES.values()}
