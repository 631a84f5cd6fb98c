"""The shape of an entry: a technique of the course, as `tunekit explain` and `docs/recipe.md` tell it."""

from __future__ import annotations

import re
from dataclasses import dataclass

KINDS = (
    "source",
    "optimizer",
    "schedule",
    "loss",
    "metric",
    "regularisation",
    "augmentation",
    "model",
)
"""In the order in which `docs/recipe.md` has them."""


@dataclass(frozen=True)
class Technique:
    """`name`: as a recipe writes it. `recipe`: the line of a recipe that uses it, as flow YAML of whole keys, such as
    `optimizer: {target: adam}`. `formula`: in the letters of `SYMBOLS`, empty where there is none. `proof`: the test
    that holds it to the formula or the source, as `tests/training/test_optimizers.py::test_name`."""

    name: str
    kind: str
    what: str
    recipe: str
    proof: str
    formula: str = ""
    helps: str = ""
    costs: str = ""
    source: str = ""

    @property
    def symbols(self) -> str:
        """What the letters mean that the formula has."""
        words = set(re.findall("[A-Za-z]+", self.formula))
        return ", ".join(f"{letter} {what}" for letter, what in SYMBOLS.get(self.kind, {}).items() if letter in words)


_SCORES = {"s": "score", "t": "target", "p": "probability", "C": "number of classes"}
_WEIGHTS = {"w": "weights", "g": "gradient", "eta": "learning rate", "lambda": "weight decay"}
SYMBOLS = {
    "optimizer": _WEIGHTS | {"v": "velocity", "c": "squared gradients", "m": "first moment", "t": "step from 1"},
    "schedule": {
        "k": "iteration from 0",
        "T": "iterations of the training, behind a warm-up",
        "w": "those of a warm-up",
    },
    "loss": _SCORES,
    "metric": _SCORES,
    "regularisation": _WEIGHTS,
}
"""What the letters of formulas mean, by the kind of technique."""
