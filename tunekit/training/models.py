"""Models by name: the built-in ones, torchvision's and timm's, and a person's own callable. No training here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from tunekit.configuration import ModelSpec, Values
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.telling import refused
from tunekit.training.data import Batch
from tunekit.training.seeds import seed_everything
from tunekit.vocabulary import UserError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def _activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise UserError(f"model.args.activation: no activation {name!r}; one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def mlp(
    shape: Sequence[int],
    outputs: int,
    hidden: Sequence[int] = (128, 128),
    batch_norm: bool = False,
    dropout: float = 0.0,
    activation: str = "relu",
) -> nn.Module:
    """Fully connected layers over flattened inputs [B, *shape] to [B, outputs]; hidden: [] is a linear model."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = prod(shape)
    for size in hidden:
        layers.append(nn.Linear(width, size, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(_activation(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def cnn(  # noqa: PLR0913 - the recipe's `model.args`
    shape: Sequence[int],
    outputs: int,
    channels: Sequence[int] = (32, 64),
    hidden: Sequence[int] = (),
    batch_norm: bool = True,
    dropout: float = 0.0,
    activation: str = "relu",
) -> nn.Module:
    """3x3 convolutions with pooling by 2 after each, then fully connected layers: [B, C, H, W] to [B, outputs]."""
    if len(shape) != 3:
        raise UserError(f"model: cnn takes images [C, H, W], not samples of shape {list(shape)}; use mlp")
    width, height, breadth = shape
    layers: list[nn.Module] = []
    for size in channels:
        layers.append(nn.Conv2d(width, size, 3, padding=1, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(size))
        layers.append(_activation(activation))
        if min(height, breadth) >= 2:
            layers.append(nn.MaxPool2d(2))
            height, breadth = height // 2, breadth // 2
        width = size
    head = mlp((width * height * breadth,), outputs, hidden, False, dropout, activation)
    # Dropout before the head also where there is no hidden layer.
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout and not hidden else []), head)


MODELS: dict[str, Callable[..., nn.Module]] = {"mlp": mlp, "cnn": cnn}


def build_model(spec: ModelSpec, folder: Path, sample: Batch, outputs: int | None, seed: int) -> nn.Module:
    """The model of a configuration, initialised from `seed`. `sample`: a batch that tells shapes. Errors: UserError."""
    target, args, pretrained = spec.target, dict(spec.args), spec.pretrained
    seed_everything(seed, "init")
    if target in MODELS:
        if not sample.args or not isinstance(sample.args[0], Tensor):
            raise UserError(f"model: {target} takes a single input tensor; give a model of your own (module:callable)")
        check_arguments(MODELS[target], args, f"model.args: {target}")
        args = {"shape": tuple(sample.args[0].shape[1:]), "outputs": outputs or 1, **args}
        model = _built(MODELS[target], target, args)
    elif target.startswith("torchvision:"):
        model = _torchvision(target.partition(":")[2], outputs, pretrained, args)
    elif target.startswith("timm:"):
        model = _timm(target.partition(":")[2], outputs, pretrained, args)
    elif ":" in target:
        function = resolve(target, folder, "model.target")
        seed_everything(seed, "init")  # what its import drew, it draws but once in a process
        model = construct(function, "model.target", target, **args)
    else:
        raise UserError(
            f"model.target: no model {target!r}; one of {', '.join(MODELS)}, torchvision:NAME, timm:NAME "
            "or module:callable"
        )
    if not isinstance(model, nn.Module):
        raise UserError(f"model.target: {target} must return a torch.nn.Module, not {type(model).__name__}")
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        with torch.no_grad():
            # Lazy layers take their sizes from a first batch; the model is not on the device yet.
            first = sample.each(Tensor.cpu)
            model(*first.args, **first.kwargs)
    return model


def _built(build: Callable[..., nn.Module], name: str, args: Values) -> nn.Module:
    try:
        return build(**args)
    except LookupError as error:
        raise UserError(
            f"model.args: {name}: no weights or option {error}; weights of your own, in a file, are loaded by a "
            "function of yours: model.target: module:callable"
        ) from None
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"model.args: {name}: {refused(error)}") from None


def _torchvision(name: str, outputs: int | None, pretrained: bool, args: Values) -> nn.Module:
    import torchvision.models as known

    if name not in known.list_models():
        raise UserError(f"model.target: torchvision has no model {name!r}")
    if not pretrained:
        return _built(known.get_model, name, {"name": name, "weights": None, "num_classes": outputs, **args})
    model = _built(known.get_model, name, {"name": name, "weights": "DEFAULT", **args})
    return _with_head(model, outputs)


def _with_head(model: nn.Module, outputs: int | None) -> nn.Module:
    """Pretrained weights with a fresh last linear layer of the right size."""
    last = [(path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    path, layer = last
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, nn.Linear(layer.in_features, outputs or layer.out_features))
    return model


def _timm(name: str, outputs: int | None, pretrained: bool, args: Values) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError:
        raise UserError(
            f'model.target: timm:{name} needs timm: pip install ".[timm]" in the checkout of tunekit'
        ) from None
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **{"num_classes": outputs, **args})
    except RuntimeError as error:
        raise UserError(f"model.target: timm:{name}: {error}") from None
    return model


def hookable(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The model's modules by name but for ScriptModules, on which torch takes no hooks."""
    return (named for named in model.named_modules() if not isinstance(named[1], torch.jit.ScriptModule))


def has_convolutions(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) for module in model.modules())
