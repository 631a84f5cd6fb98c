"""Cells of a table as inputs of a model: categories, dates, what stands in for missing cells, and units. All of it is
fixed by the training rows, and then the same for every row, of whatever file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tunekit.recipe.text import nearest
from tunekit.training.sources.cells import Form, Values, values_of
from tunekit.training.sources.reading import Frame
from tunekit.vocabulary import UserError

MOST_CATEGORIES = 50
"""Inputs that one column of text becomes at most; rarer texts share one more, `other`."""
IDENTITIES = 0.5
"""Share of a column's filled cells that differ, above which it names its rows and tells nothing of others."""
FEW = 20  # different texts are never too many
YEAR, WEEK = 365.2425, 7.0  # days
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

    def encode(self, values: Values) -> npt.NDArray[np.float32]:
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
        return np.stack(columns, 1).astype(np.float32)

    def _categories(self, values: Values) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
        place = {category: at for at, category in enumerate(self.categories)}
        beyond = len(place)
        codes = np.array([-1 if value is None else place.get(value, beyond) for value in values], np.int64)
        count = beyond + self.other  # a text that training never had is `other`, or none of them
        return [codes == at for at in range(count)], codes == -1

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

    def apply(self, frame: Frame) -> Tensor:
        """float32 [rows, inputs] of a file's cells, as training had them. Errors: UserError for a missing column."""
        missing = [encoding.name for encoding in self.encodings if encoding.name not in frame.cells]
        if missing:
            near = nearest(missing[0], frame.names)
            raise UserError(f"{frame.path} has no column {missing[0]!r}, which the model was trained on{near}")
        return self.encode({one.name: values_of(frame.cells[one.name], one.form) for one in self.encodings})

    def encode(self, values: Mapping[str, Values]) -> Tensor:
        """float32 [rows, inputs] of cells that were read."""
        return torch.from_numpy(np.concatenate([one.encode(values[one.name]) for one in self.encodings], 1))

    def to_json(self) -> list[dict[str, Any]]:
        return [encoding.to_json() for encoding in self.encodings]

    @classmethod
    def from_json(cls, data: Sequence[Mapping[str, Any]]) -> Columns:
        return cls(tuple(Encoding.from_json(one) for one in data))


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
            if encoding.flagged:
                filled.append(name)
        notes = [f"left out: {_listed(names)}, which {reason}" for reason, names in left.items()]
        if filled:
            notes.append(f"missing cells are filled in, and an input says where: {_listed(filled)}")
        if not encodings:
            raise UserError(f"data: no column says anything: {'; '.join(notes)}")
        return Columns(tuple(encodings)), tuple(notes)

    def inputs(self, columns: Columns, rows: Tensor) -> Tensor:
        """float32 [rows, inputs]."""
        at = rows.numpy()
        return columns.encode({one.name: self.values[one.name][at] for one in columns.encodings})

    def unknown(self, columns: Columns, rows: Tensor) -> Iterator[str]:
        """What is told of texts that no training row has."""
        for one in columns.encodings:
            if one.form.kind == "text" and not one.other:
                known = {None, *one.categories}
                strange = Counter(value for value in self.values[one.name][rows.numpy()] if value not in known)
                if strange:
                    count, first = sum(strange.values()), strange.most_common(1)[0][0]
                    yield f"{one.name!r} has texts in {count:,} rows of validation that training has not, as {first!r}"


CONSTANT = "is the same in every training row"


def _says_nothing(form: Form, values: Values) -> str:
    """Why a column is left out; nothing where it is not."""
    if form.kind == "text":
        counts = Counter(value for value in values if value is not None)
        count = sum(counts.values())
        if len(counts) > max(FEW, IDENTITIES * count):
            return f"holds texts of which most differ, as names and numbers of rows do ({len(counts):,} in {count:,})"
        return CONSTANT if len(counts) + (count < len(values)) <= 1 else ""
    known = values[np.isfinite(values)]
    if not len(known):
        return "holds no number"
    return CONSTANT if len(known) == len(values) and bool((known == known[0]).all()) else ""


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


def _listed(names: Sequence[str]) -> str:
    """The first few names of many."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more
