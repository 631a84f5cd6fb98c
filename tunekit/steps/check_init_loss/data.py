"""The data as the model gets them: values, scale, the two splits beside each other, samples that occur twice."""

from __future__ import annotations

from tunekit.citations import KARPATHY
from tunekit.measured import DataMeasured, DataReport, Decisions, Samples, Split
from tunekit.shares import percent
from tunekit.steps.check_init_loss import agreement, giveaways, labels, mirrors, reading, splits, targets
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Code, Finding, Severity

SCALE_HIGH, SCALE_LOW = 10.0, 0.01  # standard deviation of the inputs; unit scale is meant (CS231n notes)
MEAN_HIGH = 10.0  # standard deviations of the mean from zero
SHIFT = 0.5  # standard deviations between the splits' means, overall or of one feature
SCALE_RATIO = 1.5  # between the splits' standard deviations
SHIFT_Z = 8.0  # standard errors that a single feature's shift must exceed as well: thousands of features are looked at
CONFLICTS = 0.01  # share of the samples
LEAK = 0.01  # share of the validation samples
MOST = 0.5  # share of the training samples that are one and the same ...
SEVERAL = 20  # ... where there are more than so many
FEW_FEATURES = 16  # below this, samples coincide by nature
SOME_DUPLICATES = 0.05  # share of training samples that occur twice, above which coincidence is usual
COPIES = 0.9  # distinct values of one feature over distinct rows, above which equal rows are copies, no coincidence
DIM = 100  # whole numbers within 0 and 255 that reach so far are bytes
SHORT = 32  # tokens or values of few kinds a sample, up to which samples may be equal by chance ...
BY_LUCK = 0.03  # of the validation samples: so many more of a hundred or two may be so
FAR = 2.0  # equals of a sample over those that it had if its columns were independent, above which they are copies ...
SCATTER = 3.0  # ... and standard errors of their number
BY_CHANCE = 2.0  # ... and then are so across the splits about as often as within one
FEW_UNSEEN = 0.05  # share of the validation samples of classes that training lacks ...
UNLIKELY = 1e-3  # ... and the chance that all samples of such a class fall into validation: rare classes do
SPLITS = {"train": "training", "val": "validation", "test": "test"}
FEW_SHIFTED = 0.5  # share of the features, below which a shift is told of the feature and not of the split

