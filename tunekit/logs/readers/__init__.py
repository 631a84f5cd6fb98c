"""The log readers, one module a format, found by looking into this package. Searching folders is in ../search.py."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from tunekit.logs.log import Log
from tunekit.logs.printed import Printed

FAINT = 0.05
"""A score up to which a file is read only where it is given itself: it may hold numbers, as most files of its kind
do not."""


class Reader(Protocol):
    """What every module here offers (tests/logs/test_logs_readers.py holds each to it).

    `recognise` is cheap (a name and the first kilobytes) and never raises: 0 for a stranger, up to 1 for a path
    that can be nothing else; above 0 for a folder means that the reader reads the folder as a whole.
    `read` gives a log a run. It raises UserError alone, whatever the file holds; a file of its format that holds
    no numbers is a Log without points.
    """

    NAME: str
    DESCRIPTION: str

    def recognise(self, path: Path) -> float: ...

    def read(self, path: Path, train: str | None = None, val: str | None = None) -> list[Log]: ...


@cache
def readers() -> dict[str, Reader]:
    """Every reader by its name."""
    modules = [
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
        if not info.name.startswith("_")
    ]
    return {module.NAME: cast(Reader, module) for module in modules}


def printed_readers() -> dict[str, Printed]:
    """The readers of printed lines by name."""
    return {name: cast(Printed, reader) for name, reader in readers().items() if hasattr(reader, "read_lines")}
