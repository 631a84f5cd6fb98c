"""The floor of a person's loss: what outputs reach that are free, with no network behind them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.measured import RESIDUAL, Floor
from tunekit.training.probes.parts import class_axis, mapped, real, with_real
from tunekit.training.tasks import Task, main_tensor

VALUES = 2_000_000  # outputs on the whole set, above which they are not optimised
SECONDS = 3.0  # a search of free outputs; a loss that is slow is searched less well
LBFGS_STEPS = 100
ADAM_STEPS = 100
CLOSE = 1e-3  # share of a loss by which a round of a search lowers it, if another follows
ROUNDING = 1e-7
SURE = 20.0  # logit of a class that is certain: its cross-entropy is 2e-9
ENDLESS = 0.1  # drop in the last half of a search, over the drop before, of a loss that falls without end
DEEP = 1000.0  # times the size of its start, below zero, where a loss falls without end
RANGE = 10.0  # size of outputs at which a loss without end is judged

Loss = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Form:
    """How outputs come about from numbers of any size: what a network's last activation lets through."""

    name: str
    apply: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


AS_THEY_ARE = Form("scores", lambda z: z, lambda y: y)
SIGMOID = Form("probabilities", torch.sigmoid, lambda y: torch.logit(y.clamp(1e-4, 1 - 1e-4)))
POSITIVE = Form("positive", F.softplus, lambda y: torch.log(torch.expm1(y.clamp(1e-3, 50.0))))


@dataclass(frozen=True)
class Search:
    """Where a search of free outputs ended."""

    loss: float
    outputs: Any
    endless: bool  # it fell without end
    sound: bool  # it came to an end, and no value on the way was none


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

    axis = _sample_axis(answer, targets)
    forms = _forms(answer)
    searches: list[tuple[Form, Search]] = []
    for form in forms:
        found = _searched(loss, answer, form, thorough=perfect_outputs(task, answer, targets, form) is None)
        if found is not None:
            searches.append((form, found))
            if found.sound:
                break
    if not searches:
        return None
    form, best = min(searches, key=lambda search: (not search[1].sound, search[1].endless, search[1].loss))
    perfect = _value(loss, perfect_outputs(task, answer, targets, form))
    constant = None if axis is None else _searched(loss, answer, form, tied=axis)
    level = _level(task, answer, targets, form)
    lowest = min(value for value in (best.loss, perfect, level) if value is not None and math.isfinite(value))
    endless = best.endless or _is_endless(lowest, level, constant)
    floor = Floor(
        loss=lowest,
        endless=endless,
        constant=None if constant is None or constant.endless else constant.loss,
        perfect=perfect,
        level=level,
        score=_score(task, best.outputs, targets),
        within=_within(loss, answer, form) if endless and level is None else None,
    )
    return Free(floor, best.outputs)


def _is_endless(lowest: float, level: float | None, constant: Search | None) -> bool:
    """Whether the last hundredth of the targets' variance is worth more than all before: a log-likelihood, which falls
    without end as what it is unsure of vanishes."""
    if level is None or constant is None or not math.isfinite(constant.loss):
        return False
    return level - lowest > max(constant.loss - level, 1e-9)


def perfect_outputs(task: Task, answer: Any, targets: Any, form: Form) -> Tensor | None:
    """Outputs that are the targets: the targets themselves, or certainty of each class. None: it cannot be said."""
    if not isinstance(answer, Tensor):
        return None
    wanted = task.targets(targets, answer)
    if not isinstance(wanted, Tensor):
        return None
    axis = class_axis(answer, wanted)
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


