"""Where an Optuna storage is, told without what opens it: user, password and options. Opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tunekit.files import read_regular
from tunekit.vocabulary import UserError

if TYPE_CHECKING:  # it takes a while to import, and most runs have a journal
    from sqlalchemy.engine import URL

MASK = "***"  # in place of a secret

MOST_BYTES = 10_000
"""Of a file that holds a URL."""

HOST = re.compile(r"[\w.-]*|[0-9A-Fa-f:.]+(%\w+)?")

DATABASE = re.compile(r"[\w./ -]*")
"""Of a server; that of SQLite is a file, whatever its name."""

OPTION = "TUNEKIT_STORAGE"
"""The variable of the environment that gives a storage where --storage does not."""


@dataclass(frozen=True)
class Address:
    """A storage. `url` opens it, and is neither shown nor kept; `shown` has driver, host and database alone, and opens
    it too where it is `complete`."""

    url: str = field(repr=False)
    shown: str
    complete: bool

    @property
    def file(self) -> Path | None:
        """The file of an SQLite storage; None of another one, or of one that is in SQLite's own words."""
        from sqlalchemy.engine import make_url

        return sqlite_file(make_url(self.shown))

    def without_secrets(self, text: str) -> str:
        """What a database's driver says, without what of the URL is not shown."""
        from sqlalchemy.engine import make_url

        url = make_url(self.url)
        secrets = [url.username, url.password, *(value for values in url.normalized_query.values() for value in values)]
        secrets += [quote(str(secret), safe="") for secret in secrets if secret]  # as it may have been typed
        for secret in sorted((str(secret) for secret in secrets if secret), key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", lambda _match: MASK, text)
        return text


def given_address(text: str) -> Address:
    """The storage that a person gives: a URL, or a file whose first line is one. Errors: UserError."""
    return read_address(text if "://" in text else _of_file(Path(text)))


def read_address(text: str) -> Address:
    """The storage that a URL means. Errors: UserError, which repeats nothing of a text that may hold a password."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        raise _unreadable() from None
    local = url.drivername.startswith("sqlite")
    # What looks like no host and no name of a database is likely part of a password that was cut in the middle.
    named = url.host is None if local else DATABASE.fullmatch(url.database or "")
    if not HOST.fullmatch(url.host or "") or not named:
        raise _unreadable()
    file = sqlite_file(url)
    if file is not None:
        url = url.set(database=str(file.resolve()))
        text = url.render_as_string(hide_password=False)
    shown = URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()
    secret = url.username or url.password or (url.query and not local)
    return Address(text, shown, complete=not secret)


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; None of another one, or of one that is in SQLite's own words (:memory:, file:)."""
    named = url.drivername.startswith("sqlite") and url.database and not url.database.startswith((":", "file:"))
    return Path(str(url.database)) if named else None


def _of_file(path: Path) -> str:
    try:
        lines = read_regular(path, MOST_BYTES).decode().strip().splitlines()
    except (OSError, ValueError):
        lines = []
    if not lines or "://" not in lines[0]:
        raise _unreadable()
    return lines[0].strip()


def _unreadable() -> UserError:
    return UserError(
        f"--storage (or {OPTION}): what was given is not shown, for it may hold a password; it must be "
        "driver://user:password@host/database or sqlite:///FILE, with @ : / ? # of a password written as "
        "%40 %3A %2F %3F %23, or a file whose first line is such a URL"
    )
