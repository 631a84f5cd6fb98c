"""The tiny set of step 2: what can be reached on it, and what a model trained on it shows."""

from __future__ import annotations

import math
from collections import Counter

import torch
from torch import Tensor, nn

from tunekit.measured import RESIDUAL, Fit, Spread, TinySet, TinyTrained
from tunekit.training.data import Batch, LoaderSplit, Split, TensorSplit
from tunekit.training.loop import Session
from tunekit.training.probes.subject import Subject
from tunekit.training.tasks import KINDS, Task

FEW = 2.0  # parameters a target value, below which a model may be too small to hold the set
RECALIBRATION = 8  # passes that rebuild BatchNorm's statistics


def measure_tiny_set(subject: Subject) -> TinySet:
    """What can be reached on the tiny set: its size, the loss of the fresh model, the lowest that can be had."""
    session = Session(subject.config, subject.bench)
    task, every = session.task, _whole(session)
    with torch.no_grad():
        outputs = session.forward(session.model, every)
        start = float(task.loss(outputs, every.targets))
    floor, score, spread = _floor(session, outputs, every.targets)
    return TinySet(
        kind=task.kind,
        accuracy=subject.config.task in KINDS and task.kind != "regression",
        samples=len(session.splits.train),
        parameters=sum(p.numel() for p in session.model.parameters()),
        start=start,
        floor=floor,
        best_score=score,
        spread=spread,
        conflicting=_conflicting(session.splits.train),
    )


def measure_tiny_trained(subject: Subject) -> TinyTrained:
    """A model trained on the tiny set: what it reached in both modes, its gradients, how far its parameters went."""
    assert subject.checkpoint is not None, "asked of a trained model"
    session = Session(subject.config, subject.bench)
    model, every = session.model, _whole(session)
    before = [p.detach().clone() for p in model.parameters()]
    session.restore(subject.checkpoint)
    ways = [float((p.detach() - b).abs().max()) for p, b in zip(model.parameters(), before, strict=True)]
    model.train()
    outputs = session.forward(model, every)
    loss = session.task.loss(outputs, every.targets)
    train_mode = _fit(session, outputs.detach(), every)
    if loss.requires_grad:
        loss.backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads))
    model.zero_grad(set_to_none=True)
    _recalibrate(model, session, every)
    model.eval()
    with torch.no_grad():
        eval_mode = _fit(session, session.forward(model, every), every)
    return TinyTrained(max(ways, default=0.0), norm, train_mode, eval_mode)


def _whole(session: Session) -> Batch:
    """The whole tiny set, in order."""
    val = session.splits.val
    return val.batch(torch.arange(len(val))).to(session.device)


def _fit(session: Session, outputs: Tensor, every: Batch) -> Fit:
    return Fit(float(session.task.loss(outputs, every.targets)), float(session.task.score(outputs, every.targets)))


def _recalibrate(model: nn.Module, session: Session, every: Batch) -> None:
    """Rebuild BatchNorm's running statistics from the tiny set: after few iterations they still hold their start."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the passes
    model.train()
    with torch.no_grad():
        for _ in range(RECALIBRATION):
            session.forward(model, every)


def _floor(session: Session, outputs: Tensor, targets: object) -> tuple[float, float | None, Spread | None]:
    """The lowest loss that can be reached on this set, the score that goes with it where the set cannot be learned
    whole, and a regression's targets."""
    task = session.task
    wanted = task.targets(targets, outputs)
    floor, spread = 0.0, None
    if not isinstance(wanted, Tensor):
        return floor, None, None
    with torch.no_grad():
        if task.kind == "regression":
            floor, spread = _regression(task, wanted, targets)
        elif wanted.is_floating_point() and task.kind == "classification":
            share = wanted.clamp_min(1e-12)
            floor = float(-(wanted * share.log()).sum(1).mean())
        elif wanted.is_floating_point():
            share = wanted.clamp(1e-6, 1 - 1e-6)
            inner = -(share * share.log() + (1 - share) * (1 - share).log())
            floor = float(torch.where((wanted == 0) | (wanted == 1), 0.0, inner).mean())
    ambiguous = _next_token(session, wanted)
    if ambiguous is not None:
        return ambiguous.loss, ambiguous.score, spread
    parameters = sum(p.numel() for p in session.model.parameters())
    if parameters < FEW * wanted.numel() and outputs.dim() == 2:
        linear = _linear_fit(session, outputs, targets)
        if linear is not None and math.isfinite(linear.loss) and linear.loss > floor:
            return linear.loss, linear.score, spread
    return floor, None, spread


