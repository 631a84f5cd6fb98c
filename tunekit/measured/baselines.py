"""What guessing and the model as it came reach on the validation samples."""

from __future__ import annotations

from dataclasses import dataclass

from tunekit.jsondata import JsonData


@dataclass(frozen=True)
class Guess(JsonData):
    """What outputs that know nothing of a sample reach on the validation targets: the best of several such guesses."""

    value: float
    how: str  # in words: always the most frequent class
    spread: float = 0.0  # standard deviation over permutations of the targets; 0 for a guess that is one
    halves: tuple[float, ...] = ()  # over both halves of the fixed splits, as Record.val_halves; () where not known


@dataclass(frozen=True)
class ChanceMeasured(JsonData):
    """What guessing reaches (probe `chance`); None where nothing can be said."""

    score: Guess | None  # by the metric
    loss: Guess | None
    samples: int  # validation samples looked at


@dataclass(frozen=True)
class UntouchedMeasured(JsonData):
    """The model as it came, on the validation samples (probe `untouched`)."""

    loss: float
    score: float  # the metric; the loss where that is the metric
    samples: int
    loss_halves: tuple[float, ...] = ()  # as Record.val_halves
    score_halves: tuple[float, ...] = ()
