"""What a person is told, in one line: a remedy as a command that can be pasted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from tunekit.vocabulary import Remedy, short


def command(remedy: Remedy, run: str, own_keys: Sequence[str], recipe: str) -> str:
    """A remedy as the command that carries it out on a run, quoted for a shell.

    A run takes changes below `own_keys` alone. What changes another key needs another run: of the run's own `recipe`,
    a file in its folder that works from where it lies, beside the first.
    """
    beyond = [key for key in remedy.set if key.split(".")[0] not in own_keys]
    target = [run]
    if beyond or remedy.command in OF_RECIPES:
        target = [str(PurePath(run) / recipe)]
    name = "run" if beyond else remedy.command
    parent = str(PurePath(run).parent)
    if beyond and parent != "runs":
        target += ["--runs-dir", parent]
    sets = [word for key, value in remedy.set.items() for word in ("--set", f"{key}={spelled(value)}")]
    return shlex.join(["tunekit", name, *target, *sets])


OF_RECIPES = ("validate", "inspect")
"""Commands that take a recipe, and a run only by its recipe."""


def spelled(value: Any) -> str:
    """A value as --set takes it: YAML on one line, without blanks."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, float):
        return repr(value) if float(short(value)) != value or 1e-2 <= abs(value) < 1e3 else short(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
