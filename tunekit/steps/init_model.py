"""Step 1, the model: what the numbers of the initial probe mean, over several initialisations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tunekit.findings import finding
from tunekit.steps.context import Context, percent
from tunekit.vocabulary import Finding, Severity, Values

REGRESSION_TOLERANCE = 1.0  # a sound linear layer adds a third of the inputs' variance to the outputs
LOGITS_MODEST = 1.0  # outputs of this scale explain what they cost: they are no fault
LOGITS_LARGE = 2.0  # standard deviation; 3 costs 2.8 of loss at ten classes (measured)
SUMMED = 1.5  # loss of a batch over the mean of its halves: 1 for a mean, 2 for a sum
ZEROS = 0.05  # share of outputs that are exactly zero, below which no ReLU stands at the end
VANISHED, VANISHED_RMS = 1e-3, 1e-4  # first layers' gradient over the last's, and its size (AUTOTRAINER)
EXPLODED = 1e3
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
    found = [*_labels(initial, context), *_outputs(initial, context)]
    if not found:
        found += _loss_value(initial, context, known)
    found += _averaged(initial)
    found += _parameters(initial, context)
    # Equal inputs switch the same units off for all samples: then that is no fault of the layer.
    dead = [] if "input_constant" in known else _dead(initial)
    found += dead
    if not dead:
        found += _gradients(initial, {finding.code for finding in found})
    found += _dependence(initial, explained=bool(dead))
    return [*found, *_decay(initial)]


def _labels(initial: Sequence[Values], context: Context) -> list[Finding]:
    first = initial[0]
    shape = first["outputs"]["shape"]
    classes = context.facts.classes
    if first["kind"] != "classification" or not shape or classes is None:
        return []
    outputs = shape[0]
    if not first["fits"]:
        if outputs < classes:
            message = f"the model has {outputs} outputs, the data {classes} classes"
            return [finding("class_count_mismatch", message, {"outputs": outputs, "classes": classes})]
        message = f"some labels lie outside 0 to {outputs - 1}, the range of the model's {outputs} outputs"
        return [finding("labels_out_of_range", message, {"outputs": outputs, "classes": classes})]
    if outputs > classes:
        message = f"the model has {outputs} outputs, the data only {classes} classes"
        # A class that happens to be missing is no fault of the model; half as many outputs again is.
        severity: Severity = "fail" if outputs >= 1.5 * classes else "note"
        evidence = {"outputs": outputs, "classes": classes}
        return [finding("class_count_mismatch", message, evidence, severity=severity)]
    return []


def _outputs(initial: Sequence[Values], context: Context) -> list[Finding]:
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
    within = all(low >= -BOUNDARY and high <= 1 + BOUNDARY for low, high in everywhere)
    varies = all(high > low for low, high in ranges)
    if takes_logits and within and varies:
        sums = [values["outputs"].get("row_sum_off") for values in initial]
        softmax = all(value is not None and value < BOUNDARY for value in sums)
        layer = "softmax" if softmax else "sigmoid"
        shown = "and every row sums to 1" if softmax else "even for inputs a thousand times as large"
        message = f"all outputs lie between 0 and 1 {shown}, while the loss takes logits: {layer} is applied twice"
        evidence = {"min": min(low for low, _ in ranges), "max": max(high for _, high in ranges), "layer": layer}
        return [finding("outputs_are_probabilities", message, evidence)]
    clipped = _clipped(initial, everywhere, takes_logits, context)
    if clipped:
        return clipped
    std = fmean(values["outputs"]["std"] for values in initial)
    if takes_logits and std > LOGITS_LARGE:
        message = f"the untrained model's logits have a standard deviation of {std:.1f}; below 1 is usual"
        measured = initial_loss(initial)
        evidence = {"std": std, "initial_loss": measured.loss if measured else None}
        return [finding("logits_too_large", message, evidence)]
    return []


def _clipped(
    initial: Sequence[Values], everywhere: Sequence[tuple[float, float]], takes_logits: bool, context: Context
) -> list[Finding]:
    """ReLU or tanh at the end, where the loss wants more than they can give."""
    zeros = [values["outputs"]["zeros"] for values in initial]
    if all(low >= 0 for low, _ in everywhere) and all(ZEROS < share < 1 - ZEROS for share in zeros) and takes_logits:
        message = (
            f"no output is below zero and {percent(fmean(zeros))} are exactly zero: the last layer is cut off at zero"
        )
        return [finding("outputs_clipped", message, {"zeros": fmean(zeros)})]
    bounded = all(low >= -1 - BOUNDARY and high <= 1 + BOUNDARY for low, high in everywhere)
    at_bound = all(values["stretched"].get("at_bound", 0.0) > 0.5 for values in initial)
    if takes_logits and bounded and at_bound:
        message = "the outputs stay within -1 and 1 even for inputs a thousand times as large: tanh stands at the end"
        return [finding("outputs_clipped", message, {"bound": 1.0})]
    return []


def _loss_value(initial: Sequence[Values], context: Context, known: set[str]) -> list[Finding]:
    measured = initial_loss(initial)
    if measured is None:
        return []
    if not math.isfinite(measured.loss):
        return [finding("initial_loss_high", "the untrained network's loss is not finite", {})]
    if not math.isfinite(measured.highest):
        return []
    kind = initial[0]["kind"]
    tolerance = max(context.recipe.steps.check_init_loss.tolerance, 0.15)
    above = REGRESSION_TOLERANCE if kind == "regression" else tolerance
    room = abs(measured.highest) * above
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
    low = measured.lowest - abs(measured.lowest) * tolerance
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


def _gradients(initial: Sequence[Values], known: set[str]) -> list[Finding]:
    measured = [values["gradients"] for values in initial if "gradients" in values]
    if not measured:
        return []
    if not all(values["finite"] for values in measured):
        return [finding("exploding_gradients", "a gradient of the untrained network is NaN or infinite", {})]
    ratios, firsts = [], []
    for gradients in measured:
        layers = gradients["layers"]
        if len(layers) < 3 or layers[-1]["gradient"] == 0:
            return []
        early = layers[: max(1, len(layers) // 3)]
        first = min(layer["gradient"] for layer in early)
        firsts.append(first)
        ratios.append(first / layers[-1]["gradient"])
    name = measured[0]["layers"][0]["name"]
    evidence = {"ratio": fmean(ratios), "gradient": fmean(firsts), "layer": name}
    if max(ratios) < VANISHED and max(firsts) < VANISHED_RMS:
        message = f"the gradient of {name} is {fmean(ratios):.1e} of the last layer's: the first layers learn nothing"
        return [finding("vanishing_gradients", message, evidence)]
    if min(ratios) > EXPLODED and "logits_too_large" not in known:
        message = f"the gradient of {name} is {fmean(ratios):.1e} times the last layer's"
        return [finding("exploding_gradients", message, evidence)]
    return []


def _dead(initial: Sequence[Values]) -> list[Finding]:
    units = [values["units"] for values in initial if "units" in values]
    if not units or not units[0]:
        return []
    for position, layer in enumerate(units[0]):
        shares = [found[position]["dead"] for found in units if len(found) > position]
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
