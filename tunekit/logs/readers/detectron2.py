"""detectron2's metrics.json: one JSON object a line, several for one iteration."""

import re
from collections.abc import Iterator
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "detectron2"
DESCRIPTION = "detectron2 metrics.json (iteration, total_loss, bbox/AP, ...)"


_EVALUATED = re.compile(r"(?:^|/)(?:bbox|segm|keypoints|sem_seg|panoptic_seg|box_proposals)/")
"""Tasks whose results detectron2 writes under their names, behind that of the data set where it has several."""


def recognise(path: Path) -> float:
    record = source.first_record(path)
    if record is None or "iteration" not in record:
        return 0.0
    return 0.95 if "total_loss" in record or b'"total_loss"' in source.head(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. A run that met a NaN just ends: detectron2 raises instead of writing it."""
    notes: list[str] = []
    records = (dict(_told(item)) for item in source.json_lines(path, notes))
    return [records_log(records, path, NAME, train, val, notes=notes)]


def _told(item: dict[str, object]) -> Iterator[tuple[str, object]]:
    """An entry with what was evaluated named as validation; a NaN there says that no such object is in the data."""
    for key, value in item.items():
        if key == "validation_loss":
            yield "val_loss", value
        elif not _EVALUATED.search(key):
            yield key, value
        elif value == value:
            yield f"val/{key}", value
