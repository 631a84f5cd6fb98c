"""What a search comes to before anything is trained: axes, sweeps and cells. And what does not go with one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tunekit.configuration import Values
from tunekit.jsondata import JsonData
from tunekit.recipe import Recipe
from tunekit.steps.coarse_grid.decays import decay_ladder
from tunekit.steps.coarse_grid.plan import CoarseGrid, moves_rate
from tunekit.steps.context import Context
from tunekit.telling import counted
from tunekit.vocabulary import Facts, UserError

OPTIMIZER, ARGUMENTS = "optimizer.target", "optimizer.args"


@dataclass(frozen=True)
class Search(JsonData):
    """`moving`: axes whose values have a sweep each; `sharing`: axes that share the rate. `cells`: of the first grid,
    before it grows, or trials that are drawn."""

    moving: tuple[str, ...]
    sharing: tuple[str, ...]
    sweeps: int  # beside the recipe's own, at most: combinations of moving values that are not the recipe's
    cells: int
    sampler: str

    @property
    def told(self) -> str:
        if self.sampler != "grid":
            axes = _listed(self.moving + self.sharing)
            return f"search: {counted(self.cells, 'trial')} drawn by {self.sampler} ({axes})"
        parts = []
        if self.moving:
            parts.append(f"{_listed(self.moving)} {_move(self.moving)} the rate: {counted(self.sweeps, 'more sweep')}")
        if self.sharing:
            parts.append(f"{_listed(self.sharing)} {'shares' if len(self.sharing) == 1 else 'share'} it")
        return f"search: {counted(self.cells, 'cell')} at most before the grid grows; {'; '.join(parts)}"


def count_search(context: Context[CoarseGrid]) -> Search | None:
    """What the recipe's search comes to; None where it searches nothing."""
    recipe, settings = context.recipe, context.settings
    if not recipe.search:
        return None
    moving = tuple(path for path in recipe.search if moves_rate(path))
    sharing = tuple(path for path in recipe.search if not moves_rate(path))
    if settings.sampler != "grid":
        return Search(moving, sharing, 0, settings.trials, settings.sampler)
    combinations = math.prod(len(recipe.search[path]) for path in moving)
    own = all(recipe.get(path) in recipe.search[path] for path in moving)
    shared = math.prod(len(recipe.search[path]) for path in sharing)
    decays = len(set(decay_ladder(context, settings.weight_decays, {}, recipe.optimizer.lr)))
    cells = combinations * shared * len(settings.lr_factors) * decays
    return Search(moving, sharing, combinations - own if moving else 0, cells, settings.sampler)


def check_measure(recipe: Recipe, facts: Facts) -> None:
    """Errors: UserError where the loss is to choose between trainings that have another loss each."""
    if facts.metric != "loss":
        return
    for path in recipe.search:
        if path.partition(".")[0] == "loss" or (path == "batch_size" and facts.loss_of_batches):
            why = "this loss follows the batch size" if path == "batch_size" else "each value makes another loss"
            known = "mae" if recipe.task == "regression" else "accuracy"
            named = f"`metric: {known}`" if recipe.metric.target == "loss" else "`metric: max module:callable`"
            raise UserError(
                f"search.{path}: {why}, and the loss is what validation is judged by: their values cannot be "
                f"compared; name a metric ({named}, say), or leave this axis out"
            )


def misfit(recipe: Recipe, values: Values) -> str:
    """Why another optimizer may fail on the recipe's arguments, which go to each that is searched; or nothing."""
    if OPTIMIZER not in values or not recipe.optimizer.args or values[OPTIMIZER] == recipe.optimizer.target:
        return ""
    names = ", ".join(recipe.optimizer.args)
    return f"{ARGUMENTS} ({names}) go to every optimizer that is searched: leave those that not all of them take"


def _listed(paths: tuple[str, ...]) -> str:
    return ", ".join(paths)


def _move(paths: tuple[str, ...]) -> str:
    return "moves" if len(paths) == 1 else "move"
