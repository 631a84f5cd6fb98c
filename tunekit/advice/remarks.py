"""What of a model is too large or ill-shaped for the data, one rule each in REMARKS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tunekit.advice.situation import Situation
from tunekit.citations import HE, KARPATHY, LECUN, TAN, TOUVRON, YOSINSKI, ZHANG

LARGE = 1_000_000  # parameters, below which none is called large
A_SAMPLE = 1_000  # parameters a target from scratch; Wide ResNet-28-10, at its best on CIFAR-10, has 730
A_SAMPLE_TRAINED = 10_000  # the same of weights that come trained: a ResNet-50 on 2,500 photos
SMALL = 40  # pixels a side
STEM = (7, 2)  # kernel and stride of the first convolution of networks for pictures of 224 pixels
DEEP = 60  # convolutions; ResNet-56 is the last whose layers bring what they cost on 32x32
DENSE = 3_072  # values of a picture: 32x32 in colours
SHRUNK = 2  # times smaller than the file ...
SHARP = 128  # ... and below so many pixels a side
FEW = 10  # training samples of a class


@dataclass(frozen=True)
class Told:
    severity: Literal["note", "warn"]
    message: str
    source: str


Rule = Callable[[Situation], Told | None]


def too_large(seen: Situation) -> Told | None:
    """More parameters that train than so many samples can tell anything about."""
    if seen.model is None or not seen.samples or seen.model.trainable < LARGE:
        return None
    ratio, most = seen.model.trainable / seen.judged, A_SAMPLE_TRAINED if seen.pretrained else A_SAMPLE
    if ratio <= most:
        return None
    what = f"{seen.model.trainable:,} parameters train on {seen.judged:,} targets: {ratio:,.0f} for each"
    if seen.pretrained:
        return Told("warn", f"{what}; train the head alone first, with the body frozen", YOSINSKI)
    return Told(
        "warn",
        f"{what}; a network so large learns any labels by heart, random ones too: begin with one a tenth the size, or "
        "with weights that come trained",
        ZHANG,
    )


def imagenet_stem(seen: Situation) -> Told | None:
    """A stem that throws away what small pictures consist of."""
    model = seen.model
    if model is None or model.stem is None or seen.kind != "images" or not 0 < seen.side <= SMALL:
        return None
    if model.stem[0] < STEM[0] or model.stem[1] < STEM[1]:
        return None
    left = "" if model.smallest_map is None else f", down to {model.smallest_map}x{model.smallest_map} at the end"
    what = (
        f"the model begins with a {model.stem[0]}x{model.stem[0]} convolution of stride {model.stem[1]}, made "
        f"for pictures of 224 pixels; of {seen.shape[1]}x{seen.shape[2]} it leaves little{left}"
    )
    if seen.pretrained:
        return Told("warn", f"{what}: enlarge the pictures to 128 pixels or more", TOUVRON)
    return Told("warn", f"{what}: begin with a 3x3 convolution of stride 1 and without pooling", HE)


def deep_stack(seen: Situation) -> Told | None:
    """Depth that small pictures do not need."""
    model = seen.model
    if model is None or seen.pretrained or seen.kind != "images" or not 0 < seen.side <= SMALL:
        return None
    if model.convolutions <= DEEP or model.parameters < LARGE:
        return None
    return Told(
        "note",
        f"{model.convolutions} convolutions for pictures of {seen.shape[1]}x{seen.shape[2]}: on CIFAR-10, 20 layers "
        "err on 8.75 %, 110 on 6.43 %, and 1,202 on 7.93 %; begin with 20",
        HE,
    )


def dense_on_images(seen: Situation) -> Told | None:
    """A first layer that looks at every pixel by itself."""
    model = seen.model
    if model is None or seen.kind != "images" or model.convolutions or seen.values < DENSE:
        return None
    if 2 * model.largest_linear < model.parameters:
        return None
    return Told(
        "note",
        f"a fully connected layer holds {100 * model.largest_linear / model.parameters:.0f} % of the parameters, and "
        "knows nothing of which pixels are neighbours: convolutions share their weights over all places",
        LECUN,
    )


def flattened_images(seen: Situation) -> Told | None:
    """Pixels in a row, of which no convolution can be made."""
    if not seen.pixels:
        return None
    return Told(
        "note",
        f"the {seen.shape[0]:,} features are bytes, and as many as a square picture has pixels: if they are one, "
        "give it as [channels, height, width], so that convolutions can be used",
        LECUN,
    )


def shrunk(seen: Situation) -> Told | None:
    """Pictures of which most of the detail is thrown away as they are read."""
    if seen.kind != "images" or seen.file_side is None or not 0 < SHRUNK * seen.side <= seen.file_side:
        return None
    if seen.side >= SHARP:
        return None
    return Told(
        "note",
        f"the files have {seen.file_side} pixels on their shorter side and are read at {seen.side}: accuracy grows "
        "with resolution, and so does the time; try 128 or 224 (data.args.size)",
        TAN,
    )


def few_samples(seen: Situation) -> Told | None:
    """Classes that can be neither learned nor judged."""
    if seen.axes or seen.task not in ("classification", "binary", "multilabel"):
        return None
    few = sorted((name for name, count in seen.classes.items() if count < FEW), key=lambda name: seen.classes[name])
    if not few:
        return None
    listed = ", ".join(f"{name} ({seen.classes[name]})" for name in few[:5])
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    classes = "class has" if len(few) == 1 else "classes have"
    return Told(
        "warn",
        f"{len(few)} {classes} fewer than {FEW} training samples: {listed}{more}; get more of them, join them with "
        "others, or leave them out",
        KARPATHY,
    )


REMARKS: Mapping[str, Rule] = {
    "too_large": too_large,
    "imagenet_stem": imagenet_stem,
    "deep_stack": deep_stack,
    "dense_on_images": dense_on_images,
    "flattened_images": flattened_images,
    "shrunk": shrunk,
    "few_samples": few_samples,
}
