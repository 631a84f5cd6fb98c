"""Cells of a table as inputs of a model: categories, dates, what stands in for missing cells, and units. All of it is
fixed by the training rows, and then the same for every row, of whatever file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.recipe.text import nearest
from tunekit.telling import counted
from tunekit.training.data import moments, needs_double
from tunekit.training.sources.cells import COMMA, POINT, Column, Form, Values, read_as, told_strays
from tunekit.training.sources.parts import told_lost
from tunekit.training.sources.reading import Frame
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from pandas import Series

MOST_CATEGORIES = 50
"""Inputs that one column of text becomes at most; rarer texts share one more, `other`."""
IDENTITIES = 0.5
"""Share of a column's filled cells that differ, above which it names its rows and tells nothing of others."""
SENTENCE = 6  # words, from which texts that differ are no names
FEW = 20  # different texts are never too many
YEAR, WEEK = 365.2425, 7.0  # days
MIDDLE = {"number": "median", "date": "median", "time": "median", "truth": "commoner answer"}
"""What stands in for a missing cell."""
THURSDAY = 3  # of the first of January 1970, counted from Monday


@dataclass(frozen=True)
class Encoding:
    """How one column becomes inputs. `fill` stands in for missing cells (the training rows' median, or the more
    frequent truth value); `flagged`: one more input says which were. `mean` and `scale` (1 / standard deviation) are
    those of the training rows, 0 and 1 where numbers stay as they are."""

    name: str
    form: Form
    fill: float = 0.0
    flagged: bool = False
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    other: bool = False  # some texts of the training rows are too rare for an input of their own
    clock: bool = False  # dates with a time of day

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in order."""
        own: tuple[str, ...] = (self.name,)
        if self.form.kind == "text":
            own = tuple(f"{self.name} = {value}" for value in (*self.categories, *(["other"] if self.other else [])))
        elif self.form.kind == "date":
            parts = ("of year", "of week", *(["of day"] if self.clock else []))
            own = (self.name, *(f"{self.name} {wave} {part}" for part in parts for wave in ("sine", "cosine")))
        elif self.form.kind == "time":
            own = (self.name, f"{self.name} sine of day", f"{self.name} cosine of day")
        return (*own, f"{self.name} missing") if self.flagged else own

    def encode(self, values: Values, dtype: str = "float32") -> npt.NDArray[Any]:
        """[rows, inputs]."""
        if self.form.kind == "text":
            columns, missing = self._categories(values)
        else:
            missing = np.isnan(values)
            filled = np.where(missing, self.fill, values)
            columns = [filled if self.form.kind == "truth" else (filled - self.mean) * self.scale]
            if self.form.kind == "date":
                turns = [filled / YEAR, (np.floor(filled) + THURSDAY) / WEEK, *([filled] if self.clock else [])]
                columns += _waves(turns)
            elif self.form.kind == "time":
                columns += _waves([filled])
        if self.flagged:
            columns.append(missing)
        return np.stack(columns, 1).astype(dtype)

    def _categories(self, values: Values) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
        place = {category: at for at, category in enumerate(self.categories)}
        beyond = len(place)
        codes = np.array([-1 if value is None else place.get(value, beyond) for value in values], np.int64)
        count = beyond + self.other  # a text that training never had is `other`, or none of them
        return [codes == at for at in range(count)], codes == -1

    def unseen(self, values: Values, where: str = "") -> str:
        """What is told of texts that no training row has; nothing where there are none, or rare ones share an input."""
        if self.form.kind != "text" or self.other:
            return ""
        strange = Counter(value for value in values if value is not None and value not in self.categories)
        if not strange:
            return ""
        count, (first, _) = strange.total(), strange.most_common(1)[0]
        return f"{self.name!r} has texts in {counted(count, 'row')}{where} that training has not, as {first!r}"

    def told(self, cells: Series[Any], column: Column) -> list[str]:
        """What another file has in this column that the training rows had not: a line each."""
        notes = []
        if column.form != self.form:
            as_trained = read_as(cells, self.form).values
            at = int((np.isfinite(column.values) & (column.values != as_trained)).argmax())
            notes.append(
                f"{self.name!r} has a decimal {column.form.style}, and training had a {self.form.style}: "
                f"{str(cells.iloc[at])!r} is read as {column.values[at]:.15g}"
            )
        if len(column.strays):
            notes.append(told_strays(self.name, cells, column))
        if unseen := self.unseen(column.values):
            notes.append(unseen)
        gaps = column.values == None if self.form.kind == "text" else np.isnan(column.values)  # noqa: E711 - of each
        if gaps.sum() > len(column.strays) and not self.flagged:
            gaps[column.strays] = False
            rows = counted(gaps.sum(), "row")
            stands_in = "none of its texts" if self.form.kind == "text" else f"training's {MIDDLE[self.form.kind]}"
            notes.append(
                f"{self.name!r} is empty in {rows}, first in row {int(gaps.argmax()) + 1:,} below the header, and in "
                f"no training row: taken as {stands_in}"
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Encoding:
        return cls(**{**data, "form": Form(**data["form"]), "categories": tuple(data["categories"])})


def _waves(turns: Sequence[npt.NDArray[np.float64]]) -> list[npt.NDArray[Any]]:
    return [wave(2 * np.pi * turn) for turn in turns for wave in (np.sin, np.cos)]


@dataclass(frozen=True)
class Columns:
    """The inputs that a table gives: fitted on the training rows, then frozen."""

    encodings: tuple[Encoding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for encoding in self.encodings for name in encoding.names)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many inputs each column of the table became."""
        return tuple(len(encoding.names) for encoding in self.encodings)

    @classmethod
    def plain(cls, forms: Mapping[str, Form], inputs: Tensor) -> Columns:
        """Columns of numbers that are inputs as they are, [rows, inputs] of the training split."""
        every = zip(forms.items(), inputs.double().numpy().T, strict=True)
        known = [(name, form, values[np.isfinite(values)]) for (name, form), values in every]
        return cls(
            tuple(_fitted(name, form, values if len(values) else np.zeros(1), False) for name, form, values in known)
        )

    def apply(self, frame: Frame, dtype: str = "float32") -> tuple[Tensor, tuple[str, ...]]:
        """[rows, inputs] of a file's cells, as training had them, and what is told of cells that it had not.
        Errors: UserError for a missing column."""
        missing = [encoding.name for encoding in self.encodings if encoding.name not in frame.cells]
        if missing:
            near = nearest(missing[0], frame.names)
            raise UserError(f"{frame.path} has no column {missing[0]!r}, which the model was trained on{near}")
        columns = _read(frame, {one.name: one.form for one in self.encodings})
        notes = [note for one in self.encodings for note in one.told(frame.cells[one.name], columns[one.name])]
        return self.encode({name: column.values for name, column in columns.items()}, dtype), tuple(notes)

    def encode(self, values: Mapping[str, Values], dtype: str = "float32") -> Tensor:
        """[rows, inputs] of cells that were read."""
        return torch.from_numpy(np.concatenate([one.encode(values[one.name], dtype) for one in self.encodings], 1))

    def to_json(self) -> list[dict[str, Any]]:
        return [encoding.to_json() for encoding in self.encodings]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Columns:
        return cls(tuple(Encoding.from_json(one) for one in data))


