"""Where the studies of a run lie: its journal, or any Optuna storage by URL."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tunekit.studies.address import Address
from tunekit.vocabulary import UserError

SYNC_S = 1.0  # seconds between two syncs of the journal to the disk
DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, RecursionError)
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


def open_database(address: Address) -> BaseStorage:
    """Any Optuna storage by its address. Errors: UserError."""
    try:
        return RDBStorage(address.url)
    except Exception as error:  # each database's driver has its own
        raise UserError(f"--storage {address.shown}: cannot be opened: {driver_said(address, error)}") from None


def driver_said(address: Address | None, error: Exception) -> str:
    """Of what Optuna says, the database's own words, in one line and without secrets."""
    text = str(error.__cause__ or error).strip().partition("\n")[0]
    return text if address is None else address.without_secrets(text)


def open_journal(journal: Path, tell: Callable[[str], object] | None = None) -> BaseStorage:
    """The run's journal. One that is damaged is kept beside it, and another one begun, of which `tell` is told; where
    there is none it is refused. To be called under the run's lock. Errors: UserError."""
    try:
        try:
            if journal.exists() and journal.stat().st_nlink > 1:
                raise UserError(f"{journal}: has another name elsewhere (a hard link): replace it by a copy of its own")
            _drop_torn_line(journal)
            return JournalStorage(Journal(journal))
        except DAMAGE:
            if tell is None:
                raise damaged(journal) from None
            kept = _put_aside(journal)
        storage = JournalStorage(Journal(journal))
    except OSError as error:
        raise UserError(f"{journal}: cannot be opened: {error.strerror}") from None
    tell(
        f"{journal.name} was damaged: it is kept as {kept.name}, and filled anew from the trainings, which are whole "
        "(trials that you added yourself are in that file alone)"
    )
    return storage


def _put_aside(journal: Path) -> Path:
    """Give a damaged journal a name that no file has."""
    names = (f"{journal.name}.damaged{f'-{number}' if number else ''}" for number in count())
    kept = next(path for name in names if not (path := journal.with_name(name)).exists())
    return journal.rename(kept)


NOT_FOUND = ("Record does not exist.",)  # what Optuna's storages say of a study or trial that is gone


@contextmanager
def in_one_line(address: Address | None = None) -> Iterator[None]:
    """What a storage raises while a step works with it; `address`: of a database. Errors: UserError."""
    try:
        yield
    except OptunaError as error:
        why = driver_said(address, error)
    except KeyError as error:
        if error.args != NOT_FOUND:
            raise
        why = "a study or a trial was deleted meanwhile"
    else:
        return
    raise UserError(f"the studies: {why}; give the same command again: nothing that was finished is lost")


def damaged(journal: Path) -> UserError:
    return UserError(
        f"{journal}: is damaged; the next command that goes on with the run keeps it under another name and fills the "
        "studies anew from the trainings"
    )


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a kill left of a last line: the next record would be written behind it, on the same line. Errors:
    ValueError, RecursionError where the last whole line is damaged, which Optuna takes for one that is being written.
    """
    try:
        with journal.open("rb+") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                file.truncate(end)
    except FileNotFoundError:
        return
    if end:
        json.loads(data[data.rfind(b"\n", 0, end - 1) + 1 : end])


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
