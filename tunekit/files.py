"""Files that others may have left: opened where they are regular files, in folders that lead nowhere else."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from tunekit.jsondata import is_deep


def open_regular(path: Path) -> BinaryIO:
    """A regular file, to be read. A pipe without a writer would be waited for, and a device may have no end.

    Errors: OSError; its strerror is for a person.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # asked first, for opening a device can do something
        raise _not_regular(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # another one by now
        os.close(descriptor)
        raise _not_regular(path)
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most `most` bytes. Errors: OSError."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"is larger than {most / 1e6:,.0f} MB", str(path))
    return data


def read_json(path: Path, most: int) -> Any:
    """What a regular file of at most `most` bytes says. Errors: OSError; ValueError for what is no JSON."""
    try:
        data = json.loads(read_regular(path, most))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if is_deep(data):
        raise ValueError("nested too deeply")
    return data


def way_out(folder: Path) -> Path | None:
    """The first thing below a folder through which what is read or written there would reach elsewhere: a link that
    leaves it, or what is neither file nor folder. None where there is none. Errors: OSError."""
    root = os.path.realpath(folder)
    waiting = [root]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and _leads_out(entry.path, root):
                        return Path(entry.path)
        except FileNotFoundError:
            if place == root:
                raise  # else its owner has removed it meanwhile
    return None


def leads_out(folder: Path) -> str:
    """What `way_out` finds, as a sentence that names it and what to do; nothing where it finds nothing. Errors:
    OSError."""
    way = way_out(folder)
    if way is None:
        return ""
    what = f"is a link to {way.readlink()}, outside the run" if way.is_symlink() else "is neither file nor folder"
    return f"{way}: {what}; remove it: nothing is read or written through it"


def _leads_out(path: str, root: str) -> bool:
    """Whether what is neither file nor folder is more than a link within the root."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False  # its owner has removed it meanwhile
    if stat.S_ISLNK(mode):  # realpath goes round a link to itself, where resolve() raises
        return not Path(os.path.realpath(path)).is_relative_to(root)
    return not stat.S_ISREG(mode)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "is no regular file", str(path))
