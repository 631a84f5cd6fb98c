"""The losses that are built in, and a person's own called with what the model gave."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunekit.configuration import Values
from tunekit.recipe import call, check_arguments
from tunekit.recipe.tasks import LOSSES as BY_TASK
from tunekit.recipe.tasks import of_loss
from tunekit.telling import refused
from tunekit.training.balance import Balanced, check_numbers
from tunekit.training.structure import joined, tensors
from tunekit.vocabulary import UserError

WEIGHTS = ("weight", "pos_weight")
"""Arguments of losses that are lists in a recipe and tensors for torch."""
LEFT_OUT = -100
"""The target that a loss of classes leaves out, as torch has it."""
SHAPED = (*WEIGHTS, "alpha")
"""Those that must fit the outputs, so they cannot be tried before there are any."""


def focal(outputs: Tensor, targets: Tensor, gamma: float = 2.0, reduction: str = "mean", alpha: Any = None) -> Tensor:
    """Focal loss alpha * (1 - p)^gamma * -ln p, p being the probability of what is right (Lin et al., ICCV 2017).

    Of logits [B, C, ...] and classes [B, ...], or shares of classes [B, C, ...], of whose losses it is the mean by
    shares. `alpha`: a weight for each class. The mean is plain: over all that is not LEFT_OUT, not over weights.
    """
    weights = None if alpha is None else of_each_class("alpha", alpha, outputs)
    if targets.is_floating_point():
        sure = torch.log_softmax(outputs, 1)
        each = _focus(-torch.expm1(sure), gamma) * -sure
        if weights is not None:
            each = each * weights.view(-1, *[1] * (outputs.dim() - 2))
        return _reduced((targets * each).sum(1), reduction)
    cross = F.cross_entropy(outputs, targets, reduction="none")
    losses = _focus(1 - torch.exp(-cross), gamma) * cross
    if weights is not None:
        losses = losses * weights[targets.clamp_min(0)]
    if reduction != "mean":
        return _reduced(losses, reduction)
    return losses.sum() / (targets != LEFT_OUT).sum()


def focal_of_decisions(
    outputs: Tensor, targets: Tensor, gamma: float = 2.0, reduction: str = "mean", alpha: Any = None
) -> Tensor:
    """The same of logits and decisions 0 or 1 of one shape, `alpha` being the weight of 1 and 1 - alpha that of 0."""
    cross = F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    chance = torch.sigmoid(outputs)
    wrong = chance * (1 - targets) + (1 - chance) * targets
    weights = 1.0 if alpha is None else alpha * targets + (1 - alpha) * (1 - targets)
    return _reduced(weights * _focus(wrong, gamma) * cross, reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


def _focus(wrong: Tensor, gamma: float) -> Tensor:
    """wrong^gamma; a power below 1 has a slope without end at 0, where the loss is 0 and stays so."""
    if gamma < 0:
        raise ValueError(f"gamma: from 0, not {gamma:g}")
    return wrong.clamp_min(torch.finfo(wrong.dtype).tiny) ** gamma


def of_each_class(name: str, values: Any, outputs: Tensor) -> Tensor:
    """Weights of classes as a tensor [C] for outputs [B, C, ...]. Classes beyond those that were counted weigh 1.
    Errors: UserError where there are not as many weights as classes."""
    weights = torch.as_tensor(values, dtype=outputs.dtype, device=outputs.device)
    classes = outputs.shape[1]
    if isinstance(values, Balanced) and len(weights) < classes:
        return F.pad(weights, (0, classes - len(weights)), value=1.0)
    if weights.dim() != 1 or len(weights) != classes:
        given = len(weights) if weights.dim() == 1 else "no list of"
        raise UserError(f"loss.args.{name}: {given} weights for {classes} classes; give one for each, or `balanced`")
    return weights


def counted(outputs: Tensor, targets: Tensor, weight: Any = None, ignore_index: int = LEFT_OUT, **_args: Any) -> Tensor:
    """What each target counts in the mean of a loss of classes, [B, ...]: the weight of its class, 0 where it is left
    out, and 1 where it is shares of classes [B, C, ...]."""
    ones = torch.ones((), device=outputs.device)
    if targets.is_floating_point():
        return ones.expand(len(targets), *targets.shape[2:])
    counts = targets != ignore_index
    if weight is None:
        return counts.float()
    return counts * of_each_class("weight", weight, ones.expand(outputs.shape))[targets.where(counts, 0)]


def counted_alike(_outputs: Tensor, targets: Tensor) -> Tensor:
    """The same of a loss whose mean is plain."""
    return torch.ones_like(targets, dtype=torch.float32)


def together(batches: Sequence[object]) -> Tensor | None:
    """The targets of several batches as one tensor: whole numbers of unequal widths are padded with LEFT_OUT. None
    where they are no such tensors."""
    parts = [part for part in batches if isinstance(part, Tensor) and part.dim()]
    if not parts or len(parts) < len(batches):
        return None
    whole = not any(part.is_floating_point() or part.is_complex() for part in parts)
    ragged = len({part.shape[1:] for part in parts}) > 1
    try:
        every: Tensor = joined([part.long() for part in parts], LEFT_OUT) if whole and ragged else joined(parts)
    except RuntimeError:
        return None
    return every


def with_tensors(args: Values, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Values:
    return {k: torch.tensor(v, dtype=dtype, device=device) if k in WEIGHTS else v for k, v in args.items()}


def _of_classes(function: Callable[..., Tensor], shares: bool = False) -> Callable[..., Tensor]:
    """Lets a recipe write a list where torch wants a tensor of class weights. `shares`: it takes shares of classes."""

    @wraps(function)
    def loss(outputs: Tensor, targets: Tensor, reduction: str = "mean", weight: Any = None, **args: Any) -> Tensor:
        if targets.is_floating_point() and not shares:
            raise UserError(
                f"loss: takes the number of one class a sample, and the targets are shares {list(targets.shape)}; "
                "cross_entropy and focal take shares of classes"
            )
        weights = None if weight is None else of_each_class("weight", weight, outputs)
        return function(outputs, targets, reduction=reduction, weight=weights, **args)

    return loss


def bce(
    outputs: Tensor,
    targets: Tensor,
    reduction: str = "mean",
    weight: Any = None,
    pos_weight: Any = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Binary cross-entropy of logits: -(pos_weight * t * ln p + (1 - t) * ln(1 - p)), with targets of 0 and 1 moved by
    label_smoothing / 2 towards each other."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, not {label_smoothing:g}")
    each, ones = (
        None if value is None else torch.as_tensor(value, dtype=outputs.dtype, device=outputs.device)
        for value in (weight, pos_weight)
    )
    if ones is not None and isinstance(pos_weight, Balanced) and len(ones) > 1 and outputs.dim() > 2:
        ones = ones.view(-1, *[1] * (outputs.dim() - 2))  # labels stand second
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(outputs, targets, weight=each, pos_weight=ones, reduction=reduction)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": _of_classes(F.cross_entropy, shares=True),
    "bce": bce,
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
    "focal": focal,
    "nll": _of_classes(F.nll_loss),
    "multi_margin": _of_classes(F.multi_margin_loss),
}
"""Built-in losses: outputs, targets, reduction and arguments of the recipe's `loss.args`."""

