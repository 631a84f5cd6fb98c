"""Where the studies of a run lie: its journal, or any Optuna storage by URL."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tunekit.vocabulary import UserError

SYNC_S = 1.0  # seconds between two syncs of the journal to the disk
SETTLED_S = 2.0  # age from which a file's time tells two writes apart: some file systems count in seconds
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
        return JournalStorage(Journal(journal))
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


@dataclass(frozen=True)
class Snapshot:
    """A study as it stood when it was read. `trials`: Optuna's own, by number, not to be changed; one that has ended is
    the same object the next time."""

    name: str
    study_id: int
    directions: list[StudyDirection]
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    trials: list[FrozenTrial]


class Reader:
    """The studies of a run, read while others may be writing them: not a byte is written, no file made, no lock taken.
    `prefix`: of the names of the run's studies in the storage."""

    def __init__(self, journal: Path, url: str | None = None, prefix: str = "") -> None:
        self._journal, self._url, self._prefix = journal, url, prefix
        self._storage: BaseStorage | None = None
        self._studies: dict[int, optuna.Study] = {}  # whose trials Optuna remembers once they have ended
        self._seen: tuple[int, ...] | None = None

    def forget(self) -> None:
        """The next call reads, whether anything was written or not."""
        self._seen = None

    def studies(self) -> list[Snapshot] | None:
        """All of them, or None where nothing was written since the last call. Errors: UserError."""
        if self._url is None and not self._journal.exists():
            return None  # nothing was told yet, or the run was removed
        stamp = self._stamp()
        if stamp is not None and stamp == self._seen:
            return None
        try:
            if self._storage is None:
                self._storage, self._studies = self._open(), {}
            studies = self._read(self._storage)
        except _ReplacedError:
            self._storage = None
            return self.studies()
        except Exception as error:
            self._storage = None
            raise UserError(self._what_is_wrong(error)) from None
        self._seen = stamp
        return studies

    def _open(self) -> BaseStorage:
        if self._url is None:
            return JournalStorage(_JournalToRead(self._journal))
        return RDBStorage(_read_only(self._url), skip_table_creation=True)

    def _read(self, storage: BaseStorage) -> list[Snapshot]:
        snapshots = []
        for study in storage.get_all_studies():
            if not study.study_name.startswith(self._prefix):
                continue
            try:
                opened = self._studies.get(study._study_id)
                if opened is None:
                    opened = optuna.load_study(study_name=study.study_name, storage=storage)
                self._studies[study._study_id] = opened
                trials = opened.get_trials(deepcopy=False)
            except KeyError:
                continue  # deleted in this moment
            self._check(storage, trials)
            name, directions = study.study_name.removeprefix(self._prefix), study.directions
            attrs = study.user_attrs, study.system_attrs
            snapshots.append(Snapshot(name, study._study_id, directions, *attrs, trials))
        return snapshots

    def _check(self, storage: BaseStorage, trials: list[FrozenTrial]) -> None:
        """SQLite gives the ids of a deleted study out again, to one that is made anew for example: what is remembered
        of them is then another study's."""
        if self._url is None or sqlite_file(self._url) is None:
            return
        for trial in (*trials[:1], *trials[-1:]):
            try:
                same = goes_on(trial, storage.get_trial(trial._trial_id))
            except KeyError:
                same = False
            if not same:
                raise _ReplacedError

    def _stamp(self) -> tuple[int, ...] | None:
        """Other numbers once the studies were written to; None where no file tells: of a server, and right after a
        write, for another one may have the same time by the file's clock."""
        file = self._journal if self._url is None else sqlite_file(self._url)
        if file is None:
            return None
        stamp: list[int] = []
        for written in (file, file.with_name(f"{file.name}-wal")):
            try:
                status = written.stat()
            except OSError:
                continue
            if time.time() - status.st_mtime < SETTLED_S:
                return None
            stamp += [status.st_ino, status.st_size, status.st_mtime_ns]
        return tuple(stamp)

    def _what_is_wrong(self, error: Exception) -> str:
        if isinstance(error, OSError):
            return f"{self._journal}: cannot be read: {error.strerror}"
        if self._url is not None:
            cause = error.__cause__ or error  # of what Optuna says, the database's own words
            return f"{masked(self._url)}: cannot be read: {str(cause).partition(chr(10))[0]}"
        return (
            f"{self._journal}: is damaged; remove it and give the run's command again: the trainings are kept, so the "
            "studies fill anew without training"
        )


class _ReplacedError(Exception):
    """The studies are others by now: what was read does not go on."""


def goes_on(before: FrozenTrial, trial: FrozenTrial) -> bool:
    """Whether a trial is what became of one before. One that has ended does not change."""
    return before is trial or (
        before._trial_id == trial._trial_id
        and before.datetime_start in (None, trial.datetime_start)
        and before.datetime_complete in (None, trial.datetime_complete)
        and before.distributions.items() <= trial.distributions.items()
    )


class _JournalToRead(BaseJournalBackend):
    """A journal that is read on, from where the last call ended, by one JournalStorage. What stands behind its last
    whole line is being written, or was left by a kill."""

    def __init__(self, path: Path) -> None:
        self._path, self._end, self._last = path, 0, b""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # noqa: ARG002 # that is where it ended
        with self._path.open("rb") as file:
            file.seek(self._end - len(self._last))
            if file.read(len(self._last)) != self._last:
                raise _ReplacedError
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._end, self._last = self._end + len(line), line
                yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise NotImplementedError("a journal to be read")


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None of another one, or of one that is in SQLite's own words (:memory:, file:)."""
    scheme, found, path = url.partition(":///")
    file = path.partition("?")[0]
    named = found and scheme.startswith("sqlite") and file and not file.startswith((":", "file:"))
    return Path(file) if named else None


def _read_only(url: str) -> str:
    """The URL with which SQLite writes nothing: it would make a file that is missing. Others as they are."""
    file = sqlite_file(url)
    if file is None:
        return url
    scheme, _, path = url.partition(":///")
    options = path.partition("?")[2]
    return f"{scheme}:///file:{quote(str(file))}?{f'{options}&' if options else ''}mode=ro&uri=true"
