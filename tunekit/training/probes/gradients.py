"""One backward pass: gradients by weight and by layer, parameters without one, and units that are off."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.measured import Gradient, Gradients, Units
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.models import hookable
from tunekit.training.normalisations import normalising_parameters
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.asking import asked
from tunekit.training.probes.finiteness import origin_of_gradient
from tunekit.training.probes.places import at_work
from tunekit.training.structure import tensors

MOST_UNITS = 4096  # units of a layer looked at
SMALL = 10**6  # parameters of a model whose gradient is taken over all batches: a NaN may come from few samples
FEW = 2  # batches otherwise
STIRRED = 0.1  # standard deviation given to scales that start at zero


@contextmanager
def stirred(model: nn.Module) -> Iterator[None]:
    """Weights that start at exactly zero on purpose (a last layer, the end of a residual branch, a gate) made small
    random numbers for a while: behind them no gradient and no input shows, which says nothing of the wiring."""
    zero = [p for name, p in model.named_parameters() if "bias" not in name and p.numel() and not bool(p.any())]
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in zero:
            scale = (p[0].numel()) ** -0.5 if p.dim() >= 2 else STIRRED
            p.copy_(scale * torch.randn(p.shape, generator=draw))
    try:
        yield
    finally:
        with torch.no_grad():
            for p in zero:
                p.zero_()


class _Watch(TorchFunctionMode):
    """Keeps, for every ReLU-like call inside forward(), which units were ever on."""

    CALLS = (F.relu, torch.relu, Tensor.relu, F.relu6, F.relu_, torch.relu_, Tensor.relu_, F.threshold)

    def __init__(self, place: Callable[[], str]) -> None:
        super().__init__()
        self.place = place
        self.layers: list[Units] = []

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Values | None = None
    ) -> object:
        first = args[0] if args and func in self.CALLS else None
        before = first.detach().clone() if isinstance(first, Tensor) else None  # the call may work in place
        output = func(*args, **(kwargs or {}))
        if before is not None and isinstance(output, Tensor) and output.dim() >= 2:
            values = output.detach()
            # A unit is a channel of a convolution, else a feature: what the next layer sees by one weight.
            axes = [0, 2, 3] if values.dim() == 4 else list(range(values.dim() - 1))
            on = (values != 0).double().mean(axes)[:MOST_UNITS]
            dead = float((on == 0).double().mean())
            self.layers.append(Units(self.place(), len(on), dead, _varies(before)))
        return output


@dataclass
class _Flow:
    """Norms of the loss's gradient with respect to what each layer with parameters gave, in the order of the calls.

    Unlike the gradients of weights they do not depend on the scale of the inputs or of the activations.
    """

    calls: list[tuple[str, object]] = field(default_factory=list)  # name and input (kept, so that its identity stays)
    norms: dict[int, float] = field(default_factory=dict)

    def note(self, name: str, inputs: tuple[object, ...], output: object) -> None:
        """Of several parts (the steps and the last state of a recurrent layer) the gradients together."""
        given = [part for part in tensors(output) if part.requires_grad]
        place = len(self.calls)
        if given:
            self.calls.append((name, inputs[0] if inputs else None))
        for part in given:
            part.register_hook(lambda gradient: self._add(place, float(gradient.detach().abs().double().norm())))

    def _add(self, place: int, norm: float) -> None:
        self.norms[place] = math.hypot(self.norms.get(place, 0.0), norm)

    def sizes(self) -> tuple[Gradient, ...]:
        """The first entry is the largest among the layers that share the first's input (as query, key and value do). A
        layer called several times (a recurrent cell) stands at its first place with the largest of its gradients. A
        call that no gradient reached is left out: the parameters without a gradient tell what that means."""
        largest: dict[str, Gradient] = {}
        sources: dict[str, object] = {}
        for place, (name, source) in enumerate(self.calls):
            if place not in self.norms:
                continue
            size = max(self.norms[place], largest[name].gradient if name in largest else 0.0)
            largest[name] = Gradient(name, size)
            sources.setdefault(name, source)
        sizes = list(largest.values())
        if not sizes:
            return ()
        source = sources[sizes[0].name]
        together = [size for size in sizes if sources[size.name] is source]
        rest = sizes[1:] if source is None else [size for size in sizes if size not in together]
        return (max(together, key=lambda item: item.gradient), *rest)


def _varies(values: Tensor) -> float:
    """Spread over the samples of what goes into an activation, over its size: near zero where the input is lost."""
    flat = values.reshape(len(values), -1).double()
    size = float(flat.square().mean().sqrt())
    return float(flat.std(0).square().mean().sqrt()) / size if len(flat) > 1 and size > 0 else 0.0


def measure_gradients(session: Session, batches: list[Batch]) -> tuple[Gradients, tuple[Units, ...]]:
    """One backward pass: gradients by weight and by layer, parameters without one; and how many units are off. Some
    more batches are asked whether their gradients are finite."""
    model, batch = session.model, batches[0]
    flow = _Flow()
    hooks = [
        module.register_forward_hook(lambda _m, i, o, name=name: flow.note(name, i, o))
        for name, module in hookable(model)
        if next(module.parameters(recurse=False), None) is not None
    ]
    model.zero_grad(set_to_none=True)
    try:
        with at_work(model) as stack, _Watch(lambda: stack[-1] if stack else "forward") as watch:
            answer = session.answer(model, batch)
        flow.note("outputs", (), any_tensor(answer))
        loss = session.task.loss(answer, batch.targets)
    finally:
        for hook in hooks:
            hook.remove()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    units = tuple(watch.layers)
    if not loss.requires_grad:
        return Gradients((), (), tuple(name for name, _ in trained), unreached_share=1.0, finite=True), units
    loss.backward()
    none = [(name, p) for name, p in trained if p.grad is None]
    left_out = normalising_parameters(model) | {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    weights = tuple(
        Gradient(name, _rms(p.grad))
        for name, p in trained
        if p.grad is not None and p.dim() >= 2 and id(p) not in left_out
    )
    bad = _first_not_finite(session, batches)
    gradients = Gradients(
        weights=weights,
        flow=flow.sizes(),
        unreached=tuple(name for name, _ in none),
        unreached_share=sum(p.numel() for _, p in none) / max(1, sum(p.numel() for _, p in trained)),
        finite=bad is None,
        origin=None if bad is None else asked(lambda: origin_of_gradient(session, bad)),
    )
    model.zero_grad(set_to_none=True)
    return gradients, units


def _first_not_finite(session: Session, batches: list[Batch]) -> Batch | None:
    """The first batch whose gradients are not finite; those of the first of all are at hand."""
    parameters = [p for p in session.model.parameters() if p.requires_grad]
    if not _finite(parameters):
        return batches[0]
    small = sum(p.numel() for p in parameters) <= SMALL
    for batch in batches[1:] if small else batches[1:FEW]:
        session.model.zero_grad(set_to_none=True)
        loss = session.task.loss(session.answer(session.model, batch), batch.targets)
        if loss.requires_grad:
            loss.backward()
        if not _finite(parameters):
            return batch
    return None


def _finite(parameters: list[nn.Parameter]) -> bool:
    return all(bool(torch.isfinite(p.grad).all()) for p in parameters if p.grad is not None)


def _rms(value: Tensor) -> float:
    return float(value.detach().double().square().mean().sqrt()) if value.numel() else 0.0
