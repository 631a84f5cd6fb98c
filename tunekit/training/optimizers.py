"""Optimizers by name, one entry each, any class of torch.optim, or a person's own callable."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunekit.recipe import call, resolve
from tunekit.vocabulary import TrainingConfig, UserError

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
}
"""Name in a recipe -> class of torch.optim and arguments that make it what the name says."""


TINY_RATE_FACTORS = dict.fromkeys(("sgd", "momentum", "nesterov", "adagrad"), 10.0)
"""Rates of plain gradient descent on a tiny set lie a decade above Adam's."""


def tiny_rate_factor(target: str) -> float:
    """The optimizer's usual rates on a tiny set, over Adam's."""
    return TINY_RATE_FACTORS.get(target, 1.0)


def build_optimizer(config: TrainingConfig, model: nn.Module, folder: Path) -> torch.optim.Optimizer:
    """The optimizer over the parameters that train. Several groups keep the ratios of their rates. Errors: UserError.

    A person's callable gets the model where its first parameter is called `model`, else the parameters, and
    `lr` and `weight_decay` by name.
    """
    target, args = config.optimizer["target"], dict(config.optimizer["args"])
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise UserError("model: no parameter trains (requires_grad is off for all, or there are none)")
    for name in ("lr", "weight_decay"):
        if name in args:
            raise UserError(f"optimizer.args.{name}: stands as optimizer.{name}, where the steps can tune it")
    common = {"lr": config.lr, "weight_decay": config.weight_decay}
    if ":" in target and not target.startswith("torch.optim:"):
        function = resolve(target, folder, "optimizer.target")
        first = next(iter(inspect.signature(function).parameters), "")
        given = model if first == "model" else trained
        optimizer = call(function, folder, "optimizer.target", target, given, **{**common, **args})
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UserError(f"optimizer.target: {target} must return one torch.optim.Optimizer")
    else:
        name, preset = OPTIMIZERS.get(target, (target.removeprefix("torch.optim:"), {}))
        kind = getattr(torch.optim, name, None)
        if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
            raise UserError(
                f"optimizer.target: no optimizer {target!r}; one of {', '.join(OPTIMIZERS)}, a class of torch.optim "
                "or module:callable"
            )
        if "fused" in inspect.signature(kind).parameters and "fused" not in args:
            args["fused"] = all(parameter.is_floating_point() for parameter in trained)
        try:
            optimizer = kind(trained, **{**common, **preset, **args})
        except (TypeError, ValueError) as error:
            raise UserError(f"optimizer.args: {target}: {error}") from None
    if not config.regularize:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0
    return optimizer
