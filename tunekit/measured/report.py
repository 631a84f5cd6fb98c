"""What `tunekit inspect` tells of data and model: counts, values, classes, copies, files, sizes. No verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tunekit.jsondata import JsonData
from tunekit.measured.data import Samples

InputKind = Literal["images", "table", "tokens", "series", "other"]
"""What samples of an input are, by shape and type alone."""


@dataclass(frozen=True)
class Channel(JsonData):
    """A channel of images or a feature of a table, over the finite values of the training samples looked at."""

    name: str
    count: int  # of these values
    mean: float | None  # None: no value is finite
    std: float | None
    lowest: float | None
    highest: float | None
    missing: int  # values that are NaN, or were before they were filled in


@dataclass(frozen=True)
class Lengths(JsonData):
    """Sequences of the training split, without the padding at their ends."""

    shortest: int
    median: float
    longest: int
    padding: float  # share of all steps
    vocabulary: int | None  # different tokens, padding not counted; None: steps are no tokens
    highest: int | None  # token


@dataclass(frozen=True)
class InputReport(JsonData):
    """One input of the training samples looked at: as stored where they are in memory (before it is standardised), else
    as the model gets it."""

    name: str
    kind: InputKind
    dtype: str
    shape: tuple[int, ...]  # of one sample; 0 where batches differ
    lowest: float | None
    highest: float | None
    missing: int  # values that are NaN
    channels: tuple[Channel, ...]  # of images and tables
    lengths: Lengths | None  # of tokens and padded series


@dataclass(frozen=True)
class NearConstant(JsonData):
    """A feature of a table that has one and the same value in nearly all training samples."""

    feature: int
    name: str
    value: float
    share: float  # of the samples


@dataclass(frozen=True)
class Numbers(JsonData):
    """A column of targets that are numbers, over the training samples looked at."""

    name: str
    mean: float
    std: float
    lowest: float
    highest: float
    outliers: int  # beyond the outer fences: three quartile ranges off the quartiles (Tukey 1977)
    examples: tuple[int, ...]  # indices of the farthest of these


@dataclass(frozen=True)
class SplitReport(JsonData):
    split: str  # train, val or test
    size: int
    seen: int  # samples looked at
    not_finite: int  # samples with an input that is NaN or infinite
    repeated: int  # samples whose input came before in this split
    classes: Mapping[int, int] | None  # samples (tokens, pixels) by class; None: the targets are no classes
    mean: float | None  # of the inputs as the model gets them; None: they are no measurements
    std: float | None
    features: int | None  # values a sample
    constant_features: int | None  # of them equal in all samples


@dataclass(frozen=True)
class SharedReport(JsonData):
    """Samples of a split whose input is in another too."""

    first: str
    second: str
    count: int  # of the second
    share: float  # of the samples of the second that were looked at
    examples: tuple[int, ...]  # indices in the second


@dataclass(frozen=True)
class Unreadable(JsonData):
    """A sample that cannot be read, by its file where it has one."""

    split: str
    name: str
    why: str


@dataclass(frozen=True)
class FileSize(JsonData):
    width: int
    height: int
    mode: str  # Pillow's: L is grey, RGB colours
    count: int


@dataclass(frozen=True)
class Sides(JsonData):
    """Pixels along one side of image files."""

    least: int
    median: float
    most: int

    def __str__(self) -> str:
        spread = f"{self.least:,} to {self.most:,} (median {self.median:,.6g})"
        return f"{self.least:,}" if self.least == self.most else spread


@dataclass(frozen=True)
class Files(JsonData):
    """Image files as they lie on the disk, before they are resized."""

    size: int
    seen: int
    sizes: tuple[FileSize, ...]  # the commonest first
    different: int  # sizes in all
    width: Sides
    height: Sides
    shorter: Sides  # of width and height
    modes: Mapping[str, int]  # files by Pillow's mode, the commonest first


@dataclass(frozen=True)
class DataTold(JsonData):
    splits: tuple[SplitReport, ...]
    class_names: tuple[str, ...] | None
    inputs: tuple[InputReport, ...]
    near_constant: tuple[NearConstant, ...]
    targets: tuple[Numbers, ...]  # of a regression
    shared: tuple[SharedReport, ...]
    unreadable: tuple[Unreadable, ...]  # left out of all the rest
    files: Files | None  # None: samples are no image files
    target_axes: int = 0  # of one sample's classes: 1 for a class a token, 2 for one a pixel


@dataclass(frozen=True)
class DataReport(DataTold):
    samples: Samples | None = None  # what step 1 judges; None: data that cannot be indexed

    def split(self, name: str) -> SplitReport | None:
        return next((one for one in self.splits if one.split == name), None)

    def class_name(self, label: int) -> str:
        names = self.class_names or ()
        return names[label] if 0 <= label < len(names) else str(label)


@dataclass(frozen=True)
class ModelReport(JsonData):
    """The model before any training."""

    parameters: int
    trainable: int
    layers: int  # convolutions and linear layers one behind the other or beside each other
    convolutions: int
    stem: tuple[int, int] | None  # kernel and stride of the first convolution of images; None: there is none
    smallest_map: int | None  # shorter side of the smallest map that a convolution or pooling gives; None: no images
    largest_linear: int  # parameters of the largest linear layer
    forward_ms: float | None  # one sample in eval mode; None: the model does not take a single one
    device: str
