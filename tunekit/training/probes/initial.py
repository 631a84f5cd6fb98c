"""The untrained model over real batches: losses, outputs, gradients, units, and what a sample's output depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import STRETCH, Decay, InitialMeasured, LossMeasured, Outputs, Stretched
from tunekit.training.data import Batch, LoaderSplit, TensorSplit
from tunekit.training.loop import Session
from tunekit.training.optimizers import is_built_in
from tunekit.training.probes.dependence import measure_dependence
from tunekit.training.probes.gradients import measure_gradients, stirred
from tunekit.training.probes.losses import halves, labels_fit, measure_losses, target_range
from tunekit.training.probes.subject import Subject
from tunekit.training.tasks import any_tensor, takes_logits

BATCHES = 8  # real batches looked at
SAMPLES = 1024  # at most so many samples in all


def measure_initial(subject: Subject) -> InitialMeasured:
    """One initialisation (config.seed), weight decay left out, in fp32."""
    session = Session(replace(subject.config, precision="fp32"), subject.bench)
    batches = _batches(session)
    model, task = session.model, session.task
    model.train()
    with torch.no_grad():
        answers = [session.answer(model, batch) for batch in batches]
    outputs = [any_tensor(answer) for answer in answers]
    fits = all(labels_fit(task, out, batch.targets) for out, batch in zip(outputs, batches, strict=True))
    loss = _loss(session, batches, answers) if fits else None
    stretched = _stretched(session, batches[0])
    with stirred(model):
        dependence = measure_dependence(session, batches[0])
    return InitialMeasured(
        kind=task.kind,
        outputs=_outputs(outputs),
        targets=target_range(_targets(session, batches)),
        loss=loss,
        stretched=stretched,
        dependence=dependence,
        frozen=tuple(name for name, parameter in model.named_parameters() if not parameter.requires_grad),
        normalizes_input=_normalizes_input(model),
        decay=_decay(session),
    )


def _loss(session: Session, batches: list[Batch], outputs: list[Any]) -> LossMeasured:
    trained, evaluated, expected = measure_losses(session, batches, outputs)
    over_halves = halves(session, batches[0])
    logits = takes_logits(session.task, outputs[0], batches[0].targets)
    with stirred(session.model):
        gradients, units = measure_gradients(session, batches[0])
    return LossMeasured(trained, evaluated, expected, over_halves, logits, gradients, units)


def _targets(session: Session, batches: list[Batch]) -> object:
    """All targets where they are in memory, else those of the batches looked at."""
    if isinstance(session.splits.train, TensorSplit):
        return session.splits.train.targets()
    targets = [batch.targets for batch in batches]
    return torch.cat(targets) if all(isinstance(value, Tensor) for value in targets) else None


def _normalizes_input(model: nn.Module) -> bool:
    """Whether the first layer with parameters or statistics is a normalisation."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own:
            return isinstance(module, kinds)
    return False


def _batches(session: Session) -> list[Batch]:
    """A few real batches without augmentation; samples that are not finite are left out (the data probe names them)."""
    train = session.splits.train
    if isinstance(train, LoaderSplit):
        return [session.batch(k) for k in range(BATCHES)]
    size = max(2, min(session.config.batch_size, len(train)))
    count = max(1, min(BATCHES, SAMPLES // size, len(train) // size))
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    if isinstance(train, TensorSplit):
        values = [value for value in (*train.stored.args, train.targets()) if value.is_floating_point()]
        finite = torch.ones(len(train), dtype=torch.bool)
        for value in values:
            finite &= torch.isfinite(value.reshape(len(value), -1)).all(1).cpu()
        order = order[finite[order]] if bool(finite.any()) else order
    return [
        train.batch(order[i * size : (i + 1) * size]).to(session.device) for i in range(count) if len(order) > i * size
    ]


def _outputs(outputs: list[Tensor]) -> Outputs:
    every = torch.cat(outputs).double()
    several = every.dim() >= 2 and every.shape[1] > 1
    about = every - every.mean(1, keepdim=True) if several else None
    return Outputs(
        shape=tuple(every.shape[1:]),
        lowest=float(every.min()),
        highest=float(every.max()),
        rms=float(every.square().mean().sqrt()),
        std=float(every.std() if about is None else about.square().mean().sqrt()) if every.numel() > 1 else 0.0,
        zeros=float((every == 0).double().mean()),
        finite=bool(torch.isfinite(every).all()),
        row_sum_off=float((every.sum(1) - 1).abs().max()) if several else None,
        column_sum_off=max(float((batch.sum(0) - 1).abs().max()) for batch in outputs) if several else None,
    )


def _stretched(session: Session, batch: Batch) -> Stretched | None:
    """Outputs in eval mode for far larger inputs: a layer that bounds the outputs shows itself."""
    if not any(isinstance(value, Tensor) and value.is_floating_point() for value in batch.inputs):
        return None
    model = session.model
    model.eval()
    with torch.no_grad():
        outputs = session.forward(model, batch.each(_larger))
    model.train()
    low, high = float(outputs.min()), float(outputs.max())
    near = 0.01 * (high - low)
    at_bounds = float(((outputs <= low + near) | (outputs >= high - near)).float().mean()) if high > low else 0.0
    return Stretched(low, high, at_bounds)


def _larger(value: Tensor) -> Tensor:
    return value * STRETCH if value.is_floating_point() else value


def _decay(session: Session) -> Decay | None:
    """For an optimizer of the person's own: what a step at zero gradient does to the weights under weight decay.

    torch's own optimizers apply it by construction and are spared (building one imports torch's compiler).
    """
    if session.config.weight_decay == 0 or is_built_in(session.config.optimizer.target):
        return None
    weights = [p for p in session.model.parameters() if p.requires_grad and p.dim() >= 2]
    before = sum(float(p.detach().double().square().sum()) for p in weights)
    for parameter in session.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    session.optimizer.step()
    after = sum(float(p.detach().double().square().sum()) for p in weights)
    return Decay(before, after)