LEAVE_OUT = ("cross_entropy", "nll", "focal")
"""Those of classes whose mean is over what counts in it: a target that is left out does not."""

OF_CLASSES = BY_TASK["classification"]
"""Those that take outputs [B, C, ...] with classes [B, ...]."""


def check_loss(function: Callable[..., Tensor], name: str, args: Values) -> None:
    """Whether a built-in loss takes the recipe's arguments. Errors: UserError."""
    for key in args.keys() & set(SHAPED) - inspect.signature(function).parameters.keys():
        raise UserError(f"loss.args: {name}: takes no {key!r}")
    check_arguments(function, args, f"loss.args: {name}")
    outputs = torch.zeros(2, 2)
    targets = torch.zeros(2, dtype=torch.long) if name in OF_CLASSES else outputs
    try:
        function(outputs, targets, **{key: value for key, value in args.items() if key not in SHAPED})
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"loss.args: {name}: {refused(error)}") from None


class Own:
    """A person's own function of outputs and targets. Where the model gives several parts it is called with all of
    them or, if it does not take these, with the main tensor alone."""

    def __init__(self, function: Callable[..., Any], name: str, args: Values, main: Callable[[Any], Tensor]) -> None:
        self.function, self.args, self.main = function, args, main
        self.key, _, self.target = name.partition(": ")
        self._whole: bool | None = None
        self._device = torch.device("cpu")  # of a loss that is a module: class weights follow the outputs

    def __call__(self, outputs: Any, targets: Any) -> Any:
        if isinstance(outputs, Tensor) or self._whole:
            return self._call(outputs, targets)
        if self._whole is None:
            try:
                value = self._call(outputs, targets)
            except UserError as error:
                try:
                    value = self._call(self.main(outputs), targets)
                except UserError:
                    raise error from None
                self._whole = False
            else:
                self._whole = True
            return value
        return self._call(self.main(outputs), targets)

    def _call(self, outputs: Any, targets: Any) -> Any:
        given = next(tensors(outputs), None)
        if isinstance(self.function, nn.Module) and given is not None and given.device != self._device:
            self._device = given.device
            with torch.inference_mode(False):  # a tensor that is moved for a validation is trained with as well
                self.function.to(given.device)
        return call(self.function, self.key, self.target, outputs, targets, **self.args)


