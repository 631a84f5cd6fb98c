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
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tunekit.vocabulary import UserError

SYNC_S = 1.0  # seconds between two syncs of the journal to the disk
MASK = "***"  # in place of a password


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna tells of its studies on the screen, where it is not asked to stay quiet; as it was before, afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def absolute(url: str) -> str:
    """The URL of a SQLite file as it is known from every folder; others as they are."""
    scheme, found, path = url.partition(":///")
    if not found or not scheme.startswith("sqlite") or not path or path[0] in "/:":
        return url
    return f"{scheme}:///{Path(path).resolve()}"


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
    for stale in journal.parent.glob(f"{journal.name}.lock*"):
        # A process killed inside a write leaves its lock behind; only the owner of the run writes, and that is us.
        stale.unlink(missing_ok=True)
    _drop_torn_line(journal)
    try:
        return JournalStorage(_Journal(journal))
    except ValueError:
        raise UserError(
            f"{journal}: is damaged; remove it and give the same command again: the trainings are kept, so the studies "
            "fill anew without training"
        ) from None
    except OSError as error:
        raise UserError(f"{journal}: cannot be opened: {error.strerror}") from None


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a kill left of a last line: the next record would be written behind it, on the same line."""
    try:
        with journal.open("rb+") as file:
            data = file.read()
            if data and not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)
    except FileNotFoundError:
        return


class _Journal(JournalFileBackend):
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
