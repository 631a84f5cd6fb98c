"""The table that `spacy train` prints. Its losses are sums since the row before, its scores those of the dev set."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed
from tunekit.logs.log import Log
from tunekit.logs.printedtable import Names, tables
from tunekit.logs.tabular import records_log

NAME = "spacy"
DESCRIPTION = "spaCy's table of training (E, #, LOSS NER, ENTS_F, ..., SCORE)"

_SCORES = {"F": "f1", "P": "precision", "R": "recall", "ACC": "accuracy", "UAS": "uas accuracy", "LAS": "las accuracy"}
_CLOCKS = {"E": "epoch", "#": "step"}


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.9 if next(tables(lines, _is_header), None) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    notes: list[str] = []
    return records_log(_records(lines, notes), path, NAME, train, val, name=path.stem, notes=notes)


def _is_header(names: Names) -> bool:
    return names[:2] == ("E", "#") and any(name.startswith("LOSS ") for name in names)


def _records(lines: Iterable[str], notes: list[str]) -> Iterator[dict[str, float]]:
    for _, row in tables(lines, _is_header):
        record = {_told(name): value for name, value in row.items()}
        if not record.get("step"):
            notes.append("the losses at step 0 are of one batch alone, later ones sums over all since; left out")
            record = {name: value for name, value in record.items() if not name.startswith("LOSS ")}
        yield record


def _told(name: str) -> str:
    """`ENTS_F` as `dev ents f1`: the words that say what it is, for names.py."""
    if name in _CLOCKS or name.startswith(("LOSS ", "SPEED")):
        return _CLOCKS.get(name, name)
    owner, _, kind = name.rpartition("_")
    return " ".join(word for word in ("dev", owner.lower(), _SCORES.get(kind, kind.lower())) if word)
