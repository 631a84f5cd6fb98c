"""Mixup and cutmix: samples mixed with others of their batch, their targets by the same shares, and the loss of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Gamma

from tunekit.training.augmentations.drawing import Boxes, chosen
from tunekit.training.outputs import Outputs
from tunekit.training.structure import rows
from tunekit.training.tasks import Task


@dataclass(frozen=True)
class Draw:
    """Whom each sample was mixed with [B], and its own share of what came out [B]; the partner has the rest."""

    partner: Tensor
    share: Tensor


@dataclass(frozen=True)
class Mixed:
    """Targets of mixed samples: several sets of targets, each with its share of every sample [B]. Shares sum to 1."""

    parts: tuple[tuple[Any, Tensor], ...]


def mixup(x: Tensor, each: bool, /, alpha: float = 0.2, p: float = 1.0) -> tuple[Tensor, Draw]:
    """share * x + (1 - share) * partner, share ~ Beta(alpha, alpha), with probability p (Zhang et al., ICLR 2018).
    `each`: a share for every sample; otherwise one for the batch."""
    draw = Draw(torch.randperm(len(x), device=x.device), _shares(x, alpha, p, each))
    return torch.lerp(x[draw.partner], x, draw.share.view(-1, *[1] * (x.dim() - 1))), draw


def cutmix(x: Tensor, each: bool, /, alpha: float = 1.0, p: float = 1.0) -> tuple[Tensor, Draw]:
    """A box of the partner pasted into images [B, C, H, W] with probability p: sides sqrt(1 - share) of the image's,
    share ~ Beta(alpha, alpha), its centre anywhere and what hangs over cut off (Yun et al., ICCV 2019). The share of
    the own targets is that of the pixels which stayed, exactly. `each`: a box for every sample, or one for all."""
    tall, wide = x.shape[2:]
    partner, wanted = torch.randperm(len(x), device=x.device), _shares(x, alpha, p, each)
    side = (1 - wanted).sqrt()
    count = len(x) if each else 1
    lows, highs = [], []
    for length in (tall, wide):
        half = (side * length).floor() / 2
        centre = (torch.rand(count, device=x.device) * length).floor()
        lows.append((centre - half).floor().clamp(0, length))
        highs.append((centre + half).floor().clamp(0, length))
    box = Boxes(lows[0], lows[1], highs[0] - lows[0], highs[1] - lows[1])
    share = 1 - (box.height * box.width) / (tall * wide)
    return torch.where(box.mask(x), x[partner], x), Draw(partner, share)


def _shares(x: Tensor, alpha: float, p: float, each: bool) -> Tensor:
    """Own shares [B], 1 where a sample is not mixed."""
    if not isinstance(alpha, int | float) or not alpha > 0:
        raise ValueError(f"alpha: above 0, not {alpha}")
    among = x if each else x[:1]
    drawn = among.device if among.device.type != "mps" else torch.device("cpu")  # which has no such draw
    # Logarithms of two gamma draws of `alpha`, by those of alpha + 1 (Marsaglia and Tsang, ACM TOMS 2000, section 8):
    # the draws themselves are both zero where alpha is small.
    one_more = Gamma(float(alpha) + 1, 1.0).sample((2, len(among))).to(drawn)
    logs = one_more.log() - torch.empty_like(one_more).exponential_() / alpha
    share = torch.sigmoid(logs[0] - logs[1]).to(x.device)
    return torch.where(chosen(among, p), share, 1.0).expand(len(x))


def mixes_each(task: Task) -> bool:
    """Whether samples of a batch may be mixed by shares of their own: the loss is built in and a plain mean over what
    counts. One that weighs classes is divided by the weights of the batch, and a person's own may do anything."""
    return type(task).loss is Task.loss and task.counted is not None and not task.weighted


def mixes_targets(task: Task) -> bool:
    """Whether targets are numbers that a built-in loss takes mixed: no, yes and values. Classes are not."""
    return mixes_each(task) and task.kind != "classification"


def mixed_targets(targets: Any, draw: Draw, numbers: bool) -> Any:
    """The targets of mixed samples: numbers mixed, or both sets with their shares; of what was mixed before, all."""
    if numbers and isinstance(targets, Tensor):
        values = targets.float()
        return torch.lerp(values[draw.partner], values, draw.share.view(-1, *[1] * (values.dim() - 1)))
    before = targets.parts if isinstance(targets, Mixed) else ((targets, torch.ones_like(draw.share)),)
    own = tuple((part, share * draw.share) for part, share in before)
    partners = tuple((rows(part, draw.partner), share[draw.partner] * (1 - draw.share)) for part, share in before)
    return Mixed((*own, *partners))


def training_loss(task: Task, outputs: Outputs, targets: Any) -> Tensor:
    """The loss of a training batch, mixed or not: a scalar.

    Of mixed classes it is the mean of share * loss(own) + (1 - share) * loss(partner), which for cross-entropy is that
    against soft targets [B, C]; focal loss and label smoothing go the same way, for each is a mean over samples. What
    the loss leaves out counts in no share. Where
    a batch has one share (class weights, a person's own loss), it is share * loss(own) + (1 - share) * loss(partner) of
    the whole batch, as both papers' code has it: every loss can be asked for that.
    """
    if not isinstance(targets, Mixed):
        return task.loss(outputs, targets)
    if mixes_each(task):
        sums = [[(share * each).sum() for each in task.sums(outputs, part)] for part, share in targets.parts]
        losses, counts = (torch.stack(column).sum() for column in zip(*sums, strict=True))
        return losses / counts
    return torch.stack([task.loss(outputs, part) * share.mean() for part, share in targets.parts]).sum()
