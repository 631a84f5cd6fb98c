"""Step 1: is the untrained network's loss what theory says, and are data, outputs and gradients sound?

Each module judges one thing that the probes measured and holds the codes that it says: data, labels, outputs, loss,
gradients, wiring. model puts those of the model in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.measured import DataMeasured, InitialMeasured
from tunekit.steps.check_init_loss import data, gradients, labels, loss, model, outputs, wiring
from tunekit.steps.context import Context
from tunekit.vocabulary import Code, Measurement, Record, Request, StepResult, UserError, Values

NAME = "check-init-loss"
NEEDS: tuple[str, ...] = ()
CODES: tuple[Code, ...] = (
    *loss.CODES,
    *outputs.CODES,
    *labels.CODES,
    *data.CODES,
    *wiring.CODES,
    *gradients.CODES,
)

THE_DATA = "the data"
INITIALISATION = "an initialisation"


def plan(context: Context, records: Sequence[Record]) -> list[Request]:
    """The data once, and several initialisations of the model; weight decay zero where losses are measured."""
    if records:
        return []
    settings = context.recipe.steps.check_init_loss
    requests: list[Request] = [Measurement("data", context.config(), {}, purpose=THE_DATA)]
    for number in range(settings.initializations):
        # The weight decay of the recipe stays in the configuration: whether it acts is measured too.
        seed = {"seed": context.recipe.seed + number}
        requests.append(Measurement("initial", context.config(seed), seed, purpose=INITIALISATION))
    return requests


def objective(context: Context, record: Record) -> float | None:
    """Distance of the initial loss from its expectation, as a share of it."""
    if record.request.purpose != INITIALISATION:
        return None
    initial_loss = loss.mean_loss([InitialMeasured.from_json(record.values)])
    return None if initial_loss is None else initial_loss.off


def maximize(context: Context) -> bool:
    return False


def choices(context: Context) -> Values:
    return {}


def judge(context: Context, records: Sequence[Record]) -> StepResult:
    settings = context.recipe.steps.check_init_loss
    failed = [record for record in records if record.error]
    if failed:
        raise UserError(failed[0].error or "")
    [samples] = [DataMeasured.from_json(r.values) for r in records if r.request.purpose == THE_DATA]
    initial = {r.params["seed"]: InitialMeasured.from_json(r.values) for r in records if r.request.purpose != THE_DATA}
    each = list(initial.values())
    findings = data.judge(samples, context)
    if all(one.normalizes_input for one in each):
        findings = [finding for finding in findings if finding.code != data.INPUT_NOT_NORMALIZED.name]
    findings += model.judge(each, context, settings.tolerance, {finding.code for finding in findings})
    initial_loss = loss.mean_loss(each)
    handoff: dict[str, float | str] = {}
    if initial_loss is None:
        summary = "The initial loss could not be computed: labels and outputs do not fit each other."
    else:
        handoff = {
            "initial_loss": initial_loss.loss,
            "expected_loss": initial_loss.expected,
            "expected": initial_loss.theory,
        }
        off = f"{100 * (initial_loss.off or 0.0):.0f} % off"
        summary = f"Initial loss {initial_loss.loss:.4g}, expected {initial_loss.expectation}: {off}."
    table = [{"initialisation": seed, **_row(measured)} for seed, measured in initial.items()]
    return context.result(NAME, summary, findings, handoff, table)


def _row(measured: InitialMeasured) -> Values:
    return {
        "train mode": measured.loss and measured.loss.train_mode,
        "eval mode": measured.loss and measured.loss.eval_mode,
        "outputs' std": measured.outputs.std,
    }
