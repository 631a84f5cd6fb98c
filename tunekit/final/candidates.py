"""Which model is the final one: a training to its end with a decaying schedule, what the fine run handed on, or the
better of both trained on validation's samples too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunekit.final.result import Origin
from tunekit.forecast import Forecast
from tunekit.layout import BEST, RECIPE
from tunekit.pipeline import timed
from tunekit.recipe.schedules import stretched
from tunekit.rundir import OWN_KEYS, RunDir
from tunekit.steps import Context, Earlier, steps
from tunekit.steps.fine_run import BestRun, averaging_told, best_raw
from tunekit.steps.noise import best_validation, diverged
from tunekit.store import Entry, Store
from tunekit.supervisor import Supervisor
from tunekit.telling import command, counted
from tunekit.vocabulary import Noted, Record, Remedy, StopRule, Training, UserError

if TYPE_CHECKING:
    from tunekit.recipe import Recipe

ROSE = 2.0  # times the first loss, above which the training was diverging


@dataclass(frozen=True)
class Asked:
    """What a person asks of this training beside the recipe's `train`; None: as there."""

    epochs: int | None = None
    patience: int | None = None
    with_validation: bool | None = None


@dataclass(frozen=True)
class Candidate:
    """A model that may be the final one. `value`: of its best validation, None where it validated on nothing;
    `told`: what a person should know of it."""

    origin: Origin
    entry: Entry
    value: float | None
    epoch: float
    epochs: float
    told: tuple[str, ...] = ()
    raw: float | None = None  # the best of its weights beside their average


def with_asked(recipe: Recipe, asked: Asked) -> Recipe:
    """The recipe with what a person asks of this training alone."""
    values = {f"train.{name}": value for name, value in vars(asked).items() if value is not None}
    return recipe.with_values(values) if values else recipe


def final_training(context: Context[Any], epochs: int | None = None) -> Training:
    """The tuned recipe to its end, with its own schedule. `epochs`: None as the recipe's `train` says."""
    asked = context.recipe.train
    passes = [step.decides(context.of(step)) for step in steps() if step.decides is not None]
    length = epochs or asked.epochs or max(passes)
    stop = StopRule(patience=asked.patience, min_delta=asked.min_delta, maximize=context.facts.maximize)
    config = context.whole_config(context.params, length)
    until = length * context.iterations_per_epoch()
    return Training(config, until, context.params, stop, purpose="the final model")


def of_fine_run(run: RunDir, supervisor: Supervisor, context: Context[Any]) -> Candidate | None:
    """What the step that decides hands on, with its weights; None where there is nothing, or on other data."""
    best = best_run(context.earlier)
    if best is None:
        return None
    try:
        entry = Store(run.trainings).by_name(best.training)
    except UserError as error:
        supervisor.emit(Noted(str(error)))
        return None
    if dict(entry.config.sources) != dict(context.facts.sources) and not best.untouched:
        supervisor.emit(Noted("data or code changed since the fine run: its model is not compared with"))
        return None
    supervisor.restore_weights("train", [entry.config])
    if entry.lacks_weights():
        return None
    epochs = best.iterations / context.iterations_per_epoch(best.values)
    return Candidate("untouched" if best.untouched else "fine-run", entry, best.value, best.epoch, epochs)


def best_run(earlier: Mapping[str, Earlier]) -> BestRun | None:
    """What the step that decides handed on, be it usable or not."""
    for step in steps():
        left = earlier.get(step.name)
        winner = step.read_handoff(left.result) if step.decides is not None and left is not None else None
        if isinstance(winner, BestRun):
            return winner
    return None


def chosen(supervisor: Supervisor, context: Context[Any], fine: Candidate | None) -> Candidate:
    """The better of the final training and what the fine run handed on, and by how much; and what is better than both,
    but not kept."""
    if fine is not None and fine.origin == "untouched" and context.recipe.train.epochs is None:
        return replace(
            fine,
            told=("no training was better than the model as it came, so this is the final one; --epochs trains",),
        )
    own = _trained(supervisor, context, fine is not None)
    if own is None:
        assert fine is not None
        return replace(fine, told=("the final training diverged: the fine run's weights are kept",))
    best = _better(context, own, fine)
    if own.raw is None or best.value is None or not context.is_better(own.raw, best.value):
        return best
    values = (
        f"{context.metric} {context.metric_text(own.raw)} against {context.metric_text(best.value)} of what is kept"
    )
    again = _without_averaging(supervisor, context)
    return replace(best, told=(*best.told, f"this training's raw weights were better, {values}: `{again}` keeps them"))


def _without_averaging(supervisor: Supervisor, context: Context[Any]) -> str:
    """The command that trains the tuned values so."""
    length = context.recipe.train.epochs
    remedy = Remedy("train", {"ema": None} | ({} if length is None else {"train.epochs": length}))
    tuned = BEST if (supervisor.run.path / BEST).is_file() else RECIPE
    return command(remedy, supervisor.shown, OWN_KEYS, tuned)


