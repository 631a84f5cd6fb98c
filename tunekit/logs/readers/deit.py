"""log.txt of DeiT, MAE, DETR and their many descendants: one JSON object an epoch."""

from pathlib import Path

from tunekit.logs import source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "deit"
DESCRIPTION = "log.txt of DeiT, MAE, DETR, ... (train_loss, test_loss, test_acc1, epoch as JSON lines)"


def recognise(path: Path) -> float:
    record = source.first_record(path)
    if record is None or not {"train_loss", "epoch"} <= set(record):
        return 0.0
    return 0.9 if "train_lr" in record or any(key.startswith("test_") for key in record) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    notes: list[str] = []
    return [records_log(source.json_lines(path, notes), path, NAME, train, val, name=path.stem, notes=notes)]
