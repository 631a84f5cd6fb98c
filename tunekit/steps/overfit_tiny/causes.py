"""Why a tiny set is not learned: the codes of this step, and which cause explains the losses, gradients and parameters
that are seen. What is said of a set that was learned stands in remarks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tunekit.citations import KARPATHY, LECTURE
from tunekit.configuration import Values
from tunekit.measured import FEW, RESIDUAL, TinySet, TinyTrained
from tunekit.shares import percent
from tunekit.steps.noise import diverged
from tunekit.steps.overfit_tiny.learned import (
    DENSE,
    KNOWS,
    NEAR_FIT,
    NEAR_FLOOR,
    NEAR_SCORE,
    disagrees,
    reached,
    reached_text,
    way,
    without_knowledge,
)
from tunekit.telling import counted
from tunekit.vocabulary import Code, Finding, Record, StopRule

FAR_TARGETS = 4.0  # squared mean of the targets over their variance, above which outputs have far to go
ODD_SCALE = 100.0  # standard deviation of targets, or its inverse, that outputs of unit scale do not reach soon
SLOW = 200  # passes over the tiny set; some tens is usual
FLAT = 0.02  # largest drop, as a share of the way to the floor, of a loss that does not move
MODES = 0.10  # accuracy, or share of the way to the floor, by which eval mode may be worse
DIED = 1e-6  # norm of the gradient of a model that is not trained to its end
NO_BETTER = 0.05  # share of the way from constant outputs to the floor, below which nothing was learned of the samples
ASTRAY = 0.5  # share of the targets that only outputs of other places feel: those of others, at their own by chance
LOOKED = 4  # targets that must have been felt to say so
NOT_SAVED = 0.2  # of the way to the floor, by which a trained model may be worse once its weights are loaded
ALIKE = 1e-4  # spread of the outputs over the samples, over their size, of outputs that do not depend on them
AT_BOUNDS = 0.2  # share of the outputs that are exactly the lowest or the highest of all
RAN_OFF = 100.0  # times its start (and 1) that a loss falls below it: no likelihood of few samples goes so far
NAMES = 3  # parameters that a message names

CANNOT_OVERFIT = Code(
    "cannot_overfit",
    "fail",
    "The model does not learn a handful of samples by heart.",
    f"A loss more than {100 * NEAR_FLOOR:g} % of the way above its floor, which outputs reach that are free, with no "
    f"network behind them (regression: residual above {100 * RESIDUAL:g} % of the variance; a model that draws in "
    f"train mode: less than {100 * KNOWS:g} % of the way from constant outputs), or an accuracy, where it is the "
    f"metric, below 100 % ({100 * DENSE:g} % of many targets a sample; few parameters: {100 * NEAR_SCORE:g} % of the "
    "best linear map's), after all rates tried, with every regulariser off.",
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
    f"Passes over the tiny set needed, above {SLOW}; with many targets a sample (tokens, pixels) as many times more as "
    "the logarithm of all targets is that of the samples. (A note where the model has few parameters a target.)",
    "Inputs on a bad scale, poor initialisation, or a very small model.",
    ("normalise the inputs and look at the initialisation",),
    f"{LECTURE} (step 2)",
)
EVAL_MODE_DIFFERS = Code(
    "eval_mode_differs",
    "warn",
    "What was learned in train mode is not there in eval mode.",
    "Accuracy on the same samples in both modes, after BatchNorm's statistics were recomputed: more than "
    f"{100 * MODES:g} points apart; or a loss that is higher in eval mode by that share of the way to its floor.",
    "A layer that behaves differently in the two modes beyond BatchNorm and dropout, or a BatchNorm whose statistics "
    "never move.",
    ("look for code that asks self.training, and for BatchNorm with a momentum of 0",),
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
LOSS_MISALIGNED = Code(
    "loss_misaligned",
    "fail",
    "The loss does not compare outputs with the targets that they belong to.",
    "Outputs change their places in the batch, the targets stay, and the loss is the same. Or one target is changed at "
    f"a time: in {100 * ASTRAY:g} % of the looks only outputs of other places feel it. Or, "
    f"with an accuracy: free outputs at which the loss is least are right in less than {100 * NEAR_SCORE:g} % of the "
    "targets, and outputs that are right have a higher loss.",
    "reshape or view where the axes must be permuted first, batch and time exchanged, classes exchanged; a mean before "
    "the comparison, or [N] against [N, 1].",
    ("permute the axes before reshape: outputs.permute(0, 2, 3, 1).reshape(-1, classes)",),
    f"{KARPATHY} (view and transpose mixed up)",
    explains_later=True,
)
WEIGHTS_NOT_SAVED = Code(
    "weights_not_saved",
    "fail",
    "What was trained is not in the model's weights: loaded again, it scores otherwise.",
    "Training loss on the same samples of the trained weights in a fresh model from another seed, above that of the "
    f"trained model by more than {100 * NOT_SAVED:g} % of the way to the floor.",
    "Layers in a plain Python list or tensors that are no parameters: state_dict() does not hold them.",
    ("put layers into nn.ModuleList, tensors into nn.Parameter or register_buffer",),
    "PyTorch, 'Saving and Loading Models'; pytorch/pytorch#666",
    explains_later=True,
)
LOSS_WITHOUT_FLOOR = Code(
    "loss_without_floor",
    "note",
    "The loss has no lowest value.",
    "Free outputs, with no network behind them, take it down without end. A fail where training takes it below its "
    f"start by more than {RAN_OFF:g} times that (and 1).",
    "A log-likelihood whose variance is learned, or a negative score of unbounded outputs.",
    ("expect no zero: compare with validation, and bound the variance from below",),
    f"{LECTURE} (step 2)",
)
METRIC_DISAGREES = Code(
    "metric_disagrees",
    "note",
    "The accuracy, which was not asked for, does not go with the loss.",
    f"Free outputs at which the loss is least are right in less than {100 * NEAR_SCORE:g} % of the targets.",
    "Outputs of another meaning, as distances, which are small where the answer is yes.",
    ("name a metric of these outputs: `metric: max module:callable`, or `metric: loss`",),
    f"{LECTURE} (step 2)",
)
TARGETS_RESHAPED = Code(
    "targets_reshaped",
    "note",
    "The targets are given to the loss in the outputs' shape.",
    "The shape of the targets in a batch, and that in which the loss gets them.",
    "[N] against [N, 1]: broadcasting would compare every output with every target.",
    ("do the same in your own code: targets.view_as(outputs)",),
    "PyTorch, the warning of mse_loss: 'a target size that is different to the input size'",
)
REGULARIZERS_OFF = Code(
    "regularizers_off",
    "note",
    "Parts of the model work otherwise in this step than in training.",
    "Dropout layers, which are off, and BatchNorm layers, whose statistics are made anew before eval mode is judged.",
    "The tiny set is to be learned by heart, in some tens of iterations.",
    ("nothing to do: from the next step on they work as in your code",),
    f"{LECTURE} (step 2)",
    asks=False,
)
FEW_PARAMETERS = Code(
    "few_parameters",
    "note",
    "The model has too few parameters to be asked to learn the set by heart.",
    f"Fewer than {FEW:g} parameters a target. The loss is held against that of the best linear map of the inputs, "
    f"fitted with the recipe's own loss; {100 * NEAR_FIT:g} % more than its errors is near. A model with fewer "
    f"parameters than that map must go {100 * KNOWS:g} % of the way to it from the best constant outputs.",
    "A linear or logistic regression, a polynomial, a few hidden units.",
    ("nothing to do where the model is small on purpose; a model with more parameters can be tested more sharply",),
    f"{LECTURE} (step 2)",
    asks=False,
)
CONTROL_FAILED = Code(
    "control_failed",
    "note",
    "The control with zeroed inputs, or the look at the trained model, could not be run.",
    "The error that it raised.",
    "A model that does not take such inputs; what only this would have shown is not known.",
    ("call the model with inputs of zeros in your own code, if you want to know",),
    f"{KARPATHY} (input-independent baseline)",
)
CODES = (
    CANNOT_OVERFIT,
    LOSS_FLAT,
    LOSS_NOT_FINITE,
    LOSS_MISALIGNED,
    WEIGHTS_NOT_SAVED,
    OVERFIT_SLOW,
    EVAL_MODE_DIFFERS,
    MEMORIZES_WITHOUT_INPUT,
    LOSS_WITHOUT_FLOOR,
    METRIC_DISAGREES,
    TARGETS_RESHAPED,
    REGULARIZERS_OFF,
    FEW_PARAMETERS,
    CONTROL_FAILED,
)

SIGNS = (
    "look for a term of the wrong sign, or arguments in the wrong order: the least loss should be the best answer",
    "or bound what the loss rewards without end, as a variance from below",
)
PAIRS = (
    "compare outputs and targets sample by sample, and average afterwards: no mean or sum over the batch before",
    "look for [N] against [N, 1], which compares each with each: targets.view_as(outputs)",
)
STANDARDISE = "standardise the targets: subtract their training mean and divide by their standard deviation"
TERMS = (
    "compare the terms of the loss: a penalty that is summed beside an error that is averaged outweighs it",
    "look for where the samples are lost on their way to the outputs",
)


def misaligned(start: TinySet, asked: bool) -> list[Finding]:
    """A loss that compares outputs with targets of other places, or is least at wrong answers. `asked`: the recipe
    names the accuracy."""
    astray, free = start.alignment, start.free
    if astray and astray.looked >= LOOKED and astray.astray >= ASTRAY * astray.looked and not astray.shifted:
        message = (
            f"of {astray.looked} targets that were changed one at a time, {astray.astray} were felt by outputs of "
            "other places alone"
        )
        return [LOSS_MISALIGNED.finding(message, {"looked": astray.looked, "astray": astray.astray})]
    if not start.paired:
        message = (
            "the loss is the same where outputs change their places in the batch: none is held against its own target"
        )
        return [LOSS_MISALIGNED.finding(message, {}, advice=PAIRS)]
    if free is None or free.score is None or not disagrees(start):
        return []
    message = (
        f"outputs at which the loss is least ({free.loss:.3g}) have {percent(free.score)} accuracy, and outputs that "
        f"are right a loss of {free.perfect:.3g}"
    )
    evidence = {"floor": free.loss, "score": free.score, "perfect": free.perfect}
    if free.endless and (start.kind == "classification" or asked):
        message = (
            f"free outputs take the loss to {free.loss:.3g} and further, with {percent(free.score)} accuracy; outputs "
            f"that are right have {free.perfect:.3g}"
        )
        return [LOSS_MISALIGNED.finding(message, evidence, advice=SIGNS[:1])]
    if start.kind == "classification" or asked:
        advice = ("compare the order of the classes in the loss with that of the targets",)
        return [LOSS_MISALIGNED.finding(message, evidence, advice=advice)]
    return [METRIC_DISAGREES.finding(message, evidence)]


def not_learned(
    attempts: Sequence[Record],
    best_try: Record,
    start: TinySet,
    trained: TinyTrained | None,
    control: Record | None = None,
) -> Finding:
    """Why the set is not learned. `trained`: the best attempt's model, unless that diverged."""
    end = reached(best_try, start)
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
        dead = next(_in_the_model(trained), None) if trained is not None and trained.gradient_norm < DIED else None
        what, remedy = ("", None) if dead is None else (f"; {dead[0]}", dead[1])
        return LOSS_FLAT.finding(f"{flat}{what}", evidence, advice=remedy)
    message = f"after {counted(best_try.iterations, 'epoch')} at the best rate: {reached_text(end, start)}"
    for what, remedy, numbers in _symptoms(end.loss, start, trained, control):
        return CANNOT_OVERFIT.finding(f"{message}; {what}", {**evidence, **numbers}, advice=remedy)
    rest = "; gradients flow, all parameters move and the outputs depend on the samples" if trained is not None else ""
    more = ("give the model more capacity, or more passes (steps.overfit-tiny.epochs)", "check the targets by hand")
    return CANNOT_OVERFIT.finding(f"{message}{rest}", evidence, advice=more)


