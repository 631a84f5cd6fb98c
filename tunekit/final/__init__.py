"""The final model of a run: trained, chosen, scored on the test split, and written so that it can be loaded anywhere.
A front end calls it; it draws and prints nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunekit.configuration import Values
from tunekit.final.candidates import (
    Asked,
    Candidate,
    best_run,
    chosen,
    final_training,
    of_fine_run,
    on_validation_too,
    with_asked,
)
from tunekit.final.result import FinalModel, Looks, told, weights
from tunekit.final.unsaid import unsaid
from tunekit.jsondata import plain
from tunekit.layout import FINAL, MODEL, RESULT, SCORED
from tunekit.measured import Package, PackageArgs, SplitArgs, SplitScored
from tunekit.pipeline import Options, facts_of, owned, tell_outlasting, tuned_recipe
from tunekit.rundir import RunDir, disk_error, write_atomically
from tunekit.steps import Context, step_names, steps
from tunekit.supervisor import Supervisor
from tunekit.telling import told_outdated
from tunekit.vocabulary import Emit, Measurement, Noted, StorageError, UserError

if TYPE_CHECKING:
    from tunekit.recipe import Recipe

__all__ = ["Asked", "FinalModel", "final_training", "told", "train_final", "weights"]


def train_final(run: RunDir, options: Options, emit: Emit, shown: str, asked: Asked) -> FinalModel:
    """Train the run's tuned values with a decaying schedule, take the better of this and the fine run's model, score it
    on the test split and write it into the run. Errors: UserError, Interrupted."""
    with owned(run, options, emit, shown) as supervisor:
        recipe, earlier = tuned_recipe(run, supervisor.studies, step_names())
        with run.gone_if_refused():
            recipe = with_asked(recipe, asked)
            facts = facts_of(supervisor, with_asked(run.recipe, asked))
        run.keep_settings()
        context = Context(steps()[-1], recipe, facts, earlier)
        fine = of_fine_run(run, supervisor, context)
        tell_outlasting(supervisor, context, final_alone=True)
        if run.outdated:
            emit(Noted(told_outdated(run.outdated, shown)))
        if best_run(earlier) is None:
            emit(Noted("no fine run has tuned this: the recipe's own values, and those that earlier steps settled"))
        best = chosen(supervisor, context, fine)
        if recipe.train.with_validation:
            best = on_validation_too(supervisor, context, best)
        model, unwritten = _written(supervisor, run, best, recipe)  # whatever scoring comes to
        run.note(final=best.entry.config.folder)
        on, scored, faults = _scored(supervisor, run, best, recipe.train.test_time)
        looks = _looked(run, best) if on == "test" else Looks()  # counted before anything can come between
        final = FinalModel(
            origin=best.origin,
            metric=context.metric,
            value=best.value,
            epoch=best.epoch,
            epochs=best.epochs,
            weights=str(best.entry.weights),
            model=None if model is None else str(model),
            told=(*best.told, *unwritten),
            on=on,
            scored=scored,
            looks=looks,
            faults=faults,
            unsaid=unsaid(scored, recipe, shown),
            share=facts.share,
            test_time=recipe.train.test_time,
        )
        _write_json(run.path / FINAL / SCORED, scored.to_json())
        _write_json(run.path / FINAL / RESULT, final.printed())
        return final


def _scored(
    supervisor: Supervisor, run: RunDir, best: Candidate, test_time: str
) -> tuple[Literal["test", "val"], SplitScored, tuple[str, ...]]:
    """The model on the test split; where there is none, or it fails, on validation, unless it was trained on that. And
    what failed."""
    asked: list[Literal["test", "val"]] = ["test"]
    if not best.entry.config.data.with_validation:
        asked.append("val")
    faults: list[str] = []
    for name in asked:
        args = SplitArgs(name, test_time).to_json()
        try:
            scored = SplitScored.from_json(_asked(supervisor, run, best, "split", args))
        except StorageError:
            raise
        except UserError as error:
            split = "test" if name == "test" else "validation"
            faults.append(f"the {split} split could not be scored: {error}")
            continue
        if scored.samples:
            return name, scored, tuple(faults)
    return "val", SplitScored(0), tuple(faults)


def _asked(supervisor: Supervisor, run: RunDir, best: Candidate, probe: str, args: Values) -> Values:
    digest = best.entry.weights_digest()
    request = Measurement(probe, best.entry.config, {}, args=args, purpose="the final model", weights=digest)
    return supervisor.ask(request, run.trainings)


def _looked(run: RunDir, best: Candidate) -> Looks:
    """One more look at the test split, kept in the run's manifest."""
    before = looks_of(run)
    model = f"{best.entry.config.folder} {best.entry.weights_digest()}"
    looks = Looks(before.looks + 1, tuple(dict.fromkeys((*before.models, model))))
    run.note(test=looks.to_json())
    return looks


def looks_of(run: RunDir) -> Looks:
    """How often the run's test split was looked at."""
    try:
        return Looks.from_json(run.noted("test"))
    except ValueError:
        return Looks()


def _written(
    supervisor: Supervisor, run: RunDir, best: Candidate, recipe: Recipe
) -> tuple[Path | None, tuple[str, ...]]:
    """The model as safetensors, with what it must be built with; None where it cannot be written so, and what is said
    of that: the file of a model before stays."""
    from tunekit.deployed import packed

    folder = run.path / FINAL
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error(folder, error) from None
    try:
        package = Package.from_json(
            _asked(supervisor, run, best, "package", PackageArgs(recipe.train.test_time).to_json())
        )
        data = packed(best.entry.best_weights(), package, recipe.as_dict())
    except StorageError:
        raise
    except UserError as error:
        before = f"; {FINAL}/{MODEL} is still that of a `train` before" if (folder / MODEL).is_file() else ""
        return None, (f"not written as safetensors: {error}{before}",)
    for name in (RESULT, SCORED):  # of a model before: a kill from here on leaves no figures of another one
        (folder / name).unlink(missing_ok=True)
    write_atomically(folder / MODEL, data)
    return folder / MODEL, ()


def _write_json(path: Path, data: Any) -> None:
    write_atomically(path, f"{json.dumps(plain(data), indent=1)}\n".encode())
