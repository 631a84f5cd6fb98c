"""The floor of a person's loss: what outputs reach that are free, with no network behind them."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.measured import RESIDUAL, Floor
from tunekit.training.probes.descent import Descent, descend
from tunekit.training.probes.parts import class_axis, detached, real, with_real
from tunekit.training.structure import changed
from tunekit.training.tasks import Task

VALUES = 2_000_000  # outputs on the whole set, above which they are not optimised
SURE = 20.0  # logit of a class that is certain: its cross-entropy is 2e-9
FAR = 100.0  # size within which outputs are kept whose loss is else a matter of rounding
ROUNDED = 1e-2  # of a loss and one: what rounding may change
RANGE = 10.0  # size of outputs at which a loss without end is judged

Loss = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Form:
    """How outputs come about from numbers of any size: what a network's last activation lets through."""

    name: str
    apply: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]
    choose: Callable[[Tensor], Form] | None = None  # of several parts: the form of each

    def of(self, part: Tensor) -> Form:
        return self if self.choose is None else self.choose(part)


AS_THEY_ARE = Form("scores", lambda z: z, lambda y: y)
SIGMOID = Form("probabilities", torch.sigmoid, lambda y: torch.logit(y.clamp(1e-4, 1 - 1e-4)))
DIRECTIONS = Form("rows of length 1", lambda z: F.normalize(z, dim=-1), lambda y: y)
POSITIVE = Form("positive", F.softplus, lambda y: torch.log(torch.expm1(y.clamp(1e-3, 50.0))))


def _by_range(part: Tensor) -> Form:
    if _are_directions(part):
        return DIRECTIONS
    if not part.numel() or float(part.min()) < 0:
        return AS_THEY_ARE
    return SIGMOID if float(part.max()) <= 1 else POSITIVE


def _are_directions(part: Tensor) -> bool:
    """Whether all rows have length 1, as embeddings that are normalised have: a loss of their products has its floor
    among such rows."""
    if part.dim() < 2 or part.shape[-1] < 2 or not part.numel():
        return False
    return float((part.double().norm(dim=-1) - 1).abs().max()) < 1e-3


PART_BY_PART = Form("part by part", AS_THEY_ARE.apply, AS_THEY_ARE.inverse, _by_range)


@dataclass(frozen=True)
class Search:
    """Where a search of free outputs ended."""

    end: Descent
    outputs: Any


@dataclass(frozen=True)
class Free:
    """What free outputs reach, with the outputs themselves. `floor` is what a measurement says of it."""

    floor: Floor
    outputs: Any


def measure_floor(task: Task, answer: Any, targets: Any) -> Free | None:
    """The least that free outputs reach of the loss on these targets, from outputs as the network gives them; and what
    that lowest point is like. None where the outputs are too many, or no numbers that the loss could be followed by."""
    size = sum(part.numel() for part in real(answer))
    if not 0 < size <= VALUES:
        return None

    def loss(outputs: Any) -> Tensor:
        return task.loss(outputs, targets)

    task, axis = _holding(task, answer), _sample_axis(answer, targets)
    answer = detached(answer)
    tries: list[_Try] = []
    for form in _forms(task, answer, loss):
        constant = None if axis is None else _searched(loss, answer, form, tied=axis)
        start = _nearer(loss, answer, constant)
        thorough = perfect_outputs(task, answer, targets, form) is None
        found = _searched(loss, start, form, thorough=thorough)
        if start is not answer:  # equal outputs may be a saddle of a loss that compares samples
            found = _lower(found, _searched(loss, answer, form, thorough=thorough))
        if found is not None:
            tries.append(_Try(form, start, constant, found, _level(task, start, targets, form)))
            if found.end.sound or (found.end.endless and tries[-1].level is not None):
                break
    if not tries:
        return None
    best = min(tries, key=lambda each: (not each.found.end.sound and each.level is None, each.found.end.loss))
    return Free(_floor_of(task, best, targets), best.found.outputs)


def constant_floor(task: Task, answer: Any, targets: Any) -> float | None:
    """The least that outputs reach which are the same for every sample. None where there is no such number."""
    task, axis = _holding(task, answer), _sample_axis(answer, targets)
    if axis is None:
        return None

    def loss(outputs: Any) -> Tensor:
        return task.loss(outputs, targets)

    every = (_searched(loss, answer, form, tied=axis) for form in _forms(task, answer, loss))
    found = next((search for search in every if search is not None), None)
    return None if found is None or found.end.endless else found.end.loss


def _holding(task: Task, answer: Any) -> Task:
    """The task with a loss that takes the parts of the outputs which no training moves as the model gave them: a
    teacher's answers, the noise that is to be found, a mask."""
    parts = real(answer)
    if isinstance(answer, Tensor) or all(part.requires_grad for part in parts):
        return task
    if not any(part.requires_grad for part in parts):
        return task  # nothing tells them apart
    holding, criterion = copy(task), task.criterion

    def kept(outputs: Any) -> Any:
        pairs = zip(parts, real(outputs), strict=True)
        return with_real(outputs, [free if part.requires_grad else part for part, free in pairs])

    holding.criterion = lambda outputs, wanted: criterion(kept(outputs), wanted)
    return holding


