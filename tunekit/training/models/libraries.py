"""Models of torchvision and timm by their names there, with as many outputs as the data ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from tunekit.configuration import Values
from tunekit.mending import advice
from tunekit.recipe.text import nearest
from tunekit.telling import refused
from tunekit.training.data import Batch
from tunekit.training.models.arguments import built
from tunekit.training.models.heads import replace_head
from tunekit.vocabulary import Interrupted, UserError

AUXILIARY: Values = {"aux_logits": False}
"""Side classifiers have outputs of their own, which no loss of ours asks for."""
USUAL: dict[str, Values] = {
    "googlenet": {**AUXILIARY, "init_weights": True},  # else a warning that the default will change
    "inception_v3": {**AUXILIARY, "init_weights": True},
}


def torchvision_model(name: str, sample: Batch, outputs: int | None, pretrained: bool, args: Values) -> nn.Module:
    """Errors: UserError."""
    import torchvision.models as known

    if name not in known.list_models():
        raise UserError(f"model.target: torchvision has no model {name!r}")
    args = {"name": name, **USUAL.get(name, {}), **args}
    if not pretrained:
        return built(known.get_model, name, {"weights": None, "num_classes": outputs, **args})
    args.pop("init_weights", None)
    weights = {"weights": "DEFAULT", **args}["weights"]
    model = _with_weights(
        lambda: built(known.get_model, name, {"weights": weights, **args}),
        f"torchvision:{name}",
        lambda: f", or put {_file_of(name, weights)} into {Path(torch.hub.get_dir()) / 'checkpoints'}",
    )
    replace_head(model, sample, outputs)
    return model


def _file_of(name: str, weights: object) -> str:
    """What torchvision's file of weights is called."""
    import torchvision.models as known

    every = known.get_model_weights(name)
    return Path(getattr(every, "DEFAULT" if weights == "DEFAULT" else str(weights).rpartition(".")[2]).url).name


def _with_weights(build: Callable[[], nn.Module], target: str, place: Callable[[], str] = lambda: "") -> nn.Module:
    """A model with the weights that its library fetches. `place`: where else they are looked for. Errors: UserError."""
    try:
        return build()
    except (UserError, MemoryError, Interrupted):
        raise
    except Exception as error:  # of the network, the libraries and the files, which have many
        mended = f"; {told}" if isinstance(error, OSError) and (told := advice(error)) else ""
        text = " ".join(refused(error).split()).rstrip(".")
        raise UserError(
            f"model.pretrained: the weights of {target} cannot be had: {text}{mended}; or give "
            f"a file of them: model.weights: FILE{place()}"
        ) from None


def timm_model(name: str, outputs: int | None, pretrained: bool, args: Values) -> nn.Module:
    """Errors: UserError."""
    try:
        import timm
    except ModuleNotFoundError:
        raise UserError(
            f'model.target: timm:{name} needs timm: pip install ".[timm]" in the checkout of tunekit'
        ) from None
    if not timm.is_model(name):
        raise UserError(f"model.target: timm has no model {name!r}{nearest(name, timm.list_models())}")
    args = {"model_name": name, "num_classes": outputs, **args}
    if not pretrained:
        return built(timm.create_model, name, args)
    if not timm.models.get_pretrained_cfg(name).has_weights:
        raise UserError(
            f"model.pretrained: timm has no weights for {name}; leave it false, or name a file: model.weights"
        )
    return _with_weights(lambda: built(timm.create_model, name, {"pretrained": True, **args}), f"timm:{name}")