def _better(context: Context[Any], own: Candidate, fine: Candidate | None) -> Candidate:
    """By their validation; and by how much."""
    if fine is None or fine.value is None or own.value is None:
        return own
    name, verb = ("the model as it came", "is") if fine.origin == "untouched" else ("the fine run's weights", "are")
    values = f"{context.metric_text(own.value)} of this training against {context.metric_text(fine.value)} of {name}"
    if own.value == fine.value:
        return replace(own, told=(*own.told, f"{context.metric} {values}: this one is no worse, and is kept"))
    if context.is_better(own.value, fine.value):
        return replace(own, told=(*own.told, f"{context.metric} {values}: this one is better, and is kept"))
    return replace(fine, told=(*own.told, f"{context.metric} {values}: {name} {verb} better and kept"))


def _of_no_value(losses: Sequence[float], at: int | None, look: str) -> str:
    """What is told of a training of which no validation has a finite value. `at`: the iteration, from 1, from which on
    it counts as diverged; `look`: the command that looks at the data."""
    data = f"`{look}` names what is not finite in the data"
    if at is None:
        return f"no validation has a finite value, though the training's losses have: {data}"
    before = losses[: at - 1]
    if math.isfinite(losses[at - 1]) or any(loss > ROSE * abs(losses[0]) for loss in before):
        return f"the training diverged (at iteration {at}); take a smaller rate"
    if not before:
        return f"the loss is not finite from the first iteration on, whatever the rate: {data}"
    return f"the loss did not rise and was not finite at iteration {at}: {data}; if nothing is, take a smaller rate"


def _trained(supervisor: Supervisor, context: Context[Any], may_fail: bool) -> Candidate | None:
    """The final training. None where it diverged and that may be. Errors: UserError."""
    request = final_training(context)
    supervisor.run.note(finishing=request.config.folder)
    if not supervisor.has(request):
        supervisor.forecast = Forecast(context.facts, timed(supervisor, request.config))
    record = supervisor.train(request, context.facts)
    best = best_validation(record, context.metric, context.facts.maximize)
    if best is None:
        if may_fail:
            return None
        look = command(Remedy("check-init-loss"), supervisor.shown, OWN_KEYS, RECIPE)
        raise UserError(_of_no_value(record.column("train_loss"), diverged(record), look))
    per_epoch = context.iterations_per_epoch()
    raw = best_raw(context, record)
    averaged = [] if raw is None else [f"averaged, {averaging_told(context, best[2], raw)}"]
    told_lines = (*_told_of_end(context, request, record, best), *averaged)
    entry = Store(supervisor.run.trainings).entry(request.config)
    return Candidate("train", entry, best[2], best[1] / per_epoch, record.iterations / per_epoch, told_lines, raw)


def _told_of_end(context: Context[Any], request: Training, record: Record, best: tuple[int, int, float]) -> list[str]:
    per_epoch = context.iterations_per_epoch()
    index = request.stop.stale_at(record.rows.get(context.metric, ()))
    if index is not None and index + 1 < request.until and best[1] <= index + 1:
        end, asked = (index + 1) / per_epoch, request.until // per_epoch
        waited = counted(request.stop.patience or 0, "validation")
        return [f"stopped early at epoch {end:g} of {asked}: no better in {waited}"]
    if best[1] > request.until:
        reached = record.iterations // per_epoch
        return [f"this training went on to epoch {reached} before: the weights are those of its best epoch"]
    return []


def on_validation_too(supervisor: Supervisor, context: Context[Any], best: Candidate) -> Candidate:
    """The better model's training once more, on validation's samples too, up to its best epoch: nothing is left to tell
    which epoch is the best, so it is the last."""
    if best.origin == "untouched":
        return replace(best, told=(*best.told, "validation's samples are not trained on: nothing was trained"))
    config = best.entry.config
    facts = context.facts
    alone = max(1, facts.n_train // config.batch_size)
    both = max(1, (facts.n_train + facts.n_val) // config.batch_size)
    if config.schedule.name == "plateau":
        told = (
            "validation's samples are not trained on: without validation no plateau is seen, and the rate does not fall"
        )
        return replace(best, told=(*best.told, told))
    schedule = stretched(config.schedule, both / alone)
    joined = replace(config, data=replace(config.data, with_validation=True), schedule=schedule)
    request = Training(joined, round(best.epoch * both), {}, purpose="the final model, on validation too")
    supervisor.run.note(finishing=joined.folder)
    record = supervisor.train(request, facts)
    entry = Store(supervisor.run.trainings).entry(joined)
    if diverged(record) is not None or entry.lacks_weights():
        told = "on training and validation samples together it diverged: the model before is kept"
        return replace(best, told=(*best.told, told))
    told = (
        f"then trained on training and validation samples, {facts.n_train + facts.n_val:,} in all, up to epoch "
        f"{best.epoch:g}, the best before: no validation is left, so it is the last weights, and the value is that of "
        "the training before"
    )
    return Candidate("train + validation", entry, best.value, best.epoch, best.epoch, (*best.told, told))
