"""Labels against what the model gives and the loss takes, and how often each class occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunekit.citations import NOTES
from tunekit.measured import InitialMeasured, Labels
from tunekit.steps.context import Context
from tunekit.vocabulary import Code, Finding, Severity

IMBALANCE = 10.0  # most frequent class over rarest (SageMaker Debugger)
FAR_MORE = 1.5  # outputs over classes; below, a class may just not occur in these data

CLASS_COUNT_MISMATCH = Code(
    "class_count_mismatch",
    "fail",
    "The model has another number of outputs than the data has classes.",
    "The last dimension of the outputs against the classes found in the labels; a note where the outputs are more, but "
    f"not {FAR_MORE:g} times as many.",
    "A head left over from another data set.",
    ("set the last layer's outputs to the number of classes in the data",),
    NOTES,
    symptom=False,
    explains_later=True,
)
LABELS_OUT_OF_RANGE = Code(
    "labels_out_of_range",
    "fail",
    "Labels lie outside what the loss can take.",
    "Smallest and largest label against the outputs; binary and multi-label targets against [0, 1].",
    "Labels counted from 1, or a marker such as -1 or 255 for 'unknown'.",
    ("number the classes from 0", "remove or mask samples without a label"),
    "torch.nn.CrossEntropyLoss",
    symptom=False,
    explains_later=True,
)
CLASS_IMBALANCE = Code(
    "class_imbalance",
    "warn",
    "Some classes are far rarer than others.",
    f"The most frequent class more than {IMBALANCE:g} times the rarest.",
    "The data are so; accuracy then says little.",
    ("judge by a metric that sees the rare classes", "weigh the loss or sample by class"),
    f"Amazon SageMaker Debugger, ClassImbalance (threshold {IMBALANCE:g})",
    symptom=False,
)
CODES = (CLASS_COUNT_MISMATCH, LABELS_OUT_OF_RANGE, CLASS_IMBALANCE)


def judge(initial: Sequence[InitialMeasured], context: Context[Any]) -> list[Finding]:
    """Classes against outputs."""
    first, classes = initial[0], context.facts.classes
    if first.kind != "classification" or not first.outputs.shape or classes is None:
        return []
    outputs = first.outputs.shape[0]
    if first.loss is None:
        low, high = (first.targets.lowest, first.targets.highest) if first.targets else (0, classes - 1)
        if outputs < classes and low >= 0 and high < classes:
            message = f"the model has {outputs} outputs, the data {classes} classes"
            return [CLASS_COUNT_MISMATCH.finding(message, {"outputs": outputs, "classes": classes})]
        message = f"labels reach from {low:g} to {high:g}; the model's {outputs} outputs take 0 to {outputs - 1}"
        evidence = {"outputs": outputs, "classes": classes, "min": low, "max": high}
        return [LABELS_OUT_OF_RANGE.finding(message, evidence)]
    if outputs > classes:
        message = f"the model has {outputs} outputs, the data only {classes} classes"
        # A class that happens to be missing is no fault of the model; half as many outputs again is.
        severity: Severity = "fail" if outputs >= FAR_MORE * classes else "note"
        evidence = {"outputs": outputs, "classes": classes}
        return [CLASS_COUNT_MISMATCH.finding(message, evidence, severity=severity)]
    return []


def shares(labels: Labels | None, context: Context[Any]) -> list[Finding]:
    """Targets of binary and multi-label losses are shares: within 0 and 1. (A loss of the person's own may differ.)"""
    loss = context.recipe.loss.target
    known = loss in ("auto", "bce") or "BCE" in loss
    if context.recipe.task not in ("binary", "multilabel") or not known or labels is None:
        return []
    low, high = labels.lowest, labels.highest
    if low is None or high is None or (low >= 0 and high <= 1):
        return []
    message = f"the targets reach from {low:g} to {high:g}; the loss takes 0 to 1"
    return [LABELS_OUT_OF_RANGE.finding(message, {"min": low, "max": high})]


def imbalance(labels: Labels | None) -> list[Finding]:
    counts = labels.train if labels else None
    if counts is None or len(counts) < 2:
        return []
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    ratio = counts[common] / counts[rare]
    if ratio <= IMBALANCE:
        return []
    message = f"class {common} has {counts[common]} training samples, class {rare} has {counts[rare]}: {ratio:.0f} to 1"
    return [CLASS_IMBALANCE.finding(message, {"ratio": ratio, "common": common, "rare": rare})]
