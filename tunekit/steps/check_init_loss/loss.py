"""The initial loss beside what an untrained network should have, and whether it is a mean over the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tunekit.citations import LECTURE, NOTES
from tunekit.measured import InitialMeasured, Knowledge
from tunekit.steps.check_init_loss.data import INPUT_CONSTANT
from tunekit.steps.check_init_loss.settings import NAME, SOUND_TOLERANCE, Here, fault
from tunekit.vocabulary import Finding, Severity

REGRESSION_TOLERANCE = 1.0  # a sound linear layer adds a third of the inputs' variance to the outputs
REGRESSION_LOW = 0.5  # chance: random features of few inputs explain up to a third of the targets' variance
LOGITS_MODEST = 1.0  # outputs of this scale explain what they cost: they are no fault
CHANCE = 2.0  # times the tolerance, by which outputs of their size must raise the loss, whatever they are right in
SUMMED = 1.5  # loss of a batch over the mean of its halves: 1 for a mean, 2 for a sum
SAME = 0.02  # expectations that differ by less, as a share, are called by the simpler one's name

_TOLERANCE = f"{100 * SOUND_TOLERANCE:g} % (`steps.{NAME}.tolerance`)"

INITIAL_LOSS_HIGH = fault(
    "initial_loss_high",
    "fail",
    "The untrained network's loss lies above what a network without knowledge has.",
    "Mean loss over several initialisations, weight decay left out, against this loss on outputs that know nothing or "
    "only how often each target occurs (ln C for cross-entropy, ln 2 for binary, E[y^2] for squared error): above the "
    f"largest of them by more than {_TOLERANCE}, with outputs of a scale above {LOGITS_MODEST:g}; in a regression by "
    f"more than {100 * REGRESSION_TOLERANCE:g} %, whatever the scale. In every initialisation, and as well where each "
    f"sample is given another's outputs ({CHANCE:g} times as much): few inputs tell the contrary by chance.",
    "The last layer starts too large, labels and outputs do not belong together, or the loss is not the one meant.",
    (
        "look at the last layer's initialisation: its outputs should start near zero",
        "check that the labels are the classes that the outputs stand for",
    ),
    f"{LECTURE} (step 1); {NOTES}",
)
INITIAL_LOSS_LOW = fault(
    "initial_loss_low",
    "fail",
    "The untrained network's loss lies below what a network without knowledge can have.",
    f"The same mean loss, in train and in eval mode: below the least of those values by more than {_TOLERANCE}, in a "
    f"regression by more than {100 * REGRESSION_LOW:g} %, where the weights are not pretrained. Or a "
    "cross-entropy below "
    "zero, which no probabilities have.",
    "Trained weights were loaded, the label leaks into the input, the loss is averaged over too much, or it takes "
    "log-probabilities and gets logits.",
    (
        "if the weights are pretrained on purpose, say `pretrained: true` under `model` in the recipe",
        "look for the label, or something made from it, among the inputs",
        "check what the loss divides by",
    ),
    f"{LECTURE} (step 1)",
)
LOSS_NOT_AVERAGED = fault(
    "loss_not_averaged",
    "fail",
    "The loss grows with the size of the batch.",
    f"The loss of a batch over the mean of its two halves': above {SUMMED:g}; it is 2 where the loss is a sum, 1 for a "
    "mean.",
    "reduction='sum', or a sum where a mean was meant.",
    ("average the loss over the batch (reduction='mean'): otherwise the rate depends on the batch size",),
    f"{LECTURE} (step 1)",
)
LOSS_WITHOUT_GRADIENT = fault(
    "loss_without_gradient",
    "fail",
    "The loss does not tell the outputs where to go: its gradient is zero everywhere.",
    "The gradient of the loss with respect to the outputs of several real batches, and with random numbers of "
    "once and ten "
    "times their size added: exactly zero at all of them, or none at all. Or a loss of exactly zero, "
    "without a gradient at the outputs.",
    "A loss of rounded or chosen outputs (argmax, round, a comparison), .item() or detach() in it, or samples "
    "that it leaves "
    "out whole (CTC with zero_infinity and fewer frames than letters, a mask that holds nothing).",
    (
        "count the samples that the loss keeps: a mask, ignore_index or zero_infinity may leave out all of them",
        "give CTC at least as many frames as letters (one more for each letter that is repeated)",
        "replace argmax, round or comparisons in the loss by something with a slope: cross_entropy, a soft maximum",
    ),
    "torch.nn.CTCLoss (zero_infinity); torch.autograd",
)
CODES = (INITIAL_LOSS_HIGH, INITIAL_LOSS_LOW, LOSS_NOT_AVERAGED, LOSS_WITHOUT_GRADIENT)

NEVER_NEGATIVE = (
    "auto",
    "cross_entropy",
    "bce",
    "focal",
    "nll",
    "CrossEntropyLoss",
    "BCEWithLogitsLoss",
    "BCELoss",
    "NLLLoss",
)
"""Losses of a classification that are the negative logarithm of a probability, by their names in a recipe."""

LOG_SOFTMAX = (
    "end the model in log_softmax: the loss takes log-probabilities",
    "or take `loss: cross_entropy`, which has log_softmax inside",
)
SOFT_TARGETS = ("check the targets: cross-entropy is below zero only where they are beyond 0 and 1",)

IN_TRAINING = (
    "in eval mode it is as expected: look at what acts in train mode alone, as a dropout of p near 1 (p is the share "
    "that is dropped)",
)
NO_THEORY = "at outputs that know nothing it is not finite, or not known"
NO_TARGETS = "other targets do not change it, so nothing says what it should be"
BELOW_ZERO = "the negative logarithm of a probability is never below 0"

THEORY: dict[Knowledge, str] = {
    "zero": "the loss at outputs of zero",
    "prior": "the loss at outputs that know how often each target occurs",
    "median": "the loss at the targets' median",
    "constant": "the best outputs that are the same for every sample",
}


LEARNED = 0.2  # of the loss without knowledge, that weights which were trained before took away
LEARNED_REGRESSION = 0.5


@dataclass(frozen=True)
class InitialLoss:
    """Means over the initialisations: the loss in both modes, and what an untrained network should have."""

    loss: float  # train mode
    evaluated: float  # eval mode
    expected: float | None  # the expectation that the loss lies nearest to; None: none is finite
    theory: str  # what that one is
    lowest: float  # of all expectations
    highest: float

    @property
    def expectation(self) -> str:
        return "unknown" if self.expected is None else f"{self.expected:.4g} ({self.theory})"

    @property
    def told(self) -> str:
        """The loss and what was expected, in a sentence; without a distance where there is nothing to measure it by."""
        if not math.isfinite(self.loss):
            where = ", at outputs that know nothing either" if self.expected is None else ""
            return f"Initial loss {self.loss:g}: it is not finite{where}."
        if self.expected is None:
            return f"Initial loss {self.loss:.4g}; {self.theory}."
        if self.off is None:
            return f"Initial loss {self.loss:.4g}, expected {self.expectation}: no share can be told of zero."
        return f"Initial loss {self.loss:.4g}, expected {self.expectation}: {100 * self.off:.0f} % off."

    def is_of_trained_weights(self, regression: bool) -> bool:
        """Whether the network knows something before it is trained: in both modes its loss lies below all that
        outputs without knowledge have, by more than chance brings."""
        if not (math.isfinite(self.lowest) and math.isfinite(self.loss)) or self.lowest <= 0:
            return False
        least = self.lowest * (1 - (LEARNED_REGRESSION if regression else LEARNED))
        return self.loss < least and self.evaluated < least

    @property
    def off(self) -> float | None:
        """Distance from the expectation, as a share of it."""
        return abs(self.loss / self.expected - 1) if self.expected and math.isfinite(self.loss) else None


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
        theory = NO_THEORY if any(one.feels_targets for one in losses) else NO_TARGETS
        return InitialLoss(loss, evaluated, None, theory, -math.inf, math.inf)
    if wants_log_probabilities(initial):
        return InitialLoss(loss, evaluated, None, BELOW_ZERO, -math.inf, math.inf)
    nearest = min(expected, key=lambda knowledge: abs(expected[knowledge] - loss) if math.isfinite(loss) else 0.0)
    zero = expected.get("zero")
    if zero is not None and abs(expected[nearest] - zero) < SAME * abs(zero):
        nearest = "zero"
    theory = _theory(expected[nearest], nearest, initial[0])
    return InitialLoss(loss, evaluated, expected[nearest], theory, min(expected.values()), max(expected.values()))


def _theory(value: float, knowledge: Knowledge, measured: InitialMeasured) -> str:
    """The closed form that an expectation equals, where there is a known one."""
    shape = measured.outputs.shape  # classes stand first or last
    outcomes = {"classification": (*shape[:1], *shape[-1:]), "binary": (2,), "multilabel": (2,)}
    for count in outcomes.get(measured.kind, ()):
        if knowledge == "zero" and count > 1 and math.isclose(value, math.log(count), rel_tol=1e-3):
            return f"ln {count}"
    return THEORY[knowledge]


def wants_log_probabilities(initial: Sequence[InitialMeasured]) -> bool:
    """Whether the loss falls by what is added to all outputs, and is below zero: of log-probabilities it never is."""
    losses = [one.loss for one in initial if one.loss is not None]
    return _falls(initial) and all(max(loss.train_mode, loss.eval_mode) < 0 for loss in losses)


def _falls(initial: Sequence[InitialMeasured]) -> bool:
    """Whether the loss falls without end by what is added to all outputs."""
    return all(one.loss is not None and one.loss.slope is not None and one.loss.slope < 0 for one in initial)


def without_gradient(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """A loss that is flat at the outputs of every initialisation, and wherever else it was asked."""
    losses = [one.loss for one in initial if one.loss is not None]
    flat = [
        loss.at_outputs == 0 and (loss.elsewhere == 0 or loss.train_mode == 0) and math.isfinite(loss.train_mode)
        for loss in losses
    ]
    if not flat or not all(flat):
        return []
    value = losses[0].train_mode
    everywhere = all(loss.elsewhere == 0 for loss in losses)
    where = "at the outputs and at random numbers in their place" if everywhere else "at the untrained model's outputs"
    message = f"the loss is {value:.3g}, and its gradient is exactly zero {where}"
    return [LOSS_WITHOUT_GRADIENT.finding(message, {"initial_loss": value, "gradient": 0.0})]


def judge(initial: Sequence[InitialMeasured], context: Here, known: set[str]) -> list[Finding]:
    """The loss against its expectations, from both sides."""
    measured, regression = mean_loss(initial), initial[0].kind == "regression"
    if measured is None:
        return []
    if not regression and measured.loss < 0 and measured.evaluated < 0:
        below = _below_zero(initial, measured, context)
        if below:
            return below
    if not math.isfinite(measured.highest) or measured.lowest <= 0:
        return []  # a loss that is zero or less without knowledge has no scale to judge by
    tolerance = context.settings.tolerance
    high = measured.highest * (1 + (REGRESSION_TOLERANCE if regression else tolerance))
    low = measured.lowest * (1 - (REGRESSION_LOW if regression else tolerance))
    evidence = {"initial_loss": measured.loss, "expected": measured.expected, "theory": measured.theory}
    size = fmean(one.outputs.rms if one.kind == "binary" else one.outputs.std for one in initial)
    if _is_high(initial, measured, high) and (regression or size > LOGITS_MODEST):
        message = f"initial loss {measured.loss:.4g}, expected {measured.expectation}; outputs have scale {size:.2g}"
        standardise = (
            "standardise the targets, or start the last layer smaller: outputs are larger than what they predict",
        )
        mending = IN_TRAINING if measured.evaluated <= high else standardise if regression else None
        # Weights that come trained on something else are sure of what is wrong here.
        severity: Severity | None = "note" if context.recipe.model.comes_trained else None
        return [INITIAL_LOSS_HIGH.finding(message, {**evidence, "scale": size}, advice=mending, severity=severity)]
    excused = context.recipe.model.comes_trained or INPUT_CONSTANT.name in known
    if measured.loss < low and measured.evaluated < low and not excused:
        least = f"{measured.lowest:.4g}, the least that can be had without knowledge"
        return [
            INITIAL_LOSS_LOW.finding(
                f"initial loss {measured.loss:.4g} is below {least}",
                evidence,
                advice=LOG_SOFTMAX if _falls(initial) else None,
            )
        ]
    return []


def _is_high(initial: Sequence[InitialMeasured], measured: InitialLoss, high: float) -> bool:
    """Above a bound in every initialisation, and for the outputs' size: also where each sample has another's."""
    losses = [one.loss for one in initial if one.loss is not None]
    elsewhere = [one.exchanged for one in losses if one.exchanged is not None]
    share = 1.0 if initial[0].kind == "regression" else CHANCE
    costs = measured.highest + share * (high - measured.highest)
    by_chance = len(elsewhere) == len(losses) and not fmean(elsewhere) > costs
    return measured.loss > high and all(one.train_mode > high for one in losses) and not by_chance


def _below_zero(initial: Sequence[InitialMeasured], measured: InitialLoss, context: Here) -> list[Finding]:
    """A negative logarithm of what should be a probability, below zero. Other losses may be: Dice, correlations."""
    name = context.recipe.loss.target.rpartition(":")[2].rpartition(".")[2]
    if not wants_log_probabilities(initial) and name not in NEVER_NEGATIVE:
        return []
    message = f"initial loss {measured.loss:.4g}; {BELOW_ZERO}"
    advice = LOG_SOFTMAX if _falls(initial) else SOFT_TARGETS
    return [INITIAL_LOSS_LOW.finding(message, {"initial_loss": measured.loss}, advice=advice)]


def averaged(initial: Sequence[InitialMeasured]) -> list[Finding]:
    losses = [one.loss for one in initial if one.loss is not None]
    ratios = [loss.over_halves for loss in losses if math.isfinite(loss.over_halves)]
    if not ratios or min(ratios) < SUMMED:
        return []
    message = f"the loss of a batch is {fmean(ratios):.1f} times that of its halves: it is summed, not averaged"
    return [LOSS_NOT_AVERAGED.finding(message, {"ratio": fmean(ratios)})]
