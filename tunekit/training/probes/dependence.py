"""What one sample's outputs depend on: its own inputs, and those of other samples in its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from tunekit.measured import Dependence
from tunekit.training.data import Batch
from tunekit.training.loop import Session


def measure_dependence(session: Session, batch: Batch) -> Dependence | None:
    """What one sample's outputs depend on, in eval mode: by backpropagation to the inputs, or by exchanging whole
    samples where inputs are no real numbers."""
    model = session.model
    names = list(batch.kwargs)
    inputs = batch.inputs
    if len(batch) < 2 or not all(isinstance(value, Tensor) for value in inputs):
        return None
    model.eval()

    def outputs(values: list[Tensor]) -> Tensor:
        split = len(batch.args)
        again = Batch(tuple(values[:split]), dict(zip(names, values[split:], strict=True)), batch.targets)
        return session.forward(model, again)

    sample = len(batch) // 2
    dependence = _by_gradient(outputs, inputs, sample) if any(value.is_floating_point() for value in inputs) else None
    if dependence is None or dependence.own == 0:
        # A gradient of zero may mean a detach on the way: only exchanged inputs tell that they are ignored.
        exchanged = _by_exchange(outputs, inputs, sample)
        dependence = exchanged if dependence is None else replace(dependence, own=exchanged.own)
    model.train()
    model.zero_grad(set_to_none=True)
    return dependence


def _by_gradient(outputs: Callable[[list[Tensor]], Tensor], inputs: list[Tensor], sample: int) -> Dependence:
    leaves = [value.detach().clone().requires_grad_(value.is_floating_point()) for value in inputs]
    out = outputs(leaves)
    if len(out) != len(inputs[0]):
        return Dependence(own=1.0, others=1.0, rows=len(out))
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
    return Dependence(own=own, others=float(effect.max()))


@torch.no_grad()
def _by_exchange(outputs: Callable[[list[Tensor]], Tensor], inputs: list[Tensor], sample: int) -> Dependence:
    """The change of one sample's outputs when all others, or only itself, are exchanged for the sample before.

    Where all samples are alike, noise takes the place of the other sample.
    """
    base = outputs(inputs)
    if len(base) != len(inputs[0]):
        return Dependence(own=1.0, others=1.0, rows=len(base))
    others = [value.roll(1, 0) for value in inputs]
    itself = [value.clone() for value in inputs]
    for value, rolled, old in zip(itself, others, inputs, strict=True):
        rolled[sample] = old[sample]
        noise = torch.randn(old[sample].shape, generator=torch.Generator().manual_seed(0)).to(old.device)
        value[sample] = old[sample - 1] + noise if old.is_floating_point() else old[sample - 1]
    return Dependence(
        own=float((outputs(itself)[sample] - base[sample]).abs().max()),
        others=float((outputs(others)[sample] - base[sample]).abs().max()),
        noise=1e-5 * float(base.abs().max()),
    )
