"""The tiny set of step 2: what can be reached on it, and what a model trained on it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Fit, Floor, Spread, TinySet, TinyTrained
from tunekit.training.control import blank_batch
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.meaning import pairs
from tunekit.training.normalisations import BatchNorm, averaging, batch_norms
from tunekit.training.outputs import any_tensor
from tunekit.training.probes import limits
from tunekit.training.probes.alignment import measure_alignment
from tunekit.training.probes.asking import asked, undisturbed
from tunekit.training.probes.floor import measure_floor
from tunekit.training.probes.losses import feels_targets
from tunekit.training.probes.parts import detached, real
from tunekit.training.probes.subject import Subject
from tunekit.training.seeds import seed_everything
from tunekit.training.tasks import Task

RECALIBRATION = 8  # passes that rebuild BatchNorm's statistics
PASSES = 8  # over which a loss that draws is averaged
FEW_CONFLICTS = 0.1  # share of the samples whose labels disagree, up to which noise explains it
SAME = 1e-6  # of the outputs' size: what rounding changes between two passes


def measure_tiny_set(subject: Subject) -> TinySet:
    """What can be reached on the tiny set: its size, the loss of the fresh model, the lowest that can be had."""
    session = Session(subject.config, subject.bench)
    task, batch, model = session.task, _whole(session), session.model
    with _same_draws():
        with torch.enable_grad():
            answer = session.answer(model, batch)  # its parts that no training moves have no gradient
        with torch.no_grad():
            start = float(task.loss(answer, batch.targets))
            outputs = any_tensor(answer).detach()
        random = asked(lambda: _draws(session, batch), False)
        wanted = task.targets(batch.targets, outputs)
        free = asked(lambda: measure_floor(task, answer, batch.targets), None)
        alignment = asked(lambda: measure_alignment(task, detached(answer), batch.targets), None)
        feels = feels_targets(task, detached(answer), batch.targets)
        paired = not feels or asked(lambda: pairs(task.loss, detached(answer), batch.targets), None) is not False
    tiny = TinySet(
        kind=task.kind,
        accuracy=asked(lambda: _counts_right(task, detached(answer), batch.targets), False),
        samples=len(session.splits.train),
        parameters=sum(p.numel() for p in model.parameters()),
        start=start,
        floor=_floor(free.floor if free else None, start),
        best_score=None,
        spread=None,
        features=sum(value[0].numel() for value in batch.inputs if isinstance(value, Tensor) and value.dim()),
        conflicting=asked(lambda: limits.conflicting(batch), 0),
        targets=_known(wanted),
        free=free.floor if free else None,
        constant=None if free else asked(lambda: _untaught(task, outputs, batch.targets), None),
        alignment=alignment,
        random=random,
        paired=paired,
        told_apart=not feels or asked(lambda: _told_apart(blank_batch(batch)), True),
        reshaped=_reshaped(batch.targets, task.given(batch.targets, outputs)),
        dropouts=tuple(
            name for name, module in model.named_modules() if isinstance(module, nn.modules.dropout._DropoutNd)
        ),
        norms=len(_norms(model)),
    )
    return _limited(session, batch, outputs, wanted, tiny) if isinstance(wanted, Tensor) else tiny


def _floor(free: Floor | None, start: float) -> float:
    """The loss's own floor or, of one that falls without end, what is held to be one."""
    if free is None:
        return min(0.0, start)
    if not free.endless:
        return free.loss
    ends = [value for value in (free.level, free.within) if value is not None and math.isfinite(value)]
    return ends[0] if ends else free.loss


@torch.no_grad()
def _untaught(task: Task, outputs: Tensor, targets: object) -> float | None:
    """The lowest loss of outputs that know no more than how the targets are distributed."""
    losses = [float(task.loss(constant, targets)) for constant in task.untaught_outputs(outputs, targets).values()]
    return min((loss for loss in losses if math.isfinite(loss)), default=None)


