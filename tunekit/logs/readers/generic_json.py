"""JSON of no known tool: one object a line, a list of objects, or an object of lists (Keras history.json)."""

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tunekit.logs import source
from tunekit.logs.delimited import SPLIT_COLUMNS
from tunekit.logs.log import Log
from tunekit.logs.names import part, side
from tunekit.logs.table import Column, Columns, from_records, to_number
from tunekit.logs.tabular import columns_log, nothing
from tunekit.vocabulary import UserError

NAME = "json"
DESCRIPTION = "JSON lines, a JSON list of objects, or a JSON object of lists, with keys that name a loss"

LONGEST = 200
"""Characters of a name of nested objects; what is longer is data."""

NESTED = ("history", "log", "logs", "metrics", "results", "train_log", "log_history", "epochs")
"""Keys under which a file of one object keeps its curves."""


def recognise(path: Path) -> float:
    if path.suffix.lower() not in (".json", ".jsonl", ".ndjson", ".log", ".txt", ""):
        return 0.0
    data = source.head(path).lstrip()
    if data[:1] not in (b"{", b"[") or not source.is_text(data):
        return 0.0
    if source.first_record(path) is not None and path.suffix.lower() != ".json":
        return 0.42 if b"loss" in data else 0.15
    return 0.4 if b'loss"' in data or b"Loss" in data else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log; UserError where the file holds nothing that reads as curves."""
    notes: list[str] = []
    columns = {} if _has_lines(path) else _columns(source.parse_json(source.text(path)))
    if not columns:
        columns = from_records(map(_flat, source.json_lines(path, notes)))
    log = columns_log(columns, path, NAME, train, val, name=path.stem, notes=notes)
    if not log.points:
        raise UserError(nothing(path, list(columns)))
    return [log]


def _has_lines(path: Path) -> bool:
    """Whether the file is JSON lines beyond doubt: its first two lines are objects, and one document is one."""
    values = [source.parse_json(line) for line in source.first_lines(path, 2)]
    return len(values) == 2 and all(isinstance(value, dict) for value in values)


def _columns(value: object) -> Columns:
    """The columns of one document, in whatever shape it keeps them; none where it keeps none."""
    while isinstance(value, dict):
        lists = {key: numbers for key, item in value.items() if (numbers := _list(item))}
        if any(part(key).kind in ("loss", "error", "score") or part(key).side for key in lists):
            return {key: _column(numbers) for key, numbers in lists.items()}
        value = next((value[key] for key in NESTED if isinstance(value.get(key), dict | list)), None)
    return from_records(_flat(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else {}


def _column(values: Sequence[object]) -> Column:
    rows, numbers = array("q"), array("d")
    for row, value in enumerate(values):
        number = to_number(value)
        if number is not None:
            rows.append(row)
            numbers.append(number)
    return Column(np.array(rows, np.int64), np.array(numbers))


def _list(value: object) -> list[object]:
    """A list of numbers, or pandas' object of numbers by row number."""
    if isinstance(value, dict) and value and all(str(key).isdigit() for key in value):
        value = list(value.values())
    if not isinstance(value, list):
        return []
    return value if any(isinstance(item, int | float) for item in value) else []


def _flat(item: Mapping[str, object]) -> dict[str, object]:
    """Nested objects as `train/loss`; rows that name their split in a column likewise."""
    flat: dict[str, object] = {}
    for key, value in item.items():
        if isinstance(value, dict) and len(key) <= LONGEST:  # it is written before each name in it
            flat.update({f"{key}/{inner}": number for inner, number in value.items()})
        else:
            flat[key] = value
    words = [value for key, value in flat.items() if key.lower() in SPLIT_COLUMNS and isinstance(value, str)]
    split = side([word.strip().lower() for word in words[:1]])
    if not split:
        return flat
    measured = ("loss", "score", "error")
    return {f"{split}/{key}" if part(key).kind in measured and not part(key).side else key: flat[key] for key in flat}
