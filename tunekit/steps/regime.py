"""How a training is to be tuned: from scratch, or on weights that know something already, which a high rate forgets.

A model that comes trained (`model.pretrained`, or a loss far below that of guessing) and trains most of its parameters
is fine-tuned: rates begin lower, and are judged on held-out samples after whole passes. Where few of its parameters
train (a new head on a frozen body, LoRA) there is little to forget, and rates are the usual ones.
"""

from __future__ import annotations

import math
from typing import Any

from tunekit.steps.check_init_loss import STEP as check_init_loss
from tunekit.steps.context import Context

FEW = 0.2  # share of the parameters below which those that train can forget little
PASSES = 30  # epochs at most for which a rate is tried in fine-tuning, and a cell of the grid


def comes_trained(context: Context[Any]) -> bool:
    """Whether the weights know something before the first iteration."""
    if context.recipe.model.pretrained:
        return True
    start = context.handoff(check_init_loss)
    return start is not None and start.trained


def few_train(context: Context[Any]) -> bool:
    """Whether most parameters are frozen."""
    facts = context.facts
    return facts.trainable is not None and facts.trainable < FEW * facts.parameters


def is_fine_tuning(context: Context[Any]) -> bool:
    return comes_trained(context) and not few_train(context)


def passes(context: Context[Any], iterations: int, per_epoch: int, most: int) -> int:
    """Whole epochs for so many iterations, within 1 and so many; in fine-tuning up to PASSES, for the data are few."""
    most = max(most, PASSES) if is_fine_tuning(context) else most
    return min(most, max(1, math.ceil(iterations / per_epoch)))