def _limited(session: Session, batch: Batch, outputs: Tensor, wanted: Tensor, tiny: TinySet) -> TinySet:
    """What is known of the targets, and of models that cannot be held to the loss's own floor."""
    if tiny.kind == "regression" and wanted.is_floating_point():
        tiny = replace(tiny, spread=asked(lambda: _spread(wanted, tiny), None))
    following = asked(lambda: limits.next_token(session.task, batch, wanted), None)
    if following is not None:
        return replace(tiny, floor=tiny.floor + following.loss, best_score=following.score)
    few = 0 < tiny.conflicting <= FEW_CONFLICTS * tiny.samples
    shared = asked(lambda: limits.shared_inputs(session.task, batch, wanted), None) if few else None
    if shared is not None:
        tiny = replace(tiny, floor=tiny.floor + shared.loss, best_score=shared.score)
    linear = asked(lambda: limits.few_parameters(session, batch, outputs, wanted), None)
    if linear is not None and math.isfinite(linear.loss) and linear.loss > tiny.floor:
        return replace(tiny, floor=linear.loss, best_score=linear.score, linear=linear)
    if tiny.kind != "regression" or tiny.random or not wanted.is_floating_point():
        return tiny
    code = asked(lambda: limits.bottleneck(session, batch, wanted), None)
    kept = (
        math.nan
        if code is None
        else asked(lambda: limits.narrow_code(session.task, wanted, batch.targets, code), math.nan)
    )
    return replace(tiny, floor=kept, bottleneck=code) if kept > tiny.floor else tiny


def _spread(wanted: Tensor, tiny: TinySet) -> Spread:
    variance = float(wanted.double().var(0, unbiased=False).mean())
    level = tiny.free.level if tiny.free is not None else None
    residual = 0.0 if level is None else max(level - tiny.floor, 0.0)
    return Spread(mean=float(wanted.double().mean()), variance=variance, residual=residual)


def measure_tiny_trained(subject: Subject) -> TinyTrained:
    """A model trained on the tiny set: what it reached in both modes, its gradients, how far its parameters went."""
    assert subject.checkpoint is not None, "asked of a trained model"
    session = Session(subject.config, subject.bench)
    model, batch = session.model, _whole(session)
    before = [p.detach().clone() for p in model.parameters()]
    session.restore(subject.checkpoint)
    ways = [
        float((p.detach() - b).abs().max()) if p.numel() else 0.0
        for p, b in zip(model.parameters(), before, strict=True)
    ]
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    moved = dict(zip((name for name, _ in model.named_parameters()), ways, strict=True))
    model.train()
    with _same_draws():
        answer = session.answer(model, batch)
        loss = session.task.loss(answer, batch.targets)
        if loss.requires_grad:
            loss.backward()
        grads = {name: p.grad for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads.values()))
        quiet = tuple(name for name in names if name not in grads or not bool(grads[name].any()))
        model.zero_grad(set_to_none=True)
        train_mode = _mean_fit(session, model, batch)
    reloaded = asked(lambda: _reloaded(subject, batch), None)
    outputs = any_tensor(answer).detach()
    _recalibrate(model, session, batch)
    model.eval()
    with _same_draws():
        eval_mode = _mean_fit(session, model, batch)
    return TinyTrained(
        moved=max(ways, default=0.0),
        gradient_norm=norm,
        train_mode=train_mode,
        eval_mode=eval_mode,
        reloaded=reloaded,
        still=tuple(name for name in names if moved[name] == 0),
        varies=_varies(outputs, len(batch)),
        at_bounds=float(((outputs == outputs.min()) | (outputs == outputs.max())).float().mean()),
        without_gradient=quiet,
        still_norms=tuple(name for name, norm in _norms(model) if norm.momentum == 0),
    )


def _whole(session: Session) -> Batch:
    """The whole tiny set, in order."""
    val = session.splits.val
    return val.batch(torch.arange(len(val))).to(session.device)


