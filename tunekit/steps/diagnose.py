"""Step 6: what the best run's curves say, and what to do next. The verdicts stand in tunekit/diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunekit.charts import Figure, Line, Panel
from tunekit.steps.baselines import guessed
from tunekit.steps.context import Context
from tunekit.steps.fine_run import STEP as fine_run
from tunekit.steps.fine_run.findings import STILL_IMPROVING
from tunekit.steps.noise import best_validation
from tunekit.steps.step import Count, Handoff, Judgement, Settings, Step
from tunekit.vocabulary import Code, Record, Remedy, StepResult, Training, UserError

if TYPE_CHECKING:
    from tunekit.logs.log import Procedure

NAME = "diagnose"
BEST_RUN = "best run"
JUDGES_THE_RUN = ("coarse-grid", "fine-run")  # steps whose warnings are about the training that is looked at

DROPOUT = "model.args.dropout"


@dataclass(frozen=True)
class Diagnose(Settings):
    smooth: Count | None = None  # moving average over so many iterations; None: a twentieth of the run


@dataclass(frozen=True)
class Diagnosed(Handoff):
    """The training that was judged, and the epoch of its best validation loss."""

    training: str
    best_epoch: float | None


def codes() -> Sequence[Code]:
    from tunekit.diagnosis import codes

    return tuple(codes().values())


def plan(context: Context[Diagnose], records: Sequence[Record]) -> list[Training]:
    """The run that the fine step found best, as it stands: nothing is trained that is there already."""
    if records:
        return []
    best = context.handoff(fine_run)
    epochs = context.of(fine_run).settings.epochs
    until = best.iterations if best else epochs * context.iterations_per_epoch()
    return [Training(context.config(context.params), until, context.params, purpose=BEST_RUN)]


def objective(context: Context[Diagnose], record: Record) -> float | None:
    """The best validation value."""
    best = best_validation(record, context.metric, context.facts.maximize)
    return None if best is None else best[2]


def judge(context: Context[Diagnose], records: Sequence[Record]) -> Judgement:
    from tunekit import diagnosis
    from tunekit.logs import from_record

    record = records[0]
    if record.error:
        raise UserError(record.error)
    facts = context.facts
    log = from_record(record.rows, facts.metric, facts.maximize, facts.share, _procedure(context, record))
    verdict = diagnosis.judge(log)
    headline = diagnosis.headline(verdict)
    handoff = Diagnosed(record.request.config.folder, verdict.best_epoch)
    details = {**verdict.as_dict(), "smooth": context.settings.smooth}
    following = verdict.remedies[0] if verdict.remedies else Remedy("train")
    best = context.handoff(fine_run)
    untouched = best is not None and best.untouched
    return Judgement(
        f"Of the best run, though the model as it came is handed on: {verdict.summary}"
        if untouched
        else verdict.summary,
        [headline, *verdict.notes],
        handoff,
        details=details,
        next=following,
        diagnosis=verdict.code,
    )


def _procedure(context: Context[Diagnose], record: Record) -> Procedure:
    """What the run knows besides the curves: the rates, the sweep, the expected loss."""
    from tunekit.logs.log import Procedure, dropout_of

    config = record.request.config
    known = {name: value for earlier in context.earlier.values() for name, value in earlier.result.known.items()}
    own = {"lr": config.lr, "weight_decay": config.weight_decay, "dropout": dropout_of(config.model.args)}
    if DROPOUT in context.recipe.search:
        own["dropout"] = None  # the search, not the recipe's value, says it
    own["averaged"] = config.ema is not None
    swept = known.get("sweep_range")
    if swept and context.handoff(fine_run) is not None:
        # Validation chose this rate over more epochs than the sweep's: the sweep's range does not speak against it.
        known["sweep_range"] = [min(swept[0], config.lr), max(swept[1], config.lr)]
    said = {code for name, earlier in context.earlier.items() if name in JUDGES_THE_RUN for code in earlier.codes}
    before = context.earlier.get(fine_run.name)
    improving = before is not None and any(f.code == STILL_IMPROVING.name for f in before.result.findings)
    told = {"warned": sorted(said), "still_improving": improving}
    guess = guessed([earlier.result for earlier in context.earlier.values()], context.metric)
    facts = {"classes": context.facts.classes, "wider": context.facts.wider, "guessing": guess and guess[0]}
    return Procedure.from_json({**known, **own, **told, **facts})


def figure(context: Context[Diagnose], result: StepResult, records: Sequence[Record]) -> Figure:
    """Loss and metric, training smoothed, on both the validation marked that is best by the metric."""
    record, facts = records[0], context.facts
    best = best_validation(record, context.metric, facts.maximize)
    mark, star = (None if best is None else best[0]), f"best {context.metric}"
    panels = []
    for name in dict.fromkeys(("loss", facts.metric)):
        losses, points = record.column(f"train_{name}"), record.validations(f"val_{name}")
        window = result.details["smooth"] or max(1, len(losses) // 20)
        lines = [
            Line(record.rows["iteration"], losses, f"train {name}, smoothed", "train", smooth=window),
            Line([i for i, _ in points], [v for _, v in points], f"val {name}", "val", best=mark, star=star),
        ]
        panels.append(Panel(lines, "iterations", name, share=facts.share and name != "loss", legend=""))
    return Figure(f"{result.diagnosis}: {result.summary}", panels)


STEP = Step(
    NAME,
    "Say what the curves of a training mean: of a run, or of any tool's log.",
    Diagnose,
    Diagnosed,
    "the diagnosis",
    plan,
    judge,
    codes,
    needs=(fine_run,),
    objective=objective,
    maximize=lambda context: context.facts.maximize,
    figure=figure,
    metric=lambda context: context.metric,
    work="reads",
    reads_logs=True,
)
