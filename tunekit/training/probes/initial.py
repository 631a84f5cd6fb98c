"""The untrained model over real batches: losses, outputs, gradients, units, and what a sample's output depends on."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tunekit.training.data import Batch, LoaderSplit, TensorSplit
from tunekit.training.loop import Session
from tunekit.vocabulary import TrainingConfig

BATCHES = 8  # real batches looked at
SAMPLES = 1024  # at most so many samples in all
STRETCH = 1e3  # inputs are multiplied by this to see whether outputs are bounded
UNITS = 4096  # units of a layer looked at


def measure_initial(
    config: TrainingConfig, folder: Path, device: torch.device, state: bytes | None, args: dict[str, Any]
) -> dict[str, Any]:
    """One initialisation (config.seed), weight decay left out, in fp32. `args["pretrained"]` as the recipe says."""
    session = Session(config.with_(precision="fp32"), folder, device, args["pretrained"])
    batches = _batches(session)
    model, task = session.model, session.task
    found: dict[str, Any] = {"samples": sum(map(len, batches)), "kind": task.kind}
    model.train()
    with torch.no_grad():
        outputs = [session.forward(model, batch) for batch in batches]
    found["outputs"] = _outputs(outputs)
    found["fits"] = _fits(task.kind, outputs, batches)
    if found["fits"]:
        found["losses"] = _losses(session, batches, outputs)
        found["halves"] = _halves(session, batches[0])
        found["takes_logits"] = _takes_logits(session, outputs[0], batches[0])
        found["gradients"], found["units"] = _gradients(session, batches[0])
    found["stretched"] = _stretched(session, batches[0])
    found["dependence"] = _dependence(session, batches[0])
    found["frozen"] = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    found["normalizes_input"] = _normalizes_input(model)
    found["decay"] = _decay(session)
    return found


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
        found["log_sum_off"] = float(every.logsumexp(1).abs().max())
        found["std"] = float((every - every.mean(1, keepdim=True)).square().mean().sqrt())
    else:
        found["std"] = float(every.std()) if every.numel() > 1 else 0.0
    return found


def _fits(kind: str, outputs: list[Tensor], batches: list[Batch]) -> bool:
    """Whether labels are within the outputs, so that a classification loss can be computed at all."""
    if kind != "classification" or outputs[0].dim() < 2:
        return True
    for out, batch in zip(outputs, batches, strict=True):
        labels = batch.targets
        if isinstance(labels, Tensor) and labels.shape != out.shape:
            known = labels[labels != -100]
            if len(known) and (float(known.min()) < 0 or float(known.max()) >= out.shape[1]):
                return False
    return True


def _losses(session: Session, batches: list[Batch], outputs: list[Tensor]) -> dict[str, Any]:
    """Mean loss in both modes, and the loss that outputs without knowledge have on the same targets."""
    task, model = session.task, session.model
    found: dict[str, Any] = {}
    with torch.no_grad():
        found["train"] = _mean([float(task.loss(out, b.targets)) for out, b in zip(outputs, batches, strict=True)])
        model.eval()
        evaluated = [session.forward(model, batch) for batch in batches]
        found["eval"] = _mean([float(task.loss(out, b.targets)) for out, b in zip(evaluated, batches, strict=True)])
        model.train()
        every = torch.cat([b.targets for b in batches]) if isinstance(batches[0].targets, Tensor) else None
        log_probabilities = _outputs(outputs).get("log_sum_off", 1.0) < 1e-3
        expected: dict[str, list[float]] = {}
        for out, batch in zip(outputs, batches, strict=True):
            targets = batch.targets if every is None else every
            shaped = out if every is None else out[:1].expand(len(every), *out.shape[1:])
            for name, constant in task.constant_outputs(shaped, targets).items():
                if log_probabilities and constant.dim() == 2:
                    constant = torch.log_softmax(constant, 1)
                try:
                    loss = float(task.loss(constant[: len(out)], batch.targets))
                except (RuntimeError, ValueError, IndexError):
                    continue
                expected.setdefault(name, []).append(loss)
        found["expected"] = {name: _mean(values) for name, values in expected.items()}
    return found


def _halves(session: Session, batch: Batch) -> float:
    """Loss of a batch over the mean loss of its halves, at constant outputs: 1 for a mean, 2 for a sum."""
    half = len(batch) // 2
    if half < 1 or not isinstance(batch.targets, Tensor):
        return 1.0
    with torch.no_grad():
        outputs = session.forward(session.model, batch)[: 2 * half]
        targets = batch.targets[: 2 * half]
        whole = float(session.task.loss(outputs, targets))
        parts = [float(session.task.loss(outputs[p], targets[p])) for p in (slice(0, half), slice(half, 2 * half))]
    mean = sum(parts) / 2
    return whole / mean if mean else 1.0


def _takes_logits(session: Session, outputs: Tensor, batch: Batch) -> bool:
    """Whether the loss takes scores of any size. For several classes: it does not change when a constant is added to
    all of them. For one: it is defined, and still changes, outside [0, 1]."""
    task = session.task
    if task.kind == "regression":
        return False
    try:
        if task.kind == "classification" and outputs.dim() >= 2 and outputs.shape[1] > 1:
            here, there = (float(task.loss(outputs + shift, batch.targets)) for shift in (0.0, 3.0))
            return math.isfinite(there) and abs(here - there) <= 1e-3 * (1 + abs(here))
        low, high = (float(task.loss(torch.full_like(outputs, value), batch.targets)) for value in (-4.0, 4.0))
    except (RuntimeError, ValueError, AssertionError):
        return False
    return math.isfinite(low) and math.isfinite(high) and low != high


class _Watch(TorchFunctionMode):
    """Keeps, for every ReLU-like call inside forward(), which units were ever on."""

    CALLS = (F.relu, torch.relu, Tensor.relu, F.relu6, F.relu_, torch.relu_, Tensor.relu_, F.threshold)
    SMOOTH = (F.gelu, F.silu, F.softplus, F.sigmoid, torch.sigmoid, torch.tanh, F.tanh, Tensor.sigmoid, Tensor.tanh)

    def __init__(self, place: Callable[[], str]) -> None:
        super().__init__()
        self.place = place
        self.layers: list[dict[str, Any]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in self.CALLS and isinstance(found, Tensor) and found.dim() >= 2:
            values = found.detach()
            # A unit is a channel of a convolution, else a feature: what the next layer sees by one weight.
            axes = [0, 2, 3] if values.dim() == 4 else list(range(values.dim() - 1))
            on = (values != 0).double().mean(axes)[:UNITS]
            self.layers.append({"layer": self.place(), "units": len(on), "dead": float((on == 0).double().mean())})
        return found


def _gradients(session: Session, batch: Batch) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One backward pass: root mean squares by weight, parameters without gradient; and how many units are off."""
    model = session.model
    stack: list[str] = []
    hooks = []
    for name, module in model.named_modules():
        if name:
            hooks.append(module.register_forward_pre_hook(lambda m, i, name=name: stack.append(name)))
            hooks.append(module.register_forward_hook(lambda m, i, o: stack.pop() and None))
    model.zero_grad(set_to_none=True)
    try:
        with _Watch(lambda: stack[-1] if stack else "forward") as watch:
            outputs = session.forward(model, batch)
        loss = session.task.loss(outputs, batch.targets)
    finally:
        for hook in hooks:
            hook.remove()
    if not loss.requires_grad:
        names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        return {"layers": [], "none": names, "none_share": 1.0, "finite": True}, watch.layers
    loss.backward()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    none = [(name, p) for name, p in trained if p.grad is None]
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    layers = [
        {"name": name, "gradient": _rms(p.grad), "weight": _rms(p)}
        for name, p in trained
        if p.grad is not None and p.dim() >= 2 and id(p) not in embeddings
    ]
    total = sum(p.numel() for _, p in trained)
    finite = all(bool(torch.isfinite(p.grad).all()) for _, p in trained if p.grad is not None)
    share = sum(p.numel() for _, p in none) / max(1, total)
    model.zero_grad(set_to_none=True)
    return {"layers": layers, "none": [name for name, _ in none], "none_share": share, "finite": finite}, watch.layers


