"""The runs in one JSON document of any shape: lists by name, records, splits, epochs or runs as keys, a few levels
deep. What a name means is in names.py."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np

from tunekit.logs.columns import Column, Columns
from tunekit.logs.heading import NAMING, SPLIT_COLUMNS, VALUES, names_split
from tunekit.logs.names import (
    ADVERSARIAL,
    EMPTY_WORDS,
    EPOCH_NAMES,
    ERRORS,
    LOSS,
    SCORES,
    STEP_NAMES,
    TEST,
    TRAIN,
    VAL,
    part,
    side,
    split,
)
from tunekit.logs.pieces import MEASURED, Piece, is_bare, joined, kinds
from tunekit.logs.table import from_records, to_number

DEPTH = 6
"""Levels of objects and lists that are looked into."""

LONGEST = 200
"""Characters of a key that may be a name; what is longer is data."""

RUNS = 1000
"""Runs of one document that are read."""

BATCHES = 4
"""Numbers in each list of a list from which they are one epoch's batches: fewer may be parts of a loss."""

KEYS = 10_000
"""Keys of one object that are looked at: of one with more, the first."""

CLOCKS = 50
"""Lists of epochs or steps of one object that are looked at."""

_SIDES = TRAIN | VAL | TEST
_HOLDERS = frozenset(
    ("history", "log", "logs", "metric", "metrics", "result", "results", "record", "records", "data", "curve", "curves")
) | {"epochs", "steps"}
_KNOWN = _SIDES | LOSS | SCORES | ERRORS | EMPTY_WORDS | ADVERSARIAL | _HOLDERS
_NUMBERED = re.compile(r"(epoch|ep|step|iter|iteration)?[ _-]?(\d{1,12})$", re.IGNORECASE)
_TELLS_SPLIT = SPLIT_COLUMNS | frozenset(
    (
        "type",
        "event",
        "kind",
        "dataset",
        "data",
        "name",
        "tag",
        "prefix",
        "loop",
        "section",
        "log_type",
        "msg",
        "message",
    )
)
_CHARTED = ("name", "label", "title", "id", "metric", "key")


@dataclass
class Run:
    """What a document says of one run. `name` is "" where the document is one run's."""

    name: str = ""
    pieces: list[Piece] = field(default_factory=list)

    def columns(self, notes: list[str]) -> Columns:
        """All its columns over common rows."""
        return joined(self.pieces, notes)


def runs(value: object, told: bool = True) -> list[Run]:
    """The runs in a document, without those that hold no numbers that are named like a training's; or all of them."""
    found = [run for run in _runs(value, "", DEPTH) if any(piece.columns for piece in run.pieces)]
    return [run for run in found if _tells(run) or not told][:RUNS]


def _runs(value: object, path: str, depth: int) -> list[Run]:
    """`path`: the keys that lead here and are part of every name, each with a "/" behind it."""
    if depth and isinstance(value, list):
        return _of_list(value, path, depth)
    if depth and isinstance(value, dict):
        names, rows = value.get("columns"), value.get("data")
        if isinstance(names, list) and isinstance(rows, list):  # pandas' orient="split"
            table = [dict(zip(map(str, names), row, strict=False)) for row in rows if isinstance(row, list)]
            return _of_list(table, path, depth)
        numbered = _by_number(value)
        return _of_list(numbered, path, depth) if numbered else _of_object(value, path, depth)
    return []


def _of_list(items: Sequence[object], path: str, depth: int) -> list[Run]:
    """Records of one run, or runs one by one."""
    records = [item for item in items if isinstance(item, dict)]
    if records and all(curves := [_named(item, path) for item in records[:RUNS]]):
        return [Run("", [piece for piece in curves if piece is not None])]
    if not any(_holds_curves(item, path, DEPTH) for item in records[:3]):
        return [Run("", [_of_records(map(flat, records), path)])] if records else []
    found: list[Run] = []
    for place, item in enumerate(records, start=1):
        if len(found) < RUNS:
            found += [Run(_label(item, run.name, place), run.pieces) for run in _runs(item, path, depth - 1)]
    return found


def _named(item: Mapping[str, object], path: str) -> Piece | None:
    """The curve of an object with its name and its numbers, as charts are given (`{"name": "loss", "data": [...]}`)."""
    name = next((value for key, value in item.items() if key in _CHARTED and isinstance(value, str)), "")
    values = next((numbers for key in ("y", "data", "values") if (numbers := _list(item.get(key)))), [])
    if not part(name).kind and not part(name).side:
        return None
    curve = _points(path + name, item)
    return curve if curve is not None or len(values) < 2 else _of_lists({path + name: values})[0]


def _label(item: Mapping[str, object], name: str, place: int) -> str:
    keys = ("name", "run", "id", "model", "fold")
    named = next((item[key] for key in keys if isinstance(item.get(key), str | int)), "")
    return "/".join(word for word in (str(named or place)[:LONGEST], name) if word)


