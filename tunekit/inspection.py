"""A recipe looked at without a run: whether it is sound, its data, and what a run of it will train. Runs its code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunekit import outlook
from tunekit.diskroom import shown
from tunekit.executors import auto_jobs
from tunekit.executors.base import failure
from tunekit.forecast import Forecast
from tunekit.guest import Visit, take_notes
from tunekit.measured import DescribeArgs, SpeedMeasured
from tunekit.outlook import DryRun, StepAhead
from tunekit.recipe import Loaded
from tunekit.steps import Context, get_step, steps
from tunekit.steps.coarse_grid.counting import Search, count_search
from tunekit.steps.lengths import outlasting
from tunekit.stopping import stopped_at_once
from tunekit.telling import READING, counted, lasting
from tunekit.vocabulary import UNKNOWN, Ahead, Facts, Interrupted, Measurement, Record, UserError, Versioned
from tunekit.warned import once, to_screen

if TYPE_CHECKING:
    from tunekit.training.workbench import Workbench


NOT_KNOWN = "not known yet"


@dataclass(frozen=True)
class Outlook:
    """What steps are expected to train, as far as that is known before anything is trained."""

    steps: Mapping[str, Ahead]
    whole: Ahead
    free: int  # bytes of the disk

    @classmethod
    def of(cls, ahead: outlook.Outlook) -> Outlook:
        return cls(ahead.steps, ahead.whole, shutil.disk_usage(Path.cwd()).free)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row a step."""
        return [
            {
                "step": name,
                "trainings": ahead.trainings,
                "iterations": ahead.iterations,
                "time": NOT_KNOWN if ahead.seconds is None else lasting(ahead.seconds),
                "disk": shown(ahead.bytes),
            }
            for name, ahead in self.steps.items()
        ]

    @property
    def time(self) -> str:
        """Of all of it, where it could be told."""
        return NOT_KNOWN if self.whole.seconds is None else f"about {lasting(self.whole.seconds)}"

    @property
    def disk(self) -> str:
        needed = f"about {shown(self.whole.bytes)} for about {counted(self.whole.trainings, 'training')}"
        return f"disk: a run takes {needed}; {shown(self.free)} are free here"

    def printed(self) -> DryRun:
        steps = tuple(StepAhead(step=name, **vars(ahead)) for name, ahead in self.steps.items())
        return DryRun(line=self.disk, free=self.free, steps=steps, **vars(self.whole))


@dataclass(frozen=True, kw_only=True)
class Validated(Facts, Versioned):
    """What `validate --json` prints: the facts, and the search, None where the recipe searches nothing."""

    search: Search | None


_warned: dict[str, str] = {}


@contextmanager
def as_guest() -> Iterator[None]:
    """The recipe's code in this process, with nothing to save. Errors: UserError, of what it raised as well."""
    take_notes()
    try:
        with stopped_at_once():
            import torch  # noqa: F401 - before the code, so that what that changes of it is seen

            with Visit(), once(_warned, to_screen):
                yield
    except (UserError, Interrupted):
        raise
    except Exception as error:
        reading = any(note.startswith(READING) for note in getattr(error, "__notes__", ()))
        told = f"{'data: ' if reading else ''}{failure(0, error).error}"
        # What was put back may be why.
        raise UserError("; ".join([told, *take_notes()])) from error


def check(loaded: Loaded, device: str | None = None) -> Facts:
    """Build data, model, loss and optimizer of a recipe without training. Imports torch.

    Errors: UserError with what does not fit.
    """
    with as_guest():
        from tunekit.training.device import pick_device
        from tunekit.training.workbench import Workbench

        facts = described(loaded, Workbench(loaded.folder, pick_device(device or loaded.recipe.device)))
    for step in steps():
        step.check(loaded.recipe, facts)
    return replace(facts, notes=(*facts.notes, *take_notes()))


def described(loaded: Loaded, bench: Workbench) -> Facts:
    """The facts of a recipe, on a bench."""
    from tunekit.training.probes import Subject
    from tunekit.training.probes.describe import describe

    recipe = loaded.recipe
    weights = tuple(recipe.files_searched)
    args = DescribeArgs(recipe.precision, recipe.threads, weights=weights, **recipe.train.asks_of_data)
    return describe(Subject(recipe.training_config(UNKNOWN), bench, args=args.to_json()))


