"""What losses and metrics of a person's own mean by outputs: asked by calling them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tunekit.training.outputs import any_tensor, refusable, with_main
from tunekit.training.structure import by_rows, changed, joined, rows, tensors

Loss = Callable[[Any, Any], Tensor]

EXCHANGED = 1e-4  # of a loss, below which another order of its terms explains a change
LOOKS = 4  # samples by which it is told whether a loss is one of single samples


@torch.no_grad()
def prefers_wrong(loss: Callable[[Any, Any], Tensor], targets: Tensor) -> bool:
    """Whether a binary loss is less where outputs are low for targets of 1 and high for those of 0, as that of a
    distance is."""
    near = 0.1 + 0.8 * targets.clamp(0, 1)
    try:
        return float(loss(near, targets)) > float(loss(1.0 - near, targets))
    except Exception:  # of a loss that takes no such outputs, whatever it raises
        return False


@torch.no_grad()
def judges_each(loss: Callable[[Any, Any], Tensor], outputs: Any, targets: Any) -> bool:
    """Whether a loss is one of single samples: beside itself a sample has the loss that it has alone (or twice that, of
    a sum). One that compares the samples of a batch has not, or takes no lone sample."""
    size = len(next(tensors(outputs)))
    if not by_rows(outputs, size) or not by_rows(targets, size):
        return False
    for k in range(min(LOOKS, size)):
        part = slice(k, k + 1)
        one, wanted = rows(outputs, part), rows(targets, part)
        try:
            alone, again = (float(loss(one, wanted)) for _ in range(2))
            both = float(loss(joined([one, one]), joined([wanted, wanted])))
        except Exception:  # of a lone sample, which it does not take
            return False
        if alone != again or not math.isfinite(alone):
            continue  # it draws, or leaves this sample out
        if not any(math.isclose(both, times * alone, rel_tol=1e-3, abs_tol=1e-6) for times in (1, 2)):
            return False
    return True


@torch.no_grad()
def follows_batch_size(loss: Loss, outputs: Any, targets: Any) -> bool:
    """Whether a loss is another one where every sample stands in the batch twice, as a sum is, and what holds each
    sample against all others."""
    size = len(any_tensor(outputs))
    if not by_rows(outputs, size) or not by_rows(targets, size):
        return False
    try:
        once, again = (float(loss(outputs, targets)) for _ in range(2))
        twice = float(loss(joined([outputs, outputs]), joined([targets, targets])))
    except Exception:  # of samples that it does not take twice
        return False
    return once == again and not math.isclose(once, twice, rel_tol=1e-3, abs_tol=1e-6)


@torch.no_grad()
def looks_at_targets(loss: Callable[[Any, Any], Tensor], main: Tensor, targets: Any) -> bool:
    """Whether a loss of outputs that are numbers at random is another one where targets change their places."""
    if not isinstance(targets, Tensor) or not targets.dim() or bool((targets == targets[:1]).all()):
        return True
    drawn = torch.randn(main.shape, generator=torch.Generator().manual_seed(0)).to(main)
    try:
        here, there = float(loss(drawn, targets)), float(loss(drawn, targets.roll(1, 0)))
    except Exception:  # of outputs that it does not take, whatever it raises
        return True
    return not math.isclose(here, there, rel_tol=1e-6)


@torch.no_grad()
def pairs(loss: Loss, outputs: Any, targets: object) -> bool | None:
    """Whether a loss holds each output against its own target: it is another one where outputs change their places in
    the batch, targets staying. Asked of these outputs and, since untrained ones may all be alike, of random ones. None:
    it takes none of them, or the targets are the same in the other order too."""
    size = len(any_tensor(outputs))
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(size, generator=draw)
    if not by_rows(outputs, size) or not _differ(targets, order):
        return None

    def drawn(part: Tensor, normal: bool) -> Tensor:
        numbers = (torch.randn if normal else torch.rand)(part.shape, generator=draw)
        return numbers.to(part) if part.is_floating_point() else part

    asked = []
    for tried in (outputs, *(changed(outputs, partial(drawn, normal=normal)) for normal in (True, False))):
        try:
            with torch.random.fork_rng(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of shapes that it was not written for
                here, there = (
                    _drawn_alike(loss, given, targets)
                    for given in (tried, changed(tried, lambda part: part[order.to(part.device)]))
                )
        except Exception:  # of outputs that it does not take, whatever it raises
            continue
        asked.append(not math.isclose(here, there, rel_tol=EXCHANGED, abs_tol=1e-12) and here == here)
    return any(asked) if asked else None


def _differ(targets: object, order: Tensor) -> bool:
    """Whether targets in this order are others. What is no tensor of a row each cannot be asked."""
    every = list(tensors(targets))
    if not every or any(not part.dim() or len(part) != len(order) for part in every):
        return True
    return any(not torch.equal(part, part[order.to(part.device)]) for part in every)


def _drawn_alike(loss: Loss, outputs: Any, targets: object) -> float:
    torch.manual_seed(0)
    return float(loss(outputs, targets))


@torch.no_grad()
def averages_over_samples(score: Callable[[Any, Any], Tensor], outputs: Any, targets: Any) -> bool:
    """Whether a metric of a batch is the mean of its parts', by their sizes, as an accuracy is and an average precision
    is not: asked of these outputs and of random ones, since of outputs that know nothing much is the same."""
    size = len(next(tensors(outputs)))
    if size < 4 or not by_rows(outputs, size) or not by_rows(targets, size):
        return False
    draw = torch.Generator().manual_seed(0)

    def noisy(part: Tensor) -> Tensor:
        return part + part.float().std().clamp_min(1.0) * torch.randn(part.shape, generator=draw).to(part.device)

    for tried in (outputs, changed(outputs, lambda part: noisy(part) if part.is_floating_point() else part)):
        for cut in (size // 2, size // 4):
            try:
                both = float(score(tried, targets))
                first, second = (
                    float(score(rows(tried, part), rows(targets, part))) for part in (slice(0, cut), slice(cut, size))
                )
            except Exception:  # of a part that it does not take: a metric of the whole
                return False
            mean = (cut * first + (size - cut) * second) / size
            if not math.isclose(both, mean, rel_tol=1e-4, abs_tol=1e-6):
                return False
    return True


def takes_logits(loss: Loss, kind: str, outputs: Any, targets: object) -> bool:
    """Whether a loss takes scores of any size. For several classes: it does not change when a constant is added to
    all of them. Otherwise: for a target of 1 an output of 4 is still better than 1, and for 0 one of -4 than 0."""
    if kind == "regression" or not isinstance(targets, Tensor):
        return False
    main = any_tensor(outputs)
    if kind == "classification" and main.dim() >= 2 and max(main.shape[1:]) > 1:
        with refusable():
            here, there = (float(loss(with_main(outputs, main + shift), targets).detach()) for shift in (0.0, 3.0))
            return math.isfinite(there) and abs(here - there) <= 1e-3 * (1 + abs(here))
        return False
    return all(gain > 0 for gain in _gains(loss, main, targets))


def takes_probabilities(loss: Loss, outputs: Tensor, targets: object) -> bool:
    """Whether a binary loss wants outputs within 0 and 1: beyond them it is not defined, or worse."""
    return isinstance(targets, Tensor) and any(gain < 0 for gain in _gains(loss, outputs, targets))


@torch.no_grad()
def _gains(loss: Loss, outputs: Tensor, targets: Tensor) -> list[float]:
    """What a binary loss gains where outputs go on from 1 to 4 for targets of 1, and from 0 to -4 for targets of 0.
    Minus infinity: it does not take them."""
    gains = []
    for label, inside, outside in ((1.0, 1.0, 4.0), (0.0, 0.0, -4.0)):
        labels = torch.full_like(targets, label)
        near = far = math.nan
        with refusable():
            near, far = (float(loss(torch.full_like(outputs, value), labels).detach()) for value in (inside, outside))
        gains.append(near - far if math.isfinite(far) else -math.inf)
    return gains
