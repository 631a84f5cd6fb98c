"""Step 4, what is to be expected of its plan before its first record: so many sweeps and cells, of these lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tunekit.configuration import Values
from tunekit.steps import baselines
from tunekit.steps.coarse_grid.decays import decay_ladder
from tunekit.steps.coarse_grid.plan import (
    DRAWN,
    WAVE,
    CoarseGrid,
    cell_of,
    cells_around,
    combinations,
    rungs,
)
from tunekit.steps.context import Context
from tunekit.steps.lr_sweep import STEP as lr_sweep
from tunekit.steps.lr_sweep import plan_sweep
from tunekit.vocabulary import Measurement, Training


def outlook(context: Context[CoarseGrid]) -> list[Sequence[Training | Measurement]]:
    """Rounds in order. Growth at an edge is not expected; all decays are, though the first two cells may show that
    they do nothing."""
    beside = baselines.requests(context)
    if context.settings.sampler != "grid":
        waves = list(_waves(context))
        return [[*waves[0], *beside], *waves[1:]]
    sweeps = [
        training
        for fixed in combinations(context, moving=True)
        if not _is_own(context, fixed)
        for training in plan_sweep(context.of(lr_sweep).at(fixed), [], fixed)
    ]
    first, *others = _rounds(context)
    return [[*sweeps, *beside], first, *others] if sweeps else [[*first, *beside], *others]


def expected_cells(context: Context[CoarseGrid]) -> list[Values]:
    """All cells of the first grid, as far as rates are known."""
    return [params for one in _grounds(context) for params in _plane(context, one)]


def _is_own(context: Context[CoarseGrid], fixed: Values) -> bool:
    return all(context.recipe.get(path) == value for path, value in fixed.items())


def _grounds(context: Context[CoarseGrid]) -> list[Values]:
    return [
        {**fixed, **others}
        for fixed in combinations(context, moving=True)
        for others in combinations(context, moving=False)
    ]


def _plane(context: Context[CoarseGrid], values: Values) -> list[Values]:
    """Rates by weight decays around the recipe's rate: that of a sweep to come is not known."""
    rate, settings = context.recipe.optimizer.lr, context.settings
    first = cells_around(context, values, rate, {})
    rates = list(dict.fromkeys(params["lr"] for params in first))
    decays = sorted(set(decay_ladder(context, settings.weight_decays, values, rate)))
    every = [{**values, "lr": one, "weight_decay": decay} for decay in decays for one in rates]
    return [*first, *(params for params in every if params not in first)]


def _rounds(context: Context[CoarseGrid]) -> list[list[Training]]:
    grounds, rate = _grounds(context), context.recipe.optimizer.lr
    if context.settings.pruner == "none":
        firsts = [params for one in grounds for params in cells_around(context, one, rate, {})]
        rest = [params for params in expected_cells(context) if params not in firsts]
        return [[cell_of(context, params) for params in part] for part in (firsts, rest) if part]
    alive, rounds = expected_cells(context), []
    for number, epochs in enumerate(rungs(context, alive[0])):
        rounds.append([cell_of(context, params, epochs, round_=number) for params in alive])
        alive = alive[: max(2, context.wanted, math.ceil(len(alive) / 2))]
    return rounds


def _waves(context: Context[CoarseGrid]) -> Iterator[list[Training]]:
    """Drawn cells: which is not known, so that each is one of the recipe's values, of a seed of its own."""
    optimizer, trials = context.recipe.optimizer, context.settings.trials
    values = _grounds(context)
    for start in range(0, trials, WAVE):
        wave = []
        for number in range(start, min(start + WAVE, trials)):
            params = {**values[number % len(values)], "lr": optimizer.lr, "weight_decay": optimizer.weight_decay}
            cell = cell_of(context, params, purpose=DRAWN, round_=start // WAVE)
            wave.append(replace(cell, config=replace(cell.config, seed=number)))
        yield wave
