"""The six steps in order: what gates what, what is handed on, and what stands at the end. Draws and prints nothing."""

from __future__ import annotations

import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from tunekit.executors import auto_jobs, cores, make_executor
from tunekit.measured import DescribeArgs
from tunekit.recipe import Loaded
from tunekit.rundir import RunDir
from tunekit.steps import Context, get_step
from tunekit.store import Store
from tunekit.studies import MASK, Studies, absolute, import_importance, masked, open_storage
from tunekit.supervisor import Supervisor
from tunekit.vocabulary import STEPS, Emit, Facts, Measurement, Noted, StepResult, Training, UserError
from tunekit.worker import SHARED, Workspace

PURPOSE = {
    "lr-sweep": "the learning rate",
    "coarse-grid": "the best cells",
    "fine-run": "the best run",
}
"""What a step hands on, for the message of a step that lacks it."""


MOST_READERS = 8

ENDS = ("cosine", "linear", "one-cycle")
"""Schedules that depend on where the run ends."""


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


def run_steps(run: RunDir, steps: Sequence[str], options: Options, emit: Emit, shown: str) -> list[StepResult]:
    """Carry steps out in order on a run. `shown`: the run as a person types it. Stops after a failed step unless told
    to keep going. Errors: UserError, Interrupted."""
    if options.jobs is None and options.executor != "ray":  # which knows its cluster
        options = replace(
            options, jobs=1 if set(steps) <= {"check-init-loss", "diagnose"} else auto_jobs(options.device)
        )
    with _owned(run, options, emit) as supervisor:
        # Step 6 trains nothing: it needs neither torch nor the person's code again.
        facts = _kept_facts(run) if list(steps) == ["diagnose"] else None
        facts = facts or _facts(supervisor, options)
        if "coarse-grid" in steps and run.result("coarse-grid") is None:
            threading.Thread(target=import_importance).start()
        results = []
        for name in steps:
            context = make_context(run, facts, supervisor.studies, shown)
            _require(name, context, options.keep_going)
            results.append(supervisor.run_step(get_step(name), context))
            if name == "fine-run":
                write_best(run, context, results[-1])
            if results[-1].verdict == "fail" and not options.keep_going:
                break
        return results


@contextmanager
def _owned(run: RunDir, options: Options, emit: Emit) -> Iterator[Supervisor]:
    """The run under its lock, with its studies and its executor; what a killed command left behind is removed."""
    with run.lock(), _stopping(options.budget_s) as stop:
        Store(run.trainings).sweep()
        shared = run.path / SHARED
        shutil.rmtree(shared, ignore_errors=True)
        studies = open_studies(run, options.storage)
        executor = make_executor(options.executor, options.jobs, options.ray_address)
        device = options.device or run.recipe.device
        workspace = Workspace(str(run.trainings), str(run.folder), device, _readers(options))
        try:
            yield Supervisor(run, studies, executor, workspace, emit, stop)
        finally:
            executor.close()
            shutil.rmtree(shared, ignore_errors=True)


def open_studies(run: RunDir, given: str | None = None) -> Studies:
    """The run's studies: in its journal, or in the storage that its first command gave, which the manifest remembers
    (without the password, if there is one). Errors: UserError."""
    kept = run.manifest().get("studies", {})
    url = absolute(given) if given else kept.get("storage")
    if given and masked(url) != kept.get("storage") and (kept or run.journal.exists()):
        raise UserError(
            f"--storage {masked(url)}: the studies of this run are in {kept.get('storage', run.journal)}; "
            "leave --storage out, or start another run with --name"
        )
    if url is None:
        return Studies(open_storage(run.journal))
    if MASK in url:
        raise UserError(f"{run.path}: its studies are in {url}, whose password is not kept: give --storage URL again")
    storage = open_storage(run.journal, url)
    if not kept:
        # Others' runs in one database may have the same name.
        kept = {"storage": masked(url), "prefix": f"{run.name}-{uuid.uuid4().hex[:6]}/"}
        run.note(studies=kept)
    return Studies(storage, kept["prefix"])


def _readers(options: Options) -> int:
    """Processes a training that read data ahead: cores that the workers leave, none where that is less than two."""
    if options.readers is not None:
        return options.readers
    if options.executor == "ray":
        return 0  # the cores are those of other machines
    share = cores() // (options.jobs or 1)
    return min(share, MOST_READERS) if share >= 2 else 0


def _facts(supervisor: Supervisor, options: Options) -> Facts:
    """What is known before any step. Precision and threads are decided by the first command on a run and stay."""
    run = supervisor.run
    recipe = run.recipe
    decided = run.manifest().get("decided", {})
    unknown = Facts(0, 0, 1, "loss", False, None, 0, 1, "fp32", "cpu", {})
    args = DescribeArgs(
        device=options.device or recipe.device,
        precision=decided.get("precision", recipe.precision),
        threads=decided.get("threads", recipe.threads),
        asked=time.time(),  # sources are looked at anew by each command: an edited one is noticed
    )
    request = Measurement("describe", recipe.training_config(unknown), {}, args=args.to_json(), purpose="facts")
    folder = run.path / ".facts"
    _clear(folder)
    facts = Facts.from_json(supervisor.ask(request, folder))
    before = run.manifest().get("facts", {}).get("sources", facts.sources)
    changed = sorted(name for name in {*before, *facts.sources} if before.get(name) != facts.sources.get(name))
    if changed:
        supervisor.emit(Noted(f"{', '.join(changed)} changed since the last command: earlier trainings are not reused"))
    run.note(decided={"precision": facts.precision, "threads": facts.threads}, facts=facts.to_json())
    return facts


