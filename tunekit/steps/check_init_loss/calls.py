"""Losses of torch that are given what they do not take."""

from __future__ import annotations

from tunekit.measured import Misuse, Misused
from tunekit.steps.check_init_loss.labels import LABELS_OUT_OF_RANGE
from tunekit.steps.check_init_loss.loss import INITIAL_LOSS_LOW
from tunekit.steps.check_init_loss.outputs import OUTPUTS_ARE_PROBABILITIES
from tunekit.steps.check_init_loss.settings import fault
from tunekit.steps.check_init_loss.wiring import BATCH_LEAK
from tunekit.vocabulary import Code, Finding

LOSS_MISUSED = fault(
    "loss_misused",
    "fail",
    "A loss of torch is given something else than it takes.",
    "Calls of torch's own losses over one batch, in the person's loss and model: numbers above 0 where "
    "log-probabilities are taken, softmax or sigmoid right before a loss that has it inside, probabilities made by "
    "cutting off, targets of 0 and 1 where 1 and -1 are taken, targets beyond 0 and 1, outputs and targets exchanged, "
    "shapes that are compared each with each. No error is raised.",
    "Two losses of one name that take different things; arguments in another order than torch has them.",
    ("give the named loss what its documentation says it takes",),
    "torch.nn, Loss Functions",
)
CODES = (LOSS_MISUSED,)

TOLD: dict[Misuse, tuple[str, str]] = {
    "softmax_twice": (
        "takes logits, and gets what comes out of softmax: softmax is applied twice",
        "give the loss the logits: leave softmax out",
    ),
    "sigmoid_twice": (
        "takes logits, and gets what comes out of sigmoid",
        "give the loss the logits: leave sigmoid out; or take binary_cross_entropy for probabilities of yes and no",
    ),
    "exp_twice": (
        "takes the logarithm of the rate, and gets what is positive already (exp, softplus)",
        "say log_input=False, or leave exp or softplus out",
    ),
    "no_log_probabilities": (
        "takes log-probabilities, and gets numbers up to {:.3g}",
        "give the loss log_softmax of the outputs: log-probabilities are never above 0",
    ),
    "no_shares": (
        "takes targets within 0 and 1, and gets {:.3g}",
        "give the loss labels of 0 and 1, or probabilities (kl_div: say log_target=True for their logarithms)",
    ),
    "no_signs": (
        "takes targets of 1 and -1, and gets 0 and 1: those of 0 are no opposites",
        "give the loss 2 * targets - 1",
    ),
    "exchanged": (
        "is given the targets as outputs and the outputs as targets",
        "give the loss the outputs first and the targets second",
    ),
    "cut_off": (
        "takes probabilities, and gets outputs that were cut off: {:.0f} % of them lie at 0 or 1, and have no gradient",
        "let sigmoid bring the outputs between 0 and 1, or take binary_cross_entropy_with_logits",
    ),
    "broadcast": (
        "compares each output with each target ({:.0f} pairs): their shapes are not the same",
        "bring both into one shape before: targets.view_as(outputs)",
    ),
}
"""By misuse: what is said of the loss, with the number that shows it, and what mends it."""

EXPLAINED: dict[Misuse, tuple[Code, ...]] = {
    "softmax_twice": (OUTPUTS_ARE_PROBABILITIES, BATCH_LEAK),
    "sigmoid_twice": (OUTPUTS_ARE_PROBABILITIES,),
    "no_log_probabilities": (OUTPUTS_ARE_PROBABILITIES, INITIAL_LOSS_LOW),
    "no_shares": (LABELS_OUT_OF_RANGE,),
}
"""What says the same by itself."""


def judge(misused: tuple[Misused, ...], known: set[str]) -> list[Finding]:
    """One finding a call and misuse, but for what the outputs or the loss have shown already."""
    findings = []
    for one in misused:
        if any(code.name in known for code in EXPLAINED.get(one.misuse, ())):
            continue
        said, remedy = TOLD[one.misuse]
        where = f"{one.function} ({one.place})" if one.place else one.function
        message = f"{where} {said.format(one.value)}"
        findings.append(LOSS_MISUSED.finding(message, one.to_json(), advice=(remedy,)))
    return findings
