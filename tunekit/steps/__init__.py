"""The six steps, one file each: what to run next (plan) and what it means (judge). No torch, no Optuna, no files."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from tunekit.steps.context import Context
from tunekit.vocabulary import STEPS, Record, Request, StepResult, Values

__all__ = ["Context", "Step", "get_step"]


class Step(Protocol):
    """A step's module. All of it is pure: the same context and records give the same answer.

    - `NAME`, and `NEEDS`: the steps whose hand-off it cannot do without;
    - `plan` is called with all records so far until it returns no more requests;
    - `objective` is the value that the study is told of a record, or None for one that is never scored;
    - `maximize` is the direction of that value;
    - `judge` says what the records mean.
    """

    NAME: str
    NEEDS: tuple[str, ...]

    def plan(self, context: Context, records: Sequence[Record]) -> list[Request]: ...
    def objective(self, context: Context, record: Record) -> float | None: ...
    def maximize(self, context: Context) -> bool: ...
    def choices(self, context: Context) -> Values: ...
    def judge(self, context: Context, records: Sequence[Record]) -> StepResult: ...


def get_step(name: str) -> Step:
    """The module of a step by its name on the command line."""
    if name not in STEPS:
        raise ValueError(f"no step {name!r}; one of {', '.join(STEPS)}")
    return cast(Step, importlib.import_module(f"tunekit.steps.{name.replace('-', '_')}"))
