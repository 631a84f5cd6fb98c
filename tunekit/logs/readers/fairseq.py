"""fairseq's output in its default format since 2017: parts between bars. Its JSON format is read as dictionaries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tunekit.logs import printed, source
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
    for line in lines:
        place = _EPOCH.search(line) if "| epoch " in line else None
        if place is None:
            continue
        for state in source.shown([line]):
            place = _EPOCH.search(state)
            if place is None:
                continue
            rest = state[place.end() - 1 :]
            said = {item["name"]: float(item["value"]) for item in _ITEM.finditer(rest) if item["name"] in _NAMES}
            if "loss" not in said or ("train loss" in rest and "valid loss" in rest):
                continue
            epoch = float(place["epoch"])
            if place["batches"]:
                inside = float(place["batch"]) / max(1.0, float(place["batches"]))
                yield {"epoch": epoch - 1 + inside, **{f"{name}_step": value for name, value in said.items()}}
            else:
                side = "val" if re.search(r"\| valid", state) else "train"
                yield {"epoch": epoch, **{f"{side}_{name}": value for name, value in said.items()}}
