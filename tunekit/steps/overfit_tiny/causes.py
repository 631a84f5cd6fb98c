"""Why a tiny set is not learned, or not as it should be: from losses, gradients, parameters and the control."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunekit.citations import KARPATHY, LECTURE
from tunekit.measured import RESIDUAL, TinySet, TinyTrained
from tunekit.steps.context import percent
from tunekit.steps.noise import diverged
from tunekit.steps.overfit_tiny.learned import NEAR_FLOOR, NEAR_SCORE, reached, reached_text, solved
from tunekit.vocabulary import Code, Finding, Record, StopRule

FAR_TARGETS = 4.0  # squared mean of the targets over their variance, above which outputs have far to go
ODD_SCALE = 100.0  # standard deviation of targets, or its inverse, that outputs of unit scale do not reach soon
SLOW = 200  # passes over the tiny set; some tens is usual
FLAT = 0.02  # largest drop, as a share of the way to the floor, of a loss that does not move
MODES = 0.10  # accuracy by which the two modes may differ
DIED = 1e-6  # norm of the gradient of a model that is not trained to its end

CANNOT_OVERFIT = Code(
    "cannot_overfit",
    "fail",
    "The model does not learn a handful of samples by heart.",
    f"Training accuracy below 100 % or a loss more than {100 * NEAR_FLOOR:g} % of the way above its floor (regression: "
    f"residual above {100 * RESIDUAL:g} % of the variance; few parameters: below {100 * NEAR_SCORE:g} % of the best "
    "linear map's accuracy) after all rates tried, with every regulariser off.",
    "Capacity, a broken gradient path, conflicting labels or outputs that cannot reach the targets.",
    ("mend what the evidence names, before any tuning",),
    f"{LECTURE} (step 2)",
)
LOSS_FLAT = Code(
    "loss_flat",
    "fail",
    "The loss on the tiny set does not move at any rate.",
    f"Best drop of the loss over all rates below {100 * FLAT:g} % of the way to its floor, or no parameter moved.",
    "No gradient reaches the weights, the optimizer holds other parameters, or the outputs are saturated.",
    ("check that the optimizer got model.parameters() and that gradients are not zero",),
    f"{LECTURE} (step 2: loss not going down)",
)
LOSS_NOT_FINITE = Code(
    "loss_not_finite",
    "fail",
    "The loss becomes NaN or infinite on the tiny set at every rate.",
    "The first iteration whose loss is not finite, or above its start by more than "
    f"{StopRule().factor:g} times its scale.",
    "Inputs that are not finite, log or division by zero in the loss, or an exploding start.",
    ("look for log, sqrt and division in the loss and the model", "check the inputs for NaN"),
    f"{LECTURE} (step 2: loss goes to Inf or NaN)",
)
OVERFIT_SLOW = Code(
    "overfit_slow",
    "warn",
    "The tiny set is learned, but slowly.",
    f"Passes over the tiny set needed, above {SLOW}; some tens is usual.",
    "Inputs on a bad scale, poor initialisation, or a very small model.",
    ("normalise the inputs and look at the initialisation",),
    f"{LECTURE} (step 2)",
)
EVAL_MODE_DIFFERS = Code(
    "eval_mode_differs",
    "warn",
    "What was learned in train mode is not there in eval mode.",
    "Accuracy on the same samples in both modes, after BatchNorm's statistics were recomputed: more than "
    f"{100 * MODES:g} points apart.",
    "A layer that behaves differently in the two modes beyond BatchNorm and dropout.",
    ("look for code that asks self.training",),
    "Ioffe and Szegedy, 'Batch Normalization', ICML 2015, section 3.1",
)
MEMORIZES_WITHOUT_INPUT = Code(
    "memorizes_without_input",
    "warn",
    "The tiny set is learned just as well with its inputs zeroed.",
    "Control training on zeroed inputs: it must not reach the target.",
    "The label is reachable by another way than the input, for example by the position in the batch.",
    ("look for state that the model keeps between samples",),
    f"{KARPATHY} (input-independent baseline)",
)
CODES = (CANNOT_OVERFIT, LOSS_FLAT, LOSS_NOT_FINITE, OVERFIT_SLOW, EVAL_MODE_DIFFERS, MEMORIZES_WITHOUT_INPUT)

STANDARDISE = "standardise the targets: subtract their training mean and divide by their standard deviation"


def slow(best_try: Record, start: TinySet) -> list[Finding]:
    """Slow for no reason that is known, or because the outputs have far to go to targets that are not standardised."""
    if best_try.iterations <= SLOW:
        return []
    message = f"{best_try.iterations} passes over {start.samples} samples were needed; some tens is usual"
    evidence = {"epochs": best_try.iterations}
    far = _far_targets(start)
    if not far:
        return [OVERFIT_SLOW.finding(message, evidence)]
    return [OVERFIT_SLOW.finding(f"{message}; {far}", evidence, advice=(STANDARDISE,), severity="note")]


def modes(trained: TinyTrained | None, start: TinySet) -> list[Finding]:
    if trained is None or start.kind == "regression":
        return []
    train, evaluated = trained.train_mode.score, trained.eval_mode.score
    if not abs(train - evaluated) > MODES:
        return []
    message = (
        f"accuracy is {percent(train)} in train mode and {percent(evaluated)} in eval "
        "mode on the same samples, BatchNorm's statistics made anew"
    )
    return [EVAL_MODE_DIFFERS.finding(message, {"train": train, "eval": evaluated})]


def without_inputs(control: Record | None, start: TinySet) -> list[Finding]:
    if control is None or not solved(control, start):
        return []
    message = f"with zeroed inputs the set is learned as well, in {control.iterations} epochs"
    return [MEMORIZES_WITHOUT_INPUT.finding(message, {"epochs": control.iterations})]


def not_learned(attempts: Sequence[Record], best_try: Record, start: TinySet, trained: TinyTrained | None) -> Finding:
    """Why the set is not learned. `trained`: the best attempt's model, unless that diverged."""
    end = reached(best_try)
    evidence: dict[str, float] = {"start": start.start, "floor": start.floor, "loss": end.loss}
    if all(diverged(record) for record in attempts):
        first = min(diverged(record) or 0 for record in attempts)
        message = f"the loss leaves all bounds at every rate, first at iteration {first}"
        return LOSS_NOT_FINITE.finding(message, {**evidence, "iteration": first})
    if start.conflicting:
        count = f"{start.conflicting} of the {start.samples} samples"
        message = f"{count} share their input with a sample of another target"
        advice = ("mend the labels of identical inputs",)
        return CANNOT_OVERFIT.finding(message, {**evidence, "conflicting": start.conflicting}, advice=advice)
    if trained is not None:
        evidence |= {"gradient_norm": trained.gradient_norm, "moved": trained.moved}
    flat = _flat(attempts, start, trained)
    if flat:
        return LOSS_FLAT.finding(flat, evidence)
    message = f"after {best_try.iterations} epochs at the best rate: {reached_text(end, start)}"
    far = _far_targets(start)
    if far and start.spread:
        evidence |= {"mean": start.spread.mean, "variance": start.spread.variance}
        return CANNOT_OVERFIT.finding(f"{message}; {far}", evidence, advice=(STANDARDISE,))
    if start.parameters < start.samples:
        advice = ("give the model more parameters than this set has samples",)
        message = f"{message}; {start.parameters} parameters for {start.samples} samples"
        return CANNOT_OVERFIT.finding(message, evidence, advice=advice)
    if trained is not None and trained.gradient_norm < DIED:
        advice = ("the gradients died: look at the last layer and at saturated activations",)
        message = f"{message}; the gradient's norm is {trained.gradient_norm:.1e}"
        return CANNOT_OVERFIT.finding(message, evidence, advice=advice)
    return CANNOT_OVERFIT.finding(message, evidence)


def _flat(attempts: Sequence[Record], start: TinySet, trained: TinyTrained | None) -> str:
    """What shows that nothing moved, or nothing."""
    if trained is not None and trained.moved == 0:
        return "no parameter of the model moved: the optimizer holds other parameters, or gradients are zero"
    lowest = [
        min((loss for loss in record.column("train_loss") if math.isfinite(loss)), default=math.inf)
        for record in attempts
    ]
    drop = (start.start - min(lowest)) / max(abs(start.start - start.floor), 1e-12)
    if not drop < FLAT:
        return ""
    gradient = f"; the gradient's norm is {trained.gradient_norm:.1e}" if trained is not None else ""
    return f"the loss moved by {100 * drop:.1f} % of the way to its floor at best{gradient}"


def _far_targets(start: TinySet) -> str:
    """Regression targets that lie far from where outputs start, for their spread, in words; or nothing."""
    spread = start.spread
    if spread is None or not spread.variance:
        return ""
    deviation = math.sqrt(spread.variance)
    if spread.mean**2 <= FAR_TARGETS * spread.variance and 1 / ODD_SCALE < deviation < ODD_SCALE:
        return ""
    return f"the targets have mean {spread.mean:.3g} and standard deviation {deviation:.3g}"
