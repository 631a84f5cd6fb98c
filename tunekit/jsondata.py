"""Frozen dataclasses as JSON data and back, by their type hints. Stdlib only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Self, Union, get_args, get_origin, get_type_hints

NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""How JSON, which has no word for them, spells these numbers."""


@dataclass(frozen=True)
class JsonData:
    """Base of what passes a wall as JSON: `from_json(x.to_json())` equals x.

    Fields are numbers (finite or not), text, truth values, literals, `X | None`, tuples, mappings by text or whole
    numbers, other dataclasses, and JSON data as it is (Any).
    """

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Errors: ValueError that names the field and what it must be."""
        value: Self = _read(cls, data, cls.__name__)
        return value


MOST_DEEP = 100
"""Levels of lists and mappings in what is read: none of ours has a tenth of them, and what walks them calls itself."""


def is_deep(value: object) -> bool:
    """Whether JSON data are nested more deeply than any of ours."""
    level = [value]
    for _ in range(MOST_DEEP):
        level = [
            item
            for outer in level
            if isinstance(outer, dict | list)
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def plain(value: Any) -> Any:
    """The value as strict JSON data: numbers that are not finite become words, tuples and arrays lists, dataclasses
    mappings."""
    if hasattr(value, "tolist"):
        value = value.tolist()  # NumPy's numbers and arrays
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _read(hint: Any, data: object, place: str) -> Any:
    """The value of this type that the JSON data stand for. `place`: where it stands, for the message."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return data
    if kind in (Union, UnionType):
        if data is None and NoneType in parts:
            return None
        [one] = [part for part in parts if part is not NoneType]
        return _read(one, data, place)
    if kind is Literal:
        return data if data in parts else _refuse(data, place, f"one of {', '.join(map(str, parts))}")
    if kind is tuple:
        return _tuple(parts, data, place)
    if kind is Mapping:
        if not isinstance(data, Mapping):
            _refuse(data, place, "a mapping")
        by, of = parts
        return {_key(by, key, place): _read(of, item, f"{place}.{key}") for key, item in data.items()}
    return _dataclass(kind, data, place) if is_dataclass(kind) else _scalar(kind, data, place)


@cache  # its text is read anew otherwise, for every value
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _dataclass(kind: Any, data: object, place: str) -> object:
    if not isinstance(data, Mapping):
        _refuse(data, place, "a mapping")
    hints = _hints(kind)
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    wrong = [f"lacks {name}" for name in hints if name in needed - set(data)]
    wrong += [f"knows no {name}" for name in data if name not in hints]
    if wrong:
        raise ValueError(f"{place} {', '.join(wrong)}")
    return kind(**{name: _read(hints[name], item, f"{place}.{name}") for name, item in data.items()})


def _tuple(parts: tuple[object, ...], data: object, place: str) -> tuple[object, ...]:
    if not isinstance(data, list | tuple):
        _refuse(data, place, "a list")
    kinds = [parts[0]] * len(data) if parts[-1] is Ellipsis else parts
    if len(kinds) != len(data):
        _refuse(data, place, f"a list of {len(kinds)}")
    return tuple(_read(kind, item, f"{place}[{i}]") for i, (kind, item) in enumerate(zip(kinds, data, strict=True)))


def _key(kind: object, key: str, place: str) -> object:
    """A mapping's key: JSON knows them as text alone."""
    if kind is not int:
        return _scalar(kind, key, place)
    try:
        return int(key)
    except (TypeError, ValueError):
        return _refuse(key, place, "by whole numbers")


def _scalar(kind: object, data: object, place: str) -> object:
    if kind is float and isinstance(data, str) and data in NOT_FINITE:
        return NOT_FINITE[data]
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            _refuse(f"a number of {len(str(abs(data)))} digits", place, "a number that a float holds")
    if type(data) is kind:
        return data
    names: dict[object, str] = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
    return _refuse(data, place, names.get(kind, str(kind)))


def _refuse(data: object, place: str, wanted: str) -> NoReturn:
    raise ValueError(f"{place} must be {wanted}, not {data!r}")
