"""Layers whose units are all the same, and stay so: they learn one thing together."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.citations import GOODFELLOW
from tunekit.measured import Identical, InitialMeasured
from tunekit.steps.check_init_loss.settings import fault
from tunekit.steps.context import named_few
from tunekit.vocabulary import Finding

TOGETHER = 1e-3  # difference between units after some steps, over how far they moved

IDENTICAL_UNITS = fault(
    "identical_units",
    "fail",
    "All units of a layer are equal, and training does not tell them apart.",
    "Weights whose rows (a unit each) all start equal, after a few steps down the gradient without dropout: rows that "
    f"still differ by less than {TOGETHER:g} of how far they moved, or that did not move at all. Zeros that "
    "come apart (a "
    "last layer, LoRA's B, the end of a residual branch) are none.",
    "Weights filled with a constant or with zeros: equal units get equal gradients, and zeros in two layers block each "
    "other.",
    (
        "start the named weights from random numbers: nn.init.kaiming_normal_ or xavier_uniform_, not constant_ "
        "or zeros_",
        "of two factors one may start at zero, the other must not",
    ),
    f"{GOODFELLOW}, section 8.4 (breaking symmetry)",
)
CODES = (IDENTICAL_UNITS,)


def judge(initial: Sequence[InitialMeasured]) -> list[Finding]:
    """Weights that are so in every initialisation."""
    together: dict[str, list[Identical]] = {}
    for weight in (weight for one in initial for weight in one.identical):
        if weight.apart < TOGETHER:
            together.setdefault(weight.name, []).append(weight)
    named = [seen[0] for seen in together.values() if len(seen) == len(initial)]
    if not named:
        return []
    stuck = all(weight.moved == 0 for weight in named)
    names = named_few([weight.name for weight in named])
    how = "do not move: the gradient is zero" if stuck else "stay equal when they are trained"
    message = f"all {named[0].units} units of {names} start equal and {how}"
    evidence = {"weights": [weight.name for weight in named[:20]], "units": named[0].units, "apart": named[0].apart}
    return [IDENTICAL_UNITS.finding(message, evidence)]
