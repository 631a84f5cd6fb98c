"""Outputs a position: the target that the loss pairs with each, whether they see later inputs, what padding does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tunekit.measured import Copied, Ignored, Later, Padded
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.outputs import main_tensor
from tunekit.training.probes.asking import asked
from tunekit.training.probes.mixing import first_mixing
from tunekit.training.probes.padding import Padding, find_padding

NEXT = 0.8  # share of the outputs that are held against the input one step on
SAME = 0.98  # or against the input of their own position: a corrupted text is so for 85 %
FEW = 8  # positions, below which nothing is said
SHORT = 0.5  # of the width: sequences that are no longer are cut, to see what padding changes

Answer = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Pairing:
    """What the loss makes of outputs [B, T, ...]: for every position whether it counts, and the class that it wants."""

    axis: int  # of the positions in the outputs
    counts: Tensor  # [B, T]
    wanted: Tensor | None  # [B, T]; None: outputs are no scores of classes


def find_pairing(session: Session, batch: Batch, width: int) -> Pairing | None:
    """By the loss's gradient at the outputs: zero where nothing is asked, least at the class that is wanted. None where
    outputs have no axis of about `width` positions."""
    gradient = _gradient(session, batch)
    if gradient is None:
        return None
    rows = len(batch)
    if gradient.dim() == 2 and len(gradient) != rows and len(gradient) % rows == 0:
        gradient = gradient.view(rows, -1, gradient.shape[1])  # positions that the model has flattened
    axes = [axis for axis in range(1, gradient.dim()) if abs(gradient.shape[axis] - width) <= 1]
    if gradient.dim() not in (2, 3) or not axes:
        return None
    # Of scores of classes a loss's gradient sums to zero.
    axis = min(axes, key=lambda one: _sums_off(gradient.movedim(one, 1)))
    moved = gradient.movedim(axis, 1)
    counts = moved.abs().reshape(*moved.shape[:2], -1).sum(2) > 0
    scores = moved.dim() == 3 and moved.shape[2] > 2 and _sums_off(moved) < 1e-3
    return Pairing(axis, counts, moved.argmin(2) if scores else None)


def _gradient(session: Session, batch: Batch) -> Tensor | None:
    """Of the loss at the outputs, in eval mode; None where there is none, or where it is not finite."""
    answer = session.answer(session.model.eval(), batch)
    outputs = main_tensor(answer)
    if isinstance(answer, Tensor):
        answer = outputs = outputs.detach().requires_grad_()
    loss = session.task.loss(answer, batch.targets)
    gradient: Tensor | None = torch.autograd.grad(loss, outputs, allow_unused=True)[0]
    return gradient if gradient is not None and bool(torch.isfinite(gradient).all()) else None


def _sums_off(gradient: Tensor) -> float:
    """How far a gradient [B, T, C] is from summing to zero over its last axis, as a share of its size."""
    return float(gradient.sum(-1).abs().sum() / gradient.abs().sum().clamp_min(1e-30)) if gradient.dim() == 3 else 1.0


def measure_later(session: Session, batch: Batch) -> Later | None:
    """What other inputs at later positions change of the outputs before them. None where outputs are not held against
    the input one step on."""
    for place, value in enumerate(batch.inputs):
        predicted = _predicts_next(session, batch, value) if isinstance(value, Tensor) else None
        if predicted is not None:
            return _later(session, batch, place, *predicted)
    return None


def _predicts_next(session: Session, batch: Batch, value: Tensor) -> tuple[int, Tensor] | None:
    """The outputs' axis of positions, and which positions [B, T] are held against the next input."""
    if are_tokens(value):
        pairing = find_pairing(session, batch, value.shape[1])
        if pairing is None or pairing.wanted is None:
            return None
        here, following = _matches(pairing, value, 0), _matches(pairing, value, 1)
        if following is None or here is None or here[1] >= NEXT or following[1] < NEXT:
            return None
        return pairing.axis, following[0]
    targets = batch.targets
    if value.dim() < 2 or not value.is_floating_point() or not isinstance(targets, Tensor):
        return None
    if targets.dim() == value.dim() - 1:
        targets = targets.unsqueeze(-1)
    if targets.shape != value.shape or value.shape[1] < 3 or not targets.is_floating_point():
        return None
    following_equal = torch.isclose(targets[:, :-1], value[:, 1:]).float().mean()
    if float(following_equal) < NEXT or float(torch.isclose(targets, value).float().mean()) >= NEXT:
        return None
    return 1, torch.ones(targets.shape[:2], dtype=torch.bool, device=value.device)


def are_tokens(value: Tensor) -> bool:
    return value.dim() == 2 and not value.is_floating_point() and value.dtype != torch.bool


