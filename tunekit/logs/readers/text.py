"""Plain text of no known tool: whatever a training script printed. JSON and tables are elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tunekit.logs import printed, source
from tunekit.logs.evaluations import EVALUATION
from tunekit.logs.foreign import is_foreign
from tunekit.logs.log import Log
from tunekit.logs.textlog import as_records, lines_log
from tunekit.vocabulary import UserError

NAME = "text"
DESCRIPTION = "plain text logs (lines such as `Epoch 3: train loss 0.31, val loss 0.42`)"

SUFFIXES = (".log", ".txt", ".out", ".err", "")

MEASURES = (
    *("loss", "acc", "err", "nll", "perplexity", "ppl", "entropy", "cost", "score", "mse", "train"),
    *("total", "reward", "return", "episode", "g_", "d_"),
)
"""In the text of every log one of these is found."""

LEAST = 2
"""Lines with a loss or a metric among the first and last kilobytes that make a text a training log."""


def recognise(path: Path) -> float:
    if path.suffix.lower() not in SUFFIXES and not path.suffix[1:].isdigit():
        return 0.0
    if printed.message_key(path):  # surer than that the objects themselves are a log
        return 1.5 * printed.recognise(path, knows)
    if source.head(path).lstrip()[:1] in (b"{", b"<") and source.first_record(path) is not None:
        return 0.0
    return printed.recognise(path, knows)


def knows(lines: Sequence[str]) -> float:
    if not any(word in line.lower() for line in lines for word in MEASURES) and not any(map(is_foreign, lines)):
        return 0.0
    records = (record for record in as_records(source.states(lines)) if set(record) - {"epoch", "step", "lr"})
    count = len(list(islice(records, LEAST)))
    return 0.3 if count >= LEAST else 0.12 if count or _one_bar(lines) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log; UserError where nothing in the text reads as a loss or a metric."""
    log = read_lines(printed.lines(path), path, train, val)
    if _longest(log) <= 1:  # one bar for the whole training, whose states are its log
        states = lines_log(_states(printed.lines(path)), path, NAME, train, val)
        if _longest(states) > LEAST:
            return [replace(states, notes=(*states.notes, "one progress bar: each of its states counts"))]
    if not log.points and not any(metric.train for metric in log.metrics):
        if EVALUATION in log.notes:
            raise UserError(f"{path}: {EVALUATION}")
        raise UserError(
            f"{path}: no line reads as a loss or a metric; log lines such as 'epoch 3 train loss 0.31 val loss 0.42'"
        )
    return [log]


def read_lines(lines: Iterable[str], path: Path, train: str | None = None, val: str | None = None) -> Log:
    return lines_log(source.states(lines), path, NAME, train, val)


def _longest(log: Log) -> int:
    """Points of the longest of its curves."""
    curves = (log.train, log.val, *(metric.val for metric in log.metrics))
    return max((len(curve.x) for curve in curves if curve is not None), default=0)


def _one_bar(lines: Sequence[str]) -> bool:
    return any(line.count("\r") > LEAST for line in lines)


def _states(lines: Iterable[str]) -> Iterator[str]:
    """The states of progress bars as lines with their place as a step; of one place the last state."""
    for line in lines:
        last, step = "", 0
        for state in source.plain(line).split("\r"):
            place = source.bar_place(state)
            if place is None:
                continue
            if last and place[0] != step:
                yield f"step {step}: {last}"
            last, step = state, place[0]
        if last:
            yield f"step {step}: {last}"
