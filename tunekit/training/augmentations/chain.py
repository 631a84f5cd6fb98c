"""The augmentations by name, one entry each in AUGMENTATIONS, and those of a recipe as one function of a batch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from tunekit.configuration import DataSpec, Values
from tunekit.recipe import check_arguments
from tunekit.recipe.text import nearest
from tunekit.telling import refused
from tunekit.training.augmentations.geometry import (
    LARGEST_SHEAR,
    affine,
    crop,
    flip,
    resized_crop,
    rotate,
    vertical_flip,
)
from tunekit.training.augmentations.mixing import cutmix, mixed_targets, mixes_each, mixes_targets, mixup
from tunekit.training.augmentations.units import Units, units_of
from tunekit.training.augmentations.values import erase, jitter, noise
from tunekit.training.data import Batch, LoaderSplit, Split
from tunekit.training.structure import by_rows
from tunekit.training.tasks import Task
from tunekit.vocabulary import UserError

Scaling = Callable[[Any, float], Any]
"""A magnitude of a recipe's, and a strength: the magnitude at that strength, the same at 1."""


def _times(most: float = math.inf) -> Scaling:
    def scaled(value: Any, strength: float) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(scaled(one, strength) for one in value)
        return min(most, value * strength) if value <= most else value  # what is too large is told as it stands

    return scaled


def _whole(value: Any, strength: float) -> Any:
    return value if value != int(value) else round(value * strength)


def _power(value: Any, strength: float) -> Any:
    """Factors, and shares that are kept: halfway to 1 at half strength, on a logarithmic scale."""
    if isinstance(value, list | tuple):
        return type(value)(_power(one, strength) for one in value)
    return value**strength if value > 0 else value


@dataclass(frozen=True)
class Augmentation:
    """A function of the first input, of positional parts that the chain gives it, and of the recipe's arguments.

    `of`: what it takes: "images" [B, C, H, W] in image units (0 black, 1 white), "pixels" (images in any units), or
    "values": any input as the model gets it. `fills`: it is given the images' mean; `moves`: pixels change their
    place; `mixes`: it is told whether each sample has a share of its own, and gives its draw besides. `magnitudes`:
    what a strength does to the arguments that it scales.
    """

    apply: Callable[..., Any]
    of: Literal["images", "pixels", "values"]
    magnitudes: Mapping[str, Scaling] = field(default_factory=dict)
    fills: bool = False
    moves: bool = False
    mixes: bool = False

    def at(self, args: Values, strength: float) -> Values:
        """The arguments, those that were not given included, at a strength."""
        defaults = {name: p.default for name, p in inspect.signature(self.apply).parameters.items()}
        known = {name: args.get(name, defaults.get(name)) for name in self.magnitudes}
        return {**args, **{name: self.magnitudes[name](value, strength) for name, value in known.items()}}


_AREA = {"scale": _times(1.0)}
AUGMENTATIONS: dict[str, Augmentation] = {
    "flip": Augmentation(flip, "pixels", moves=True),
    "vertical_flip": Augmentation(vertical_flip, "pixels", moves=True),
    "crop": Augmentation(crop, "images", {"padding": _whole}, fills=True, moves=True),
    "resized_crop": Augmentation(resized_crop, "images", {"scale": _power, "ratio": _power}, moves=True),
    "rotate": Augmentation(rotate, "images", {"degrees": _times()}, fills=True, moves=True),
    "affine": Augmentation(
        affine,
        "images",
        {"degrees": _times(), "translate": _times(), "scale": _power, "shear": _times(LARGEST_SHEAR)},
        fills=True,
        moves=True,
    ),
    "jitter": Augmentation(
        jitter,
        "images",
        {"brightness": _times(), "contrast": _times(), "saturation": _times(), "hue": _times(0.5)},
    ),
    "erase": Augmentation(erase, "images", _AREA, fills=True),
    "noise": Augmentation(noise, "values", {"std": _times()}),
    "mixup": Augmentation(mixup, "values", {"alpha": _times()}, mixes=True),
    "cutmix": Augmentation(cutmix, "pixels", {"alpha": _times()}, moves=True, mixes=True),
}
"""By the name in `data.augment`, whose entries are names or {name: {arguments}}."""


@dataclass(frozen=True)
class Link:
    """An entry of a recipe's, ready to be applied."""

    name: str
    augmentation: Augmentation
    args: Values

    def apply(self, x: Tensor, units: Units | None, each: bool) -> Any:
        """Errors: UserError."""
        given: list[Any] = [each] if self.augmentation.mixes else []
        if self.augmentation.fills and units is not None:
            given = [units.mean]
        try:
            return self.augmentation.apply(x, *given, **self.args)
        except torch.OutOfMemoryError:
            raise
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"data.augment: {self.name}: {refused(error)}") from None


