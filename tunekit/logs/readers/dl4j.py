"""Deeplearning4j's output: `Score at iteration 100 is 0.52`, where score is the loss, and its evaluations' lists."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed
from tunekit.logs.log import Log
from tunekit.logs.printed import NUMBER
from tunekit.logs.tabular import records_log

NAME = "dl4j"
DESCRIPTION = "Deeplearning4j output (`Score at iteration 100 is 0.52`)"

_SCORE = re.compile(rf"Score at iteration (?P<step>\d{{1,12}}+) is (?P<loss>{NUMBER})")
_MEASURE = re.compile(rf"^\s*+(?:# )?(?P<name>Accuracy|Precision|Recall|F1 Score): \s*+(?P<value>{NUMBER})\s*+$")


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.9 if any("Score at iteration" in line for line in lines) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log. An evaluation does not say on which data it was made."""
    return records_log(_records(lines), path, NAME, train, val, name=path.stem)


def _records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    step = 0.0
    for line in lines:
        said = _SCORE.search(line) if "Score at" in line else None
        if said:
            step = float(said["step"])
            yield {"step": step, "loss": float(said["loss"])}
        elif step and (measured := _MEASURE.match(line)):
            yield {"step": step, measured["name"].removesuffix(" Score").lower(): float(measured["value"])}
