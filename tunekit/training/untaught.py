"""Outputs of a network that knows nothing: zeros, and what the distribution of the targets alone would say."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tunekit.training.axes import Reading
from tunekit.training.losses import of_each_class


def untaught(kind: str, reading: Reading | None, outputs: Tensor, known: object, weights: Any) -> dict[str, Tensor]:
    """Constant outputs in the shape of `outputs`, by name. `known`: targets as the metric takes them; `weights`: what
    bends their distribution, a number a class, or None."""
    constants = {"zero": torch.zeros_like(outputs)}
    if not isinstance(known, Tensor):
        return constants
    if kind == "classification":
        return _of_classes(constants, reading, outputs, known, weights)
    if known.shape[1:] != outputs.shape[1:]:
        return constants
    if kind in ("binary", "multilabel"):
        share = known.mean(0).clamp(1e-6, 1 - 1e-6)
        if weights is not None:
            ones = share * torch.as_tensor(weights).to(share)
            share = ones / (ones + 1 - share)
        constants["prior"] = torch.logit(share).expand_as(outputs)
    else:
        constants["prior"] = known.mean(0).expand_as(outputs)
        constants["median"] = known.median(0).values.expand_as(outputs)
    return constants


def _of_classes(
    constants: dict[str, Tensor], known_reading: Reading | None, outputs: Tensor, known: Tensor, weights: Any
) -> dict[str, Tensor]:
    reading = known_reading or Reading()
    shaped = reading.outputs(outputs)
    classes = known.shape != outputs.shape and known.dim() >= 1 and outputs.dim() >= 2
    if classes and (known_reading is not None or (known.dim() == 1 and outputs.dim() == 2)):
        counted = known[(known >= 0) & (known < shaped.shape[1])]  # without ignore_index
        counts = torch.bincount(counted.flatten(), minlength=shaped.shape[1])
        if weights is not None:
            counts = counts * of_each_class("weight", weights, shaped).to(counts.device)
        share = (counts / counts.sum().clamp_min(1e-6)).clamp_min(1e-6)
        prior = share.log().to(outputs).view(1, -1, *[1] * (shaped.dim() - 2)).expand_as(shaped)
        constants["prior"] = prior if reading.axis == 1 else prior.movedim(1, reading.axis)
    # A model that ends in log_softmax gives log-probabilities: zero logits become log(1 / C).
    if outputs.dim() >= 2:
        return {name: torch.log_softmax(value, reading.axis) for name, value in constants.items()}
    return constants
