"""The two splits of series and of groups: what stands on both sides of the cut though no sample is the same."""

from __future__ import annotations

from tunekit.measured import GroupsShared, NearCopies, Windows
from tunekit.shares import percent
from tunekit.steps.check_init_loss.settings import fault
from tunekit.vocabulary import Finding, Severity

OVERLAP = 0.5  # share of the validation windows; a cut in time without a gap has some too
SOME_OVERLAP = 0.05  # of them, above which a gap is worth a word
COPIES = 0.5  # of the overlapping windows; where so many are found whole, the series repeats itself
FEW_GROUPS = 5  # below this no group can be spared for validation
GROUPS_LEAK = 0.01  # share of the validation samples
NEAR = 0.1  # share of the validation samples that are near copies ...
OFTEN = 10.0  # ... and over what chance would give
MADE = (
    0.5  # variance over mean of the number of copies, below which they were made: samples that meet by chance scatter
)

WINDOWS_OVERLAP = fault(
    "windows_overlap",
    "warn",
    "Validation windows are training windows a few steps further on.",
    "Pieces of the validation inputs searched for at other places of the training inputs, as long as two windows of "
    f"one series share: found for more than {100 * OVERLAP:g} % of the validation windows (a note above "
    f"{100 * SOME_OVERLAP:g} %).",
    "One series cut into overlapping windows, and these divided at random.",
    (
        "cut the series in time first and make windows of each part, or name the windows' `times` and say "
        "`split: time` under `data`",
        "leave a gap of one window between both parts",
        "where that is done already, passages of the data occur again: leave them out of one part",
    ),
    "Hyndman and Athanasopoulos, 'Forecasting: Principles and Practice', 3rd edition, section 5.8",
)
GROUPS_OVERLAP = fault(
    "groups_overlap",
    "warn",
    "Samples of one group stand on both sides of the split.",
    f"The data's own `groups`, {FEW_GROUPS} or more: more than {100 * GROUPS_LEAK:g} % of the validation samples "
    "belong to a group that is in training too.",
    "A split at random of samples that belong together: pictures of one patient, pieces of one recording.",
    ("say `split: group` under `data`, or divide the groups and not the samples",),
    "scikit-learn documentation, 'Cross-validation iterators for grouped data'",
)
NEAR_COPIES = fault(
    "near_copies",
    "warn",
    "Validation samples are training samples but for a little noise.",
    "Distances of validation samples to the nearest training samples of the same target: for more than "
    f"{100 * NEAR:g} % of them, and {OFTEN:g} times as many as chance gives in data of that dimension, a few lie "
    "three times nearer than all others (a note where their number scatters as by chance).",
    "Augmented copies made before the split; several records of one thing, divided at random.",
    (
        "split first and augment the training split alone",
        "divide what was recorded several times by group (`split: group` under `data`)",
    ),
    "Kaufman et al., 2012, 'Leakage in data mining'; Levina and Bickel, 2004 (dimension from neighbours)",
)
CODES = (WINDOWS_OVERLAP, GROUPS_OVERLAP, NEAR_COPIES)


def judge(windows: Windows | None, groups: GroupsShared | None, copies: NearCopies | None) -> list[Finding]:
    known = [*_windows(windows), *_groups(groups)]
    return known or _copies(copies)


def _copies(copies: NearCopies | None) -> list[Finding]:
    if copies is None or copies.share <= max(NEAR, OFTEN * copies.by_chance):
        return []
    message = (
        f"{percent(copies.share)} of the validation samples have training samples of the same target "
        f"{copies.factor:.1f} times nearer than all others: they look like copies with a little noise"
    )
    severity: Severity | None = None if copies.scatter < MADE else "note"
    return [NEAR_COPIES.finding(message, copies.to_json(), severity=severity)]


def _windows(windows: Windows | None) -> list[Finding]:
    if windows is None or windows.share <= SOME_OVERLAP or windows.same > COPIES * windows.share:
        return []
    message = (
        f"{percent(windows.share)} of the validation windows overlap with training windows ({windows.length} steps "
        f"each, most often {windows.shift} apart)"
    )
    evidence = {"share": windows.share, "shift": windows.shift, "length": windows.length}
    return [WINDOWS_OVERLAP.finding(message, evidence, severity=None if windows.share > OVERLAP else "note")]


def _groups(groups: GroupsShared | None) -> list[Finding]:
    if groups is None or groups.groups < FEW_GROUPS or groups.share <= GROUPS_LEAK:
        return []
    message = (
        f"{percent(groups.share)} of the validation samples belong to groups that stand in training too "
        f"({groups.shared} of {groups.groups} groups: {', '.join(groups.examples)})"
    )
    return [GROUPS_OVERLAP.finding(message, groups.to_json())]
