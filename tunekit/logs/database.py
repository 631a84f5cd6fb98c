"""SQLite files of anybody, opened so that nothing is written and nothing in them is run. Not what a table means."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from tunekit.logs import source
from tunekit.vocabulary import UserError

MARK = b"SQLite format 3\0"

CELL = 4_000_000
"""Bytes of the largest cell or row that is read."""

PIECE = 1_000_000
"""Bytes copied at once."""

Tables = Mapping[str, frozenset[str]]
"""Names of tables and of their columns."""


def tables(path: Path) -> Tables:
    """The ordinary tables of a database; none for what is no database or cannot be read."""
    if source.head(path)[: len(MARK)] != MARK:
        return {}
    return _tables(path, _state(path), _state(path.with_name(f"{path.name}-wal")))


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change; zeros for a file that is not there."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=64)
def _tables(path: Path, _state: tuple[int, int], _waiting: tuple[int, int]) -> Tables:
    try:
        with opened(path) as connection:
            return _columns(connection)
    except UserError:
        return {}


def _columns(connection: sqlite3.Connection) -> Tables:
    """Views, virtual tables and computed columns are left out: they would be run."""
    known = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    names = [str(name) for (name,) in known.fetchall()][:1000]
    columns: dict[str, frozenset[str]] = {}
    for name in names:
        rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,))
        columns[name] = frozenset(str(column) for (column,) in rows)
    return columns


def rows(path: Path, table: str, columns: tuple[str, ...], order: str = "") -> Iterator[tuple[object, ...]]:
    """The cells of a table's columns, None for a column that this version of the table has not.

    `order` is a column, or "" for the order of writing. Errors: UserError for a database that is damaged.
    """
    with opened(path) as connection:
        known = _columns(connection).get(table, frozenset())
        wanted = ", ".join(f'"{column}"' if column in known else "NULL" for column in columns)
        behind = f' ORDER BY "{order}"' if order in known else ""
        yield from connection.execute(f'SELECT {wanted} FROM "{table}"{behind}')


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading alone. What a running program has not yet moved into the file is read from a copy."""
    with contextlib.ExitStack() as stack:
        waiting = path.with_name(f"{path.name}-wal")
        if source.is_regular(waiting) and waiting.stat().st_size:
            path = _copy(path, waiting, stack.enter_context(tempfile.TemporaryDirectory(prefix="tunekit-")))
            how = "mode=rw"  # its own copy
        else:
            how = "mode=ro&immutable=1"
        with source.opened(path):  # a regular file that is not too large
            pass
        try:
            connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)
            stack.callback(connection.close)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL)
            connection.text_factory = lambda data: data.decode("utf-8", errors="replace")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            yield connection
        except (sqlite3.Error, OverflowError) as error:
            raise UserError(f"{path}: is no SQLite database that can be read ({error})") from error


def _copy(path: Path, waiting: Path, folder: str) -> Path:
    for file in (path, waiting):
        with source.opened(file) as original, Path(folder, file.name).open("wb") as copy:
            while piece := original.read(PIECE):
                copy.write(piece)
    return Path(folder, path.name)