def measure_copied(session: Session, batch: Batch) -> Copied | None:
    """Whether outputs are held against the token of their own position, and what later tokens change of them. None
    where they are not."""
    for place, value in enumerate(batch.inputs):
        if not isinstance(value, Tensor) or not are_tokens(value):
            continue
        pairing = find_pairing(session, batch, value.shape[1])
        if pairing is None or pairing.wanted is None:
            continue
        here, following = _matches(pairing, value, 0), _matches(pairing, value, 1)
        if here is None or here[1] < SAME or (following is not None and following[1] >= NEXT):
            continue
        cut, change = _change_after(session, batch, place, pairing.axis, here[0])
        if change is not None and change.shape[1] > cut + 1:
            early, following_one = change[:, : cut + 1], change[:, cut + 1]
            return Copied(batch.names[place], here[1], float(early.max()), float(following_one.max()))
    return None


def _matches(pairing: Pairing, tokens: Tensor, step: int) -> tuple[Tensor, float] | None:
    """Where the wanted class is the token `step` positions on, and the share of this among what counts."""
    assert pairing.wanted is not None
    width = min(pairing.wanted.shape[1], tokens.shape[1] - step)
    counts = pairing.counts[:, :width]
    padding = find_padding(tokens)
    if padding is not None:  # the end of a sequence is wanted, but does not stand among its inputs
        counts = counts & padding.real[:, step : step + width]
    if int(counts.sum()) < FEW:
        return None
    equal = (pairing.wanted[:, :width] == tokens[:, step : step + width]) & counts
    matched = torch.zeros_like(pairing.counts)
    matched[:, :width] = equal
    return matched, float(equal.sum() / counts.sum())


def _later(session: Session, batch: Batch, place: int, axis: int, held: Tensor) -> Later | None:
    """What changes, where everything after the middle of what is held against the next input is exchanged."""
    cut, change = _change_after(session, batch, place, axis, held)
    if change is None:
        return None
    early = held[:, : change.shape[1]].clone()
    early[:, cut + 1 :] = False
    before = change[:, : early.shape[1]][early]
    after = change[:, cut + 1 :]
    if not before.numel() or not after.numel() or float(after.max()) == 0:
        return None
    positions = batch.inputs[place].shape[1]
    mixed = partial(first_mixing, session, batch, _changed_after(batch, place, cut), positions, cut)
    return Later(
        before=float(before.max()),
        after=float(after.max()),
        position=cut,
        positions=positions,
        origin=asked(mixed) if bool(before.any()) else None,
    )


@torch.no_grad()
def _change_after(session: Session, batch: Batch, place: int, axis: int, held: Tensor) -> tuple[int, Tensor | None]:
    """The middle of the positions that are `held`, and what other inputs behind it change of the outputs, [B, T]. None
    where the outputs cannot be compared."""
    value = batch.inputs[place]
    cut = int(held.nonzero()[:, 1].median())
    if cut + 1 >= value.shape[1]:
        return cut, None
    answer = repeatable(session)
    outputs = _positions(answer(batch), axis, batch)
    again = _positions(answer(batch), axis, batch)
    other = _positions(answer(_changed_after(batch, place, cut)), axis, batch)
    if outputs.shape != other.shape or not torch.equal(outputs, again):
        return cut, None
    return cut, (outputs - other).abs().reshape(*outputs.shape[:2], -1).amax(2)


def _changed_after(batch: Batch, place: int, cut: int) -> Batch:
    changed = batch.inputs[place].clone()
    changed[:, cut + 1 :] = other_tokens(changed)[:, cut + 1 :]
    return exchanged(batch, {place: changed})


def other_tokens(value: Tensor) -> Tensor:
    """Other tokens of the same vocabulary (padding stays), or other numbers, at every place."""
    if value.is_floating_point():
        return value.roll(1, 0) + torch.randn(value.shape, generator=torch.Generator().manual_seed(0)).to(value)
    padding = find_padding(value)
    known = value.unique()
    if padding is not None:
        known = known[known != padding.token]
    exchanged_tokens = known.roll(1)[torch.searchsorted(known, value).clamp_max(len(known) - 1)]
    return exchanged_tokens if padding is None else torch.where(padding.real, exchanged_tokens, value)


def _positions(outputs: Tensor, axis: int, batch: Batch) -> Tensor:
    """Outputs as [B, T, ...]."""
    if outputs.dim() == 2 and len(outputs) != len(batch):
        return outputs.view(len(batch), -1, outputs.shape[1])
    return outputs.movedim(axis, 1)


def repeatable(session: Session) -> Answer:
    """Outputs in the mode that the model is in, whatever it draws the same each time."""

    def answer(batch: Batch) -> Tensor:
        torch.manual_seed(0)
        return session.forward(session.model, batch)

    return answer


def exchanged(batch: Batch, values: Mapping[int, Tensor]) -> Batch:
    """The batch with other inputs at these places (of `batch.inputs`)."""
    inputs = [values.get(place, value) for place, value in enumerate(batch.inputs)]
    split = len(batch.args)
    return Batch(tuple(inputs[:split]), dict(zip(batch.kwargs, inputs[split:], strict=True)), batch.targets)


