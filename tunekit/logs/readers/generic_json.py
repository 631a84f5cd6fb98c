"""JSON of no known tool: one object a line, a list of objects, or an object of lists (Keras history.json)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.delimited import SPLIT_COLUMNS
from tunekit.logs.log import Log
from tunekit.logs.names import part, side
from tunekit.logs.table import from_records
from tunekit.logs.tabular import nothing, records_log
from tunekit.vocabulary import UserError

NAME = "json"
DESCRIPTION = "JSON lines, a JSON list of objects, or a JSON object of lists, with keys that name a loss"

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
    objects: Sequence[Mapping[str, object]] = _records(source.parse_json(source.text(path)))
    if not objects:
        objects, notes = source.json_lines(path)
    records = [_flat(item) for item in objects]
    log = records_log(records, path, NAME, train, val, name=path.stem, notes=notes)
    if not log.points:
        raise UserError(nothing(path, list(from_records(records))))
    return [log]


def _records(value: object) -> list[Mapping[str, object]]:
    """A list of objects in whatever shape the file keeps them."""
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    if not isinstance(value, dict):
        return []
    columns = {key: _column(item) for key, item in value.items()}
    lists = {key: item for key, item in columns.items() if item}
    if any(part(key).kind in ("loss", "error", "score") or part(key).side for key in lists):
        rows = max(len(item) for item in lists.values())
        return [{key: item[row] for key, item in lists.items() if row < len(item)} for row in range(rows)]
    for key in NESTED:
        if isinstance(value.get(key), dict | list):
            return _records(value[key])
    return []


def _column(value: object) -> list[object]:
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
        if isinstance(value, dict):
            flat.update({f"{key}/{inner}": number for inner, number in value.items()})
        else:
            flat[key] = value
    words = [value for key, value in flat.items() if key.lower() in SPLIT_COLUMNS and isinstance(value, str)]
    split = side([word.strip().lower() for word in words[:1]])
    if not split:
        return flat
    measured = ("loss", "score", "error")
    return {f"{split}/{key}" if part(key).kind in measured and not part(key).side else key: flat[key] for key in flat}
