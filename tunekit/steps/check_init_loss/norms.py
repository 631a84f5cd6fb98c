"""BatchNorm: statistics that never move, that come from a single sample, or that two places share."""

from __future__ import annotations

from collections.abc import Sequence

from tunekit.measured import InitialMeasured, Normalization, VarianceShift
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.context import named_few
from tunekit.vocabulary import Finding, Severity

FEW = 4  # values a channel, whose variance has a standard error of 80 % of itself
FEW_SAMPLES = 2  # of which the values of a channel come, however many: those of one picture are alike
SHIFTED = 1.5  # times the variance that BatchNorm's running average would have without dropout
APART = 0.5  # standard deviations between the means, or half the logarithm of the variances' ratio
SOURCE = "Ioffe and Szegedy, 'Batch Normalization', ICML 2015; torch.nn.BatchNorm2d"

STATISTICS_NOT_UPDATED = fault(
    "statistics_not_updated",
    "fail",
    "BatchNorm's running statistics never move.",
    "Running mean and variance of every BatchNorm layer in train mode, before and after a real batch: unchanged.",
    "momentum=0 (in torch it is the weight of what comes in; elsewhere it is that of what was), or statistics that are "
    "put back.",
    (
        "set BatchNorm's momentum to 0.1, torch's default (a momentum of 0.9 or 0.99 elsewhere is 0.1 or 0.01 here)",
        "if the statistics are fixed on purpose, keep these layers in eval mode also while training",
    ),
    SOURCE,
)
NORMALIZED_BY_FEW = fault(
    "normalized_by_few",
    "warn",
    "A layer normalises by a single sample, or by a single value.",
    f"Values of a channel in a batch of the recipe's size (samples times places): at most {FEW} (one is a failure); or "
    f"a batch size of at most {FEW_SAMPLES}. "
    "Their mean and "
    "variance say little of the data, and eval mode uses others: a ResNet-50 comes to 23.6 % error with 32 samples "
    "a batch, to 27.3 % with 4, to 34.7 % with 2. Or GroupNorm or LayerNorm over one value "
    "at a time: what is left of it is zero (a failure where nothing of the inputs comes through).",
    "A batch of few samples, a pooled map of one pixel, or as many groups as channels on vectors.",
    ("use a larger batch size", "use GroupNorm or LayerNorm, which do not look at the batch"),
    "Wu and He, 'Group Normalization', ECCV 2018 (table 2)",
)
DROPOUT_BEFORE_BATCH_NORM = fault(
    "dropout_before_batch_norm",
    "warn",
    "Dropout changes the variance that BatchNorm learns for evaluation.",
    "Variance of a BatchNorm layer's inputs over real batches in train mode, with dropout and without, of the channel "
    f"in the middle: {SHIFTED:g} times as large, or more. A note where layers with weights stand between the two, "
    "which soften it.",
    "Dropout of a high rate before a BatchNorm layer. In training it makes values vary more; the running variance "
    "keeps that, and in evaluation, without dropout, it is too large.",
    (
        "put dropout behind the last BatchNorm layer, before the last linear layer",
        "or take a smaller rate, or leave one of the two out",
    ),
    "Li et al., 'Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift', CVPR 2019",
)
SHARED_STATISTICS = fault(
    "shared_statistics",
    "warn",
    "One BatchNorm layer normalises at two places whose values differ.",
    f"Calls of a BatchNorm layer in one forward pass: several, whose inputs differ by more than {APART:g} standard "
    "deviations or in scale by more than a factor of e to that (the channel in the middle).",
    "One instance that is used twice: its running statistics are a mixture that fits neither place in eval mode.",
    ("build a BatchNorm layer of its own for each place",),
    SOURCE,
)
HELD = ("let these layers go into train mode with the model, or load weights whose statistics are those of data",)
CODES = (STATISTICS_NOT_UPDATED, NORMALIZED_BY_FEW, SHARED_STATISTICS, DROPOUT_BEFORE_BATCH_NORM)


def judge(initial: Sequence[InitialMeasured], context: Here) -> list[Finding]:
    layers = initial[0].normalizations
    asked = context.recipe.model.freeze == "always"  # then these layers are held in eval mode on purpose
    return [
        *_fixed([layer for layer in layers if not (asked and layer.idle)]),
        *_few(layers, context),
        *_shared([one.normalizations for one in initial]),
        *_shifted([one.shifts for one in initial]),
    ]


