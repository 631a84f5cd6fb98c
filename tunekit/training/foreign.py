"""Any metric of torchmetrics by its name: what it reads of the outputs, the arguments that follow from the data, and
its direction, which its class says."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.recipe.text import nearest
from tunekit.telling import refused
from tunekit.training.answers import of_classes, of_labels, of_quantities, ranks
from tunekit.training.metrics import Metric
from tunekit.training.occurring import Occurring, goes_by_order
from tunekit.training.outputs import Unfit
from tunekit.training.streaming import Answers, Kept, State, Streamed, Sums, quiet
from tunekit.vocabulary import UserError

if TYPE_CHECKING:
    import torchmetrics

LIBRARY = "torchmetrics"
PLACES = ("classification", "regression")  # where classes are that the library's first page does not name
TASKS = {"classification": "multiclass", "binary": "binary", "multilabel": "multilabel"}
"""What torchmetrics calls the task of a recipe."""
FORMS = {
    "classification": ("multiclass", "binary"),
    "binary": ("binary", "quantities"),
    "multilabel": ("multilabel", "binary", "quantities"),
    "regression": ("quantities",),
}
"""What outputs of a task can be read as."""
OF_CLASSES = ("multiclass", "binary", "multilabel")
SIZES = {"num_classes": "multiclass", "num_labels": "multilabel", "num_outputs": ""}
"""What follows from the outputs, of which task of torchmetrics."""
TRIED = 16  # classes, labels and samples of the outputs on which a metric is tried before there are any


def is_foreign(target: str) -> bool:
    """Whether a metric's target is of torchmetrics."""
    return target.partition(":")[0].split(".")[0] == LIBRARY and ":" in target


def foreign_metric(target: str, args: Values, kind: str, direction: str) -> Metric:
    """The metric for a task of this kind. `direction`: max, min, or empty: its class says it. Errors: UserError."""
    build = _class_of(target)
    takes = signature(build).parameters
    if "task" in takes:
        if kind not in TASKS and "task" not in args:
            raise UserError(f"metric: {target} is of classes, and the task is {kind}")
        args = {"task": TASKS.get(kind, ""), **args}
    form = _form(build, args)
    if form not in (*FORMS[kind], "anything"):
        raise UserError(f"metric: {target} is of {form} outputs, and the task is {kind}")
    filled = partial(_filled, takes, args)
    metric = _tried(target, build, form, filled, args)
    better = {"max": True, "min": False}.get(direction, metric.higher_is_better)
    if better is None:
        raise UserError(
            f"metric: {target} does not say whether more of it is better: write `max {target}` or `min {target}`"
        )
    read = _READERS[form] if kind != "classification" or form != "binary" else _second_class
    return Metric(
        target.rpartition(":")[2],
        bool(better),
        streamed=Streamed(read, lambda outputs: _state(target, build, form, filled(outputs))),
        chances=kind != "regression" and not (goes_by_order(metric) and kind != "classification"),
        classes=form not in ("quantities", "anything"),
    )


def _class_of(target: str) -> Callable[..., torchmetrics.Metric]:
    import torchmetrics

    place, _, name = target.partition(":")
    try:
        modules = [import_module(place)]
    except ImportError as error:
        raise UserError(f"metric: {target}: {refused(error)}") from None
    if place == LIBRARY:
        modules += [import_module(f"{LIBRARY}.{inner}") for inner in PLACES]
    for module in modules:
        found = getattr(module, name, None)
        if isinstance(found, type) and issubclass(found, torchmetrics.Metric):
            return found
    known = {other for module in modules for other in getattr(module, "__all__", ())}
    raise UserError(f"metric: {place} has no metric {name!r}{nearest(name, sorted(known))}")


def _form(build: Callable[..., torchmetrics.Metric], args: Values) -> str:
    """As what outputs are read: multiclass, binary, multilabel, quantities, or anything."""
    if "task" in args:
        return str(args["task"])
    name = build.__name__
    for form in OF_CLASSES:
        if name.lower().startswith(form):
            return form
    return "quantities" if build.__module__.startswith(f"{LIBRARY}.regression") else "anything"


def _filled(takes: Values, args: Values, outputs: Tensor) -> Values:
    """The recipe's arguments, and the sizes that follow from outputs [B, C, ...]."""
    size = outputs.shape[1] if outputs.dim() > 1 else 1
    task = args.get("task", "")
    wanted = {name: size for name, of in SIZES.items() if name in takes and (not task or task == of)}
    for name in wanted.keys() & args.keys():
        if args[name] not in (size, 1 if name == "num_outputs" else size):
            raise Unfit(f"metric.args.{name}: {args[name]!r}, and the model gives {size} outputs: leave it out")
    return {**wanted, **args}


