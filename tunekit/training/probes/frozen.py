"""Parameters that do not train: whether what trains computes with them, and whether they were ever trained. A teacher
and a target network are frozen on purpose, a pretrained body is; random numbers that were never trained are not."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tunekit.measured import Frozen
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.asking import asked, undisturbed
from tunekit.training.probes.gradients import stirred
from tunekit.training.probes.parts import real
from tunekit.training.seeds import seed_everything

SAME = 1e-6  # of the outputs' size: what rounding changes between two passes
MOVED = 0.1  # at least, by which a frozen weight is moved; else by its own size
MOST_GROUPS = 16  # parts of the model that are asked one by one


def measure_frozen(session: Session, batch: Batch) -> Frozen:
    model = session.model
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    trains = any(p.requires_grad for p in model.parameters())
    if not frozen or not trains:
        return Frozen(tuple(frozen), everything=bool(frozen))
    with stirred(model):
        acting = asked(lambda: _acting(session, batch, frozen), list(frozen))
    acting = [name for name in acting if not _is_copy(model, frozen[name])]
    drawn = asked(lambda: _drawn(session, [name for name in acting if _is_of_a_layer(model, name)]), [])
    return Frozen(tuple(frozen), acting=tuple(acting), drawn=tuple(drawn))


def _acting(session: Session, batch: Batch, frozen: dict[str, nn.Parameter]) -> list[str]:
    """The frozen parameters that move outputs which training moves too. What reaches other outputs alone is a
    teacher's or a target network's. Of a model that gives its loss and no outputs nothing is known."""
    if not _moves(session, batch, list(frozen.values())):
        return []
    paths = [name.split(".") for name, _ in session.model.named_parameters()]
    level = next((k for k in range(min(map(len, paths))) if len({path[k] for path in paths}) > 1), 0)
    groups: dict[str, list[str]] = {}
    for name in frozen:
        groups.setdefault(name.split(".")[level], []).append(name)
    if not 1 < len(groups) <= MOST_GROUPS:
        return list(frozen)
    acting = [names for names in groups.values() if _moves(session, batch, [frozen[name] for name in names])]
    return [name for names in acting or groups.values() for name in names]


def _moves(session: Session, batch: Batch, parameters: list[nn.Parameter]) -> bool:
    """Whether outputs that train are others where these are."""
    every = [*session.model.parameters(), *session.model.buffers()]
    state = [value.detach().clone() for value in every]
    draw = torch.Generator().manual_seed(0)
    try:
        before = _trained_parts(session, batch)
        _put_back(every, state)  # forward() may keep something, as a momentum encoder does
        with torch.no_grad():
            for p in parameters:
                size = max(MOVED, float(p.double().square().mean().sqrt()) if p.numel() else 0.0)
                p.add_(size * torch.randn(p.shape, generator=draw).to(p))
        after = _trained_parts(session, batch)
    finally:
        _put_back(every, state)
    if [part.shape for part in before] != [part.shape for part in after]:
        return True
    return any(
        float((a - b).abs().max()) > SAME * (1 + float(a.abs().max())) for a, b in zip(before, after, strict=True)
    )


@torch.no_grad()
def _put_back(values: list[Tensor], state: list[Tensor]) -> None:
    for value, old in zip(values, state, strict=True):
        value.copy_(old)


def _trained_parts(session: Session, batch: Batch) -> list[Tensor]:
    """The outputs that have a gradient, but for a loss that the model gives itself."""
    with torch.enable_grad(), undisturbed():
        seed_everything(session.config.seed, "frozen")
        answer = session.answer(session.model, batch)
    return [part.detach().clone() for part in real(answer) if part.requires_grad and part.dim() and part.numel()]


def _is_of_a_layer(model: nn.Module, name: str) -> bool:
    """Whether the parameter belongs to a layer of torch's, or one made of it. One that a module of the person's own
    holds by itself was frozen where it was written: fixed frequencies, a mask."""
    owner = model.get_submodule(name.rpartition(".")[0])
    return any(kind.__module__.startswith("torch.nn.modules.") for kind in type(owner).__mro__ if kind is not nn.Module)


def _drawn(session: Session, names: list[str]) -> list[str]:
    """Those that another seed gives other values: no weights that were loaded."""
    if not names:
        return []
    other = Session(replace(session.config, seed=session.config.seed + 1), session.bench)
    here, there = dict(session.model.named_parameters()), dict(other.model.named_parameters())
    return [name for name in names if not torch.equal(here[name], there[name])]


def _is_copy(model: nn.Module, frozen: nn.Parameter) -> bool:
    """Whether weights that train have the same values: a momentum encoder begins as such a copy."""
    same = (p for p in model.parameters() if p.requires_grad and p.shape == frozen.shape)
    return any(torch.allclose(p, frozen, atol=1e-6) for p in same)
