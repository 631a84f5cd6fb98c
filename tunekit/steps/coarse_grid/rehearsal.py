"""What of a search cannot be built, and which of its values come to the same training: known before anything trains."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunekit.configuration import TrainingConfig, Values, digest
from tunekit.measured import Rehearsed
from tunekit.steps.coarse_grid.counting import misfit
from tunekit.steps.coarse_grid.plan import CoarseGrid, moves_rate
from tunekit.steps.context import Context
from tunekit.telling import counted
from tunekit.vocabulary import Measurement, Record, UserError

MOST = 64
"""Combinations of which all are rehearsed; of more so many that each two values of two axes stand in one."""

_UNSAID = object()  # what a recipe leaves to the default is not the null that another may search

Pair = tuple[tuple[int, int], tuple[int, int]]
"""Two axes, each with a place among its values."""

SHOWN = 3  # pairs of values that come to the same


@dataclass(frozen=True)
class Rehearsal:
    """The combinations of searched values, each with its training, or with why there is none."""

    context: Context[CoarseGrid]
    built: Sequence[tuple[Values, TrainingConfig]]
    refused: Sequence[tuple[Values, str]]

    @property
    def requests(self) -> list[Measurement]:
        """One for each training, those that are equal once."""
        configs = {config.key: config for _, config in self.built}
        return [Measurement("rehearse", config, {}, purpose="rehearsal") for config in configs.values()]

    @property
    def key(self) -> str:
        """What it depends on: an equal one needs no second look."""
        return digest([[config.key for _, config in self.built], self.refused])

    def faults(self, records: Sequence[Record]) -> list[str]:
        """One line for each thing that is wrong, with the values that make it so."""
        errors = {record.request.config.key: record.error for record in records}
        wrong = [*self.refused, *((values, error) for values, one in self.built if (error := errors[one.key]))]
        sound = [self._whole({}), *(values for values, one in self.built if not errors[one.key])]
        lines = []
        for error in dict.fromkeys(error for _, error in wrong):
            values = [self._whole(values) for values, other in wrong if other == error]
            named, more = _named(values, [self._whole(one) for one in sound])
            why = misfit(self.context.recipe, named)
            place = " with ".join(f"search.{axis}: {shown(value)}" for axis, value in named.items())
            also = f" (and {counted(more, 'more combination')})" if more else ""
            lines.append(f"{place or 'search'}: {error}{'; ' if why else ''}{why}{also}")
        return lines

    def notes(self, records: Sequence[Record]) -> list[str]:
        """Values that are one training by their keys, and those that the one step does not tell apart."""
        numbers = {
            record.request.config.key: Rehearsed.from_json(record.values).numbers
            for record in records
            if not record.error
        }
        known = [
            (values, config.key, digest([numbers[config.key], _beside_parts(config)]))
            for values, config in self.built
            if config.key in numbers
        ]
        pairs: dict[str, list[tuple[bool, bool]]] = {}  # whether a step shows two as one, and whether they are one
        for (first, key, seen), (second, other_key, other_seen) in itertools.combinations(known, 2):
            apart = [axis for axis in first if axis in second and first[axis] != second[axis]]
            if len(apart) == 1 and len(first) == len(second):
                pair = f"search.{apart[0]}: {shown(first[apart[0]])} and {shown(second[apart[0]])}"
                pairs.setdefault(pair, []).append((seen == other_seen, key == other_key))
        told = [f"{pair} {verdict}" for pair, found in pairs.items() if (verdict := _verdict(found, self._complete))]
        rest = [f"search: {len(told) - SHOWN} more pairs of values are alike"]
        return told if len(told) <= SHOWN + 1 else told[:SHOWN] + rest

    @property
    def _complete(self) -> bool:
        return math.prod(map(len, self.context.recipe.search.values())) <= MOST

    def _whole(self, values: Values) -> Values:
        """With the recipe's own value of each axis that these leave to it, as a sweep does."""
        own = {path: self.context.recipe.get(path) for path in self.context.recipe.search if path not in values}
        return {**{path: _UNSAID if value is None else value for path, value in own.items()}, **values}


