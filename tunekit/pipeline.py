"""The six steps in order: what gates what, what is handed on, and what stands at the end. Draws and prints nothing."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from tunekit import rundir
from tunekit.configuration import TrainingConfig
from tunekit.executors import NoExecutor, auto_jobs, cores, make_executor
from tunekit.forecast import Forecast
from tunekit.layout import BEST, FACTS, MANIFEST, SHARED
from tunekit.measured import DescribeArgs, SpeedMeasured
from tunekit.outlook import Outlook
from tunekit.recipe import Loaded, Recipe, recipe_type
from tunekit.recipe.shipped import by_name
from tunekit.rundir import RunDir, RunFolder
from tunekit.runs import find_run, run_of
from tunekit.runstudies import open_studies, studies_address
from tunekit.steps import Context, Earlier, Step, codes, get_step, step_names, steps
from tunekit.steps.lengths import outlasting
from tunekit.steps.winner import Winner
from tunekit.stopping import stopping
from tunekit.store import Store
from tunekit.studies import Studies, import_importance, in_one_line, quiet
from tunekit.supervisor import Supervisor
from tunekit.telling import as_path, pasted
from tunekit.vocabulary import (
    UNKNOWN,
    Emit,
    Facts,
    Interrupted,
    Measurement,
    Noted,
    RunForeseen,
    StepResult,
    StepStarted,
    StorageError,
    UserError,
)
from tunekit.worker import Workspace

MOST_READERS = 8


@cache
def schema() -> type[Recipe]:
    """The recipe with the settings of all steps."""
    return recipe_type({step.name: step.settings for step in steps()}, codes)


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """A recipe file, wherever it lies; a folder that holds one of its name; or one of tunekit's own, by its name.
    Errors: UserError."""
    file, folder = _located(path)
    return rundir.read_recipe(schema(), file, tuple(overrides), folder)


def _located(path: Path) -> tuple[Path, Path | None]:
    """The file of the recipe that is meant, or the path as it is; and where its paths begin, if not beside it: those of
    a recipe of tunekit's own, which has no files beside it, begin where the command is given."""
    inside = path / f"{path.resolve().name}.yaml"
    if path.is_file() or rundir.is_run(path):
        return path, None
    if inside.is_file():
        return inside, None
    recipe = by_name(path.name) if path.parent == Path() else None
    if recipe is None:
        return path, None
    return recipe.path, None if recipe.has_code else Path()


def open_run(path: Path, overrides: Sequence[str] = ()) -> RunDir:
    """An existing run, to go on with. Errors: UserError."""
    return rundir.open_run(schema(), path, tuple(overrides))


def find(target: Path, overrides: Sequence[str], runs_dir: Path, name: str | None = None) -> RunDir:
    """The run that a recipe file or a run folder means: one to go on with, or a new one. Errors: UserError."""
    if _is_recipe(target):
        return find_run(read_recipe(target, overrides), runs_dir, name)
    if name is not None:
        raise UserError(f"--name {name}: {target} is a run already; --name goes with a recipe")
    return open_run(target, overrides)


def existing(target: Path, overrides: Sequence[str], runs_dir: Path, name: str | None = None) -> RunDir | Loaded:
    """The same, but the recipe itself where a new run would be made of it. Errors: UserError."""
    if not _is_recipe(target):
        return find(target, overrides, runs_dir, name)
    loaded = read_recipe(target, overrides)
    return run_of(loaded, runs_dir, name) or loaded


def _is_recipe(target: Path) -> bool:
    return not target.is_dir() or _located(target)[0] != target


@dataclass(frozen=True)
class Options:
    """What changes how a run is carried out, but no number of it."""

    jobs: int | None = None  # None: one worker a core, or a GPU; measuring steps are done in this process
    executor: str = "auto"
    device: str | None = None
    budget_s: float | None = None
    keep_going: bool = False
    storage: str | None = None
    readers: int | None = None  # None: what cores the workers leave
    ray_address: str | None = None  # None: Ray is started on this machine


