"""A step of one's own: the largest batch that trains. It hands on the batch size; all later steps use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunekit.charts import Figure, Line, Panel
from tunekit.steps.context import Context
from tunekit.steps.step import Count, Handoff, Judgement, Settings, Step
from tunekit.vocabulary import Code, Record, StepResult, Training, UserError, Values

NAME = "batch-size"
TRIED = "batch that is tried"


@dataclass(frozen=True)
class BatchSize(Settings):
    smallest: Count = 32
    largest: Count = 1024
    iterations: Count = 2


@dataclass(frozen=True)
class LargestBatch(Handoff):
    batch_size: int

    @property
    def tuned(self) -> Values:
        return {"batch_size": self.batch_size}


SMALL_BATCH = Code(
    "small_batch",
    "warn",
    "Not even twice the smallest batch trains.",
    "A few iterations at each batch size, doubled until one fails.",
    "Too little memory for the model.",
    ("use a smaller model, or a machine with more memory",),
    "",
)


def plan(context: Context[BatchSize], records: Sequence[Record]) -> list[Training]:
    """Twice the batch, until one fails or the largest is reached."""
    settings = context.settings
    if any(record.error for record in records):
        return []
    size = settings.smallest * 2 ** len(records)
    if size > min(settings.largest, context.facts.n_train):
        return []
    params = {"batch_size": size}
    return [Training(context.config(params), settings.iterations, params, purpose=TRIED, round=len(records))]


def objective(context: Context[BatchSize], record: Record) -> float | None:
    return float(record.params["batch_size"])


def judge(context: Context[BatchSize], records: Sequence[Record]) -> Judgement:
    sound = [record.params["batch_size"] for record in records if not record.error]
    if not sound:
        raise UserError(records[0].error or "")
    table = [{"batch_size": r.params["batch_size"], "verdict": r.error or "trains"} for r in records]
    findings = []
    if len(sound) == 1 and len(records) > 1:
        findings.append(SMALL_BATCH.finding(f"batches of {sound[0]} train, of {2 * sound[0]} do not"))
    return Judgement(f"Batches of {sound[-1]} train.", findings, LargestBatch(sound[-1]), table)


def figure(context: Context[BatchSize], result: StepResult, records: Sequence[Record]) -> Figure:
    lines = [Line([r.params["batch_size"] for r in records], [float(not r.error) for r in records], points=True)]
    return Figure(result.summary, [Panel(lines, "batch size", "trains")])


STEP = Step(
    name=NAME,
    help="Find the largest batch that trains.",
    settings=BatchSize,
    handoff=LargestBatch,
    hands_on="the batch size",
    plan=plan,
    judge=judge,
    codes=lambda: (SMALL_BATCH,),
    objective=objective,
    maximize=lambda context: True,
    choices=lambda context: {},
    figure=figure,
)
