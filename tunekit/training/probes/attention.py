"""What a model's attention does: over which axis its weights sum to one, and whether the order of tokens matters to it.
Measures; judges nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.measured import OrderUse, Weighing
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.padding import find_padding
from tunekit.training.probes.places import persons_line
from tunekit.training.probes.sequences import are_tokens, exchanged, other_tokens, tells

LEAST = 3  # steps of a sequence, below which nothing is said
KEPT = 3  # softmaxes at a time

SOFTMAX = (F.softmax, torch.softmax, Tensor.softmax)
KEEP = (F.dropout, torch.dropout, Tensor.contiguous, Tensor.to, Tensor.float, Tensor.type_as)
PRODUCTS = (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm)
ATTENTION = (
    F.multi_head_attention_forward,
    F.scaled_dot_product_attention,
    torch._transformer_encoder_layer_fwd,
    torch._native_multi_head_attention,
)


class _Watch(TorchFunctionMode):
    """Keeps the weights of self-attention, softmax of scores [..., L, L] that a product gave, where they are multiplied
    by values and summed over the last axis; and whether there is attention of any kind."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: set[tuple[int, ...]] = set()  # shapes that products gave
        self.weights: dict[int, tuple[Tensor, int]] = {}  # the last softmax by their identity, and their axis
        self.weighings: list[Weighing] = []
        self.attends = False

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Values | None = None
    ) -> object:
        output = func(*args, **(kwargs or {}))
        self.attends |= func in ATTENTION
        if not isinstance(output, Tensor):
            return output
        first = args[0] if args else None
        if func in SOFTMAX and isinstance(first, Tensor):
            axis = (kwargs or {}).get("dim", args[1] if len(args) > 1 else None)
            if isinstance(axis, int) and _of_steps(first) and tuple(first.shape) in self.scores:
                self._keep(output, axis % first.dim())
        elif func in KEEP and id(first) in self.weights:
            self._keep(output, self.weights[id(first)][1])
        elif func in PRODUCTS:
            self.scores.add(tuple(output.shape))
            if id(first) in self.weights:
                self._note(*self.weights[id(first)])
        elif func is torch.einsum:
            self.scores.add(tuple(output.shape))
        return output

    def _keep(self, weights: Tensor, axis: int) -> None:
        self.weights[id(weights)] = (weights, axis)
        for old in list(self.weights)[:-KEPT]:
            del self.weights[old]

    def _note(self, weights: Tensor, axis: int) -> None:
        self.attends = True
        sums = weights.detach().sum(-1)
        self.weighings.append(
            Weighing(persons_line(), axis, weights.dim(), float(sums.min()), float(sums.max())),
        )


def _of_steps(scores: Tensor) -> bool:
    return scores.dim() >= 3 and scores.shape[-1] == scores.shape[-2] >= LEAST


@torch.no_grad()
def measure_weighing(session: Session, batch: Batch) -> Weighing | None:
    """Of the self-attention whose weights are furthest from summing to one over what they are summed over. None where
    the model has none of its own making."""
    session.model.eval()
    with _Watch() as watch:
        session.answer(session.model, batch)
    return max(watch.weighings, key=lambda one: max(one.highest - 1, 1 - one.lowest), default=None)


@torch.no_grad()
def measure_order(session: Session, batch: Batch) -> OrderUse | None:
    """What another order of the tokens in each sequence changes of a model with attention, beside what other tokens do.
    None where other inputs may say where tokens stand."""
    places = [place for place, value in enumerate(batch.inputs) if isinstance(value, Tensor) and are_tokens(value)]
    if not places or batch.inputs[places[0]].shape[1] < LEAST:
        return None
    value = batch.inputs[places[0]]
    padding = find_padding(value)
    rest = [other for place, other in enumerate(batch.inputs) if place != places[0]]
    if any(padding is None or not tells(other, padding) for other in rest):
        return None
    real = torch.ones_like(value, dtype=torch.bool) if padding is None else padding.real
    real = real & (value != value[:1]).any(0)  # what all begin with stays there
    if int(real.sum(1).median()) < LEAST:
        return None
    draw = torch.rand(value.shape, generator=torch.Generator().manual_seed(0)).to(value.device)
    steps = torch.arange(value.shape[1], device=value.device).expand_as(value)
    order = torch.where(real, draw, 2.0).argsort(1)  # real steps first ...
    places_of_real = torch.where(real, steps, value.shape[1]).sort(1).indices
    source = torch.zeros_like(steps).scatter(1, places_of_real, order)  # ... and back where real steps stand
    source = torch.where(real, source, steps)

    def answer(changed: Batch) -> Tensor:
        torch.manual_seed(0)
        return any_tensor(session.answer(session.model, changed)).double()

    session.model.eval()
    with _Watch() as watch:
        answer(batch)
    if not watch.attends:
        return None
    base = answer(batch)  # anew: what is watched takes another path through torch's encoder layers
    if not base.dim() or len(base) != len(value):
        return None
    permuted = answer(exchanged(batch, {places[0]: value.gather(1, source)}))
    other = answer(exchanged(batch, {places[0]: other_tokens(value)}))
    if base.shape != permuted.shape or base.shape != other.shape:
        return None
    axes = [axis for axis in range(1, base.dim()) if base.shape[axis] == value.shape[1]]
    if len(axes) > 1:
        return None
    expected = base
    if axes:  # one output a step goes with it
        index = source.reshape(*source.shape, *[1] * (base.dim() - 2)).movedim(1, axes[0])
        expected = base.gather(axes[0], index.expand_as(base))
    return OrderUse(float((permuted - expected).abs().max()), float((other - base).abs().max()))