def run_steps(run: RunDir, names: Sequence[str], options: Options, emit: Emit, shown: str) -> list[StepResult]:
    """Carry steps out in order on a run. `shown`: the run as a person types it. Stops after a failed step unless told
    to keep going. Errors: UserError, Interrupted."""
    walked = [get_step(name) for name in names]
    with owned(run, _with_jobs(options, walked), emit, shown) as supervisor:
        with run.gone_if_refused():
            facts = facts_of(supervisor)
            for step in walked:
                step.check(run.recipe, facts)
            tell_outlasting(supervisor, Context(walked[0], run.recipe, facts))
            for step in walked:
                _rehearse(supervisor, Context(step, run.recipe, facts), options.keep_going)
        run.keep_settings()
        results = []
        outlook = _foresee(supervisor, walked, facts)
        if len(walked) > 1:
            supervisor.emit(RunForeseen(len(outlook.steps), outlook.whole))
        for number, step in enumerate(walked):
            if step.importance_data and run.result(step.name) is None:
                threading.Thread(target=_import_early, daemon=True).start()
            contexts = [make_context(later, run, facts, supervisor.studies) for later in walked[number:]]
            context = contexts[0]
            ahead = supervisor.look_ahead(contexts).steps.get(step.name)
            started = StepStarted(step.name, ahead, (step_names().index(step.name) + 1, len(step_names())))
            _require(context, options.keep_going, shown)
            try:
                result = supervisor.run_step(context, started)
            except StorageError:
                raise
            except UserError as error:
                if not options.keep_going:
                    raise
                result = supervisor.give_up(context, error)
            results.append(result)
            _note_outdated(supervisor, facts)
            if step.decides is not None and result.handoff:
                write_best(run, context, result)
            if result.verdict == "fail" and not options.keep_going:
                break
        return results


def look_ahead(run: RunDir, names: Sequence[str], options: Options, shown: str) -> Outlook:
    """What these steps of a run that is there would take now: what stands of it already takes nothing. No step is
    carried out. Errors: UserError, Interrupted."""
    walked = [get_step(name) for name in names]
    with owned(run, _with_jobs(options, walked), lambda _: None, shown) as supervisor:
        facts = facts_of(supervisor)
        for step in walked:
            step.check(run.recipe, facts)
        return _foresee(supervisor, walked, facts)


def _with_jobs(options: Options, walked: Sequence[Step[Any, Any]]) -> Options:
    if options.jobs is not None or options.executor == "ray":  # which knows its cluster
        return options
    trains = any(step.work == "trains" for step in walked)
    return replace(options, jobs=auto_jobs(options.device) if trains else 1)


def _foresee(supervisor: Supervisor, walked: Sequence[Step[Any, Any]], facts: Facts) -> Outlook:
    contexts = [make_context(step, supervisor.run, facts, supervisor.studies) for step in walked]
    train = [context for context in contexts if context.step.work != "reads" and not supervisor.is_finished(context)]
    supervisor.forecast = Forecast(facts, timed(supervisor, train[0].config()) if train else None)
    return supervisor.look_ahead(contexts)


def judge_stored(
    folder: RunFolder, name: str, overrides: Sequence[str], storage: str | None, emit: Emit, shown: str
) -> StepResult | None:
    """A step that only reads, on what a run holds: nothing of the recipe's is imported, nothing is trained, and nothing
    written but the step's result and conclusion. `overrides` hold for this once. None where the run has not all that
    the step takes. Errors: UserError."""
    # Where the recipe's code lies is nothing to a reader.
    run = rundir.with_recipe(schema(), folder, folder.path, tuple(overrides), folder=folder.path)
    step, facts = get_step(name), _kept_facts(run)
    if facts is None:
        return None
    studies_address(run, storage)  # a database that the run alone names is not opened
    with run.lock(), quiet():
        studies = open_studies(run, storage)
        with in_one_line(studies.address):
            workspace = Workspace(str(run.trainings), str(run.folder), "cpu")
            supervisor = Supervisor(run, studies, NoExecutor(), workspace, emit, shown)
            context = make_context(step, run, facts, studies)
            if any(context.handoff(needed) is None for needed in step.needs) or not supervisor.can_answer(context):
                return None
            result = supervisor.run_step(context)
            if name in run.outdated:  # of the other steps a reader learns nothing new
                run.note(outdated=[other for other in run.outdated if other != name])
            return result


