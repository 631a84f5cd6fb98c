"""The person's metric and loss on answers known to be right and on wrong ones; a regression's columns."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tunekit.measured import Column, Columns, Direction
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.outputs import Outputs, refusable
from tunekit.training.probes.parts import detached, real, with_real

SURE = 6.0  # logit of a right answer; minus this of a wrong one
DESCENT = 80  # steps by which free outputs follow the loss
STEP = 0.1  # of the outputs' scale
MANY = 64  # columns, above which they are pixels or steps of one thing


@torch.no_grad()
def measure_direction(session: Session, batch: Batch) -> Direction | None:
    """The metric of right answers and of the same ones exchanged between samples. Where right answers cannot be made
    from the targets: of outputs that follow the loss downhill, and of those that they started from."""
    task = session.task
    if task.metric.is_loss or len(batch) < 2:
        return None
    outputs = session.answer(session.model.eval(), batch)
    for right in _right(session, outputs, batch.targets) if isinstance(outputs, Tensor) else ():
        wrong = right.roll(max(1, len(right) // 2), 0)
        losses: list[float] = []
        with refusable():
            losses = [float(task.loss(answer, batch.targets)) for answer in (right, wrong, outputs)]
        if losses and all(map(math.isfinite, losses)) and losses[0] < min(losses[1:]):
            return _direction(session, batch, right, wrong, made=True)
    lower = _downhill(session, batch, outputs)
    return None if lower is None else _direction(session, batch, lower, outputs, made=False)


def _direction(session: Session, batch: Batch, right: Outputs, wrong: Outputs, made: bool) -> Direction:
    better, worse = (float(session.task.score(answer, batch.targets)) for answer in (right, wrong))
    return Direction(right=better, wrong=worse, maximize=session.task.metric.maximize, made=made)


def _right(session: Session, outputs: Tensor, targets: object) -> Iterator[Tensor]:
    """Outputs that are right, in the forms that a loss may take: scores, log-probabilities, probabilities."""
    task = session.task
    wanted = task.targets(targets, outputs)
    if not isinstance(wanted, Tensor):
        return
    if wanted.shape == outputs.shape:
        wanted = wanted.to(outputs.dtype)
        if task.kind != "regression":
            yield (2 * wanted - 1) * SURE
        yield wanted
    elif task.kind == "classification":
        for axis in (1, outputs.dim() - 1):
            if outputs.select(axis, 0).shape != wanted.shape:
                continue
            labels = wanted.clamp(0, outputs.shape[axis] - 1).unsqueeze(axis)
            scores = torch.zeros_like(outputs).scatter(axis, labels, SURE)
            yield scores
            yield scores.log_softmax(axis)
            yield scores.softmax(axis)


def _downhill(session: Session, batch: Batch, outputs: Outputs) -> Outputs | None:
    """Outputs, without a network, after some steps against the loss's gradient. None where that does not lower it."""
    with torch.enable_grad():
        free = [part.detach().clone().requires_grad_() for part in real(outputs)]
        sizes = [max(float(part.detach().std()), 0.1) if part.numel() > 1 else 1.0 for part in free]
        start = value = session.task.loss(with_real(outputs, free), batch.targets)
        first, second = ([torch.zeros_like(part) for part in free] for _ in range(2))
        for step in range(1, DESCENT + 1):  # Adam, whose own class imports torch's compiler
            gradients = torch.autograd.grad(value, free, allow_unused=True, materialize_grads=True)
            for k, gradient in enumerate(gradients):
                first[k] = 0.9 * first[k] + 0.1 * gradient
                second[k] = 0.99 * second[k] + 0.01 * gradient.square()
                move = (first[k] / (1 - 0.9**step)) / ((second[k] / (1 - 0.99**step)).sqrt() + 1e-12)
                free[k] = (free[k] - STEP * sizes[k] * move).detach().requires_grad_()
            value = session.task.loss(with_real(outputs, free), batch.targets)
    first_loss, lowered = float(start.detach()), float(start.detach()) - float(value.detach())
    if not math.isfinite(lowered) or not lowered > 0.05 * abs(first_loss):
        return None
    return detached(with_real(outputs, free))


@torch.no_grad()
def measure_columns(session: Session, batch: Batch, targets: Tensor) -> Columns | None:
    """Every target column of a regression: where the model's outputs start, its mean and spread, and its share of the
    loss. None where the loss is not least at outputs that equal the targets. `targets`: all of them [N, ...]."""
    task = session.task
    outputs = session.answer(session.model.eval(), batch)
    if task.kind != "regression" or not isinstance(outputs, Tensor) or not isinstance(batch.targets, Tensor):
        return None
    wanted = task.targets(batch.targets, outputs)
    if wanted.shape != outputs.shape or not wanted.is_floating_point():
        return None
    shape = (-1, outputs.shape[1]) if outputs.dim() == 2 and outputs.shape[1] <= MANY else (-1, 1)
    every = targets.double().reshape(shape)
    every = every[torch.isfinite(every).all(1)]
    if len(every) < 2 or every.shape[1] != (wanted.shape[1] if shape[1] > 1 else 1):
        return None
    means, stds, starts = every.mean(0), every.std(0), outputs.double().reshape(shape)
    perfect = float(task.loss(wanted, batch.targets))
    shares = []
    for column, std in enumerate(stds.tolist()):
        off = torch.zeros_like(wanted).reshape(shape)
        off[:, column] = std
        moved = [float(task.loss(wanted + sign * off.view(wanted.shape), batch.targets)) for sign in (1, -1)]
        if std > 0 and not min(moved) > perfect:  # another quantity than the targets is asked for, or NaN
            return None
        shares.append(sum(moved) / 2 - perfect)
    total = sum(shares)
    if not total > 0:
        return None
    zipped = zip(means.tolist(), stds.tolist(), starts.mean(0).tolist(), shares, strict=True)
    return Columns(tuple(Column(mean, std, start, share / total) for mean, std, start, share in zipped))
