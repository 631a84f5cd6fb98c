"""detectron2's metrics.json: one JSON object a line, several for one iteration."""

from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "detectron2"
DESCRIPTION = "detectron2 metrics.json (iteration, total_loss, bbox/AP, ...)"


def recognise(path: Path) -> float:
    record = source.first_record(path)
    if record is None or "iteration" not in record:
        return 0.0
    return 0.95 if "total_loss" in record or b'"total_loss"' in source.head(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. A run that met a NaN just ends: detectron2 raises instead of writing it."""
    notes: list[str] = []
    renamed = (
        {("val_loss" if key == "validation_loss" else key): value for key, value in item.items()}
        for item in source.json_lines(path, notes)
    )
    return [records_log(renamed, path, NAME, train, val, notes=notes)]