def _of_object(value: Mapping[str, object], path: str, depth: int) -> list[Run]:
    """One run where its keys name splits, measures and the like, else a run a key."""
    value = dict(islice(value.items(), KEYS))
    lists = _lists(value, path)
    own = Run("", _of_lists(lists))
    others: list[Run] = []
    for key, item in value.items():
        if path + key in lists or len(key) > LONGEST or not isinstance(item, dict | list):
            continue
        if (curve := _points(path + key, item)) is not None:
            own.pieces.append(curve)
            continue
        holds = len(key) > 1 and set(split(key)) <= _HOLDERS | EMPTY_WORDS
        belongs = not holds and _belongs(key, item)
        found = [run for run in _runs(item, f"{path}{key}/" if belongs else path, depth - 1) if run.pieces]
        if not belongs:
            found = [run for run in found if _tells(run)]
        if (holds or belongs) and len(found) == 1 and not found[0].name and not _names(own) & _names(found[0]):
            own.pieces += found[0].pieces
        else:
            others += [Run(f"{key}/{run.name}" if run.name else key, run.pieces) for run in found]
    own.pieces = [piece for piece in own.pieces if piece.columns]
    if "loss" in kinds(_names(own)) and not any(_names(run) == _names(own) for run in others):
        return [own]
    return [own, *others] if others and "loss" in kinds(_names(own)) else others or [own]


def _names(run: Run) -> set[str]:
    return {name for piece in run.pieces for name in piece.columns}


def _belongs(key: str, item: object) -> bool:
    """Whether a key is part of the names below it: it names a split or a measure, not a run."""
    words = {word for word in split(key) if not word.isdigit()}
    if (words and words <= _KNOWN and len(key) > 1) or words & ADVERSARIAL:
        return True
    below = list(item) if isinstance(item, dict) else []
    return bool(below and part(key).kind in MEASURED and all(side(split(inner)) for inner in below))


def _tells(run: Run) -> bool:
    return bool(kinds(_names(run)))


def _lists(value: Mapping[str, object], path: str) -> dict[str, Sequence[object]]:
    """The lists of numbers of an object by their full names, without a split's whole numbers: its samples."""
    found = {path + key: numbers for key, item in value.items() if len(key) <= LONGEST and (numbers := _list(item))}
    return {
        name: numbers
        for name, numbers in found.items()
        if not is_bare(part(name)) or not all(isinstance(number, int) for number in numbers)
    }


def _holds_curves(value: Mapping[str, object], path: str, depth: int) -> bool:
    """Whether an object has a list of losses, at any depth: it is no record of one epoch."""
    if "loss" in kinds(_lists(value, path)):
        return True
    below = [(key, item) for key, item in value.items() if isinstance(item, dict) and len(key) <= LONGEST]
    return depth > 0 and any(_holds_curves(item, f"{path}{key}/", depth - 1) for key, item in below)


def _list(value: object) -> Sequence[object]:
    """A list of numbers (each alone in a list too), or pandas' object of numbers by row number."""
    if isinstance(value, dict) and value and all(str(key).isdigit() for key in value):
        value = list(value.values())
    if not isinstance(value, list):
        return []
    if value and all(isinstance(item, list) and len(item) == 1 for item in value):
        value = [item[0] for item in value]
    elif value and all(isinstance(item, list) and len(item) >= BATCHES for item in value):
        value = [number for item in value for number in item]
    sample = [item for item in value[:50] if item is not None] or value[-1:]
    return value if any(to_number(item) is not None for item in sample) else []


def is_points(item: object) -> bool:
    """Whether a value is a curve with its own clock: pairs or triples of which the last number but one rises."""
    return _points("", item) is not None


def _points(name: str, item: object) -> Piece | None:
    """The curve in a list of `[step, value]` or `[time, step, value]`, or in an object with a list of each."""
    kind, places, values = "step", [], []
    if isinstance(item, dict):
        lists = {key.lower(): inner for key, inner in item.items() if isinstance(inner, list)}
        y = next((lists[key] for key in ("y", "value", "values") if key in lists), [])
        x = next((key for key in lists if key == "x" or _clock_kind(key)), "")
        if x and len(lists[x]) == len(y):
            kind, places, values = _clock_kind(x) or "step", lists[x], y
    elif isinstance(item, list) and all(isinstance(row, list) and len(row) in (2, 3) for row in item):
        places, values = [row[-2] for row in item], [row[-1] for row in item]
    clock = column(places)
    if is_bare(part(name)) and all(isinstance(value, int) for value in values):
        return None  # a split's samples
    if len(values) < 2 or len(clock.values) < len(values) or not np.all(np.diff(clock.values) > 0):
        return None
    return Piece({name: column(values)}, len(values), {kind: clock})


