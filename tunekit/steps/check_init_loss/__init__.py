"""Step 1: is the untrained network's loss what theory says, and are data, outputs and gradients sound?

Each module judges one thing that the probes measured, and holds the codes that it says; model puts those of the model
in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunekit.charts import Bars, Figure, Line, Panel, Rule
from tunekit.configuration import Values
from tunekit.measured import DataMeasured, InitialMeasured, UsageMeasured
from tunekit.space import Range, Space
from tunekit.steps.check_init_loss import (
    agreement,
    axes,
    calls,
    data,
    finiteness,
    giveaways,
    gradients,
    labels,
    loss,
    mirrors,
    model,
    norms,
    optimizer,
    outputs,
    randomness,
    reading,
    sequence,
    splits,
    targets,
    tokens,
    units,
    wiring,
)
from tunekit.steps.check_init_loss.settings import NAME, CheckInitLoss, Here
from tunekit.steps.step import Handoff, Judgement, Step
from tunekit.vocabulary import Code, Finding, Measurement, Record, Request, StepResult, UserError

CODES: tuple[Code, ...] = (
    *loss.CODES,
    *outputs.CODES,
    *labels.CODES,
    *data.CODES,
    *wiring.CODES,
    *gradients.CODES,
    *finiteness.CODES,
    *randomness.CODES,
    *norms.CODES,
    *units.CODES,
    *optimizer.CODES,
    *reading.CODES,
    *mirrors.CODES,
    *splits.CODES,
    *agreement.CODES,
    *targets.CODES,
    *sequence.CODES,
    *giveaways.CODES,
    *calls.CODES,
    *axes.CODES,
    *tokens.CODES,
)

OF_DATA = frozenset(
    code.name for part in (labels, data, reading, mirrors, splits, agreement, targets, giveaways) for code in part.CODES
)
"""What is said of the data, though it may take the model to see it."""

THE_DATA = "the data"
INITIALISATION = "an initialisation"
USAGE = "what model, loss and metric make of a batch"


@dataclass(frozen=True)
class StartingLoss(Handoff):
    """The initial loss, and what an untrained network should have: by which theory. `trained`: the weights know
    something already, whatever the recipe says of them."""

    initial_loss: float
    expected_loss: float | None  # None: none is finite
    expected: str
    trained: bool = False

    @property
    def known(self) -> Values:
        return {} if self.expected_loss is None else {"expected_loss": self.expected_loss}


def plan(context: Here, records: Sequence[Record]) -> list[Request]:
    """The data once, several initialisations of the model (weight decay zero where losses are measured), and what is
    made of one batch."""
    if records:
        return []
    requests: list[Request] = [Measurement("data", context.config(), {}, purpose=THE_DATA)]
    for number in range(context.settings.initializations):
        # The weight decay of the recipe stays in the configuration: whether it acts is measured too.
        seed = {"seed": context.recipe.seed + number}
        requests.append(Measurement("initial", context.config(seed), seed, purpose=INITIALISATION))
    return [*requests, Measurement("usage", context.config(), {}, purpose=USAGE)]


def space(context: Here, _records: Sequence[Record]) -> Space:
    first = context.recipe.seed
    return {"seed": Range(first, first + context.settings.initializations - 1)}


def objective(_context: Here, record: Record) -> float | None:
    """Distance of the initial loss from its expectation, as a share of it."""
    if record.request.purpose != INITIALISATION:
        return None
    initial_loss = loss.mean_loss([InitialMeasured.from_json(record.values)])
    return None if initial_loss is None else initial_loss.off


def judge(context: Here, records: Sequence[Record]) -> Judgement:
    for record in records:
        if record.error:
            raise UserError(record.error)
    [samples] = [DataMeasured.from_json(r.values) for r in records if r.request.purpose == THE_DATA]
    by_seed = [(r.params["seed"], r.values) for r in records if r.request.purpose == INITIALISATION]
    initial = {seed: InitialMeasured.from_json(values) for seed, values in by_seed}
    usage = next((UsageMeasured.from_json(r.values) for r in records if r.request.purpose == USAGE), UsageMeasured())
    each = list(initial.values())
    findings = data.judge(samples, context)
    unasked = all(one.loss is not None and not one.loss.feels_targets for one in each)
    if unasked or all(labels.are_numbers(one) for one in each):  # then it is no matter how often each class occurs
        of_classes = {labels.CLASS_IMBALANCE.name, data.SPLIT_MISMATCH.name, *(code.name for code in agreement.CODES)}
        findings = [finding for finding in findings if finding.code not in of_classes]
    if all(one.normalizes_input for one in each):
        findings = [finding for finding in findings if finding.code != data.INPUT_NOT_NORMALIZED.name]
    of_model = model.judge(each, context, {finding.code for finding in findings})
    findings += [*of_model, *_of_usage(usage, context, {finding.code for finding in [*findings, *of_model]})]
    findings = axes.judge(usage.regrouped, findings)
    initial_loss = loss.mean_loss(each)
    handoff = None
    if initial_loss is None:
        summary = "The initial loss could not be computed: labels and outputs do not fit each other."
    else:
        trained = initial_loss.is_of_trained_weights(each[0].kind == "regression")
        handoff = StartingLoss(initial_loss.loss, initial_loss.expected, initial_loss.theory, trained)
        summary = initial_loss.told
    table = [{"initialisation": seed, **_row(measured)} for seed, measured in initial.items()]
    return Judgement(summary, findings, handoff, table)


def _of_usage(usage: UsageMeasured, context: Here, known: set[str]) -> list[Finding]:
    """What one batch shows, but for what another finding explains."""
    explained = known & {loss.INITIAL_LOSS_HIGH.name, outputs.OUTPUTS_CLIPPED.name, targets.SINGLE_CLASS.name}
    scale = [] if explained else targets.scale(usage, context)
    return [
        *calls.judge(usage.misused, known),
        *scale,
        *targets.direction(usage, context),
        *sequence.judge(usage),
        *tokens.judge(usage),
        *targets.batches(context),
    ]


def _row(measured: InitialMeasured) -> Values:
    return {
        "train mode": measured.loss and measured.loss.train_mode,
        "eval mode": measured.loss and measured.loss.eval_mode,
        "outputs' std": measured.outputs.std,
    }


def figure(_context: Here, result: StepResult, records: Sequence[Record]) -> Figure:
    """Losses of the initialisations beside what is expected, and the gradients by layer."""
    seeds, losses, lines = [], [], []
    for record in records:
        if record.request.purpose != INITIALISATION:
            continue
        measured, seed = InitialMeasured.from_json(record.values), str(record.params["seed"])
        if measured.loss is not None:
            seeds.append(seed)
            losses.append(measured.loss)
            sizes = [max(layer.gradient, 1e-20) for layer in measured.loss.gradients.weights]
            lines.append(Line(range(len(sizes)), sizes, f"seed {seed}", points=True))
    bars: list[Bars | Rule] = [
        Bars([loss.train_mode for loss in losses], "train mode"),
        Bars([loss.eval_mode for loss in losses], "eval mode"),
    ]
    if result.handoff:
        start = StartingLoss.from_json(result.handoff)
        if start.expected_loss is not None:
            bars.append(Rule(y=start.expected_loss, label=f"expected: {start.expected}", dashed=True))
    left = Panel(bars, "seed of the initialisation", "loss", ticks=seeds, legend="")
    axis = "root mean square of the gradient"
    right = Panel(lines, "layer, from the input", axis, y_scale="log", legend="")
    return Figure(result.summary, [left, right])


STEP = Step(
    NAME,
    "Check data, outputs, gradients and the loss of the untrained model.",
    CheckInitLoss,
    StartingLoss,
    "the initial loss",
    plan,
    judge,
    lambda: CODES,
    objective=objective,
    metric=lambda _context: "off_expected_loss",
    space=space,
    figure=figure,
    work="measures",
)
