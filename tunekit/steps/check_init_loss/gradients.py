"""Gradients on their way from the outputs to the first layer, and units that are off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from tunekit.citations import GLOROT
from tunekit.measured import InitialMeasured
from tunekit.shares import percent
from tunekit.steps.check_init_loss.finiteness import mending_gradient, named, placed
from tunekit.steps.check_init_loss.settings import fault
from tunekit.vocabulary import Finding, Severity

# Norm of the gradient at the first layer's outputs over that at the network's own. Of 36 networks trained for 150
# iterations at three rates, those below 1e-5 learned badly or not at all, those between needed Adam.
VANISHED, FADING = 1e-5, 2e-4
EXPLODED = 1e3  # the same ratio ...
EXPLODED_APART = 30.0  # ... and what is left of it without its largest step: one large layer is no explosion
DEEP = 3  # weights, below which a network is too shallow for either
LOST = 1e-4  # spread over the samples of what goes into an activation: below, the input was lost before
DEAD = 0.5  # share of a layer's units (SageMaker Debugger)

VANISHING_GRADIENTS = fault(
    "vanishing_gradients",
    "fail",
    "Gradients die on their way to the first layers.",
    "Norm of the loss's gradient with respect to the first layer's outputs over that with respect to the network's: "
    f"below {VANISHED:g} (a warning below {FADING:g}). Weights that start at exactly zero are stirred for it.",
    "Saturating activations in depth, or initial weights that are too small.",
    (
        "use ReLU-like activations with He initialisation, normalisation layers or skip connections",
        "use fewer layers",
    ),
    f"{GLOROT}; thresholds from 36 networks trained for 150 iterations at three rates",
)
EXPLODING_GRADIENTS = fault(
    "exploding_gradients",
    "fail",
    "Gradients grow on their way to the first layers, or are huge.",
    f"The same ratio above {EXPLODED:g}, and above {EXPLODED_APART:g} without its largest step: not by a single layer; "
    "or a gradient that is NaN or infinite in some batches though the loss is finite; torch's anomaly mode then "
    "tells from "
    "which operation.",
    "Initial weights that are too large in depth, or inputs that are not normalised; not finite: sqrt, log, "
    "division or a "
    "norm at zero.",
    ("use He or Xavier initialisation or normalisation layers", "clip the gradient: `clip_grad_norm: 1.0`"),
    f"{GLOROT}; Pascanu et al., ICML 2013",
)
DEAD_UNITS = fault(
    "dead_units",
    "fail",
    "Units of a layer are off for every sample.",
    "Outputs of every activation module and function over real samples: zero (ReLU-like) for all of them in more than "
    f"{100 * DEAD:g} % of a layer's units.",
    "A strongly negative bias, weights that are too large, inputs that are not normalised.",
    ("look at the bias and scale of the named layer", "normalise the inputs"),
    f"CS231n course notes, neural-networks-1 (ReLU); Amazon SageMaker Debugger, DeadRelu ({100 * DEAD:g} %)",
)
CODES = (VANISHING_GRADIENTS, EXPLODING_GRADIENTS, DEAD_UNITS)


def judge(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """Gradients that die or blow up on their way from the outputs to the first layer."""
    measured = [one.loss.gradients for one in initial if one.loss is not None]
    if not measured:
        return []
    if not all(gradients.finite for gradients in measured):
        origin = next((gradients.origin for gradients in measured if gradients.origin is not None), None)
        message = "a gradient of the untrained network is NaN or infinite, though its loss is finite"
        if origin is not None:
            message = f"{message}: it comes from {placed(origin)}"
        return [EXPLODING_GRADIENTS.finding(message, named(origin), advice=mending_gradient(origin))]
    ratios, apart = [], []
    for gradients in measured:
        sizes = [layer.gradient for layer in gradients.flow]
        if len(gradients.weights) < DEEP or len(sizes) < 2 or sizes[-1] == 0:
            return []
        ratios.append(sizes[0] / sizes[-1])
        largest = max((first / second for first, second in pairwise(sizes) if second > 0), default=1.0)
        apart.append(ratios[-1] / largest if largest > 0 else 0.0)
    name = measured[0].flow[0].name
    evidence = {"ratio": fmean(ratios), "layer": name}
    if max(ratios) < FADING:
        severity: Severity = "fail" if max(ratios) < VANISHED else "warn"
        learn = "nothing" if severity == "fail" else "slowly"
        message = (
            f"the gradient that reaches {name} is {fmean(ratios):.1e} of that at the outputs: "
            f"the first layers learn {learn}"
        )
        return [VANISHING_GRADIENTS.finding(message, evidence, severity=severity)]
    if min(ratios) > EXPLODED and min(apart) > EXPLODED_APART:
        message = f"the gradient that reaches {name} is {fmean(ratios):.1e} times that at the outputs"
        return [EXPLODING_GRADIENTS.finding(message, evidence)]
    return []


def dead_units(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """The first layer that is off in every initialisation, unless its input was lost before it."""
    units = [one.loss.units for one in initial if one.loss is not None]
    if not units:
        return []
    for position, layer in enumerate(units[0]):
        if layer.varies < LOST:
            return []
        shares = [layers[position].dead for layers in units if len(layers) > position]
        if min(shares) > DEAD and len(shares) == len(units):
            message = f"{percent(fmean(shares))} of the {layer.units} units of {layer.layer} are off for every sample"
            return [DEAD_UNITS.finding(message, {"layer": layer.layer, "share": fmean(shares)})]
    return []
