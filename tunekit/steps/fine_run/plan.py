"""Step 5, what to run: the grid's best go on, finer rates around the winner, repeats; and what each run reached."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tunekit.configuration import Values, decimal
from tunekit.space import Range, Space
from tunekit.steps import baselines
from tunekit.steps.coarse_grid import STEP as coarse_grid
from tunekit.steps.coarse_grid.decays import CLASSICAL
from tunekit.steps.coarse_grid.outlook import expected_cells
from tunekit.steps.coarse_grid.plan import other_axes
from tunekit.steps.context import Context
from tunekit.steps.estimate import with_shortlist
from tunekit.steps.noise import best_validation, diverged, ranked
from tunekit.steps.step import Count, Epochs, NonNegative, Positive, Settings
from tunekit.vocabulary import Record, Request, StopRule, Training

NAME = "fine-run"
BEST_CELL, FINER_RATE, REPEAT = "best cell", "finer rate", "repeat over seeds"
AS_IT_CAME = "the model as it came"


@dataclass(frozen=True)
class FineRun(Settings):
    top: Count = 3
    epochs: Epochs = 10
    lr_factors: tuple[Positive, ...] = (0.7, 1.4)
    seeds: Count = 3
    patience: Count | None = None  # epochs without a better validation after which a run ends
    min_delta: NonNegative = 0.0  # by more than which it must be better

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:  # noqa: ARG002 - the grid's best have it already
        return self.top + len(self.lr_factors) + self.seeds


def plan(context: Context[FineRun], records: Sequence[Record]) -> Sequence[Request]:
    """The grid's best and what they are to beat, then finer rates around the winner, then the first winner over all
    rates over seeds. A model that tuning made no better is handed on as it came: a training of no iterations."""
    if not records:
        return [*(_training(context, params, BEST_CELL) for params in _top(context)), *baselines.requests(context)]
    runs = own_runs(records)
    best = _best(context, runs)
    if best is None or any(record.request.purpose in (REPEAT, AS_IT_CAME) for record in records):
        return []
    centre = _best(context, [record for record in runs if record.request.purpose == BEST_CELL]) or best
    known = {record.request.goal for record in runs}
    factors = () if context.optimizer(centre.params).finds_rate else context.settings.lr_factors
    rates = [decimal(centre.params["lr"] * factor) for factor in factors]
    finer = [_training(context, {**centre.params, "lr": rate}, FINER_RATE, 1) for rate in rates]
    fresh = [training for training in finer if training.goal not in known]
    if fresh:
        return fresh
    seeds = [context.recipe.seed + number for number in range(1, context.settings.seeds)]
    repeats = [_training(context, {**best.params, "seed": seed}, REPEAT, 2) for seed in seeds]
    return [*repeats, *([as_it_came(context)] if stays_untouched(context, records) else [])]


def outlook(context: Context[FineRun]) -> list[Sequence[Request]]:
    """Its three rounds, around the first cells that the grid is expected to have where it has not handed any on: they
    go on from there."""
    settings = context.settings
    top = _top(context)
    if context.handoff(coarse_grid) is None:  # spread out: the best may be of any searched value
        cells = expected_cells(context.of(coarse_grid))
        top = cells[:: max(1, len(cells) // settings.top)][: settings.top]
    centre = top[len(top) // 2]
    factors = () if context.optimizer(centre).finds_rate else settings.lr_factors
    finer = [{**centre, "lr": decimal(centre["lr"] * factor)} for factor in factors]
    repeats = [{**centre, "seed": context.recipe.seed + number} for number in range(1, settings.seeds)]
    return [
        [*(_training(context, params, BEST_CELL) for params in top), *baselines.requests(context)],
        [_training(context, params, FINER_RATE, 1) for params in finer],
        [_training(context, params, REPEAT, 2) for params in repeats],
    ]


def as_it_came(context: Context[FineRun]) -> Training:
    """A training of no iterations, at rate zero: its weights are the model as it came."""
    config = replace(context.config(), lr=0.0, weight_decay=0.0)
    return Training(config, 0, {}, purpose=AS_IT_CAME, round=2)


def own_runs(records: Sequence[Record]) -> list[Record]:
    """The step's trainings, without what they are to beat."""
    return [r for r in records if isinstance(r.request, Training) and r.request.purpose != AS_IT_CAME]


