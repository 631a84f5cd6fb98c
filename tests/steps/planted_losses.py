"""Losses as people write them around torch's own, some of which give these what they do not take."""

import torch
import torch.nn.functional as F
from planted_data import _draw
from torch import Tensor
from torch.utils.data import TensorDataset

Pair = tuple[TensorDataset, TensorDataset]


def points(kind: str, n: int = 300) -> Pair:
    """Inputs [n, 6]; targets by kind: "shares" [n, 4], "numbers" [n], "counts" [n, 1], "signs" or "bits" [n, 1]."""
    x = torch.randn(n, 6, generator=_draw(1))
    scores = x @ torch.randn(6, 4, generator=_draw(2))
    y = {
        "shares": scores.softmax(1),
        "numbers": scores[:, 0] / 2,
        "counts": torch.poisson(scores[:, :1].clamp(-2, 2).exp(), generator=_draw(3)),
        "signs": scores[:, :1].sign(),
        "bits": (scores[:, :1] > 0).float(),
    }[kind]
    return TensorDataset(x[:200], y[:200]), TensorDataset(x[200:], y[200:])


def kl_of_probabilities(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(outputs.softmax(1), targets, reduction="batchmean")


def kl_of_logarithms(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(outputs.log_softmax(1), targets, reduction="batchmean")


def kl_both_logarithms(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(outputs.log_softmax(1), targets.log(), reduction="batchmean", log_target=True)


def kl_logarithms_as_shares(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.kl_div(outputs.log_softmax(1), targets.log(), reduction="batchmean")


def softmax_before(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.softmax(1), targets)


def sigmoid_before(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(torch.sigmoid(outputs).reshape(-1), targets.reshape(-1))


def sigmoid_where_it_belongs(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(torch.sigmoid(outputs).clamp(1e-7, 1 - 1e-7), targets)


def cut_off(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(outputs.clamp(1e-6, 1 - 1e-6), targets)


def exchanged(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(targets, outputs.sigmoid())


def poisson_of_rates(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.poisson_nll_loss(F.softplus(outputs), targets)


def poisson_of_rates_said(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.poisson_nll_loss(F.softplus(outputs), targets, log_input=False)


def soft_margin(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.soft_margin_loss(outputs, targets)


def each_with_each(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs.reshape(-1, 1), targets.reshape(-1))


def each_with_its_own(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs.squeeze(-1), targets)


def against_one(outputs: Tensor, targets: Tensor) -> Tensor:
    """A penalty of the outputs' mean, beside the loss."""
    return F.mse_loss(outputs.squeeze(-1), targets) + 0.01 * F.mse_loss(outputs.mean(), outputs.new_zeros(()))


def mean_before_the_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.squeeze(-1) - targets).mean() ** 2


def subtracted_each_from_each(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.reshape(-1, 1) - targets.reshape(1, -1)).square().mean()


def not_correlated(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 - r over the batch, of outputs [N, 1] and targets [N]."""
    a, b = outputs.squeeze(-1) - outputs.mean(), targets - targets.mean()
    return 1 - (a * b).sum() / (a.norm() * b.norm() + 1e-8)


def written_for_columns(outputs: Tensor, targets: Tensor) -> Tensor:
    """It takes targets [N, 1] alone, which the data give as [N]."""
    return (outputs - targets).abs().mean()
