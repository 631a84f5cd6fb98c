"""Tasks: the loss and the metric that belong to a kind of target, and the loss that an untrained network has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tunekit.configuration import TrainingConfig, Values
from tunekit.recipe import call, check_arguments, construct, resolve
from tunekit.telling import refused
from tunekit.vocabulary import UserError

Outputs = Any
"""What a model gives of a batch: a tensor or, for a loss of the person's own that takes them, several parts."""
Loss = Callable[[Tensor, Tensor], Tensor]
Counts = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
REFUSALS = (RuntimeError, ValueError, IndexError, AssertionError, UserError)
"""What a loss raises for outputs or targets that it does not take (a person's own comes as UserError)."""
WEIGHTS = ("weight", "pos_weight")
"""Arguments of losses that are lists in a recipe and tensors for torch."""


def focal(outputs: Tensor, targets: Tensor, gamma: float = 2.0, reduction: str = "mean") -> Tensor:
    """Focal loss (1 - p)^gamma * -ln p over logits [B, C] and classes [B] (Lin et al., ICCV 2017)."""
    cross = F.cross_entropy(outputs, targets, reduction="none")
    losses = (1 - torch.exp(-cross)) ** gamma * cross
    return losses if reduction == "none" else losses.mean()


def _with_tensors(args: Values, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Values:
    return {k: torch.tensor(v, dtype=dtype, device=device) if k in WEIGHTS else v for k, v in args.items()}


def _weighted(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Lets a recipe write lists where torch wants tensors."""

    @wraps(function)
    def loss(outputs: Tensor, targets: Tensor, reduction: str = "mean", **args: Any) -> Tensor:
        return function(outputs, targets, reduction=reduction, **_with_tensors(args, outputs.dtype, outputs.device))

    return loss


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": _weighted(F.cross_entropy),
    "bce": _weighted(F.binary_cross_entropy_with_logits),
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
    "focal": focal,
    "nll": _weighted(F.nll_loss),
    "multi_margin": F.multi_margin_loss,
}
"""Built-in losses: outputs, targets, reduction and arguments of the recipe's `loss.args`."""


def right_and_known(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """For every sample (and position): whether the largest output [B, C, ...] is the target [B, ...] (or its largest),
    and whether it counts. Labels that are no class (-1, -100, 255: markers for "unknown", which the loss leaves out)
    do not."""
    if targets.shape == outputs.shape:
        right = outputs.argmax(1) == targets.argmax(1)
        return right, torch.ones_like(right)
    known = (targets >= 0) & (targets < outputs.shape[1])
    return (outputs.argmax(1) == targets) & known, known


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of the samples (and positions) that count whose largest output is the target."""
    right, known = right_and_known(outputs, targets)
    return right.sum() / known.sum()


def binary_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of logits on the right side of zero."""
    return ((outputs > 0) == (targets > 0.5)).float().mean()


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean over the classes of the share of each that is found."""
    right = (outputs.argmax(1) == targets).float()
    shares = [right[targets == label].mean() for label in torch.unique(targets)]
    return torch.stack(shares).mean()


def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error."""
    return (outputs - targets).abs().mean()


def rmse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Root mean squared error."""
    return (outputs - targets).square().mean().sqrt()


def r2(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of the targets' variance explained."""
    return 1 - (outputs - targets).square().sum() / (targets - targets.mean(0)).square().sum().clamp_min(1e-12)


@dataclass(frozen=True)
class Metric:
    """A metric by name: outputs and targets to a scalar, and its direction. `loss` means the loss itself."""

    name: str
    compute: Callable[[Tensor, Tensor], Tensor] | None
    maximize: bool
    share: bool = False  # it lies between 0 and 1, and is shown in per cent
    decides: bool = False  # it asks on which side of zero outputs lie: probabilities are moved there first
    counts: Counts | None = None  # it is the share of what is right among what counts


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("loss", None, False),
        Metric("accuracy", accuracy, True, share=True, counts=right_and_known),
        Metric("balanced_accuracy", balanced_accuracy, True, share=True),
        Metric("mae", mae, False),
        Metric("rmse", rmse, False),
        Metric("r2", r2, True),
    )
}
BINARY_ACCURACY = Metric("accuracy", binary_accuracy, True, share=True, decides=True)


@dataclass(frozen=True)
class Kind:
    """What a task's name decides: default loss and metric."""

    loss: str
    metric: str


KINDS: dict[str, Kind] = {
    "classification": Kind("cross_entropy", "accuracy"),
    "binary": Kind("bce", "accuracy"),
    "multilabel": Kind("bce", "accuracy"),
    "regression": Kind("mse", "mae"),
}


def main_tensor(outputs: Outputs) -> Tensor:
    """The tensor among a model's outputs that is looked at: itself, its `logits`, or its first part.

    Errors: UserError."""
    if isinstance(outputs, Tensor):
        return outputs
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if logits is None and isinstance(outputs, tuple | list) and outputs:
        logits = outputs[0]
    if not isinstance(logits, Tensor):
        raise UserError(
            f"model: forward() must return a tensor or something with `logits`, not {type(outputs).__name__}"
        )
    return logits


class Task:
    """Loss and metric for a kind of target. A person's own task (module:Class) overrides what it needs.

    `kind` is classification, binary, multilabel or regression; outputs are [B, C] (classification) or as targets.
    """

    counts: Counts | None = None  # the metric's, where `score` is that metric and nothing of a person's own

    def __init__(
        self, kind: str, loss: Loss, metric: Metric, sample_loss: Loss | None = None, counts: Counts | None = None
    ) -> None:
        self.kind = kind
        self.criterion = loss
        self.metric = metric
        self.counts = counts
        self._sample_loss = sample_loss  # the same loss with reduction="none", where it is built in
        self._middle: float | None = None  # the output at which a binary decision turns, once it is known

    def outputs(self, answer: object) -> Outputs:
        """What of a model's answer goes to the loss and the metric."""
        return main_tensor(answer)

    def targets(self, targets: object, outputs: Tensor) -> Any:
        """Targets in the type and shape that the loss takes with these outputs."""
        if not isinstance(targets, Tensor):
            return targets
        if self.kind == "classification":
            if targets.is_floating_point() and targets.shape != outputs.shape:
                targets = targets.long()
            if targets.dim() == 2 and targets.shape[1] == 1 and outputs.dim() == 2:
                targets = targets[:, 0]
            return targets.float() if targets.is_floating_point() else targets.long()
        targets = targets.float()
        if targets.shape != outputs.shape and targets.numel() == outputs.numel():
            targets = targets.view(outputs.shape)
        return targets

    def loss(self, outputs: Tensor, targets: object) -> Tensor:
        """The person's loss over a batch: a scalar."""
        return self.criterion(outputs, self.targets(targets, outputs))

    def sample_losses(self, outputs: Tensor, targets: object) -> Tensor:
        """The loss of every sample by itself, [B]."""
        wanted = self.targets(targets, outputs)
        if self._sample_loss is not None:
            return self._sample_loss(outputs, wanted).reshape(len(outputs), -1).mean(1)
        try:
            return torch.func.vmap(lambda o, t: self.criterion(o.unsqueeze(0), t.unsqueeze(0)))(outputs, wanted)
        except Exception:  # data-dependent control flow cannot be vectorised: one sample at a time
            return torch.stack([self.criterion(outputs[i : i + 1], wanted[i : i + 1]) for i in range(len(outputs))])

    def score(self, outputs: Tensor, targets: object) -> Tensor:
        """The metric over a batch: a scalar; NaN where the loss itself is the metric."""
        if self.metric.compute is None:
            return outputs.new_full((), math.nan)
        if self.metric.decides:
            if self._middle is None:
                self._middle = 0.5 if takes_probabilities(self, outputs, targets) else 0.0
            outputs = outputs - self._middle
        return self.metric.compute(outputs.float(), self.targets(targets, outputs))

    def output_size(self, targets: object) -> int | None:
        """How many outputs a built-in model needs for these targets; None where they do not tell."""
        if not isinstance(targets, Tensor) or not len(targets):
            return None
        if self.kind == "classification" and targets.dim() == 1:
            finite = targets[torch.isfinite(targets)] if targets.is_floating_point() else targets
            return int(finite.max()) + 1 if len(finite) else None
        return 1 if targets.dim() == 1 else int(targets.shape[1])

    def constant_outputs(self, outputs: Tensor, targets: object) -> dict[str, Tensor]:
        """Outputs of a network that knows nothing, shaped as `outputs`: "zero", and "prior" where it knows the targets'
        distribution. The loss over them is what an untrained network should have, whatever the loss is."""
        known = self.targets(targets, outputs)
        constants = {"zero": torch.zeros_like(outputs)}
        if not isinstance(known, Tensor):
            return constants
        if self.kind == "classification":
            if known.dim() == 1 and outputs.dim() == 2:
                counted = known[(known >= 0) & (known < outputs.shape[1])]  # without ignore_index
                counts = torch.bincount(counted, minlength=outputs.shape[1])
                share = (counts / counts.sum().clamp_min(1)).clamp_min(1e-6)
                constants["prior"] = share.log().to(outputs).expand_as(outputs)
        elif self.kind in ("binary", "multilabel"):
            share = known.mean(0).clamp(1e-6, 1 - 1e-6)
            constants["prior"] = torch.logit(share).expand_as(outputs)
        else:
            constants["prior"] = known.mean(0).expand_as(outputs)
            constants["median"] = known.median(0).values.expand_as(outputs)
        # A model that ends in log_softmax gives log-probabilities: zero logits become log(1 / C).
        if self.kind == "classification" and outputs.dim() == 2:
            constants = {name: torch.log_softmax(value, 1) for name, value in constants.items()}
        return constants


def takes_logits(task: Task, outputs: Tensor, targets: object) -> bool:
    """Whether the loss takes scores of any size. For several classes: it does not change when a constant is added to
    all of them. Otherwise: for a target of 1 an output of 4 is still better than 1, and for 0 one of -4 than 0."""
    if task.kind == "regression" or not isinstance(targets, Tensor):
        return False
    if task.kind == "classification" and outputs.dim() >= 2 and outputs.shape[1] > 1:
        try:
            here, there = (float(task.loss(outputs + shift, targets)) for shift in (0.0, 3.0))
        except REFUSALS:
            return False
        return math.isfinite(there) and abs(here - there) <= 1e-3 * (1 + abs(here))
    return all(gain > 0 for gain in _gains(task, outputs, targets))


def takes_probabilities(task: Task, outputs: Tensor, targets: object) -> bool:
    """Whether a binary loss wants outputs within 0 and 1: beyond them it is not defined, or worse."""
    return isinstance(targets, Tensor) and any(gain < 0 for gain in _gains(task, outputs, targets))


@torch.no_grad()
def _gains(task: Task, outputs: Tensor, targets: Tensor) -> list[float]:
    """What a binary loss gains where outputs go on from 1 to 4 for targets of 1, and from 0 to -4 for targets of 0.
    Minus infinity: it does not take them."""
    gains = []
    for label, inside, outside in ((1.0, 1.0, 4.0), (0.0, 0.0, -4.0)):
        labels = torch.full_like(targets, label)
        try:
            near, far = (float(task.loss(torch.full_like(outputs, value), labels)) for value in (inside, outside))
        except REFUSALS:
            far = math.nan
        gains.append(near - far if math.isfinite(far) else -math.inf)
    return gains


def build_task(config: TrainingConfig, folder: Path) -> Task:
    """The task of a configuration (its task, loss and metric). Errors: UserError."""
    name, loss, args = config.task, config.loss.target, dict(config.loss.args)
    if ":" in name:
        task = construct(resolve(name, folder, "task"), "task", name)
        if not hasattr(task, "loss") or not hasattr(task, "metric"):
            raise UserError(f"task: {name} needs the methods of tunekit.training.tasks.Task: subclass it")
        return task  # type: ignore[no-any-return]
    kind = KINDS[name]
    metric = _metric(kind.metric if config.metric == "auto" else config.metric, name, folder)
    loss = kind.loss if loss == "auto" else loss
    if loss in LOSSES:
        if not config.regularize:
            args.pop("label_smoothing", None)
        function = LOSSES[loss]
        _check_arguments(function, loss, args)
        unreduced = {**args, "reduction": "none"}
        return Task(
            name, lambda o, t: function(o, t, **args), metric, lambda o, t: function(o, t, **unreduced), metric.counts
        )
    if ":" not in loss:
        raise UserError(f"loss: no loss {loss!r}; one of {', '.join(LOSSES)} or module:callable(outputs, targets)")
    own = resolve(loss, folder, "loss")
    if isinstance(own, type) and issubclass(own, nn.Module):
        module = construct(own, "loss", loss, **_with_tensors(args))
        if not config.regularize and hasattr(module, "label_smoothing"):
            module.label_smoothing = 0.0
        return Task(name, module, metric, counts=metric.counts)
    return Task(name, lambda o, t: call(own, "loss", loss, o, t, **args), metric, counts=metric.counts)


def _check_arguments(function: Callable[..., Tensor], name: str, args: Values) -> None:
    check_arguments(function, args, f"loss.args: {name}")
    outputs = torch.zeros(2, 2)
    targets = torch.zeros(2, dtype=torch.long) if name in ("cross_entropy", "focal", "nll", "multi_margin") else outputs
    try:
        function(outputs, targets, **{key: value for key, value in args.items() if key not in WEIGHTS})
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"loss.args: {name}: {refused(error)}") from None


def _metric(name: str, task: str, folder: Path) -> Metric:
    if name == "accuracy" and task in ("binary", "multilabel"):
        return BINARY_ACCURACY
    if name in METRICS:
        return METRICS[name]
    direction, _, target = name.partition(" ")
    if direction in ("max", "min") and ":" in target:
        function = resolve(target, folder, "metric")
        label = target.rpartition(":")[2]
        return Metric(label, lambda o, t: torch.as_tensor(function(o, t), dtype=torch.float32), direction == "max")
    raise UserError(
        f"metric: no metric {name!r}; one of {', '.join(METRICS)}, or `max module:callable` or `min module:callable`"
    )