@dataclass(frozen=True)
class _Try:
    """A search in one form."""

    form: Form
    start: Any
    constant: Search | None
    found: Search
    level: float | None


def _floor_of(task: Task, best: _Try, targets: Any) -> Floor:
    def loss(outputs: Any) -> Tensor:
        return task.loss(outputs, targets)

    constant, found, level = best.constant, best.found, best.level
    if level is not None and constant is not None and level < found.end.loss - abs(constant.end.loss - found.end.loss):
        level = None  # targets that are known less well are worth no more: these are none that the loss takes
    perfect = _value(loss, perfect_outputs(task, best.start, targets, best.form))
    lowest = min(value for value in (found.end.loss, perfect, level) if value is not None)
    deeper = constant is not None and constant.end.endless
    endless = deeper or found.end.endless or _is_endless(lowest, level, constant)
    return Floor(
        loss=lowest + 0.0,  # no -0
        endless=endless,
        constant=None if constant is None or constant.end.endless else constant.end.loss,
        perfect=perfect,
        level=level,
        score=_score(task, found.outputs, targets),
        within=_within(loss, best.start, best.form) if endless and level is None else None,
    )


def _lower(first: Search | None, second: Search | None) -> Search | None:
    """The search that ended lower, one without an end lowest of all; the first of equals."""
    if first is None or second is None:
        return first or second
    return second if (not second.end.endless, second.end.loss) < (not first.end.endless, first.end.loss) else first


def _nearer(loss: Loss, answer: Any, constant: Search | None) -> Any:
    """The network's outputs or the best constant ones, where to begin: far targets are nearer to the latter."""
    here = _value(loss, answer)
    if constant is None or constant.end.endless or (here is not None and here <= constant.end.loss):
        return answer
    return constant.outputs


def _is_endless(lowest: float, level: float | None, constant: Search | None) -> bool:
    """Whether the last hundredth of the targets' variance is worth more than all before: a log-likelihood, which falls
    without end as what it is unsure of vanishes."""
    if level is None or constant is None or not math.isfinite(constant.end.loss) or constant.end.loss <= level:
        return False
    return level - lowest > max(constant.end.loss - level, 1e-9)


def perfect_outputs(task: Task, answer: Any, targets: Any, form: Form) -> Tensor | None:
    """Outputs that are the targets: the targets themselves, or certainty of each class. None: it cannot be said."""
    if not isinstance(answer, Tensor):
        return None
    wanted = task.targets(targets, answer)
    if not isinstance(wanted, Tensor):
        return None
    axis = class_axis(task, answer, wanted)
    if axis is not None:
        classes = answer.shape[axis]
        known = (wanted >= 0) & (wanted < classes)
        ones = F.one_hot(torch.where(known, wanted, 0), classes).movedim(-1, axis).to(answer)
        if form.name in ("softmax", "probabilities"):
            return ones
        return torch.log_softmax(SURE * ones, axis) if form.name == "log_softmax" else SURE * ones
    if wanted.shape != answer.shape:
        return None
    if task.kind in ("binary", "multilabel") and form.name != "probabilities":
        return SURE * (2 * wanted.to(answer) - 1) if bool(((wanted == 0) | (wanted == 1)).all()) else None
    return wanted.to(answer) if task.kind != "classification" else None


def _forms(task: Task, answer: Any, loss: Loss) -> list[Form]:
    """The forms to search in. Outputs of a narrower range than all numbers may owe it to a last activation that the
    loss asks for, or to a fault: so the range counts only where the loss has no floor without, or is not defined."""
    if not isinstance(answer, Tensor):
        return [PART_BY_PART] if any(map(_are_directions, real(answer))) else [AS_THEY_ARE, PART_BY_PART]
    if _are_directions(answer):
        return [DIRECTIONS]
    several = [axis for axis in {1, answer.dim() - 1} if answer.dim() > 1 and answer.shape[axis] > 1]
    for axis in several:
        if float(answer.double().logsumexp(axis).abs().max()) < 1e-3:
            return [_over(axis, torch.log_softmax, "log_softmax")]
    low, high = float(answer.min()), float(answer.max())
    if low >= 0 and high <= 1:
        for axis in several:
            if float((answer.double().sum(axis) - 1).abs().max()) < 1e-3:
                form = _over(axis, torch.softmax, "softmax")
                if task.kind != "classification":
                    return [AS_THEY_ARE, form]
                return [AS_THEY_ARE] if _takes_scores(loss, answer) else [form]
        # Shares and distances may both lie there.
        return [AS_THEY_ARE, *([POSITIVE, SIGMOID] if task.kind == "regression" else [SIGMOID, POSITIVE])]
    return [AS_THEY_ARE, POSITIVE] if low >= 0 else [AS_THEY_ARE]