def _stretched(session: Session, batch: Batch) -> dict[str, Any]:
    """Outputs in eval mode for inputs a thousand times as large: a layer that bounds the outputs shows itself."""
    if not batch.args or not batch.args[0].is_floating_point():
        return {}
    model = session.model
    model.eval()
    with torch.no_grad():
        found = session.forward(model, Batch((batch.args[0] * STRETCH, *batch.args[1:]), batch.kwargs, batch.targets))
    model.train()
    size = found.abs()
    at_bound = float((size > 0.99 * size.max()).float().mean()) if float(size.max()) > 0 else 0.0
    return {"min": float(found.min()), "max": float(found.max()), "at_bound": at_bound}


def _dependence(session: Session, batch: Batch) -> dict[str, Any]:
    """What one sample's outputs depend on, in eval mode: by backpropagation to the inputs, or by exchanging whole
    samples where inputs are no real numbers. `own` and `others`: largest effect of its own and of other samples."""
    model = session.model
    names = list(batch.kwargs)
    inputs = [*batch.args, *(batch.kwargs[name] for name in names)]
    if len(batch) < 2 or not all(isinstance(value, Tensor) for value in inputs):
        return {}
    model.eval()

    def outputs(values: list[Tensor]) -> Tensor:
        split = len(batch.args)
        again = Batch(tuple(values[:split]), dict(zip(names, values[split:], strict=True)), batch.targets)
        return session.forward(model, again)

    sample = len(batch) // 2
    found = _by_gradient(outputs, inputs, sample) if any(value.is_floating_point() for value in inputs) else None
    if found is None or found["own"] == 0:
        # A gradient of zero may mean a detach on the way: only exchanged inputs tell that they are ignored.
        exchanged = _by_exchange(outputs, inputs, sample)
        found = exchanged if found is None else {**found, "own": exchanged["own"]}
    model.train()
    model.zero_grad(set_to_none=True)
    return found