@contextmanager
def _same_draws() -> Iterator[None]:
    """The same random numbers at each entry, and the generators as they were afterwards."""
    with undisturbed():
        seed_everything(0, "tiny")
        yield


@torch.no_grad()
def _draws(session: Session, batch: Batch) -> bool:
    """Whether two passes in train mode differ: the model draws, dropout being off."""
    first, second = (detached(session.answer(session.model, batch)) for _ in range(2))
    pairs = list(zip(real(first), real(second), strict=True))
    return any(a.shape != b.shape or float((a - b).abs().max()) > SAME * (1 + float(a.abs().max())) for a, b in pairs)


def _counts_right(task: Task, answer: Any, targets: object) -> bool:
    """Whether the metric is the share of right answers, and says something of these outputs."""
    return task.metric.counts and math.isfinite(float(task.score(answer, targets)))


def _known(wanted: object) -> int:
    """Targets that count: the whole-numbered ones that are no marker, or all."""
    if not isinstance(wanted, Tensor):
        return 0
    return wanted.numel() if wanted.is_floating_point() else int((wanted >= 0).sum())


def _told_apart(blank: Batch) -> bool:
    """Whether samples differ in their inputs."""
    parts = [value for value in blank.inputs if isinstance(value, Tensor)]
    return any(bool((part != part[:1]).any()) for part in parts) or len(parts) < len(blank.inputs)


def _reshaped(targets: object, wanted: object) -> tuple[str, str] | None:
    if not isinstance(targets, Tensor) or not isinstance(wanted, Tensor) or targets.shape == wanted.shape:
        return None
    return str(list(targets.shape)), str(list(wanted.shape))


@torch.no_grad()
def _mean_fit(session: Session, model: nn.Module, batch: Batch) -> Fit:
    """Loss and metric of a pass; of a model that draws, the mean over several."""
    fits = [_fit(session, session.answer(model, batch), batch) for _ in range(2)]
    if fits[0].loss != fits[1].loss:
        fits += [_fit(session, session.answer(model, batch), batch) for _ in range(PASSES - 2)]
    return Fit(sum(fit.loss for fit in fits) / len(fits), sum(fit.score for fit in fits) / len(fits))


def _fit(session: Session, answer: Any, batch: Batch) -> Fit:
    task = session.task
    score = asked(lambda: float(task.score(answer, batch.targets)), math.nan)
    return Fit(float(task.loss(answer, batch.targets)), score)


def _reloaded(subject: Subject, batch: Batch) -> float:
    """The loss in train mode of the trained weights in a model that was built from another seed: what a checkpoint does
    not hold is then another."""
    assert subject.checkpoint is not None
    other = Session(replace(subject.config, seed=subject.config.seed + 1), subject.bench)
    other.restore(subject.checkpoint)
    other.model.train()
    with _same_draws():
        other.answer(other.model, batch)  # the pass whose gradients were looked at draws before
        return _mean_fit(other, other.model, batch).loss


def _varies(outputs: Tensor, samples: int) -> float | None:
    axis = next((axis for axis in (0, 1) if outputs.dim() > axis and outputs.shape[axis] == samples), None)
    if axis is None or samples < 2:
        return None
    spread = float((outputs - outputs.mean(axis, keepdim=True)).double().square().mean().sqrt())
    return spread / max(float(outputs.double().square().mean().sqrt()), 1e-30)


def _norms(model: nn.Module) -> Sequence[tuple[str, BatchNorm]]:
    return [(name, norm) for name, norm in batch_norms(model).items() if norm.track_running_stats]


def _recalibrate(model: nn.Module, session: Session, batch: Batch) -> None:
    """Rebuild BatchNorm's running statistics from the tiny set: after few iterations they still hold their start. Those
    that never move (a momentum of zero, a layer that the person keeps in eval mode) stay as they are."""
    model.train()
    norms = averaging(model)
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the passes
    with torch.no_grad(), _same_draws():
        for _ in range(RECALIBRATION):
            session.forward(model, batch)
