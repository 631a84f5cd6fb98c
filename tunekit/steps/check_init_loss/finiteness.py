"""A loss or a gradient of the untrained network that is NaN or infinite: where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunekit.citations import LECTURE
from tunekit.configuration import Values
from tunekit.measured import InitialMeasured, Origin
from tunekit.steps.check_init_loss.settings import fault
from tunekit.vocabulary import Finding

AT_ZERO = ("sqrt", "norm", "pow", "log", "div", "rsqrt", "reciprocal", "acos", "asin", "atan2", "linalg_vector_norm")
"""Operations whose gradient, or value, is not finite at zero or at the border of what they take."""

INITIAL_LOSS_NOT_FINITE = fault(
    "initial_loss_not_finite",
    "fail",
    "The untrained network's loss is NaN or infinite.",
    "The loss of some real, finite batches in train and in eval mode: NaN or infinite in either. The operation is the "
    "first that makes NaN out of numbers, or the last that makes infinity out of finite ones.",
    "A logarithm, division or square root of zero or of a negative number, an exponential that overflows, a "
    "sample that "
    "the loss cannot hold (CTC: fewer frames than letters), a mean over nothing.",
    (
        "look for log, sqrt, division or exp at zero or of large numbers, in the loss and in forward()",
        "use the stable forms: log_softmax, cross_entropy, logsumexp, clamp_min before log",
    ),
    f"{LECTURE} (step 1)",
)
CODES = (INITIAL_LOSS_NOT_FINITE,)

ADVICE: dict[str, tuple[str, ...]] = {
    "ctc_loss": (
        "give the outputs at least as many frames as the target has letters, and one more for each letter that is "
        "repeated: less stride, or longer inputs",
    ),
    "log": (
        "keep what goes into the logarithm above zero: log_softmax for softmax and log, clamp_min(1e-12) elsewhere",
    ),
    "softmax": ("a row that is masked whole leaves softmax nothing: keep at least one entry of each row",),
    "mean": ("a mean over nothing is NaN: a batch without a sample that counts needs a loss of its own, such as zero",),
    "exp": ("an exponential overflows above 88: clamp what goes into it, or start the layer before it smaller",),
    "sqrt": ("keep what goes into the square root above zero: clamp_min(1e-12)",),
}
"""What mends a value that is not finite, by the operation that gave it."""

SAME = {"log_softmax": "softmax", "div": "mean", "cross_entropy": "mean", "nll_loss": "mean", "log2": "log"}
"""Operations that fail like another one, whose advice is theirs."""


def judge(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """A loss that is not finite in either mode, or outputs that are not."""
    losses = [one.loss for one in initial if one.loss is not None]
    train = [loss.train_mode for loss in losses if not math.isfinite(loss.train_mode)]
    evaluated = [loss.eval_mode for loss in losses if not math.isfinite(loss.eval_mode)]
    outputs = any(not one.outputs.finite for one in initial)
    if not train and not evaluated and not outputs:
        return []
    origin = next((loss.origin for loss in losses if loss.origin is not None), None)
    modes = [f"{values[0]:g} in {mode} mode" for mode, values in (("train", train), ("eval", evaluated)) if values]
    told = f"the untrained network's loss is {' and '.join(modes)}" if modes else "a loss cannot be computed"
    if outputs:
        told = f"{told}: the untrained model's outputs are NaN or infinite for real, finite inputs"
    evidence: Values = {"train_mode": train[:1] or None, "eval_mode": evaluated[:1] or None, **named(origin)}
    if origin is None:
        return [INITIAL_LOSS_NOT_FINITE.finding(told, evidence, advice=_forward() if outputs else None)]
    advice = ADVICE.get(SAME.get(origin.operation, origin.operation))
    if advice is None and outputs:
        advice = _forward()
    return [INITIAL_LOSS_NOT_FINITE.finding(f"{told}; it comes from {placed(origin)}", evidence, advice=advice)]


def _forward() -> tuple[str, ...]:
    return ("look for log, sqrt or division in forward()", *INITIAL_LOSS_NOT_FINITE.advice[1:])


def placed(origin: Origin) -> str:
    return f"{origin.operation} ({origin.place})" if origin.place else origin.operation


def named(origin: Origin | None) -> Values:
    return {} if origin is None else {"operation": origin.operation, "place": origin.place}


def mending_gradient(origin: Origin | None) -> tuple[str, ...]:
    """What mends a gradient that is not finite. To clip it does not: NaN times anything is NaN."""
    if origin is None:
        return ("look for sqrt, log, division or a norm at zero on the way to the loss: their slope is infinite there",)
    if any(origin.operation.startswith(name) for name in AT_ZERO):
        first = (
            f"keep what goes into {placed(origin)} away from zero, where its slope is infinite: add 1e-8, or clamp_min"
        )
    else:
        first = f"look at what goes into {placed(origin)}: sqrt, log, division or a norm at zero is the usual cause"
    return (first, "a gradient that is masked by torch.where is still NaN: make the input safe before the operation")
