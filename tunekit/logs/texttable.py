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

_LOGGED = re.compile(r"[^A-Za-z]*+(?:INFO|DEBUG)\b[^\w\s]*+(?:\s++-\s)?+")
_COMMAS = re.compile(r"(?:[A-Za-z][\w./@:()\- ]{0,40}+|(?=,))(?:,\"?+[A-Za-z][\w./@:()\- ]{0,40}+\"?+){2,}+\s*+$")

_COUNT = re.compile(r"(\d++)/\d++:?+$")
_NUMBER = re.compile(r"[-+]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+%?+$|[-+]?+(?:nan|inf)$", re.IGNORECASE)

_PARTS = re.compile(r"\[((?:\s*+[-+]?+\d++(?:\.\d*+)?+(?:[eE][-+]?\d++)?+\s*+(?:,(?=[^\]])|(?=\])))++)\]$")
"""`[1.26e+00, 8.40e-01]`: the weighted terms of a loss."""

CLOCKS = dict.fromkeys(EPOCH_NAMES, "epoch") | {"batch": "step"}

LEAST = 3
"""Names that make a header: two words with a gap between them are met in any message."""


class Table:
    """The header that holds, and the row that is not over: a progress bar may print it many times."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.commas = False  # between the cells
        self.nameless: set[Form] = set()  # forms of lines that are no header
        self.clock: dict[str, float] = {}
        self.row_so_far: dict[str, float] = {}

    def row(self, text: str, form: Form) -> list[dict[str, float]] | None:
        """What a line adds to a table: the records that are complete with it; None for a line of no table."""
        if "  " not in text and "\t" not in text and "|" not in text and text.count(",") < LEAST - 1:
            return None
        if "INFO" in text and (logged := _LOGGED.match(text)):
            text = text[logged.end() :]
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
            self.commas = _COMMAS.match(bare) is not None
            return complete
        if len(self.nameless) > FORMS:
            self.nameless.clear()
        self.nameless.add(form)
        if not self.names:
            return None
        cells = _cells(bare, len(self.names), self.commas)
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
            if counted and part(name).kind in ("epoch", "step"):
                record[name] = float(counted[1])
            elif _NUMBER.match(cell):
                record[name] = float(cell.rstrip("%"))
            elif part(name).kind == "loss" and (parts := _PARTS.match(cell)):
                record[name] = sum(map(float, parts[1].split(",")))
        if 2 * len(record) < len(cells) or not any(part(name).kind for name in record):
            return {}
        if "epoch" in record:
            self.clock = {"epoch": record["epoch"]}
        return self.clock | record


def _names(text: str) -> list[str]:
    """The names in a header; [] where a line is none."""
    commas = _COMMAS.match(text) is not None
    if not commas and _NO_NAMES.search(text):
        return []
    pieces = text.split(",") if commas else [name for name in _GAP.split(text) if name and not name.isspace()]
    names = [name.strip('() "') for name in pieces]
    if commas and not names[0]:  # the index that pandas writes
        names[0] = "epoch" if "epoch" not in map(str.lower, names) else "index"
    if len(names) < LEAST or len(names) > 60 or not all(_NAME.match(name) for name in names):
        return []
    if any(part(name).kind in ("loss", "score", "error") for name in names):
        return names
    if part(names[0]).kind == "epoch" and "total" in names:  # of a detector's losses, which are named by their part
        return ["total_loss" if name == "total" else name for name in names]
    return []


def _cells(text: str, count: int, commas: bool) -> list[str] | None:
    """A row's cells, taken apart at its gaps or, where they are narrow, at every blank."""
    if commas:
        cells = [cell.strip(' "') for cell in text.split(",")]
        return cells if len(cells) == count and all(not cell or _NUMBER.match(cell) for cell in cells) else None
    apart = [cell.strip() for cell in _GAP.split(text) if cell and not cell.isspace()]
    for cells in (apart, text.replace("|", " ").split()):
        if len(cells) == count:
            return cells
    return None
