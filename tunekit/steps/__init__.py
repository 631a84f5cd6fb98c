"""The steps, one file or folder each: what to run next (plan) and what it means (judge). No torch, Optuna or files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache

from tunekit.steps.context import Context, Earlier
from tunekit.steps.step import STEP_FAILED, AnyStep, Step, conclude
from tunekit.vocabulary import Code

__all__ = ["ORDER", "AnyStep", "Context", "Earlier", "Step", "codes", "conclude", "get_step", "step_names", "steps"]

ORDER = ("check_init_loss", "overfit_tiny", "lr_sweep", "coarse_grid", "fine_run", "diagnose")
"""The modules of the steps, in the order in which they are walked. Each offers its step as STEP."""


@cache
def steps() -> tuple[AnyStep, ...]:
    """The steps in order."""
    return tuple(importlib.import_module(f"{__name__}.{module}").STEP for module in ORDER)


def step_names() -> list[str]:
    return [step.name for step in steps()]


def get_step(name: str) -> AnyStep:
    """A step by its name on the command line. Errors: ValueError."""
    known = {step.name: step for step in steps()}
    if name not in known:
        raise ValueError(f"no step {name!r}; one of {', '.join(known)}")
    return known[name]


def codes() -> Mapping[str, tuple[Code, list[str]]]:
    """Every code with the steps that say it, in their order."""
    said: dict[str, tuple[Code, list[str]]] = {}
    for step in steps():
        for code in (*step.codes(), STEP_FAILED):
            said.setdefault(code.name, (code, []))[1].append(step.name)
    return said