def _read(frame: Frame, forms: Mapping[str, Form]) -> dict[str, Column]:
    """Columns by training's forms, but for numbers with the other decimal sign: a column whose cells that reads better,
    and beside such a one all that both signs would read, where none is as in training."""
    columns = {name: read_as(frame.cells[name], form) for name, form in forms.items()}
    turned = {
        name: read_as(frame.cells[name], Form("number", COMMA if forms[name].style == POINT else POINT))
        for name, column in columns.items()
        if forms[name].kind == "number" and frame.cells[name].dtype == object
    }
    better = {name: len(columns[name].strays) - len(column.strays) for name, column in turned.items()}
    decided = any(gain > 0 for gain in better.values()) and all(gain >= 0 for gain in better.values())
    for name, column in turned.items():
        same = np.array_equal(column.values, columns[name].values, equal_nan=True)
        if better[name] > 0 or (decided and better[name] == 0 and not same):
            columns[name] = column
    return columns


@dataclass(frozen=True)
class Rows:
    """A table that was read, before it is known which rows are for training. `asked`: columns that a person named."""

    forms: Mapping[str, Form]
    values: Mapping[str, Values]
    standardize: bool = True
    asked: frozenset[str] = frozenset()

    def fit(self, rows: Tensor) -> tuple[Columns, tuple[str, ...]]:
        """What the training rows fix, and what is told of it. Errors: UserError where no column says anything."""
        encodings: list[Encoding] = []
        left: dict[str, list[str]] = {}
        filled: list[str] = []
        lost: list[str] = []
        for name, form in self.forms.items():
            values = self.values[name][rows.numpy()]
            reason = _says_nothing(form, values)
            if reason:
                if name in self.asked and reason != CONSTANT:
                    raise UserError(f"data.args.features: column {name!r} {reason}: nothing can be learned from it")
                left.setdefault(reason, []).append(name)
                continue
            encoding = _fitted(name, form, values, self.standardize)
            encodings.append(encoding)
            if not self.standardize and form.kind in ("number", "date"):
                lost += _lost(name, values)
            if encoding.flagged:
                filled.append(name)
        notes = [f"left out: {listed(names)}, which {reason}" for reason, names in left.items()]
        if filled:
            notes.append(f"missing cells are filled in, and an input says where: {listed(filled)}")
        if not encodings:
            raise UserError(f"data: no column says anything: {'; '.join(notes)}")
        return Columns(tuple(encodings)), (*notes, *lost)

    def inputs(self, columns: Columns, rows: Tensor) -> Tensor:
        """float32 [rows, inputs]."""
        at = rows.numpy()
        return columns.encode({one.name: self.values[one.name][at] for one in columns.encodings})

    def unknown(self, columns: Columns, rows: Tensor) -> Iterator[str]:
        """What is told of texts that no training row has."""
        told = (one.unseen(self.values[one.name][rows.numpy()], " of validation") for one in columns.encodings)
        return filter(None, told)


