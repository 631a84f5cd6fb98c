"""The loss of the untrained network beside what outputs without knowledge have, and what kind of loss it is."""

from __future__ import annotations

import math
from typing import get_args

import torch
from torch import Tensor

from tunekit.measured import Expectation, Knowledge, Targets
from tunekit.training.data import Batch
from tunekit.training.indices import checked_indices
from tunekit.training.loop import Session
from tunekit.training.losses import LEFT_OUT, together
from tunekit.training.meaning import prefers_wrong, takes_logits
from tunekit.training.outputs import Outputs, any_tensor, refusable, with_main
from tunekit.training.probes.floor import constant_floor
from tunekit.training.structure import by_rows, changed, rows
from tunekit.training.tasks import Task

UNFIT = 64  # labels beyond the outputs that the loss is asked about
CONSTANTS = 4  # batches for which the best constant outputs are looked for
LOWER = 0.02  # share of a loss by which they must lie below what is known of it, to be worth a word


def labels_fit(task: Task, outputs: Tensor, targets: object) -> bool:
    """Whether a classification loss takes these labels with these outputs, [B, C, ...] or [B, ..., C].

    Labels outside 0 to C - 1 may be a marker that the loss leaves out. Of more targets than outputs it is asked in
    parts, which takes no more memory than a batch.
    """
    if task.kind != "classification" or outputs.dim() < 2 or not isinstance(targets, Tensor):
        return True
    if targets.shape == outputs.shape or not targets.numel() or (task.own_loss and targets.is_floating_point()):
        return True
    known, axis = targets[targets != LEFT_OUT], axis_of(task)
    if not len(known) or (float(known.min()) >= 0 and float(known.max()) < outputs.shape[axis]):
        return True
    losses: list[float] = []
    with refusable(), checked_indices(outputs.device):
        parts = targets.split(len(outputs))
        losses = [float(task.loss(outputs[: len(part)].detach(), part)) for part in parts]
    return any(map(math.isfinite, losses))  # a part may be of nothing but markers


def unfit_labels(task: Task, outputs: Tensor, targets: object) -> Targets | None:
    """The range of a split's labels where the loss does not take them. `outputs`: of a batch of another split."""
    axis = axis_of(task)
    positions = outputs.shape[1:axis] + outputs.shape[axis + 1 :]
    if not isinstance(targets, Tensor) or outputs.dim() < 2 or targets.shape[1:] != positions:
        return None
    beyond = ((targets < 0) | (targets >= outputs.shape[axis])).reshape(len(targets), -1).any(1)
    some = targets[beyond.nonzero()[:UNFIT, 0]].to(outputs.device)
    return None if labels_fit(task, outputs, some) else target_range(targets)


def target_range(targets: object) -> Targets | None:
    """The range of the finite targets that are no marker."""
    if not isinstance(targets, Tensor) or not targets.numel():
        return None
    values = targets.double().flatten()
    values = values[torch.isfinite(values) & (values != LEFT_OUT)][:1_000_000]
    if not len(values):
        return None
    low, high = torch.quantile(values, torch.tensor([0.05, 0.95], dtype=torch.float64, device=values.device)).tolist()
    return Targets(lowest=float(values.min()), highest=float(values.max()), low=low, high=high)


def measure_losses(
    session: Session, batches: list[Batch], outputs: list[Outputs]
) -> tuple[float, float, tuple[Expectation, ...]]:
    """Mean loss in train mode and in eval mode, and the loss of outputs without knowledge on the same targets.
    `outputs`: what the model gave of the batches in train mode."""
    task, model = session.task, session.model
    with torch.no_grad():
        trained = mean([float(task.loss(out, b.targets)) for out, b in zip(outputs, batches, strict=True)])
        model.eval()
        again = [session.answer(model, batch) for batch in batches]
        evaluated = mean([float(task.loss(out, b.targets)) for out, b in zip(again, batches, strict=True)])
        model.train()
        return trained, evaluated, _expected(session, batches, outputs)


