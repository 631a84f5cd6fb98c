"""The studies of a run, read while others may be writing them. Writes nothing: no byte, no file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tunekit.studies.address import Address
from tunekit.studies.storage import DAMAGE, damaged, driver_said
from tunekit.vocabulary import UserError

SETTLED_S = 2.0  # age from which a file's time tells two writes apart: some file systems count in seconds


@dataclass(frozen=True)
class Snapshot:
    """A study as it stood when it was read. `trials`: Optuna's own, by number, not to be changed."""

    name: str
    study_id: int
    directions: list[StudyDirection]
    user_attrs: Mapping[str, Any]
    system_attrs: Mapping[str, Any]
    trials: list[FrozenTrial]


class Reader:
    """The studies of a run, read while others may be writing them. `prefix`: of their names in the storage."""

    def __init__(self, journal: Path, address: Address | None = None, prefix: str = "") -> None:
        self._journal, self._address, self._prefix = journal, address, prefix
        self._storage: BaseStorage | None = None
        self._seen: tuple[int, ...] | None = None

    def forget(self) -> None:
        """The next call reads, whether anything was written or not."""
        self._seen = None

    def studies(self) -> list[Snapshot] | None:
        """All of them, or None where nothing was written since the last call. Errors: UserError."""
        if self._address is None and not self._journal.exists():
            return None  # nothing was told yet, or the run was removed
        stamp = self._stamp()
        if stamp is not None and stamp == self._seen:
            return None
        try:
            studies = self._read()
        except _ReplacedError:
            self._storage = None
            return self.studies()
        except OSError as error:
            raise UserError(f"{self._journal}: cannot be read: {error.strerror}") from None
        except UserError:
            self._storage = None
            raise
        self._seen = stamp
        return studies

    def _read(self) -> list[Snapshot]:
        address = self._address
        if address is not None:
            try:
                return self._snapshots(RDBStorage(_read_only(address), skip_table_creation=True))
            except Exception as error:  # each database's driver has its own
                raise UserError(f"{address.shown}: cannot be read: {driver_said(address, error)}") from None
        try:
            if self._storage is None:
                self._storage = JournalStorage(_JournalToRead(self._journal))
            return self._snapshots(self._storage)
        except DAMAGE:
            raise damaged(self._journal) from None

    def _snapshots(self, storage: BaseStorage) -> list[Snapshot]:
        snapshots = []
        for study in storage.get_all_studies():
            if study.study_name.startswith(self._prefix):
                name = study.study_name.removeprefix(self._prefix)
                with suppress(KeyError):  # deleted in this moment
                    trials = storage.get_all_trials(study._study_id, deepcopy=False)
                    attrs = study.user_attrs, study.system_attrs
                    snapshots.append(Snapshot(name, study._study_id, study.directions, *attrs, trials))
        return snapshots

    def _stamp(self) -> tuple[int, ...] | None:
        """Other numbers once the studies were written to; None where no file tells: of a server, and right after a
        write, for another one may have the same time by the file's clock."""
        file = self._journal if self._address is None else self._address.file
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


def _read_only(address: Address) -> str:
    """The URL with which SQLite writes nothing: it would make a file that is missing. Others as they are."""
    if address.file is None:
        return address.url
    scheme, _, path = address.url.partition(":///")
    options = path.partition("?")[2]
    # Quoted twice: once for SQLite's own file: address, once for the URL that it stands in.
    file = quote(quote(str(address.file)), safe="/")
    return f"{scheme}:///file:{file}?{f'{options}&' if options else ''}mode=ro&uri=true"
