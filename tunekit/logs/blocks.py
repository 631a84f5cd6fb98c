"""Tables in printed text of one name and one number a line, a table a step, as reinforcement learning prints them."""

from __future__ import annotations

import re

from tunekit.logs.names import EPOCH_NAMES, split
from tunekit.logs.printed import NUMBER

Record = dict[str, float]

LEAST = 3
"""Numbers that make a table."""

_RULE = re.compile(r"[|+\s]*+[-=\u2500\u2501]{3,}+[-=|+\s\u2500-\u257f]*+$")
_FRAME = re.compile(r"\s*+-{5,}+ {2,}+-{3,}+\s*+$")
_ROW = re.compile(r"\s*+(?P<name>[A-Za-z](?:[^\s|]| (?! ))*+) {2,}+(?P<number>\S++)\s*+$")
_NUMBER = re.compile(rf"{NUMBER}$")
_STEPS = frozenset(
    ("total_timesteps", "timesteps", "totalenvinteracts", "total_env_interacts", "total_env_steps", "total_num_steps")
)


class Blocks:
    """The table that is not over. The first of its kind waits for a second: one alone holds settings or results."""

    def __init__(self) -> None:
        self.record: Record = {}
        self.section = ""
        self.framed = False  # between two rules with a gap, as tabulate's plain tables have them
        self.waiting: Record | None = None
        self.names: frozenset[str] = frozenset()

    def row(self, text: str) -> list[Record] | None:
        """What a line adds: the tables that are complete with it; None for a line of no table."""
        begins = text.lstrip()[:1]
        cells = text.split("|") if begins == "|" else []
        if len(cells) == 4 and not cells[0].strip() and not cells[3].strip():
            self._add(cells[1].strip(), cells[2].strip(), indented=cells[1][:2] == "  ")
            return []
        if begins == "-" and _FRAME.match(text):
            self.framed = not self.framed
            return self._over()
        if self.framed and (row := _ROW.match(text)):
            self._add(row["name"], row["number"], indented=False)
            return []
        self.framed = False
        return self._over() if self.record and _RULE.match(text) else None

    def _add(self, name: str, cell: str, indented: bool) -> None:
        if not cell and name.endswith("/"):
            self.section = name
            return
        if name and _NUMBER.match(cell):
            self.record[_told(f"{self.section if indented else ''}{name}")] = float(cell)

    def _over(self) -> list[Record]:
        record, self.record, self.section = self.record, {}, ""
        if len(record) < LEAST:
            return []
        names = frozenset(record)
        again = 2 * len(names & self.names) >= min(len(names), len(self.names))
        self.names |= names
        if not again:
            self.waiting, self.names = record, names
            return []
        first, self.waiting = self.waiting, None
        return [record] if first is None else [first, record]

    def rest(self) -> list[Record]:
        """The table that nothing follows."""
        return self._over()


def _told(name: str) -> str:
    """A name, that of a clock without its section."""
    words = "_".join(split(name.rpartition("/")[2]))
    if words in _STEPS:
        return "step"
    return "epoch" if words in EPOCH_NAMES else name