INPUT_NOT_FINITE = fault(
    "input_not_finite",
    "fail",
    "Inputs or targets hold NaN or infinity.",
    "Every value of the training and the validation split (a stated sample where they are too large).",
    "Missing values, a division by a zero standard deviation, the logarithm of zero.",
    ("find the named samples and repair or drop them",),
    f"{KARPATHY} (become one with the data)",
)
INPUT_CONSTANT = fault(
    "input_constant",
    "fail",
    "The inputs carry nothing: they are the same for every sample.",
    f"Standard deviation over all samples, per feature; more than {100 * MOST:g} % of the samples identical (with "
    f"{FEW_FEATURES} features or more).",
    "A reader that returns empty images, a transform that destroys the input.",
    ("look at a few samples as the model gets them: `tunekit inspect RECIPE`",),
    f"{KARPATHY} (become one with the data)",
)
INPUT_NOT_NORMALIZED = fault(
    "input_not_normalized",
    "warn",
    "The inputs are far from zero mean and unit scale.",
    f"Mean and standard deviation of the inputs as the model gets them: a scale above {SCALE_HIGH:g} or below "
    f"{SCALE_LOW:g}, or a mean more than {MEAN_HIGH:g} standard deviations from zero, unless the model begins with a "
    "normalisation layer.",
    "Raw pixel values (0 to 255) or features in their own units.",
    ("subtract the training mean and divide by the training standard deviation",),
    "CS231n course notes, neural-networks-2 (data preprocessing)",
)
CONFLICTING_LABELS = fault(
    "conflicting_labels",
    "warn",
    "Identical inputs carry different labels.",
    f"Samples grouped by the hash of their input; groups whose labels differ, above {100 * CONFLICTS:g} % of the "
    "samples, where rows of so many columns and values are not equal by chance.",
    "Labels shifted against the inputs, a join gone wrong, annotators who disagree.",
    ("look at the named pairs and mend the labels: no network can learn both",),
    KARPATHY,
)
SPLIT_LEAK = fault(
    "split_leak",
    "fail",
    "Validation samples stand in the training split too.",
    f"Hashes of the validation inputs found among the training inputs: above {100 * LEAK:g} % of the validation split.",
    "A split made after augmenting or duplicating, or overlapping slices.",
    (
        "split before duplicating or augmenting, and by group where samples belong together (`split: group`)",
        "until then validation numbers are too good",
    ),
    "Goodfellow et al., 'Deep Learning', 2016, section 5.3",
)
SPLIT_MISMATCH = fault(
    "split_mismatch",
    "fail",
    "Training and validation inputs are not prepared alike.",
    f"Mean and scale of the inputs of both splits: a shift above {SHIFT:g} standard deviations, or scales more than "
    f"{SCALE_RATIO:g} times apart (a warning where a single feature moved, by more than {SHIFT_Z:g} standard errors "
    "too); or classes, or labels that are on, in validation that training lacks.",
    "Normalisation applied to one split only, or other transforms for validation.",
    ("apply the same deterministic transforms, with the training split's statistics, to both splits",),
    "CS231n course notes, neural-networks-2 (data preprocessing, common pitfall)",
)
NOT_REPEATABLE = Code(
    "not_repeatable",
    "note",
    "The data come from an iterable or a sampler of the person's own: runs start anew instead of going on.",
    "The source has no length or brings its own order.",
    "An IterableDataset or a custom sampler.",
    ("return a map-style dataset to have runs continued and reused",),
    "",
)
CODES = (
    INPUT_NOT_FINITE,
    INPUT_CONSTANT,
    INPUT_NOT_NORMALIZED,
    CONFLICTING_LABELS,
    SPLIT_LEAK,
    SPLIT_MISMATCH,
    NOT_REPEATABLE,
)


def judge(data: DataMeasured, context: Here) -> list[Finding]:
    """Findings on the data; those that another one explains are left out."""
    samples = data.samples
    if samples is None:
        return [NOT_REPEATABLE.finding("the data were not checked: the training data cannot be indexed")]
    not_finite = [*_finite("train", "training", samples.train), *_finite("val", "validation", samples.val)]
    constant = _constant(samples)
    if constant:
        return [*not_finite, *constant, *labels.imbalance(samples, context)]
    moved = _shift(samples, context)
    copies = samples.neighbours.copies if samples.neighbours else None
    return [
        *not_finite,
        *_scale(samples.train),
        *moved,
        *agreement.judge(samples, context, inputs_moved=bool(moved)),
        *targets.single(samples, context),
        *targets.decided(samples, context),
        *_unseen(samples),
        *labels.shares(samples.labels, context),
        *labels.broken(samples.labels, context),
        *labels.imbalance(samples, context),
        *_duplicates(samples),
        *giveaways.of_columns(samples),
        *splits.judge(samples.windows, samples.groups, copies),
        *reading.judge(samples.reading),
        *mirrors.judge(samples.mirrored, samples.classes, context),
    ]


def judge_shared(report: DataReport) -> list[Finding]:
    """What splits share that `judge` does not look at: the test split, and streams."""
    findings = []
    common = report.samples is not None and _coincide(report.samples)
    for one in report.shared:
        told = report.samples is not None and one.second == "val"  # by `judge`
        if not told and one.share > LEAK:
            first, second = (SPLITS[name] for name in (one.first, one.second))
            message = (
                f"{one.count} {second} samples ({percent(one.share)}) are {first} samples too "
                f"({second} sample {', '.join(map(str, one.examples))})"
            )
            evidence = {"share": one.share, "count": one.count, "split": one.first}
            findings.append(SPLIT_LEAK.finding(message, evidence, severity="note" if common else None))
    return findings


