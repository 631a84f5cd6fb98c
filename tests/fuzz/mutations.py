"""Damage that files come to: bytes, lines and JSON values changed at random, by a seed."""

from __future__ import annotations

import json
import random
from typing import Any

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 3, 10**400, -(10**18), 2**63, 1e308, -1e308, 1e-320, -0.0, 0.5),
    *(
        "",
        "x",
        "nan",
        "-inf",
        "1e3",
        "²",
        "../../x",
        "/etc/passwd",
        "\x00",
        "\x1b[2J",
        "[/b]",
        ":x:",
        "\u202e",
        "a" * 5000,
    ),
    *([], {}, [[]], {"": None}, [None] * 3, {"a": {"b": [1, "x"]}}, "__import__", "\ud800"),
]

WORDS = [
    b"NaN",
    b"-1",
    b"1e309",
    b"inf",
    b"\x1b[31m",
    b"\0",
    b"\xff\xfe",
    b",,,,",
    b"\n\n",
    b"\r",
    b'"',
    b"{",
    b"[",
    b"9" * 400,
]


def mutated(data: bytes, random: random.Random) -> bytes:
    """The bytes of a file with some damage: in its JSON, where it is JSON, or in its lines, or anywhere."""
    if random.random() < 0.7:
        changed = _json(data, random) or _lines_of_json(data, random)
        if changed is not None:
            return changed
    for _ in range(random.choice([1, 1, 2, 5])):
        data = random.choice([_flip, _cut, _insert, _drop, _double, _swap])(data, random)
    return data


def _json(data: bytes, random: random.Random) -> bytes | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        value = _changed(value, random)
    return json.dumps(value).encode()


def _lines_of_json(data: bytes, random: random.Random) -> bytes | None:
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    changed = _json(lines[place], random) if lines[place].startswith(b"{") else None
    return None if changed is None else b"\n".join([*lines[:place], changed, *lines[place + 1 :]])


def _changed(value: Any, random: random.Random) -> Any:
    """The value with one part of it replaced, taken out, doubled or renamed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(list(value))
        what = random.random()
        if what < 0.1:
            return {name: item for name, item in value.items() if name != key}
        if what < 0.2:
            return {**value, str(random.choice(VALUES)): value[key]}
        return {**value, key: _changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        if random.random() < 0.2:
            return [*value[:place], *value[place + 1 :]]
        return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
    if random.random() < 0.03:
        deep: Any = value
        for _ in range(400):
            deep = [deep]
        return deep
    return random.choice(VALUES)


def _flip(data: bytes, random: random.Random) -> bytes:
    if not data:
        return b"x"
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << random.randrange(8))]) + data[place + 1 :]


def _cut(data: bytes, random: random.Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _insert(data: bytes, random: random.Random) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice(WORDS) * random.choice([1, 1, 3, 50]) + data[place:]


def _drop(data: bytes, random: random.Random) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start + random.randrange(1, 200) :]


def _double(data: bytes, random: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    return b"\n".join([*lines[: place + 1], *lines[place:]])


def _swap(data: bytes, random: random.Random) -> bytes:
    lines = data.split(b"\n")
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)
