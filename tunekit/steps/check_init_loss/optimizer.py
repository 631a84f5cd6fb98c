"""An optimizer of the person's own: whether the recipe's rate and decay reach it, and which parameters it moves."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tunekit.citations import LECTURE
from tunekit.measured import InitialMeasured, Optimizing
from tunekit.shares import percent
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.context import named_few
from tunekit.vocabulary import Finding, Severity

MOST = 0.5  # share of the numbers that train, above which groups of a fixed rate decide the training
SIDE = 0.05  # share that is left out, below which it is no body
GONE = 50  # iterations in which decay alone takes the weights away; an epoch of few data has as many
SHRUNK = 1e-9  # what a decay must take from the weights' squares more than none does, as a share of what it takes

RATE_NOT_USED = fault(
    "rate_not_used",
    "fail",
    "The learning rate of the recipe does not reach the optimizer.",
    "One step of the person's optimizer at equal gradients and three rates, in double precision: it moves all "
    "parameters "
    f"equally far. Where it does so for more than {100 * MOST:g} % of them but not for all, a warning; for "
    "fewer, a note. In the sweep: the training losses of all rates are the same, batch by batch, though they fall.",
    "Parameter groups that set their own `lr`, or a function that leaves its argument `lr` unused.",
    (
        'pass lr on: leave "lr" out of the parameter groups, or write a multiple of it ("lr": 0.1 * lr)',
        "all that the steps tune is the recipe's rate",
    ),
    "torch.optim, 'Per-parameter options': what a group says comes before the default",
)
PARAMETERS_NOT_OPTIMIZED = fault(
    "parameters_not_optimized",
    "fail",
    "Parameters that should train are not in the optimizer.",
    "Parameters with requires_grad that no group of the person's optimizer holds, or only at a rate of zero (a warning "
    f"where they are less than {100 * SIDE:g} % of the numbers that train, a note under `pretrained: true`).",
    "An optimizer over a part of the model, over another copy of it, or built before a layer was replaced.",
    (
        "give the optimizer model.parameters()",
        "if these should stay as they are, set requires_grad to False: then no gradient is computed for them",
    ),
    "torch.optim, 'Constructing it'",
)
FROZEN_PARAMETERS_MOVE = fault(
    "frozen_parameters_move",
    "fail",
    "Frozen parameters change in training.",
    "Parameters with requires_grad off before and after one step of the person's optimizer. (A note: BatchNorm "
    "layers whose "
    "weights are frozen and whose running statistics go on in train mode.)",
    "An optimizer that decays or moves every parameter it holds, whether or not it has a gradient.",
    (
        "give the optimizer only parameters with requires_grad",
        "skip parameters whose grad is None in step()",
    ),
    "torch.optim.Optimizer.step, which skips parameters without a gradient",
)
REGULARIZATION_NOT_ADDED = fault(
    "regularization_not_added",
    "fail",
    "The regularisation that the recipe asks for changes nothing.",
    "For an optimizer of the person's own, in double precision: one step at zero gradient must shrink the "
    "weights under "
    "the recipe's weight decay, and more than it does without. (A note where the recipe has none, but "
    "`coarse-grid` would "
    "try some.) With `l1`: what it adds to the untrained network's loss, over the weights of two dimensions or more.",
    "The optimizer drops the argument, or its parameter groups set their own weight decay.",
    ("pass weight_decay on to the optimizer's parameter groups",),
    f"{LECTURE} (step 1: turn on weight decay, the loss must go up)",
)
WEIGHT_DECAY_HIGH = fault(
    "weight_decay_high",
    "warn",
    "Weight decay takes the weights away faster than anything can be learned.",
    "One step of the person's optimizer at zero gradient: it takes the same share from all weights, which are gone in "
    f"fewer than {GONE} iterations (the inverse of rate times decay, which is asked of torch's adamw and sgd). Or, "
    "where decay is a part of a gradient that is scaled after (Adam with L2): its pull is larger than the loss's "
    "gradient in most weights, and its penalty larger than the loss.",
    "A weight decay that was meant for another optimizer, another rate or another unit.",
    ("take a smaller weight decay: 1e-4 to 1e-2 is usual, and up to 0.1 for AdamW at small rates",),
    "Loshchilov and Hutter, ICLR 2019; Wang and Aitchison, 2024 (decay as a time scale)",
)
CODES = (RATE_NOT_USED, PARAMETERS_NOT_OPTIMIZED, FROZEN_PARAMETERS_MOVE, REGULARIZATION_NOT_ADDED, WEIGHT_DECAY_HIGH)

NO_WEIGHTS = ("take l1 out, or unfreeze the weights: biases and normalisation layers are not penalised",)
FROZEN_STATISTICS = (
    "to keep a frozen body as it was, put its BatchNorm layers into eval mode in your model's train()",
)


def judge(initial: Sequence[InitialMeasured], context: Here) -> list[Finding]:
    first = initial[0]
    findings = [*_statistics(first), *strength(initial, context), *_l1(first, context)]
    held = first.optimizing
    if held is not None:
        findings += [*_rate(held), *_idle(held, context), *_frozen(held)]
    # What the optimizer does not hold, it does not decay either.
    return findings if held is not None and held.idle_share > MOST else [*findings, *decay(first)]


def _l1(measured: InitialMeasured, context: Here) -> list[Finding]:
    """The penalty must raise the loss of the untrained network."""
    if measured.l1 is None or measured.l1 > 0:
        return []
    message = "l1 adds nothing to the loss: no weight of two dimensions or more trains, or all are zero"
    evidence = {"l1": context.recipe.l1, "penalty": measured.l1}
    return [REGULARIZATION_NOT_ADDED.finding(message, evidence, advice=NO_WEIGHTS)]


def _rate(measured: Optimizing) -> list[Finding]:
    fixed = [rate for rate in measured.rates if rate.fixed]
    if not fixed:
        return []
    share = sum(rate.numbers for rate in fixed) / sum(rate.numbers for rate in measured.rates)
    rates = ", ".join(f"{rate.lr:g}" for rate in fixed[:4])
    severity: Severity = "fail" if len(fixed) == len(measured.rates) else "warn" if share > MOST else "note"
    whom = "the optimizer" if severity == "fail" else f"{percent(share)} of the parameters"
    message = (
        f"the recipe's rate does not reach {whom}: a step is as long at a third and at three times of it (lr {rates})"
    )
    return [RATE_NOT_USED.finding(message, {"share": share, "lr": [rate.lr for rate in fixed]}, severity=severity)]


def _idle(measured: Optimizing, context: Here) -> list[Finding]:
    if not measured.idle:
        return []
    share = measured.idle_share
    severity: Severity = "note" if context.recipe.model.comes_trained else "warn" if share < SIDE else "fail"
    message = f"the optimizer does not train {named_few(measured.idle)} ({percent(share)} of what has requires_grad)"
    evidence = {"parameters": measured.idle[:20], "share": share}
    return [PARAMETERS_NOT_OPTIMIZED.finding(message, evidence, severity=severity)]


def _frozen(measured: Optimizing) -> list[Finding]:
    names = measured.frozen_moved
    if not names:
        return []
    message = f"a step of the optimizer moves {named_few(names)}, {len(names)} parameters whose requires_grad is off"
    return [FROZEN_PARAMETERS_MOVE.finding(message, {"parameters": names[:20]})]


def _statistics(measured: InitialMeasured) -> list[Finding]:
    names = [layer.layer for layer in measured.normalizations if layer.frozen and layer.moved]
    if not names:
        return []
    message = f"the weights of {named_few(names)} are frozen, their running statistics move in train mode"
    evidence = {"layers": names[:20]}
    return [FROZEN_PARAMETERS_MOVE.finding(message, evidence, severity="note", advice=FROZEN_STATISTICS)]


def strength(initial: Sequence[InitialMeasured], context: Here) -> list[Finding]:
    """A decay that leaves nothing of the weights."""
    first, optimizer = initial[0].decay, context.recipe.optimizer
    shrink = first.shrink if first is not None else None
    if first is None and optimizer.target in ("adamw", "sgd"):
        shrink = optimizer.lr * optimizer.weight_decay
    if shrink is not None and shrink * GONE > 1:
        epoch = context.facts.iterations_per_epoch
        message = (
            f"weight decay takes {percent(shrink)} of the weights in each step: alone it takes them away in "
            f"{1 / shrink:.2g} iterations (an epoch has {epoch})"
        )
        return [WEIGHT_DECAY_HIGH.finding(message, {"shrink": shrink, "iterations_per_epoch": epoch})]
    told = [_pulled(one) for one in initial]
    if not all(told) or told[0] is None:
        return []
    pull, penalty, loss = told[0]
    message = (
        f"weight decay pulls at the weights {pull:.2g} times as much as the loss's gradient does, and its penalty is "
        f"{penalty:.3g} beside a loss of {loss:.3g}"
    )
    return [WEIGHT_DECAY_HIGH.finding(message, {"pull": pull, "penalty": penalty, "loss": loss})]


def _pulled(measured: InitialMeasured) -> tuple[float, float, float] | None:
    """Pull of the decay over the gradient in the median weight, its penalty and the loss, where both outweigh."""
    decay, loss = measured.decay, measured.loss
    if decay is None or loss is None or decay.penalty is None:
        return None
    felt = {one.name: one.gradient for one in loss.gradients.weights}
    ratios = [one.gradient / felt[one.name] for one in decay.pulls if felt.get(one.name)]
    if not ratios or median(ratios) <= 1 or decay.penalty <= abs(loss.train_mode):
        return None
    return median(ratios), decay.penalty, loss.train_mode


def decay(measured: InitialMeasured) -> list[Finding]:
    one = measured.decay
    if one is None:
        return []
    without = one.before if one.without is None else one.without
    # What the recipe's decay takes from the weights beside what a step without any takes.
    taken = max(abs(one.before - one.after), abs(one.before - without))
    if one.after < without and without - one.after > SHRUNK * taken:
        return []
    if one.after < one.before:
        message = "the weights shrink as much without weight_decay: the optimizer has its own, the recipe's is lost"
    else:
        message = "a step of the optimizer at zero gradient does not shrink the weights: weight_decay does not reach it"
    if not one.asked:
        message = f"{message} (the recipe has none)"
    return [REGULARIZATION_NOT_ADDED.finding(message, one.to_json(), severity=None if one.asked else "note")]
