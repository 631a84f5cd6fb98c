"""timm's summary.csv. Its training loss includes mixing and label smoothing, so it may lie above evaluation."""

from pathlib import Path

from tunekit.logs import delimited
from tunekit.logs.log import Log
from tunekit.logs.tabular import table_log

NAME = "timm"
DESCRIPTION = "timm summary.csv (epoch, train_loss, eval_loss, eval_top1, ...)"


def recognise(path: Path) -> float:
    names = delimited.header(path)
    if names[:2] == ["epoch", "train_loss"] and any(name.startswith("eval_") for name in names):
        return 0.95 if path.name == "summary.csv" else 0.85
    return 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [table_log(path, NAME, train, val)]
