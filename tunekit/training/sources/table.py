"""A table in a file, one row a sample."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tunekit.files import open_regular
from tunekit.training.sources.parts import Parts, tensors, why
from tunekit.vocabulary import UserError


def table(
    path: Path,
    target: str | list[str],
    features: list[str] | None = None,
    groups: str | None = None,
    standardize: bool = True,
    standardize_target: bool = False,
) -> Parts:
    """A .csv file with a header: numeric feature columns and one or several target columns."""
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, encoding="utf-8") as file:
            header = [name.strip().strip('"') for name in file.readline().split(",")]
            lines = file.readlines()
        if not any(line.strip() for line in lines):
            raise UserError(f"data.args.path: {path} is empty: a header and rows of numbers are needed")
        uneven = _uneven(lines, len(header))
        if uneven:
            raise ValueError(uneven)
        body = np.genfromtxt(lines, delimiter=",", dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise UserError(f"data.args.path: {path} cannot be read as a table: {why(error)}") from None
    targets = [target] if isinstance(target, str) else list(target)
    if not targets:
        raise UserError("data.args.target: names no column")
    taken = [*targets, *([groups] if groups else [])]
    columns = features or [name for name in header if name not in taken]
    both = [name for name in columns if name in targets]
    if both:
        raise UserError(f"data.args.features: {both[0]!r} is the target; the model would read its answer")
    for name in [*taken, *columns]:
        if name not in header:
            raise UserError(f"data.args: {path} has no column {name!r}; it has {', '.join(header)}")
    at = {name: body[:, header.index(name)] for name in header}
    empty = [name for name in [*targets, *columns] if np.isnan(at[name]).all()]
    if empty and empty[0] in targets:
        raise UserError(f"data.args: column {empty[0]!r} of {path} holds no numbers; number its classes from 0")
    if empty:
        raise UserError(
            f"data.args: column {empty[0]!r} of {path} holds no numbers; name those that do: "
            f"features: [{', '.join(name for name in columns if name not in empty)}]"
        )
    for name in targets:
        rows = np.flatnonzero(~np.isfinite(at[name]))
        if len(rows):
            raise UserError(
                f"data.args.target: column {name!r} of {path} holds no number in {len(rows):,} rows, first in row "
                f"{rows[0] + 1:,} below the header; take them out"
            )
    if not columns:
        raise UserError(f"data.args: {path} has no column besides {', '.join(taken)}: there is nothing to learn from")
    x = np.stack([at[name] for name in columns], 1).astype(np.float32)
    y = np.stack([at[name] for name in targets], 1)
    y = y[:, 0] if len(targets) == 1 else y
    known = at[groups] if groups else None
    return Parts(tensors(x, y), groups=known, standardize=standardize, standardize_target=standardize_target)


def _uneven(lines: Sequence[str], cells: int) -> str:
    """The first line of a table whose cells are not as many as its header's, in words; nothing where there is none."""
    for number, line in enumerate(lines, start=2):
        text = line.partition("#")[0]  # what NumPy leaves out
        if text.strip() and text.count(",") + 1 != cells:
            quoted = "; a comma between quotes counts too: this reads numbers alone" if '"' in text else ""
            return f"line {number} has {text.count(',') + 1} cells and the header {cells}{quoted}"
    return ""
