"""Dictionaries of numbers among other output: Hugging Face Trainer's, fairseq's. Files of JSON lines are elsewhere."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.forms import Found, Layouts
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.readers.huggingface import points
from tunekit.logs.tabular import records_log

NAME = "dictionaries"
DESCRIPTION = "printed dictionaries ({'loss': 0.5, 'epoch': 0.1} of Hugging Face Trainer, JSON objects of fairseq)"

LEAST = 2
"""Dictionaries with a loss or a metric and a place that make a text a log of them."""

BEGINNING = 20
"""Dictionaries by which it is told whether each is printed twice."""

_DICTIONARY = re.compile(r"\{\s*+['\"][^{}\r\n]*+\}")
_ITEM = re.compile(
    r"(?P<quote>['\"])(?P<key>[^'\"{}]{1,200}+)(?P=quote)\s*+:\s*+"
    rf"(?:(?:np\.|numpy\.)?+(?:float|int|tensor|array)\d*+\()?+['\"]?+(?P<number>{printed.NUMBER})['\"]?+(?=\s*+[,)}}])"
)


def recognise(path: Path) -> float:
    score = printed.recognise(path, knows)
    return min(score, 0.35) if source.is_document(source.head(path)) else score


def knows(lines: Sequence[str]) -> float:
    count = len(list(islice(_records(lines), LEAST)))
    return 0.6 if count == LEAST else 0.4 if count else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    notes: list[str] = []
    return records_log(points(_once(_records(lines)), notes), path, NAME, train, val, name=path.stem, notes=notes)


def _once(records: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    """The records, each once where two callbacks or handlers print it, if not with the same further keys."""
    first = list(islice(records, BEGINNING))
    said = [_said(record) for record in first]
    copies = sum(one == other for one, other in pairwise(said))
    doubled = 3 * copies >= len(said) and any(one != other for one, other in pairwise(said))
    last: dict[str, object] = {}
    for record in chain(first, records):
        if doubled and last and _said(record) == _said(last):
            last = {}
        else:
            last = record
            yield record


def _said(record: dict[str, object]) -> dict[str, object]:
    """What two prints of one record have in common."""
    return {key: value for key, value in record.items() if part(key).kind in ("loss", "epoch", "step")}


def _records(lines: Iterable[str]) -> Iterator[dict[str, object]]:
    """The dictionaries that say where the training stands and how it goes; others are settings or reports."""
    layouts = Layouts(_items)
    for line in lines:
        if "{" not in line:
            continue
        for match in _DICTIONARY.finditer(source.plain(line)):
            record: dict[str, object] = {**layouts.numbers(match[0])}
            kinds = {part(key).kind for key in record}
            if kinds & {"step", "epoch"} and kinds & {"loss", "score", "error"}:
                yield record


def _items(dictionary: str) -> Found:
    items = (item for item in _ITEM.finditer(dictionary) if item["key"].strip())
    return ((item["key"], item.span("key"), item.span("number")) for item in items)