def validate(loaded: Loaded, device: str | None = None) -> Facts:
    """A recipe rehearsed: every value is a number, and one step of a training and a look at validation go through, with
    the searched values in combination too. What `tunekit validate` does. Errors: UserError with what does not fit."""
    facts = check(loaded, device)
    with as_guest():
        from tunekit.steps.check_init_loss import STEP, data
        from tunekit.steps.check_init_loss.labels import LABELS_OUT_OF_RANGE
        from tunekit.training.device import pick_device
        from tunekit.training.probes import Subject
        from tunekit.training.probes.dataset import measure_data
        from tunekit.training.probes.rehearsal import rehearse
        from tunekit.training.workbench import Workbench

        bench = Workbench(loaded.folder, pick_device(device or loaded.recipe.device))
        context = Context(STEP, loaded.recipe, facts)
        found = data.judge(measure_data(Subject(context.config(), bench)), context)
        unusable = (data.INPUT_NOT_FINITE.name, LABELS_OUT_OF_RANGE.name)
        damaged = [
            f"{one.message}; {one.advice[0]}" for one in found if one.code in unusable and one.severity == "fail"
        ]
        if damaged:
            raise UserError("\n".join(f"data: {message}" for message in damaged))
        odd = rehearse(Subject(context.config(), bench)).odd
        tried = [note for step in steps() for note in _rehearse(context.of(step), bench)]
    if any(note.startswith(f"{facts.metric} is no number") for note in facts.notes):
        odd = ""  # it was said already, with the reason
    return replace(
        facts,
        notes=tuple(dict.fromkeys((*facts.notes, *filter(None, [odd]), *outlasting(context), *tried, *take_notes()))),
    )


def search_of(loaded: Loaded, facts: Facts) -> Search | None:
    """What the recipe's search comes to, in sweeps and cells; None where it searches nothing."""
    return count_search(Context(get_step("coarse-grid"), loaded.recipe, facts))


def _rehearse(context: Context[Any], bench: Workbench) -> Sequence[str]:
    """What a step wants tried, as a run does it; returns what is as well to know. Errors: UserError."""
    from tunekit.training.probes import PROBES, Subject

    def record(request: Measurement) -> Record:
        try:
            return Record(request, values=PROBES[request.probe](Subject(request.config, bench)).to_json())
        except Interrupted:
            raise
        except Exception as error:
            return Record(request, error=failure(0, error).error)

    rehearsal = context.step.rehearsal(context)
    if rehearsal is None:
        return ()
    records = [record(request) for request in rehearsal.requests]
    if faults := rehearsal.faults(records):
        raise UserError("\n".join(faults))
    return rehearsal.notes(records)


def dry_run(
    loaded: Loaded, names: Sequence[str] | None = None, jobs: int | None = None, device: str | None = None
) -> Outlook:
    """What a run of the recipe, or these of its steps, are expected to train, and how long that takes here by so many
    workers (None: one a core). Errors: UserError."""
    from tunekit.training.device import pick_device
    from tunekit.training.workbench import Workbench

    context = Context(steps()[0], loaded.recipe, validate(loaded, device))
    device = device or loaded.recipe.device
    with as_guest():
        timed = _timed(context, Workbench(loaded.folder, pick_device(device)))
        return outlook_of(context, names, timed, jobs or auto_jobs(device))


def _timed(context: Context[Any], bench: Workbench) -> SpeedMeasured | None:
    from tunekit.training.probes import Subject
    from tunekit.training.probes.speed import measure_speed

    with suppress(Exception):  # of the person's model: the steps tell it, and this can do without
        return measure_speed(Subject(context.config(), bench))
    return None


def outlook_of(
    context: Context[Any],
    names: Sequence[str] | None = None,
    timed: SpeedMeasured | None = None,
    jobs: int | None = None,
) -> Outlook:
    """Of these steps, or all."""
    walked = [context.of(step) for step in steps() if names is None or step.name in names]
    workers = max(1, (jobs or auto_jobs(context.recipe.device)) // context.facts.threads)
    return Outlook.of(outlook.look_ahead(walked, Forecast(context.facts, timed), workers, lambda _: 0))
