"""Where the studies of a run lie: its journal, or any Optuna storage by URL."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tunekit.vocabulary import UserError

SYNC_S = 1.0  # seconds between two syncs of the journal to the disk
MASK = "***"  # in place of a password
DAMAGE = (ValueError, TypeError, KeyError, AttributeError, AssertionError)
"""What Optuna raises at a journal's line that is none of its own."""


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna tells of its studies on the screen, where it is not asked to stay quiet; as it was before, afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None of another one, or of one that is in SQLite's own words (:memory:, file:)."""
    scheme, found, path = url.partition(":///")
    file = path.partition("?")[0]
    named = found and scheme.startswith("sqlite") and file and not file.startswith((":", "file:"))
    return Path(file) if named else None


def absolute(url: str) -> str:
    """The URL of a SQLite file as it is known from every folder; others as they are."""
    file = sqlite_file(url)
    return url if file is None else url.replace(str(file), str(file.resolve()), 1)


def masked(url: str) -> str:
    """The URL without its password: what may be shown and kept."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return url
    return url.replace(f":{password}@", f":{MASK}@", 1) if password else url


def open_storage(journal: Path, url: str | None = None) -> BaseStorage:
    """The run's journal, or any Optuna storage by URL. To be called under the run's lock. Errors: UserError."""
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:
            raise UserError(f"--storage {masked(url)}: cannot be opened: {str(error).splitlines()[0]}") from None
    _drop_torn_line(journal)
    try:
        return JournalStorage(Journal(journal))
    except DAMAGE:
        raise damaged(journal) from None
    except OSError as error:
        raise UserError(f"{journal}: cannot be opened: {error.strerror}") from None


NOT_FOUND = ("Record does not exist.",)  # what Optuna's storages say of a study or trial that is gone


@contextmanager
def in_one_line() -> Iterator[None]:
    """What a storage raises while a step works with it. Errors: UserError."""
    try:
        yield
    except OptunaError as error:
        cause = error.__cause__ or error  # of what Optuna says, the database's own words
        why = str(cause).partition("\n")[0]
    except KeyError as error:
        if error.args != NOT_FOUND:
            raise
        why = "a study or a trial was deleted meanwhile"
    else:
        return
    raise UserError(f"the studies: {why}; give the same command again: nothing that was finished is lost")


def damaged(journal: Path) -> UserError:
    return UserError(
        f"{journal}: is damaged; move it away and give the run's command again: the trainings are kept, so the studies "
        "fill anew without training (trials that you added yourself are in that file alone)"
    )


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a kill left of a last line: the next record would be written behind it, on the same line."""
    try:
        with journal.open("rb+") as file:
            data = file.read()
            if data and not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)
    except FileNotFoundError:
        return


class Journal(JournalFileBackend):
    """Optuna's journal file, synced once a second where Optuna syncs each entry, which takes most of a trial's time. A
    power cut may take entries of the last seconds: they are made again from the stored trainings. An entry is a single
    appended write, so that those of another program (the dashboard's notes) cannot come between."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._synced = path, 0.0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()
