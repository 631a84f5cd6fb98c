"""Flips and half turns of what is another thing so: digits, letters, signs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunekit.measured import Mirrored
from tunekit.shares import percent
from tunekit.steps.check_init_loss.settings import Here, fault
from tunekit.vocabulary import Finding

LEARNABLE = 0.4  # agreement of the nearest samples with the class, above which they can say something of a mirror image
LOST = 0.75  # of it, that is left where classes survive: pictures whose world is symmetric keep all of it
SURE = 4.0  # standard errors
NAMED = 3  # pairs in a sentence
SIGNS = ("digits", "MNIST", "QMNIST", "EMNIST", "KMNIST", "USPS", "SVHN", "Omniglot", "GTSRB")
"""Sources of digits, letters and road signs, as a recipe names them, with or without `torchvision:`."""
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KINDS = ("digit", "number", "letter", "character", "char", "upper", "lower", "uppercase", "lowercase", "capital")
"""What stands beside a digit or a letter in a class's name: `letter_a`, `upper B`."""
QUARTER = 90.0  # degrees, from which a turn is no small one
TURNS = ("rotate", "affine")
SIDES = {
    "flip": (("left", "right"), ("l", "r")),
    "vertical_flip": (("up", "down"), ("top", "bottom"), ("upper", "lower")),
}
SIDES |= dict.fromkeys(TURNS, (*SIDES["flip"], *SIDES["vertical_flip"]))
"""Words of which a flip or a half turn makes one the other."""
LAST = 9  # of the digits
MOST_NAMES = 0.8  # of the class names, that are a digit, a letter or a digit's name
FLIPS = ("flip", "vertical_flip")

AUGMENTATION_CHANGES_CLASS = fault(
    "augmentation_changes_class",
    "warn",
    "A flip or a large turn makes images of one class look like another, or like nothing in the world.",
    f"For each flip of `data.augment`, and each turn of {QUARTER:g} degrees or more, what the nearest "
    "training samples say of images and of their mirror images (for half a turn, of the turned ones): "
    f"agreement beyond chance falls below {LOST:g} times what it was (where it was above {LEARNABLE:g}). Or the source "
    "is one of digits, letters or signs by its name, or the classes are by theirs (`3` and `7`, `letter_a`), or two "
    "differ in the side alone (`turn left`, `turn right`), and the neighbours do not say otherwise.",
    "Digits, letters, signs and arrows; things that always face one way.",
    (
        "leave it out of `data.augment`, or turn by less; shifts, small turns and scales keep the class: "
        "`augment: [{affine: {degrees: 10, translate: 0.1}}]`",
        "look at a batch before and after it: would this image occur in the world? `tunekit inspect RECIPE`",
    ),
    "CS231n course notes, neural-networks-2 (data augmentation); Cover and Hart, 1967, 'Nearest neighbor pattern "
    "classification'; Cohen, 1960 (agreement beyond chance)",
)
CODES = (AUGMENTATION_CHANGES_CLASS,)


def judge(measured: Sequence[Mirrored], names: Sequence[str], context: Here) -> list[Finding]:
    """One finding for all flips and large turns of the recipe. `names`: of the classes, where the data have some."""
    data = context.recipe.data
    flips = flips_in(data.augment, data.augment_strength)
    message = flips_of_signs(flips, measured, data.target, names)
    if message is None:
        return []
    evidence = {"flips": flips, "measured": [one.to_json() for one in measured]}
    return [AUGMENTATION_CHANGES_CLASS.finding(message, evidence)]


def flips_in(augment: Sequence[object], strength: float = 1.0) -> list[str]:
    """The flips among a recipe's augmentations, in order, and behind them turns that are as good as flips."""
    if not strength:
        return []
    entries = [next(iter(entry.items()), ("", None)) if isinstance(entry, dict) else (entry, None) for entry in augment]
    args = {name: values or {} for name, values in entries}
    turns = [name for name in TURNS if args.get(name, {}).get("degrees", 0.0) * strength >= QUARTER]
    return [*(name for name in FLIPS if name in args), *turns]


def flips_of_signs(
    flips: Sequence[str], measured: Sequence[Mirrored], source: str = "", names: Sequence[str] = ()
) -> str | None:
    """What is wrong with flips of such data, with the reason; None where nothing speaks against them.

    `measured`: of probe `data`, or `tunekit.training.probes.mirrored.mirrored`. `source`: `data.target`. `names`: of
    the classes, where the data have some. What is measured is told before what a name says.
    """
    for one in measured:
        if one.name in flips and _is_lost(one):
            pairs = ", ".join(f"{_called(a, names)} like {_called(b, names)}" for a, b in one.pairs[:NAMED])
            return (
                f"{one.name}: {percent(one.other)} of the {_images(one.name)} lie nearest to images of another class"
                f"{f' ({pairs})' if pairs else ''}: agreement with the class falls from {one.as_they_are:.2f} to "
                f"{one.mirrored:.2f} (0 is chance, 1 exact)"
            )
    if flips and source.removeprefix("torchvision:") in SIGNS:
        return f"{flips[0]}: {source} holds digits, letters or signs: {_made(flips[0])} they are others, or none"
    sound = [one.name for one in measured if one.as_they_are > LEARNABLE]
    unsure = [flip for flip in flips if flip not in sound]
    for flip in unsure:
        if pair := _sides(flip, names):
            return f"{flip}: the classes {pair[0]!r} and {pair[1]!r} are each other's {_images(flip)} by their names"
    if unsure and _are_signs(names):
        told = ", ".join(names[:NAMED])
        made = f"{_made(unsure[0])} they are others"
        return f"{unsure[0]}: the classes are digits or letters by their names ({told}, ...): {made}"
    return None


def _made(name: str) -> str:
    return "turned" if name in TURNS else "mirrored"


def _images(name: str) -> str:
    return "turned images" if name in TURNS else "mirror images"


def _called(number: int, names: Sequence[str]) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def _is_lost(one: Mirrored) -> bool:
    fell = one.as_they_are - one.mirrored
    return one.as_they_are > LEARNABLE and one.mirrored < LOST * one.as_they_are and fell > SURE * one.error


def _are_signs(names: Sequence[str]) -> bool:
    """Whether names are digits and letters. Numbers from 0 or 1 on that do not go to 9 count the classes: grades."""
    signs = [name for name in names if _is_sign(_words(name))]
    counted = [{str(start + k) for k in range(len(names))} for start in (0, 1)]
    graded = set(names) in counted and max(map(int, names), default=0) != LAST
    return len(names) > 1 and not graded and len(signs) >= MOST_NAMES * len(names)


def _is_sign(words: Sequence[str]) -> bool:
    own = [word for word in words if word not in KINDS]
    return len(own) == 1 and (own[0] in WORDS or bool(re.fullmatch(r"[^\W_]", own[0])))


def _words(name: str) -> list[str]:
    """Words of a name in small letters, also of `turnLeft`, `turn_left` and `LEFT-turn`."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W_]+", apart.lower())


def _sides(flip: str, names: Sequence[str]) -> tuple[str, str] | None:
    """The first two names that differ in nothing but the side of which a flip makes the other."""
    known = {tuple(_words(name)): name for name in names}
    for pair in SIDES[flip]:
        for words, name in known.items():
            other = tuple(pair[1] if word == pair[0] else word for word in words)
            if other != words and other in known:
                return name, known[other]
    return None
