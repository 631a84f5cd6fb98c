"""A trained model as an nn.Module that takes what the data give and answers in the targets' units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Package
from tunekit.training.decisions import Decisions, Form, decide
from tunekit.training.outputs import any_tensor
from tunekit.training.test_time import answer_to_views

Pair = tuple[Tensor, Tensor]


class _Scaler(nn.Module):
    """Mean and 1 / standard deviation, which move with the model."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)


class Deployed(nn.Module):
    """`network`: the person's model. `normalize` and `units`: (mean, 1 / standard deviation) of the first input and of
    the targets, None where they stay as they are. `classes`: their names, in the order of the scores. `views`: of an
    image that are asked about, their answers averaged, as `tunekit train` scored the model (`train.test_time`); None is
    a single pass, and may be set. `changed`: modules of the person's that are no longer those it was trained with."""

    changed: tuple[str, ...] = ()

    def __init__(self, network: nn.Module, package: Package, normalize: Pair | None, units: Pair | None) -> None:
        super().__init__()
        self.network = network
        self.package = package
        self.classes = package.classes
        self.views = package.views
        self._input = _Scaler(*normalize) if normalize else None
        self._target = _Scaler(*units) if units else None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Scores, or numbers in the targets' units: of the inputs [B, ...] as the data give them."""
        if self._input is not None:
            mean, scale = self._input.mean, self._input.scale
            args = (((args[0].to(mean.dtype) - mean) * scale).float(), *args[1:])
        if self.views is None:
            outputs = self.network(*args, **kwargs)
        else:
            outputs = answer_to_views(lambda view: self.network(view, *args[1:], **kwargs), args[0], self.views)
        return outputs if self._target is None else any_tensor(outputs) / self._target.scale + self._target.mean

    @torch.no_grad()
    def predict(self, *args: Any, **kwargs: Any) -> Decisions:
        """What it says of a batch, with the probability of it."""
        package = self.package
        form = Form(package.answers, package.axis, package.probabilities)
        return decide(self(*args, **kwargs), form)