def _fixed(layers: Sequence[Normalization]) -> list[Finding]:
    idle = [layer.layer for layer in layers if layer.idle]
    if idle:
        message = (
            f"{named_few(idle)} stay in eval mode while training, with the statistics that they were built with (mean "
            "0, variance 1): they normalise nothing"
        )
        return [STATISTICS_NOT_UPDATED.finding(message, {"layers": idle[:20]}, severity="warn", advice=HELD)]
    fixed = [layer for layer in layers if not layer.moved]
    if not fixed:
        return []
    momentum = fixed[0].momentum
    message = (
        f"a batch in train mode leaves the running statistics of {named_few([layer.layer for layer in fixed])} as they "
        f"were (momentum {momentum if momentum is not None else 'None'}): eval mode normalises by their start"
    )
    evidence = {"layers": [layer.layer for layer in fixed[:20]], "momentum": momentum}
    return [STATISTICS_NOT_UPDATED.finding(message, evidence)]


def _few(layers: Sequence[Normalization], context: Here) -> list[Finding]:
    samples = context.recipe.batch_size
    scarce = samples <= FEW_SAMPLES and context.facts.shareable
    few = [layer for layer in layers if not layer.idle and (scarce or layer.values <= FEW)]
    if not few:
        return []
    least = min(few, key=lambda layer: layer.values)
    sample = "" if not scarce else ", of one sample" if samples == 1 else f", of {samples} samples"
    message = (
        f"{named_few([layer.layer for layer in few])} normalise by {least.values} values a channel{sample}, at a batch "
        f"size of {context.recipe.batch_size}"
    )
    if least.values == 1:
        message = f"{message}: torch refuses to train on a single value"
    severity: Severity | None = "fail" if least.values == 1 else None
    evidence = {"layers": [layer.layer for layer in few[:20]], "values": least.values}
    return [NORMALIZED_BY_FEW.finding(message, evidence, severity=severity)]


ALONE = (
    "normalise over several values: fewer groups (GroupNorm(1, channels)), LayerNorm over the features, or the layer "
    "before the map is pooled to one pixel",
    "or leave the layer out",
)


def single(initial: Sequence[InitialMeasured], stuck: bool) -> list[Finding]:
    """Layers that take each value's mean from itself. `stuck`: nothing of the inputs comes through."""
    names = initial[0].single
    if not names:
        return []
    message = f"{named_few(names)} normalise one value at a time: what they give is their bias, whatever comes in"
    severity: Severity | None = "fail" if stuck else None
    return [NORMALIZED_BY_FEW.finding(message, {"layers": names[:20], "values": 1}, severity=severity, advice=ALONE)]


def _shared(every: Sequence[Sequence[Normalization]]) -> list[Finding]:
    """Layers that are apart in every initialisation."""
    apart: dict[str, list[Normalization]] = {}
    for layer in (layer for layers in every for layer in layers):
        if layer.calls > 1 and layer.apart > APART:
            apart.setdefault(layer.layer, []).append(layer)
    shared = [seen[0] for seen in apart.values() if len(seen) == len(every)]
    if not shared:
        return []
    first = shared[0]
    message = (
        f"{named_few([layer.layer for layer in shared])}: used {first.calls} times in one pass, on values that lie "
        f"{first.apart:.2g} standard deviations apart"
    )
    evidence = {"layers": [layer.layer for layer in shared[:20]], "calls": first.calls, "apart": first.apart}
    return [SHARED_STATISTICS.finding(message, evidence)]


def _shifted(every: Sequence[Sequence[VarianceShift]]) -> list[Finding]:
    """Layers whose variance is another with dropout, in every initialisation."""
    ratios: dict[str, list[VarianceShift]] = {}
    for shift in (shift for shifts in every for shift in shifts):
        if shift.ratio >= SHIFTED:
            ratios.setdefault(shift.layer, []).append(shift)
    shifted = [seen[0] for seen in ratios.values() if len(seen) == len(every)]
    if not shifted:
        return []
    direct = [shift for shift in shifted if shift.direct]
    named = direct or shifted
    most = max(named, key=lambda shift: shift.ratio)
    place = "comes right behind dropout" if direct else "comes behind dropout, with weights between them"
    message = (
        f"{named_few([shift.layer for shift in named])} {place}: in training the variance of its inputs is "
        f"{most.ratio:.2g} times that in evaluation"
    )
    evidence = {"layers": [shift.layer for shift in named[:20]], "ratio": most.ratio}
    return [DROPOUT_BEFORE_BATCH_NORM.finding(message, evidence, severity=None if direct else "note")]
