"""Whether the model answers the same twice in eval mode."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.citations import KARPATHY
from tunekit.measured import InitialMeasured
from tunekit.steps.check_init_loss.finiteness import placed
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Finding

CHANGED = 1e-3  # change of an output over the outputs' size; rounding on a GPU stays below 1e-5

RANDOM_IN_EVAL = fault(
    "random_in_eval",
    "warn",
    "The model answers differently each time in eval mode.",
    f"One real batch twice in eval mode: outputs that differ by more than {CHANGED:g} of their root mean "
    "square, in every "
    "initialisation. Two passes more, with equal random numbers, tell chance from something that forward() keeps. A "
    "note where a sample is drawn (randn, randint, ...) under a loss of your own, which may ask for it.",
    "F.dropout without `training=self.training`, noise or sampling in forward() in either mode, or a state that "
    "forward() "
    "carries from one batch to the next.",
    (
        "make it depend on the mode: F.dropout(x, p, training=self.training), or `if self.training:` around the noise",
        "if the answers are random on purpose, put `accept: [random_in_eval]` into the recipe",
    ),
    f"{KARPATHY}; torch.nn.functional.dropout, whose `training` is True by default",
)
CODES = (RANDOM_IN_EVAL,)

KEPT = (
    "begin each forward() from a fresh state: keep no hidden state, cache or counter on the module between batches, "
    "and update averages only `if self.training:`",
)
SAMPLERS = frozenset(
    f"{name}{end}"
    for name in ("rand", "randn", "randint", "randperm", "normal", "uniform", "exponential", "poisson", "multinomial")
    for end in ("", "_like", "_")
) | {"gumbel_softmax", "standard_gamma", "standard_normal"}
"""What draws a sample. Others (dropout, bernoulli, attention with a dropout) belong to training alone."""

MEANT = (
    "nothing to do where the draw is what is learned (a noise to predict, a code to sample): validation losses then "
    "differ by chance from pass to pass",
    "otherwise draw only `if self.training:`",
)


def judge(initial: Sequence[InitialMeasured], context: Here) -> list[Finding]:
    measured = [one.repeated for one in initial if one.repeated is not None]
    if len(measured) < len(initial) or not all(one.change > CHANGED for one in measured):
        return []
    largest = max(measured, key=lambda one: one.change)
    evidence = {"change": largest.change, "with_equal_draws": largest.same_draws}
    told = f"two passes of one batch in eval mode differ by {largest.change:.2g} of the outputs' size"
    if all(one.same_draws > CHANGED for one in measured):
        message = f"{told}, also with equal random numbers: forward() keeps something from one batch to the next"
        return [RANDOM_IN_EVAL.finding(message, evidence, advice=KEPT)]
    draws = largest.draws
    if not draws:
        return [RANDOM_IN_EVAL.finding(told, evidence)]
    message = f"{told}: {', '.join(map(placed, draws))} draws random numbers"
    drawn = {**evidence, "draws": [placed(draw) for draw in draws]}
    if _is_own(context.recipe.loss.target) and all(draw.operation in SAMPLERS for draw in draws):
        return [RANDOM_IN_EVAL.finding(message, drawn, severity="note", advice=MEANT)]
    return [RANDOM_IN_EVAL.finding(message, drawn)]


def _is_own(loss: str) -> bool:
    """Whether a loss is the person's, who may draw for it: a noise that is to be found, a likelihood of samples."""
    return ":" in loss and not loss.startswith("torch")