def _takes_scores(loss: Loss, answer: Tensor) -> bool:
    """Whether the loss stays where all outputs are moved alike."""
    here, there = (_value(loss, answer + shift) for shift in (0.0, 3.0))
    return here is not None and there is not None and abs(here - there) <= 1e-3 * (1 + abs(here))


def _over(axis: int, function: Callable[[Tensor, int], Tensor], name: str) -> Form:
    inverse = (lambda y: y) if name == "log_softmax" else (lambda y: y.clamp_min(1e-6).log())
    return Form(name, lambda z: function(z, axis), inverse)


def _searched(
    loss: Loss,
    answer: Any,
    form: Form,
    *,
    tied: int | None = None,
    bound: float | None = None,
    thorough: bool = False,
) -> Search | None:
    """The lowest loss of outputs in a form, equal along the axis `tied` where that is given, within `bound` likewise.
    None where the loss cannot be followed."""
    forms = [form.of(part.detach()) for part in real(answer)]
    starts = [one.inverse(part.detach()) for one, part in zip(forms, real(answer), strict=True)]
    shapes = [part.shape for part in starts]
    if tied is not None:
        starts = [part.mean(tied, keepdim=True) for part in starts]
    if bound is not None:
        starts = [torch.atanh((part / bound).clamp(-0.9, 0.9)) for part in starts]
    leaves = [part.float().clone(memory_format=torch.contiguous_format).requires_grad_() for part in starts]

    def outputs() -> Any:
        values = [leaf if bound is None else bound * torch.tanh(leaf) for leaf in leaves]
        shaped = [one.apply(value.expand(shape)) for one, value, shape in zip(forms, values, shapes, strict=True)]
        return with_real(answer, shaped)

    try:
        with torch.enable_grad():
            end = descend(lambda: loss(outputs()), leaves, thorough)
            value = outputs()
    except Exception:  # the person's loss: any error means that free outputs are not for it
        return None
    if bound is None and _rounded(loss, value, end.loss):
        return _searched(loss, answer, form, tied=tied, bound=FAR, thorough=thorough)
    return Search(end, detached(value)) if math.isfinite(end.loss) else None


@torch.no_grad()
def _rounded(loss: Loss, outputs: Any, value: float) -> bool:
    """Whether outputs went so far that their loss is a matter of rounding: in double precision it is another."""
    try:
        exact = float(loss(changed(outputs, lambda part: part.double() if part.is_floating_point() else part)))
    except Exception:  # of a loss that takes no doubles, whatever it raises
        return False
    return math.isfinite(exact) and abs(exact - value) > ROUNDED * (1 + abs(exact))


def _level(task: Task, answer: Any, targets: Any, form: Form) -> float | None:
    """The loss of the best outputs for real targets that are known up to RESIDUAL of their variance: the mean over
    targets a little above and a little below. None for other targets.
    A log-likelihood, which has no floor, has this."""
    if task.kind != "regression" or not isinstance(targets, Tensor) or not targets.is_floating_point():
        return None
    if len(targets) < 2:
        return None
    draw = torch.rand(targets.shape, generator=torch.Generator().manual_seed(0)).to(targets.device)
    off = RESIDUAL**0.5 * targets.double().std(0, unbiased=False).to(targets) * torch.where(draw < 0.5, -1.0, 1.0)

    def loss(outputs: Any) -> Tensor:
        return (task.loss(outputs, targets + off) + task.loss(outputs, targets - off)) / 2

    found = _searched(loss, answer, form)
    exact = _value(loss, perfect_outputs(task, answer, targets, form))
    values = [found.end.loss if found is not None and not found.end.endless else None, exact]
    return min((value for value in values if value is not None), default=None)


def _within(loss: Loss, answer: Any, form: Form) -> float | None:
    """The lowest loss of outputs no larger than RANGE."""
    found = _searched(loss, answer, form, bound=RANGE)
    return None if found is None else found.end.loss


def _sample_axis(answer: Any, targets: Any) -> int | None:
    """The axis along which all outputs lie by sample, or None."""
    count = len(targets) if hasattr(targets, "__len__") else None
    parts = real(answer)
    for axis in (0, 1):
        if parts and all(part.dim() > axis and part.shape[axis] == count for part in parts):
            return axis
    return None


@torch.no_grad()
def _value(loss: Loss, outputs: Any) -> float | None:
    if outputs is None:
        return None
    try:
        value = float(loss(outputs))
    except Exception:  # outputs that are the targets may be none that this loss takes
        return None
    return value if math.isfinite(value) else None


@torch.no_grad()
def _score(task: Task, outputs: Any, targets: Any) -> float | None:
    """The metric of outputs; None where it says nothing of them."""
    try:
        score = float(task.score(outputs, targets))
    except Exception:
        return None
    return score if math.isfinite(score) else None
