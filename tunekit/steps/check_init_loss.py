"""Step 1: is the untrained network's loss what theory says, and are data, outputs and gradients sound?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt

from tunekit.findings import codes_of
from tunekit.steps import init_data, init_model
from tunekit.steps.context import Context
from tunekit.steps.step import Count, Handoff, Judgement, Settings, Step
from tunekit.vocabulary import Measurement, Record, Request, UserError, Values

NAME = "check-init-loss"


@dataclass(frozen=True)
class CheckInitLoss(Settings):
    initializations: Count = 3
    tolerance: Annotated[float, Ge(0.15), Lt(1)] = 0.15  # sound networks start up to 11 % off


@dataclass(frozen=True)
class InitialLoss(Handoff):
    initial_loss: float
    expected_loss: float
    expected: str


def plan(context, records: Sequence[Record]) -> list[Request]:
    """The data once, and several initialisations of the model; weight decay zero where losses are measured."""
    if records:
        return []
    settings = context.settings
    requests: list[Request] = [Measurement("data", context.config(), {"probe": 0}, purpose="the data")]
    for number in range(settings.initializations):
        # The weight decay of the recipe stays in the configuration: whether it acts is measured too.
        config = context.config({"seed": context.recipe.seed + number})
        requests.append(
            Measurement("initial", config, {"seed": context.recipe.seed + number}, purpose="an initialisation")
        )
    return requests


def objective(context: Context, record: Record) -> float | None:
    """Distance of the initial loss from its expectation, as a share of it."""
    measured = init_model.initial_loss([record.values])
    return None if measured is None or not measured.expected else abs(measured.loss / measured.expected - 1)


def judge(context: Context, records: Sequence[Record]) -> Judgement:
    failed = [record for record in records if record.error]
    if failed:
        raise UserError(failed[0].error or "")
    data = next(record.values for record in records if _probe(record) == "data")
    initial = [record.values for record in records if _probe(record) == "initial"]
    findings = init_data.judge(data, context)
    if all(values.get("normalizes_input") for values in initial):
        findings = [finding for finding in findings if finding.code != "input_not_normalized"]
    findings += init_model.judge(initial, context, {finding.code for finding in findings})
    measured = init_model.initial_loss(initial)
    table = [
        {"initialisation": record.params["seed"], **_row(record.values)}
        for record in records
        if _probe(record) == "initial"
    ]
    handoff: dict[str, float | str] = {}
    if measured is None:
        summary = "The initial loss could not be computed: labels and outputs do not fit each other."
    else:
        handoff = {"initial_loss": measured.loss, "expected_loss": measured.expected, "expected": measured.name}
        off = abs(measured.loss / measured.expected - 1) if measured.expected else 0.0
        theory = f"{measured.expected:.4g} ({measured.name})"
        summary = f"Initial loss {measured.loss:.4g}, expected {theory}: {100 * off:.0f} % off."
    return Judgement(summary, findings, InitialLoss(**handoff) if handoff else None, table)


def _probe(record: Record) -> str:
    return record.request.probe if isinstance(record.request, Measurement) else ""


def _row(values: Values) -> Values:
    losses = values.get("losses", {})
    return {
        "train mode": losses.get("train"),
        "eval mode": losses.get("eval"),
        "outputs' std": values["outputs"]["std"],
    }


STEP = Step(
    NAME,
    "Check data, outputs, gradients and the loss of the untrained model.",
    CheckInitLoss,
    InitialLoss,
    "the initial loss",
    plan,
    judge,
    lambda: codes_of(NAME),
    objective=objective,
    choices=lambda context: {},
    work="measures",
)
