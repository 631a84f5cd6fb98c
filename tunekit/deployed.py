"""A trained model in a file of its own: weights as safetensors, with all that it takes to build it again; and that
model, which takes what the data give and answers in the targets' units. Needs torch, and neither data nor recipe."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunekit.jsondata import plain
from tunekit.layout import FINAL, MODEL
from tunekit.measured import Input, Package, Scaling
from tunekit.recipe import module_digests
from tunekit.rundir import code_folder
from tunekit.telling import as_path, pasted, refused
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from tunekit.training.deployed import Deployed

NAME = "tunekit"
"""Of the entry in the file's metadata that holds a Package as JSON; `recipe` is beside it."""


def packed(weights: bytes, package: Package, recipe: Mapping[str, Any]) -> bytes:
    """A file of safetensors. `weights`: what a training keeps. Errors: UserError where they are not all tensors."""
    import torch
    from safetensors.torch import save

    state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)["model"]
    strange = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise UserError(f"{strange[0]} is no tensor; best.pt has it")
    # Tied weights are one tensor under several names, which the format does not have.
    tensors = {name: value.detach().clone().contiguous() for name, value in state.items()}
    metadata = {"format": "pt", NAME: json.dumps(package.to_json()), "recipe": json.dumps(plain(recipe))}
    try:
        return bytes(save(tensors, metadata))
    except (KeyError, ValueError, RuntimeError) as error:  # a type of numbers that the format does not have
        raise UserError(str(error)) from None


def runs_code(target: str) -> bool:
    """Whether building such a model runs code that comes with no library that is named."""
    return ":" in target and target.partition(":")[0] not in ("torchvision", "timm")


def load_model(path: str | Path, folder: str | Path | None = None) -> Deployed:
    """The final model of a run, or of a .safetensors file of one, in eval mode and on the CPU.

    It is called with what the data give before they are standardised (bytes of an image, a table's numbers), as tensors
    [B, ...]; it standardises them as in training, and answers with scores, or with numbers in the targets' own units,
    in as many passes as `tunekit train` scored it with (`train.test_time`; `model.views = None` makes it a single one).
    `classes` names the classes, `package` says what it takes. `folder`: where the module of a model of one's own lies;
    loading such a model runs that code, and none is run unless the folder is given, whatever the run says: it may be a
    stranger's. Where the code is another than the model was trained with, a warning says so. Errors: UserError.
    """
    model = read_model(path, folder)
    for line in changes(model):
        warnings.warn(line, stacklevel=2)
    return model


def changes(model: Deployed) -> list[str]:
    """What is told of code that is another than the model was trained with."""
    if not model.changed:
        return []
    return [
        f"{', '.join(model.changed)} changed since `tunekit train`: the trained weights run in other code; train "
        "again, or take the file back"
    ]


def read_model(path: str | Path, folder: str | Path | None = None) -> Deployed:
    """The same without a warning. Errors: UserError."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    file = path / FINAL / MODEL if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file}: no such file; `{pasted('tunekit', 'train', as_path(path))}` makes it")
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
        package = Package.from_json(json.loads(metadata[NAME]))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{file}: is no model of tunekit, or is damaged: {error}") from None
    if folder is None and runs_code(package.target):
        known = code_folder(file.parent.parent)
        raise UserError(
            f"{file}: its model {package.target} is code of its own, which loading runs: if you trust it, name "
            f"the folder where it lies, load_model(..., folder={'...' if known is None else repr(str(known))})"
        )
    try:
        return _built(package, state, Path(folder or file.parent).resolve())
    except (ValueError, RuntimeError) as error:  # of shapes and types that are none
        raise UserError(f"{file}: {refused(error)}; the file is damaged") from None


def _built(package: Package, state: Mapping[str, Tensor], folder: Path) -> Deployed:
    import torch

    from tunekit.configuration import ModelSpec
    from tunekit.training.data import Batch
    from tunekit.training.deployed import Deployed
    from tunekit.training.models import build_model

    def example(given: Input) -> Tensor:
        dtype = getattr(torch, given.dtype, None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"torch has no type {given.dtype!r}, which {given.name or 'an input'} is said to have")
        return torch.zeros(2, *given.shape, dtype=dtype)

    values = [example(given) for given in package.inputs]
    if package.normalize is not None and values:
        values[0] = values[0].float()
    named = {given.name: value for given, value in zip(package.inputs, values, strict=True) if given.name}
    plainly = tuple(value for given, value in zip(package.inputs, values, strict=True) if not given.name)
    sample = Batch(plainly, named, torch.zeros(2))
    network = build_model(ModelSpec(package.target, dict(package.args)), folder, sample, package.outputs, package.seed)
    if package.channels_last:
        network = network.to(memory_format=torch.channels_last)
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        raise UserError(f"model.target: {package.target}: {str(error).splitlines()[0]}; its code has changed") from None
    model = Deployed(network, package, _tensors(package.normalize), _tensors(package.units))
    used = module_digests(folder)
    model.changed = tuple(name for name in used if package.sources.get(name, used[name]) != used[name])
    return model.eval()


def _tensors(scaling: Scaling | None) -> tuple[Tensor, Tensor] | None:
    import torch

    from tunekit.training.data import needs_double

    if scaling is None:
        return None
    mean, scale = (
        torch.tensor(values, dtype=torch.float64).reshape(scaling.shape) for values in (scaling.mean, scaling.scale)
    )
    double = bool(needs_double(mean, 1 / scale).any())
    return (mean, scale) if double else (mean.float(), scale.float())
