"""The loss of the untrained network beside what outputs without knowledge have, and what kind of loss it is."""

from __future__ import annotations

import math
from typing import get_args

import torch
from torch import Tensor

from tunekit.measured import Expectation, Knowledge, Targets
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.tasks import REFUSALS, Task, takes_logits

IGNORED = -100  # torch's ignore_index


def labels_fit(task: Task, outputs: Tensor, targets: object) -> bool:
    """Whether a classification loss takes these labels with these outputs [B, C, ...].

    Labels outside 0 to C - 1 may be a marker that the loss leaves out. It is asked on the CPU: a GPU does not survive
    the answer.
    """
    if task.kind != "classification" or outputs.dim() < 2 or not isinstance(targets, Tensor):
        return True
    if targets.shape == outputs.shape or not targets.numel():
        return True
    known = targets[targets != IGNORED]
    if not len(known) or (float(known.min()) >= 0 and float(known.max()) < outputs.shape[1]):
        return True
    try:
        return math.isfinite(float(task.loss(outputs.detach().cpu(), targets.cpu())))
    except REFUSALS:
        return False


def target_range(targets: object) -> Targets | None:
    """The range of the finite targets that are no marker."""
    if not isinstance(targets, Tensor) or not targets.numel():
        return None
    values = targets.double().flatten()
    values = values[torch.isfinite(values) & (values != IGNORED)][:1_000_000]
    if not len(values):
        return None
    low, high = torch.quantile(values, torch.tensor([0.05, 0.95], dtype=torch.float64, device=values.device)).tolist()
    return Targets(lowest=float(values.min()), highest=float(values.max()), low=low, high=high)


def measure_losses(
    session: Session, batches: list[Batch], outputs: list[Tensor]
) -> tuple[float, float, tuple[Expectation, ...]]:
    """Mean loss in train mode and in eval mode, and the loss of outputs without knowledge on the same targets."""
    task, model = session.task, session.model
    with torch.no_grad():
        trained = mean([float(task.loss(out, b.targets)) for out, b in zip(outputs, batches, strict=True)])
        model.eval()
        again = [session.forward(model, batch) for batch in batches]
        evaluated = mean([float(task.loss(out, b.targets)) for out, b in zip(again, batches, strict=True)])
        model.train()
        return trained, evaluated, _expected(session, batches, outputs)


def _expected(session: Session, batches: list[Batch], outputs: list[Tensor]) -> tuple[Expectation, ...]:
    task = session.task
    every = torch.cat([b.targets for b in batches]) if isinstance(batches[0].targets, Tensor) else None
    form = _form(session, outputs, batches)
    losses: dict[str, list[float]] = {}
    for out, batch in zip(outputs, batches, strict=True):
        targets = batch.targets if every is None else every
        shaped = out if every is None else out[:1].expand(len(every), *out.shape[1:])
        for name, constant in task.constant_outputs(shaped, targets).items():
            try:
                loss = float(task.loss(_as(form, constant)[: len(out)], batch.targets))
            except REFUSALS:
                continue
            losses.setdefault(name, []).append(loss)
    return tuple(Expectation(name, mean(losses[name])) for name in get_args(Knowledge) if name in losses)


def _form(session: Session, outputs: list[Tensor], batches: list[Batch]) -> str:
    """What the model gives: scores, log-probabilities, or probabilities for a loss that takes these."""
    every = torch.cat(outputs)
    several = every.dim() >= 2 and every.shape[1] > 1
    if several and float(every.double().logsumexp(1).abs().max()) < 1e-3:
        return "log-probabilities"
    within = float(every.min()) >= 0 and float(every.max()) <= 1
    if session.task.kind == "regression" or not within or takes_logits(session.task, outputs[0], batches[0].targets):
        return "scores"
    return "probabilities"


def _as(form: str, constant: Tensor) -> Tensor:
    if form == "log-probabilities":
        return torch.log_softmax(constant, 1)
    if form == "probabilities":
        return torch.softmax(constant, 1) if constant.dim() >= 2 and constant.shape[1] > 1 else torch.sigmoid(constant)
    return constant


def halves(session: Session, batch: Batch) -> float:
    """Loss of a batch over the mean loss of its halves, at constant outputs: 1 for a mean, 2 for a sum."""
    half = len(batch) // 2
    if half < 1 or not isinstance(batch.targets, Tensor):
        return 1.0
    with torch.no_grad():
        outputs = session.forward(session.model, batch)[: 2 * half]
        targets = batch.targets[: 2 * half]
        whole = float(session.task.loss(outputs, targets))
        parts = [float(session.task.loss(outputs[p], targets[p])) for p in (slice(0, half), slice(half, 2 * half))]
    part = mean(parts)
    return whole / part if part else 1.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
