"""A model by the name in a recipe: built in, of a library, or a person's own callable. No training here."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.configuration import ModelSpec, Values
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.recipe.text import nearest
from tunekit.training.data import Batch
from tunekit.training.models.arguments import built
from tunekit.training.models.libraries import timm_model, torchvision_model
from tunekit.training.models.table import MODELS, OF_DATA, Whole
from tunekit.training.seeds import seed_everything
from tunekit.vocabulary import UserError


def build_model(
    spec: ModelSpec, folder: Path, sample: Batch, outputs: int | None, seed: int, splits: Whole | None = None
) -> nn.Module:
    """The model of a configuration, initialised from `seed`, without the weights of a file. `sample`: a batch that
    tells shapes; `splits`: how to get all data, for what a built-in model finds there. Errors: UserError."""
    target, args = spec.target, dict(spec.args)
    # Weights of a file take the place of those that a library would fetch.
    pretrained = spec.pretrained and spec.weights is None
    seed_everything(seed, "init")
    if target in MODELS:
        if pretrained:
            raise UserError(
                f"model.pretrained: {target} comes with no trained weights; name a file of them by model.weights, or "
                "leave it false"
            )
        model = _built_in(target, args, sample, outputs, splits)
    elif target.startswith("torchvision:"):
        model = torchvision_model(target.partition(":")[2], sample, outputs, pretrained, args)
    elif target.startswith("timm:"):
        model = timm_model(target.partition(":")[2], outputs, pretrained, args)
    elif ":" in target:
        function = resolve(target, folder, "model.target")
        seed_everything(seed, "init")  # what its import drew, it draws but once in a process
        model = construct(function, "model.target", target, **args)
    else:
        raise UserError(
            f"model.target: no model {target!r}{nearest(target, MODELS)}; one of {', '.join(MODELS)}, "
            "torchvision:NAME, timm:NAME or module:callable"
        )
    if not isinstance(model, nn.Module):
        raise UserError(f"model.target: {target} must return a torch.nn.Module, not {type(model).__name__}")
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        with torch.no_grad():
            # Lazy layers take their sizes from a first batch; the model is not on the device yet.
            first = sample.each(Tensor.cpu)
            model(*first.args, **first.kwargs)
    return model


def check_inputs(target: str, sample: Batch) -> None:
    """Whether a model that comes with tunekit or a library takes the type of the inputs. Errors: UserError."""
    first = sample.args[0] if sample.args else None
    known = target in MODELS or target.startswith(("torchvision:", "timm:"))
    if not known or not isinstance(first, Tensor) or first.dtype == torch.float32:
        return
    if target in MODELS and "vocab" in inspect.signature(MODELS[target]).parameters and not first.is_complex():
        return
    how = "make them so, or say `standardize: true` under `data.args`, where the source has it"
    if first.is_complex():
        how = "give their real and imaginary parts as values of their own"
    kind = str(first.dtype).removeprefix("torch.")
    raise UserError(f"data: the inputs are {kind}, and {target} takes float32: {how}")


def _built_in(
    name: str, args: dict[str, object], sample: Batch, outputs: int | None, splits: Whole | None
) -> nn.Module:
    if not sample.args or not isinstance(sample.args[0], Tensor):
        raise UserError(f"model: {name} takes a single input tensor; give a model of your own (module:callable)")
    build = MODELS[name]
    check_arguments(build, args, f"model.args: {name}")
    known = {"shape": tuple(sample.args[0].shape[1:]), "outputs": outputs or 1}
    return built(build, name, {**known, **found_in_data(name, args, sample, splits), **args})


def found_in_data(name: str, args: Values, sample: Batch, splits: Whole | None) -> dict[str, Any]:
    """The arguments of a built-in model that the recipe leaves to the data; of other models none."""
    taken = inspect.signature(MODELS[name]).parameters if name in MODELS else {}
    return {key: find(sample, splits) for key, find in OF_DATA.items() if key in taken and key not in args}