def of_few_inputs(finding: Finding, start: TinySet) -> Finding:
    """The same as a note: of samples that lie close to each other, noise is hard to learn by heart."""
    numbers = "one number each" if start.features == 1 else f"{start.features} numbers each"
    message = f"{finding.message}; the samples are {numbers}, and neighbours may disagree by noise"
    advice = ("nothing to do where the targets are noisy; else give the model more width, or more passes",)
    return replace(finding, severity="note", message=message, advice=advice, asks=False)


Symptom = tuple[str, tuple[str, ...], Values]  # in words, what to do, numbers


def _symptoms(loss: float, start: TinySet, trained: TinyTrained | None, control: Record | None) -> Iterator[Symptom]:
    """What else is seen of a set that is not learned, the most telling first."""
    far = far_targets(start)
    if far and start.spread:
        yield far, (STANDARDISE,), {"mean": start.spread.mean, "variance": start.spread.variance}
    yield from _no_better(loss, start, control)
    if start.parameters < start.samples:
        few = f"{counted(start.parameters, 'parameter')} for {counted(start.samples, 'sample')}"
        yield few, ("give the model more parameters than this set has samples",), {}
    if trained is not None:
        yield from _in_the_model(trained)


def _no_better(loss: float, start: TinySet, control: Record | None) -> Iterator[Symptom]:
    """A loss that says nothing of the samples."""
    constant = start.free.constant if start.free is not None else None
    if constant is not None and loss > constant - NO_BETTER * way(start):
        text = f"the best outputs that are the same for every sample have {constant:.3g}"
        yield text, TERMS, {"constant": constant}
    if control is None or diverged(control) or start.told_apart:
        return
    zeroed = reached(control, start).loss
    if zeroed < loss + NO_BETTER * abs(without_knowledge(start) - loss):
        yield f"with the inputs zeroed the loss is as low ({zeroed:.3g})", TERMS, {"zeroed": zeroed}


