"""Any table with a header: comma, semicolon, tab, bar or blanks. Formats with a name of their own are elsewhere."""

from pathlib import Path

from tunekit.logs import delimited, source
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.objectives import names_return
from tunekit.logs.tabular import table_log

NAME = "csv"
DESCRIPTION = "any table with a header line (CSV, TSV, ...) and columns that name a loss or a return"


def recognise(path: Path) -> float:
    names = delimited.header(path)
    kinds = {part(name).kind for name in names}
    if kinds & {"loss"} or names_return(names) or any(part(name).kind == "error" and part(name).side for name in names):
        spaced = delimited.delimiter(source.first_lines(path, 1)[0]) == ""
        return 0.2 if spaced else 0.45
    return 0.15 if names and path.suffix.lower() in (".csv", ".tsv") else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    return [table_log(path, NAME, train, val, name=path.stem, strict=True)]
