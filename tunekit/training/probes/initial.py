"""The untrained model over real batches: losses, outputs, gradients, units, and what a sample's output depends on."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import STRETCH, InitialMeasured, LossMeasured, Origin, Outputs, Stretched
from tunekit.training.data import Batch, LoaderSplit, TensorSplit
from tunekit.training.loop import Session
from tunekit.training.meaning import takes_logits
from tunekit.training.normalisations import NORMALISATIONS
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.asking import asked
from tunekit.training.probes.cuts import measure_cuts
from tunekit.training.probes.demands import measure_demands
from tunekit.training.probes.dependence import measure_dependence
from tunekit.training.probes.finiteness import origin_of_loss
from tunekit.training.probes.frozen import measure_frozen
from tunekit.training.probes.gradients import measure_gradients, stirred
from tunekit.training.probes.losses import (
    axis_of,
    exchanged,
    feels_targets,
    halves,
    labels_fit,
    measure_losses,
    target_range,
)
from tunekit.training.probes.norms import measure_normalizations, measure_single
from tunekit.training.probes.optimizing import has_own_optimizer, measure_decay, measure_optimizing
from tunekit.training.probes.parameters import measure_identical, measure_outside
from tunekit.training.probes.repeats import measure_repeated
from tunekit.training.probes.subject import Subject
from tunekit.training.probes.variance_shift import measure_shifts
from tunekit.training.regularizers import penalized_weights
from tunekit.training.structure import changed

BATCHES = 8  # real batches looked at
SAMPLES = 1024  # at most so many samples in all


def measure_initial(subject: Subject) -> InitialMeasured:
    """One initialisation (config.seed), weight decay left out, in fp32."""
    session = Session(replace(subject.config, precision="fp32"), subject.bench)
    batches = _batches(session)
    model, task, first = session.model, session.task, batches[0]
    model.train()
    normalizations = asked(lambda: measure_normalizations(session, first)) or ()
    shifts = asked(lambda: measure_shifts(session, batches)) or ()
    with torch.no_grad():
        answers = [changed(session.answer(model, batch), Tensor.detach) for batch in batches]
    outputs = [any_tensor(answer) for answer in answers]
    fits = all(labels_fit(task, out, batch.targets) for out, batch in zip(outputs, batches, strict=True))
    own = has_own_optimizer(session)
    if own:
        _ = session.optimizer  # what it holds is asked for below
    loss = _loss(session, batches, answers) if fits else None
    stretched = asked(lambda: _stretched(session, first))
    frozen = measure_frozen(session, first)
    with stirred(model):
        dependence = asked(lambda: measure_dependence(session, first))
    stuck = (dependence is not None and dependence.own == 0) or (loss is not None and _is_stuck(loss))
    return InitialMeasured(
        kind=task.kind,
        outputs=_outputs(outputs, axis_of(task)),
        targets=target_range(_targets(session, batches)),
        loss=loss,
        stretched=stretched,
        dependence=dependence,
        frozen=frozen,
        normalizes_input=_normalizes_input(model),
        repeated=asked(lambda: measure_repeated(session, first)),
        outside=(asked(lambda: measure_outside(session, first)) or ()) if fits else (),
        normalizations=normalizations,
        shifts=shifts,
        identical=(asked(lambda: measure_identical(session, first)) or ()) if fits else (),
        cuts=(asked(lambda: measure_cuts(session, first)) or ()) if stuck else (),
        l1=_l1(session),
        single=asked(lambda: measure_single(session, first)) or (),
        # These leave the model in double precision, and stand last.
        optimizing=asked(lambda: measure_optimizing(session)) if own else None,
        decay=asked(lambda: measure_decay(session)) if own else None,
    )


def _loss(session: Session, batches: list[Batch], answers: list[Any]) -> LossMeasured:
    trained, evaluated, expected = measure_losses(session, batches, answers)
    over_halves = halves(session, batches[0])
    logits = takes_logits(session.task.loss, session.task.kind, answers[0], batches[0].targets)
    demands = measure_demands(session, batches, answers)
    with stirred(session.model):
        gradients, units = measure_gradients(session, batches)
    return LossMeasured(
        train_mode=trained,
        eval_mode=evaluated,
        expected=expected,
        over_halves=over_halves,
        takes_logits=logits,
        gradients=gradients,
        units=units,
        origin=None if math.isfinite(trained) and math.isfinite(evaluated) else _origin(session, batches, trained),
        at_outputs=demands.at_outputs,
        elsewhere=demands.elsewhere,
        exchanged=asked(lambda: exchanged(session.task, batches, answers)),
        feels_targets=feels_targets(session.task, answers[0], batches[0].targets),
        slope=demands.slope,
    )


@torch.no_grad()
def _l1(session: Session) -> float | None:
    """The penalty on the untrained weights."""
    strength = session.config.l1
    return float(sum(strength * p.abs().sum() for p in penalized_weights(session.model))) if strength else None


def _is_stuck(loss: LossMeasured) -> bool:
    """Whether the loss asks for other outputs, and no weight feels it."""
    weights = loss.gradients.weights
    felt = any(one.gradient for one in weights) or (not weights and not loss.gradients.unreached)
    return bool(loss.at_outputs) and loss.gradients.finite and not felt


def _origin(session: Session, batches: list[Batch], trained: float) -> Origin | None:
    """The operation behind a loss that is not finite, in the mode where it is not."""
    model = session.model
    model.train(not math.isfinite(trained))
    try:
        every = (asked(partial(origin_of_loss, session, batch)) for batch in batches)
        return next((origin for origin in every if origin is not None), None)
    finally:
        model.train()


def _targets(session: Session, batches: list[Batch]) -> object:
    """All targets where they are in memory, else those of the batches looked at."""
    if isinstance(session.splits.train, TensorSplit):
        return session.splits.train.targets()
    targets = [batch.targets for batch in batches]
    return torch.cat([value.flatten() for value in targets]) if all(map(torch.is_tensor, targets)) else None


def _normalizes_input(model: nn.Module) -> bool:
    """Whether the first layer with parameters or statistics is a normalisation."""
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own:
            return isinstance(module, NORMALISATIONS)
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


def _outputs(outputs: list[Tensor], axis: int) -> Outputs:
    """Of batches that may differ in length: everything is gathered batch by batch."""
    several = all(out.dim() >= 2 and out.shape[1] > 1 for out in outputs)
    flat = torch.cat([out.double().flatten() for out in outputs])
    about = [(out.double() - out.double().mean(1, keepdim=True)).flatten() for out in outputs] if several else [flat]
    shapes = {tuple(out.shape[1:]) for out in outputs}
    return Outputs(
        shape=tuple(outputs[0].shape[1:]) if len(shapes) == 1 else tuple(max(outputs, key=Tensor.numel).shape[1:]),
        axis=axis,
        lowest=float(flat.min()),
        highest=float(flat.max()),
        rms=float(flat.square().mean().sqrt()),
        std=(float(torch.cat(about).square().mean().sqrt()) if several else float(flat.std()))
        if flat.numel() > 1
        else 0.0,
        zeros=float((flat == 0).double().mean()),
        finite=bool(torch.isfinite(flat).all()),
        row_sum_off=max(_row_sum_off(out) for out in outputs) if several else None,
        column_sum_off=max(float((out.sum(0) - 1).abs().max()) for out in outputs) if several else None,
    )


def _row_sum_off(outputs: Tensor) -> float:
    """How far sums over the classes lie from 1; they stand on the second axis or on the last."""
    return min(float((outputs.double().sum(axis) - 1).abs().max()) for axis in {1, outputs.dim() - 1})


def _stretched(session: Session, batch: Batch) -> Stretched | None:
    """Outputs in eval mode for far larger inputs: a layer that bounds the outputs shows itself."""
    if not any(isinstance(value, Tensor) and value.is_floating_point() for value in batch.inputs):
        return None
    model = session.model
    model.eval()
    try:
        with torch.no_grad():
            outputs = session.forward(model, batch.each(_larger)).detach()
    finally:
        model.train()
    low, high = float(outputs.min()), float(outputs.max())
    near = 0.01 * (high - low)
    at_bounds = float(((outputs <= low + near) | (outputs >= high - near)).float().mean()) if high > low else 0.0
    return Stretched(low, high, at_bounds)


def _larger(value: Tensor) -> Tensor:
    return value * STRETCH if value.is_floating_point() else value