def _in_the_model(trained: TinyTrained) -> Iterator[Symptom]:
    if trained.varies is not None and trained.varies < ALIKE:
        text = f"the outputs are the same for every sample (they vary by {trained.varies:.1e} of their size)"
        yield text, ("look for where the samples are lost: saturated or dead layers, a mean over them",), {}
    if trained.still and trained.moved:
        names = named(trained.still)
        yield f"these parameters never moved: {names}", (f"find why no gradient reaches {trained.still[0]}",), {}
    if trained.gradient_norm < DIED:
        text = f"the gradient's norm is {trained.gradient_norm:.1e}"
        yield text, ("the gradients died: look at the last layer and at saturated activations",), {}
    if trained.at_bounds > AT_BOUNDS:
        share = percent(trained.at_bounds)
        text = f"{share} of the outputs lie exactly at their lowest or highest value"
        yield (
            text,
            ("take the activation off the last layer: the targets lie beyond it",),
            {"at_bounds": trained.at_bounds},
        )
    if trained.without_gradient:
        names = named(trained.without_gradient)
        yield f"no gradient reaches {names}", ("look for dead units and detached parts before these layers",), {}


def named(names: Sequence[str]) -> str:
    more = len(names) - NAMES
    return f"{', '.join(names[:NAMES])}{f' and {more} more' if more > 0 else ''}"