def _by_gradient(outputs: Callable[[list[Tensor]], Tensor], inputs: list[Tensor], sample: int) -> dict[str, Any] | None:
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    out = outputs(leaves)
    if len(out) != len(inputs[0]):
        return {"own": 1.0, "others": 1.0, "rows": len(out)}
    if not out.requires_grad:
        return {"own": 0.0, "others": 0.0}
    # Random weights on the outputs: a sum over them may be constant by design (softmax).
    weights = torch.randn(out[sample].shape, generator=torch.Generator().manual_seed(0)).to(out)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = torch.autograd.grad((out[sample] * weights).sum(), wanted, allow_unused=True)
    sizes = [g.abs().reshape(len(g), -1).amax(1) for g in grads if g is not None]
    return _own_and_others(sizes, sample)


@torch.no_grad()
def _by_exchange(outputs: Callable[[list[Tensor]], Tensor], inputs: list[Tensor], sample: int) -> dict[str, Any]:
    """The change of one sample's outputs when all others, or only itself, are exchanged for the sample before.

    Where all samples are alike, noise takes the place of the other sample.
    """
    base = outputs(inputs)
    if len(base) != len(inputs[0]):
        return {"own": 1.0, "others": 1.0, "rows": len(base)}
    others = [value.roll(1, 0) for value in inputs]
    mine = [value.clone() for value in inputs]
    for value, rolled, old in zip(mine, others, inputs, strict=True):
        rolled[sample] = old[sample]
        noise = torch.randn(old[sample].shape, generator=torch.Generator().manual_seed(0)).to(old.device)
        value[sample] = old[sample - 1] + noise if old.is_floating_point() else old[sample - 1]
    return {
        "own": float((outputs(mine)[sample] - base[sample]).abs().max()),
        "others": float((outputs(others)[sample] - base[sample]).abs().max()),
        "noise": 1e-5 * float(base.abs().max()),
    }


def _own_and_others(sizes: list[Tensor], sample: int) -> dict[str, Any]:
    if not sizes:
        return {"own": 0.0, "others": 0.0}
    effect = torch.stack(sizes).amax(0)
    own = float(effect[sample])
    effect[sample] = 0.0
    return {"own": own, "others": float(effect.max())}


def _normalizes_input(model: nn.Module) -> bool:
    """Whether the first layer with parameters or statistics is a normalisation."""
    kinds = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.modules.instancenorm._InstanceNorm)
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own:
            return isinstance(module, kinds)
    return False


def _decay(session: Session) -> dict[str, Any]:
    """For an optimizer of the person's own: what a step at zero gradient does to the weights under weight decay.

    torch's own optimizers apply it by construction and are spared (building one imports torch's compiler).
    """
    target = session.config.optimizer["target"]
    if session.config.weight_decay == 0 or ":" not in target or target.startswith("torch.optim:"):
        return {}
    weights = [p for p in session.model.parameters() if p.requires_grad and p.dim() >= 2]
    before = sum(float(p.detach().double().square().sum()) for p in weights)
    for parameter in session.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    session.optimizer.step()
    after = sum(float(p.detach().double().square().sum()) for p in weights)
    return {"before": before, "after": after}


def _rms(value: Tensor | None) -> float:
    return float(value.detach().double().square().mean().sqrt()) if value is not None and value.numel() else 0.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
