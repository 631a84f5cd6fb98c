"""The initial loss beside what an untrained network should have, and whether it is a mean over the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tunekit.citations import LECTURE, NOTES
from tunekit.measured import InitialMeasured, Knowledge
from tunekit.steps.check_init_loss.data import INPUT_CONSTANT
from tunekit.steps.context import Context
from tunekit.vocabulary import Code, Finding

SOUND_TOLERANCE = 0.15  # sound networks start up to 11 % off theory (ResNet-18 in train mode)
REGRESSION_TOLERANCE = 1.0  # a sound linear layer adds a third of the inputs' variance to the outputs
REGRESSION_LOW = 0.5  # chance: random features of few inputs explain up to a third of the targets' variance
LOGITS_MODEST = 1.0  # outputs of this scale explain what they cost: they are no fault
SUMMED = 1.5  # loss of a batch over the mean of its halves: 1 for a mean, 2 for a sum
SAME = 0.02  # expectations that differ by less, as a share, are called by the simpler one's name

_TOLERANCE = f"{100 * SOUND_TOLERANCE:g} % (`steps.check-init-loss.tolerance`)"

INITIAL_LOSS_HIGH = Code(
    "initial_loss_high",
    "fail",
    "The untrained network's loss lies above what a network without knowledge has.",
    "Mean loss over several initialisations, weight decay left out, against this loss on outputs that know nothing or "
    "only how often each target occurs (ln C for cross-entropy, ln 2 for binary, E[y^2] for squared error): above the "
    f"largest of them by more than {_TOLERANCE}, with outputs of a scale above {LOGITS_MODEST:g}; in a regression by "
    f"more than {100 * REGRESSION_TOLERANCE:g} %, whatever the scale. Or outputs or a loss that are not finite.",
    "The last layer starts too large, labels and outputs do not belong together, or the loss is not the one meant.",
    (
        "look at the last layer's initialisation: its outputs should start near zero",
        "check that the labels are the classes that the outputs stand for",
    ),
    f"{LECTURE} (step 1); {NOTES}",
    symptom=False,
    explains_later=True,
)
INITIAL_LOSS_LOW = Code(
    "initial_loss_low",
    "fail",
    "The untrained network's loss lies below what a network without knowledge can have.",
    f"The same mean loss, in train and in eval mode: below the least of those values by more than {_TOLERANCE}, in a "
    f"regression by more than {100 * REGRESSION_LOW:g} %, where the weights are not pretrained.",
    "Trained weights were loaded, the label leaks into the input, or the loss is averaged over too much.",
    (
        "if the weights are pretrained on purpose, say `pretrained: true` under `model` in the recipe",
        "look for the label, or something made from it, among the inputs",
        "check what the loss divides by",
    ),
    f"{LECTURE} (step 1)",
    symptom=False,
    explains_later=True,
)
LOSS_NOT_AVERAGED = Code(
    "loss_not_averaged",
    "fail",
    "The loss grows with the size of the batch.",
    f"The loss of a batch over the mean of its two halves': above {SUMMED:g}; it is 2 where the loss is a sum, 1 for a "
    "mean.",
    "reduction='sum', or a sum where a mean was meant.",
    ("average the loss over the batch (reduction='mean'): otherwise the rate depends on the batch size",),
    f"{LECTURE} (step 1)",
    symptom=False,
    explains_later=True,
)
CODES = (INITIAL_LOSS_HIGH, INITIAL_LOSS_LOW, LOSS_NOT_AVERAGED)

THEORY: dict[Knowledge, str] = {
    "zero": "the loss at outputs of zero",
    "prior": "the loss at outputs that know how often each target occurs",
    "median": "the loss at the targets' median",
}


@dataclass(frozen=True)
class InitialLoss:
    """Means over the initialisations: the loss in both modes, and what an untrained network should have."""

    loss: float  # train mode
    evaluated: float  # eval mode
    expected: float  # the expectation that the loss lies nearest to
    theory: str  # what that one is
    lowest: float  # of all expectations
    highest: float

    @property
    def expectation(self) -> str:
        return f"{self.expected:.4g} ({self.theory})"

    @property
    def off(self) -> float | None:
        """Distance from the expectation, as a share of it."""
        return abs(self.loss / self.expected - 1) if self.expected else None


def mean_loss(initial: Sequence[InitialMeasured]) -> InitialLoss | None:
    """The measured loss and what an untrained network should have: the person's own loss over outputs that know
    nothing, or know only how often each target occurs. None where labels and outputs do not fit."""
    losses = [one.loss for one in initial if one.loss is not None]
    if not losses:
        return None
    loss, evaluated = fmean(one.train_mode for one in losses), fmean(one.eval_mode for one in losses)
    several: dict[Knowledge, list[float]] = {}
    for one in losses:
        for expectation in one.expected:
            several.setdefault(expectation.knowledge, []).append(expectation.loss)
    expected = {knowledge: value for knowledge, values in several.items() if math.isfinite(value := fmean(values))}
    if not expected:
        return InitialLoss(loss, evaluated, loss, "no expectation for this loss", -math.inf, math.inf)
    nearest = min(expected, key=lambda knowledge: abs(expected[knowledge] - loss))
    zero = expected.get("zero")
    if zero is not None and abs(expected[nearest] - zero) < SAME * abs(zero):
        nearest = "zero"
    theory = _theory(expected[nearest], nearest, initial[0])
    return InitialLoss(loss, evaluated, expected[nearest], theory, min(expected.values()), max(expected.values()))


def _theory(value: float, knowledge: Knowledge, measured: InitialMeasured) -> str:
    """The closed form that an expectation equals, where there is a known one."""
    shape = measured.outputs.shape
    outcomes = {"classification": shape[0] if shape else 0, "binary": 2, "multilabel": 2}.get(measured.kind, 0)
    if knowledge == "zero" and outcomes and math.isclose(value, math.log(outcomes), rel_tol=1e-3):
        return f"ln {outcomes}"
    return THEORY[knowledge]


def not_finite() -> list[Finding]:
    """Said of outputs that are NaN or infinite though the inputs are not."""
    message = "the untrained model's outputs are NaN or infinite for real, finite inputs"
    return [INITIAL_LOSS_HIGH.finding(message, advice=("look for log, sqrt or division in forward()",))]


def judge(
    initial: Sequence[InitialMeasured], context: Context[Any], tolerance: float, known: set[str]
) -> list[Finding]:
    """The loss against its expectations, from both sides. `tolerance`: as a share, for what is no regression."""
    measured, regression = mean_loss(initial), initial[0].kind == "regression"
    if measured is None:
        return []
    if not math.isfinite(measured.loss):
        return [INITIAL_LOSS_HIGH.finding("the untrained network's loss is not finite")]
    if not math.isfinite(measured.highest) or measured.lowest <= 0:
        return []  # a loss that is zero or less without knowledge has no scale to judge by
    high = measured.highest * (1 + (REGRESSION_TOLERANCE if regression else tolerance))
    low = measured.lowest * (1 - (REGRESSION_LOW if regression else tolerance))
    evidence = {"initial_loss": measured.loss, "expected": measured.expected, "theory": measured.theory}
    size = fmean(one.outputs.rms if one.kind == "binary" else one.outputs.std for one in initial)
    if measured.loss > high and (regression or size > LOGITS_MODEST):
        message = f"initial loss {measured.loss:.4g}, expected {measured.expectation}; outputs have scale {size:.2g}"
        standardise = (
            "standardise the targets, or start the last layer smaller: outputs are larger than what they predict",
        )
        advice = standardise if regression else None
        return [INITIAL_LOSS_HIGH.finding(message, {**evidence, "scale": size}, advice=advice)]
    excused = context.recipe.model.pretrained or INPUT_CONSTANT.name in known
    if measured.loss < low and measured.evaluated < low and not excused:
        least = f"{measured.lowest:.4g}, the least that can be had without knowledge"
        return [INITIAL_LOSS_LOW.finding(f"initial loss {measured.loss:.4g} is below {least}", evidence)]
    return []


def averaged(initial: Sequence[InitialMeasured]) -> list[Finding]:
    losses = [one.loss for one in initial if one.loss is not None]
    ratios = [loss.over_halves for loss in losses if math.isfinite(loss.over_halves)]
    if not ratios or min(ratios) < SUMMED:
        return []
    message = f"the loss of a batch is {fmean(ratios):.1f} times that of its halves: it is summed, not averaged"
    return [LOSS_NOT_AVERAGED.finding(message, {"ratio": fmean(ratios)})]
