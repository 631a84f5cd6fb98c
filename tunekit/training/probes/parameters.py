"""Tensors that train or should, beside those that the model's parameters() name: what autograd meets, and layers whose
units are all the same."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tunekit.measured import Identical, Outside
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.places import tensors_in
from tunekit.training.regularizers import without_regularizers

STEPS = 4  # after which a weight that only waits for the layers behind it has moved
STEP = 0.05  # length of one, over the weight's own root mean square (at least LEAST)
LEAST = 0.1
DEEP = 3  # lists in lists that are looked through for layers


def measure_outside(session: Session, batch: Batch) -> tuple[Outside, ...]:
    """What the gradient reaches and neither the model nor its inputs hold. Only what is the same tensor in two passes
    counts: others are made in forward(), as inputs of a gradient penalty are."""
    first, _ = _leaves(session, batch)
    second, of_loss = _leaves(session, batch)
    model = session.model
    known = {id(value) for value in (*model.parameters(), *model.buffers(), *tensors_in(batch.inputs))}
    lasting = {id(leaf): leaf for leaf in second if any(leaf is other for other in first)}
    names = dict(_hidden(model))
    order = {key: place for place, key in enumerate(names)}
    parts = []
    for alone in (False, True):
        leaves = [leaf for key, leaf in lasting.items() if key not in known and (key in of_loss) == alone]
        for optimized in (False, True):
            some = [leaf for leaf in leaves if (id(leaf) in _held(session)) == optimized]
            some.sort(key=lambda leaf: order.get(id(leaf), len(order)))
            if some:
                told = tuple(names.get(id(leaf), f"a tensor of shape {list(leaf.shape)}") for leaf in some)
                parts.append(Outside(told, sum(leaf.numel() for leaf in some), alone, optimized))
    return tuple(parts)


def _held(session: Session) -> set[int]:
    """What the optimizer holds, where it has been built."""
    optimizer = vars(session).get("optimizer")
    return {id(p) for group in optimizer.param_groups for p in group["params"]} if optimizer is not None else set()


def _leaves(session: Session, batch: Batch) -> tuple[list[Tensor], set[int]]:
    """The leaves that the loss's gradient reaches, and those among them that it reaches without the outputs."""
    answer = session.answer(session.model, batch)
    by_outputs = _leaves_behind(tensors_in(answer))
    loss = session.task.loss(answer, batch.targets)
    every = _leaves_behind([loss])
    through = {id(leaf) for leaf in by_outputs}
    alone = {id(leaf) for leaf in every if id(leaf) not in through}
    return [*by_outputs, *(leaf for leaf in every if id(leaf) in alone)], alone


def _leaves_behind(tensors: Iterable[Tensor]) -> list[Tensor]:
    leaves: list[Tensor] = []
    waiting: list[Any] = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        waiting += [before for before, _ in node.next_functions]
    return leaves


def _hidden(model: nn.Module) -> Iterator[tuple[int, str]]:
    """Tensors in plain attributes of the model's modules, lists and mappings included, with their names."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if not name.startswith("_") or not isinstance(value, Mapping):  # torch's own tables are no hiding places
                yield from _named(f"{path}.{name}" if path else name, value, DEEP)


def _named(name: str, value: object, depth: int) -> Iterator[tuple[int, str]]:
    if isinstance(value, nn.Module):
        yield from ((id(p), f"{name}.{inner}") for inner, p in value.named_parameters())
    elif isinstance(value, Tensor):
        yield id(value), name
    elif depth and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _named(f"{name}.{key}", item, depth - 1)
    elif depth and isinstance(value, list | tuple | set):
        for place, item in enumerate(value):
            yield from _named(f"{name}.{place}", item, depth - 1)


def measure_identical(session: Session, batch: Batch) -> tuple[Identical, ...]:
    """Weights whose units all start equal, and whether some steps tell them apart. Zeros on purpose (a last layer,
    LoRA's B, the modulation of a residual branch) come apart once the layers behind them have moved."""
    model = session.model
    suspects = [(name, p) for name, p in model.named_parameters() if p.requires_grad and _all_equal(_units(model, p))]
    if not suspects:
        return ()
    every = [p for p in model.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in every]
    without_regularizers(model)  # dropout tells equal units apart, but not by what they should learn
    model.train()
    try:
        for _ in range(STEPS):
            model.zero_grad(set_to_none=True)
            session.task.loss(session.answer(model, batch), batch.targets).backward()
            reached = {id(p) for p in every if p.grad is not None}
            _step(every)
        start = {id(p): old for p, old in zip(every, before, strict=True)}
        return tuple(
            _identical(name, _units(model, p), float((p.detach() - start[id(p)]).abs().max()))
            for name, p in suspects
            if id(p) in reached and math.isfinite(float(p.detach().sum()))
        )
    finally:
        with torch.no_grad():
            for p, old in zip(every, before, strict=True):
                p.copy_(old)
        model.zero_grad(set_to_none=True)


def _identical(name: str, units: Tensor, moved: float) -> Identical:
    apart = float((units - units[:1]).abs().max())
    return Identical(name, len(units), apart / moved if moved else 0.0, moved)


@torch.no_grad()
def _step(parameters: list[nn.Parameter]) -> None:
    """One step down the gradient, each tensor's of a length by its own size."""
    for p in parameters:
        if p.grad is not None and p.grad.is_floating_point():
            size = float(p.grad.double().square().mean().sqrt())
            if size and math.isfinite(size):
                p.sub_(STEP * max(LEAST, float(p.double().square().mean().sqrt())) / size * p.grad)


def _units(model: nn.Module, weight: Tensor) -> Tensor:
    """A weight's units one a row: output features or channels."""
    value = weight.detach()
    if value.dim() < 2:
        return value[:0]
    turned = any(
        isinstance(module, nn.modules.conv._ConvTransposeNd) and module.weight is weight for module in model.modules()
    )
    return (value.transpose(0, 1) if turned else value).flatten(1)


def _all_equal(units: Tensor) -> bool:
    return len(units) > 1 and bool((units == units[:1]).all())