def links_of(entries: Sequence[str | Values], strength: float = 1.0) -> tuple[Link, ...]:
    """The augmentations of a recipe in order; none at strength 0. Errors: UserError."""
    links = []
    for entry in entries:
        name, args = (entry, {}) if isinstance(entry, str) else _entry(entry)
        if name not in AUGMENTATIONS:
            known = f"{nearest(name, AUGMENTATIONS)}; one of {', '.join(AUGMENTATIONS)}"
            raise UserError(f"data.augment: no augmentation {name!r}{known}")
        augmentation = AUGMENTATIONS[name]
        check_arguments(augmentation.apply, args, f"data.augment: {name}")
        blank = Units(*torch.zeros(3, 3, 1, 1))
        with torch.random.fork_rng(devices=[]):  # asking whether they are sound draws nothing
            Link(name, augmentation, args).apply(torch.zeros(2, 3, 8, 8), blank, each=True)
        links.append(Link(name, augmentation, augmentation.at(args, strength)))
    return tuple(links) if strength else ()


def _entry(entry: object) -> tuple[str, Values]:
    if isinstance(entry, Mapping) and len(entry) == 1:
        name, args = next(iter(entry.items()))
        if args is None or isinstance(args, Mapping):
            return str(name), dict(args or {})
    raise UserError(f"data.augment: an entry is a name or one {{name: {{arguments}}}}, not {entry!r}")


@dataclass(frozen=True)
class Chain:
    """A recipe's augmentations as one function of a training batch. `each`: samples are mixed by shares of their own;
    `numbers`: targets are mixed themselves."""

    links: tuple[Link, ...] = ()
    units: Units | None = None
    each: bool = True
    numbers: bool = False

    @property
    def mixes(self) -> bool:
        """Whether targets come out mixed: what a metric of such a batch would say, it would not say of the data."""
        return any(link.augmentation.mixes for link in self.links)

    def __call__(self, batch: Batch) -> Batch:
        """Errors: UserError where the batch is not of the kind that an entry takes."""
        if not self.links:
            return batch
        if not batch.args:
            raise UserError("data.augment: works on the first input of tuple batches, not on dictionaries")
        first, targets = batch.args[0], batch.targets
        x, in_units = self._as_numbers(first), False
        for link in self.links:
            self._check(link, x, batch)
            wanted = in_units if link.augmentation.of == "pixels" else link.augmentation.of == "images"
            if self.units is not None and in_units != wanted:
                x, in_units = (self.units.to_image(x) if wanted else self.units.to_input(x)), wanted
            if link.augmentation.mixes:
                x, draw = link.apply(x, self.units, self.each)
                targets = mixed_targets(targets, draw, self.numbers)
            else:
                x = link.apply(x, self.units, self.each)
        if in_units and self.units is not None:
            x = self.units.to_input(x)
        return Batch((_in_type(x, first), *batch.args[1:]), batch.kwargs, targets, batch.count)

    def _as_numbers(self, first: object) -> Tensor:
        """Pictures in bytes as numbers; whole numbers else are tokens, or categories."""
        if not isinstance(first, Tensor):
            raise UserError(f"data.augment: takes a tensor as the first input, not a {type(first).__name__}")
        if first.is_floating_point():
            return first
        if first.dim() != 4:
            raise UserError(
                f"data.augment: takes numbers, or images [C, H, W], as the first input, not whole numbers "
                f"{list(first.shape[1:])}"
            )
        return first.float()

    def _check(self, link: Link, x: Tensor, batch: Batch) -> None:
        of_images, targets = link.augmentation.of != "values", batch.targets
        if of_images and x.dim() != 4:
            raise UserError(
                f"data.augment: {link.name} takes images [C, H, W], not samples of shape {list(x.shape[1:])}"
            )
        dense = isinstance(targets, Tensor) and targets.dim() > 2 and targets.shape[-2:] == x.shape[-2:]
        if link.augmentation.moves and dense:
            raise UserError(
                f"data.augment: {link.name} would move the pixels of the images and not those of their targets "
                f"{list(targets.shape[1:])}; move both in the dataset, where one draw can be made for the two"
            )
        if link.augmentation.mixes and len(batch.inputs) > 1:
            raise UserError(f"data.augment: {link.name} mixes one input; the model takes {len(batch.inputs)}")
        if link.augmentation.mixes and not by_rows([targets], len(x)):
            raise UserError(f"data.augment: {link.name} takes a target for each sample, as tensors")


def _in_type(x: Tensor, first: Tensor) -> Tensor:
    if first.is_floating_point():
        return x.to(first.dtype)
    limits = torch.iinfo(first.dtype)
    return x.round().clamp(limits.min, limits.max).to(first.dtype)


def build_augmentation(data: DataSpec, train: Split | LoaderSplit, task: Task, device: torch.device) -> Chain:
    """The augmentations of a recipe over its training split. Errors: UserError."""
    links = links_of(data.augment, data.augment_strength)
    asked = any(link.augmentation.of == "images" for link in links)
    units = units_of(train).to(device) if asked else None
    return Chain(links, units, mixes_each(task), mixes_targets(task))