def column(values: Sequence[object]) -> Column:
    """A list's numbers with their places in it."""
    rows, numbers = array("q"), array("d")
    for row, value in enumerate(values):
        number = to_number(value)
        if number is not None:
            rows.append(row)
            numbers.append(number)
    return Column(np.array(rows, np.int64), np.array(numbers))


def _of_lists(lists: Mapping[str, Sequence[object]]) -> list[Piece]:
    """Lists of one length are columns of one table; a list of epochs or steps is the clock of those of its split."""
    clocks = [(kind, name) for name in lists if (kind := _clock_kind(name))][:CLOCKS]
    pieces: dict[tuple[object, ...], Piece] = {}
    for name, values in lists.items():
        if _clock_kind(name):
            continue
        fitting = [(kind, clock) for kind, clock in clocks if len(lists[clock]) == len(values)]
        mine = [item for item in fitting if side(split(item[1])) == side(split(name))]
        used = tuple(mine or [item for item in fitting if not side(split(item[1]))])
        piece = pieces.setdefault((len(values), used), Piece({}, len(values)))
        piece.columns[name] = column(values)
        piece.clocks |= {kind: column(lists[clock]) for kind, clock in used}
    return list(pieces.values())


def _clock_kind(name: str) -> str:
    """`epoch` or `step` for a name that is one, whatever split stands before it."""
    joined = "_".join(word for word in split(name.rpartition("/")[2]) if word not in _SIDES)
    return "epoch" if joined in EPOCH_NAMES else "step" if joined in STEP_NAMES else ""


def _of_records(records: Iterable[Mapping[str, object]], path: str) -> Piece:
    """Records as columns; their clocks keep their names."""
    columns = from_records(records)
    length = 1 + max((int(item.rows[-1]) for item in columns.values()), default=-1)
    counted = [(kind, item) for name, item in columns.items() if (kind := part(name).kind) in ("epoch", "step")]
    counted.sort(key=lambda pair: bool(np.any(np.diff(pair[1].values) < 0)))  # an episode's number before its length
    clocks = dict(reversed(counted))
    named = {f"{path}{name}": item for name, item in columns.items() if part(name).kind not in ("epoch", "step")}
    return Piece(named, length, clocks)


def flat(item: Mapping[str, object], depth: int = DEPTH) -> dict[str, object]:
    """A record's nested objects as `train/loss`; so too its numbers where it names their split or their measure."""
    for value in item.values():
        if type(value) is str or type(value) is dict:
            break
    else:
        return dict(item)
    result: dict[str, object] = {}
    owner = naming = measure = ""
    for key, value in item.items():
        if isinstance(value, dict) and len(key) <= LONGEST and depth:  # it is written before each name in it
            below = flat(value, depth - 1)
            result |= {f"{key}/{inner}": number for inner, number in below.items()}
            if key == "context":  # Aim's and others' labels of a series
                owner = owner or next((side for word in below.values() if (side := names_split(str(word)))), "")
            continue
        result[key] = value
        tells, names, measures = _telling(key)
        if isinstance(value, str):
            if tells:
                owner = owner or names_split(value)
            if names and not naming and not names_split(value):
                naming = value
        if measures:
            measure = measure or key
    if naming and measure and not any(part(key).kind in MEASURED for key in result):
        clocks = {key: number for key, number in result.items() if part(key).kind in ("step", "epoch")}
        return clocks | {"/".join(word for word in (owner, naming) if word): result[measure]}
    if not owner:
        return result
    sided = {key for key in result if part(key).kind in MEASURED and not part(key).side}
    return {f"{owner}/{key}" if key in sided else key: value for key, value in result.items()}


@lru_cache(maxsize=4096)
def _telling(key: str) -> tuple[bool, bool, bool]:
    """Whether a key's words say whose numbers a record holds, what they are, and whether its value is their number."""
    lowered = key.lower()
    return lowered in _TELLS_SPLIT, lowered in NAMING, lowered in VALUES


def _by_number(value: Mapping[str, object]) -> list[dict[str, object]]:
    """An object of records by epoch or step (`"1"`, `"epoch_1"`) as records that say so; none for any other."""
    numbers = [_NUMBERED.match(str(key)) for key in value]
    if not value or not all(numbers) or not all(isinstance(item, dict) for item in value.values()):
        return []
    if any(_holds_curves(item, "", DEPTH) for item in value.values() if isinstance(item, dict)):
        return []  # runs or folds by number
    word = next((match[1] for match in numbers if match and match[1]), "epoch").lower()
    kind = "epoch" if word in EPOCH_NAMES else "step"
    ordered = [
        (float(match[2]), flat(item))
        for match, item in zip(numbers, value.values(), strict=True)
        if match and isinstance(item, dict)
    ]
    return [{kind: number, **record} for number, record in sorted(ordered, key=lambda pair: pair[0])]
