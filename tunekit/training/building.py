"""The task of a configuration: its loss and its metric, built in or the person's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.configuration import TrainingConfig
from tunekit.recipe import construct, resolve
from tunekit.training.losses import LOSSES, OF_CLASSES, WEIGHTS, Own, check_loss, with_tensors
from tunekit.training.metrics import LABEL_METRICS, METRICS, Metric
from tunekit.training.outputs import main_tensor
from tunekit.training.tasks import KINDS, Task, named
from tunekit.vocabulary import UserError


def build_task(config: TrainingConfig, folder: Path) -> Task:
    """The task, with its loss and its metric. Errors: UserError."""
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
        check_loss(function, loss, args)
        unreduced = {**args, "reduction": "none"}
        task = Task(name, lambda o, t: function(o, t, **args), metric, lambda o, t: function(o, t, **unreduced))
        task.of_classes, task.weighted = loss in OF_CLASSES, bool(args.keys() & set(WEIGHTS))
        task.in_shape = not task.of_classes
        task.ignored = args.get("ignore_index", -100) if loss in ("cross_entropy", "nll") else None
        task.unscored = () if task.ignored is None or task.ignored < 0 else (task.ignored,)
        return task
    if ":" not in loss:
        raise UserError(f"loss: no loss {loss!r}; one of {', '.join(LOSSES)} or module:callable(outputs, targets)")
    own = resolve(loss, folder, "loss")
    if isinstance(own, type) and issubclass(own, nn.Module):
        own, args = construct(own, "loss", loss, **with_tensors(args)), {}
        if not config.regularize and hasattr(own, "label_smoothing"):
            own.label_smoothing = 0.0
    task = Task(name, Own(own, f"loss: {loss}", args, main_tensor), metric)
    task.own_loss, task.asks_metric = True, config.metric != "auto"
    return task


def _metric(name: str, task: str, folder: Path) -> Metric:
    if name in LABEL_METRICS and task in ("binary", "multilabel"):
        return LABEL_METRICS[name]
    if name in METRICS:
        return METRICS[name]
    direction, _, target = name.partition(" ")
    if direction in ("max", "min") and ":" in target:
        function = resolve(target, folder, "metric")
        label = target.rpartition(":")[2]
        own = Own(function, f"metric: {target}", {}, main_tensor)

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

        return Metric(label, direction == "max", whole=whole, own=True)
    raise UserError(
        f"metric: no metric {name!r}; one of {', '.join(METRICS)}, or `max module:callable` or `min module:callable`"
    )