def rehearsal_of(context: Context[CoarseGrid]) -> Rehearsal | None:
    """What the recipe's search would train: its cells, and its sweeps, which leave to the recipe what shares a rate."""
    search = context.recipe.search
    if not search:
        return None
    moving = {path: values for path, values in search.items() if moves_rate(path)}
    built, refused = [], []
    for values in [*combinations(search), *(combinations(moving) if len(moving) < len(search) else [])]:
        try:
            built.append((values, context.config(values)))
        except UserError as error:
            refused.append((values, str(error)))
    return Rehearsal(context, built, refused)


def combinations(search: Mapping[str, Sequence[Any]]) -> list[Values]:
    """All where they are few; else each two values of two axes in one of them.

    >>> combinations({"a": [1, 2], "b": [3]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    axes = list(search)
    if not axes:
        return []
    sizes = [range(len(search[axis])) for axis in axes]
    places = itertools.product(*sizes) if math.prod(map(len, sizes)) <= MOST else _pairwise(sizes)
    return [{axis: search[axis][place] for axis, place in zip(axes, one, strict=True)} for one in places]


def _pairwise(sizes: Sequence[range]) -> Iterable[tuple[int, ...]]:
    """Places on all axes such that each two of two axes stand in one. First each place beside the first ones of all
    other axes; then a pair that stands in none yet, filled with what brings the most of such pairs."""
    axes = range(len(sizes))
    alone = {tuple(place if axis == other else 0 for other in axes): None for axis in axes for place in sizes[axis]}
    places = [[(axis, place) for place in sizes[axis]] for axis in axes]
    left = {pair: None for one, other in itertools.combinations(places, 2) for pair in itertools.product(one, other)}
    for chosen in alone:
        _strike(left, dict(enumerate(chosen)))
    yield from alone
    while left:
        filled = dict(next(iter(left)))
        for axis in axes:
            if axis not in filled:
                filled[axis] = max(sizes[axis], key=lambda place: len(left.keys() & _pairs({**filled, axis: place})))
        _strike(left, filled)
        yield tuple(filled[axis] for axis in axes)


def _pairs(chosen: Mapping[int, int]) -> set[Pair]:
    return set(itertools.combinations(sorted(chosen.items()), 2))


def _strike(left: dict[Pair, None], chosen: Mapping[int, int]) -> None:
    for pair in _pairs(chosen):
        left.pop(pair, None)


def _named(wrong: Sequence[Values], sound: Sequence[Values]) -> tuple[Values, int]:
    """The fewest values that explain why these combinations fail: common to them, and together in no sound one; else
    those of the first, and how many more fail."""
    first = {axis: value for axis, value in wrong[0].items() if value is not _UNSAID}
    common = {axis: value for axis, value in first.items() if all(one[axis] == value for one in wrong)}
    for values, more in ((common, 0), (first, len(wrong) - 1)):
        for size in range(1, len(values) + 1):
            for axes in itertools.combinations(values, size):
                if not any(all(one[axis] == values[axis] for axis in axes) for one in sound):
                    return {axis: values[axis] for axis in axes}, more
    return first, len(wrong) - 1


def _beside_parts(config: TrainingConfig) -> Any:
    """Of a configuration what a step does not show: all but the arguments of what is built, and what is seen of it."""
    data = config.as_dict()
    for name in ("loss", "optimizer", "batch_size"):
        del data[name]
    data["model"]["args"] = data["data"]["augment"] = data["data"]["augment_strength"] = None
    return data


def _verdict(found: Sequence[tuple[bool, bool]], complete: bool) -> str:
    """Equal keys alone make two one training: what a step on a batch does not show, longer trainings may."""
    if complete and all(one for _, one in found):
        return "come to the same training: leave one of them out"
    if any(one for _, one in found):
        return "come to the same training in some combinations, which is trained once"
    return "look alike: one step on one batch shows no difference" if all(seen for seen, _ in found) else ""


def shown(value: object) -> str:
    """A value as YAML has it."""
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
