"""A recipe's data and model surveyed before any training: what `tunekit inspect` does. Runs the recipe's code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunekit.advice import advise, situation_of
from tunekit.executors.base import failure
from tunekit.guest import take_notes
from tunekit.inspection import as_guest, described, outlook_of
from tunekit.measured import DataMeasured, DataReport, ModelReport
from tunekit.recipe import Loaded
from tunekit.report.inspected import Inspected, Pictures
from tunekit.steps import Context, conclude
from tunekit.steps.step import Judgement
from tunekit.vocabulary import UNKNOWN, Facts, Finding, Interrupted, Measurement, Record, UserError

if TYPE_CHECKING:
    from tunekit.steps.check_init_loss.settings import CheckInitLoss
    from tunekit.training.probes import Subject
    from tunekit.training.unreadable import Readable
    from tunekit.training.workbench import Workbench

BATCH = 8  # samples on which the model is asked: it is the data that are looked at


def inspect(loaded: Loaded, pictures: bool = False) -> Inspected:
    """The data first, and then the model: where that cannot be built the data are told all the same. Errors: UserError
    of data that cannot be read."""
    from tunekit.steps.check_init_loss import STEP, data

    recipe = loaded.recipe
    with as_guest():
        readable, report = _read(loaded)
        shown = _pictures(loaded, readable, report) if pictures else Pictures()
    notes = [*readable.splits.notes, *take_notes()]
    facts, model, outlook, broken = _fallback(report), None, None, ""
    findings: list[Finding] | None = None
    untold: list[str] = []
    try:
        with as_guest():
            bench = _bench(loaded, readable)
            facts = described(loaded, bench)
            model = _model(Context(STEP, recipe, facts), bench)
            outlook = outlook_of(Context(STEP, recipe, facts))
            findings, untold = _findings(Context(STEP, recipe, facts), bench, report)
    except UserError as error:
        broken = " ".join(str(error).removeprefix("model: ").split())
    notes += [*facts.notes, *untold, *take_notes()]
    context = Context(STEP, recipe, facts)
    if findings is None:
        findings = data.judge(DataMeasured(report.samples), context)
    return Inspected(
        name=recipe.name,
        report=report,
        findings=conclude(context, Judgement("", [*findings, *data.judge_shared(report)])).findings,
        advice=advise(situation_of(report, recipe.task, recipe.model.comes_trained, model)),
        model=model,
        broken=broken,
        notes=tuple(dict.fromkeys(notes)),
        disk="" if outlook is None else outlook.disk,
        needs=None if outlook is None else outlook.printed(),
        pictures=shown,
        stops=readable.stops,
        mend=readable.mend,
    )


def _read(loaded: Loaded) -> tuple[Readable, DataReport]:
    from tunekit.training.probes.report import measure_report
    from tunekit.training.unreadable import MOST, read_what_can_be, without_unreadable

    config = loaded.recipe.training_config(UNKNOWN)
    readable = read_what_can_be(config.data, loaded.folder)
    try:
        return readable, measure_report(readable, config)
    except (MemoryError, UserError):
        raise
    except Exception:
        rest = without_unreadable(readable.parts, config.data, MOST)
        if rest is None:
            raise
        rest = replace(rest, unreadable=(*readable.unreadable, *rest.unreadable))
        return rest, measure_report(rest, config)


def _bench(loaded: Loaded, readable: Readable) -> Workbench:
    """Where the model is looked at: on the recipe's device, with the data that were read."""
    from tunekit.training.device import pick_device
    from tunekit.training.workbench import Workbench

    device = pick_device(loaded.recipe.device)
    return Workbench(loaded.folder, device, load=lambda _data, _key, _folder: readable.splits)


def _model(context: Context[Any], bench: Workbench) -> ModelReport:
    from tunekit.training.device import threads
    from tunekit.training.loop import Session
    from tunekit.training.probes.architecture import measure_model

    config = context.config()
    with threads(config.threads):
        return measure_model(Session(config, bench))


def _findings(
    context: Context[CheckInitLoss], bench: Workbench, report: DataReport
) -> tuple[list[Finding] | None, list[str]]:
    """What step 1 says of the data, by one initialisation of the model; None where the model does not take its
    questions. And what is told of that."""
    from tunekit.steps.check_init_loss import OF_DATA, THE_DATA, judge, plan
    from tunekit.training.device import threads
    from tunekit.training.indices import checked_indices
    from tunekit.training.probes import PROBES

    known = {THE_DATA: DataMeasured(report.samples)}
    every = (one for one in reversed(plan(context, [])) if isinstance(one, Measurement))
    requests = {one.purpose: one for one in every}.values()  # one initialisation
    try:
        with threads(context.facts.threads), checked_indices(bench.device):
            records = [
                Record(one, values=(known.get(one.purpose) or PROBES[one.probe](_subject(one, bench))).to_json())
                for one in requests
            ]
        return [finding for finding in judge(context, records).findings if finding.code in OF_DATA], []
    except (Interrupted, MemoryError):
        raise
    except Exception as error:
        why = " ".join(failure(0, error).error.split())
        return None, [f"the data are judged without the model, which step 1 could not be carried out on: {why}"]


def _subject(request: Measurement, bench: Workbench) -> Subject:
    from tunekit.training.probes import Subject

    few = min(request.config.batch_size, BATCH)
    return Subject(replace(request.config, batch_size=few), bench, args=request.args)


def _pictures(loaded: Loaded, readable: Readable, report: DataReport) -> Pictures:
    from tunekit.training.pictures import before_and_after, by_class

    config = loaded.recipe.training_config(UNKNOWN)
    names = (entry if isinstance(entry, str) else next(iter(entry)) for entry in config.data.augment)
    try:
        augmented = before_and_after(config, readable.splits, loaded.folder, report.class_names or ())
    except UserError:
        augmented = []  # it is told of the model, which cannot be trained so
    return Pictures(by_class(readable.splits.train), augmented, ", ".join(names))


def _fallback(report: DataReport) -> Facts:
    """What the data alone say."""
    sizes = {one.split: one.size for one in report.splits}
    train = report.split("train")
    classes = len(train.classes) if train is not None and train.classes and not report.target_axes else None
    return replace(UNKNOWN, n_train=sizes.get("train", 0), n_val=sizes.get("val", 0), classes=classes)
