"""AllenNLP: metrics_epoch_N.json, one flat object an epoch, and metrics.json with the last and best of them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log
from tunekit.vocabulary import UserError

NAME = "allennlp"
DESCRIPTION = "AllenNLP's serialization directory (metrics_epoch_0.json, metrics_epoch_1.json, ...)"

_FILE = re.compile(r"metrics_epoch_(\d+)\.json$")
_NO_CURVE = re.compile(r"best_|peak_|training_(?:duration|start_epoch|epochs)$|.*_memory_MB$|.*_batch_")


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.95 if _epochs(path) else 0.0
    if path.name == "metrics.json":
        return 0.95 if b'"training_start_epoch"' in source.head(path) else 0.0
    return 0.95 if _FILE.match(path.name) and b'"training_' in source.head(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: the epochs of the folder, whichever of its files is given; of metrics.json alone the last epoch."""
    folder = path if path.is_dir() else path.parent
    files = _epochs(folder)
    if not files and path.is_dir():
        raise UserError(f"{path}: holds no metrics_epoch_N.json; give AllenNLP's serialization directory")
    notes: list[str] = [] if files else ["the last epoch alone: the curves are in metrics_epoch_N.json"]
    records = _records(files or [path], notes)
    log = records_log(records, files[0] if files else path, NAME, train, val, name=folder.name, notes=notes)
    return [replace(log, files=tuple(str(file) for file in files or [path]))]


def _epochs(folder: Path) -> list[Path]:
    """The epochs' files in order."""
    files = [file for file in source.matching(folder, "metrics_epoch_*.json") if _FILE.match(file.name)]
    return sorted(files, key=lambda file: int(file.stem.rpartition("_")[2]))


def _records(files: list[Path], notes: list[str]) -> Iterator[dict[str, object]]:
    """An epoch's numbers without those that are no curves: best so far, last batch, memory, time."""
    for file in files:
        value = source.parse_json(source.text(file))
        if not isinstance(value, dict):
            notes.append(f"{file.name} is no complete JSON object; left out")
            continue
        number = _FILE.match(file.name)
        kept = {key: item for key, item in value.items() if not _NO_CURVE.match(key)}
        yield {**kept, "epoch": float(number[1])} if number else kept
