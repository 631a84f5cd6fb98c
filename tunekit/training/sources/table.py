"""A table in a file, one row a sample: which columns are inputs, which are targets, and the classes of those."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunekit.recipe.text import kind_of, nearest
from tunekit.telling import counted
from tunekit.training.sources.cells import (
    COMMA,
    MISSING,
    MISSING_CLASS,
    TRUTHS,
    Column,
    Values,
    read_column,
    told_strays,
    variants,
)
from tunekit.training.sources.columns import Rows, are_identities
from tunekit.training.sources.parts import Parts, tensors
from tunekit.training.sources.reading import Frame, read_frame
from tunekit.vocabulary import UserError

SHOWN = 20  # columns that a message lists
COUNTERS = ("", "#", "id", "index", "idx", "no", "nr", "row", "number", "serial", "record", "unnamed: 0", "column 1")
"""What a column is called that only numbers the rows."""
YEARS = (1700, 2100)
TIMES = re.compile(
    r"(?i)(?<![a-z])(years?|quarters?|months?|weeks?|days?|hours?|minutes?|seconds?|time|date|period|step|tick|t)(?![a-z])"
)
FEWEST = 50
"""Under another name numbers that follow one another are no numbers of rows where they may be years or are called like
a time, or are so few that they may be days of a month, hours or doses."""
SPARSE = 2  # times as many numbers as rows, up to which those that are missing are rows of other files


def table(  # noqa: PLR0913 - the keys of a recipe
    path: Path,
    target: str | list[str],
    features: list[str] | None = None,
    groups: str | None = None,
    standardize: bool = True,
    standardize_target: bool = False,
    categories: list[str] | None = None,
    classes: bool = False,
    missing_target: str = "error",
    separator: str | None = None,
    decimal: str | None = None,
    val_path: Path | None = None,
    test_path: Path | None = None,
) -> Parts:
    """A .csv file with a header, or a .parquet: columns of numbers, texts, dates and yes or no; one or several targets.

    `categories`: columns of numbers that are names. `classes`: the target's numbers are names of classes.
    `missing_target`: error, or drop for rows without one. `val_path`, `test_path`: splits in files of their own.
    """
    _check(missing_target, decimal, separator)
    frame, sizes = _read([path, val_path, test_path], separator)
    names, by = _names(target, "target"), _names(groups, "groups")
    asked, texts = _names(features, "features"), _names(categories, "categories")
    chosen = _chosen(frame, names, asked, by)
    for name in texts:
        _column(frame, name, "data.args.categories")
    read = {name: read_column(frame.cells[name], frame.comma, decimal, name in texts) for name in chosen}
    counters = [] if asked else [name for name in chosen if _counts_rows(name, read[name], sizes)]
    if len(counters) == len(chosen):  # there is nothing else to learn from
        counters = [name for name in counters if name.lower() in COUNTERS]
    chosen = [name for name in chosen if name not in counters]
    answers = _targets(frame, names, classes, decimal, missing_target == "drop")
    known = _groups(frame, by[0], decimal) if by else None
    notes = [*frame.notes, *_told(frame, {name: read[name] for name in chosen}), *answers.notes]
    if counters:
        hint = "" if all(name.lower() in COUNTERS for name in counters) else "; data.args.features keeps what it names"
        notes.append(f"left out: {', '.join(map(repr, counters))}, which numbers the rows{hint}")
    rows = Rows(
        {name: read[name].form for name in chosen},
        {name: read[name].values for name in chosen},
        standardize,
        frozenset(asked),
    )
    starts = np.cumsum([0, *sizes])
    parts, files = {}, {}
    for split, start, end in zip(("train", "val", "test"), starts[:-1], starts[1:], strict=True):
        kept = np.flatnonzero(answers.kept[start:end]) + start
        if end > start:
            parts[split] = tensors(kept, answers.values[kept])
            files[split] = [f"row {row}" for row in (kept - start + 1).tolist()]
    return Parts(
        parts["train"],
        parts.get("val"),
        parts.get("test"),
        known if known is None else known[: sizes[0]][answers.kept[: sizes[0]]],
        standardize_target=standardize_target,
        classes=answers.classes,
        files=files,
        notes=tuple(notes),
        rows=rows,
    )


def _names(value: object, key: str) -> list[str]:
    """Names of columns; a number is one where the header has numbers. Errors: UserError."""
    several = value if isinstance(value, list) else [] if value is None else [value]
    wrong = [name for name in several if isinstance(name, bool) or not isinstance(name, str | int)]
    if wrong:
        raise UserError(f"data.args.{key}: the name of a column, or a list of such, not {kind_of(wrong[0])}")
    return [str(name) for name in several]


def _groups(frame: Frame, name: str, decimal: str | None) -> Values:
    """The group or time of each row. Errors: UserError where one is missing."""
    known = read_column(frame.cells[name], frame.comma, decimal).values
    gaps = known == None if known.dtype == object else np.isnan(known)  # noqa: E711 - of each element
    if gaps.any():
        raise UserError(
            f"data.args.groups: column {name!r} of {frame.path} is empty in {counted(gaps.sum(), 'row')}, first in row "
            f"{int(gaps.argmax()) + 1:,} below the header"
        )
    return known


def _check(missing_target: str, decimal: str | None, separator: str | None) -> None:
    if missing_target not in ("error", "drop"):
        raise UserError(f"data.args.missing_target: error or drop, not {missing_target!r}")
    if decimal not in (None, ".", ","):
        raise UserError(f"data.args.decimal: '.' or ',', not {decimal!r}")
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise UserError(f"data.args.separator: one letter, such as ';' or \"\\t\", not {separator!r}")


def _read(paths: Sequence[Path | None], separator: str | None) -> tuple[Frame, list[int]]:
    """All files as one frame, one below the other, and the rows of each. Errors: UserError."""
    import pandas as pd

    frames = [None if path is None else read_frame(path, separator) for path in paths]
    first = frames[0]
    assert first is not None
    for other in frames[1:]:
        for name in first.cells if other is not None else ():
            if other is not None and name not in other.cells:
                raise UserError(f"data.args: {other.path} has no column {name!r}, as {first.path} has")
    given = [frame for frame in frames if frame is not None]
    cells = first.cells
    if len(given) > 1:
        cells = pd.concat([frame.cells[list(first.cells)] for frame in given], ignore_index=True)
    return replace(first, cells=cells), [0 if frame is None else len(frame.cells) for frame in frames]


def _column(frame: Frame, name: object, key: str) -> None:
    """Errors: UserError where the frame has no such column, with the one that may be meant."""
    names = frame.names
    if name in frame.doubled:
        raise UserError(f"{key}: {frame.path} has several columns {name!r}; give each a name of its own")
    if name not in names:
        more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
        header = "" if any(any(map(str.isalpha, one)) for one in names) else "; its first line looks like no header"
        raise UserError(
            f"{key}: {frame.path} has no column {name!r}; it has {', '.join(names[:SHOWN])}{more}"
            f"{nearest(str(name), names)}{header}"
        )


def _chosen(frame: Frame, targets: list[str], features: list[str], groups: list[str]) -> list[str]:
    """The columns that are inputs. Errors: UserError."""
    if not targets:
        raise UserError("data.args.target: names no column")
    taken = [*targets, *groups]
    columns = features or [name for name in frame.names if name not in taken]
    both = [name for name in columns if name in targets]
    if both:
        raise UserError(f"data.args.features: {both[0]!r} is the target; the model would read its answer")
    for name in targets:
        _column(frame, name, "data.args.target")
    for key, several in (("groups", groups), ("features", features)):
        for name in several:
            _column(frame, name, f"data.args.{key}")
    if not columns:
        raise UserError(
            f"data.args: {frame.path} has no column besides {', '.join(taken)}: there is nothing to learn from"
        )
    return columns


def _counts_rows(name: str, column: Column, sizes: Sequence[int]) -> bool:
    """Whether it numbers the rows: of each file one after the other, or of all in any order, as files have them that
    were shuffled and then divided. Under another name than COUNTERS no number may be missing."""
    values = column.values
    if column.form.kind != "number" or len(values) < 3 or (values % 1 != 0).any():
        return False
    files = np.split(values, np.cumsum(sizes)[:-1])
    each = np.unique(values)
    span = each[-1] - each[0] + 1
    in_order = all((np.diff(file) == 1).all() for file in files)
    if name.lower() in COUNTERS:
        return in_order or (len(each) == len(values) and span <= SPARSE * len(values))
    times = (YEARS[0] <= each[0] and each[-1] <= YEARS[1]) or TIMES.search(name.replace("_", " "))
    many = len(values) >= FEWEST and not times and not column.how
    return many and (in_order or len(each) == len(values) == span)


def _told(frame: Frame, read: Mapping[str, Column]) -> list[str]:
    """What is told of how cells were read."""
    notes = []
    commas = [name for name, column in read.items() if column.form.kind == "number" and column.form.style == COMMA]
    if commas:
        notes.append(f"a comma is the decimal point in {', '.join(map(repr, commas))}")
    if read_as := [f"{name!r} as {column.how}" for name, column in read.items() if column.how]:
        notes.append(f"read {', '.join(read_as)}")
    for name, column in read.items():
        if column.form.kind == "date" and "%m/%d" in column.form.style and frame.cells[name].dtype == object:
            notes.append(f"{name!r} is read as month/day/year")
        if len(column.strays):
            notes.append(told_strays(name, frame.cells[name], column))
        if column.form.kind == "text":
            notes += _told_variants(name, [word for word in column.values if word is not None])
    return notes


def _told_variants(name: str, words: Sequence[str]) -> list[str]:
    """What is told of words that may be one; nothing of names that most rows have to themselves."""
    different = set(words)
    alike = () if are_identities(len(different), len(words)) else variants(different)
    if not alike:
        return []
    first, groups = alike[0], len(alike) - 1
    more = f" and {len(first) - SHOWN:,} more" if len(first) > SHOWN else ""
    such = f" (and {counted(groups, 'more such group')})" if groups else ""
    return [f"{name!r} has {' and '.join(map(repr, first[:SHOWN]))}{more}{such}: write them alike if they are one"]


@dataclass(frozen=True)
class _Answers:
    values: npt.NDArray[Any]  # [rows] or [rows, targets]
    kept: npt.NDArray[np.bool_]
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]


def _targets(frame: Frame, names: list[str], numbered: bool, decimal: str | None, drop: bool) -> _Answers:
    """The targets: numbers, or classes numbered from 0 in the order of their names. Errors: UserError."""
    columns = {name: read_column(frame.cells[name], frame.comma, decimal) for name in names}
    read = [_target(frame, name, column, numbered) for name, column in columns.items()]
    missing = np.zeros(len(frame.cells), bool)
    for name, (values, _, kind) in zip(names, read, strict=True):
        gaps = ~np.isfinite(values)
        if gaps.all():
            raise UserError(f"data.args.target: column {name!r} of {frame.path} is empty")
        if gaps.any() and not drop:
            raise UserError(
                f"data.args.target: column {name!r} of {frame.path} holds no {kind} in "
                f"{counted(gaps.sum(), 'row')}, first in row {int(gaps.argmax()) + 1:,} below the header; fill them "
                "in, or leave them out with data.args.missing_target: drop"
            )
        missing |= gaps
    left = (f"left out: {counted(missing.sum(), 'row')} without a target",) if missing.any() else ()
    notes = (*_told(frame, columns), *left)
    if len(names) == 1:
        values, classes, _ = read[0]
        values = np.where(missing, 0, values).astype(np.int64) if classes else values
        return _Answers(values, ~missing, classes, notes)
    many = [name for name, (_, classes, _) in zip(names, read, strict=True) if classes and len(classes) > 2]
    if many:
        raise UserError(f"data.args.target: {many[0]!r} has more than two classes, which is for one target alone")
    values = np.stack([values for values, _, _ in read], 1)
    truths = bool(np.isin(values[~missing], (0, 1)).all())
    return _Answers(values, ~missing, tuple(names) if truths else None, notes)


def _target(
    frame: Frame, name: str, column: Column, numbered: bool
) -> tuple[npt.NDArray[np.float64], tuple[str, ...] | None, str]:
    """Of one column: numbers or class numbers, with NaN where they are missing; class names; and what they are."""
    kind = column.form.kind
    if kind in ("date", "time"):
        raise UserError(
            f"data.args.target: column {name!r} of {frame.path} holds {kind}s; a target is a number or a class"
        )
    if kind == "number" and not numbered:
        return column.values, None, "number"
    if kind == "number":
        present = np.unique(column.values[~np.isnan(column.values)])
        numbers = np.searchsorted(present, column.values).astype(np.float64)
        numbers[np.isnan(column.values)] = np.nan
        return numbers, tuple(f"{value:.15g}" for value in present), "class"
    if kind == "truth":
        return column.values, _truth_names(frame, name, column), "class"
    words = [_word(cell) for cell in frame.cells[name]] if frame.cells[name].dtype == object else list(column.values)
    present_words = sorted({word for word in words if word is not None})
    if len(present_words) > max(2, len(words) // 2):
        raise UserError(
            f"data.args.target: column {name!r} of {frame.path} holds {len(present_words):,} different texts in "
            f"{len(words):,} rows: they are no classes"
        )
    place = {word: float(at) for at, word in enumerate(present_words)}
    return np.array([place.get(word, np.nan) if word else np.nan for word in words]), tuple(present_words), "class"


def _word(cell: object) -> str | None:
    word = str(cell).strip()
    return None if word.lower() in MISSING_CLASS else word


def _truth_names(frame: Frame, name: str, column: Column) -> tuple[str, ...]:
    """Both words as the file writes them."""
    pair = next(pair for pair in TRUTHS if pair[1] == column.form.style)
    written = {str(cell).strip() for cell in frame.cells[name].unique()}
    by_letters = {word.lower(): word for word in sorted(written) if word.lower() not in MISSING}
    return tuple(by_letters.get(word, word) for word in pair)
