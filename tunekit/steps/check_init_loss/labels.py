"""Labels against what the model gives and the loss takes, and how often each class occurs."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.citations import NOTES
from tunekit.configuration import Values
from tunekit.measured import InitialMeasured, Labels, Samples
from tunekit.recipe.tasks import FROM_ZERO, LOSSES, NAMELESS, YES_OR_NO, of_classes, of_decisions
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Code, Finding, Remedy, Severity

IMBALANCE = 10.0  # most frequent class over rarest (SageMaker Debugger)
PIXEL_IMBALANCE = 100.0  # the same of pixels: background is ten times the rest in sound pictures
WEIGHING = frozenset(["weight", "pos_weight", "alpha"])  # arguments of losses
BLIND = ("accuracy", "top5", "loss")  # metrics in which rare classes count no more than they occur
FEW_TOKENS = 50  # classes of tokens that are tags; words are as frequent as they are
FAR_MORE = 1.5  # outputs over classes; below, a class may just not occur in these data
MASKED = "remove or mask samples without a label"

CLASS_COUNT_MISMATCH = fault(
    "class_count_mismatch",
    "fail",
    "The model has another number of outputs than the data has classes.",
    "The last dimension of the outputs against the classes found in the labels; a note where the outputs are more, but "
    f"not {FAR_MORE:g} times as many.",
    "A head left over from another data set.",
    ("set the last layer's outputs to the number of classes in the data",),
    NOTES,
)
LABELS_OUT_OF_RANGE = fault(
    "labels_out_of_range",
    "fail",
    "Labels lie outside what the loss can take.",
    "Smallest and largest label against the outputs; binary and multi-label targets against [0, 1].",
    "Labels counted from 1, or a marker such as -1 or 255 for 'unknown'.",
    (FROM_ZERO, MASKED),
    "torch.nn.CrossEntropyLoss",
)
NUMBERED = "say `classes: true` under `data.args`: the target's numbers are then classes, numbered from 0"
"""Of a table."""
CLASS_IMBALANCE = Code(
    "class_imbalance",
    "warn",
    "Some classes are far rarer than others.",
    f"The most frequent class more than {IMBALANCE:g} times the rarest; of classes a pixel {PIXEL_IMBALANCE:g} times "
    f"(a note above {IMBALANCE:g} times, as of classes a token; none where tokens are to be predicted).",
    "The data are so; accuracy then says little.",
    ("judge by a metric that sees the rare classes", "weigh the loss or sample by class"),
    f"Amazon SageMaker Debugger, ClassImbalance (threshold {IMBALANCE:g})",
    symptom=False,
)
CODES = (CLASS_COUNT_MISMATCH, LABELS_OUT_OF_RANGE, CLASS_IMBALANCE)


def judge(initial: Sequence[InitialMeasured], context: Here) -> list[Finding]:
    """Classes against outputs."""
    first, classes = initial[0], context.facts.classes
    if first.kind != "classification" or not first.outputs.shape:
        return []
    outputs = first.outputs.shape[first.outputs.axis - 1]
    if classes is None:
        return _unfit(first, outputs)
    if classes == 1 and first.loss is not None:
        return []  # single_class says so
    if first.loss is None:
        low, high = (first.targets.lowest, first.targets.highest) if first.targets else (0, classes - 1)
        if outputs < classes and low >= 0 and high < classes:
            message = f"the model has {outputs} outputs, the data {classes} classes"
            return [CLASS_COUNT_MISMATCH.finding(message, {"outputs": outputs, "classes": classes})]
        message = f"labels reach from {low:g} to {high:g}; the model's {outputs} outputs take 0 to {outputs - 1}"
        evidence = {"outputs": outputs, "classes": classes, "min": low, "max": high}
        return [_out_of_range(message, evidence, context, (*of_classes(low, high, outputs), MASKED))]
    if context.facts.metric == "loss" and context.recipe.metric.target == "auto":
        return []  # outputs that are embeddings or distances have no class each
    if outputs > classes:
        message = f"the model has {outputs} outputs, the data only {classes} classes"
        low, high = (first.targets.lowest, first.targets.highest) if first.targets else (0, classes - 1)
        if low > 0:
            message += f": labels reach from {low:g} to {high:g}"
        # A class that happens to be missing is no fault of the model; half as many outputs again is.
        counted = low > 0 and outputs == high + 1  # one output idles for each number that no label has
        severity: Severity = "fail" if outputs >= FAR_MORE * classes and not counted else "note"
        evidence = {"outputs": outputs, "classes": classes}
        advice = (FROM_ZERO,) if low > 0 else None
        return [CLASS_COUNT_MISMATCH.finding(message, evidence, severity=severity, advice=advice)]
    return []


def are_numbers(measured: InitialMeasured) -> bool:
    """Whether a model of one output stands before labels that are more: a regression that was not named as one."""
    return measured.kind == "classification" and measured.loss is None and measured.outputs.shape[:1] == (1,)


def _unfit(first: InitialMeasured, outputs: int) -> list[Finding]:
    """Classes of tokens or pixels that the loss does not take with these outputs."""
    targets = first.targets
    if first.loss is not None or targets is None or (targets.lowest >= 0 and targets.highest < outputs):
        return []
    message = (
        f"labels reach from {targets.lowest:g} to {targets.highest:g}; the loss does not take them with outputs of "
        f"shape {list(first.outputs.shape)}"
    )
    evidence = {"outputs": outputs, "min": targets.lowest, "max": targets.highest}
    advice = (*of_classes(targets.lowest, targets.highest, outputs), MASKED)
    return [LABELS_OUT_OF_RANGE.finding(message, evidence, advice=advice)]


def broken(labels: Labels | None, context: Here) -> list[Finding]:
    """Numbers where classes are asked for. (A loss of the person's own may take them.)"""
    if labels is None or not labels.broken:
        return []
    message = f"{labels.broken} targets are no whole numbers, and a classification has classes"
    severity: Severity | None = "note" if ":" in context.recipe.loss.target else None
    advice = (NAMELESS, FROM_ZERO)
    return [LABELS_OUT_OF_RANGE.finding(message, {"broken": labels.broken}, severity=severity, advice=advice)]


def shares(labels: Labels | None, context: Here) -> list[Finding]:
    """Targets of binary and multi-label losses are shares: within 0 and 1. (A loss of the person's own may differ.)"""
    loss = context.recipe.loss.target
    known = loss in ("auto", *LOSSES["binary"]) or "BCE" in loss
    if context.recipe.task not in ("binary", "multilabel") or not known or labels is None:
        return []
    low, high = labels.lowest, labels.highest
    if low is None or high is None or (low >= 0 and high <= 1):
        return []
    message = f"the targets reach from {low:g} to {high:g}; the loss takes 0 to 1"
    numbers = None if labels.train is None else {*labels.train, *(labels.val or ())}
    kinds = None if numbers is None else sum(number >= 0 for number in numbers)
    advice = of_decisions(kinds, whole=low.is_integer() and high.is_integer())
    if low < 0 and kinds == 2:  # and a marker beside them
        advice = (MASKED, *advice)
    return [_out_of_range(message, {"min": low, "max": high}, context, advice)]


def _out_of_range(message: str, evidence: Values, context: Here, advice: tuple[str, ...]) -> Finding:
    """A table can number its classes by itself."""
    table = context.recipe.data.target == "table" and not context.recipe.data.args.get("classes")
    if not table or not {FROM_ZERO, YES_OR_NO} & {advice[0]}:
        return LABELS_OUT_OF_RANGE.finding(message, evidence, advice=advice)
    remedy = Remedy("check-init-loss", {"data.args.classes": True})
    return LABELS_OUT_OF_RANGE.finding(message, evidence, advice=(NUMBERED,), remedies=(remedy,))


def imbalance(samples: Samples, context: Here) -> list[Finding]:
    labels = samples.labels
    counts = labels.train if labels else None
    if labels is None or counts is None or len(counts) < 2:
        return []
    tokens, pixels = labels.axes == 1, labels.axes > 1
    if labels.tokens or (tokens and len(counts) > FEW_TOKENS):
        return []  # letters and words are as frequent as they are
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    ratio = counts[common] / counts[rare]
    if ratio <= IMBALANCE:
        return []
    what = "training tokens" if tokens else "training pixels" if pixels else "training samples"
    first, last = samples.class_name(common), samples.class_name(rare)
    message = f"class {first} has {counts[common]} {what}, class {last} has {counts[rare]}: {ratio:.0f} to 1"
    if not labels.whole:
        message += f" among the {samples.train.seen:,} of {samples.train.size:,} samples looked at"
    loss = context.recipe.loss
    weighed = loss.target == "focal" or bool(WEIGHING & loss.args.keys())
    seen = context.recipe.metric.target != "auto" and context.facts.metric not in BLIND
    advice = tuple(told for told, followed in zip(CLASS_IMBALANCE.advice, (seen, weighed), strict=True) if not followed)
    severity: Severity | None = "note" if tokens or weighed or (pixels and ratio <= PIXEL_IMBALANCE) else None
    evidence = {"ratio": ratio, "common": common, "rare": rare}
    return [CLASS_IMBALANCE.finding(message, evidence, severity=severity, advice=advice)]