def _finite(split: str, text: str, measured: Split) -> list[Finding]:
    findings = []
    bad, wrong = measured.not_finite, measured.targets_not_finite
    if bad.count:
        examples = ", ".join(map(str, bad.examples))
        seen = "" if measured.seen == measured.size else f" among {measured.seen} of {measured.size} samples looked at"
        samples = "sample holds" if bad.count == 1 else "samples hold"
        message = f"{bad.count} {text} {samples} NaN or infinity (sample {examples}){seen}"
        findings.append(INPUT_NOT_FINITE.finding(message, {"split": split, **bad.to_json()}))
    if wrong:
        where = f" (sample {', '.join(map(str, measured.bad_targets))})" if measured.bad_targets else ""
        message = f"{wrong} {text} targets are NaN or infinite{where}"
        findings.append(INPUT_NOT_FINITE.finding(message, {"split": split, "targets": wrong}))
    return findings


def _constant(samples: Samples) -> list[Finding]:
    train, inputs, same = samples.train, samples.train.inputs, samples.duplicates.largest_group
    if inputs is None:
        return []
    if train.size > 1 and inputs.features and inputs.constant_features == inputs.features:
        message = f"all {train.seen} training inputs looked at are the same (value {inputs.mean:.3g})"
        return [INPUT_CONSTANT.finding(message, {"std": inputs.std, "features": inputs.features})]
    if train.size > SEVERAL and same > MOST and inputs.features >= FEW_FEATURES:
        message = f"{percent(same)} of the training inputs are one and the same sample"
        return [INPUT_CONSTANT.finding(message, {"largest_group": same})]
    return []


def _scale(train: Split) -> list[Finding]:
    if train.inputs is None:
        return []
    mean, std = train.inputs.mean, train.inputs.std
    if not (std > SCALE_HIGH or 0 < std < SCALE_LOW or (std > 0 and abs(mean) > MEAN_HIGH * std)):
        return []
    message = f"the inputs have mean {mean:.3g} and standard deviation {std:.3g}; about 0 and 1 train best"
    advice = None
    if train.inputs.bytes and train.inputs.highest > DIM:
        advice = (
            f"divide by 255, then subtract the mean ({mean / 255:.3g}) and divide by the standard deviation "
            f"({std / 255:.3g}); for pictures channel by channel",
        )
    return [INPUT_NOT_NORMALIZED.finding(message, {"mean": mean, "std": std}, advice=advice)]


def _shift(samples: Samples, context: Here) -> list[Finding]:
    shift, train, val = samples.shift, samples.train.inputs, samples.val.inputs
    if shift is None or train is None or val is None:
        return []
    overall = shift.mean > SHIFT or max(shift.scale, 1 / max(shift.scale, 1e-12)) > SCALE_RATIO
    feature = shift.feature_shift > SHIFT and shift.feature_z > SHIFT_Z
    # Time moves on: with a split by time a shift is what the data are like.
    severity: Severity | None = "note" if context.recipe.data.split == "time" else None
    if overall and not (feature and shift.shifted_features < FEW_SHIFTED):
        message = (
            f"validation inputs have mean {val.mean:.3g} and standard deviation {val.std:.3g}, "
            f"training inputs {train.mean:.3g} and {train.std:.3g}"
        )
        return [SPLIT_MISMATCH.finding(message, shift.to_json(), severity=severity)]
    if not feature:
        return []
    message = (
        f"{samples.feature_name(shift.feature)} of the validation inputs lies {shift.feature_shift:.1f} standard "
        "deviations from where it lies in training"
    )
    return [SPLIT_MISMATCH.finding(message, shift.to_json(), severity=severity or (None if overall else "warn"))]


