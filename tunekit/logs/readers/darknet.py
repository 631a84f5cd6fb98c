"""Darknet's output: iteration, loss, its moving average and the rate, each number before its name."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed
from tunekit.logs.log import Log
from tunekit.logs.printed import NUMBER
from tunekit.logs.tabular import records_log

NAME = "darknet"
DESCRIPTION = "Darknet output (`100: 2.34, 2.50 avg loss, 0.001 rate, 3.2 seconds, 6400 images`)"

_LINE = re.compile(
    rf"(?:^|[\s>(])(?P<step>\d{{1,12}}+): (?P<loss>{NUMBER}), "
    rf"(?P<mean>{NUMBER}) avg(?: loss)?, (?P<rate>{NUMBER}) rate,"
)
_MAP = re.compile(rf"mean average precision \(mAP@0\.50?+\) = (?P<map>{NUMBER})", re.IGNORECASE)


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.9 if any(" rate," in line and _LINE.search(line) for line in lines) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log. The moving average is judged, as by Darknet's own chart; `loss_step` is the loss of one iteration."""
    return records_log(_records(lines), path, NAME, train, val, name=path.stem)


def _records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    step = 0.0
    for line in lines:
        for text in line.split("\r"):
            said = _LINE.search(text) if " rate," in text else None
            if said:
                step = float(said["step"])
                yield {
                    "step": step,
                    "avg_loss": float(said["mean"]),
                    "loss_step": float(said["loss"]),
                    "lr": float(said["rate"]),
                }
            elif step and (measured := _MAP.search(text)):
                yield {"step": step, "val_map50": float(measured["map"])}
