"""What advice goes by: the kind, size and number of the samples, the task, and the recipe's model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tunekit.measured import DataReport, InputKind, InputReport, ModelReport, Sides

FEW_TOKENS = 3  # different whole numbers, up to which an input is a mask beside the tokens


@dataclass(frozen=True)
class Situation:
    """`shape`: of one sample; of images (channels, height, width), of sequences their usual length first."""

    kind: InputKind
    shape: tuple[int, ...]
    samples: int  # of the training split
    task: str
    classes: Mapping[str, int] = field(default_factory=dict)  # training samples by the class's name
    axes: int = 0  # of one sample's classes: 1 for a class a token, 2 for one a pixel
    model: ModelReport | None = None  # None: it cannot be built
    pretrained: bool = False
    file_sides: Sides | None = None  # the shorter side of the image files, before they are resized
    answers: bool = True  # whether a sample's target is a class, some of them or a number
    built_in: bool = True  # whether a built-in model takes the inputs as they are
    pixels: bool = False  # of a table: as many features as a square picture has pixels, all of them bytes
    why_other: str = ""  # of the kind `other`: what the samples are

    @property
    def side(self) -> int:
        """The shorter side of a picture, as it is read."""
        return min(self.shape[1:]) if self.kind == "images" else 0

    @property
    def stored(self) -> int:
        """The same as it could be read: of files that are larger, theirs."""
        return max(self.side, round(self.file_sides.median)) if self.side and self.file_sides else self.side

    @property
    def only_class(self) -> str | None:
        """The class of all training samples, where there is one alone."""
        alone = self.task in ("classification", "binary") and len(self.classes) == 1
        return next(iter(self.classes)) if alone else None

    @property
    def values(self) -> int:
        """Numbers in one sample."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    @property
    def judged(self) -> int:
        """How many targets the training samples have: several a sample where each token or pixel has one."""
        if not self.axes:
            return self.samples
        return self.samples * max(1, self.shape[0] if self.kind != "images" else self.shape[1] * self.shape[2])


def situation_of(report: DataReport, task: str, pretrained: bool, model: ModelReport | None) -> Situation:
    """The situation that a report of the data describes."""
    train = report.split("train")
    one = _main(report.inputs)
    kind: InputKind = "other" if one is None else one.kind
    counts = {} if train is None or train.classes is None else train.classes
    return Situation(
        kind=kind,
        shape=() if one is None else _shape(one),
        samples=0 if train is None else train.size,
        task=task,
        classes={report.class_name(label): count for label, count in counts.items()},
        axes=report.target_axes,
        model=model,
        pretrained=pretrained,
        file_sides=report.files.shorter if report.files else None,
        answers=bool(counts) or bool(report.targets),
        built_in=len(report.inputs) == 1 and _is_plain(report.inputs[0]),
        pixels=one is not None and _are_pixels(one),
        why_other=_told(report.inputs) if kind == "other" else "",
    )


def _main(inputs: tuple[InputReport, ...]) -> InputReport | None:
    """The input that advice is about: the only one, or the tokens beside their masks; None where there are several."""
    if len(inputs) == 1:
        return inputs[0]
    rich = [one for one in inputs if not _is_mask(one)]
    return rich[0] if len(rich) == 1 and rich[0].kind == "tokens" else None


def _is_plain(one: InputReport) -> bool:
    """Whether an input comes by its place, and images with their channels first: names are a model's own."""
    first = one.kind != "images" or (len(one.shape) == 3 and len(one.channels) == one.shape[0])
    return first and one.name.startswith("input ")


def _is_mask(one: InputReport) -> bool:
    if one.kind == "tokens":
        return one.lengths is not None and (one.lengths.vocabulary or 0) < FEW_TOKENS
    return one.dtype == "bool"


def _shape(one: InputReport) -> tuple[int, ...]:
    if one.kind == "images":
        if len(one.shape) == 2:
            return (1, *one.shape)
        last = len(one.channels) == one.shape[-1] != one.shape[0]
        return (one.shape[-1], *one.shape[:-1]) if last else one.shape
    if one.lengths is not None:
        return (round(one.lengths.median), *one.shape[1:])
    return one.shape or (1,)


def _are_pixels(one: InputReport) -> bool:
    """Whether the columns of a table may be the pixels of a square picture: bytes, and as many as it has."""
    if one.kind != "table" or one.shape[:1] < (64,) or one.lowest is None or one.highest is None:
        return False
    square = any((one.shape[0] / colours) ** 0.5 % 1 == 0 for colours in (1, 3) if one.shape[0] % colours == 0)
    return square and one.dtype == "uint8" and one.lowest >= 0


def _told(inputs: tuple[InputReport, ...]) -> str:
    if len(inputs) > 1:
        return f"samples have {len(inputs)} inputs ({', '.join(one.name for one in inputs)})"
    if not inputs:
        return "samples have no input with a row a sample"
    shape = "x".join(map(str, inputs[0].shape))
    return f"samples are {inputs[0].dtype} of shape {shape}" if shape else f"samples are of type {inputs[0].dtype}"
