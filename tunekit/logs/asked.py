"""Columns that a person names: which curve it is, and whether it is a loss or a score. Names only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tunekit.logs.names import part
from tunekit.vocabulary import Curve, UserError

SHOWN = 80
"""Characters of a column's name that a message shows, by which it may be chosen too."""

_DIRECTION = re.compile(r"\s*(min|max)\s+(?=\S)", re.IGNORECASE)


class NoColumn(UserError):
    """A column that was asked for and is not in a log."""


@dataclass(frozen=True)
class Asked:
    key: str
    curve: Curve
    score: bool  # more of it is better: a metric, and no loss


def ask(text: str, option: str, curves: Mapping[str, Curve], where: str, notes: list[str]) -> Asked:
    """The curve of that name, and what it is: as `min` or `max` before the name says, else by the name itself. Errors:
    NoColumn where there is no such one."""
    said = ""
    key = _key(text, curves)
    if key is None and (match := _DIRECTION.match(text)):
        said, key = match[1].lower(), _key(text[match.end() :], curves)
    if key is None:
        known = ", ".join(repr(name[:SHOWN]) for name in list(curves)[:20]) or "none with numbers"
        known += f" and {len(curves) - 20:,} more" if len(curves) > 20 else ""
        raise NoColumn(f"{where}: no column {text!r}; the columns are {known}; name one of them with --train or --val")
    kind = part(key).kind
    if not said and kind != "loss":
        otherwise = "min" if kind == "score" else "max"
        notes.append(f"{key!r} {_meaning(kind)} (--{option} '{otherwise} {key[:SHOWN]}' if not)")
    return Asked(key, curves[key], said == "max" if said else kind == "score")


def column_of(text: str) -> str:
    """The name of the column alone.

    >>> column_of("max Score"), column_of("maximum")
    ('Score', 'maximum')
    """
    return _DIRECTION.sub("", text, count=1) if _DIRECTION.match(text) else text


def _meaning(kind: str) -> str:
    if kind == "score":
        return "is a score by its name, of which more is better: it is taken for the metric, and for no loss"
    if kind == "error":
        return "is an error by its name, of which less is better: it is judged as a loss"
    return "does not say by its name what it is: it is taken for a loss, of which less is better"


def _key(name: str, curves: Mapping[str, Curve]) -> str | None:
    wanted = name.strip().lower()
    for key in curves:
        if wanted in (key.strip().lower(), key[:SHOWN].strip().lower()):
            return key
    alike = [key for key in curves if _letters(key) == _letters(name)]
    return alike[0] if len(alike) == 1 else None


def _letters(name: str) -> str:
    """A name as it is told from others when it is typed: without case, blanks and what joins its words."""
    return "".join(char for char in name.lower() if char.isalnum())
