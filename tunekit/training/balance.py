"""`balanced` among a loss's arguments: weights by how often each class occurs in the whole training split.

It stands as a word in the configuration, whose data say the rest: the key of a training tells which weights it had. The
few samples of step 2 have those of all samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.recipe.text import kind_of
from tunekit.vocabulary import UserError

BALANCED = "balanced"
TAKES = ("weight", "pos_weight", "alpha")
NONE = -1  # a label that is no class anyway
FEW_NAMES = 3  # that a message lists
LONGEST_NAME = 20  # letters that it shows of one
SHOWN = 10  # weights that a note lists


class Balanced(tuple[float, ...]):
    """Weights that were counted: one for each class that occurs, or for each label."""


def balanced(args: Values, kind: str, targets: Callable[[], object]) -> tuple[Values, list[str]]:
    """The arguments of a loss with their weights counted, and what to tell of it. `targets`: those of the training
    split, asked for where they are needed. Errors: UserError."""
    asking = [name for name in TAKES if isinstance(args.get(name), str)]
    for name in asking:
        if args[name] != BALANCED:
            raise UserError(f"loss.args.{name}: must be `{BALANCED}` or numbers, not {kind_of(args[name])}")
        _check_kind(name, kind)
    if not asking:
        return args, []
    counted = _numbers(targets())
    values = {name: _weights(name, kind, counted, args.get("ignore_index", NONE)) for name in asking}
    told = [f"loss.args.{name}: {BALANCED} is {_shown(value)} by the training split" for name, value in values.items()]
    return {**args, **values}, told


def _check_kind(name: str, kind: str) -> None:
    if kind == "classification" and name == "pos_weight":
        raise UserError("loss.args.pos_weight: is of yes and no; for a classification it is `weight: balanced`")
    if kind in ("binary", "multilabel") and name == "weight":
        raise UserError(f"loss.args.weight: balanced weighs classes; for task {kind} it is `pos_weight: balanced`")
    if kind not in ("classification", "binary", "multilabel"):
        raise UserError(f"loss.args.{name}: balanced counts classes, and the task is {kind}")


def check_numbers(targets: object) -> None:
    """Errors: UserError for labels that are text."""
    names = [targets] if isinstance(targets, str) else targets
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        return
    few = list(dict.fromkeys(names))[:FEW_NAMES]
    numbers = ", ".join(f"{name[:LONGEST_NAME]!r}: {number}" for number, name in enumerate(few))
    raise UserError(
        f"data: the targets are text, and the loss takes numbers: number the classes from 0 in the data set, by "
        f"{{{numbers}, ...}}[name]"
    )


def _numbers(targets: object) -> Tensor:
    every = targets if isinstance(targets, list) else [targets]
    for part in every:
        check_numbers(part)
    parts = [part for part in every if isinstance(part, Tensor)]
    if not parts or len(parts) < len(every):
        raise UserError("loss.args: balanced counts the training targets, which these data do not show: write numbers")
    return parts[0] if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])


def _weights(name: str, kind: str, targets: Tensor, ignored: int) -> Any:
    if kind == "classification":
        return Balanced(_by_class(targets, ignored))
    table = targets.double().reshape(len(targets), -1) if kind == "multilabel" else targets.double().reshape(-1, 1)
    if kind == "multilabel" and targets.dim() > 2:
        table = targets.double().movedim(1, -1).reshape(-1, targets.shape[1])
    share = (table > 0.5).double().mean(0)
    if name == "alpha":
        return float(1 - share.mean())
    ratio = torch.where(share > 0, (1 - share) / share.clamp_min(1e-12), 1.0)
    return Balanced(torch.where(ratio > 0, ratio, 1.0).tolist())


def _by_class(targets: Tensor, ignored: int) -> list[float]:
    """n / (classes * n of the class), over the classes that occur: the mean weight of a sample is 1. Others weigh 1.
    Markers below zero, and what the loss leaves out, are no class; of shares [N, C] the sums are counted."""
    if targets.is_floating_point() and targets.dim() > 1 and targets.shape[1] > 1:
        counts = targets.double().movedim(1, -1).reshape(-1, targets.shape[1]).sum(0)
    else:
        labels = targets.long().reshape(-1)
        counts = torch.bincount(labels[(labels >= 0) & (labels != ignored)]).double()
    occurring = counts > 0
    weights = counts.sum() / (int(occurring.sum()) * counts.clamp_min(1e-12))
    return torch.where(occurring, weights, 1.0).tolist()


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if len(value) <= SHOWN:
        return f"[{', '.join(f'{one:.4g}' for one in value)}]"
    return f"{min(value):.4g} to {max(value):.4g} over {len(value)} classes"
