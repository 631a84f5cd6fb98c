"""How a training is to be tuned: from scratch, or on weights that know something already, which a high rate forgets.

A model that comes trained (`model.pretrained`, `model.weights`, or a loss far below that of guessing) and trains most
of its parameters is fine-tuned: rates begin lower, and are judged on held-out samples after whole passes. Where few of
its parameters train (a new head on a frozen body, LoRA) there is little to forget, and rates are the usual ones. Where
the body is frozen for the first epochs, a rate is that of the training after them too: a sweep and a cell go on for as
long behind these epochs as they would go without them.
"""

from __future__ import annotations

import math
from typing import Any

from tunekit.configuration import Values
from tunekit.steps.check_init_loss import STEP as check_init_loss
from tunekit.steps.context import Context

FEW = 0.2  # share of the parameters below which those that train can forget little
PASSES = 30  # epochs at most for which a rate is tried in fine-tuning, and a cell of the grid
DECOUPLED = ("adamw", "AdamW", "Muon")
"""Optimizers whose weight decay is no part of the gradient: a step shrinks the weights by rate times decay."""


def comes_trained(context: Context[Any]) -> bool:
    """Whether the weights know something before the first iteration."""
    if context.recipe.model.comes_trained:
        return True
    start = context.handoff(check_init_loss)
    return start is not None and start.trained


def few_train(context: Context[Any]) -> bool:
    """Whether most parameters are frozen."""
    facts = context.facts
    return facts.trainable is not None and facts.trainable < FEW * facts.parameters


def is_fine_tuning(context: Context[Any]) -> bool:
    return comes_trained(context) and not few_train(context)


def frozen_epochs(context: Context[Any], params: Values) -> int:
    """The first epochs in which the body does not train, under these parameters; 0 where it never does: then there is
    nothing to wait for."""
    freeze = params.get("model.freeze", context.recipe.model.freeze)
    return freeze if isinstance(freeze, int) else 0


def most_frozen_epochs(context: Context[Any]) -> int:
    """The most of them under any searched value: cells that are compared are of one length."""
    searched = context.recipe.search.get("model.freeze", [context.recipe.model.freeze])
    return max(frozen_epochs(context, {"model.freeze": value}) for value in searched)


def passes(context: Context[Any], iterations: int, per_epoch: int, most: int) -> int:
    """Whole epochs for so many iterations, within 1 and so many; in fine-tuning up to PASSES, for the data are few."""
    most = max(most, PASSES) if is_fine_tuning(context) else most
    return min(most, max(1, math.ceil(iterations / per_epoch)))


def is_decoupled(target: str, args: Any) -> bool:
    """Whether an optimizer's weight decay is decoupled from the loss."""
    return target.removeprefix("torch.optim:") in DECOUPLED or bool(args.get("decoupled_weight_decay"))
