"""Warnings of a person's own code: each place in it once, whatever it says there, and in one line."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tunekit.telling import is_persons, visible

MOST = 500
"""Characters of a warning."""


def to_screen(text: str) -> None:
    print(visible(f"warning: {text}"), file=sys.stderr)


@contextmanager
def once(known: dict[str, str], tell: Callable[[str], object] = lambda _text: None) -> Iterator[None]:
    """Within it a warning of a person's code is put into `known`, by its place, and told where that is a new one; what
    others warn of is shown as ever. A process that was forked here has nobody to tell, and shows what is new itself."""
    plainly, process = warnings.showwarning, os.getpid()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None or not is_persons(filename):
            plainly(message, category, filename, lineno, file, line)
            return
        place = f"{_shown(filename)}:{lineno}: {category.__name__}"
        if place in known:
            return
        words = " ".join(str(message).split())
        known[place] = visible(f"{place}: {words[:MOST]}{'…' if len(words) > MOST else ''}")
        (tell if os.getpid() == process else to_screen)(known[place])

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = plainly


def _shown(file: str) -> str:
    """A source file from the folder of the recipe, in which its code runs."""
    path = Path(file)
    try:
        return str(path.relative_to(Path.cwd()))
    except (OSError, ValueError):  # it lies elsewhere, or the folder is gone
        return path.name