def measure_padded(session: Session, batch: Batch) -> Padded | None:
    """The share of padding in the inputs that have any, what it changes of the outputs at real positions, and its share
    of what the loss counts: of the input with the most effect, and of the one that the outputs belong to."""
    padded = []
    for place, value in enumerate(batch.inputs):
        padding = find_padding(value)
        if padding is None:
            continue
        others = [other for number, other in enumerate(batch.inputs) if number != place]
        told = any(tells(other, padding) for other in others)
        if value.is_floating_point() and not told:
            continue  # rows of zeros may be a picture's margin
        pairing = find_pairing(session, batch, value.shape[1])
        in_loss = None
        if pairing is not None:
            width = min(pairing.counts.shape[1], value.shape[1])
            counts, real = pairing.counts[:, :width], padding.real[:, :width]
            in_loss = float((counts & ~real).sum() / counts.sum().clamp_min(1))
        effect = None if padding.left else _effect(session, batch, place, padding, pairing)
        token = None if value.is_floating_point() else padding.token
        padded.append((float((~padding.real).float().mean()), effect, told, in_loss, token))
    if not padded:
        return None
    share, effect, told, _, token = max(padded, key=lambda one: one[1] or 0.0)
    return Padded(share, effect, told, min((one[3] for one in padded if one[3] is not None), default=0.0), token)


def tells(value: object, padding: Padding) -> bool:
    """Whether an input is a mask or the lengths of these sequences."""
    if not isinstance(value, Tensor) or (value.is_floating_point() and value.dim() != 2):
        return False
    if value.dim() == 1:
        return bool((value == padding.lengths).all())
    if value.shape != padding.real.shape:
        return False
    mask = value != 0
    return torch.equal(mask, padding.real) or torch.equal(mask, ~padding.real)


@torch.no_grad()
def _effect(session: Session, batch: Batch, place: int, padding: Padding, pairing: Pairing | None) -> float | None:
    """Short sequences as they are and with less padding: the median change of their outputs at real positions, in
    standard deviations of the outputs."""
    full = padding.real.shape[1]
    lengths = padding.lengths
    rows = (lengths <= SHORT * full).nonzero()[:, 0]
    if len(rows) < 2:
        return None
    width = int(lengths[rows].max())
    short = batch.each(lambda value: value[rows] if value.dim() and len(value) == len(padding.real) else value)
    cut = {}
    for other, value in enumerate(short.inputs):
        if not isinstance(value, Tensor) or value.dim() < 2 or value.shape[1] != full:
            continue
        if other == place or _ends_with(value, batch.inputs[other], width, padding):
            both = value.dim() >= 3 and value.shape[2] == full and not value.is_floating_point()
            cut[other] = value[:, :width, :width] if both else value[:, :width]
    session.model.eval()
    answer = repeatable(session)
    wide, narrow = answer(short), answer(exchanged(short, cut))
    spread = float(wide.double().std())
    if wide.shape == narrow.shape:
        change = (wide - narrow).reshape(len(wide), -1).double().square().mean(1).sqrt()
    elif pairing is not None and wide.dim() == narrow.dim():
        wide, narrow = _positions(wide, pairing.axis, short)[:, :width], _positions(narrow, pairing.axis, short)
        real = padding.real[rows][:, :width]
        change = (wide - narrow).reshape(*wide.shape[:2], -1).double().square().mean(2).sqrt()[real]
    else:
        return None
    return float(change.median()) / spread if spread > 0 else None


def _ends_with(short: Tensor, value: Tensor, width: int, padding: Padding) -> bool:
    """Whether an input has nothing of its own behind the width: padding of the same steps, or the same for all."""
    theirs = find_padding(value)
    if theirs is not None:
        return torch.equal(theirs.real, padding.real)
    behind = short[:, width:]
    return bool((behind == behind[:, :1]).all()) or bool((behind == behind[:1]).all())


def measure_ignored(session: Session, batch: Batch) -> Ignored | None:
    """The share of the class targets that the loss leaves out: those of some values, without a gradient anywhere."""
    targets = batch.targets
    if session.task.kind != "classification" or not isinstance(targets, Tensor) or targets.is_floating_point():
        return None
    gradient = _gradient(session, batch)
    if gradient is None:
        return None
    for axis in (1, gradient.dim() - 1):
        counts = gradient.abs().sum(axis) > 0
        if counts.shape != targets.shape or bool(counts.all()):
            continue
        markers, known = targets[~counts].unique(), targets[counts]
        if len(known) and not bool(torch.isin(known, markers).any()):
            share = float((~counts).float().mean())
            return Ignored(share, tuple(int(marker) for marker in markers), targets.numel())
    return None
