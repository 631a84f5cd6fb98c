"""The targets of the two splits beside each other: their scale, and whether inputs say them alike in both."""

from __future__ import annotations

from tunekit.measured import Neighbours, Samples, TargetShift
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Finding, Severity

FAR = 3.0  # standard deviations between the medians, or between one and the other spread as many times ...
BEYOND_DRIFT = 10.0  # ... and where samples stand in time or the inputs moved too
APART = 3.0  # Kolmogorov and Smirnov: once in 3e7 by chance
SHAPES_APART = 2.5  # once in 1e5, about the medians, where the spread is the reason
IN_ORDER = 0.3  # correlation of neighbouring samples, above which they stand in time or by place
LEARNABLE = 0.4  # agreement of the nearest samples with a target, above which inputs say it
LOST = 0.25  # of it, that is left where targets do not belong to their inputs
ALIKE = 0.1  # from a half, that the inputs of the splits may be apart
SURE = 8.0  # standard errors
RENAMED = 0.8  # of the agreement within training, that other names must give back

TARGETS_MISMATCH = fault(
    "targets_mismatch",
    "fail",
    "The targets of the two splits are on different scales.",
    "Median and spread (10th to 90th percentile) of every target column of a regression in both splits, where the "
    f"distributions differ beyond chance: medians more than {FAR:g} standard deviations apart, or spreads as many "
    f"times (a note up to {BEYOND_DRIFT:g} where samples stand in time or the inputs moved too, and a warning above).",
    "Targets standardised, put into another unit or a logarithm in one split only; each split divided by its own "
    "maximum.",
    (
        "prepare the targets of both splits with one function, by numbers from the training split alone",
        "until then the validation loss compares outputs with targets on another scale",
    ),
    "CS231n course notes, neural-networks-2 (data preprocessing, common pitfall)",
)
TARGETS_DISAGREE = fault(
    "targets_disagree",
    "fail",
    "Alike inputs have targets in one split that have nothing to do with those in the other.",
    "The five nearest samples say the target: well within one split, and no better than chance from training to "
    "validation (or within training), though the inputs of both splits are drawn alike; or well under other names of "
    "the classes.",
    "Labels of one split shuffled apart from their inputs, files listed in another order than their labels, classes "
    "numbered by each split for itself.",
    (
        "look at some samples of both splits with their targets as the model gets them: `tunekit inspect RECIPE`",
        "make inputs and targets of a split in one order, and number the classes once for both splits",
    ),
    "Cover and Hart, 1967, 'Nearest neighbor pattern classification'; Cohen, 1960 (agreement beyond chance)",
)
CODES = (TARGETS_MISMATCH, TARGETS_DISAGREE)


def judge(samples: Samples, context: Here, *, inputs_moved: bool) -> list[Finding]:
    neighbours = samples.neighbours
    scales = _scales(
        samples.target_shift, context, alike=None if neighbours is None else _alike(neighbours) and not inputs_moved
    )
    return [*scales, *_agreement(samples)]


def _alike(neighbours: Neighbours) -> bool:
    return abs(neighbours.inputs_alike - 0.5) <= ALIKE


def _scales(shift: TargetShift | None, context: Here, alike: bool | None) -> list[Finding]:
    """`alike`: whether the inputs of both splits are. None: inputs of which it cannot be told."""
    if shift is None or shift.apart <= APART:
        return []
    spreads = sorted([shift.train_spread, shift.val_spread])
    ratio = spreads[1] / spreads[0]
    away = abs(shift.val_median - shift.train_median) / spreads[1]
    most = max(away, ratio if shift.shapes_apart > SHAPES_APART else 1.0)
    if most <= FAR:
        return []
    # Time moves on, and so do places: a split between them is what the data are like.
    drifts = alike is False or context.recipe.data.split in ("time", "group") or shift.order > IN_ORDER
    sure = most > BEYOND_DRIFT
    severity: Severity | None = ("warn" if sure else "note") if drifts else None if alike or sure else "warn"
    message = (
        f"validation targets have median {shift.val_median:.3g} and spread {shift.val_spread:.3g}, training targets "
        f"{shift.train_median:.3g} and {shift.train_spread:.3g}"
    )
    if shift.column:
        message += f" (column {shift.column})"
    return [TARGETS_MISMATCH.finding(message, shift.to_json(), severity=severity)]


def _agreement(samples: Samples) -> list[Finding]:
    neighbours = samples.neighbours
    if neighbours is None or neighbours.agreement is None or not _alike(neighbours):
        return []
    measured = neighbours.agreement
    evidence, left = measured.to_json(), SURE / 2 * measured.error
    learnable = max(LEARNABLE, SURE * measured.error)
    if measured.train > learnable and measured.exchanged:
        gained = measured.renamed - measured.val > SURE * measured.error
        if gained and measured.renamed > RENAMED * measured.train:
            pairs = ", ".join(" is ".join(map(samples.class_name, pair)) for pair in measured.exchanged[:5])
            message = f"validation names the classes otherwise than training: what training calls {pairs} there"
            return [TARGETS_DISAGREE.finding(message, evidence, advice=TARGETS_DISAGREE.advice[1:])]
    if measured.train > learnable and measured.val + left < LOST * measured.train:
        told = "validation targets do not belong to their inputs, or not as in training"
        first, second = measured.train, measured.val
        place = "within training", "from training to validation"
    elif measured.within_val > learnable and measured.train + left < LOST * measured.within_val:
        told = "training targets do not belong to their inputs"
        first, second = measured.within_val, measured.train
        place = "within validation", "within training"
    else:
        return []
    message = (
        f"{told}: the nearest samples say a target with agreement {first:.2f} {place[0]}, {second:.2f} {place[1]} "
        "(0 is chance, 1 exact)"
    )
    return [TARGETS_DISAGREE.finding(message, evidence)]