def _note_outdated(supervisor: Supervisor, facts: Facts) -> None:
    """Which steps' results were made before what they hang on changed: whoever reads the run is told."""
    run, studies = supervisor.run, supervisor.studies
    names = [step.name for step in steps() if supervisor.is_outdated(make_context(step, run, facts, studies))]
    if names != run.outdated:
        run.note(outdated=names)


def _import_early() -> None:
    """What fails here, for the program ends meanwhile, is imported again where it is needed."""
    with suppress(Exception):
        import_importance()


@contextmanager
def owned(run: RunDir, options: Options, emit: Emit, shown: str) -> Iterator[Supervisor]:
    """The run under its lock, with its studies and its executor; what a killed command left behind is removed."""
    with run.lock(), quiet(), stopping(options.budget_s) as stop:
        Store(run.trainings).sweep()
        shared = run.path / SHARED
        shutil.rmtree(shared, ignore_errors=True)
        with run.gone_if_refused():
            studies = open_studies(run, options.storage, lambda text: emit(Noted(text)))
            executor = make_executor(options.executor, options.jobs, options.ray_address)
        device = options.device or run.recipe.device
        workspace = Workspace(str(run.trainings), str(run.folder), device, _readers(options))
        try:
            with in_one_line(studies.address):
                yield Supervisor(run, studies, executor, workspace, emit, shown, stop)
        except Interrupted:
            run.keep_settings()  # the command that goes on from here does not give them again
            raise
        finally:
            executor.close()
            shutil.rmtree(shared, ignore_errors=True)


def _readers(options: Options) -> int:
    """Processes a training that read data ahead: cores that the workers leave, none where that is less than two."""
    if options.readers is not None:
        return options.readers
    if options.executor == "ray":
        return 0  # the cores are those of other machines
    share = cores() // (options.jobs or 1)
    return min(share, MOST_READERS) if share >= 2 else 0


def facts_of(supervisor: Supervisor, recipe: Recipe | None = None) -> Facts:
    """What is known before any step. Precision and threads are decided by the first command on a run and stay.
    `recipe`: with what this command alone asks for. Errors: UserError, also where the data do not allow that."""
    run = supervisor.run
    recipe = recipe or run.recipe
    decided = {"precision": recipe.precision, "threads": recipe.threads, **run.noted("decided")}
    try:
        # Sources are looked at anew by each command: an edited one is noticed.
        own = {"asked": time.time(), "weights": recipe.files_searched}
        args = replace(DescribeArgs.from_json({**decided, **own}), **recipe.train.asks_of_data)
    except ValueError as error:
        raise UserError(f"{run.path / MANIFEST}: `decided` is damaged: {error}; take it out") from None
    request = Measurement("describe", recipe.training_config(UNKNOWN), {}, args=args.to_json(), purpose="facts")
    folder = run.path / FACTS
    _clear(folder)
    facts = Facts.from_json(supervisor.ask(request, folder))
    if any(path.split(".")[0] == "model" for path in recipe.search):
        facts = replace(facts, wider={})  # a search says it another way
    before = run.noted("facts").get("sources")
    before = before if isinstance(before, dict) else facts.sources
    changed = sorted(name for name in {*before, *facts.sources} if before.get(name) != facts.sources.get(name))
    if changed:
        supervisor.emit(Noted(f"{', '.join(changed)} changed since the last command: earlier trainings are not reused"))
    for note in facts.notes:
        if note not in (run.noted("facts").get("notes") or ()):
            supervisor.emit(Noted(note))
    supervisor.forecast = Forecast(facts)
    run.note(decided={"precision": facts.precision, "threads": facts.threads}, facts=facts.to_json())
    return facts


def timed(supervisor: Supervisor, config: TrainingConfig) -> SpeedMeasured | None:
    """How fast such a training goes here, where that can be told; nothing of it is kept."""
    request = Measurement("speed", config, {}, purpose="speed")
    [record] = supervisor.ask_all([request], supervisor.run.path / FACTS)
    try:
        return None if record.error else SpeedMeasured.from_json(record.values)
    except ValueError:
        return None


