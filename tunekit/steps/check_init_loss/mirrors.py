"""Flips of what is another thing mirrored: digits, letters, signs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunekit.measured import Mirrored
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.steps.context import percent
from tunekit.vocabulary import Finding

LEARNABLE = 0.4  # agreement of the nearest samples with the class, above which they can say something of a mirror image
LOST = 0.75  # of it, that is left where classes survive: pictures whose world is symmetric keep all of it
SURE = 4.0  # standard errors
NAMED = 3  # pairs in a sentence
SIGNS = ("digits", "MNIST", "QMNIST", "EMNIST", "KMNIST", "USPS", "SVHN", "Omniglot", "GTSRB")
"""Sources of digits, letters and road signs, as a recipe names them, with or without `torchvision:`."""
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MOST_NAMES = 0.8  # of the class names, that are a digit, a letter or a digit's name
FLIPS = ("flip", "vertical_flip")

AUGMENTATION_CHANGES_CLASS = fault(
    "augmentation_changes_class",
    "warn",
    "A flip makes images of one class look like another, or like nothing in the world.",
    "For each flip of `data.augment`, what the nearest training samples say of images and of their mirror images: "
    f"agreement beyond chance falls below {LOST:g} times what it was (where it was above {LEARNABLE:g}). Or the source "
    "is one of digits, letters or signs by its name.",
    "Digits, letters, signs and arrows; things that always face one way.",
    (
        "leave this flip out of `data.augment`; shifts, small turns and scales keep the class: "
        "`augment: [{affine: {degrees: 10, translate: 0.1}}]`",
        "look at a batch before and after it: would this image occur in the world? `tunekit inspect`",
    ),
    "CS231n course notes, neural-networks-2 (data augmentation); Cover and Hart, 1967, 'Nearest neighbor pattern "
    "classification'; Cohen, 1960 (agreement beyond chance)",
)
CODES = (AUGMENTATION_CHANGES_CLASS,)


def judge(measured: Sequence[Mirrored], context: Here) -> list[Finding]:
    """One finding for all flips of the recipe."""
    data = context.recipe.data
    flips = flips_in(data.augment) if data.augment_strength else []
    message = flips_of_signs(flips, measured, data.target)
    if message is None:
        return []
    evidence = {"flips": flips, "measured": [one.to_json() for one in measured]}
    return [AUGMENTATION_CHANGES_CLASS.finding(message, evidence)]


def flips_in(augment: Sequence[object]) -> list[str]:
    """The flips among a recipe's augmentations, in order."""
    names = [next(iter(entry), "") if isinstance(entry, dict) else entry for entry in augment]
    return [name for name in FLIPS if name in names]


def flips_of_signs(
    flips: Sequence[str], measured: Sequence[Mirrored], source: str = "", names: Sequence[str] = ()
) -> str | None:
    """What is wrong with flips of such data, with the reason; None where nothing speaks against them.

    `measured`: of probe `data`, or `tunekit.training.probes.mirrored.mirrored`. `source`: `data.target`. `names`: of
    the classes, where the data have some. What is measured is told before what a name says.
    """
    for one in measured:
        if one.name in flips and _is_lost(one):
            pairs = ", ".join(f"{a} like {b}" for a, b in one.pairs[:NAMED])
            return (
                f"{one.name}: {percent(one.other)} of the mirror images lie nearest to images of another class"
                f"{f' ({pairs})' if pairs else ''}: agreement with the class falls from {one.as_they_are:.2f} to "
                f"{one.mirrored:.2f} (0 is chance, 1 exact)"
            )
    if flips and source.removeprefix("torchvision:") in SIGNS:
        return f"{flips[0]}: {source} holds digits, letters or signs: a mirror image is another one, or none"
    sound = any(one.name in flips and one.as_they_are > LEARNABLE for one in measured)
    if flips and not sound and _are_signs(names):  # 0 and 1 may also be numbers of classes
        told = ", ".join(names[:NAMED])
        return f"{flips[0]}: the classes are digits or letters by their names ({told}, ...): mirrored they are others"
    return None


def _is_lost(one: Mirrored) -> bool:
    fell = one.as_they_are - one.mirrored
    return one.as_they_are > LEARNABLE and one.mirrored < LOST * one.as_they_are and fell > SURE * one.error


def _are_signs(names: Sequence[str]) -> bool:
    signs = [name for name in names if re.fullmatch(r"\d{1,2}|\w", name) or name.lower() in WORDS]
    return len(names) > 1 and len(signs) >= MOST_NAMES * len(names)
