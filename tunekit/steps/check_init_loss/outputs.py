"""The outputs of the untrained model: can they take all the values that the loss needs, and are they modest?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tunekit.citations import GLOROT, KARPATHY
from tunekit.measured import STRETCH, InitialMeasured
from tunekit.shares import percent
from tunekit.steps.check_init_loss.data import INPUT_NOT_NORMALIZED
from tunekit.steps.check_init_loss.loss import mean_loss, wants_log_probabilities
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Finding, Severity

LOGITS_LARGE = 2.0  # standard deviation; 3 costs 2.8 of loss at ten classes (measured)
ZEROS = 0.05  # share of outputs that are exactly zero, below which no ReLU stands at the end
BOUNDARY = 1e-3  # rows that sum to one, outputs within [0, 1]
PRESSED = 0.5  # share of the stretched outputs that lie at a bound
NEAR_BOUND = 0.05  # of what tanh or sigmoid reaches

OUTPUTS_ARE_PROBABILITIES = fault(
    "outputs_are_probabilities",
    "fail",
    "The model ends in softmax or sigmoid, and the loss applies it again or takes log-probabilities.",
    "Outputs of real batches: all within [0, 1] and every row summing to 1 (softmax), or all within [0, 1] (sigmoid) "
    f"also for inputs {STRETCH:g} times as large, while the loss takes logits. The initial loss alone looks "
    "right. Or rows "
    "that sum to 1 under a loss that is below zero and falls by what is added to all outputs: it takes "
    "log-probabilities.",
    "A Softmax or Sigmoid layer at the end of the model.",
    ("return the logits: remove the Softmax or Sigmoid at the end of the model",),
    "torch.nn.CrossEntropyLoss and BCEWithLogitsLoss, which take logits",
)
OUTPUTS_CLIPPED = fault(
    "outputs_clipped",
    "fail",
    "The outputs cannot take all the values that the loss needs.",
    f"Outputs of real batches: none below zero and more than {100 * ZEROS:g} % exactly zero (ReLU), or pressed against "
    f"bounds by inputs {STRETCH:g} times as large, where the loss takes logits or a twentieth of the targets lies "
    "beyond.",
    "An activation (ReLU, tanh, sigmoid, hard clipping) after the last linear layer.",
    ("remove the activation after the last layer",),
    KARPATHY,
)
LOGITS_TOO_LARGE = fault(
    "logits_too_large",
    "warn",
    "The outputs start so large that the network is sure of wrong answers.",
    f"Standard deviation of the logits at initialisation above {LOGITS_LARGE:g} (3 costs about 2.8 of loss at ten "
    "classes, 10 about 13), where the weights are not pretrained and the loss lies above what outputs have that know "
    "nothing.",
    "Inputs that are not normalised, or a last layer initialised too large.",
    ("make the last layer's initial weights smaller", "normalise the inputs"),
    f"{GLOROT}; {KARPATHY}",
)
CODES = (OUTPUTS_ARE_PROBABILITIES, OUTPUTS_CLIPPED, LOGITS_TOO_LARGE)

Range = tuple[float, float]

LOGARITHM = (
    "end the model in log_softmax instead of softmax",
    "or return the logits and take `loss: cross_entropy`, which has both inside",
)


def judge(initial: Sequence[InitialMeasured], context: Here, known: set[str]) -> list[Finding]:
    takes_logits = all(one.loss is not None and one.loss.takes_logits for one in initial)
    ranges = [(one.outputs.lowest, one.outputs.highest) for one in initial]
    everywhere = [*ranges, *((s.lowest, s.highest) for one in initial if (s := one.stretched) is not None)]
    within_0_and_1 = all(low >= 0 and high <= 1 + BOUNDARY for low, high in everywhere)
    if takes_logits and within_0_and_1 and all(high > low for low, high in ranges):
        sums = [one.outputs.column_sum_off for one in initial]
        if all(off is not None and off < BOUNDARY for off in sums):
            return []  # a softmax over the samples: batch_leak says so
        return [_probabilities(initial, ranges)]
    if _softmax(initial) and within_0_and_1 and wants_log_probabilities(initial):
        return [_no_logarithm(initial)]
    return _cut_off(initial, everywhere, takes_logits) or (_large(initial, context, known) if takes_logits else [])


def _probabilities(initial: Sequence[InitialMeasured], ranges: Sequence[Range]) -> Finding:
    softmax = _softmax(initial)
    layer = "softmax" if softmax else "sigmoid"
    stretched = f"even for inputs {STRETCH:g} times as large" if initial[0].stretched else "without exception"
    shown = "and every row sums to 1" if softmax else stretched
    message = f"all outputs lie between 0 and 1 {shown}, while the loss takes logits: {layer} is applied twice"
    evidence = {"min": min(low for low, _ in ranges), "max": max(high for _, high in ranges), "layer": layer}
    return OUTPUTS_ARE_PROBABILITIES.finding(message, evidence)


def _softmax(initial: Sequence[InitialMeasured]) -> bool:
    return all(one.outputs.row_sum_off is not None and one.outputs.row_sum_off < BOUNDARY for one in initial)


def _no_logarithm(initial: Sequence[InitialMeasured]) -> Finding:
    value = fmean(one.loss.train_mode for one in initial if one.loss is not None)
    message = (
        f"every row of the outputs sums to 1, and the loss takes log-probabilities: it is {value:.3g}, where "
        "the negative "
        "logarithm of a probability is never below 0"
    )
    evidence = {"initial_loss": value, "layer": "softmax"}
    return OUTPUTS_ARE_PROBABILITIES.finding(message, evidence, advice=LOGARITHM)


def _cut_off(initial: Sequence[InitialMeasured], everywhere: Sequence[Range], takes_logits: bool) -> list[Finding]:
    """ReLU, tanh or sigmoid at the end, where the loss wants more than they can give: scores of any size, or targets
    beyond their bounds (more than a twentieth of them on one side)."""
    zeros = [one.outputs.zeros for one in initial]  # all of them where a ReLU at the end happens to be off, or none
    targets = initial[0].targets if initial[0].kind == "regression" else None
    below_zero = targets is not None and targets.low < 0
    cut = all(low >= 0 for low, _ in everywhere) and max(zeros) > ZEROS and min(zeros) < 1 - ZEROS
    if cut and (takes_logits or below_zero):
        message = (
            f"no output is below zero and {percent(fmean(zeros))} are exactly zero: the last layer is cut off at zero"
        )
        return [OUTPUTS_CLIPPED.finding(message, {"zeros": fmean(zeros)})]
    lowest, highest = min(low for low, _ in everywhere), max(high for _, high in everywhere)
    # Inputs of equal size (by LayerNorm) bound outputs as well, but do not press them against the bounds.
    pressed = all(one.stretched is not None and one.stretched.at_bounds > PRESSED for one in initial)
    # So do sigmoids within, but not at the values at which tanh and sigmoid end.
    least, layer = (-1, "tanh") if lowest < -BOUNDARY else (0, "sigmoid")
    bounded = pressed and abs(lowest - least) < NEAR_BOUND and abs(highest - 1) < NEAR_BOUND
    beyond = targets is not None and (targets.low < lowest - BOUNDARY or targets.high > highest + BOUNDARY)
    if not bounded or not (takes_logits or beyond):
        return []
    wanted = ""
    if targets is not None and not takes_logits:
        wanted = f", while the targets reach from {targets.lowest:.3g} to {targets.highest:.3g}"
    message = (
        f"the outputs stay within {least} and 1 even for inputs {STRETCH:g} times as large{wanted}: "
        f"{layer} stands at the end"
    )
    return [OUTPUTS_CLIPPED.finding(message, {"bound": 1.0})]


def _large(initial: Sequence[InitialMeasured], context: Here, known: set[str]) -> list[Finding]:
    std = fmean(one.outputs.std for one in initial)
    if not std > LOGITS_LARGE or context.recipe.model.comes_trained:
        return []
    initial_loss = mean_loss(initial)
    if initial_loss and not initial_loss.evaluated > initial_loss.highest * (1 + context.settings.tolerance):
        return []  # a loss of train mode alone says more; one that large outputs do not raise is sure of nothing wrong
    message = f"the untrained model's logits have a standard deviation of {std:.1f}; below 1 is usual"
    severity: Severity | None = None
    if INPUT_NOT_NORMALIZED.name in known:
        message, severity = f"{message}; this follows from the scale of the inputs", "note"
    evidence = {"std": std, "initial_loss": initial_loss.loss if initial_loss else None}
    return [LOGITS_TOO_LARGE.finding(message, evidence, severity=severity)]
