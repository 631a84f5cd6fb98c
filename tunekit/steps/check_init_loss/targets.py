"""Targets and what they are judged by: their scale in a regression, and whether the metric points the loss's way."""

from __future__ import annotations

import math
import re

from tunekit.citations import KARPATHY
from tunekit.measured import Columns, Direction, Samples, UsageMeasured
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.metric_direction import METRIC_DIRECTION
from tunekit.vocabulary import Code, Finding, Remedy, Severity

# Two regressions, two-layer networks, Adam at 1e-3 for 500 iterations: R2 lost against targets of mean 0 and std 1.
LARGE = 20.0  # standard deviation: 10 cost half a point, 44 cost five on one of them
SMALL = 0.1  # 0.3 cost one, 0.1 cost two to five, 0.03 ten and more
FAR = 4.0  # standard deviations from where outputs start: 3 cost four to seven points, 5 sixteen and more
FAR_AND_LARGE = 1.5  # the same where the standard deviation is above LARGE / 2: 92 and 44 cost three to thirteen
APART = 1000.0  # between the columns' shares of the loss
WORSE = 1e-3  # of the metric's size

TARGETS_NOT_STANDARDIZED = fault(
    "targets_not_standardized",
    "warn",
    "The targets are far from zero mean and unit scale.",
    "Mean and standard deviation of every target column, where the loss asks for outputs equal to the targets: above "
    f"{LARGE:g} or below {SMALL:g}, or a mean more than {FAR:g} standard deviations from where the outputs start; or "
    f"columns whose shares of the loss are more than {APART:g} times apart.",
    "Targets in their own units: training is spent on their mean and scale, and one column hides another.",
    (
        "subtract the training targets' mean and divide by their standard deviation, column by column; undo it when "
        "predicting",
        "or start the last layer's bias at the mean, and weigh the columns in the loss",
    ),
    "Bishop, 'Neural Networks for Pattern Recognition', 1995, section 8.2; thresholds from two regressions",
)
METRIC_NOT_FINITE = fault(
    "metric_not_finite",
    "warn",
    "The metric is no number.",
    "The metric of one batch's answers, of right ones (or ones of a lower loss) and of others: NaN or infinite both "
    "times.",
    "A division by a count that is zero, the root or logarithm of a negative number, a score that needs both classes.",
    ("make the metric a number for every batch: a training whose metric is none counts as failed",),
    f"{KARPATHY} (verify that what you measure is what you want)",
)
SINGLE_CLASS = fault(
    "single_class",
    "fail",
    "All training targets are the same.",
    "The training targets: a single class, or a single value (a note where the loss is the person's own); of several "
    "labels a sample, one that is never on or never off (a warning).",
    "A filter or a folder that left one class, a column that is constant.",
    ("look at how targets are read: there is nothing to learn",),
    f"{KARPATHY} (become one with the data)",
)
BATCH_IS_EVERYTHING = Code(
    "batch_is_everything",
    "note",
    "A batch is as large as the training split.",
    "batch_size above the number of training samples.",
    "A small data set, or a batch size from another one.",
    ("a smaller `batch_size` gives more steps a pass",),
    "",
)
CODES = (TARGETS_NOT_STANDARDIZED, METRIC_DIRECTION, METRIC_NOT_FINITE, SINGLE_CLASS, BATCH_IS_EVERYTHING)

OF_LABELS = ("look at how targets are read, and leave out labels that never change: nothing is to be learnt of them",)
ASKED = ("say `standardize_target: true` under `data.args`: the training targets then have mean 0 and deviation 1",)

ERRORS = frozenset(
    [
        "error",
        "err",
        "loss",
        "mae",
        "mse",
        "rmse",
        "mape",
        "rmsle",
        "distance",
        "perplexity",
        "ppl",
        "wer",
        "cer",
        "nll",
    ]
)
SCORES = frozenset(
    ["accuracy", "acc", "f1", "auc", "auroc", "iou", "dice", "r2", "precision", "recall", "psnr", "ssim", "bleu"]
)
TURNED = frozenset(["neg", "negative", "minus", "inverse", "inverted", "one", "1", "no"])
"""Words in a metric's name; the last turn it round."""


def scale(usage: UsageMeasured, context: Here) -> list[Finding]:
    """Targets of a regression in their own units."""
    columns = usage.columns
    if columns is None:
        return []
    odd = [number for number, column in enumerate(columns.columns) if _is_odd(columns, number)]
    shares = [column.share for column in columns.columns if column.std > 0]
    apart = max(shares) / max(min(shares), 1e-300) if shares else 1.0
    if not odd and apart <= APART:
        return []
    shown = odd or range(len(columns.columns))
    told = "; ".join(_told(columns, number) for number in list(shown)[:4])
    message = f"the targets are far from mean 0 and standard deviation 1: {told}"
    if apart > APART:
        small = min(range(len(columns.columns)), key=lambda i: columns.columns[i].share)
        message += f"; column {small} has {columns.columns[small].share:.1g} of the loss"
    evidence = {"columns": [column.to_json() for column in columns.columns]}
    if context.recipe.data.target not in ("table", "arrays"):
        return [TARGETS_NOT_STANDARDIZED.finding(message, evidence)]
    remedy = Remedy("check-init-loss", {"data.args.standardize_target": True})
    return [TARGETS_NOT_STANDARDIZED.finding(message, evidence, advice=ASKED, remedies=(remedy,))]


