"""Operations that cut the gradient off: their outputs go by steps, or leave the graph. Asked where no gradient comes
through at all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tunekit.configuration import Values
from tunekit.measured import Origin
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.asking import undisturbed
from tunekit.training.probes.places import Calls, at_work, name_of, persons_line, tensors_in

FLAT = frozenset(
    f"{name}{end}" for name in ("round", "floor", "ceil", "trunc", "fix", "sign", "heaviside") for end in ("", "_")
)
"""What has a gradient of zero wherever it has one."""
ASKS = frozenset({"size", "dim", "numel", "len", "get", "requires_grad", "is_floating_point", "is_complex"}) | {
    *("isfinite", "isnan", "isinf", "bool", "contains", "repr", "format", "zeros_like", "ones_like", "empty_like"),
    *("full_like", "randn_like", "rand_like", "new_zeros", "new_ones", "new_full", "new_empty"),
}
"""What asks something of a tensor beside its numbers, or makes another from its shape."""
MOST = 4  # named


def measure_cuts(session: Session, batch: Batch) -> tuple[Origin, ...]:
    """Calls of forward() that take what has a gradient and give what has none, or one of zero; each place once."""
    cuts: list[Origin] = []
    with at_work(session.model) as stack:

        def see(func: Callable[..., object], args: tuple[object, ...], kwargs: Values, output: object) -> None:
            name = name_of(func)
            taken = tensors_in((*args, *kwargs.values()))
            if name in ASKS or not any(value.requires_grad for value in taken):
                return
            given = list(tensors_in(output))
            left = name in ("item", "tolist", "numpy") or (given and not any(value.requires_grad for value in given))
            if torch.is_grad_enabled() and (left or name in FLAT):
                cuts.append(Origin(name, persons_line() or (stack[-1] if stack else "")))

        with undisturbed(), torch.enable_grad(), Calls(see):
            session.forward(session.model, batch.each(_leaf))
    return tuple(dict.fromkeys(cuts))[:MOST]


def _leaf(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_() if value.is_floating_point() else value
