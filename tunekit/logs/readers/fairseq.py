"""fairseq's output in its default format since 2017: parts between bars. Its JSON format is read as dictionaries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.forms import Found, Layouts
from tunekit.logs.log import Log
from tunekit.logs.printed import NUMBER
from tunekit.logs.tabular import records_log

NAME = "fairseq"
DESCRIPTION = "fairseq output (`| epoch 001 | loss 9.2 | ...`, `| epoch 001 | valid on 'valid' subset | loss 8.1`)"

LEAST = 2
"""Such lines that make a text a log of fairseq."""

_EPOCH = re.compile(r"\| epoch (?P<epoch>\d{1,9}+)(?::\s++(?P<batch>\d{1,9}+) / (?P<batches>\d{1,9}+))?(?=[\s|:])")
_ITEM = re.compile(rf"(?<=[\s|])(?:(?:train|valid) )?(?P<name>[a-z_]++)[ =](?P<value>{NUMBER})(?=\s*+(?:[|,(]|$))")
_NAMES = frozenset(("loss", "nll_loss", "ppl", "accuracy", "bleu", "lr"))


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.8 if len(list(islice(_records(lines), LEAST))) == LEAST else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log. Updates within an epoch stand at its fractions, under names of their own."""
    return records_log(_records(lines), path, NAME, train, val, name=path.stem)


def _records(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    layouts = Layouts(_items)
    for line in lines:
        if "| epoch " not in line:
            continue
        for state in source.shown([line]):
            said = layouts.numbers(state)
            batch, batches = said.pop("batch", 0.0), said.pop("batches", 0.0)
            if batches and said:
                said["epoch"] += batch / batches - 1
            if len(said) > 1:
                yield said


def _items(state: str) -> Found:
    """The place and the measures of a line with a loss; nothing in another, nor where it tells both splits' losses."""
    place = _EPOCH.search(state)
    if place is None:
        return
    items = [item for item in _ITEM.finditer(state, place.end() - 1) if item["name"] in _NAMES]
    if all(item["name"] != "loss" for item in items) or ("train loss" in state and "valid loss" in state):
        return
    for clock in ("epoch", "batch", "batches"):
        if place[clock]:
            yield clock, (0, 0), place.span(clock)
    side = "val" if re.search(r"\| valid", state) else "train"
    for item in items:
        name = f"{item['name']}_step" if place["batches"] else f"{side}_{item['name']}"
        yield name, item.span("name"), item.span("value")