def over_seeds(run: Record, runs: Sequence[Record]) -> list[Record]:
    """Those that differ from it in the seed alone, itself among them."""
    return [one for one in runs if {**one.params, "seed": 0} == {**run.params, "seed": 0}]


def stays_untouched(context: Context[FineRun], records: Sequence[Record]) -> bool:
    """Whether no training is better than the model as it came, by more than noise."""
    untouched, candidates = baselines.read(records).untouched, chosen(context, records)
    if untouched is None or candidates is None:
        return False
    gain = baselines.over_untouched(context, untouched, candidates)
    return gain.is_known and not gain.is_better


def chosen(context: Context[FineRun], records: Sequence[Record]) -> baselines.Chosen | None:
    """Among what the winner was chosen: every validation of every run, over halves, and the last ones of the grid's
    cells. None without a winner."""
    import numpy as np

    runs = ranked_runs(context, own_runs(records))
    reached = value_of(context, runs[0]) if runs else None
    if reached is None:
        return None
    kept = [baselines.kept_halves(context, runs, column) for column in (context.metric, "val_loss")]
    table, losses = (None if halves is None else np.concatenate(halves) for halves in kept)
    cells = context.handoff(coarse_grid)
    if table is not None:
        table, losses = with_shortlist(table, losses, cells.considered if cells else None)
    return baselines.Chosen(table, losses, reached[2], runs[0].validations("val_loss")[reached[0]][1])


def space(context: Context[FineRun], _records: Sequence[Record]) -> Space:
    """The rates of the best cells with the finer ones beside them, and the grid's other axes. A seed is no axis but an
    attribute of the trials that repeat the winner: what it does is noise."""
    top = _top(context)
    rates = [params["lr"] for params in top]
    rates += [decimal(rate * factor) for rate in rates for factor in context.settings.lr_factors]
    decays = [params["weight_decay"] for params in top]
    ladder = context.of(coarse_grid).settings.weight_decays or CLASSICAL
    return {"lr": Range(min(rates), max(rates), log=True), **other_axes(context.of(coarse_grid), [[*decays, *ladder]])}


def _top(context: Context[FineRun]) -> Sequence[Values]:
    cells = context.handoff(coarse_grid)
    own = {"lr": context.recipe.optimizer.lr, "weight_decay": context.recipe.optimizer.weight_decay}
    return cells.top[: context.settings.top] if cells else [own]


def _training(context: Context[FineRun], params: Values, purpose: str, round_: int = 0) -> Training:
    until = epochs_of(context) * context.iterations_per_epoch(params)
    settings = context.settings
    stop = StopRule(patience=settings.patience, min_delta=settings.min_delta, maximize=context.facts.maximize)
    return Training(context.config(params), until, dict(params), stop, purpose=purpose, round=round_)


def stopped_early(context: Context[FineRun], record: Record) -> float | None:
    """The epoch at which patience ended a run before its time, or None."""
    assert isinstance(record.request, Training)
    index = record.request.stop.stale_at(record.rows.get(context.metric, ()))
    if index is None or index + 1 >= record.request.until:
        return None
    return (index + 1) / context.iterations_per_epoch(record.params)


def epochs_of(context: Context[FineRun]) -> int:
    """Passes of each run: never fewer than the grid's best has behind it, or what it reached there would be lost."""
    cells = context.handoff(coarse_grid)
    behind = math.ceil(cells.iterations / context.iterations_per_epoch(cells.values)) if cells else 0
    return max(context.settings.epochs, behind)


def value_of(context: Context[FineRun], record: Record) -> tuple[int, int, float] | None:
    """(number, iteration, value) of a run's best validation, None where it diverged."""
    if record.error or diverged(record):
        return None
    return best_validation(record, context.metric, context.facts.maximize)


def ranked_runs(context: Context[FineRun], records: Sequence[Record]) -> list[Record]:
    """Runs of the recipe's seed with a value, the best first."""
    own = [record for record in records if record.request.purpose != REPEAT]
    scored = [(best, record) for record in own if (best := value_of(context, record)) is not None]
    return ranked(context.facts, [(one[2], r.validations("val_loss")[one[0]][1], r) for one, r in scored])


def _best(context: Context[FineRun], records: Sequence[Record]) -> Record | None:
    return next(iter(ranked_runs(context, records)), None)


def objective(context: Context[FineRun], record: Record) -> float | None:
    """The best validation value of the run."""
    best = value_of(context, record)
    return None if best is None else best[2]
