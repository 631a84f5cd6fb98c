"""What nanoGPT and build-nanogpt print: estimates of both losses every so often, single batches in between."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.log import Log
from tunekit.logs.tabular import records_log

NAME = "nanogpt"
DESCRIPTION = "nanoGPT output (`step 250: train loss 3.13, val loss 3.14`) and build-nanogpt log.txt (`250 val 3.2`)"

LEAST = 2
"""Such lines that make a text a log of nanoGPT."""

_NUMBER = r"([-+]?\d++(?:\.\d*+)?(?:e[-+]?\d++)?|nan|inf|-inf)"
_ESTIMATE = re.compile(rf"step (\d++): train loss {_NUMBER}(?:\s*+\w++)?, val loss {_NUMBER}")
_BATCH = re.compile(rf"iter (\d++): loss {_NUMBER}")
_BUILD = re.compile(rf"(\d++) (train|val|hella) {_NUMBER}$")


def recognise(path: Path) -> float:
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    stripped = [line.strip() for line in lines]
    known = sum(bool(_ESTIMATE.match(line) or _BATCH.match(line) or _BUILD.match(line)) for line in stripped)
    return 0.85 if known >= LEAST or any(_ESTIMATE.match(line) for line in stripped) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [read_lines(printed.lines(path), path, train, val)]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    """One log; the estimates over many batches are preferred to the losses of single ones."""
    records = (record for line in source.shown(lines) for record in _numbers(line.strip()))
    name = path.parent.parent.name if path.name == "output.log" else path.stem
    return records_log(records, path, NAME, train, val, name=name)


def _numbers(line: str) -> Iterator[dict[str, float]]:
    estimate, batch, build = _ESTIMATE.match(line), _BATCH.match(line), _BUILD.match(line)
    if estimate:
        yield {"step": float(estimate[1]), "train_loss": float(estimate[2]), "val_loss": float(estimate[3])}
    elif batch:
        yield {"step": float(batch[1]), "loss_step": float(batch[2])}
    elif build:
        name = {"train": "train_loss_step", "val": "val_loss", "hella": "val_accuracy"}[build[2]]
        yield {"step": float(build[1]), name: float(build[3])}