CONSTANT = "is the same in every training row"
EXACT = 2**53  # up to which a float64 is every whole number
TOO_LONG = "differs, if at all, beyond a number's 16 digits: named under data.args.categories it is read as names"


def are_identities(different: int, filled: int) -> bool:
    """Whether so many different texts in so many cells name the rows."""
    return different > max(FEW, IDENTITIES * filled)


def _says_nothing(form: Form, values: Values) -> str:
    """Why a column is left out; nothing where it is not."""
    if form.kind == "text":
        counts = Counter(value for value in values if value is not None)
        count = sum(counts.values())
        if are_identities(len(counts), count):
            if np.median([len(word.split()) for word in counts]) >= SENTENCE:
                return (
                    f"holds sentences ({len(counts):,} different in {count:,}): data.target: datasets:csv (parquet) "
                    "with data.args.input reads one such column alone"
                )
            return f"holds texts of which most differ, as names and numbers of rows do ({len(counts):,} in {count:,})"
        return CONSTANT if len(counts) + (count < len(values)) <= 1 else ""
    known = values[np.isfinite(values)]
    if not len(known):
        return "holds no number"
    if len(known) < len(values) or not bool((known == known[0]).all()):
        return ""
    return CONSTANT if abs(known[0]) < EXACT else TOO_LONG


def _fitted(name: str, form: Form, values: Values, standardize: bool) -> Encoding:
    if form.kind == "text":
        counts = Counter(value for value in values if value is not None)
        ranked = sorted(counts, key=lambda value: (-counts[value], value))
        some = tuple(sorted(ranked[:MOST_CATEGORIES]))
        missing = sum(counts.values()) < len(values)
        return Encoding(name, form, flagged=missing, categories=some, other=len(ranked) > len(some))
    known = values[np.isfinite(values)]
    encoding = Encoding(name, form, fill=float(np.median(known)), flagged=bool(np.isnan(values).any()))
    if form.kind == "truth":
        return replace(encoding, fill=float(known.mean() > 0.5))
    if form.kind == "date":
        encoding = replace(encoding, clock=bool((known % 1 != 0).any()))
    if standardize:
        filled = np.where(np.isfinite(values), values, encoding.fill)
        spread = float(filled.std())
        if spread > 1e-12 * max(1.0, abs(encoding.fill)):  # what does not vary stays as it is
            encoding = replace(encoding, mean=float(filled.mean()), scale=1.0 / spread)
    return encoding


def _lost(name: str, values: Values) -> list[str]:
    """What is told of a column that stays in its own units and has differences that float32 does not hold."""
    mean, std = moments(torch.from_numpy(values))
    return [told_lost(repr(name), float(mean), float(std), "standardize")] if needs_double(mean, std) else []


def listed(names: Sequence[str]) -> str:
    """The first few names of many."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more
