"""The model over several initialisations: which of its findings stand, and which another one explains."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.measured import InitialMeasured
from tunekit.steps.check_init_loss import (
    finiteness,
    gradients,
    labels,
    loss,
    norms,
    optimizer,
    outputs,
    randomness,
    units,
    wiring,
)
from tunekit.steps.check_init_loss.data import INPUT_CONSTANT, INPUT_NOT_FINITE
from tunekit.steps.check_init_loss.settings import Here
from tunekit.vocabulary import Code, Finding


def judge(initial: Sequence[InitialMeasured], context: Here, known: set[str]) -> list[Finding]:
    """Findings on the model. `known`: codes found in the data, which explain some of what is seen here."""
    first = initial[0]
    wires = [*wiring.parameters(first, context), *wiring.outside(first), *optimizer.judge(initial, context)]
    finite = all(one.outputs.finite for one in initial)
    if not finite and INPUT_NOT_FINITE.name in known:
        return wires  # whatever else shows follows from these inputs
    flat = loss.without_gradient(initial)
    findings = _values(initial, context, known, bool(flat))
    finite = finite and not _says(finiteness.INITIAL_LOSS_NOT_FINITE, findings)
    findings += [
        *flat,
        *loss.averaged(initial),
        *wires,
        *randomness.judge(initial, context),
        *norms.judge(initial, context),
    ]
    constant = INPUT_CONSTANT.name in known
    # Equal inputs switch the same units off for all samples: then that is no fault of the layer.
    dead = [] if constant else gradients.dead_units(initial)
    same = [] if constant or flat or not finite else units.judge(initial)
    dependence = wiring.dependence(initial, explained=bool(dead) or bool(same) or constant)
    dependence = dependence or ([] if flat or dead else wiring.cut(initial))
    lost = _says(wiring.INPUT_IGNORED, dependence) or _says(wiring.GRADIENT_CUT, dependence)
    if same or lost or wiring.is_cut_off(first):
        findings = _without(findings, outputs.OUTPUTS_CLIPPED, outputs.LOGITS_TOO_LARGE, loss.INITIAL_LOSS_HIGH)
    findings += [*dead, *same]
    if finite and not dead and not same and not flat and not constant and not lost:
        flow = gradients.judge(initial)
        if _says(gradients.EXPLODING_GRADIENTS, flow):
            findings = _without(findings, outputs.LOGITS_TOO_LARGE, loss.INITIAL_LOSS_HIGH)
        flow = flow or ([] if dependence else wiring.constant(initial))
        lost = lost or _says(gradients.VANISHING_GRADIENTS, flow) or _says(wiring.INPUT_IGNORED, flow)
        findings += flow
    alone = norms.single(initial, stuck=lost)
    if alone and lost:
        explained = (gradients.VANISHING_GRADIENTS, wiring.INPUT_IGNORED)
        return [*_without(findings, *explained), *alone, *_without(dependence, *explained)]
    return [*findings, *alone, *dependence]


def _values(initial: Sequence[InitialMeasured], context: Here, known: set[str], flat: bool) -> list[Finding]:
    """Labels, outputs and the loss: the first that speaks explains those after it. `flat`: the loss has no gradient."""
    findings = [] if labels.LABELS_OUT_OF_RANGE.name in known else labels.judge(initial, context)
    if not findings and INPUT_NOT_FINITE.name not in known:
        findings = finiteness.judge(initial)
    if flat:
        return findings
    findings = findings or outputs.judge(initial, context, known)
    if all(finding.code == outputs.LOGITS_TOO_LARGE.name for finding in findings):
        value = loss.judge(initial, context, known)
        # A loss that is too low says more than large outputs; one that is too high follows from them.
        if not findings or _says(loss.INITIAL_LOSS_LOW, value):
            return value
    return findings


def _without(findings: Sequence[Finding], *codes: Code) -> list[Finding]:
    """What is left without those that follow from something else."""
    return [finding for finding in findings if finding.code not in [code.name for code in codes]]


def _says(code: Code, findings: Sequence[Finding]) -> bool:
    return any(finding.code == code.name for finding in findings)