def _is_odd(columns: Columns, number: int) -> bool:
    column = columns.columns[number]
    if column.std == 0:
        return False
    away = abs(column.mean - column.start) / column.std
    far = FAR_AND_LARGE if column.std > LARGE / 2 else FAR
    return column.std > LARGE or column.std < SMALL or away > far


def _told(columns: Columns, number: int) -> str:
    column = columns.columns[number]
    name = f"column {number} has " if len(columns.columns) > 1 else ""
    return f"{name}mean {column.mean:.3g}, standard deviation {column.std:.3g}"


def direction(usage: UsageMeasured, context: Here) -> list[Finding]:
    """A metric of the person's own that is no number, or whose direction is the wrong one."""
    said, _, target = context.recipe.metric.target.partition(" ")
    if said not in ("max", "min") or not target:
        return []
    measured = usage.direction
    if measured is not None and not math.isfinite(measured.right) and not math.isfinite(measured.wrong):
        message = f"{target} is {measured.right:g} of right answers and {measured.wrong:g} of wrong ones"
        return [METRIC_NOT_FINITE.finding(message, {"metric": context.recipe.metric.target})]
    if measured is not None and measured.right != measured.wrong:
        return _measured(measured, target, said)
    words = _words(target.rpartition(":")[2])
    wrong, right = (ERRORS, SCORES) if said == "max" else (SCORES, ERRORS)
    if not words & wrong or words & (right | TURNED):
        return []
    better = "less" if said == "max" else "more"
    message = f"the metric {target} is to be {said}imised; by its name, {better} of it is better"
    return [METRIC_DIRECTION.finding(message, {"metric": context.recipe.metric.target})]


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+[0-9]*|[0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))


def _measured(measured: Direction, target: str, said: str) -> list[Finding]:
    gain = measured.right - measured.wrong
    worse = -gain if measured.maximize else gain
    if not worse > WORSE * (abs(measured.right) + abs(measured.wrong)):
        return []
    right, wrong = (
        ("right outputs", "outputs of other samples")
        if measured.made
        else ("outputs of a lower loss", "those of the untrained model")
    )
    message = f"{target} is to be {said}imised, but {right} score {measured.right:.4g} and {wrong} {measured.wrong:.4g}"
    return [METRIC_DIRECTION.finding(message, measured.to_json(), severity="fail")]


def single(samples: Samples, context: Here) -> list[Finding]:
    """Equal targets; a loss of the person's own may not look at them."""
    labels = samples.labels
    if labels is None or not labels.same or labels.axes:
        return []
    value = next(iter(labels.train)) if labels.train else labels.lowest
    message = f"all training targets are {value:g}" if value is not None else "all training targets are equal"
    if labels.train and samples.classes:
        message = f"all training targets are of class {samples.class_name(next(iter(labels.train)))}"
    severity: Severity | None = "note" if ":" in context.recipe.loss.target else None
    return [SINGLE_CLASS.finding(message, {"value": value}, severity=severity)]


def decided(samples: Samples, context: Here) -> list[Finding]:
    """Labels, of several a sample, that training never has on, or always; where validation differs, that is told."""
    labels = samples.labels
    if labels is None or labels.decided is None or labels.same:
        return []
    train, val = labels.decided
    findings, constant = [], 0
    for how, turned, told in (("on", val.on, train.on), ("off", val.off, train.off)):
        lacking = [label for label, count in enumerate(told) if not count]
        constant += len(lacking)
        alone = [label for label in lacking if not turned[label]]
        if alone:
            message = (
                f"{samples.labels_are(alone)} {how} in none of the {samples.train.seen:,} training samples"
                f"{'' if samples.train.seen == samples.train.size else ' looked at'}"
            )
            findings.append((message, {"labels": alone[:20], "how": how}))
    whole = samples.train.seen == samples.train.size
    severity: Severity = "fail" if constant >= len(train.on) and whole else "warn" if whole else "note"
    if ":" in context.recipe.loss.target:
        severity = "note"
    return [
        SINGLE_CLASS.finding(message, evidence, severity=severity, advice=OF_LABELS) for message, evidence in findings
    ]


def batches(context: Here) -> list[Finding]:
    size, samples = context.recipe.batch_size, context.facts.n_train
    if not context.facts.shareable or size <= samples:
        return []
    message = f"batch_size is {size}, and there are {samples} training samples: every batch is all of them"
    return [BATCH_IS_EVERYTHING.finding(message, {"batch_size": size, "n_train": samples})]
