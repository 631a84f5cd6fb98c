"""Models of torchvision and timm by their names there, with as many outputs as the data ask for."""

from __future__ import annotations

from torch import nn

from tunekit.configuration import Values
from tunekit.telling import refused
from tunekit.training.data import Batch
from tunekit.training.models.arguments import built
from tunekit.training.models.heads import replace_head
from tunekit.vocabulary import UserError

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
    model = built(known.get_model, name, {"weights": "DEFAULT", **args})
    replace_head(model, sample, outputs)
    return model


def timm_model(name: str, outputs: int | None, pretrained: bool, args: Values) -> nn.Module:
    """Errors: UserError."""
    try:
        import timm
    except ModuleNotFoundError:
        raise UserError(
            f'model.target: timm:{name} needs timm: pip install ".[timm]" in the checkout of tunekit'
        ) from None
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **{"num_classes": outputs, **args})
    except RuntimeError as error:
        raise UserError(f"model.target: timm:{name}: {refused(error)}") from None
    return model
