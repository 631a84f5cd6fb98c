"""The tiny set of step 2: what can be reached on it, and what a model trained on it shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.data import TensorSplit
from tunekit.training.loop import Session
from tunekit.vocabulary import TrainingConfig

RECALIBRATION = 8  # passes that rebuild BatchNorm's statistics


def measure_tiny(
    config: TrainingConfig, folder: Path, device: torch.device, state: bytes | None, args: dict[str, Any]
) -> dict[str, Any]:
    """At 0: the size of the set, the loss's start and floor. Trained: accuracy in both modes, gradients, parameters."""
    session = Session(config, folder, device, args["pretrained"])
    train = session.splits.train
    every = session.splits.val.batch(torch.arange(len(session.splits.val))).to(device)
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
    """The lowest loss that can be reached on this set, and the variance of regression targets."""
    task = session.task
    made = task.targets(targets, outputs)
    found: dict[str, Any] = {"floor": 0.0}
    if not isinstance(made, Tensor):
        return found
    with torch.no_grad():
        if task.kind == "regression":
            found["variance"] = float(made.double().var(0, unbiased=False).mean())
            exact = float(task.loss(made, targets))
            found["floor"] = exact if math.isfinite(exact) else 0.0
            parameters = sum(p.numel() for p in session.model.parameters())
            if parameters < made.numel():
                found["floor"] = max(found["floor"], _least_squares(session, made))
        elif made.is_floating_point() and task.kind == "classification":
            share = made.clamp_min(1e-12)
            found["floor"] = float(-(made * share.log()).sum(1).mean())
        elif made.is_floating_point():
            share = made.clamp(1e-6, 1 - 1e-6)
            inner = -(share * share.log() + (1 - share) * (1 - share).log())
            found["floor"] = float(torch.where((made == 0) | (made == 1), 0.0, inner).mean())
    return found


def _least_squares(session: Session, made: Tensor) -> float:
    """Loss of the best linear fit: what a model with fewer parameters than samples can be held to."""
    val = session.splits.val
    x = val.batch(torch.arange(len(val))).args[0].double().reshape(len(val), -1)
    x = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    y = made.double().cpu().reshape(len(made), -1)
    fit = x @ torch.linalg.lstsq(x, y).solution
    return float(session.task.loss(fit.float().view(made.shape).to(made.device), made))


def _conflicting(train: Any) -> int:
    """Samples of the tiny set whose inputs another sample has with another target."""
    if not isinstance(train, TensorSplit) or not train.args:
        return 0
    flat = train.args[0].reshape(len(train), -1).float().cpu()
    same = (flat[:, None] == flat[None]).all(2) if flat.numel() < 2_000_000 else torch.eye(len(flat), dtype=torch.bool)
    labels = train.labels.reshape(len(train), -1).float().cpu()
    differ = (labels[:, None] != labels[None]).any(2)
    return int((same & differ).any(1).sum())
