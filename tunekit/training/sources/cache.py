"""The one place for data that are downloaded: below the user's cache folder, for all recipes."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from tunekit.vocabulary import UserError

VARIABLE = "TUNEKIT_CACHE"
"""The environment variable that moves it."""
SILENCE_S = 60
"""Seconds after which a server that says nothing has no answer."""


def cache_folder() -> Path:
    """Where downloads lie; it need not exist."""
    from platformdirs import user_cache_path

    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().resolve() if given else user_cache_path("tunekit")


def downloaded(family: str, name: str, download: Callable[[Path], object]) -> Path:
    """The folder of a set, downloaded where it is not there yet: by one process at a time, and under its name only once
    it is whole. `download` fills an empty folder. Errors: UserError where the cache cannot be written, and its own."""
    from filelock import FileLock

    place = cache_folder() / family / name
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(f".{name}.lock"))
        lock.acquire()
    except OSError as error:
        raise UserError(
            f"data: {place.parent} cannot be written: {error.strerror or error}; {VARIABLE} names another folder"
        ) from None
    try:
        if place.is_dir():  # another process was first
            return place
        part = place.with_name(f".{name}.part")
        shutil.rmtree(part, ignore_errors=True)  # of one that was ended
        part.mkdir()
        silence = socket.getdefaulttimeout()
        socket.setdefaulttimeout(SILENCE_S)
        try:
            with redirect_stdout(sys.stderr):
                download(part)
            part.replace(place)
        finally:
            socket.setdefaulttimeout(silence)
            shutil.rmtree(part, ignore_errors=True)
    finally:
        lock.release()
    return place