@torch.no_grad()
def exchanged(task: Task, batches: list[Batch], answers: list[Outputs]) -> float | None:
    """The mean loss where each sample is given the outputs of another: what outputs of this size cost that know
    nothing. An untrained network may know something by chance, and as well the contrary."""
    if not task.of_samples:
        return None
    losses = []
    for answer, batch in zip(answers, batches, strict=True):
        size = len(batch)
        if size < 2 or not (by_rows(answer, size) and by_rows(batch.targets, size)):
            return None
        losses.append(float(task.loss(changed(answer, lambda part: part.roll(len(part) // 2, 0)), batch.targets)))
    return mean(losses)


def _expected(session: Session, batches: list[Batch], outputs: list[Outputs]) -> tuple[Expectation, ...]:
    task = session.task
    if not task.of_samples or not feels_targets(task, outputs[0], batches[0].targets):
        return ()  # what is alike in an untrained network, as views of one sample, is knowledge for such a loss
    decisions = task.own_loss and task.kind in ("binary", "multilabel")
    if decisions and isinstance(batches[0].targets, Tensor) and prefers_wrong(task.loss, batches[0].targets):
        return ()  # of distances: zero says that all are alike, and how often each target occurs says nothing
    every = together([batch.targets for batch in batches])
    form, axis = _form(session, outputs, batches), axis_of(task)
    losses: dict[str, list[float]] = {}
    for out, batch in zip(outputs, batches, strict=True):
        main, targets = any_tensor(out), batch.targets if every is None else every
        shaped = main if every is None else main[:1].expand(len(every), *main.shape[1:])
        for name, constant in task.untaught_outputs(shaped, targets).items():
            with refusable():
                loss = float(task.loss(with_main(out, _as(form, constant, axis)[: len(main)]), batch.targets))
                losses.setdefault(name, []).append(loss)
    known = [Expectation(name, mean(losses[name])) for name in get_args(Knowledge) if name in losses]
    best = _best_constant(task, batches, outputs) if task.own_loss else None
    if best is not None and all(best < one.loss - LOWER * abs(one.loss) for one in known):
        known.append(Expectation("constant", best))
    return tuple(known)


def _best_constant(task: Task, batches: list[Batch], outputs: list[Outputs]) -> float | None:
    """The least that outputs reach which are the same for every sample, whatever the loss takes them for: rates,
    thresholds, quantiles. None where there is no such number."""
    pairs = zip(outputs[:CONSTANTS], batches, strict=False)
    values = [constant_floor(task, out, batch.targets) for out, batch in pairs]
    found = [value for value in values if value is not None]
    return mean(found) if len(found) == len(values) else None


def feels_targets(task: Task, outputs: Outputs, targets: object) -> bool:
    """Whether the loss changes where the targets are exchanged between samples, or are others."""

    def exchanged(part: Tensor) -> Tensor:
        return part.roll(max(1, len(part) // 2), 0) if part.dim() else part

    def other(part: Tensor) -> Tensor:
        return ~part if part.dtype == torch.bool else part + 1

    try:
        with torch.random.fork_rng(), checked_indices(any_tensor(outputs).device):
            here, *there = (
                _drawn_alike(task, outputs, given)
                for given in (targets, changed(targets, exchanged), changed(targets, other))
            )
    except Exception:  # other targets may be none that it takes, whatever it raises
        return True
    return not all(value == here for value in there)


def _drawn_alike(task: Task, outputs: Outputs, targets: object) -> float:
    torch.manual_seed(0)
    return float(task.loss(outputs, targets).detach())


def axis_of(task: Task) -> int:
    """Along which the classes lie in outputs."""
    return task.reading.axis if task.reading else 1


def _form(session: Session, outputs: list[Outputs], batches: list[Batch]) -> str:
    """What the model gives: scores, log-probabilities, or probabilities for a loss that takes these."""
    every, axis = [any_tensor(out) for out in outputs], axis_of(session.task)
    several = every[0].dim() > axis and every[0].shape[axis] > 1
    if several and max(float(out.double().logsumexp(axis).abs().max()) for out in every) < 1e-3:
        return "log-probabilities"
    within = min(float(out.min()) for out in every) >= 0 and max(float(out.max()) for out in every) <= 1
    task = session.task
    if task.kind == "regression" or not within or takes_logits(task.loss, task.kind, outputs[0], batches[0].targets):
        return "scores"
    return "probabilities"


def _as(form: str, constant: Tensor, axis: int) -> Tensor:
    if form == "log-probabilities":
        return torch.log_softmax(constant, axis)
    if form == "probabilities":
        several = constant.dim() > axis and constant.shape[axis] > 1
        return torch.softmax(constant, axis) if several else torch.sigmoid(constant)
    return constant


def halves(session: Session, batch: Batch) -> float:
    """Loss of a batch over the mean loss of its halves, at constant outputs: 1 for a mean, 2 for a sum."""
    half = len(batch) // 2
    with torch.no_grad():
        outputs = session.answer(session.model, batch)
    if half < 1 or not session.task.of_samples:  # a loss that compares samples has more of them to compare
        return 1.0
    if not (by_rows(outputs, len(batch)) and by_rows(batch.targets, len(batch))):
        return 1.0
    both, first, second = (slice(0, 2 * half), slice(0, half), slice(half, 2 * half))
    with torch.no_grad():
        whole, *parts = (
            float(session.task.loss(rows(outputs, part), rows(batch.targets, part))) for part in (both, first, second)
        )
    part = mean(parts)
    return whole / part if part else 1.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
