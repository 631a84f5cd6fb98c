"""The shape of an entry: a technique of the course, as `tunekit explain` and README tell it."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "optimizer",
    "schedule",
    "loss",
    "metric",
    "regularisation",
    "augmentation",
    "model",
    "source",
)
"""In the order in which README has them."""


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


SYMBOLS = "w weights, g gradient, eta learning rate, v velocity, c squared gradients, m first moment, t step from 1"
"""What the letters of formulas mean."""
