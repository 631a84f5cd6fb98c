"""The tiny set of step 2: what can be reached on it, and what a model trained on it shows."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.data import TensorSplit
from tunekit.training.loop import Session
from tunekit.training.tasks import Task
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import TrainingConfig

RESIDUAL = 0.01  # share of the targets' variance that a learned regression may leave
FEW = 2.0  # parameters a target value, below which a model may be too small to hold the set
RECALIBRATION = 8  # passes that rebuild BatchNorm's statistics


def measure_tiny(config: TrainingConfig, bench: Workbench, state: bytes | None, args: dict[str, Any]) -> dict[str, Any]:
    """At 0: the size of the set, the loss's start and floor. Trained: accuracy in both modes, gradients, parameters."""
    session = Session(config, bench)
    train = session.splits.train
    every = session.splits.val.batch(torch.arange(len(session.splits.val))).to(bench.device)
    model, task = session.model, session.task
    found: dict[str, Any] = {"samples": len(train), "parameters": sum(p.numel() for p in model.parameters())}
    if state is None:
        with torch.no_grad():
            outputs = session.forward(model, every)
            found["start"] = float(task.loss(outputs, every.targets))
        return {**found, **_floor(session, outputs, every.targets), "conflicting": _conflicting(train)}
    before = [p.detach().clone() for p in model.parameters()]
    session.restore(state)
    found["moved"] = max(
        (float((p.detach() - b).abs().max()) for p, b in zip(model.parameters(), before, strict=True)), default=0.0
    )
    model.train()
    outputs = session.forward(model, every)
    loss = task.loss(outputs, every.targets)
    found["train"] = {"loss": float(loss.detach()), "score": float(task.score(outputs.detach(), every.targets))}
    if loss.requires_grad:
        loss.backward()
    grads = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    squares = [float(g.double().square().sum()) for g in grads]
    found["gradient_norm"] = math.sqrt(sum(squares)) if squares else 0.0
    model.zero_grad(set_to_none=True)
    _recalibrate(model, session, every)
    model.eval()
    with torch.no_grad():
        outputs = session.forward(model, every)
        found["eval"] = {
            "loss": float(task.loss(outputs, every.targets)),
            "score": float(task.score(outputs, every.targets)),
        }
    return found


def _recalibrate(model: nn.Module, session: Session, every: Any) -> None:
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


def _floor(session: Session, outputs: Tensor, targets: Any) -> dict[str, Any]:
    """The lowest loss that can be reached on this set. Regression: also the targets' mean and variance, and what the
    loss is above its floor where a hundredth of that variance is left."""
    task = session.task
    made = task.targets(targets, outputs)
    found: dict[str, Any] = {"floor": 0.0}
    if not isinstance(made, Tensor):
        return found
    with torch.no_grad():
        if task.kind == "regression":
            found |= _regression(task, made, targets)
        elif made.is_floating_point() and task.kind == "classification":
            share = made.clamp_min(1e-12)
            found["floor"] = float(-(made * share.log()).sum(1).mean())
        elif made.is_floating_point():
            share = made.clamp(1e-6, 1 - 1e-6)
            inner = -(share * share.log() + (1 - share) * (1 - share).log())
            found["floor"] = float(torch.where((made == 0) | (made == 1), 0.0, inner).mean())
    ambiguous = _next_token(session, made)
    if ambiguous:
        return {**found, **ambiguous}
    parameters = sum(p.numel() for p in session.model.parameters())
    if parameters < FEW * made.numel() and outputs.dim() == 2:
        loss, score = _linear_fit(session, outputs, targets)
        if math.isfinite(loss) and loss > found["floor"]:
            found |= {"floor": loss, "score": score}
    return found


def _next_token(session: Session, made: Tensor) -> dict[str, Any]:
    """Where the targets are the tokens shifted by one: equal beginnings that go on differently set a floor, the entropy
    of what follows each beginning, and a limit to the accuracy."""
    val = session.splits.val
    inputs = val.batch(torch.arange(len(val))).args
    if made.dim() != 2 or made.is_floating_point() or len(inputs) != 1 or inputs[0].shape != made.shape:
        return {}
    tokens, following = inputs[0].cpu(), made.cpu()
    if tokens.is_floating_point() or not torch.equal(tokens[:, 1:], following[:, :-1]):
        return {}
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
    return {"floor": entropy / total, "score": sum(map(max, beginnings.values())) / total}


def _regression(task: Task, made: Tensor, targets: Any) -> dict[str, Any]:
    spread = made.double().std(0, unbiased=False).to(made)
    signs = torch.ones(len(made), device=made.device)
    signs[::2] = -1.0
    off = RESIDUAL**0.5 * spread * signs.view(-1, *[1] * (made.dim() - 1))
    exact, left = float(task.loss(made, targets)), float(task.loss(made + off, targets))
    floor = exact if math.isfinite(exact) else 0.0
    variance = float(made.double().var(0, unbiased=False).mean())
    return {"variance": variance, "mean": float(made.double().mean()), "floor": floor, "residual": left - floor}


def _linear_fit(session: Session, outputs: Tensor, targets: Any) -> tuple[float, float]:
    """Loss and score of the best linear map of the inputs under the person's own loss: what a model with few parameters
    for its samples can be held to. NaN where the inputs are no numbers."""
    batch = session.splits.val.batch(torch.arange(len(session.splits.val))).to(session.device)
    inputs = [value for value in (*batch.args, *batch.kwargs.values()) if isinstance(value, Tensor)]
    if not inputs or not all(value.is_floating_point() for value in inputs):
        return math.nan, math.nan
    x = torch.cat([value.reshape(len(value), -1).float() for value in inputs], 1)
    x = (x - x.mean(0)) / x.std(0).clamp_min(1e-6)
    made = session.task.targets(targets, outputs)
    level, spread = 0.0, 1.0
    if session.task.kind == "regression":  # so that the search starts near its end
        level, spread = float(made.mean()), max(float(made.std()), 1e-12)
    weight = torch.zeros(x.shape[1], outputs.shape[1], device=x.device, requires_grad=True)
    bias = torch.zeros(outputs.shape[1], device=x.device, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def fitted() -> Tensor:
        return level + spread * (x @ weight + bias)

    def loss() -> Tensor:
        search.zero_grad()
        found = session.task.loss(fitted(), targets)
        found.backward()
        return found

    with torch.enable_grad():
        search.step(loss)
    with torch.no_grad():
        return float(session.task.loss(fitted(), targets)), float(session.task.score(fitted(), targets))


def _conflicting(train: Any) -> int:
    """Samples of the tiny set whose inputs another sample has with another target."""
    if not isinstance(train, TensorSplit) or not train.args:
        return 0
    flat = train.args[0].reshape(len(train), -1).float().cpu()
    same = (flat[:, None] == flat[None]).all(2) if flat.numel() < 2_000_000 else torch.eye(len(flat), dtype=torch.bool)
    labels = train.labels.reshape(len(train), -1).float().cpu()
    differ = (labels[:, None] != labels[None]).any(2)
    return int((same & differ).any(1).sum())
