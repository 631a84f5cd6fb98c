"""Views that stand where axes were to be exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tunekit.measured import Regrouped
from tunekit.steps.check_init_loss.sequence import SEES_LATER_TOKENS
from tunekit.steps.check_init_loss.settings import fault
from tunekit.steps.check_init_loss.wiring import BATCH_LEAK
from tunekit.vocabulary import Finding

AXES_MIXED_UP = fault(
    "axes_mixed_up",
    "fail",
    "A view or reshape stands where axes were to be exchanged.",
    "Calls of view and reshape in forward(), for batches of two sizes: in both the same sizes stand in another order "
    "after the call than before it, or samples lie within another axis than before.",
    "Time, channels or heads brought to another place by view: the sizes are right, and the values of different "
    "positions are mixed.",
    ("exchange the axes by permute or transpose; view and reshape keep the values in their order",),
    "Karpathy, 'A Recipe for Training Neural Networks', 2019 (view and transpose mixed up)",
)
CODES = (AXES_MIXED_UP,)


def judge(regrouped: tuple[Regrouped, ...], findings: Sequence[Finding]) -> list[Finding]:
    """The findings and, where views mix something up, these as their causes."""
    kept = list(findings)
    for one in regrouped:
        told = (
            f"{one.function} ({one.place}) makes {list(one.before)} into {list(one.after)}: the values stay in their "
            "order, and no axes are exchanged"
        )
        leak = next((number for number, finding in enumerate(kept) if finding.code == BATCH_LEAK.name), None)
        if one.of_samples and leak is not None:
            if kept[leak].advice != AXES_MIXED_UP.advice:
                message = f"{kept[leak].message}; {told}"
                kept[leak] = replace(kept[leak], message=message, advice=AXES_MIXED_UP.advice)
            continue
        kept = [finding for finding in kept if finding.code != SEES_LATER_TOKENS.name]
        kept.append(AXES_MIXED_UP.finding(told, one.to_json()))
    return kept
