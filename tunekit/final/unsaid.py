"""Classes that occur in a split and that the final model never says: one line, with what may be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunekit.layout import RECIPE
from tunekit.measured import SplitScored
from tunekit.predicting import OF_CLASS
from tunekit.rundir import OWN_KEYS
from tunekit.steps.context import named_few
from tunekit.telling import as_path, command, pasted
from tunekit.vocabulary import Remedy

if TYPE_CHECKING:
    from tunekit.recipe import Recipe

BLIND = ("auto", "accuracy", "top5", "loss")
"""Metrics that may be high where a rare class is never said."""

WEIGHTS = {"cross_entropy": "weight", "nll": "weight", "multi_margin": "weight", "bce": "pos_weight", "focal": "alpha"}
"""Losses that weigh classes, and by which argument."""

DECIDING = ("binary", "multilabel")

TWO = 2  # classes, of which either is said from half of the probability on


def unsaid(scored: SplitScored, recipe: Recipe, shown: str) -> str:
    """`shown`: the run as it is typed; "" where the model says each class that occurs."""
    if not scored.missed:
        return ""
    names = named_few([f"'{one.name}'" for one in scored.missed])
    count = sum(one.count for one in scored.missed)
    what = "sample" if scored.answers == scored.samples else "answer"
    return "; ".join([f"no {what} was taken for {names}: {count:,} of {count:,} missed", *_ways(scored, recipe, shown)])


def _ways(scored: SplitScored, recipe: Recipe, shown: str) -> list[str]:
    deciding = recipe.task in DECIDING
    target = {"auto": "bce" if deciding else "cross_entropy"}.get(recipe.loss.target, recipe.loss.target)
    weights = WEIGHTS.get(target)
    changes: dict[str, str] = {}
    if weights is not None and recipe.loss.args.get(weights) is None:
        changes[f"loss.args.{weights}"] = "balanced"
    if recipe.metric.target in BLIND:
        changes["metric"] = "balanced_accuracy"
    again = command(Remedy("run", changes), shown, OWN_KEYS, RECIPE)
    ways = [f"`{again}` lets rare ones count for more"] if changes else []
    if deciding or (len(scored.classes) == TWO and scored.answers == scored.samples):
        column = f"'{OF_CLASS}{scored.missed[0].name}'"
        asks = f"`{pasted('tunekit', 'predict', as_path(shown))} FILES --out said.csv`"
        ways.append(f"{'or ' if ways else ''}take a lower threshold than 0.5 on the column {column} of {asks}")
    return ways or ["give it more samples of them, or larger weights in the loss"]
