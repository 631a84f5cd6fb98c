"""Proven starting points, one entry each in STARTS: for which data, what, why, by whom, and the recipe lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tunekit.advice.situation import Situation
from tunekit.citations import (
    DEVLIN,
    GORISHNIY,
    GRINSZTAJN,
    HE,
    JOULIN,
    KORNBLITH,
    LECUN,
    RAGHU,
    STEINER,
    VASWANI,
    WANG,
    YOSINSKI,
)

FEW_ROWS = 200  # of a table, below which a linear model is the honest beginning
SOME_ROWS = 1_000  # below which layers are narrow
TINY = 16  # pixels a side
SOME_PICTURES = 2_000  # below which a deep network from scratch learns them by heart
SMALL = 64  # pixels a side, below which pictures are no photos as networks are pretrained on
PHOTO = 224  # pixels a side, at which they are
COLOURS = 3
FEW_PHOTOS = 20_000  # below which weights that come trained bring most
MANY = 1_000_000  # pictures, from which large networks are fed


@dataclass(frozen=True)
class Entry:
    """`lines`: keys of a recipe; of what no built-in model is, those that go with a model of one's own, or none."""

    fits: Callable[[Situation], bool]
    title: str
    why: str
    source: str
    lines: str = ""


def _images(low: int, high: int, colours: bool | None = None) -> Callable[[Situation], bool]:
    """Pictures with one target each, of `low` to below `high` pixels a side, as they are stored."""

    def fits(seen: Situation) -> bool:
        coloured = seen.shape[:1] == (COLOURS,)
        return seen.kind == "images" and not seen.axes and low <= seen.stored < high and colours in (None, coloured)

    return fits


def _photos(fewest: int, most: int) -> Callable[[Situation], bool]:
    coloured = _images(SMALL, 10**9, colours=True)
    return lambda seen: coloured(seen) and fewest <= seen.samples < most


def _table(fewest: int, most: int) -> Callable[[Situation], bool]:
    return lambda seen: seen.kind == "table" and not seen.pixels and fewest <= seen.samples < most


TRANSFORMER = (
    "model: {target: transformer, args: {depth: 2, width: 64, heads: 4, dropout: 0.1}}\n"
    "optimizer: {target: adamw, lr: 1e-3, weight_decay: 1e-2}\nschedule: {name: constant, args: {warmup: 100}}\n"
    "batch_size: 32\nclip_grad_norm: 1.0"
)

SMALL_CNN = (
    "model: {target: cnn, args: {channels: [32, 64], batch_norm: true, dropout: 0.1}}\n"
    "optimizer: {target: adam, lr: 1e-3}\nbatch_size: 64"
)
SHARED = "weights shared over places need few samples"