def _unseen(samples: Samples) -> list[Finding]:
    both = samples.labels
    if both is not None and both.decided is not None:
        return _unseen_decisions(samples, *both.decided)
    if both is None or both.train is None or both.val is None:
        return []
    if both.axes == 1 and len(both.train) > labels.FEW_TOKENS:
        return []  # a word that training lacks is no fault of the split
    unseen = sorted(set(both.val) - set(both.train), key=str)
    if not unseen:
        return []
    message = f"classes {', '.join(map(samples.class_name, unseen[:5]))} occur in validation but never in training"
    seen, held = sum(both.train.values()), sum(both.val.values())
    few = sum(both.val[label] for label in unseen) < FEW_UNSEEN * held
    rare = few and all((held / (seen + held)) ** both.val[label] > UNLIKELY for label in unseen)
    severity: Severity | None = "note" if both.axes == 1 or both.tokens or rare else "warn" if both.axes else None
    return [SPLIT_MISMATCH.finding(message, {"unseen_classes": unseen[:20]}, severity=severity)]


def _unseen_decisions(samples: Samples, train: Decisions, val: Decisions) -> list[Finding]:
    """Of several labels a sample: what training never has them be."""
    findings = []
    seen, held = samples.train.seen, samples.val.seen
    for how, known, asked in (("on", train.on, val.on), ("off", train.off, val.off)):
        unseen = [label for label, count in enumerate(asked) if count and not known[label]]
        if unseen:
            rare = all(
                asked[label] < FEW_UNSEEN * held and (held / (seen + held)) ** asked[label] > UNLIKELY
                for label in unseen
            )
            message = f"{samples.labels_are(unseen)} {how} in validation but never in training"
            evidence = {"unseen_classes": unseen[:20], "how": how}
            findings.append(SPLIT_MISMATCH.finding(message, evidence, severity="note" if rare else None))
    return findings


def _duplicates(samples: Samples) -> list[Finding]:
    shared, conflicts = samples.duplicates.shared, samples.duplicates.conflicts
    by_nature = _coincide(samples)
    severity: Severity | None = "note" if by_nature else None
    findings = []
    if conflicts and conflicts.share > CONFLICTS and not by_nature:
        pairs = "; ".join(f"{a} and {b}" for a, b in conflicts.examples[:3])
        message = (
            f"{percent(conflicts.share)} of the training samples share their input with a sample of another "
            f"target (samples {pairs})"
        )
        findings.append(CONFLICTING_LABELS.finding(message, conflicts.to_json()))
    if shared.share > LEAK:
        examples = ", ".join(map(str, shared.examples))
        message = (
            f"{shared.count} validation samples ({percent(shared.share)}) are training samples too "
            f"(validation sample {examples})"
        )
        evidence = {"share": shared.share, "count": shared.count}
        if shared.conflicts and not by_nature:
            message += f", {shared.conflicts} of them with another target there"
            evidence["conflicts"] = shared.conflicts
        findings.append(SPLIT_LEAK.finding(message, evidence, severity=severity))
    return findings


def _coincide(samples: Samples) -> bool:
    """In tables of few features, and of few tokens, equal rows happen by nature, and then across the splits just as
    within one."""
    inputs, duplicates = samples.train.inputs, samples.duplicates
    if duplicates.kinds is not None and duplicates.kinds <= SHORT:
        return duplicates.shared.share <= BY_CHANCE * duplicates.repeated + BY_LUCK
    features = 0 if inputs is None else inputs.features
    if features > 1 and (duplicates.diversity or 0.0) >= COPIES:
        return False
    chance = duplicates.by_chance
    scatter = (2 * chance / max(1, samples.train.seen)) ** 0.5
    if chance and duplicates.equals <= FAR * chance + SCATTER * scatter:
        return True
    return features < FEW_FEATURES and duplicates.repeated > SOME_DUPLICATES
