"""What YOLO v3 to v11 print: a bar an epoch below its header, and the row `all` of each validation."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "ultralytics-output"
DESCRIPTION = "Ultralytics YOLO output (Epoch GPU_mem box_loss cls_loss ..., Class Images Instances Box(P R mAP50 ...)"

_PLACE = re.compile(r"(\d{1,9}+)/(\d{1,9}+)")
_ALL = re.compile(r"(?:^|\])\s*+all\s++\d++\s++\d++\s++(?=[-\d.])")
_HEAD = re.compile(r"\bClass\s++Images\s++\w++((?:\s++[\w@.():-]++)++)")
_MEASURES = {
    "p": "val/precision(B)",
    "r": "val/recall(B)",
    "f1": "val/F1(B)",
    **dict.fromkeys(("map", "map50", "map@0.5", "map@.5"), "val/mAP50(B)"),
    **dict.fromkeys(("map50-95", "map@.5:.95", "map@0.5:0.95", "map@0.5:.95"), "val/mAP50-95(B)"),
}
_CURRENT = ("val/precision(B)", "val/recall(B)", "val/mAP50(B)", "val/mAP50-95(B)")
_COUNTS = ("instances", "targets", "labels", "size", "img_size")


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.9 if next(_records(lines), None) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log. A bar shows the epoch's mean so far: its last state counts."""
    return records_log(_records(lines), path, NAME, train, val, name=path.stem)


def _records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    names: list[str] = []
    measures: Sequence[str] = _CURRENT
    record: dict[str, float] = {}
    for line in lines:
        for state in source.plain(line).split("\r"):
            words = state[:400].partition(":")[0].split() if state.strip() else []
            if words[:1] == ["Epoch"] and words[1:2] and words[1].lower() == "gpu_mem":
                names = [_loss(word) for word in words[2:] if word.lower() not in _COUNTS]
            elif names and words and (place := _PLACE.fullmatch(words[0])) and (values := _numbers(words[2:], names)):
                if record and record["epoch"] != float(place[1]):
                    yield record
                record = {"epoch": float(place[1]), **values}
            elif words[:1] == ["Class"] and (head := _HEAD.search(state)):
                measures = _measures(head[1])
            if record and "all" in state and (row := _ALL.search(state)):
                yield record | _numbers(state[row.end() :][:400].split(), measures)
                record = {}  # what is validated behind it is the best checkpoint once more
    if record:
        yield record


def _measures(head: str) -> list[str]:
    """The names of a validation's columns, those of boxes alone where masks or poses stand behind them."""
    words = head.replace("Box(", " ").lower().split()
    names = [_MEASURES.get(word.rstrip(":)"), "") for word in words]
    return names[: next((place for place, name in enumerate(names) if not name), len(names))]


def _loss(word: str) -> str:
    return f"train/{word}" if word.endswith("loss") else f"train/{word}_loss"


def _numbers(words: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """The first words as numbers by these names; none where one of them is no number."""
    try:
        return dict(zip(names, map(float, words), strict=False))
    except ValueError:
        return {}
