"""The model over several initialisations: which of its findings stand, and which another one explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunekit.measured import InitialMeasured
from tunekit.steps.check_init_loss import gradients, labels, loss, outputs, wiring
from tunekit.steps.check_init_loss.data import INPUT_CONSTANT, INPUT_NOT_FINITE
from tunekit.steps.context import Context
from tunekit.vocabulary import Code, Finding


def judge(
    initial: Sequence[InitialMeasured], context: Context[Any], tolerance: float, known: set[str]
) -> list[Finding]:
    """Findings on the model. `known`: codes found in the data, which explain some of what is seen here."""
    finite = all(one.outputs.finite for one in initial)
    if not finite and INPUT_NOT_FINITE.name in known:
        return wiring.parameters(initial[0], context)  # whatever else shows follows from these inputs
    findings = _values(initial, context, tolerance, known)
    findings += loss.averaged(initial)
    findings += wiring.parameters(initial[0], context)
    constant = INPUT_CONSTANT.name in known
    # Equal inputs switch the same units off for all samples: then that is no fault of the layer.
    dead = [] if constant else gradients.dead_units(initial)
    dependence = wiring.dependence(initial, explained=bool(dead) or constant)
    findings += dead
    if finite and not dead and not constant and not _says(wiring.INPUT_IGNORED, dependence):
        flow = gradients.judge(initial)
        if _says(gradients.EXPLODING_GRADIENTS, flow):
            follow = (outputs.LOGITS_TOO_LARGE.name, loss.INITIAL_LOSS_HIGH.name)
            findings = [finding for finding in findings if finding.code not in follow]
        findings += flow
    return [*findings, *dependence, *wiring.decay(initial[0])]


def _values(
    initial: Sequence[InitialMeasured], context: Context[Any], tolerance: float, known: set[str]
) -> list[Finding]:
    """Labels, outputs and the loss: the first that speaks explains those after it."""
    findings = labels.judge(initial, context)
    if not findings and not all(one.outputs.finite for one in initial):
        return loss.not_finite()
    findings = findings or outputs.judge(initial, context, known)
    if all(finding.code == outputs.LOGITS_TOO_LARGE.name for finding in findings):
        value = loss.judge(initial, context, tolerance, known)
        # A loss that is too low says more than large outputs; one that is too high follows from them.
        if not findings or _says(loss.INITIAL_LOSS_LOW, value):
            return value
    return findings


def _says(code: Code, findings: Sequence[Finding]) -> bool:
    return any(finding.code == code.name for finding in findings)
