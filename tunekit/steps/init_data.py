"""Step 1, the data: what the numbers of the data probe mean."""

from __future__ import annotations

from tunekit.findings import finding
from tunekit.steps.context import Context, percent
from tunekit.vocabulary import Finding, Severity, Values

SCALE_HIGH, SCALE_LOW = 10.0, 0.01  # standard deviation of the inputs; unit scale is meant (CS231n notes)
MEAN_HIGH = 10.0  # standard deviations of the mean from zero
SHIFT = 0.5  # standard deviations between the splits' means, overall or of one feature
SCALE_RATIO = 1.5  # between the splits' standard deviations
SHIFT_Z = 8.0  # standard errors that a single feature's shift must exceed as well: thousands of features are looked at
IMBALANCE = 10.0  # most frequent class over rarest (SageMaker Debugger)
CONFLICTS = 0.01  # share of the samples
LEAK = 0.01  # share of the validation samples
FEW_FEATURES = 16  # below this, samples coincide by nature
SOME_DUPLICATES = 0.05  # share of training samples that occur twice, above which coincidence is usual
COPIES = 0.9  # distinct values of one feature over distinct rows, above which equal rows are copies, no coincidence
FEW_SHIFTED = 0.5  # share of the features, below which a shift is told of the feature and not of the split


def judge(data: Values, context: Context) -> list[Finding]:
    """Findings on the data; those that another one explains are left out."""
    if "skipped" in data:
        return [finding("not_repeatable", f"the data were not checked: {data['skipped']}")]
    found = _finite(data)
    constant = _constant(data)
    if constant:
        return [*found, *constant, *_labels(data)]
    return [*found, *_scale(data), *_split(data, context), *_range(data, context), *_labels(data), *_duplicates(data)]


def _seen(part: Values) -> str:
    return "" if part["seen"] == part["size"] else f" among {part['seen']} of {part['size']} samples looked at"


def _finite(data: Values) -> list[Finding]:
    found = []
    for name, text in (("train", "training"), ("val", "validation")):
        bad, wrong = data[name]["not_finite"], data[name]["targets_not_finite"]
        if bad["count"]:
            examples = ", ".join(map(str, bad["examples"]))
            found.append(
                finding(
                    "input_not_finite",
                    f"{bad['count']} {text} samples hold NaN or infinity (sample {examples}){_seen(data[name])}",
                    {"split": name, **bad},
                )
            )
        if wrong:
            message = f"{wrong} {text} targets are NaN or infinite"
            found.append(finding("input_not_finite", message, {"split": name, "targets": wrong}))
    return found


def _constant(data: Values) -> list[Finding]:
    train = data["train"]
    same = data["duplicates"]["largest_group"]
    if train["size"] > 1 and train.get("features") and train["constant_features"] == train["features"]:
        message = f"all {train['seen']} training inputs looked at are the same (value {train['mean']:.3g})"
        return [finding("input_constant", message, {"std": train["std"], "features": train["features"]})]
    if train["size"] > 20 and same > 0.5 and train.get("features", 0) >= FEW_FEATURES:
        message = f"{percent(same)} of the training inputs are one and the same sample"
        return [finding("input_constant", message, {"largest_group": same})]
    return []


def _scale(data: Values) -> list[Finding]:
    train = data["train"]
    if "std" not in train:
        return []
    mean, std = train["mean"], train["std"]
    off = std > SCALE_HIGH or 0 < std < SCALE_LOW or (std > 0 and abs(mean) > MEAN_HIGH * std)
    if not off or train["not_finite"]["count"]:
        return []
    message = f"the inputs have mean {mean:.3g} and standard deviation {std:.3g}; about 0 and 1 train best"
    return [finding("input_not_normalized", message, {"mean": mean, "std": std})]


def _split(data: Values, context: Context) -> list[Finding]:
    found = []
    shift = data["shift"]
    if shift:
        ratio = max(shift["scale"], 1 / max(shift["scale"], 1e-12))
        feature = shift["feature_shift"] > SHIFT and shift["feature_z"] > SHIFT_Z
        # Time moves on: with a split by time a shift is what the data are like.
        severity: Severity | None = "note" if context.recipe.data.split == "time" else None
        overall = shift["mean"] > SHIFT or ratio > SCALE_RATIO
        if overall and not (feature and shift["shifted_features"] < FEW_SHIFTED):
            message = (
                f"validation inputs have mean {data['val']['mean']:.3g} and standard deviation "
                f"{data['val']['std']:.3g}, training inputs {data['train']['mean']:.3g} and {data['train']['std']:.3g}"
            )
            found.append(finding("split_mismatch", message, dict(shift), severity=severity))
        elif feature:
            message = (
                f"feature {shift['feature']} of the validation inputs lies {shift['feature_shift']:.1f} standard "
                "deviations from where it lies in training"
            )
            severity = severity or (None if overall else "warn")
            found.append(finding("split_mismatch", message, dict(shift), severity=severity))
    labels = data["labels"]
    if "train" in labels and "val" in labels:
        unseen = sorted(set(labels["val"]) - set(labels["train"]), key=str)
        if unseen:
            message = f"classes {', '.join(map(str, unseen[:5]))} occur in validation but never in training"
            found.append(finding("split_mismatch", message, {"unseen_classes": unseen[:20]}))
    return found


def _range(data: Values, context: Context) -> list[Finding]:
    """Targets of binary and multi-label losses are shares: within 0 and 1. (A loss of the person's own may differ.)"""
    loss, labels = context.recipe.loss.target, data["labels"]
    known = loss in ("auto", "bce") or "BCE" in loss
    if context.recipe.task not in ("binary", "multilabel") or not known or "min" not in labels:
        return []
    low, high = labels["min"], labels["max"]
    if low >= 0 and high <= 1:
        return []
    message = f"the targets reach from {low:g} to {high:g}; the loss takes 0 to 1"
    return [finding("labels_out_of_range", message, {"min": low, "max": high})]


def _labels(data: Values) -> list[Finding]:
    counts = data["labels"].get("train", {})
    if len(counts) < 2:
        return []
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    ratio = counts[common] / counts[rare]
    if ratio <= IMBALANCE:
        return []
    message = f"class {common} has {counts[common]} training samples, class {rare} has {counts[rare]}: {ratio:.0f} to 1"
    return [finding("class_imbalance", message, {"ratio": ratio, "common": common, "rare": rare})]


def _duplicates(data: Values) -> list[Finding]:
    twice = data["duplicates"]
    # In tables of few features equal rows happen by nature, and then across the splits just as within one.
    few = data["train"].get("features", FEW_FEATURES) < FEW_FEATURES
    natural = few and twice["repeated"] > SOME_DUPLICATES and (twice.get("diversity") or 0.0) < COPIES
    found = []
    if twice.get("conflicting", 0.0) > CONFLICTS:
        pairs = "; ".join(f"{a} and {b}" for a, b in twice["conflicting_examples"][:3])
        message = (
            f"{percent(twice['conflicting'])} of the training samples share their input with a sample of another "
            f"target (samples {pairs})"
        )
        evidence = {"share": twice["conflicting"], "examples": twice["conflicting_examples"]}
        found.append(finding("conflicting_labels", message, evidence, severity="note" if natural else None))
    if twice["shared"] > LEAK:
        examples = ", ".join(map(str, twice["shared_examples"]))
        message = (
            f"{twice['shared_count']} validation samples ({percent(twice['shared'])}) are training samples too "
            f"(validation sample {examples})"
        )
        evidence = {"share": twice["shared"], "count": twice["shared_count"]}
        found.append(finding("split_leak", message, evidence, severity="note" if natural else None))
    return found
