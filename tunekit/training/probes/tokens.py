"""What of a sequence's steps gets into a model: which of them act on others, and which tokens it can tell apart.
Measures; judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tunekit.configuration import Values
from tunekit.measured import Hidden, Merged
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.models import hookable
from tunekit.training.outputs import any_tensor
from tunekit.training.probes.padding import find_padding
from tunekit.training.probes.sequences import are_tokens, exchanged, other_tokens, tells
from tunekit.training.structure import tensors

ROWS = 4  # padded sequences, below which nothing is said
MOST = 16  # of them that are looked at: their gradients are memory
STEPS = 3  # of their own, that these have at least
VOCABULARY = 4  # different tokens, below which nothing is said

LookedUp = Callable[[Tensor, Tensor], Tensor]


class _LookUps(TorchFunctionMode):
    """Shows every look-up in a table (the numbers of its rows and what was found); what `see` returns takes its
    place."""

    TABLES = (F.embedding, torch.embedding, F.embedding_bag)

    def __init__(self, see: LookedUp) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Values | None = None
    ) -> object:
        output = func(*args, **(kwargs or {}))
        if not isinstance(output, Tensor):
            return output
        index: object = None
        if func in self.TABLES:
            index = next((a for a in (*args, *(kwargs or {}).values()) if isinstance(a, Tensor) and _whole(a)), None)
        elif func is Tensor.__getitem__ and isinstance(args[0], Tensor) and args[0].dim() == 2:
            index = args[1]  # a row a token of a table of the person's own
        return self.see(index, output) if isinstance(index, Tensor) and _whole(index) else output


def _whole(value: Tensor) -> bool:
    return not value.is_floating_point() and value.dtype != torch.bool


def _row_of(tokens: Tensor, index: Tensor) -> Tensor | None:
    """The row that each token looks up, [tokens.unique()]; None where the same token looks up several."""
    if index.shape != tokens.shape:
        return None
    known, place = tokens.unique(return_inverse=True)
    rows = torch.empty(len(known), dtype=index.dtype, device=index.device)
    rows[place.flatten()] = index.flatten()
    return rows if torch.equal(rows[place], index) else None


def measure_hidden(session: Session, batch: Batch) -> Hidden | None:
    """How far real steps and padding act on what is made elsewhere of the same sequence, by gradients, in eval mode. Of
    the input for which real ones do least beside padding; None where no input has padding."""
    found = []
    for place, value in enumerate(batch.inputs):
        padding = find_padding(value)
        others = [other for number, other in enumerate(batch.inputs) if number != place]
        if padding is None or (value.is_floating_point() and not any(tells(other, padding) for other in others)):
            continue
        rows = ((padding.lengths >= STEPS) & (padding.lengths < value.shape[1])).nonzero()[:MOST, 0]
        if len(rows) >= ROWS:
            found += _effects(session, _some(batch, rows), place, padding.real[rows])
    return min(found, key=lambda one: one.real - one.padding, default=None)


def _some(batch: Batch, rows: Tensor) -> Batch:
    return batch.each(lambda part: part[rows] if part.dim() and len(part) == len(batch) else part)


def _effects(session: Session, batch: Batch, place: int, real: Tensor) -> list[Hidden]:
    """Of steps on outputs of the whole sequence, and on the step in its middle as the last layer gives it that gives
    one a step. Real steps by the one that acts most, padding by the one that acts least: through a recurrent layer
    both fade, the farther the more."""
    value = batch.inputs[place]
    leaves: list[Tensor] = []

    def see(index: Tensor, output: Tensor) -> Tensor:
        if _row_of(value, index) is None or output.shape[:2] != value.shape:
            return output
        leaves.append(output.detach().requires_grad_())
        return leaves[-1] * 1  # a model may change it in place

    if value.is_floating_point():
        leaves.append(value.detach().clone().requires_grad_())
        batch = exchanged(batch, {place: leaves[-1] * 1})
    session.model.eval()
    torch.manual_seed(0)
    with (
        torch.enable_grad(),
        _by_step(session.model, value) as by_step,
        _LookUps(see),
    ):
        outputs = any_tensor(session.answer(session.model, batch))
    size = len(value)
    effects = []
    if outputs.dim() and len(outputs) == size and value.shape[1] not in outputs.shape[1:]:
        effects.append((outputs, torch.zeros_like(real)))
    if by_step:
        middle = (real.long().cumsum(1) == (real.sum(1) // 2 + 1)[:, None]) & real
        effects.append((by_step[-1][middle], middle))
    told = []
    for wanted, itself in effects:
        if len(wanted) != size or not wanted.requires_grad:
            continue
        weights = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0)).to(wanted)
        given = torch.autograd.grad((wanted * weights).sum(), leaves, retain_graph=True, allow_unused=True)
        gradients = [gradient.abs().amax(2) for gradient in given if gradient is not None]
        if gradients:
            gradient = torch.stack(gradients).amax(0)
            of_real = float(gradient.where(real & ~itself, 0).max())
            of_padding = float(gradient.where(~real, torch.inf).min())
            told.append(Hidden(batch.names[place], size, of_real, of_padding))
    return told


@contextmanager
def _by_step(model: nn.Module, value: Tensor) -> Iterator[list[Tensor]]:
    """What the last layer that gives one a step gives, [B, L, ...]."""
    given: list[Tensor] = []

    def see(_module: nn.Module, _inputs: object, output: object) -> None:
        first = next(iter(tensors(output)), None)
        if first is not None and first.dim() == 3 and first.shape[:2] == value.shape[:2] and first.requires_grad:
            given[:] = [first * 1]  # as it is now: the next layer may work in place

    hooks = [module.register_forward_hook(see) for _, module in hookable(model)]
    try:
        yield given
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def measure_merged(session: Session, batch: Batch) -> Merged | None:
    """Tokens that look up the same rows of every table, where nothing else tells them apart either: with one of them in
    the place of all, outputs are equal to the last bit. None where that is not so, or where there are several inputs of
    tokens."""
    places = [place for place, value in enumerate(batch.inputs) if isinstance(value, Tensor) and _whole(value)]
    places = [place for place in places if are_tokens(batch.inputs[place]) and len(batch.inputs[place].unique()) > 2]
    if len(places) != 1:
        return None
    value = batch.inputs[places[0]]
    looked_up: list[Tensor] = []

    def see(index: Tensor, output: Tensor) -> Tensor:
        rows = _row_of(value, index)
        if rows is not None:
            looked_up.append(rows)
        return output

    session.model.eval()
    with _LookUps(see):
        session.answer(session.model, batch)
    if not looked_up:
        return None
    padding = find_padding(value)
    known, place, counts = value.unique(return_inverse=True, return_counts=True)
    own = torch.ones_like(known, dtype=torch.bool) if padding is None else known != padding.token
    _, group = torch.stack(looked_up, 1).unique(dim=0, return_inverse=True)
    if int(own.sum()) < VOCABULARY or len(group[own].unique()) < 2:
        return None
    alike = group[:, None] == group[None]
    alike = alike & own[None] & own[:, None] | torch.eye(len(known), dtype=torch.bool, device=alike.device)
    several = alike.sum(1) > 1
    if not bool(several.any()):
        return None
    before = _answers(session, batch)  # anew: what is watched takes another path through torch's encoder layers
    first = known[alike.long().argmax(1)]
    if not _equal(before, _answers(session, exchanged(batch, {places[0]: first[place]}))):
        return None
    if _equal(before, _answers(session, exchanged(batch, {places[0]: other_tokens(value)}))):
        return None
    weights = counts[own].double() / counts[own].sum()
    of_group = torch.zeros(len(known), dtype=weights.dtype, device=weights.device)
    of_group.index_add_(0, group[own], weights)
    left = _entropy(of_group) / _entropy(weights)
    example = known[alike[int(alike.sum(1).argmax())]]
    return Merged(
        input=batch.names[places[0]],
        tokens=int(own.sum()),
        merged=int(several.sum()),
        example=tuple(int(token) for token in example[:4]),
        lost=1 - left,
    )


def _entropy(weights: Tensor) -> float:
    return float(torch.special.entr(weights).sum())


def _answers(session: Session, batch: Batch) -> list[Tensor]:
    """All tensors that the model gives in eval mode, with equal random numbers each time."""
    torch.manual_seed(0)
    return list(tensors(session.answer(session.model, batch)))


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