def are_shares(targets: Any) -> bool:
    """Whether targets [B, C, ...] are shares of classes, which sum to one."""
    if targets.dim() < 2 or targets.shape[1] < 2 or not bool((targets >= 0).all()):
        return False
    return float((targets.double().sum(1) - 1).abs().max()) < 1e-3


def check_shares(outputs: Tensor, targets: Any) -> None:
    """Errors: UserError where the classes of shares stand last, and a loss of classes takes them second."""
    if not isinstance(targets, Tensor) or not targets.is_floating_point() or targets.shape != outputs.shape:
        return
    if targets.dim() > 2 and not are_shares(targets) and are_shares(targets.movedim(-1, 1)):
        raise UserError(
            f"loss: shares of classes and outputs are taken as [N, C, ...], and these {list(targets.shape)} sum to one "
            "along the last dimension: exchange the dimensions of both"
        )


def check_positions(given: Tensor, outputs: Tensor, targets: Tensor) -> None:
    """Errors: UserError where a loss takes one class for each position of outputs [N, C, ...], and the targets are
    others. `given`: the outputs as the model gives them."""
    wanted = [len(outputs), *outputs.shape[2:]]
    if wanted != list(targets.shape):
        raise UserError(
            f"loss: the model gives {list(given.shape)}, {outputs.shape[1]} scores for each of {wanted}, and the "
            f"targets are {list(targets.shape)}: mend the shape of the model's outputs or of the targets"
        )


def comparable(outputs: Tensor, targets: Any, task: str, of_classes: bool, in_shape: bool) -> tuple[Tensor, Any]:
    """Outputs and targets of a task as a built-in loss takes them. `of_classes`: it takes a score for each class;
    `in_shape`: it compares both in one shape. Errors: UserError where their shapes do not fit."""
    check_numbers(targets)
    if not isinstance(targets, Tensor):
        raise UserError(
            f"loss: targets that are a {type(targets).__name__} need a loss of your own: "
            "module:callable(outputs, targets)"
        )
    if of_classes and outputs.dim() < 2:
        raise UserError(
            f"model: gives outputs of shape {list(outputs.shape)}; the loss takes a score for each class, "
            "[N, C]: leave argmax out of forward()"
        )
    if in_shape:
        if outputs.shape != targets.shape:
            raise UserError(
                f"loss: takes outputs and targets of one shape, and the model gives {list(outputs.shape)} for "
                f"targets {list(targets.shape)}; mend the model's last layer, the task or the loss"
            )
        return outputs, targets
    unfit = of_classes and targets.is_floating_point() and (outputs.shape[1] == 1 or outputs.shape != targets.shape)
    if unfit and task != "classification":
        advice = of_loss(task, whole=bool((targets == targets.round()).all()))
        raise UserError(f"loss: takes a score for each class, and the task is {task}; {advice}")
    if unfit and outputs.shape[1] == 1:
        raise UserError(
            f"loss: the model gives {list(outputs.shape)}, one score a sample, for targets that are numbers; say "
            "`task: regression` (or `task: binary`): a recipe that names no task is a classification"
        )
    if of_classes and targets.dim() == outputs.dim() and not targets.is_floating_point():
        how = "leave out the dimension of 1"
        if targets.shape[1] > 1:
            how = (
                "of one-hot targets give the class (`y.argmax(1)`), or shares of classes as floats (`y.float()`); "
                "where several may be 1 at once, say `task: multilabel`"
            )
        raise UserError(
            f"data: the targets are whole numbers {list(targets.shape)}, and the loss takes the number of one class "
            f"for each of the model's outputs {list(outputs.shape)}: {how}"
        )
    return outputs.movedim(-1, 1) if are_last(outputs, targets) else outputs, targets


def are_last(outputs: Tensor, targets: Tensor) -> bool:
    """Whether the classes of outputs [N, ..., C] stand last, by the shape of their targets [N, ...]."""
    return outputs.dim() > 2 and outputs.shape[:-1] == targets.shape and outputs.shape[2:] != targets.shape[1:]
