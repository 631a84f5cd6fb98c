"""What a loss is worth that knows nothing: ln C of C classes. Which loss stays there is the verdicts' business."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tunekit.diagnosis.measures import Measures

NEAR = 0.01
"""Relative distance within which a loss is that of guessing."""

COMMON = (2, 10, 100, 1000)
"""Numbers of classes that are so common that their loss is known at sight ..."""

VOCABULARIES = (21128, 28996, 30522, 32000, 32128, 50257, 50265, 50304, 64000, 128256, 151936, 250002, 256000)
"""... and numbers of tokens of public tokenizers."""

MOST = 300_000
"""Classes that are looked for."""

ALIKE = 0.5
"""Relative distance of an accuracy from 1 / C that guessing has on a small split."""

HALF = 0.25
"""The squared error of a constant one half where targets are 0 and 1."""


@dataclass(frozen=True)
class Guess:
    """A loss without knowledge, and the words for where it comes from."""

    loss: float
    words: str
    classes: int | None = None
    told: bool = False  # by an accuracy besides


def guess_at(m: Measures, loss: float) -> Guess | None:
    """What guessing gives, where this loss is that: by what the run knows, by its accuracy, or by common numbers."""
    known = m.log.procedure
    if known is not None:
        classes = known.classes if known.classes is not None and known.classes > 1 else None
        expected = math.log(classes) if classes is not None else known.expected_loss
        return _near(Guess(expected, "", classes), loss) if expected is not None and expected > 0 else None
    if m.log.classes is not None:
        return _near(_of(m.log.classes), loss)
    if not 0.5 < loss < math.log(MOST):
        return None
    accuracy = m.score.end if m.score is not None and m.score.is_accuracy else None
    if accuracy is not None and accuracy > 0:
        told = _near(_of(round(math.exp(loss))), loss)
        if told is not None and told.classes is not None and abs(accuracy * told.classes - 1) < ALIKE:
            return replace(told, told=True)
    found = (_near(_of(classes), loss) for classes in (*COMMON, *VOCABULARIES))
    return next((guess for guess in found if guess is not None), None)


def _of(classes: int) -> Guess:
    return Guess(math.log(max(2, classes)), f"ln {max(2, classes)} = ", max(2, classes))


def _near(guess: Guess, loss: float) -> Guess | None:
    return guess if abs(loss - guess.loss) < NEAR * guess.loss else None
