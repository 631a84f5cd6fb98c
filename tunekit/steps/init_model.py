"""Step 1, the model: what the numbers of the initial probe mean, over several initialisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from tunekit.findings import finding
from tunekit.steps.context import Context, percent
from tunekit.vocabulary import Finding, Severity, Values

REGRESSION_TOLERANCE = 1.0  # a sound linear layer adds a third of the inputs' variance to the outputs
REGRESSION_LOW = 0.5  # chance: random features of few inputs explain up to a third of the targets' variance
LOGITS_MODEST = 1.0  # outputs of this scale explain what they cost: they are no fault
LOGITS_LARGE = 2.0  # standard deviation; 3 costs 2.8 of loss at ten classes (measured)
SUMMED = 1.5  # loss of a batch over the mean of its halves: 1 for a mean, 2 for a sum
ZEROS = 0.05  # share of outputs that are exactly zero, below which no ReLU stands at the end
# Norm of the gradient at the first layer's outputs over that at the network's own. Of 36 networks trained for 150
# iterations at three rates, those below 1e-5 learned badly or not at all, those between needed Adam.
VANISHED, FADING = 1e-5, 2e-4
EXPLODED = 1e3  # the same ratio ...
EXPLODED_APART = 30.0  # ... and what is left of it without its largest step: one large layer is no explosion
LOST = 1e-4  # spread over the samples of what goes into an activation: below, the input was lost before
DEAD = 0.5  # share of a layer's units (SageMaker Debugger)
BOUNDARY = 1e-3  # rows that sum to one, outputs within [0, 1]
LEAKED = 1e-6  # effect of another sample over a sample's own


@dataclass(frozen=True)
class InitialLoss:
    """Mean over the initialisations, and the expectation that it lies nearest to."""

    loss: float
    expected: float
    name: str
    lowest: float
    highest: float


def initial_loss(initial: Sequence[Values]) -> InitialLoss | None:
    """The measured loss (train mode) and what an untrained network should have: the person's own loss over outputs
    that know nothing ("zero"), or know only how often each target occurs ("prior")."""
    measured = [values["losses"] for values in initial if values.get("losses")]
    if not measured:
        return None
    loss = fmean(losses["train"] for losses in measured)
    names = measured[0]["expected"]
    expected = {name: fmean(losses["expected"][name] for losses in measured) for name in names}
    expected = {name: value for name, value in expected.items() if math.isfinite(value)}
    if not expected:
        return InitialLoss(loss, loss, "no expectation for this loss", -math.inf, math.inf)
    nearest = min(expected, key=lambda name: abs(expected[name] - loss))
    if "zero" in expected and abs(expected[nearest] - expected["zero"]) < 0.02 * abs(expected["zero"]):
        nearest = "zero"
    name = _theory(expected[nearest], nearest, initial[0])
    return InitialLoss(loss, expected[nearest], name, min(expected.values()), max(expected.values()))


def _theory(value: float, name: str, values: Values) -> str:
    """The closed form that an expectation equals, where there is a known one."""
    shape = values["outputs"]["shape"]
    if (
        name == "zero"
        and values["kind"] == "classification"
        and shape
        and math.isclose(value, math.log(shape[0]), rel_tol=1e-3)
    ):
        return f"ln {shape[0]}"
    if name == "zero" and values["kind"] in ("binary", "multilabel") and math.isclose(value, math.log(2), rel_tol=1e-3):
        return "ln 2"
    texts = {
        "zero": "the loss at outputs of zero",
        "prior": "the loss at outputs that know how often each target occurs",
        "median": "the loss at the targets' median",
    }
    return texts[name]


def judge(initial: Sequence[Values], context: Context, known: set[str]) -> list[Finding]:
    """Findings on the model. `known`: codes found in the data, which explain some of what is seen here."""
    if "input_not_finite" in known and not all(values["outputs"]["finite"] for values in initial):
        return _parameters(initial, context)  # whatever else shows follows from these inputs
    found = _labels(initial, context) or _outputs(initial, context, known)
    if all(finding.code == "logits_too_large" for finding in found):
        value = _loss_value(initial, context, known)
        # A loss that is too low says more than large outputs; one that is too high follows from them.
        low = any(finding.code == "initial_loss_low" for finding in value)
        found = value if low or not found else found
    found += _averaged(initial)
    found += _parameters(initial, context)
    # Equal inputs switch the same units off for all samples: then that is no fault of the layer.
    dead = [] if "input_constant" in known else _dead(initial)
    dependence = _dependence(initial, explained=bool(dead) or "input_constant" in known)
    found += dead
    lost = "input_constant" in known or any(finding.code == "input_ignored" for finding in dependence)
    if not dead and not lost and all(values["outputs"]["finite"] for values in initial):
        gradients = _gradients(initial)
        if any(finding.code == "exploding_gradients" for finding in gradients):
            found = [finding for finding in found if finding.code not in ("logits_too_large", "initial_loss_high")]
        found += gradients
    return [*found, *dependence, *_decay(initial)]


def _labels(initial: Sequence[Values], context: Context) -> list[Finding]:
    first = initial[0]
    shape = first["outputs"]["shape"]
    classes = context.facts.classes
    if first["kind"] != "classification" or not shape or classes is None:
        return []
    outputs = shape[0]
    if not first["fits"]:
        low, high = first.get("targets", {}).get("min", 0), first.get("targets", {}).get("max", classes - 1)
        if outputs < classes and low >= 0 and high < classes:
            message = f"the model has {outputs} outputs, the data {classes} classes"
            return [finding("class_count_mismatch", message, {"outputs": outputs, "classes": classes})]
        message = f"labels reach from {low:g} to {high:g}; the model's {outputs} outputs take 0 to {outputs - 1}"
        evidence = {"outputs": outputs, "classes": classes, "min": low, "max": high}
        return [finding("labels_out_of_range", message, evidence)]
    if outputs > classes:
        message = f"the model has {outputs} outputs, the data only {classes} classes"
        # A class that happens to be missing is no fault of the model; half as many outputs again is.
        severity: Severity = "fail" if outputs >= 1.5 * classes else "note"
        evidence = {"outputs": outputs, "classes": classes}
        return [finding("class_count_mismatch", message, evidence, severity=severity)]
    return []


def _outputs(initial: Sequence[Values], context: Context, known: set[str]) -> list[Finding]:
    if not all(values["outputs"]["finite"] for values in initial):
        message = "the untrained model's outputs are NaN or infinite for real, finite inputs"
        return [finding("initial_loss_high", message, {}, advice=("look for log, sqrt or division in forward()",))]
    takes_logits = all(values.get("takes_logits", False) for values in initial)
    ranges = [(v["outputs"]["min"], v["outputs"]["max"]) for v in initial]
    bounds = [
        (v["stretched"].get("min", low), v["stretched"].get("max", high))
        for v, (low, high) in zip(initial, ranges, strict=True)
    ]
    everywhere = [*ranges, *bounds]
    within = all(low >= 0 and high <= 1 + BOUNDARY for low, high in everywhere)
    varies = all(high > low for low, high in ranges)
    if takes_logits and within and varies:
        if all(values["outputs"].get("column_sum_off", 1.0) < BOUNDARY for values in initial):
            return []  # a softmax over the samples: batch_leak says so
        softmax = all(values["outputs"].get("row_sum_off", 1.0) < BOUNDARY for values in initial)
        layer = "softmax" if softmax else "sigmoid"
        stretched = "even for inputs a thousand times as large" if initial[0]["stretched"] else "without exception"
        shown = "and every row sums to 1" if softmax else stretched
        message = f"all outputs lie between 0 and 1 {shown}, while the loss takes logits: {layer} is applied twice"
        evidence = {"min": min(low for low, _ in ranges), "max": max(high for _, high in ranges), "layer": layer}
        return [finding("outputs_are_probabilities", message, evidence)]
    clipped = _clipped(initial, everywhere, takes_logits)
    if clipped:
        return clipped
    std = fmean(values["outputs"]["std"] for values in initial)
    if takes_logits and std > LOGITS_LARGE and not context.recipe.model.pretrained:
        message = f"the untrained model's logits have a standard deviation of {std:.1f}; below 1 is usual"
        measured = initial_loss(initial)
        evidence = {"std": std, "initial_loss": measured.loss if measured else None}
        severity: Severity | None = None
        if "input_not_normalized" in known:
            message, severity = f"{message}; this follows from the scale of the inputs", "note"
        return [finding("logits_too_large", message, evidence, severity=severity)]
    return []


def _clipped(initial: Sequence[Values], everywhere: Sequence[tuple[float, float]], takes_logits: bool) -> list[Finding]:
    """ReLU, tanh or sigmoid at the end, where the loss wants more than they can give: scores of any size, or targets
    beyond their bounds (more than a twentieth of them on one side)."""
    zeros = [values["outputs"]["zeros"] for values in initial]
    targets = initial[0].get("targets", {}) if initial[0]["kind"] == "regression" else {}
    least, most = targets.get("low", math.inf), targets.get("high", -math.inf)
    cut = all(low >= 0 for low, _ in everywhere) and all(ZEROS < share < 1 - ZEROS for share in zeros)
    if cut and (takes_logits or least < 0):
        message = (
            f"no output is below zero and {percent(fmean(zeros))} are exactly zero: the last layer is cut off at zero"
        )
        return [finding("outputs_clipped", message, {"zeros": fmean(zeros)})]
    lowest, highest = min(low for low, _ in everywhere), max(high for _, high in everywhere)
    at_bounds = all(values["stretched"].get("at_bounds", 0.0) > 0.5 for values in initial)
    # Inputs of equal size (by LayerNorm) bound outputs as well, but do not press them against the bounds.
    bounded = at_bounds and lowest >= -1 - BOUNDARY and highest <= 1 + BOUNDARY
    if bounded and (takes_logits or least < lowest - BOUNDARY or most > highest + BOUNDARY):
        layer = "tanh" if lowest < -BOUNDARY else "sigmoid"
        wanted = "" if takes_logits else f", while the targets reach from {targets['min']:.3g} to {targets['max']:.3g}"
        message = (
            f"the outputs stay within {-1 if layer == 'tanh' else 0} and 1 even for inputs a thousand times as large"
            f"{wanted}: {layer} stands at the end"
        )
        return [finding("outputs_clipped", message, {"bound": 1.0})]
    return []


def _loss_value(initial: Sequence[Values], context: Context, known: set[str]) -> list[Finding]:
    measured = initial_loss(initial)
    if measured is None:
        return []
    if not math.isfinite(measured.loss):
        return [finding("initial_loss_high", "the untrained network's loss is not finite", {})]
    if not math.isfinite(measured.highest) or measured.lowest <= 0:
        return []  # a loss that is zero or less without knowledge has no scale to judge by
    kind = initial[0]["kind"]
    tolerance = max(context.settings.tolerance, 0.15)
    above = REGRESSION_TOLERANCE if kind == "regression" else tolerance
    room = measured.highest * above
    evidence = {"initial_loss": measured.loss, "expected": measured.expected, "theory": measured.name}
    size = fmean(values["outputs"]["rms" if kind == "binary" else "std"] for values in initial)
    if measured.loss > measured.highest + room and (kind == "regression" or size > LOGITS_MODEST):
        theory = f"{measured.expected:.4g} ({measured.name})"
        message = f"initial loss {measured.loss:.4g}, expected {theory}; outputs have scale {size:.2g}"
        advice = None
        if kind == "regression":
            advice = (
                "standardise the targets, or start the last layer smaller: outputs are larger than what they predict",
            )
        return [finding("initial_loss_high", message, {**evidence, "scale": size}, advice=advice)]
    low = measured.lowest * (1 - (REGRESSION_LOW if kind == "regression" else tolerance))
    evaluated = fmean(values["losses"]["eval"] for values in initial)
    if (
        measured.loss < low
        and evaluated < low
        and not context.recipe.model.pretrained
        and not known & {"input_constant"}
    ):
        least = f"{measured.lowest:.4g}, the least that can be had without knowledge"
        message = f"initial loss {measured.loss:.4g} is below {least}"
        return [finding("initial_loss_low", message, evidence)]
    return []


def _averaged(initial: Sequence[Values]) -> list[Finding]:
    ratios = [values["halves"] for values in initial if "halves" in values and math.isfinite(values["halves"])]
    if not ratios or min(ratios) < SUMMED:
        return []
    message = f"the loss of a batch is {fmean(ratios):.1f} times that of its halves: it is summed, not averaged"
    return [finding("loss_not_averaged", message, {"ratio": fmean(ratios)})]


def _parameters(initial: Sequence[Values], context: Context) -> list[Finding]:
    found = []
    frozen = initial[0]["frozen"]
    if frozen and not context.recipe.model.pretrained:
        message = f"{len(frozen)} parameters do not train (requires_grad is off): {_names(frozen)}"
        found.append(finding("frozen_parameters", message, {"parameters": frozen[:20]}))
    none = initial[0].get("gradients", {}).get("none", [])
    if none:
        share = initial[0]["gradients"]["none_share"]
        message = f"no gradient reaches {_names(none)} ({percent(share)} of the parameters)"
        # A side branch that a pretrained body brings along is small; a body cut off is not.
        severity: Severity | None = "warn" if share < 0.05 else None
        found.append(
            finding("unused_parameters", message, {"parameters": none[:20], "share": share}, severity=severity)
        )
    return found


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _gradients(initial: Sequence[Values]) -> list[Finding]:
    """Gradients that die or blow up on their way from the outputs to the first layer."""
    measured = [values["gradients"] for values in initial if "gradients" in values]
    if not measured:
        return []
    if not all(values["finite"] for values in measured):
        return [finding("exploding_gradients", "a gradient of the untrained network is NaN or infinite", {})]
    ratios, apart = [], []
    for gradients in measured:
        sizes = [layer["gradient"] for layer in gradients.get("flow", ())]
        if len(gradients["layers"]) < 3 or len(sizes) < 2 or sizes[-1] == 0:
            return []
        ratios.append(sizes[0] / sizes[-1])
        steps = [first / second for first, second in pairwise(sizes) if second > 0]
        apart.append(ratios[-1] / max(steps, default=1.0))
    name = measured[0]["flow"][0]["name"]
    evidence = {"ratio": fmean(ratios), "layer": name}
    if max(ratios) < FADING:
        severity: Severity = "fail" if max(ratios) < VANISHED else "warn"
        learn = "nothing" if severity == "fail" else "slowly"
        message = (
            f"the gradient that reaches {name} is {fmean(ratios):.1e} of that at the outputs: "
            f"the first layers learn {learn}"
        )
        return [finding("vanishing_gradients", message, evidence, severity=severity)]
    if min(ratios) > EXPLODED and min(apart) > EXPLODED_APART:
        message = f"the gradient that reaches {name} is {fmean(ratios):.1e} times that at the outputs"
        return [finding("exploding_gradients", message, evidence)]
    return []


def _dead(initial: Sequence[Values]) -> list[Finding]:
    units = [values["units"] for values in initial if "units" in values]
    if not units or not units[0]:
        return []
    for position, layer in enumerate(units[0]):
        shares = [found[position]["dead"] for found in units if len(found) > position]
        if layer.get("varies", 1.0) < LOST:
            return []
        if min(shares) > DEAD and len(shares) == len(units):
            message = (
                f"{percent(fmean(shares))} of the {layer['units']} units of {layer['layer']} are off for every sample"
            )
            return [finding("dead_units", message, {"layer": layer["layer"], "share": fmean(shares)})]
    return []


def _dependence(initial: Sequence[Values], explained: bool) -> list[Finding]:
    measured = [values["dependence"] for values in initial if values["dependence"]]
    if not measured:
        return []
    if all(
        found["others"] > max(LEAKED * found["own"], found.get("noise", 0.0), 0.0) and found["others"] > 0
        for found in measured
    ):
        found = measured[0]
        message = (
            "in eval mode the outputs of one sample change with other samples of its batch "
            f"(effect {found['others']:.2g}; of its own input {found['own']:.2g})"
        )
        return [finding("batch_leak", message, dict(found))]
    if not explained and all(found["own"] == 0 for found in measured):
        return [finding("input_ignored", "the outputs do not depend on the inputs: the gradient to them is zero", {})]
    return []


def _decay(initial: Sequence[Values]) -> list[Finding]:
    decay = initial[0]["decay"]
    if not decay or decay["after"] < decay["before"]:
        return []
    message = "a step of the optimizer at zero gradient does not shrink the weights: weight_decay does not reach it"
    return [finding("regularization_not_added", message, dict(decay))]
