"""What mends labels, a task and a loss that do not go together, by what the recipe says of them already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LOSSES: Mapping[str, Sequence[str]] = {
    "classification": ("cross_entropy", "focal", "nll", "multi_margin"),
    "binary": ("bce", "focal"),
    "multilabel": ("bce", "focal"),
    "regression": ("mse", "l1", "huber", "smooth_l1"),
}
"""The built-in losses of each task; the first is its own."""

BYTE = 255  # what marks no class in masks of a byte
FROM_ZERO = "number the classes from 0"
EACH = "give the model an output for each class"
YES_OR_NO = "make every target 0 (no) or 1 (yes)"
NUMBERS = "say `task: regression` if they are numbers to be predicted"
NAMELESS = f"{NUMBERS}: a recipe that names no task is a classification"


def of_classes(low: float, high: float, outputs: int, numbered: str = FROM_ZERO) -> tuple[str, ...]:
    """For labels of a classification that a model of so many outputs does not fit. `numbered`: how they are numbered.

    >>> of_classes(1, 3, 3), of_classes(0, 9, 4)
    (('number the classes from 0',), ('give the model an output for each class',))
    >>> of_classes(-1, 9, 10)[-1]
    'say `loss: {target: cross_entropy, args: {ignore_index: -1}}` if -1 marks what has no class'
    """
    advice = [NAMELESS] if outputs == 1 else []
    if low != 0:
        advice.append(numbered)
    if high - low >= outputs:
        advice.append(EACH)
    marker = low if low < 0 else high if high == BYTE else None
    if marker is not None:
        loss = f"{{target: cross_entropy, args: {{ignore_index: {marker:g}}}}}"
        advice.append(f"say `loss: {loss}` if {marker:g} marks what has no class")
    return tuple(advice)


def of_classes_in_words(low: float, high: float, outputs: int, numbered: str = FROM_ZERO) -> str:
    """The same in one sentence."""
    advice = of_classes(low, high, outputs, numbered)
    mended = " and ".join(one for one in advice if one in (numbered, EACH))
    return ", or ".join(filter(None, [mended, *(one for one in advice if one not in (numbered, EACH))]))


def of_decisions(kinds: int | None, whole: bool) -> tuple[str, ...]:
    """For targets of a binary or multi-label task beyond 0 and 1. `kinds`: different whole numbers among them; None:
    they are not counted.

    >>> of_decisions(10, whole=True)
    ('say `task: classification`: there are 10 classes',)
    """
    if kinds is None:
        return ("say `task: classification` if a sample has one class of several" if whole else NUMBERS), YES_OR_NO
    return (f"say `task: classification`: there are {kinds:,} classes",) if kinds > 2 else (YES_OR_NO,)


def of_loss(task: str, whole: bool) -> str:
    """For a loss of classes where the task is another. `whole`: the targets are whole numbers."""
    others = ", ".join(LOSSES[task])
    classes = ", or say `task: classification` if the targets are classes" if whole else ""
    return f"leave `loss` out, or take one of {others}{classes}"
