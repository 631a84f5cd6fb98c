"""What Keras prints while it fits: `Epoch 1/10` and the states of its bar. Files of its callbacks are elsewhere."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.log import Log
from tunekit.logs.printed import NUMBER
from tunekit.logs.tabular import records_log

NAME = "keras-output"
DESCRIPTION = "Keras output (`Epoch 1/10`, `249/249 [=====] - 19s - loss: 0.31 - val_loss: 0.42`)"

_EPOCH = re.compile(r"[\s>]*+Epoch (\d{1,9}+)/\d++(?=\s|$)")
_PLACE = re.compile(r"(?:^|\s)(\d++)/(\d++|Unknown) (?=[\[\u2501-])")
_SECONDS = re.compile(r"(?:^|\s)-? ?\d++s(?: \d++[mu]?s/\w++)? - ")
_ITEM = re.compile(rf" - (?P<name>[A-Za-z_][\w/.-]*+): (?P<value>{NUMBER})(?![\w.])")


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    return 0.7 if next(_records(lines, []), None) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log: a bar shows the mean over its epoch so far, so that its last state is the epoch's value."""
    notes: list[str] = []
    return records_log(_records(lines, notes), path, NAME, train, val, name=path.stem, notes=notes)


def _records(lines: Iterable[str], notes: list[str]) -> Iterator[dict[str, float]]:
    epoch: float | None = None
    record: dict[str, float] = {}
    over = validated = evaluates = False
    whole = 0
    for text in lines:
        if "Epoch" not in text and " - " not in text:
            evaluates = (evaluates and bool(record)) or text.startswith("Eval begin")  # Paddle's
            continue
        for state in source.plain(text).split("\r"):
            begun = _EPOCH.match(state)
            if begun:
                if record:
                    whole += 1
                    yield record
                epoch, record, over, validated, evaluates = float(begun[1]), {}, False, False, False
                state = state[begun.end() :]
            place = _PLACE.search(state)
            if epoch is None or " - " not in state or not (place or _SECONDS.search(state)):
                continue
            values = {item["name"]: float(item["value"]) for item in _ITEM.finditer(state)}
            if evaluates and over and not validated:
                record |= {f"val_{name}": value for name, value in values.items()}
                continue
            validates = any(name.startswith("val_") for name in values)
            if "loss" not in values or validated or (over and not validates):
                continue  # what is evaluated behind an epoch is none of it
            record = {"epoch": epoch, **values}
            validated = validates
            over = place is None or place[1] == place[2] or validates
    if record and (over or not whole or not math.isfinite(record["loss"])):
        yield record
    elif record:
        notes.append("the last epoch is not at its end; left out")
