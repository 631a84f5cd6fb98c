"""The losses that are built in, and a person's own called with what the model gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunekit.configuration import Values
from tunekit.recipe import call, check_arguments
from tunekit.telling import refused
from tunekit.training.structure import tensors
from tunekit.vocabulary import UserError

WEIGHTS = ("weight", "pos_weight")
"""Arguments of losses that are lists in a recipe and tensors for torch."""


def focal(outputs: Tensor, targets: Tensor, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """Focal loss (1 - p)^gamma * -ln p over logits [B, C] and classes [B] (Lin et al., ICCV 2017)."""
    cross = F.cross_entropy(outputs, targets, reduction="none")
    losses = (1 - torch.exp(-cross)) ** gamma * cross
    return losses if reduction == "none" else losses.mean()


def with_tensors(args: Values, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Values:
    return {k: torch.tensor(v, dtype=dtype, device=device) if k in WEIGHTS else v for k, v in args.items()}


def _weighted(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Lets a recipe write lists where torch wants tensors."""

    @wraps(function)
    def loss(outputs: Tensor, targets: Tensor, reduction: str = "mean", **args: Any) -> Tensor:
        return function(outputs, targets, reduction=reduction, **with_tensors(args, outputs.dtype, outputs.device))

    return loss


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": _weighted(F.cross_entropy),
    "bce": _weighted(F.binary_cross_entropy_with_logits),
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
    "focal": focal,
    "nll": _weighted(F.nll_loss),
    "multi_margin": F.multi_margin_loss,
}
"""Built-in losses: outputs, targets, reduction and arguments of the recipe's `loss.args`."""

OF_CLASSES = ("cross_entropy", "focal", "nll", "multi_margin")
"""Those that take outputs [B, C, ...] with classes [B, ...]."""


def check_loss(function: Callable[..., Tensor], name: str, args: Values) -> None:
    """Whether a built-in loss takes the recipe's arguments. Errors: UserError."""
    check_arguments(function, args, f"loss.args: {name}")
    outputs = torch.zeros(2, 2)
    targets = torch.zeros(2, dtype=torch.long) if name in OF_CLASSES else outputs
    try:
        function(outputs, targets, **{key: value for key, value in args.items() if key not in WEIGHTS})
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"loss.args: {name}: {refused(error)}") from None


class Own:
    """A person's own function of outputs and targets. Where the model gives several parts it is called with all of
    them or, if it does not take these, with the main tensor alone."""

    def __init__(self, function: Callable[..., Any], name: str, args: Values, main: Callable[[Any], Tensor]) -> None:
        self.function, self.args, self.main = function, args, main
        self.key, _, self.target = name.partition(": ")
        self._whole: bool | None = None
        self._device = torch.device("cpu")  # of a loss that is a module: class weights follow the outputs

    def __call__(self, outputs: Any, targets: Any) -> Any:
        if isinstance(outputs, Tensor) or self._whole:
            return self._call(outputs, targets)
        if self._whole is None:
            try:
                value = self._call(outputs, targets)
            except UserError as error:
                try:
                    value = self._call(self.main(outputs), targets)
                except UserError:
                    raise error from None
                self._whole = False
            else:
                self._whole = True
            return value
        return self._call(self.main(outputs), targets)

    def _call(self, outputs: Any, targets: Any) -> Any:
        given = next(tensors(outputs), None)
        if isinstance(self.function, nn.Module) and given is not None and given.device != self._device:
            self._device = given.device
            with torch.inference_mode(False):  # a tensor that is moved for a validation is trained with as well
                self.function.to(given.device)
        return call(self.function, self.key, self.target, outputs, targets, **self.args)
