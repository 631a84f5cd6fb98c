"""The model's wiring: parameters that do not train, samples that see each other, inputs without effect."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.citations import KARPATHY
from tunekit.measured import STRETCH, InitialMeasured
from tunekit.shares import percent
from tunekit.steps.check_init_loss.finiteness import placed
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.context import named_few
from tunekit.vocabulary import Finding, Severity

LEAKED = 1e-6  # effect of another sample over a sample's own
CONSTANT = 1e-6  # spread of the outputs over the samples, over their size: what rounding leaves
SIDE_BRANCH = 0.05  # share of the parameters without a gradient, below which it is no body that was cut off

FROZEN_PARAMETERS = fault(
    "frozen_parameters",
    "warn",
    "Parameters are frozen that were never trained.",
    "Parameters of layers with requires_grad off that another seed gives other values: no weights that were loaded, "
    "and no copy of weights that train. They count where outputs that train change with them: those of a teacher or a "
    "target network do not. A note where they were loaded; a failure where no parameter trains.",
    "A freeze left over, or weights that were not loaded before it.",
    (
        "load the trained weights before they are frozen, or set requires_grad to True",
        "if it is meant, say `pretrained: true` under `model`",
    ),
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
    (
        "look for reshape, view, mean or softmax over the batch dimension in forward()",
        "recurrent and attention layers take time first: give them `batch_first=True` where samples come first",
    ),
    f"{KARPATHY} (use backprop to chart dependencies)",
)
INPUT_IGNORED = fault(
    "input_ignored",
    "fail",
    "The outputs do not depend on the inputs.",
    "The gradient of the outputs with respect to the inputs is zero and other inputs give the same outputs; or "
    "the outputs' "
    f"spread over the samples is below {CONSTANT:g} of their size. Weights that start at exactly zero are "
    "stirred for it.",
    "The input is overwritten, multiplied by zero or detached in forward(); a softmax or a normalisation over "
    "an axis of one.",
    (
        "follow the input through forward(): where do two different samples become the same?",
        "look for softmax, LayerNorm or BatchNorm over an axis of length one, which gives a constant",
    ),
    f"{KARPATHY} (input-independent baseline)",
)
GRADIENT_CUT = fault(
    "gradient_cut",
    "fail",
    "An operation without a slope cuts the gradient off.",
    "Gradients of all weights that are exactly zero, or of the outputs with respect to the inputs where other inputs "
    "give the same outputs, though the loss has a gradient at the outputs; and what forward() calls that has no slope, "
    "or leaves the graph: round, floor, sign, casts to whole numbers, comparisons, argmax, detach, item.",
    "Values that are rounded, cast or chosen in forward(): the outputs go by steps.",
    (
        "leave the rounding, cast or choice out of training: it belongs behind the loss, to what is shown",
        "or let the gradient pass it: `x + (torch.round(x) - x).detach()`, a softmax instead of argmax",
    ),
    "torch.autograd; Bengio et al., 2013 (straight-through)",
)
PARAMETERS_OUTSIDE_MODEL = fault(
    "parameters_outside_model",
    "fail",
    "The model computes with weights that its parameters() do not name.",
    "The leaves of the loss's graph that take a gradient, in two passes, against model.parameters(), the "
    "buffers and the "
    "inputs. A warning where they belong to the loss, or where the optimizer holds them all the same.",
    "Layers in a plain Python list or dictionary, a tensor with requires_grad as a plain attribute, parameters "
    "of a loss. "
    "They stay as they start, and are not in the weights that are saved.",
    (
        "keep the layers in nn.ModuleList or nn.ModuleDict, not in a plain list or dictionary",
        "make a tensor that is trained an nn.Parameter of a module",
    ),
    "torch.nn.ModuleList; pytorch/pytorch#666",
)
CODES = (FROZEN_PARAMETERS, UNUSED_PARAMETERS, BATCH_LEAK, INPUT_IGNORED, GRADIENT_CUT, PARAMETERS_OUTSIDE_MODEL)

NOTHING_TRAINS = ("set requires_grad to True for what should learn",)
TRAINED_BEFORE = (
    "if they were trained before, say `pretrained: true` under `model`: then rates are looked for as in fine-tuning",
)
NO_WEIGHTS = ("name the weights of a trained body: `weights: FILE` under `model`, or `pretrained: true`",)
OF_LOSS = (
    "make the loss's parameters a part of the model, and return them beside the outputs: what trains is "
    "model.parameters()",
    "if they are meant to be fixed, set their requires_grad to False",
)


def parameters(measured: InitialMeasured, context: Here) -> list[Finding]:
    """Parameters that are frozen, or that no gradient reaches."""
    findings = []
    frozen, pretrained = measured.frozen, context.recipe.model.comes_trained
    asked = context.recipe.model.freeze == "always"
    if frozen.everything:
        message = f"no parameter of the model trains: requires_grad is off in all {len(frozen.names)}"
        findings.append(FROZEN_PARAMETERS.finding(message, severity="fail", advice=NOTHING_TRAINS))
    elif frozen.drawn and asked and not pretrained:
        message = (
            f"model.freeze: the body stays at the random numbers that it was built with: {named_few(frozen.drawn)}; "
            "no weights were loaded into these"
        )
        found = FROZEN_PARAMETERS.finding(
            message, {"parameters": frozen.drawn[:20]}, severity="note", advice=NO_WEIGHTS
        )
        findings.append(found)
    elif frozen.drawn and not pretrained:
        names = frozen.drawn
        message = f"{len(names)} parameters are frozen at the random numbers they were built with: {named_few(names)}"
        findings.append(FROZEN_PARAMETERS.finding(message, {"parameters": names[:20]}))
    elif frozen.acting and not pretrained and not asked:
        names = frozen.acting
        message = f"{len(names)} parameters do not train (requires_grad is off): {named_few(names)}"
        findings.append(
            FROZEN_PARAMETERS.finding(message, {"parameters": names[:20]}, severity="note", advice=TRAINED_BEFORE)
        )
    gradients = measured.loss.gradients if measured.loss else None
    if gradients and gradients.unreached:
        names, share = gradients.unreached, gradients.unreached_share
        message = f"no gradient reaches {named_few(names)} ({percent(share)} of the parameters)"
        # A side branch that a pretrained body brings along is small; a body cut off is not.
        severity: Severity | None = "warn" if share < SIDE_BRANCH else None
        evidence = {"parameters": names[:20], "share": share}
        findings.append(UNUSED_PARAMETERS.finding(message, evidence, severity=severity))
    return findings


def is_cut_off(measured: InitialMeasured) -> bool:
    """Whether the loss reaches no parameter at all: what its outputs are is then no matter of their start."""
    return measured.loss is not None and measured.loss.gradients.unreached_share >= 1


def outside(measured: InitialMeasured) -> list[Finding]:
    """Weights that autograd meets and the model does not name."""
    findings = []
    for part in measured.outside:
        whose = "the loss" if part.of_loss else "forward()"
        kept = "the optimizer holds them, but they are not saved with the model"
        fate = kept if part.optimized else "they do not train, and are not saved"
        message = f"{whose} computes with {named_few(part.names)} ({part.numbers} numbers) outside the model: {fate}"
        findings.append(
            PARAMETERS_OUTSIDE_MODEL.finding(
                message,
                {"parameters": part.names[:20], "numbers": part.numbers},
                severity="warn" if part.of_loss or part.optimized else None,
                advice=OF_LOSS if part.of_loss else None,
            )
        )
    return findings


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
        advice = None
        if first.time_first:
            layers = named_few(first.time_first)
            message = f"{message}; {layers} takes the first axis for time, and the samples lie along it"
            advice = (f"give {layers} `batch_first=True`, or transpose what goes in and comes out",)
        evidence = {k: v for k, v in first.to_json().items() if v not in (None, [])}
        return [BATCH_LEAK.finding(message, evidence, advice=advice)]
    if not explained and all(one.own == 0 for one in measured):
        if all(one.cuts for one in initial):
            return [_cut(initial[0])]
        return [INPUT_IGNORED.finding("the outputs do not depend on the inputs: other inputs give the same")]
    return []


def cut(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """No weight feels the loss, and something in forward() cuts the gradient off."""
    sizes = [one.gradient for each in initial if each.loss is not None for one in each.loss.gradients.weights]
    stuck = bool(sizes) and not any(sizes)
    return [_cut(initial[0])] if stuck and all(one.cuts for one in initial) else []


def _cut(measured: InitialMeasured) -> Finding:
    where = ", ".join(map(placed, measured.cuts))
    outputs = measured.outputs
    shown = "the outputs are all the same" if outputs.lowest == outputs.highest else "the outputs go by steps"
    stretched = measured.stretched
    if outputs.lowest == outputs.highest and stretched is not None and stretched.lowest < stretched.highest:
        shown = f"{shown} (for inputs {STRETCH:g} times as large they differ)"
    message = f"no gradient comes through {where}: {shown}"
    return GRADIENT_CUT.finding(message, {"operations": [placed(one) for one in measured.cuts]})


def constant(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """Outputs that rounding alone tells apart, where no lost gradient explains it."""
    spreads = [one.dependence.spread for one in initial if one.dependence is not None]
    largest = max((spread for spread in spreads if spread is not None), default=1.0)
    if None in spreads or largest >= CONSTANT:
        return []
    message = f"the outputs are the same for all samples, to {largest:.1g} of their size"
    return [INPUT_IGNORED.finding(message, {"spread": largest})]
