"""The untrained model over real batches: losses, outputs, gradients, units, and what a sample's output depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.training.data import Batch, LoaderSplit, TensorSplit
from tunekit.training.loop import Session
from tunekit.training.optimizers import is_built_in
from tunekit.training.probes.dependence import measure_dependence
from tunekit.training.probes.gradients import measure_gradients, stirred
from tunekit.training.probes.losses import halves, label_range, labels_fit, measure_losses
from tunekit.training.tasks import takes_logits
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import TrainingConfig

BATCHES = 8  # real batches looked at
SAMPLES = 1024  # at most so many samples in all
STRETCH = 1e3  # inputs are multiplied by this to see whether outputs are bounded


def measure_initial(
    config: TrainingConfig, bench: Workbench, state: bytes | None, args: dict[str, Any]
) -> dict[str, Any]:
    """One initialisation (config.seed), weight decay left out, in fp32."""
    session = Session(replace(config, precision="fp32"), bench)
    batches = _batches(session)
    model, task = session.model, session.task
    found: dict[str, Any] = {"samples": sum(map(len, batches)), "kind": task.kind}
    model.train()
    with torch.no_grad():
        outputs = [session.forward(model, batch) for batch in batches]
    found["outputs"] = _outputs(outputs)
    found["fits"] = all(labels_fit(task, out, batch.targets) for out, batch in zip(outputs, batches, strict=True))
    found["targets"] = label_range(_targets(session, batches))
    if found["fits"]:
        found["losses"] = measure_losses(session, batches, outputs)
        found["halves"] = halves(session, batches[0])
        found["takes_logits"] = takes_logits(task, outputs[0], batches[0].targets)
        with stirred(model):
            found["gradients"], found["units"] = measure_gradients(session, batches[0])
    found["stretched"] = _stretched(session, batches[0])
    with stirred(model):
        found["dependence"] = measure_dependence(session, batches[0])
    found["frozen"] = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    found["normalizes_input"] = _normalizes_input(model)
    found["decay"] = _decay(session)
    return found


def _targets(session: Session, batches: list[Batch]) -> Any:
    """All targets where they are in memory, else those of the batches looked at."""
    if isinstance(session.splits.train, TensorSplit):
        return session.splits.train.targets()
    found = [batch.targets for batch in batches]
    return torch.cat(found) if all(isinstance(value, Tensor) for value in found) else None


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
        values = [value for value in (*train.args, train.labels) if value.is_floating_point()]
        finite = torch.ones(len(train), dtype=torch.bool)
        for value in values:
            finite &= torch.isfinite(value.reshape(len(value), -1)).all(1).cpu()
        order = order[finite[order]] if bool(finite.any()) else order
    return [
        train.batch(order[i * size : (i + 1) * size]).to(session.device) for i in range(count) if len(order) > i * size
    ]


def _outputs(outputs: list[Tensor]) -> dict[str, Any]:
    every = torch.cat(outputs).double()
    found: dict[str, Any] = {
        "shape": list(every.shape[1:]),
        "min": float(every.min()),
        "max": float(every.max()),
        "mean": float(every.mean()),
        "rms": float(every.square().mean().sqrt()),
        "zeros": float((every == 0).double().mean()),
        "finite": bool(torch.isfinite(every).all()),
    }
    if every.dim() >= 2 and every.shape[1] > 1:
        rows = every.sum(1)
        found["row_sum_off"] = float((rows - 1).abs().max())
        found["column_sum_off"] = max(float((batch.sum(0) - 1).abs().max()) for batch in outputs)
        found["std"] = float((every - every.mean(1, keepdim=True)).square().mean().sqrt())
    else:
        found["std"] = float(every.std()) if every.numel() > 1 else 0.0
    return found


def _stretched(session: Session, batch: Batch) -> dict[str, Any]:
    """Outputs in eval mode for inputs a thousand times as large: a layer that bounds the outputs shows itself."""
    args = tuple(map(_larger, batch.args))
    kwargs = {name: _larger(value) for name, value in batch.kwargs.items()}
    if not any(isinstance(value, Tensor) and value.is_floating_point() for value in (*args, *kwargs.values())):
        return {}
    model = session.model
    model.eval()
    with torch.no_grad():
        found = session.forward(model, Batch(args, kwargs, batch.targets))
    model.train()
    low, high = float(found.min()), float(found.max())
    near = 0.01 * (high - low)
    at_bounds = float(((found <= low + near) | (found >= high - near)).float().mean()) if high > low else 0.0
    return {"min": low, "max": high, "at_bounds": at_bounds}


def _larger(value: Any) -> Any:
    return value * STRETCH if isinstance(value, Tensor) and value.is_floating_point() else value


def _decay(session: Session) -> dict[str, Any]:
    """For an optimizer of the person's own: what a step at zero gradient does to the weights under weight decay.

    torch's own optimizers apply it by construction and are spared (building one imports torch's compiler).
    """
    if session.config.weight_decay == 0 or is_built_in(session.config.optimizer.target):
        return {}
    weights = [p for p in session.model.parameters() if p.requires_grad and p.dim() >= 2]
    before = sum(float(p.detach().double().square().sum()) for p in weights)
    for parameter in session.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    session.optimizer.step()
    after = sum(float(p.detach().double().square().sum()) for p in weights)
    return {"before": before, "after": after}
