"""What one sample's outputs depend on: its own inputs, and those of other samples in its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Dependence
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.models import hookable
from tunekit.training.probes.asking import undisturbed
from tunekit.training.seeds import seed_everything

ROLLS = (1, 2, 3)  # by so many places are samples exchanged, until the outputs change

Ask = Callable[[list[Tensor]], Tensor]


def measure_dependence(session: Session, batch: Batch) -> Dependence | None:
    """What one sample's outputs depend on, in eval mode: by backpropagation to the inputs, or by exchanging whole
    samples where inputs are no real numbers."""
    model = session.model
    names = list(batch.kwargs)
    inputs = batch.inputs
    if not inputs or not all(isinstance(value, Tensor) for value in inputs) or len(inputs[0]) < 2:
        return None
    size = len(inputs[0])
    if any(len(value) != size for value in inputs if value.dim()) or size != len(batch):
        return None  # samples one behind the other: graphs, bags of words

    def outputs(values: list[Tensor]) -> Tensor:
        split = len(batch.args)
        again = Batch(tuple(values[:split]), dict(zip(names, values[split:], strict=True)), batch.targets)
        seed_everything(session.config.seed, "dependence")  # what is drawn in forward() is no effect of the inputs
        return by_sample(session.forward(model, again), size)

    sample = size // 2
    model.eval()
    try:
        with undisturbed():
            if _of_pairs(outputs, inputs):
                return None
            floats = any(value.is_floating_point() for value in inputs)
            dependence = _by_gradient(outputs, inputs, sample) if floats else None
            if dependence is None or dependence.own == 0:
                # A gradient of zero may mean a detach on the way: only exchanged inputs tell that they are ignored.
                exchanged = _by_exchange(outputs, inputs, sample)
                dependence = exchanged if dependence is None else replace(dependence, own=exchanged.own)
            leaked = dependence.others > 0
            return replace(dependence, time_first=_time_first(session, batch, size) if leaked else ())
    finally:
        model.train()
        model.zero_grad(set_to_none=True)


def by_sample(outputs: Tensor, size: int) -> Tensor:
    """The outputs with one entry a sample first: as they are, time first ([L, N, ...]), or as rows of all samples one
    after the other ([N * L, ...]); as they are where none of it fits."""
    if not outputs.dim() or len(outputs) == size:
        return outputs
    if outputs.dim() >= 3 and outputs.shape[1] == size:
        return outputs.transpose(0, 1)
    if len(outputs) and len(outputs) % size == 0:
        return outputs.reshape(size, -1)
    return outputs


@torch.no_grad()
def _of_pairs(outputs: Ask, inputs: list[Tensor]) -> bool:
    """Whether the outputs are likenesses of all samples of a batch, [B, B] whatever B is."""
    size = len(inputs[0])
    if size < 3 or tuple(outputs(inputs).shape) != (size, size):
        return False
    return tuple(outputs([value[:-1] for value in inputs]).shape) == (size - 1, size - 1)


def _by_gradient(outputs: Ask, inputs: list[Tensor], sample: int) -> Dependence:
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    out = outputs(leaves)
    if not out.dim() or len(out) != len(inputs[0]):
        return Dependence(own=1.0, others=1.0, rows=len(out) if out.dim() else 0)
    if not out.requires_grad:
        return Dependence(own=0.0, others=0.0)
    # Random weights on the outputs: a sum over them may be constant by design (softmax).
    weights = torch.randn(out[sample].shape, generator=torch.Generator().manual_seed(0)).to(out)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    grads = torch.autograd.grad((out[sample] * weights).sum(), wanted, allow_unused=True)
    sizes = [g.abs().reshape(len(g), -1).amax(1) for g in grads if g is not None]
    if not sizes:
        return Dependence(own=0.0, others=0.0)
    effect = torch.stack(sizes).amax(0)
    own = float(effect[sample])
    effect[sample] = 0.0
    return Dependence(own=own, others=float(effect.max()), spread=_spread(out.detach()))


@torch.no_grad()
def _by_exchange(outputs: Ask, inputs: list[Tensor], sample: int) -> Dependence:
    """The change of one sample's outputs when all others, or only itself, are exchanged for the sample before.

    Where all samples are alike, noise takes the place of the other sample. Outputs of few values (the place of a
    maximum) may be equal by chance: then all samples are exchanged, and it is asked whether any output changes.
    """
    base = outputs(inputs)
    if not base.dim() or len(base) != len(inputs[0]):
        return Dependence(own=1.0, others=1.0, rows=len(base) if base.dim() else 0)
    others = [value.roll(1, 0) for value in inputs]
    itself = [value.clone() for value in inputs]
    for value, rolled, old in zip(itself, others, inputs, strict=True):
        rolled[sample] = old[sample]
        noise = torch.randn(old[sample].shape, generator=torch.Generator().manual_seed(0)).to(old.device)
        value[sample] = old[sample - 1] + noise if old.is_floating_point() else old[sample - 1]
    own = float((outputs(itself)[sample] - base[sample]).abs().max())
    for places in ROLLS:
        if own == 0:
            own = float((outputs([value.roll(places, 0) for value in inputs]) - base).abs().max())
    return Dependence(
        own=own,
        others=float((outputs(others)[sample] - base[sample]).abs().max()),
        noise=1e-5 * float(base.abs().max()),
        spread=_spread(base),
    )


def _spread(outputs: Tensor) -> float:
    """Standard deviation over the samples over the size of the outputs: near zero where all get the same."""
    flat = outputs.reshape(len(outputs), -1).double()
    size = float(flat.square().mean().sqrt())
    return float(flat.std(0, unbiased=False).square().mean().sqrt()) / size if size else 0.0


@torch.no_grad()
def _time_first(session: Session, batch: Batch, size: int) -> tuple[str, ...]:
    """Recurrent and attention layers that take the first axis for time, where samples lie along it."""
    wrong: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def see(_module: nn.Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            first = next((value for value in (*inputs, *kwargs.values()) if isinstance(value, Tensor)), None)
            if first is not None and first.dim() == 3 and len(first) == size:
                wrong.append(name)

        return see

    hooks = [
        module.register_forward_pre_hook(look(name), with_kwargs=True)
        for name, module in hookable(session.model)
        if getattr(module, "batch_first", None) is False
    ]
    if hooks:
        try:
            session.forward(session.model, batch)
        finally:
            for hook in hooks:
                hook.remove()
    return tuple(dict.fromkeys(wrong))
