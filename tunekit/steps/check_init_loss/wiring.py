"""The model's wiring: parameters that do not train, samples that see each other, inputs without effect."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.citations import KARPATHY, LECTURE
from tunekit.measured import InitialMeasured
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.context import percent
from tunekit.vocabulary import Finding, Severity

LEAKED = 1e-6  # effect of another sample over a sample's own
SIDE_BRANCH = 0.05  # share of the parameters without a gradient, below which it is no body that was cut off

FROZEN_PARAMETERS = fault(
    "frozen_parameters",
    "warn",
    "Some parameters do not train.",
    "Parameters with requires_grad off.",
    "A freeze meant for fine-tuning, or left over.",
    ("if it is meant, say `pretrained: true` under `model`; otherwise set requires_grad to True",),
    KARPATHY,
)
UNUSED_PARAMETERS = fault(
    "unused_parameters",
    "fail",
    "Parameters get no gradient from the loss.",
    "One backward pass over a real batch: gradients that are None (a warning where they are less than "
    f"{100 * SIDE_BRANCH:g} % of the parameters).",
    "detach(), no_grad() or .item() on the way, or layers that forward() never calls.",
    ("look for detach, no_grad or a layer that forward() leaves out, before the named parameters",),
    KARPATHY,
)
BATCH_LEAK = fault(
    "batch_leak",
    "fail",
    "A sample's output depends on the other samples of its batch.",
    "In eval mode, the gradient of one sample's outputs with respect to every input of the batch: that of the others "
    f"must be zero (at most {LEAKED:g} of its own).",
    "A view or reshape where a transpose was meant, or a sum over the wrong dimension.",
    ("look for reshape, view, mean or softmax over the batch dimension in forward()",),
    f"{KARPATHY} (use backprop to chart dependencies)",
)
INPUT_IGNORED = fault(
    "input_ignored",
    "fail",
    "The outputs do not depend on the inputs.",
    "The gradient of the outputs with respect to the inputs is zero, and other inputs give the same outputs.",
    "The input is overwritten, multiplied by zero or detached in forward().",
    ("follow the input through forward()",),
    f"{KARPATHY} (input-independent baseline)",
)
REGULARIZATION_NOT_ADDED = fault(
    "regularization_not_added",
    "fail",
    "The regularisation that the recipe asks for changes nothing.",
    "For an optimizer of the person's own: with weight decay, one step at zero gradient must shrink the weights.",
    "The optimizer drops the argument, or its parameter groups set their own weight decay of zero.",
    ("pass weight_decay on to the optimizer's parameter groups",),
    f"{LECTURE} (step 1: turn on weight decay, the loss must go up)",
)
CODES = (FROZEN_PARAMETERS, UNUSED_PARAMETERS, BATCH_LEAK, INPUT_IGNORED, REGULARIZATION_NOT_ADDED)


def parameters(measured: InitialMeasured, context: Here) -> list[Finding]:
    """Parameters that are frozen, or that no gradient reaches."""
    findings = []
    frozen = measured.frozen
    if frozen and not context.recipe.model.pretrained:
        message = f"{len(frozen)} parameters do not train (requires_grad is off): {_names(frozen)}"
        findings.append(FROZEN_PARAMETERS.finding(message, {"parameters": frozen[:20]}))
    gradients = measured.loss.gradients if measured.loss else None
    if gradients and gradients.unreached:
        names, share = gradients.unreached, gradients.unreached_share
        message = f"no gradient reaches {_names(names)} ({percent(share)} of the parameters)"
        # A side branch that a pretrained body brings along is small; a body cut off is not.
        severity: Severity | None = "warn" if share < SIDE_BRANCH else None
        evidence = {"parameters": names[:20], "share": share}
        findings.append(UNUSED_PARAMETERS.finding(message, evidence, severity=severity))
    return findings


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def dependence(initial: Sequence[InitialMeasured], explained: bool) -> list[Finding]:
    """What a sample's outputs depend on. `explained`: another finding says why inputs have no effect."""
    measured = [one.dependence for one in initial if one.dependence is not None]
    if not measured:
        return []
    if all(one.others > max(LEAKED * one.own, one.noise or 0.0) for one in measured):
        first = measured[0]
        message = (
            "in eval mode the outputs of one sample change with other samples of its batch "
            f"(effect {first.others:.2g}; of its own input {first.own:.2g})"
        )
        return [BATCH_LEAK.finding(message, {k: v for k, v in first.to_json().items() if v is not None})]
    if not explained and all(one.own == 0 for one in measured):
        return [INPUT_IGNORED.finding("the outputs do not depend on the inputs: the gradient to them is zero")]
    return []


def decay(measured: InitialMeasured) -> list[Finding]:
    if measured.decay is None or measured.decay.after < measured.decay.before:
        return []
    message = "a step of the optimizer at zero gradient does not shrink the weights: weight_decay does not reach it"
    return [REGULARIZATION_NOT_ADDED.finding(message, measured.decay.to_json())]