def tell_outlasting(supervisor: Supervisor, context: Context[Any], final_alone: bool = False) -> None:
    """What the recipe asks for that its trainings are too short for, where it was not said before."""
    said = supervisor.run.noted("outlasting").get("said") or []
    lines = [line for line in outlasting(context, final_alone) if line not in said]
    for line in lines:
        supervisor.emit(Noted(line))
    if lines:
        supervisor.run.note(outlasting={"said": [*said, *lines]})


def _rehearse(supervisor: Supervisor, context: Context[Any], keep_going: bool) -> None:
    """What a step wants tried, where that has not been done: what fails would fail in the step, after all the trainings
    before it. Errors: UserError."""
    run, step = supervisor.run, context.step
    rehearsal, done = step.rehearsal(context), run.noted("rehearsed")
    if rehearsal is None or done.get(step.name) == rehearsal.key:
        return
    records = supervisor.ask_all(rehearsal.requests, run.path / FACTS, context.facts.threads)
    faults = rehearsal.faults(records)
    if faults and not keep_going:
        raise UserError("\n".join(faults))
    for line in (*faults, *rehearsal.notes(records)):
        supervisor.emit(Noted(line))
    run.note(rehearsed={**done, step.name: rehearsal.key})


def _kept_facts(run: RunDir) -> Facts | None:
    """What an earlier command measured, where it did."""
    try:
        return Facts.from_json(run.manifest().get("facts"))
    except ValueError:
        return None


def _clear(folder: Path) -> None:
    for file in folder.glob("*/*.json"):
        file.unlink(missing_ok=True)


def make_context(step: Step[Any, Any], run: RunDir, facts: Facts, studies: Studies) -> Context[Any]:
    """What a step gets to know: hand-offs come from the studies of the steps before it, and the recipe holds what they
    have tuned."""
    names = step_names()
    place = names.index(step.name)
    recipe, earlier = tuned_recipe(run, studies, names[:place])
    takers = [other for other in steps() if step in other.needs]
    wanted = max((other.takes(run.recipe.settings(other.name)) for other in takers), default=0)
    following = names[place + 1] if place + 1 < len(names) else ""
    return Context(step, recipe, facts, earlier, following, wanted)


def tuned_recipe(run: RunDir, studies: Studies, names: Sequence[str]) -> tuple[Recipe, dict[str, Earlier]]:
    """The run's recipe with what these steps have tuned, and what they left. A hand-off that its step no longer knows,
    for it was changed since, is none."""
    recipe, earlier = run.recipe, {}
    for name, left in studies.conclusions(names).items():
        try:
            handoff = get_step(name).read_handoff(left.result)
        except ValueError:
            continue
        tuned = handoff.tuned if handoff else {}
        recipe = recipe.with_values(tuned)
        earlier[name] = Earlier(left.result, left.causes, tuned)
    return recipe, earlier


def _require(context: Context[Any], keep_going: bool, shown: str) -> None:
    for needed in context.step.needs:
        if context.handoff(needed) is None and not keep_going:
            command = pasted("tunekit", needed.name, as_path(shown))
            raise UserError(
                f"{context.step.name}: needs {needed.hands_on} from {needed.name}; run `{command}` first, "
                "or add --keep-going to take the recipe's own values"
            )


def write_best(run: RunDir, context: Context[Any], result: StepResult) -> None:
    """best.yaml: the recipe with all that the best training was, and where its weights lie."""
    winner = context.step.read_handoff(result)
    assert isinstance(winner, Winner), "a step that decides hands on a winner"
    best = Store(run.trainings).by_name(winner.training)
    value = context.metric_text(winner.value)
    comment = f"{run.name}: {winner.metric} {value}; weights in {best.weights.relative_to(run.path)}"
    tuned = context.recipe.with_values(winner.tuned)
    # Of the model as it came the rate is zero: what a training would go by is what was tuned.
    config = replace(best.config, lr=tuned.optimizer.lr, weight_decay=tuned.optimizer.weight_decay)
    recipe = tuned.with_training(config)
    run.write_recipe(BEST, recipe.as_dict(), comment)
