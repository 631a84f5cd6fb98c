"""One batch several times in eval mode: whether the outputs are the same, and what draws random numbers if not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tunekit.measured import Origin, Repeated
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.asking import undisturbed
from tunekit.training.probes.places import Calls, at_work, name_of, persons_line
from tunekit.training.seeds import seed_everything

SAME = 1e-6  # change of an output over the outputs' size that is not worth a second look
MOST_DRAWS = 8  # named


@torch.no_grad()
def measure_repeated(session: Session, batch: Batch) -> Repeated | None:
    model = session.model
    model.eval()
    try:
        with undisturbed():
            seed_everything(session.config.seed, "repeated", 0)
            first = session.forward(model, batch)
            again = session.forward(model, batch)
            change = _change(first, again)
            if change is None or change <= SAME:
                return None if change is None else Repeated(change, 0.0)
            same = []
            for _ in range(2):
                seed_everything(session.config.seed, "repeated", 1)
                same.append(session.forward(model, batch))
                session.forward(model, batch.each(_turned))  # a state that is carried on settles on equal batches
            return Repeated(change, _change(*same) or 0.0, _draws(session, batch))
    finally:
        model.train()


def _turned(value: Tensor) -> Tensor:
    """The samples in another order."""
    return value.roll(1, 0) if value.dim() else value


def _change(one: Tensor, other: Tensor) -> float | None:
    """Largest difference over the root mean square of both; None where they cannot be compared."""
    if one.shape != other.shape or not bool((torch.isfinite(one) & torch.isfinite(other)).all()):
        return None
    if not one.numel():
        return 0.0
    size = float(torch.stack([one, other]).double().square().mean().sqrt())
    return float((one.double() - other.double()).abs().max()) / size if size else 0.0


def _draws(session: Session, batch: Batch) -> tuple[Origin, ...]:
    """The calls that move a generator of torch, each place once."""
    draws: list[Origin] = []
    last = [_state(session)]
    with at_work(session.model) as stack:

        def see(func: Callable[..., object], _args: object, _kwargs: object, _output: object) -> None:
            now = _state(session)
            if not torch.equal(now, last[0]):
                last[0] = now
                draws.append(Origin(name_of(func), persons_line() or (stack[-1] if stack else "")))

        with Calls(see):
            session.forward(session.model, batch)
    return tuple(dict.fromkeys(draws))[:MOST_DRAWS]


def _state(session: Session) -> Tensor:
    return torch.cuda.get_rng_state(session.device) if session.device.type == "cuda" else torch.get_rng_state()
