"""How a recipe says a model's width, so that advice can ask for more of it. Builds nothing."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from tunekit.configuration import ModelSpec, Values
from tunekit.recipe import resolve
from tunekit.training.models import cnn, mlp
from tunekit.training.models.table import MODELS

SIZES = ("width", "hidden", "channels")
"""Arguments that are layers' sizes: a number, or one a layer."""

USUAL = {"mlp": ("hidden", mlp.WIDTH), "cnn": ("channels", cnn.WIDTH)}
"""The width of built-in models that say none in their signature, unless this list does."""


def widened(spec: ModelSpec, folder: Path, times: int) -> dict[str, Any]:
    """The arguments with which the model is so many times as wide; none where its signature takes no such size, nothing
    says how wide it is, or trained weights fix it."""
    if spec.pretrained or spec.weights is not None:
        return {}
    has = {**_defaults(spec, folder), **spec.args}
    return {name: _scaled(has[name], times) for name in SIZES if name in has and _is_size(has[name])}


def _defaults(spec: ModelSpec, folder: Path) -> Values:
    """What the model takes for each argument that the recipe does not give."""
    if spec.target in MODELS:
        build = MODELS[spec.target]
    elif ":" in spec.target and not spec.target.startswith(("torchvision:", "timm:")):
        build = resolve(spec.target, folder, "model.target")
    else:
        return {}
    try:
        taken = {one.name: one.default for one in inspect.signature(build).parameters.values()}
    except (TypeError, ValueError):  # of compiled code
        return {}
    listed, usual = USUAL.get(spec.target, ("", None))
    return taken if spec.args.get(listed) is not None or usual is None else {**taken, "width": usual}


def _is_size(value: object) -> bool:
    every = value if isinstance(value, list | tuple) else [value]
    return bool(every) and all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in every)


def _scaled(value: Any, times: int) -> Any:
    return [times * one for one in value] if isinstance(value, list | tuple) else times * value
