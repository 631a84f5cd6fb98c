"""What a recipe asks for that outlasts the trainings it is asked of, known before any of them: a warm-up, a schedule's
end, patience, a frozen body, an average that still holds the first weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tunekit.configuration import ScheduleSpec, Values
from tunekit.recipe import Recipe
from tunekit.recipe.schedules import default
from tunekit.shares import percent
from tunekit.steps.coarse_grid import STEP as coarse_grid
from tunekit.steps.coarse_grid.plan import budget
from tunekit.steps.context import Context
from tunekit.steps.fine_run import STEP as fine_run
from tunekit.telling import counted, spelled

HARDLY_FALLEN = 0.9
"""Share of the rate above which a schedule that falls at each iteration has left it as it was."""
FIRST_WEIGHTS = 0.5
"""Share of an average that the weights after the first iteration may still have at the end of a training."""


@dataclass(frozen=True)
class Length:
    """A training by its name: how long it is, at which schedule, and where its patience stands in the recipe."""

    name: str
    epochs: int
    iterations: int
    schedule: ScheduleSpec
    patience: int | None = None
    place: str = ""


def outlasting(context: Context[Any], final_alone: bool = False) -> list[str]:
    """One line for each thing that never comes into its own, of the recipe and of each value that it searches.
    `final_alone`: of the training of `tunekit train`, none of the steps'."""
    if final_alone:
        return list(_outlasting(context.recipe, _lengths(context)[-1:]))
    lines = list(_outlasting(context.recipe, _lengths(context)))
    for path, value in ((path, value) for path, values in context.recipe.search.items() for value in values):
        changed = context.at({path: value})
        for line in _outlasting(changed.recipe, _lengths(changed)):
            if line not in lines:
                lines.append(line if line.startswith(f"{path}:") else f"{line} (with {path}: {spelled(value)})")
    return lines


def _lengths(context: Context[Any]) -> list[Length]:
    """Those of the grid, of the fine run and of the final model."""
    recipe, per_epoch = context.recipe, context.iterations_per_epoch()
    cell, fine = budget(context.of(coarse_grid), {}), context.of(fine_run).settings
    steady, last = context.config().schedule, recipe.train.epochs or fine.epochs
    whole = context.whole_config({}, last).schedule
    return [
        Length("a cell of coarse-grid", cell // per_epoch, cell, steady),
        Length(fine_run.name, fine.epochs, fine.epochs * per_epoch, steady, fine.patience, "steps.fine-run.patience"),
        Length("train", last, last * per_epoch, whole, recipe.train.patience, "train.patience"),
    ]


def _outlasting(recipe: Recipe, lengths: Sequence[Length]) -> Iterator[str]:
    def those(short: Sequence[Length]) -> str:
        *others, last = [f"{one.name} ({counted(one.iterations, 'iteration')})" for one in short]
        return f"{', '.join(others)} and {last}" if others else last

    if short := [one for one in lengths if 0 < one.schedule.args.get("warmup", 0) >= one.iterations]:
        warmup = counted(max(one.schedule.args["warmup"] for one in short), "iteration")
        yield f"schedule.args.warmup: {warmup} are not over in {those(short)}: the rate is never reached"
    last = lengths[-1]
    yield from _of_schedule(last.schedule.name, last.schedule.args, last)
    for one in lengths:
        if one.patience is not None and one.patience + 1 >= one.epochs:  # the first validation is the best so far
            yield f"{one.place}: {one.patience} of {counted(one.epochs, 'epoch')} ends no training early"
        freeze = recipe.model.freeze
        if isinstance(freeze, int) and freeze >= one.epochs:
            yield f"model.freeze: the body never trains in {one.name}, of {counted(one.epochs, 'epoch')}"
    if recipe.ema and (short := [one for one in lengths if recipe.ema**one.iterations > FIRST_WEIGHTS]):
        held = percent(recipe.ema ** short[0].iterations)
        yield (f"ema: {recipe.ema:g} leaves {held} of the average to the first weights in {those(short)}; take less")


def _of_schedule(name: str, args: Values, last: Length) -> Iterator[str]:
    total = args.get("total")
    warmup = args.get("warmup", 0)
    length = counted(last.iterations, "iteration")
    if total is not None and total > last.iterations:
        yield f"schedule.args.total: {total:,}, and {last.name} has {length}: the rate does not fall to its end"
    if total is not None and total < last.iterations:
        yield f"schedule.args.total: {total:,}, and {last.name} has {length}: the rest trains at the last rate"
    behind = f" behind a warm-up of {warmup:,}" if warmup else ""
    if name == "step" and (every := default(name, args, "every")) + warmup >= last.iterations:
        yield f"schedule.args.every: {every:,}{behind}, and {last.name} has {length}: the rate never falls"
    if name == "exponential":
        gamma = default(name, args, "gamma")
        left = gamma ** max(0, last.iterations - warmup)
        if left > HARDLY_FALLEN:
            shown = f"{gamma:g}{behind}"
            yield f"schedule.args.gamma: {shown} leaves {percent(left)} of the rate after {length} of {last.name}"
    if name == "plateau" and (patience := default(name, args, "patience")) + 1 >= last.epochs:
        yield f"schedule.args.patience: {patience} of {counted(last.epochs, 'epoch')}: the rate never falls"