def _flat(attempts: Sequence[Record], start: TinySet, trained: TinyTrained | None) -> str:
    """What shows that nothing moved, or nothing."""
    if trained is not None and trained.moved == 0:
        if trained.gradient_norm < DIED:
            return "no parameter of the model moved: the gradients are zero"
        return "no parameter of the model moved, though gradients are not zero: the optimizer holds other parameters"
    lowest = [
        min((loss for loss in record.column("train_loss") if math.isfinite(loss)), default=math.inf)
        for record in attempts
    ]
    drop = (start.start - min(lowest)) / max(abs(start.start - start.floor), 1e-12)
    if not drop < FLAT:
        return ""
    known = trained is not None and trained.gradient_norm >= DIED
    gradient = f"; the gradient's norm is {trained.gradient_norm:.1e}" if trained is not None and known else ""
    return f"the loss moved by {percent(drop)} of the way to its floor at best{gradient}"


def far_targets(start: TinySet) -> str:
    """Regression targets that lie far from where outputs start, for their spread, in words; or nothing."""
    spread = start.spread
    if spread is None or not spread.variance:
        return ""
    deviation = math.sqrt(spread.variance)
    if spread.mean**2 <= FAR_TARGETS * spread.variance and 1 / ODD_SCALE < deviation < ODD_SCALE:
        return ""
    return f"the targets have mean {spread.mean:.3g} and standard deviation {deviation:.3g}"
