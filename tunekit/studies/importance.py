"""Which parameters matter: shares of the variance, by fANOVA, where the trials can tell; else why they cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tunekit.configuration import Values
from tunekit.studies.distributions import Distributions, plain
from tunekit.vocabulary import Importance

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST = 10  # trials
EXPLAINED = 0.5  # least share of the variance of held-out trials that the parameters must explain
CONFOUNDED = 0.8  # most of an axis's variance that another one may explain: beyond, the two were not tried apart
FOLDS = 5


def import_importance() -> None:
    """Optuna's importance imports scikit-learn, which takes a second or two: better before it is waited for."""
    import sklearn.ensemble
    import sklearn.model_selection  # noqa: F401


def importance(trials: Sequence[tuple[Values, float]], seed: int = 0) -> Importance:
    """The share of the variance of the trials' values that each parameter explains (Hutter, Hoos and Leyton-Brown, ICML
    2014), over the values that were tried; or the reason why it is not said.

    Optuna's default (PED-ANOVA) named the wrong parameter on small grids, and ranges far beyond what was tried hide the
    parameter that matters: both were measured on grids whose truth is known.
    """
    rows = [({name: plain(value) for name, value in values.items()}, value) for values, value in trials]
    tried = {name: sorted({values[name] for values, _ in rows}, key=str) for name in (rows[0][0] if rows else ())}
    axes = {name: _axis(found, len(rows)) for name, found in tried.items() if len(found) > 1}
    if len(rows) < FEWEST or len(axes) < 2:
        what = "axis" if len(axes) == 1 else "axes"
        return Importance(withheld=f"{len(rows)} trials on {len(axes)} {what}: it takes {FEWEST} on 2")
    columns, values = _columns(rows, axes), [value for _, value in rows]
    mixed = _confounded(rows, axes)
    if mixed is not None:
        return Importance(withheld=f"{mixed[0]} and {mixed[1]} were not tried apart: one follows from the other")
    explained = _explained(columns, values, seed)
    if explained < EXPLAINED:
        share = f"{max(0.0, explained):.0%}"
        return Importance(
            withheld=f"the parameters explain {share} of what held-out trials differ by (needed: {EXPLAINED:.0%}): "
            "the rest is noise"
        )
    scratch = optuna.create_study()
    for parameters, value in rows:
        params = {name: parameters[name] for name in axes}
        scratch.add_trial(optuna.trial.create_trial(value=value, params=params, distributions=dict(axes)))
    fanova = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = fanova.evaluate(scratch, params=sorted(axes))  # of all variance: what they do together is nobody's
    alone = sum(shares.values())
    if alone < EXPLAINED:
        return Importance(
            withheld=f"each parameter alone explains little, {alone:.0%} in all: what one of them does depends on the "
            "others"
        )
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return Importance({name: round(float(share), 3) for name, share in ordered})


def _axis(tried: Sequence[Any], trials: int) -> BaseDistribution:
    """An axis over the values that were tried: a category each, or a range where hardly any came twice."""
    if 2 * len(tried) > trials and all(isinstance(value, float) and value > 0 for value in tried):
        return FloatDistribution(min(tried), max(tried), log=True)
    return CategoricalDistribution(list(tried))


def _columns(rows: Sequence[tuple[Values, float]], axes: Distributions) -> dict[str, npt.NDArray[np.float64]]:
    """Each axis as numbers [trials, 1], a range by its logarithm, or as [trials, categories] of ones and zeros."""
    import numpy as np

    columns = {}
    for name, axis in axes.items():
        tried = [values[name] for values, _ in rows]
        if isinstance(axis, CategoricalDistribution):
            columns[name] = np.array([[float(value == choice) for choice in axis.choices] for value in tried])
        else:
            columns[name] = np.log([[value] for value in tried])
    return columns


def _confounded(rows: Sequence[tuple[Values, float]], axes: Distributions) -> tuple[str, str] | None:
    """A parameter that follows from another one, and that one: its value is the same wherever the other's is, or its
    logarithm hardly varies there. Each batch size may have been given rates of its own, for example."""
    import numpy as np

    for second, axis in axes.items():
        if not isinstance(axis, CategoricalDistribution):
            continue
        for first in sorted(axes.keys() - {second}):
            pairs = {(values[first], values[second]) for values, _ in rows}
            if len(pairs) == len(axis.choices):
                return first, second
            tried = [values[first] for values, _ in rows]
            if not all(isinstance(value, float) and value > 0 for value in tried):
                continue
            logs, others = np.log(tried), [values[second] for values, _ in rows]
            groups = [logs[[other == choice for other in others]] for choice in axis.choices]
            within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
            if within < (1 - CONFOUNDED) * float(((logs - logs.mean()) ** 2).sum()):
                return first, second
    return None


def _explained(columns: dict[str, npt.NDArray[np.float64]], values: Sequence[float], seed: int) -> float:
    """R^2 of a random forest on trials that it has not seen."""
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    target = np.asarray(values, dtype=np.float64)
    spread = float(((target - target.mean()) ** 2).sum())
    if not spread > 0 or not math.isfinite(spread):
        return 0.0
    forest = RandomForestRegressor(n_estimators=64, random_state=seed)
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    predicted = cross_val_predict(forest, np.hstack(list(columns.values())), target, cv=folds)
    return 1.0 - float(((target - predicted) ** 2).sum()) / spread
