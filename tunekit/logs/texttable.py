"""Tables in printed text: a line of names, and rows of as many cells below it. Tables that are files: delimited.py."""

from __future__ import annotations

import re

from tunekit.logs.forms import FORMS, Form
from tunekit.logs.names import EPOCH_NAMES, part

_RULE = re.compile(r"[\s|+=\-─━:]++$")
_GAP = re.compile(r"\||\t++| {2,}+")
_NAME = re.compile(r"[A-Za-z][\w./@:()\-\[\] #%]{0,40}+$")
_NO_NAMES = re.compile(r"(?<![@:\d])\d++(?:\.\d|/\d|[eE%])|(?:^|[\s|(\[])\d|[=%,;]|: ")
"""What a line has that holds numbers or is a sentence, and a header has not."""

_COUNT = re.compile(r"(\d++)/\d++:?+$")
_NUMBER = re.compile(r"[-+]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+%?+$|[-+]?+(?:nan|inf)$", re.IGNORECASE)

CLOCKS = dict.fromkeys(EPOCH_NAMES, "epoch")

LEAST = 3
"""Names that make a header: two words with a gap between them are met in any message."""


class Table:
    """The header that holds, and the row that is not over: a progress bar may print it many times."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.nameless: set[Form] = set()  # forms of lines that are no header
        self.clock: dict[str, float] = {}
        self.row_so_far: dict[str, float] = {}

    def row(self, text: str, form: Form) -> list[dict[str, float]] | None:
        """What a line adds to a table: the records that are complete with it; None for a line of no table."""
        if "  " not in text and "\t" not in text and "|" not in text:
            return None
        if self.names and _RULE.match(text):
            return []
        if not self.names and form in self.nameless:
            return None
        before, bar, _ = text.partition("%|")
        bare = before.rstrip("0123456789").rstrip().rstrip(":") if bar else text
        names = _names(bare) if form not in self.nameless else []
        if names:
            complete = self.rest()
            self.names = names
            return complete
        if len(self.nameless) > FORMS:
            self.nameless.clear()
        self.nameless.add(form)
        if not self.names:
            return None
        cells = _cells(bare, len(self.names))
        record = {} if cells is None else self._record(cells)
        if not record:
            return None
        again = "%|" in text and record.get("epoch") == self.row_so_far.get("epoch")
        complete = [] if again else self.rest()
        self.row_so_far = record
        return complete

    def rest(self) -> list[dict[str, float]]:
        """The last row, which nothing follows."""
        record, self.row_so_far = self.row_so_far, {}
        return [record] if any(part(name).kind not in ("", "epoch", "step") for name in record) else []

    def _record(self, cells: list[str]) -> dict[str, float]:
        """The numbers of a row by name; without any where it is no row of this table."""
        record: dict[str, float] = {}
        for name, cell in zip(self.names, cells, strict=True):
            name = CLOCKS.get(name.lower(), name)
            counted = _COUNT.match(cell)
            if counted and name == "epoch":
                record["epoch"] = float(counted[1])
            elif _NUMBER.match(cell):
                record[name] = float(cell.rstrip("%"))
        if 2 * len(record) < len(cells) or not any(part(name).kind for name in record):
            return {}
        if "epoch" in record:
            self.clock = {"epoch": record["epoch"]}
        return self.clock | record


def _names(text: str) -> list[str]:
    """The names in a header; [] where a line is none."""
    if _NO_NAMES.search(text):
        return []
    names = [name.strip("() ") for name in _GAP.split(text) if name and not name.isspace()]
    if len(names) < LEAST or len(names) > 60 or not all(_NAME.match(name) for name in names):
        return []
    return names if any(part(name).kind in ("loss", "score", "error") for name in names) else []


def _cells(text: str, count: int) -> list[str] | None:
    """A row's cells, taken apart at its gaps or, where they are narrow, at every blank."""
    apart = [cell.strip() for cell in _GAP.split(text) if cell and not cell.isspace()]
    for cells in (apart, text.replace("|", " ").split()):
        if len(cells) == count:
            return cells
    return None
