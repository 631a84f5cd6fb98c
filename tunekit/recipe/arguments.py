"""Arguments that a recipe gives to something built in: a number where its default is one. Builds nothing."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

from tunekit.configuration import Values
from tunekit.recipe.text import kind_of, nearest
from tunekit.vocabulary import UserError

LARGEST = 1e12
"""What no number of a recipe exceeds."""


def check_arguments(function: Callable[..., Any], args: Values, key: str) -> None:
    """Refuse what Python would take for a number or a truth value and is none: `true` is 1 to it, and the text "false"
    is true; and a name that it does not take. `key`: where they stand, and what takes them. Errors: UserError."""
    parameters = inspect.signature(function).parameters
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for name, value in args.items():
        if name not in parameters and not takes_any:
            raise UserError(f"{key}: got an unexpected keyword argument {name!r}{nearest(name, parameters)}")
        if name not in parameters:
            continue
        default = parameters[name].default
        if isinstance(default, bool):
            if not isinstance(value, bool) and parameters[name].annotation in ("bool", bool, inspect.Parameter.empty):
                raise UserError(f"{key}: {name} must be true or false, not {kind_of(value)}")
        elif _counts(default) or parameters[name].annotation in ("int", "float", int, float):
            for place, item in _items(f"{key}: {name}", value):
                _check_number(place, item)


def _counts(default: object) -> bool:
    """Whether a default is a number, or a list of some."""
    every = default if isinstance(default, list | tuple) and default else [default]
    return all(isinstance(one, int | float) for one in every)


def _items(place: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _items(f"{place}.{number}", item)
    else:
        yield place, value


def _check_number(place: str, value: object) -> None:
    if isinstance(value, bool | str):
        raise UserError(f"{place} must be a number, not {kind_of(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{place} must be a finite number, not {value}")
    if isinstance(value, int | float) and abs(value) > LARGEST:
        raise UserError(f"{place}: {value:.6g} is more than any training can use; at most {LARGEST:g}")