def _forms(answer: Any) -> list[Form]:
    """The forms to search in. Outputs of a narrower range than all numbers may owe it to a last activation that the
    loss asks for, or to a fault: so the range counts only where the loss has no floor without, or is not defined."""
    if not isinstance(answer, Tensor):
        return [AS_THEY_ARE]
    several = [axis for axis in {1, answer.dim() - 1} if answer.dim() > 1 and answer.shape[axis] > 1]
    for axis in several:
        if float(answer.double().logsumexp(axis).abs().max()) < 1e-3:
            return [_over(axis, torch.log_softmax, "log_softmax")]
    low, high = float(answer.min()), float(answer.max())
    if low >= 0 and high <= 1:  # distances may lie there as well
        for axis in several:
            if float((answer.double().sum(axis) - 1).abs().max()) < 1e-3:
                return [AS_THEY_ARE, _over(axis, torch.softmax, "softmax")]
        return [AS_THEY_ARE, SIGMOID, POSITIVE]
    return [AS_THEY_ARE, POSITIVE] if low >= 0 else [AS_THEY_ARE]


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
    starts = [form.inverse(part.detach()) for part in real(answer)]
    shapes = [part.shape for part in starts]
    if tied is not None:
        starts = [part.mean(tied, keepdim=True) for part in starts]
    if bound is not None:
        starts = [torch.atanh((part / bound).clamp(-0.9, 0.9)) for part in starts]
    leaves = [part.float().clone(memory_format=torch.contiguous_format).requires_grad_() for part in starts]

    def outputs() -> Any:
        values = [leaf if bound is None else bound * torch.tanh(leaf) for leaf in leaves]
        shaped = [form.apply(value.expand(shape)) for value, shape in zip(values, shapes, strict=True)]
        return with_real(answer, shaped)

    try:
        with torch.enable_grad():
            lowest, endless, sound = _descend(lambda: loss(outputs()), leaves, thorough)
            value = outputs()
    except Exception:  # the person's loss: any error means that free outputs are not for it
        return None
    if not math.isfinite(lowest):
        return None
    return Search(lowest, mapped(value, Tensor.detach), endless, sound)


def _descend(loss: Callable[[], Tensor], leaves: list[Tensor], thorough: bool) -> tuple[float, bool, bool]:
    """Down from where the leaves are: LBFGS and, to be thorough with what has corners, Adam at several rates. Leaves
    them at the lowest point, and says whether the loss falls without end, and whether the search went well."""
    start, until = float(loss().detach()), time.monotonic() + SECONDS
    course, broken = [start], False
    best = [leaf.detach().clone() for leaf in leaves]

    def keep(value: float) -> None:
        if value < min(course) or not math.isfinite(start):
            best[:] = [leaf.detach().clone() for leaf in leaves]
        course.append(value)

    search = torch.optim.LBFGS(leaves, max_iter=10, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(LBFGS_STEPS // 10):
        search.step(closure)
        value = float(loss().detach())
        broken = not math.isfinite(value)
        if broken or time.monotonic() > until:
            break
        keep(value)
        if course[-2] - value <= CLOSE * abs(value) + ROUNDING * (course[0] - value):
            break
    _put(leaves, best)
    endless = course[-1] < -DEEP * (1 + abs(start)) or (len(course) > LBFGS_STEPS // 10 and _still_falls(course))
    if thorough and not endless:
        _adam(loss, leaves, keep, until)
        _put(leaves, best)
    return float(loss().detach()), endless, not (endless or broken)


def _still_falls(course: Sequence[float]) -> bool:
    """Whether the last half of a search went down by no less than a share of what came before."""
    middle = course[len(course) // 2]
    return middle - course[-1] > ENDLESS * max(course[0] - middle, 1e-9)


def _adam(loss: Callable[[], Tensor], leaves: list[Tensor], keep: Callable[[float], None], until: float) -> None:
    start = [leaf.detach().clone() for leaf in leaves]
    scale = max(max(float(leaf.detach().square().mean().sqrt()) for leaf in leaves), 0.1)
    for rate in (0.1 * scale, 0.01 * scale):
        _put(leaves, start)
        search = torch.optim.Adam(leaves, lr=rate)
        for step in range(ADAM_STEPS):
            search.param_groups[0]["lr"] = rate * (1 - step / ADAM_STEPS)
            search.zero_grad()
            value = loss()
            value.backward()
            if step % 10 == 0 and (not math.isfinite(float(value.detach())) or time.monotonic() > until):
                break
            search.step()
        keep(float(loss().detach()))


def _put(leaves: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for leaf, value in zip(leaves, values, strict=True):
            leaf.copy_(value)


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
    values = [found.loss if found is not None and not found.endless else None, exact]
    return min((value for value in values if value is not None and math.isfinite(value)), default=None)


def _within(loss: Loss, answer: Any, form: Form) -> float | None:
    """The lowest loss of outputs no larger than RANGE."""
    found = _searched(loss, answer, form, bound=RANGE)
    return None if found is None else found.loss


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
        score = float(task.score(main_tensor(outputs), targets))
    except Exception:
        return None
    return score if math.isfinite(score) else None
