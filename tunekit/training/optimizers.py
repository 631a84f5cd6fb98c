"""Optimizers built: those of the table by name, any class of torch.optim, or a person's own callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunekit.configuration import OptimizerSpec, TrainingConfig
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.recipe.optimizers import OPTIMIZERS, TORCH, Optimizer, is_built_in
from tunekit.telling import refused
from tunekit.vocabulary import UserError


def build_optimizer(config: TrainingConfig, model: nn.Module, folder: Path) -> torch.optim.Optimizer:
    """The optimizer over the parameters that train. Several groups keep the ratios of their rates. Errors: UserError.

    A person's callable gets the model where its first parameter is called `model`, else the parameters, and
    `lr` and `weight_decay` by name.
    """
    target, args = config.optimizer.target, dict(config.optimizer.args)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise UserError("model: no parameter trains (requires_grad is off for all, or there are none)")
    for name in ("lr", "weight_decay"):
        if name in args:
            raise UserError(f"optimizer.args.{name}: stands as optimizer.{name}, where the steps can tune it")
    check_optimizer(config.optimizer)
    args = {"lr": config.lr, "weight_decay": config.weight_decay, **args}
    if is_built_in(target):
        optimizer = _by_name(target, trained, args)
    else:
        function = resolve(target, folder, "optimizer.target")
        first = next(iter(inspect.signature(function).parameters), "")
        optimizer = construct(function, "optimizer.target", target, model if first == "model" else trained, **args)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UserError(f"optimizer.target: {target} must return one torch.optim.Optimizer")
    if not config.regularize:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0
    return optimizer


def check_optimizer(spec: OptimizerSpec) -> None:
    """What can be said of an optimizer before there is one: building it imports torch's compiler, which takes a second.
    Errors: UserError."""
    if is_built_in(spec.target):
        check_arguments(_class_of(spec.target), spec.args, f"optimizer.args: {spec.target}")


def _class_of(target: str) -> Callable[..., torch.optim.Optimizer]:
    module, _, name = OPTIMIZERS.get(target, Optimizer(target)).target.rpartition(":")
    build: Callable[..., torch.optim.Optimizer] | None = getattr(import_module(module or TORCH), name, None)
    if not (isinstance(build, type) and issubclass(build, torch.optim.Optimizer)):
        raise UserError(
            f"optimizer.target: no optimizer {target!r}; one of {', '.join(OPTIMIZERS)}, a class of torch.optim "
            "or module:callable"
        )
    return build


def _by_name(target: str, trained: list[nn.Parameter], args: dict[str, Any]) -> torch.optim.Optimizer:
    build, own = _class_of(target), OPTIMIZERS.get(target, Optimizer(target)).args
    if "fused" in inspect.signature(build).parameters and "fused" not in args:
        args["fused"] = all(parameter.is_floating_point() for parameter in trained)
    try:
        return build(trained, **{**own, **args})
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args: {target}: {refused(error)}") from None
