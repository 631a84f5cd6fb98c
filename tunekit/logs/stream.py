"""What can be read only once, standard input and named pipes: copied into a file that is read like any other."""

from __future__ import annotations

import contextlib
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tunekit.logs import source
from tunekit.vocabulary import UserError

STDIN = Path("-")

PIECE = 1_000_000
"""Bytes copied at once."""


def is_stream(path: Path) -> bool:
    """Whether a path given by a person is standard input or a pipe; one found by searching is never read."""
    try:
        return path == STDIN or stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def spooled(path: Path) -> Iterator[Path]:
    """A temporary copy of all that a stream gives, under its name and that of its folder, which readers look at.

    Errors: UserError where it cannot be read or gives more than a log has.
    """
    with tempfile.TemporaryDirectory(prefix="tunekit-") as folder:
        place = Path("stdin", "stdin") if path == STDIN else path.absolute()
        copy = Path(folder, place.parent.name, place.name)
        try:
            copy.parent.mkdir(exist_ok=True)
            with _opened(path) as stream, copy.open("wb") as file:
                length = 0
                while piece := stream.read(PIECE):
                    length += len(piece)
                    if length > source.LIMIT:
                        raise UserError(f"{path}: gives more than the {source.LIMIT / 1e9:.1f} GB that a log has")
                    file.write(piece)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
        yield copy


def _opened(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    if path != STDIN:
        return path.open("rb")
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return contextlib.nullcontext(sys.stdin.buffer)