def _kept_facts(run: RunDir) -> Facts | None:
    """What an earlier command measured, where it did."""
    values = run.manifest().get("facts")
    return Facts.from_json(values) if values else None


def _clear(folder: Path) -> None:
    for file in folder.glob("*/*.json"):
        file.unlink(missing_ok=True)


def make_context(run: RunDir, facts: Facts, studies: Studies, shown: str) -> Context:
    """What a step gets to know: the hand-offs come from the studies of the steps before it."""
    return Context(run.recipe, facts, shown, studies.results(STEPS))


def _require(name: str, context: Context, keep_going: bool) -> None:
    for needed in get_step(name).NEEDS:
        if not context.handoff(needed) and not keep_going:
            raise UserError(
                f"{name}: needs {PURPOSE[needed]} from {needed}; run `tunekit {needed} {context.run}` first, "
                "or add --keep-going to take the recipe's own values"
            )


def write_best(run: RunDir, context: Context, result: StepResult) -> None:
    """best.yaml: the recipe with the tuned values filled in, and best.pt beside it by name."""
    if not result.handoff:
        return
    tuned = {
        name: result.handoff[name] for name in ("lr", "weight_decay", *run.recipe.search) if name in result.handoff
    }
    best = run.recipe.with_values(tuned).as_dict()
    best["search"] = {}
    value = result.handoff.get(context.metric)
    comment = f"{run.name}: {context.metric} {value:.4g}; weights in trainings/{result.handoff['training']}/best.pt"
    run.write_recipe("best.yaml", best, comment)


@contextmanager
def _stopping(budget_s: float | None) -> Iterator[Callable[[], str | None]]:
    """Ctrl-C, SIGTERM and the budget as something to ask for. A second Ctrl-C ends at once."""
    asked: list[str] = []
    deadline = None if budget_s is None else time.monotonic() + budget_s

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append("interrupted" if number == signal.SIGINT else "ended by SIGTERM")

    def why() -> str | None:
        if asked:
            return asked[0]
        return "the budget is used up" if deadline is not None and time.monotonic() > deadline else None

    if threading.current_thread() is not threading.main_thread():
        yield why
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield why
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check(loaded: Loaded, device: str | None = None) -> Facts:
    """Build data, model, loss and optimizer of a recipe without training: what `tunekit validate` does. Imports torch.

    Errors: UserError with what does not fit.
    """
    from tunekit.training.device import pick_device
    from tunekit.training.probes import Subject
    from tunekit.training.probes.describe import describe

    recipe = loaded.recipe
    unknown = Facts(0, 0, 1, "loss", False, None, 0, 1, "fp32", "cpu", {})
    args = DescribeArgs(device or recipe.device, recipe.precision, recipe.threads)
    config = recipe.training_config(unknown)
    return describe(Subject(config, loaded.folder, pick_device(args.device), args=args.to_json()))


def inspect_data(loaded: Loaded) -> dict[str, Any]:
    """The data probe of a recipe as rows and lines for a person. Errors: UserError."""
    import torch

    from tunekit.steps.check_init_loss import data
    from tunekit.training.probes import Subject
    from tunekit.training.probes.dataset import measure_data

    context = Context(loaded.recipe, check(loaded, "cpu"), "RUN")
    measured = measure_data(Subject(context.config(), loaded.folder, torch.device("cpu")))
    lines = [f"{finding.severity}: {finding.code}: {finding.message}" for finding in data.judge(measured, context)]
    samples = measured.samples
    if samples is None:
        return {"splits": [], "lines": lines, "data": {}}
    splits = [
        {
            "split": name,
            "size": split.size,
            "features": split.inputs and split.inputs.features,
            "mean": split.inputs and split.inputs.mean,
            "std": split.inputs and split.inputs.std,
            "constant_features": split.inputs and split.inputs.constant_features,
        }
        for name, split in (("train", samples.train), ("val", samples.val))
    ]
    counts = (samples.labels and samples.labels.train) or {}
    lines = [*(f"class {label}: {count} training samples" for label, count in counts.items()), *lines]
    return {"splits": splits, "lines": lines, "data": samples.to_json()}


def train_final(run: RunDir, options: Options, emit: Emit, shown: str, epochs: int | None) -> dict[str, Any]:
    """Train the run's tuned values with the recipe's own schedule; the weights of the best epoch are kept.

    Errors: UserError, Interrupted."""
    with _owned(run, options, emit) as supervisor:
        context = make_context(run, _facts(supervisor, options), supervisor.studies, shown)
        return supervisor.train(final_training(context, epochs), context)


def final_training(context: Context, epochs: int | None) -> Training:
    """The tuned recipe to its end: a schedule that depends on the end gets the run's total."""
    params = context.tuned("fine-run") or context.tuned("coarse-grid") or context.tuned("lr-sweep")
    until = (epochs or context.recipe.steps.fine_run.epochs) * context.iterations_per_epoch(params)
    schedule = context.recipe.schedule
    args = dict(schedule.args)
    if schedule.name in ENDS and "total" not in args:
        args["total"] = until
    return Training(
        context.config(params, schedule={"name": schedule.name, "args": args}), until, params, purpose="the final model"
    )
