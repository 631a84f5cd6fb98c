"""What of a model is too large or ill-shaped for the data, one rule each in REMARKS; CODES say what they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tunekit.advice.situation import Situation
from tunekit.citations import HE, KARPATHY, LECUN, TAN, TOUVRON, YOSINSKI, ZHANG
from tunekit.vocabulary import Code

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
    message: str
    source: str = ""  # where it is another than the code's


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
        return Told(f"{what}; train the head alone first, with the body frozen", YOSINSKI)
    return Told(
        f"{what}; a network so large learns any labels by heart, random ones too: begin with one a tenth the size, or "
        "with weights that come trained",
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
        return Told(f"{what}: enlarge the pictures to 128 pixels or more", TOUVRON)
    return Told(f"{what}: begin with a 3x3 convolution of stride 1 and without pooling")


def deep_stack(seen: Situation) -> Told | None:
    """Depth that small pictures do not need."""
    model = seen.model
    if model is None or seen.pretrained or seen.kind != "images" or not 0 < seen.side <= SMALL:
        return None
    if model.convolutions <= DEEP or model.parameters < LARGE:
        return None
    return Told(
        f"{model.convolutions} convolutions for pictures of {seen.shape[1]}x{seen.shape[2]}: on CIFAR-10, 20 layers "
        "err on 8.75 %, 110 on 6.43 %, and 1,202 on 7.93 %; begin with 20",
    )


def dense_on_images(seen: Situation) -> Told | None:
    """A first layer that looks at every pixel by itself."""
    model = seen.model
    if model is None or seen.kind != "images" or model.convolutions or seen.values < DENSE:
        return None
    if 2 * model.largest_linear < model.parameters:
        return None
    return Told(
        f"a fully connected layer holds {100 * model.largest_linear / model.parameters:.0f} % of the parameters, and "
        "knows nothing of which pixels are neighbours: convolutions share their weights over all places",
    )


def flattened_images(seen: Situation) -> Told | None:
    """Pixels in a row, of which no convolution can be made."""
    if not seen.pixels:
        return None
    return Told(
        f"the {seen.shape[0]:,} features are bytes, and as many as a square picture has pixels: if they are one, "
        "give it as [channels, height, width], so that convolutions can be used",
    )


def shrunk(seen: Situation) -> Told | None:
    """Pictures of which most of the detail is thrown away as they are read."""
    sides = seen.file_sides
    if seen.kind != "images" or sides is None or not 0 < SHRUNK * seen.side <= sides.median or seen.side >= SHARP:
        return None
    return Told(
        f"the files' shorter side is {sides} pixels, and they are read at {seen.side}: accuracy grows "
        "with resolution, and so does the time; try 128 or 224 (data.args.size)",
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
        f"{len(few)} {classes} fewer than {FEW} training samples: {listed}{more}; get more of them, join them with "
        "others, or leave them out",
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

CODES = (
    Code(
        "too_large",
        "warn",
        "The model has far more parameters than so few samples can tell anything about.",
        f"{LARGE:,} parameters that train or more, and over {A_SAMPLE:,} a target ({A_SAMPLE_TRAINED:,} of weights "
        "that come trained).",
        "A network made for a large set, on a small one.",
        ("begin with a network a tenth the size", "or with weights that come trained, and the head alone first"),
        ZHANG,
    ),
    Code(
        "imagenet_stem",
        "warn",
        "The first layers throw away what small pictures consist of.",
        f"A first convolution of {STEM[0]}x{STEM[0]} or more with stride {STEM[1]}, and pictures of {SMALL} pixels a "
        "side or fewer.",
        "A network made for pictures of 224 pixels.",
        ("begin with a 3x3 convolution of stride 1 and without pooling", "or enlarge the pictures to 128 pixels"),
        HE,
    ),
    Code(
        "deep_stack",
        "note",
        "The model is deeper than small pictures need.",
        f"More than {DEEP} convolutions and {LARGE:,} parameters, for pictures of {SMALL} pixels a side or fewer.",
        "Depth that was made for larger pictures and larger sets.",
        ("begin with 20 layers",),
        HE,
    ),
    Code(
        "dense_on_images",
        "note",
        "A fully connected layer looks at every pixel by itself.",
        f"No convolution, and half of the parameters in one layer over pictures of {DENSE:,} values or more.",
        "An MLP on pictures.",
        ("use convolutions: they share their weights over all places",),
        LECUN,
    ),
    Code(
        "flattened_images",
        "note",
        "The features may be the pixels of a picture in a row.",
        "A table of bytes with as many columns as a square picture has pixels.",
        "Pictures that were stored as rows of a table.",
        ("give them as [channels, height, width], so that convolutions can be used",),
        LECUN,
    ),
    Code(
        "shrunk",
        "note",
        "Most of the pictures' detail is thrown away as they are read.",
        f"Files whose shorter side, by its median, has {SHRUNK} times as many pixels or more than they are read at, "
        f"and these below {SHARP}.",
        "A small data.args.size.",
        ("try data.args.size of 128 or 224: accuracy grows with it, and so does the time",),
        TAN,
    ),
    Code(
        "few_samples",
        "warn",
        "Some classes have too few samples to be learned or judged.",
        f"Fewer than {FEW} training samples of a class.",
        "Rare classes, or labels that are misspelt.",
        ("get more of them, join them with others, or leave them out",),
        KARPATHY,
    ),
)
