"""The data as the model gets them, and what is asked of a recipe first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunekit.jsondata import JsonData

NAMED = 5  # labels in a sentence


@dataclass(frozen=True)
class DescribeArgs(JsonData):
    """What the probe `describe` is asked: these as the recipe or the run has them. It answers vocabulary.Facts."""

    precision: str
    threads: int | None  # None: decided by the size of the model
    asked: float = 0.0  # seconds since 1970: another time is another question, since files may have changed
    weights: tuple[str, ...] = ()  # files of weights that are searched over
    test_time: str = "single"  # in how many passes the final model is asked
    with_validation: bool = False  # whether it trains on validation's samples too


@dataclass(frozen=True)
class Rehearsed(JsonData):
    """One step of a training, and a look at validation. `odd`: what is worth a word; `numbers`: a digest of all that
    came of it, equal for equal trainings."""

    odd: str
    numbers: str


@dataclass(frozen=True)
class SpeedMeasured(JsonData):
    """Seconds of a training's parts, alone on this machine; zeros where nothing could be timed."""

    start: float  # until the first iteration
    iteration: float
    sample: float  # of a pass over the validation split
    batch: int  # samples of an iteration


@dataclass(frozen=True)
class NotFinite(JsonData):
    """Samples with an input that is NaN or infinite."""

    count: int
    examples: tuple[int, ...]  # indices of the first few


@dataclass(frozen=True)
class Inputs(JsonData):
    """The first input that is a measurement (tokens are none), over all samples looked at."""

    mean: float
    std: float  # over samples and features
    features: int  # values a sample
    constant_features: int  # of them equal in all samples
    highest: float = 0.0
    bytes: bool = False  # whole numbers within 0 and 255


@dataclass(frozen=True)
class Split(JsonData):
    size: int  # samples
    seen: int  # of them looked at
    not_finite: NotFinite
    targets_not_finite: int  # values
    inputs: Inputs | None  # None: all are tokens
    bad_targets: tuple[int, ...] = ()  # indices of the first few samples with such a value


@dataclass(frozen=True)
class Shift(JsonData):
    """How far the validation inputs lie from the training inputs."""

    mean: float  # training standard deviations between the means of all values
    scale: float  # validation's standard deviation over training's
    feature: int  # the one that moved most
    feature_shift: float  # its distance, in its training standard deviations
    feature_z: float  # the same in standard errors
    shifted_features: float  # share of the features that moved by more than half a standard deviation


@dataclass(frozen=True)
class Decisions(JsonData):
    """Samples in which each of several labels is on, and in which it is off; of masks those with any such pixel."""

    on: tuple[int, ...]
    off: tuple[int, ...]


@dataclass(frozen=True)
class Labels(JsonData):
    """Targets of both splits. Negative classes are markers, and are not counted where a sample has several."""

    lowest: float | None  # None: none is finite
    highest: float | None
    train: Mapping[int, int] | None  # samples (or positions) by class; None: the targets are no classes, or too many
    val: Mapping[int, int] | None
    axes: int = 0  # of one sample's targets: 1 for a class a token, 2 for one a pixel
    tokens: bool = False  # classes occur as often as tokens of the same numbers do in the inputs
    same: bool = False  # all training targets are equal
    broken: int = 0  # training targets of a classification that are no whole numbers
    decided: tuple[Decisions, Decisions] | None = None  # of training and validation, where a sample has several labels
    whole: bool = True  # `train` counts all training samples, not those looked at alone


@dataclass(frozen=True)
class Conflicts(JsonData):
    """Training samples whose input another sample has with another target."""

    share: float  # of the training samples
    examples: tuple[tuple[int, int], ...]  # indices of a pair each


@dataclass(frozen=True)
class Shared(JsonData):
    """Validation samples whose input is in the training split too."""

    share: float  # of the validation samples
    count: int
    examples: tuple[int, ...]  # indices in the validation split
    conflicts: int = 0  # of them, that have another target than in training


@dataclass(frozen=True)
class Duplicates(JsonData):
    """Equal inputs, as shares of the training samples."""

    repeated: float  # samples whose input occurs more than once
    largest_group: float  # samples that are one and the same
    diversity: float | None  # distinct values of the most diverse feature over distinct rows; None: many features
    kinds: int | None  # values a sample, where all are tokens or of few kinds; None: measurements
    conflicts: Conflicts | None  # None: the targets cannot be compared
    shared: Shared
    by_chance: float = 0.0  # expected equals of a sample, if its values were drawn independently
    equals: float = 0.0  # those that it has


@dataclass(frozen=True)
class Reading(JsonData):
    """The same training samples read several times. A pair: one sample under two seeds."""

    samples: int  # read
    differ: int  # of them, that one seed gave otherwise the second time
    example: int | None  # the first of these
    moved: int  # pairs whose picture was flipped, turned, shifted or resized where that changes its mask
    followed: int  # of them, whose mask was so too
    how: str  # the commonest movement; empty where there is none
    redrawn: int  # pairs of equal inputs and other targets
    pairs: int