STARTS: tuple[Entry, ...] = (
    Entry(
        _table(0, 10**12),
        "gradient-boosted trees, before any network",
        "on tables of some ten thousand rows trees beat networks, and take seconds: what a network must be better than "
        "(scikit-learn: HistGradientBoostingClassifier or -Regressor)",
        GRINSZTAJN,
    ),
    Entry(
        _table(0, FEW_ROWS),
        "a linear model",
        f"fewer than {FEW_ROWS} rows say little beyond it",
        GORISHNIY,
        "model: {target: mlp, args: {hidden: []}}\noptimizer: {target: adamw, lr: 1e-2, weight_decay: 1e-2}\n"
        "batch_size: 16",
    ),
    Entry(
        _table(FEW_ROWS, SOME_ROWS),
        "an MLP of two narrow layers",
        "a tuned plain MLP is the baseline that few networks for tables beat",
        GORISHNIY,
        "model: {target: mlp, args: {hidden: [64, 64], dropout: 0.1}}\n"
        "optimizer: {target: adamw, lr: 1e-3, weight_decay: 1e-2}\nbatch_size: 32",
    ),
    Entry(
        _table(SOME_ROWS, 10**12),
        "an MLP of two or three layers of 256 with dropout",
        "a tuned plain MLP is the baseline that few networks for tables beat",
        GORISHNIY,
        "model: {target: mlp, args: {hidden: [256, 256], dropout: 0.1}}\n"
        "optimizer: {target: adamw, lr: 1e-3, weight_decay: 1e-2}\nbatch_size: 256\n"
        "search: {model.args.hidden: [[256, 256], [256, 256, 256]]}",
    ),
    Entry(
        _images(0, TINY),
        "a CNN of two convolutions",
        f"pictures below {TINY} pixels a side are halved twice at most; {SHARED}",
        LECUN,
        SMALL_CNN,
    ),
    Entry(
        lambda seen: _images(TINY, SMALL)(seen) and seen.samples < SOME_PICTURES,
        "a CNN of two convolutions",
        f"fewer than {SOME_PICTURES:,} pictures feed no deep network from scratch; {SHARED}",
        LECUN,
        SMALL_CNN,
    ),
    Entry(
        lambda seen: _images(TINY, SMALL)(seen) and seen.samples >= SOME_PICTURES,
        "a ResNet-20 made for such pictures, or a small CNN",
        "3x3 convolutions from the first layer on, halved two or three times: ResNet-20 has 0.27 million parameters "
        "and errs on 8.75 % of CIFAR-10, ResNet-110 with six times as many on 6.43 %",
        HE,
        "model: {target: resnet, args: {depth: 20}}  # or cnn, {channels: [32, 64, 128]}\n"
        "optimizer: {target: momentum, lr: 1e-1, weight_decay: 1e-4}\nbatch_size: 128",
    ),
    Entry(
        _images(SMALL, 10**9, colours=False),
        "a small CNN of four convolutions",
        "of pictures that are no colour photos, as in medicine, weights trained on photos bring little, and small CNNs "
        "do as well as large networks",
        RAGHU,
        "model: {target: cnn, args: {channels: [32, 64, 128, 256], batch_norm: true, dropout: 0.2}}\n"
        "optimizer: {target: adamw, lr: 1e-3, weight_decay: 1e-2}\nbatch_size: 64",
    ),
    Entry(
        _photos(0, FEW_PHOTOS),
        "a pretrained ResNet-18 fine-tuned, its head first with the body frozen",
        "features of photos carry over to other photos, and more so the fewer there are; of networks, those that are "
        "better on ImageNet transfer better (ResNet-50 next)",
        f"{YOSINSKI}; {KORNBLITH}",
        'model: {target: "torchvision:resnet18", pretrained: true, freeze: 1}\n'
        "optimizer: {target: adamw, lr: 1e-4, weight_decay: 1e-2}\nbatch_size: 32",
    ),
    Entry(
        _photos(FEW_PHOTOS, MANY),
        "a pretrained ResNet-50 fine-tuned",
        "fine-tuning is as good as training from scratch or better, in a fraction of the iterations",
        KORNBLITH,
        'model: {target: "torchvision:resnet50", pretrained: true}\n'
        "optimizer: {target: adamw, lr: 1e-4, weight_decay: 1e-2}\nbatch_size: 64",
    ),
    Entry(
        _photos(MANY, 10**12),
        "a ResNet-50, or a ViT with strong augmentation",
        "a million pictures feed 25 million parameters from scratch; a ViT needs augmentation and regularisation worth "
        "ten times the data",
        f"{HE}; {STEINER}",
        'model: {target: "torchvision:resnet50"}\n'
        "optimizer: {target: momentum, lr: 1e-1, weight_decay: 1e-4}\nbatch_size: 256",
    ),
    Entry(
        lambda seen: seen.kind == "tokens" and not seen.axes,
        "word counts in a linear model as the yardstick; a small transformer, or a pretrained one of your own",
        "a bag of words with a linear layer comes near deep networks on many texts, in seconds; a pretrained encoder "
        "(pretrained: true, module:callable) is fine-tuned in 2 to 4 epochs at rates of 2e-5 to 5e-5; where sequences "
        "are padded, the transformer's args say with which token (padding: TOKEN)",
        f"{JOULIN}; {DEVLIN}",
        TRANSFORMER,
    ),
    Entry(
        lambda seen: seen.kind == "tokens" and seen.axes == 1,
        "a small transformer: 2 to 4 layers, 64 to 256 wide, 4 heads",
        "a class a token is what attention was made for; a warm-up keeps its first iterations stable; where sequences "
        "are padded, the transformer's args say with which token (padding: TOKEN)",
        VASWANI,
        TRANSFORMER,
    ),
    Entry(
        lambda seen: seen.kind == "series" and not seen.axes,
        "three convolutions over time (128, 256, 128 channels) and a mean over the steps",
        "without any preparation of the series the strongest of the simple networks; write it as a model of your own",
        WANG,
        "optimizer: {target: adam, lr: 1e-3}\nbatch_size: 16",
    ),
)
"""In the order in which they are told."""
