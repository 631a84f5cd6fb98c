"""What torch's own losses are given, wherever the person's loss or model calls them, and what they do not take. They
raise no error: they compute something else."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tunekit.measured import Misuse, Misused
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.probes.places import Calls, name_of, persons_line

ROUNDING = 1e-4
EDGE = 1e-5  # from 0 and 1
SAME_VALUES = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "Select")
COPIES = ("Slice", "Expand", "Clone", "Alias", "Index", "ToCopy")
"""Operations of autograd that leave values as they are."""
CUT_OFF = 0.01  # share of the values at a bound

Given = Mapping[str, Any]


def measure_misused(session: Session, batch: Batch) -> tuple[Misused, ...]:
    """Calls of torch's losses over one batch that get what these do not take."""
    found: dict[tuple[str, str], Misused] = {}

    def see(func: Callable[..., object], args: tuple[object, ...], kwargs: Given, _output: object) -> None:
        ask = ASKED.get(func)
        if ask is None:
            return
        given = inspect.signature(func).bind(*args, **kwargs)
        given.apply_defaults()
        for misuse, value in ask(given.arguments):
            found.setdefault((name_of(func), misuse), Misused(name_of(func), misuse, value, persons_line()))

    with torch.enable_grad(), warnings.catch_warnings(), Calls(see):
        warnings.simplefilter("ignore")  # what torch warns of is found here
        session.task.loss(session.answer(session.model.eval(), batch), batch.targets)
    return tuple(found.values())


def _made_by(value: object) -> str:
    """The operation that gave a tensor, through those that only arrange its values: `Softmax`; nothing for none."""
    node = value.grad_fn if isinstance(value, Tensor) else None
    while node is not None:
        name = node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")
        if name not in SAME_VALUES + COPIES:
            return name
        node = node.next_functions[0][0] if node.next_functions else None
    return ""


def _exchanged(given: Given) -> bool:
    """Whether the gradient goes to the targets alone."""
    values = (given["input"], given["target"])
    return [isinstance(value, Tensor) and value.requires_grad for value in values] == [False, True]


def _logits(given: Given) -> Iterator[tuple[Misuse, float]]:
    maker = _made_by(given["input"])
    if maker == "Softmax":
        yield "softmax_twice", 0.0
    elif maker == "Sigmoid":
        yield "sigmoid_twice", 0.0


def _binary(given: Given) -> Iterator[tuple[Misuse, float]]:
    if _exchanged(given):
        yield "exchanged", 0.0
        return
    yield from _shares(given["target"])
    values = given["input"].detach()
    at_bounds = float(((values <= EDGE) | (values >= 1 - EDGE)).float().mean())
    if _made_by(given["input"]) in ("Clamp", "ClampMin", "ClampMax", "Hardtanh") and at_bounds > CUT_OFF:
        yield "cut_off", 100 * at_bounds


def _binary_logits(given: Given) -> Iterator[tuple[Misuse, float]]:
    yield from _logits(given)
    if _exchanged(given):
        yield "exchanged", 0.0
    else:
        yield from _shares(given["target"])


def _shares(targets: Tensor) -> Iterator[tuple[Misuse, float]]:
    low, high = (float(value) for value in torch.aminmax(targets.detach())) if targets.numel() else (0.0, 0.0)
    if low < -ROUNDING or high > 1 + ROUNDING:
        yield "no_shares", low if low < -ROUNDING else high


def _of_log_probabilities(values: Tensor) -> Iterator[tuple[Misuse, float]]:
    highest = float(values.detach().max()) if values.numel() else 0.0
    if highest > ROUNDING:
        yield "no_log_probabilities", highest


def _kl_div(given: Given) -> Iterator[tuple[Misuse, float]]:
    yield from _of_log_probabilities(given["input"])
    if given["log_target"]:
        yield from _of_log_probabilities(given["target"])
    else:
        yield from _shares(given["target"])


def _poisson(given: Given) -> Iterator[tuple[Misuse, float]]:
    if given["log_input"] and _made_by(given["input"]) in ("Exp", "Softplus", "Relu", "Sigmoid"):
        yield "exp_twice", 0.0


def _signs(given: Given) -> Iterator[tuple[Misuse, float]]:
    """Targets that are to be 1 and -1."""
    targets = given["target"].detach()
    if targets.numel() and bool(((targets == 0) | (targets == 1)).all()) and bool((targets == 0).any()):
        yield "no_signs", 0.0


def _one_shape(given: Given) -> Iterator[tuple[Misuse, float]]:
    both = given["input"], given["target"]
    if both[0].shape != both[1].shape:
        compared = torch.broadcast_shapes(*(value.shape for value in both)).numel()
        if compared > max(value.numel() for value in both):
            yield "broadcast", float(compared)


ASKED: dict[Callable[..., object], Callable[[Given], Iterator[tuple[Misuse, float]]]] = {
    F.cross_entropy: _logits,
    F.binary_cross_entropy: _binary,
    F.binary_cross_entropy_with_logits: _binary_logits,
    F.multilabel_soft_margin_loss: _binary_logits,
    F.nll_loss: lambda given: _of_log_probabilities(given["input"]),
    F.ctc_loss: lambda given: _of_log_probabilities(given["log_probs"]),
    F.kl_div: _kl_div,
    F.poisson_nll_loss: _poisson,
    F.soft_margin_loss: _signs,
    F.hinge_embedding_loss: _signs,
    F.margin_ranking_loss: _signs,
    F.cosine_embedding_loss: _signs,
    F.mse_loss: _one_shape,
    F.l1_loss: _one_shape,
    F.smooth_l1_loss: _one_shape,
    F.huber_loss: _one_shape,
}