@dataclass(frozen=True)
class Windows(JsonData):
    """Validation windows and training windows that are pieces of one series."""

    share: float  # of the validation windows that overlap with a training window at another place
    same: float  # of them that equal a training window
    shift: int  # steps between two of the commonest pairs
    length: int  # steps
    looked_at: int  # validation windows


@dataclass(frozen=True)
class GroupsShared(JsonData):
    """Groups that samples of both splits belong to."""

    groups: int  # in all
    shared: int  # of them, in both splits
    share: float  # of the validation samples, that belong to these
    examples: tuple[str, ...]


Says = Literal["class", "order", "line"]
"""How a feature says a target: each class by values of its own, numbers in its order, or as a linear function of it."""


@dataclass(frozen=True)
class Giveaway(JsonData):
    """A feature that says a target of every training sample looked at exactly."""

    feature: int
    samples: int  # looked at
    says: Says
    target: int | None = None  # of several a sample


@dataclass(frozen=True)
class TargetShift(JsonData):
    """A column of a regression's targets in both splits; spreads are standard deviations of normal ones."""

    column: int
    train_median: float
    train_spread: float
    val_median: float
    val_spread: float
    apart: float  # the statistic of Kolmogorov and Smirnov
    shapes_apart: float  # the same about the medians
    order: float  # correlation of neighbouring samples' ranks, in the split where it is the larger


@dataclass(frozen=True)
class NearCopies(JsonData):
    """Validation samples that lie many times nearer to a few training samples than to all others of their target."""

    share: float
    scatter: float  # variance over mean of their number: 1 or more where they meet by chance, 0 where each has as many
    by_chance: float  # what it would be for samples drawn independently
    factor: float  # how many times nearer; the median
    looked_at: int


@dataclass(frozen=True)
class Agreement(JsonData):
    """How well the nearest samples say a target: 0 is chance and 1 exact (Cohen's kappa; a correlation of ranks)."""

    train: float  # training samples by others of training
    val: float  # validation samples by training
    within_val: float  # validation samples by others of validation
    error: float  # standard error of `val` where there is no agreement
    exchanged: tuple[tuple[int, int], ...]  # what training and what validation call a class
    renamed: float  # `val` under these names
    classes: bool
    looked_at: int  # validation samples


@dataclass(frozen=True)
class Neighbours(JsonData):
    inputs_alike: float  # a half where both splits are drawn alike, 1 where the samples of each keep to themselves
    copies: NearCopies | None  # None: it cannot be told
    agreement: Agreement | None  # None: targets of another kind


@dataclass(frozen=True)
class Mirrored(JsonData):
    """What the nearest training samples say of images and of their mirror images: agreement with the class (Cohen's
    kappa: 0 is chance and 1 exact)."""

    name: str  # of the augmentation: flip or vertical_flip
    as_they_are: float
    mirrored: float
    error: float  # standard error of the difference
    other: float  # share of the mirror images that lie nearest to another class
    pairs: tuple[tuple[int, int], ...]  # classes of which most mirror images lie nearest to one other, and which
    looked_at: int


@dataclass(frozen=True)
class Samples(JsonData):
    train: Split
    val: Split
    shift: Shift | None  # None: inputs of other sizes, or tokens
    labels: Labels | None  # None: a task of the person's own, or targets that are no tensor
    duplicates: Duplicates
    reading: Reading | None = None  # None: samples in memory
    windows: Windows | None = None  # None: no series
    groups: GroupsShared | None = None  # None: the data name no groups
    giveaway: Giveaway | None = None  # None: no feature does, or it cannot be told
    target_shift: TargetShift | None = None  # None: no regression, or targets that cannot be compared
    neighbours: Neighbours | None = None  # None: inputs that are no measurement, or few samples
    mirrored: tuple[Mirrored, ...] = ()  # for each flip of the recipe of which it can be told
    classes: tuple[str, ...] = ()  # their names, where the data have some
    features: tuple[str, ...] = ()  # the names of a table's columns, where they have some

    def class_name(self, label: int) -> str:
        return repr(self.classes[label]) if 0 <= label < len(self.classes) else str(label)

    def feature_name(self, feature: int) -> str:
        return f"column {self.features[feature]!r}" if self.features else f"feature {feature} (counted from 0)"

    def labels_are(self, labels: Sequence[int]) -> str:
        """The subject of a sentence: `label 'red' is`, `labels 0, 3 are`."""
        names = ", ".join(map(self.class_name, labels[:NAMED]))
        more = f" and {len(labels) - NAMED:,} more" if len(labels) > NAMED else ""
        return f"label {names} is" if len(labels) == 1 else f"labels {names}{more} are"


@dataclass(frozen=True)
class DataMeasured(JsonData):
    """The data as the model gets them (probe `data`)."""

    samples: Samples | None  # None: the training data cannot be indexed
