"""Standard output as the program's own: for the life of a command, what others write to descriptor 1 goes to standard
error, so that what a script reads is ours alone."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

OUT, ERR = 1, 2


@contextmanager
def standard_output() -> Iterator[None]:
    """`sys.stdout` writes where descriptor 1 did, which becomes a copy of descriptor 2: for C code, for subprocesses
    and for the workers that inherit it. Afterwards all is as it was. Where `sys.stdout` is no file (it is closed, or a
    caller has put something else there) it stays as it is."""
    before = sys.stdout
    for number in (OUT, ERR):
        _opened(number)
    if not _is_descriptor(before):
        yield
        return
    before.flush()
    own = os.dup(OUT)
    os.dup2(ERR, OUT)
    ours = sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(own, "w")),
        encoding=before.encoding,
        errors="backslashreplace",  # for what a terminal's letters do not hold
        line_buffering=before.isatty(),
    )
    try:
        yield
    finally:
        for stream in (before, ours):  # what others left in the first goes to standard error
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os.dup2(own, OUT)
        sys.stdout = before
        with contextlib.suppress(OSError, ValueError):
            ours.close()


class _Output(io.FileIO):
    """A file that takes what nobody reads any more: `| head -1` has had enough, a terminal was closed. What the program
    does is not for its output alone, and goes on."""

    gone = False

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            self.gone = True
            return memoryview(data).nbytes


def is_read() -> bool:
    """Whether somebody still reads what is printed, as far as the last of it tells."""
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return not (isinstance(raw, _Output) and raw.gone)


def others_alone() -> None:
    """The program has said what it had to say: what is printed from now on, at the exit, goes to standard error."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
        os.dup2(ERR, OUT)
    sys.stdout = sys.stderr


def _is_descriptor(stream: object) -> bool:
    try:
        return stream.fileno() == OUT  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, OSError, ValueError):
        return False


def _opened(number: int) -> None:
    """A descriptor that the caller closed leads nowhere: a file that is opened next would have its number, and what
    others print in it."""
    if _identity(number) is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)


class Kept:
    """Standard output and error as they stand, while a person's code has them: what it prints goes to the second."""

    def __init__(self) -> None:
        self.streams = sys.stdout, sys.stderr
        self.identities = {number: _identity(number) for number in (OUT, ERR)}
        self.copies = {number: os.dup(number) for number, identity in self.identities.items() if identity is not None}
        sys.stdout = sys.stderr

    def put_back(self) -> bool:
        """Whether they were whole; what was closed is open again."""
        whole = True
        for number, copy in self.copies.items():
            if _identity(number) != self.identities[number]:
                os.dup2(copy, number)
                whole = False
            os.close(copy)
        sys.stdout, sys.stderr = self.streams
        if getattr(sys.stderr, "closed", False):
            sys.stderr = _written_to(ERR)
            whole = False
        return whole


def _identity(number: int) -> tuple[int, int] | None:
    """Of the file that a descriptor leads to; None where it is closed."""
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _written_to(number: int) -> TextIO:
    return open(number, "w", buffering=1, errors="backslashreplace", closefd=False)
