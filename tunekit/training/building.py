"""The task of a configuration: its loss and its metric, built in or the person's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.configuration import MetricSpec, TrainingConfig, Values
from tunekit.recipe import construct, resolve
from tunekit.recipe.text import nearest
from tunekit.training.balance import balanced
from tunekit.training.data import LoaderSplit, Split, Splits
from tunekit.training.foreign import foreign_metric, is_foreign
from tunekit.training.losses import (
    LEAVE_OUT,
    LEFT_OUT,
    LOSSES,
    OF_CLASSES,
    WEIGHTS,
    Own,
    check_loss,
    counted,
    counted_alike,
    focal_of_decisions,
    with_tensors,
)
from tunekit.training.metrics import LABEL_METRICS, METRICS, Metric
from tunekit.training.outputs import main_tensor
from tunekit.training.tasks import KINDS, Task, named
from tunekit.vocabulary import UserError

DECISIONS = ("binary", "multilabel")
"""Tasks whose outputs are each a decision of its own."""


def _unknown() -> object:
    return None


def build_task(config: TrainingConfig, folder: Path, targets: Callable[[], object] = _unknown) -> Task:
    """The task, with its loss and its metric. `targets`: those of the whole training split, where weights are to be
    counted. Errors: UserError."""
    name, loss, args = config.task, config.loss.target, dict(config.loss.args)
    if ":" in name:
        task = construct(resolve(name, folder, "task"), "task", name)
        if not hasattr(task, "loss") or not hasattr(task, "metric"):
            raise UserError(f"task: {name} needs the methods of tunekit.training.tasks.Task: subclass it")
        return task  # type: ignore[no-any-return]
    kind = KINDS[name]
    metric = build_metric(config.metric, name, folder)
    loss = kind.loss if loss == "auto" else loss
    with_weights, told = balanced(args, name, targets)
    args = dict(with_weights)
    if loss in LOSSES:
        _check_alpha(loss, args, name)
        if not config.regularize:
            args.pop("label_smoothing", None)
        decisions = loss == "focal" and name in DECISIONS
        function = focal_of_decisions if decisions else LOSSES[loss]
        check_loss(LOSSES[loss], loss, args)
        unreduced = {**args, "reduction": "none"}
        task = Task(name, lambda o, t: function(o, t, **args), metric, lambda o, t: function(o, t, **unreduced))
        task.of_classes, task.weighted = loss in OF_CLASSES and not decisions, bool(args.keys() & set(WEIGHTS))
        task.class_weights = _class_weights(loss, args, decisions)
        task.notes = tuple(told)
        task.in_shape = not task.of_classes
        leaves_out = loss in LEAVE_OUT and not decisions
        if args.get("reduction", "mean") == "mean":
            task.counted = (lambda o, t: counted(o, t, **args)) if leaves_out else counted_alike
        ignored = args.get("ignore_index", LEFT_OUT)
        task.ignored = ignored if leaves_out else None
        task.unscored = (ignored,) if leaves_out and ignored >= 0 else ()
        return task
    if ":" not in loss:
        known = f"{nearest(loss, LOSSES)}; one of {', '.join(LOSSES)} or module:callable(outputs, targets)"
        raise UserError(f"loss: no loss {loss!r}{known}")
    own = resolve(loss, folder, "loss")
    if isinstance(own, type) and issubclass(own, nn.Module):
        own, args = construct(own, "loss", loss, **with_tensors(args)), {}
        if not config.regularize and hasattr(own, "label_smoothing"):
            own.label_smoothing = 0.0
    task = Task(name, Own(own, f"loss: {loss}", args, main_tensor), metric)
    task.notes = tuple(told)
    task.ignored = getattr(own, "ignore_index", args.get("ignore_index"))
    task.own_loss, task.asks_metric = True, config.metric.target != "auto"
    return task


def outputs_needed(task: Task, whole: Splits, train: Split | LoaderSplit) -> int | None:
    """How many outputs a model needs for the classes of all splits, not those of training alone; None where targets do
    not tell. `train`: what is trained on, of the `whole`."""
    known = whole.known_targets()
    if "training" not in known and not isinstance(train, LoaderSplit):
        known["training"] = train.targets()
    if "validation" not in known and isinstance(whole.train, LoaderSplit):  # of a stream it alone can be asked
        known["validation"] = whole.val.targets()
    sizes = [size for targets in known.values() if (size := task.output_size(targets)) is not None]
    unread = len(known) < 2 + (whole.test is not None)
    if unread and sizes and whole.classes is not None and task.kind == "classification":
        sizes.append(len(whole.classes))
    return max(sizes, default=None)


def _check_alpha(loss: str, args: Values, kind: str) -> None:
    if loss != "focal" or args.get("alpha") is None:
        return
    several = isinstance(args["alpha"], list | tuple)
    if kind in DECISIONS and (several or isinstance(args["alpha"], bool) or not 0 <= args["alpha"] <= 1):
        raise UserError(f"loss.args: focal: alpha is the weight of 1, between 0 and 1, not {args['alpha']}")
    if kind not in DECISIONS and not several:
        raise UserError("loss.args: focal: alpha is a list with a weight for each class, or `balanced`")


def _class_weights(loss: str, args: Values, decisions: bool) -> Any:
    """What a built-in loss weighs classes by [C], or 1 against 0; None where it does not."""
    if loss == "bce":
        return args.get("pos_weight")
    alpha = args.get("alpha")
    if decisions and alpha is not None:
        return alpha / max(1 - alpha, 1e-6)
    return args.get("weight", alpha) if loss in OF_CLASSES else None


def build_metric(spec: MetricSpec, kind: str, folder: Path) -> Metric:
    """The metric of a recipe for a task of this kind. Errors: UserError."""
    name = KINDS[kind].metric if spec.target == "auto" else spec.target
    known = LABEL_METRICS if name in LABEL_METRICS and kind in DECISIONS else METRICS
    if name in known:
        if spec.args:
            raise UserError(f"metric.args: {name} takes none; metrics of torchmetrics do: torchmetrics:F1Score")
        metric = known[name]
        if known is LABEL_METRICS or kind not in DECISIONS:
            return metric
        if metric.classes:
            raise UserError(f"metric: {name} is of several classes, and the task is {kind}")
        return replace(metric, chances=True)
    direction, _, target = name.rpartition(" ")
    if direction in ("", "max", "min") and is_foreign(target):
        return foreign_metric(target, spec.args, kind, direction)
    if direction in ("max", "min") and ":" in target:
        return _own_metric(target, direction == "max", spec.args, folder)
    raise UserError(
        f"metric: no metric {name!r}; one of {', '.join(METRICS)}, torchmetrics:Name, `max module:callable` or "
        f"`min module:callable`{nearest(name, METRICS)}"
    )


def _own_metric(target: str, maximize: bool, args: Values, folder: Path) -> Metric:
    own = Own(resolve(target, folder, "metric"), f"metric: {target}", args, main_tensor)

    def whole(outputs: Any, targets: Any) -> Tensor:
        value = own(outputs, targets)
        try:
            number = (
                None
                if isinstance(value, Tensor) and value.is_complex()
                else torch.as_tensor(value, dtype=torch.float32)
            )
        except (TypeError, ValueError, RuntimeError, OverflowError):
            number = None
        if number is None or number.numel() != 1:
            raise UserError(f"metric: {target} must return one real number, not {named(value)}")
        return number.reshape(())

    name = target.rpartition(":")[2]
    # The loss has the columns of that name.
    return Metric("own_loss" if name == METRICS["loss"].name else name, maximize, whole=whole, own=True)
