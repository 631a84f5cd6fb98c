"""Optimizers built: those of the table by name, any class of torch.optim, or a person's own callable."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tunekit.configuration import OptimizerSpec, TrainingConfig
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.recipe.optimizers import OPTIMIZERS, TORCH, Optimizer, is_built_in
from tunekit.recipe.text import nearest
from tunekit.telling import refused
from tunekit.training.normalisations import normalising_parameters
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
    check_optimizer(config.optimizer, model)
    args = {"lr": config.lr, "weight_decay": config.weight_decay, **args}
    if is_built_in(target):
        optimizer = _by_name(target, model, trained, args, together=not config.model.freeze)
    else:
        function = resolve(target, folder, "optimizer.target")
        first = next(iter(inspect.signature(function).parameters), "")
        optimizer = construct(function, "optimizer.target", target, model if first == "model" else trained, **args)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise UserError(f"optimizer.target: {target} must return one torch.optim.Optimizer")
    if config.optimizer.decay_on == "weights":
        _decay_weights_alone(optimizer, model)
    if not config.regularize:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0
    return optimizer


def check_optimizer(spec: OptimizerSpec, model: nn.Module) -> None:
    """What can be said of an optimizer before there is one: building it imports torch's compiler, which takes a second.
    Errors: UserError."""
    if not is_built_in(spec.target):
        return
    build, place = _class_of(spec.target), f"optimizer.args: {spec.target}"
    _check_matrices(spec.target, [parameter for parameter in model.parameters() if parameter.requires_grad])
    check_arguments(build, spec.args, place)
    parameters = inspect.signature(build).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):  # it takes any word, and does nothing with it
        known = [name for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD]
        for name in spec.args:
            if name not in known:
                raise UserError(f"{place}: got an unexpected keyword argument {name!r}{nearest(name, known)}")


def _check_matrices(target: str, trained: list[nn.Parameter]) -> None:
    """torch's Muon alone takes no bias. Errors: UserError."""
    if target.removeprefix(f"{TORCH}:") == "Muon" and any(p.dim() != 2 for p in trained):
        raise UserError(
            f"optimizer.target: {target} takes matrices alone, and this model has biases or others that are none; "
            "`muon` gives them to AdamW"
        )


def _decay_weights_alone(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Biases and the parameters of normalisation layers into groups of their own, without decay."""
    left = normalising_parameters(model) | {id(p) for p in model.parameters() if p.dim() <= 1}
    groups = []
    for group in optimizer.param_groups:
        for decays in (True, False):
            parameters = [p for p in group["params"] if (id(p) not in left) is decays]
            if parameters:
                groups.append({**group, "params": parameters, **({} if decays else {"weight_decay": 0.0})})
    optimizer.param_groups[:] = groups


def _class_of(target: str) -> Callable[..., torch.optim.Optimizer]:
    entry = OPTIMIZERS.get(target, Optimizer(target))
    module, _, name = entry.target.rpartition(":")
    try:
        library = import_module(module or TORCH)
    except ModuleNotFoundError:
        if not entry.extra:
            raise
        raise UserError(
            f"optimizer.target: {target} needs {module.replace('_', '-')}: "
            f'pip install ".[{entry.extra}]" in the checkout of tunekit'
        ) from None
    build: Callable[..., torch.optim.Optimizer] | None = getattr(library, name, None)
    if not (isinstance(build, type) and issubclass(build, torch.optim.Optimizer)):
        raise UserError(
            f"optimizer.target: no optimizer {target!r}{nearest(target, OPTIMIZERS)}; one of {', '.join(OPTIMIZERS)}, "
            "a class of torch.optim "
            "or module:callable"
        )
    return build


def _fuses(build: Callable[..., torch.optim.Optimizer], parameter: nn.Parameter) -> bool:
    return parameter.is_floating_point() and _fuses_on(build, parameter.device, parameter.dtype)


@cache
def _fuses_on(build: Callable[..., torch.optim.Optimizer], device: torch.device, dtype: torch.dtype) -> bool:
    """Whether its fused step takes such parameters: a version of torch has it for some devices, and says so at the
    first step (Adagrad's for the CPU alone, in 2.11)."""
    one = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))
    one.grad = torch.zeros_like(one)
    try:
        build([one], fused=True).step()
    except (RuntimeError, TypeError, ValueError):
        return False
    return True


def _by_name(
    target: str, model: nn.Module, trained: list[nn.Parameter], args: dict[str, Any], together: bool
) -> torch.optim.Optimizer:
    """`together`: all parameters begin at once; torch's fused steps take all of them with a momentum, or none."""
    build, own = _class_of(target), OPTIMIZERS.get(target, Optimizer(target)).args
    parameters = inspect.signature(build).parameters
    if "fused" in parameters and not args.keys() & {"fused", "foreach", "differentiable"}:
        args["fused"] = together and all(_fuses(build, parameter) for parameter in trained)
    try:
        return build(model if next(iter(parameters)) == "model" else trained, **{**own, **args})
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"optimizer.args: {target}: {refused(error)}") from None