def _tried(
    target: str, build: Callable[..., torchmetrics.Metric], form: str, filled: Callable[[Tensor], Values], args: Values
) -> torchmetrics.Metric:
    """The metric, on answers that are made up where it is known what they look like. Errors: UserError for arguments
    that it does not take, and where it gives more than numbers."""
    given = next((args[name] for name in SIZES if name in args), TRIED)
    sizes = filled(torch.zeros(TRIED, given if isinstance(given, int) and given > 0 else TRIED))
    count = next((int(sizes[name]) for name in SIZES if name in sizes), 1)
    try:
        metric = build(**sizes)
        signature(metric.update).bind(None, None)
        if form == "anything":
            return metric
        draw = torch.Generator().manual_seed(0)
        said = torch.rand(TRIED, count, generator=draw).double()
        true = torch.arange(TRIED)[:, None] + torch.arange(count)  # each class, and both answers of each label
        answers = {
            "multiclass": (said / said.sum(1, keepdim=True), true[:, 0] % count),
            "multilabel": (said, true % 2),
            "binary": (said[:, 0], true[:, 0] % 2),
        }.get(form, (said.squeeze(1), true.double().squeeze(1)))
        with quiet():
            fresh = build(**sizes) if form != "quantities" else build(**sizes).set_dtype(torch.float64)
            fresh.update(*answers)
            value = fresh.compute()
    except (TypeError, ValueError, LookupError, RuntimeError, ImportError) as error:
        raise UserError(f"metric.args: {target}: {refused(error)}") from None
    if isinstance(value, Tensor) and value.dim() == 1 and len(value) not in (1, count):
        raise UserError(f"metric: {target} gives {len(value)} numbers, and validation is judged by one")
    _one_number(target, value)
    return metric


def _one_number(target: str, value: object) -> None:
    """Errors: UserError where a value is more than a number, or one for each class or column."""
    if isinstance(value, Tensor) and value.dim() < 2:
        return
    what = f"a table {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
    raise Unfit(f"metric: {target} gives {what}, and validation is judged by one number")


def _state(target: str, build: Callable[..., torchmetrics.Metric], form: str, args: Values) -> State:
    def fresh() -> torchmetrics.Metric:
        try:
            metric = build(**args)
        except (TypeError, ValueError) as error:
            raise Unfit(f"metric.args: {target}: {refused(error)}") from None
        return metric.set_dtype(torch.float64) if form == "quantities" else metric

    def summed() -> Sums:
        return Occurring(fresh(), form) if form in OF_CLASSES else Sums(fresh(), partial(_mean, target))

    state = summed()
    if not any(isinstance(default, list) for default in state.metric._defaults.values()):
        return state
    ordered = goes_by_order(state.metric)

    def over(predictions: Tensor, targets: Tensor) -> float:
        if ordered and not bool(torch.isfinite(predictions).all()):
            return math.nan
        again = summed()
        again.update(ranks(predictions) if ordered else predictions, targets)
        return again.compute()

    return Kept(over)


def _mean(target: str, value: Any) -> Tensor:
    """One number of a metric's value: of one for each class or column the mean of those that are numbers."""
    _one_number(target, value)
    return torch.as_tensor(value).double().nanmean()


def _second_class(outputs: Tensor, targets: Tensor) -> Answers:
    """How likely the second class of two is [M]. Errors: ValueError where there are others."""
    said, true, owners = of_classes(outputs, targets)
    if said.shape[1] != 2:
        raise ValueError(f"a metric of two classes does not take {said.shape[1]}")
    return said[:, 1], true, owners


def _single(outputs: Tensor, targets: Tensor) -> Answers:
    """Every decision by itself [M]."""
    said, true, owners = of_labels(outputs, targets)
    return said.reshape(-1), true.reshape(-1), owners.repeat_interleave(said.shape[1])


def _columns(outputs: Tensor, targets: Tensor) -> Answers:
    """Quantities [B, D], or [B] of a single one."""
    said, true, owners = of_quantities(outputs, targets)
    return (said[:, 0], true[:, 0], owners) if said.shape[1] == 1 else (said, true, owners)


def _whole(outputs: Tensor, targets: Tensor) -> Answers:
    return outputs.cpu(), targets.cpu(), torch.arange(len(outputs))


_READERS: dict[str, Callable[[Tensor, Any], Answers]] = {
    "multiclass": of_classes,
    "binary": _single,
    "multilabel": of_labels,
    "quantities": _columns,
    "anything": _whole,
}
