"""Following a log that is being written: the diagnosis each time its verdict changes. Prints nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tunekit.diagnosis.judging import judge
from tunekit.diagnosis.verdict import Diagnosis
from tunekit.logs import source, stream
from tunekit.logs.log import Log
from tunekit.logs.search import read
from tunekit.vocabulary import UserError

POLL_S = 2.0  # between looks at the files' sizes and times
ENTRIES = 10_000  # files below a folder that are looked at


def follow(
    path: Path, format: str | None, train: str | None, val: str | None, idle_s: float, poll_s: float = POLL_S
) -> Iterator[tuple[Log, Diagnosis]]:
    """The first diagnosis and each that differs in its verdict, until nothing is written for `idle_s` seconds.

    A log that is not there yet, or that nothing can be read from yet, is waited for. Errors: UserError where the time
    is up and nothing was ever read.
    """
    if stream.is_stream(path):  # it ends once, and cannot be read again
        log = read(path, format, train, val)[0]
        yield log, judge(log)
        return
    last_code: str | None = None
    failure: UserError | None = None
    seen: tuple[tuple[str, int, int], ...] | None = None
    changed = time.monotonic()
    while True:
        now = _signature(path)
        if now != seen:
            seen, changed = now, time.monotonic()
            try:
                log = read(path, format, train, val)[0]
            except UserError as error:
                failure = error
            else:
                diagnosis = judge(log)
                if diagnosis.code != last_code:
                    last_code = diagnosis.code
                    yield log, diagnosis
        elif time.monotonic() - changed > idle_s:
            if last_code is None and failure is not None:
                raise failure
            return
        time.sleep(poll_s)


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the files of a log."""
    states = []
    for file in [path, *source.matching(path, "**/*")[:ENTRIES]]:
        try:
            state = file.stat()
        except (OSError, ValueError):
            continue  # it went away between being listed and being looked at, or was never there
        states.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(states)
