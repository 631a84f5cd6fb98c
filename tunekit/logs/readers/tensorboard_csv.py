"""Charts that TensorBoard exports as CSV: one tag of one run a file, which its name alone says."""

import re
from pathlib import Path

from tunekit.logs import clocked, delimited, source
from tunekit.logs.log import Log
from tunekit.logs.names import EMPTY_WORDS, ERRORS, LOSS, RATE, SCORES, TEST, TRAIN, VAL, split
from tunekit.logs.table import Series
from tunekit.logs.tabular import runs_logs
from tunekit.vocabulary import UserError

NAME = "tensorboard-csv"
DESCRIPTION = "TensorBoard's CSV exports (Wall time, Step, Value; the file's name says run and tag), a file or a folder"

HEADER = ["Wall time", "Step", "Value"]

FILES = 500
"""Exports of one folder that are read."""

_NAME = re.compile(r"run[-_](?P<run>.*?)[-_]?tag[-_](?P<tag>.+)$")
_COPY = re.compile(r" ?\(\d+\)$")
_SIDES = TRAIN | VAL | TEST
_MEASURES = _SIDES | LOSS | SCORES | ERRORS | RATE | EMPTY_WORDS


def recognise(path: Path) -> float:
    if path.is_dir():
        return 0.9 if len(_exports(path)) > 1 else 0.0
    return 0.95 if _is_export(path) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run; runs whose names differ by a split alone are one."""
    files = _exports(path) if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path}: holds no CSV export of TensorBoard (columns {', '.join(HEADER)})")
    notes: list[str] = []
    runs: dict[str, Series] = {}
    sources: dict[str, list[Path]] = {}
    for file, curves in clocked.readable(files, notes):
        run, tag = _told(file.stem)
        if "Value" in curves:
            runs.setdefault(run, Series()).add(tag, *curves["Value"])
            sources.setdefault(run, []).append(file)
    return runs_logs(runs, sources, path, NAME, train, val, notes)


def _told(stem: str) -> tuple[str, str]:
    """The run and the tag that a file's name says: a split in a run's name is the tag's; of a name that somebody gave,
    what is neither split nor measure is the run."""
    stem = _COPY.sub("", stem)
    match = _NAME.match(stem)
    if match is None:
        return "_".join(word for word in split(stem) if word not in _MEASURES), stem
    words = [word for word in re.split(r"[-_./ ]+", match["run"]) if word]
    sides = [word for word in words if word.lower() in _SIDES]
    tag = "/".join([*sides[-1:], match["tag"]])
    return "_".join(word for word in words if word not in sides), tag


def _exports(folder: Path) -> list[Path]:
    return [file for file in source.matching(folder, "*.csv")[:FILES] if _is_export(file)]


def _is_export(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and delimited.header(path) == HEADER
