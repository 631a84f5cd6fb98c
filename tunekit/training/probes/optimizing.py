"""What an optimizer of the person's own makes of a rate and a weight decay, and which parameters it moves. torch's own
do what they are told by construction and are spared: building one imports torch's compiler."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from tunekit.measured import Decay, Gradient, Optimizing, Rate
from tunekit.recipe.optimizers import is_built_in
from tunekit.training.loop import Session
from tunekit.training.optimizers import build_optimizer

FACTOR = 3.0  # between the rates that are compared
EQUAL = 1e-9  # steps whose lengths differ by less, as a share, are one and the same
TRIED_DECAY = 1e-2  # where the recipe has none
SEEN_RATE, SEEN_DECAY = 1e-2, 1e-4  # at least, where their product is lost even in double precision
LOST = 1e-12
ALIKE = 1e-3  # share of a step that is no multiple of the weights, of a decay that takes the same share from all

Values = dict[str, Tensor]


def has_own_optimizer(session: Session) -> bool:
    return not is_built_in(session.config.optimizer.target)


def measure_optimizing(session: Session) -> Optimizing | None:
    """Steps at equal gradients by optimizers at three rates. The model is in double precision afterwards: a change of
    lr * weight_decay = 1e-8 would be lost in single."""
    own = _Own(session)
    rates = (session.config.lr, session.config.lr * FACTOR, session.config.lr / FACTOR)
    held = _rates_by_name(session.model, session.optimizer)
    trained = {name: p for name, p in session.model.named_parameters() if p.requires_grad}
    idle = [name for name in trained if held.get(name, 0.0) == 0.0]
    numbers = sum(p.numel() for p in trained.values())
    moves = [own.moves(rate, session.config.weight_decay, gradients=True) for rate in rates]
    groups = [_rates_by_name(session.model, own.build(rate, session.config.weight_decay)) for rate in rates]
    fixed = {name for name in trained if name not in idle and _is_fixed(name, moves, groups)}
    by_rate: dict[tuple[float, bool], int] = {}
    for name, p in trained.items():
        if name not in idle:
            key = (held[name], name in fixed)
            by_rate[key] = by_rate.get(key, 0) + p.numel()
    return Optimizing(
        rates=tuple(Rate(count, lr, is_fixed) for (lr, is_fixed), count in by_rate.items()),
        idle=tuple(idle),
        idle_share=sum(trained[name].numel() for name in idle) / max(1, numbers),
        frozen_moved=tuple(name for name, p in moves[0].items() if name not in trained and bool(p.any())),
    )


def _is_fixed(name: str, moves: list[Values], groups: list[dict[str, float]]) -> bool:
    """Whether a parameter's steps are as long at every rate; by the rate of its group where a first step moves
    nothing."""
    lengths = [float(step[name].norm()) for step in moves]
    sizes = lengths if all(lengths) else [group.get(name, 0.0) for group in groups]
    return max(sizes) - min(sizes) <= EQUAL * max(sizes)


def _rates_by_name(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    rates = {id(p): float(group["lr"]) for group in optimizer.param_groups for p in group["params"]}
    return {name: rates[id(p)] for name, p in model.named_parameters() if id(p) in rates}


def measure_decay(session: Session) -> Decay | None:
    """The weights' squares before and after a step at zero gradient, with and without the recipe's weight decay. The
    model is in double precision afterwards."""
    own, config = _Own(session), session.config
    decay = config.weight_decay or TRIED_DECAY
    rate = config.lr
    if rate * decay < LOST:
        rate, decay = max(rate, SEEN_RATE), max(decay, SEEN_DECAY)
    weights = {name: p for name, p in own.start.items() if p.dim() >= 2} or own.start
    trained = {name for name, p in session.model.named_parameters() if p.requires_grad}

    def squares(moved: Values | None = None) -> float:
        zero = torch.zeros(())
        return sum(
            float((p + (moved[name] if moved else zero.to(p))).square().sum())
            for name, p in weights.items()
            if name in trained
        )

    with_decay, without = own.moves(rate, decay, gradients=False), own.moves(rate, 0.0, gradients=False)
    measured = Decay(squares(), squares(with_decay), squares(without), asked=config.weight_decay > 0)
    trained_weights = {name: p for name, p in weights.items() if name in trained}
    return _strength(measured, own, trained_weights)


def _strength(measured: Decay, own: _Own, weights: Values) -> Decay:
    """With what the decay that the optimizer has at the recipe's settings, its own included, does to the weights."""
    config = own.session.config
    moved = own.moves(config.lr, config.weight_decay, gradients=False)
    numbers = sum(p.numel() for p in weights.values())
    shares = {name: -float((moved[name] * p).sum()) / max(float(p.square().sum()), LOST) for name, p in weights.items()}
    rest = {name: float((moved[name] + shares[name] * p).norm()) for name, p in weights.items()}
    if all(rest[name] <= ALIKE * float(moved[name].norm()) for name in weights):
        shrink = sum(shares[name] * p.numel() for name, p in weights.items()) / max(1, numbers)
        return replace(measured, shrink=shrink)
    groups = own.build(config.lr, config.weight_decay).param_groups
    decays = {id(p): float(group.get("weight_decay", 0.0)) for group in groups for p in group["params"]}
    by_name = {name: decays.get(id(p), 0.0) for name, p in own.model.named_parameters()}
    return replace(
        measured,
        penalty=sum(0.5 * by_name[name] * float(p.square().sum()) for name, p in weights.items()),
        pulls=tuple(
            Gradient(name, by_name[name] * float(p.square().mean().sqrt())) for name, p in weights.items() if p.numel()
        ),
    )


class _Own:
    """The person's optimizer over the model in double precision, built anew for each question."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.model = session.model.double()
        self.start = {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def build(self, lr: float, weight_decay: float) -> torch.optim.Optimizer:
        config = replace(self.session.config, lr=lr, weight_decay=weight_decay)
        return build_optimizer(config, self.model, self.session.bench.folder)

    def moves(self, lr: float, weight_decay: float, gradients: bool) -> Values:
        """What one step of a new optimizer changes, at random gradients or at zero ones; nothing stays changed."""
        optimizer = self.build(lr, weight_decay)
        draw = torch.Generator().manual_seed(0)
        for p in self.model.parameters():
            drawn = torch.randn(p.shape, generator=draw).to(p) if gradients else torch.zeros_like(p)
            p.grad = drawn if p.requires_grad else None
        optimizer.step()
        moved = {name: p.detach() - self.start[name] for name, p in self.model.named_parameters()}
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(self.start[name])
                p.grad = None
        return moved
