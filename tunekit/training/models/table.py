"""The built-in models by the name in a recipe, one entry each, and what they take from the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.data import Batch, Splits, TensorSplit
from tunekit.training.models.cnn import cnn
from tunekit.training.models.mlp import mlp
from tunekit.training.models.polynomial import polynomial
from tunekit.training.models.resnet import resnet
from tunekit.training.models.transformer import transformer

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "transformer": transformer,
    "polynomial": polynomial,
}
"""Each is called with the `shape` of a sample, the number of `outputs`, and the recipe's `model.args`."""


Whole = Callable[[], Splits]
"""How to get all data of a recipe, whatever few of them a training is of."""


def _vocab(sample: Batch, whole: Whole | None) -> int | None:
    """Tokens: one more than the largest in memory; None where inputs are no whole numbers."""
    first = sample.args[0]
    if first.is_floating_point() or first.is_complex():
        return None
    if whole is None:
        return None
    splits = whole()
    parts = [splits.train, splits.val]
    stored = [part.stored.args[0] for part in parts if isinstance(part, TensorSplit)]
    return max((int(tokens.max()) + 1 for tokens in stored if tokens.numel()), default=None)


def _each_place(sample: Batch, _whole: Whole | None) -> bool:
    """Whether a target stands at each place of a sequence."""
    first, targets = sample.args[0], sample.targets
    return isinstance(targets, Tensor) and first.dim() == 2 and targets.shape[:2] == first.shape


def _bounds(_sample: Batch, whole: Whole | None) -> tuple[Tensor, Tensor] | None:
    """The least and the largest of each input in the training samples in memory."""
    train = None if whole is None else whole().train
    if not isinstance(train, TensorSplit):
        return None
    values = train.batch(torch.arange(len(train))).args[0].flatten(1).float().cpu()
    return values.amin(0), values.amax(0)


OF_DATA: dict[str, Callable[[Batch, Whole | None], Any]] = {
    "vocab": _vocab,
    "each_place": _each_place,
    "bounds": _bounds,
}
"""Arguments that a built-in model finds in the data unless the recipe has them."""