def _next_token(session: Session, wanted: Tensor) -> Fit | None:
    """Where the targets are the tokens shifted by one: equal beginnings that go on differently set a floor, the entropy
    of what follows each beginning, and a limit to the accuracy."""
    inputs = _whole(session).args
    if wanted.dim() != 2 or wanted.is_floating_point() or len(inputs) != 1 or inputs[0].shape != wanted.shape:
        return None
    tokens, following = inputs[0].cpu(), wanted.cpu()
    if tokens.is_floating_point() or not torch.equal(tokens[:, 1:], following[:, :-1]):
        return None
    counts = Counter(
        (tuple(row[: place + 1]), after)
        for row, afters in zip(tokens.tolist(), following.tolist(), strict=True)
        for place, after in enumerate(afters)
        if after >= 0  # padding
    )
    beginnings: dict[tuple[int, ...], list[int]] = {}
    for (beginning, _), count in counts.items():
        beginnings.setdefault(beginning, []).append(count)
    total = sum(counts.values())
    entropy = sum(-count * math.log(count / sum(group)) for group in beginnings.values() for count in group)
    return Fit(entropy / total, sum(map(max, beginnings.values())) / total)


def _regression(task: Task, wanted: Tensor, targets: object) -> tuple[float, Spread]:
    """The floor, and the targets' mean and variance with what the loss is above it where RESIDUAL of that is left."""
    spread = wanted.double().std(0, unbiased=False).to(wanted)
    signs = torch.ones(len(wanted), device=wanted.device)
    signs[::2] = -1.0
    off = RESIDUAL**0.5 * spread * signs.view(-1, *[1] * (wanted.dim() - 1))
    exact, left = float(task.loss(wanted, targets)), float(task.loss(wanted + off, targets))
    floor = exact if math.isfinite(exact) else 0.0
    variance = float(wanted.double().var(0, unbiased=False).mean())
    return floor, Spread(mean=float(wanted.double().mean()), variance=variance, residual=left - floor)


def _linear_fit(session: Session, outputs: Tensor, targets: object) -> Fit | None:
    """The best linear map of the inputs under the person's own loss: what a model with few parameters for its samples
    can be held to. None where the inputs are no numbers."""
    batch = _whole(session)
    inputs = [value for value in batch.inputs if isinstance(value, Tensor)]
    if not inputs or not all(value.is_floating_point() for value in inputs):
        return None
    x = torch.cat([value.reshape(len(value), -1).float() for value in inputs], 1)
    x = (x - x.mean(0)) / x.std(0).clamp_min(1e-6)
    wanted = session.task.targets(targets, outputs)
    level, spread = 0.0, 1.0
    if session.task.kind == "regression":  # so that the search starts near its end
        level, spread = float(wanted.mean()), max(float(wanted.std()), 1e-12)
    weight = torch.zeros(x.shape[1], outputs.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(outputs.shape[1], device=x.device, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def fitted() -> Tensor:
        return level + spread * (x @ weight + bias)

    def loss() -> Tensor:
        search.zero_grad()
        value = session.task.loss(fitted(), targets)
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    with torch.no_grad():
        return _fit(session, fitted(), batch)


def _conflicting(train: Split | LoaderSplit) -> int:
    """Samples of the tiny set whose inputs another sample has with another target."""
    if not isinstance(train, TensorSplit) or not train.stored.args:
        return 0
    flat = train.stored.args[0].reshape(len(train), -1).float().cpu()
    same = (flat[:, None] == flat[None]).all(2) if flat.numel() < 2_000_000 else torch.eye(len(flat), dtype=torch.bool)
    labels = train.stored.targets.reshape(len(train), -1).float().cpu()
    differ = (labels[:, None] != labels[None]).any(2)
    return int((same & differ).any(1).sum())
