"""fastai's CSVLogger: history.csv. Its training loss is a moving average already."""

from pathlib import Path

from tunekit.logs import delimited
from tunekit.logs.log import Log
from tunekit.logs.tabular import table_log

NAME = "fastai"
DESCRIPTION = "fastai CSVLogger (history.csv: epoch, train_loss, valid_loss, ...)"


def recognise(path: Path) -> float:
    return 0.9 if delimited.header(path)[:3] == ["epoch", "train_loss", "valid_loss"] else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [table_log(path, NAME, train, val)]
