"""A study's axes as Optuna's distributions, and values as Optuna stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from tunekit.configuration import decimal
from tunekit.space import Axis, Choices, Space

Distributions = Mapping[str, BaseDistribution]


def distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: _distribution(axis) for name, axis in space.items()}


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution(list(_categories(axis)))
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return IntDistribution(axis.low, axis.high, log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def to_optuna(value: Any, axis: Axis) -> Any:
    """A value of an axis as Optuna stores it. Errors: ValueError where it is none."""
    if not isinstance(axis, Choices):
        return value
    alike = {category: choice for category, choice in _categories(axis).items() if choice == value}
    if not alike:
        raise ValueError(f"{value!r} is none of {axis.values}")
    # 1 and true are equal, also within a list.
    text = json.dumps(value)
    return next((category for category, choice in alike.items() if json.dumps(choice) == text), next(iter(alike)))


def from_optuna(drawn: Any, axis: Axis) -> Any:
    """The axis's own value (a list, say) for what Optuna drew; rates with three digits, as everywhere."""
    if isinstance(axis, Choices):
        return _categories(axis)[drawn]
    return decimal(drawn) if isinstance(drawn, float) else drawn


def _categories(axis: Choices) -> dict[Any, Any]:
    """The values by what Optuna takes as a category: itself where it can (a number, a word), or its JSON text. Where
    two of them are equal to Optuna, as 1 and true, all are text."""
    values = {plain(value): value for value in axis.values}
    texts = {json.dumps(value): value for value in axis.values}
    return values if len(values) == len(texts) else texts


def plain(value: Any) -> Any:
    """A value that Optuna takes as a category: lists and mappings become their JSON text."""
    return value if isinstance(value, bool | int | float | str) or value is None else json.dumps(value)


def on_axes(trial: FrozenTrial, axes: Distributions) -> FrozenTrial | None:
    """The trial on other distributions, or None where a value of it lies outside of them."""
    if not set(trial.params) <= set(axes):
        return None
    try:
        moved = create_trial(
            state=trial.state,
            values=trial.values,
            params=trial.params,
            distributions={name: axes[name] for name in trial.params},
            user_attrs=trial.user_attrs,
            system_attrs=trial.system_attrs,
            intermediate_values=trial.intermediate_values,
        )
    except ValueError:
        return None
    moved.datetime_start, moved.datetime_complete = trial.datetime_start, trial.datetime_complete
    moved._trial_id = trial._trial_id
    return moved
