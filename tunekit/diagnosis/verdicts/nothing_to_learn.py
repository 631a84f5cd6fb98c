"""A training loss of exactly zero from the first point on: no target reaches the loss."""

import numpy as np

from tunekit.citations import DEEP_LOCALIZE
from tunekit.diagnosis.drawn import Drawn, fall, level
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import FOREIGN, Outcome, Verdict, silent
from tunekit.logs.log import finite, floats
from tunekit.vocabulary import Code, Remedy

FEW = 3  # losses of zero that are needed


def judge(m: Measures) -> Outcome:
    log = m.log
    if log.train is None or log.objective is not None:
        return FOREIGN
    losses = floats(log.train.y)
    norms = floats(log.gradients.y) if log.gradients is not None else np.empty(0)
    known = losses[np.isfinite(losses)]
    if len(losses) < FEW or not len(known) or not np.isfinite(losses[0]) or np.any(known):
        return FOREIGN
    if np.any(finite(log.gradients)[1] > 0):
        return silent("the training loss is zero, but the gradient is not")
    text = "each finite training loss is exactly zero, from the first on"
    if len(norms):
        text += ", and the norm of the gradient is zero or not finite"
    return Outcome(True, text, {"zero_losses": len(known), "points": len(losses)})


ADVICE = (
    "count the labels of one batch that are not masked: a response marker may match nothing",
    "see that the prompt is not cut off at the length where its answer begins",
)
GRADIENT = "log the norm of the gradient besides: it is zero where nothing is learnt"


VERDICT = Verdict(
    Code(
        name="nothing_to_learn",
        severity="fail",
        meaning="The training loss is exactly zero from the first point on: no target reaches it.",
        measured=f"Every finite training loss is 0, of {FEW} or more, and no gradient has a norm above 0.",
        causes="Every label is masked (-100), an empty target, a loss multiplied by zero or summed over nothing.",
        advice=(*ADVICE, GRADIENT),
        source=DEEP_LOCALIZE,
    ),
    judge,
    advice=lambda m: (*ADVICE, GRADIENT) if m.foreign else ADVICE,
    changed_by="a training loss above zero, or a gradient whose norm is",
    remedies=(Remedy("inspect"),),
    alone=True,
    final=True,
    near_misses=(
        Drawn("a loss that gets to zero", lambda done: np.maximum(0.0, 1 - 3 * done)),
        Drawn("a small loss that is level", level(1e-4)),
        Drawn("a loss that falls", fall(2.3, 0.3, 9)),
    ),
)
