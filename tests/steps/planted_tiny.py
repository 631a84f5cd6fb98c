"""Models, losses and data for step 2: losses with floors of their own, models that draw, weights that are not saved,
and targets that a loss does not meet. Sound ones stand beside the faults they resemble."""

import torch
import torch.nn.functional as F
from planted_data import Pair, _clouds, _draw, _pair, _plane
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def pictures() -> Pair:
    """Pictures [N, 1, 8, 8] of a few waves, which are their own targets [N, 64]."""
    draw = _draw(20)
    place = torch.linspace(0, 3.14, 8)
    waves = torch.stack([torch.outer(torch.sin(a * place), torch.cos(b * place)) for a in (1, 2, 3) for b in (0, 1, 2)])
    x = torch.einsum("nk,khw->nhw", torch.randn(160, 9, generator=draw), waves)
    x = torch.sigmoid(x)
    return _pair(x[:, None], x.flatten(1))


def masks() -> Pair:
    """Pictures [N, 1, 8, 8] and a class of three a pixel."""
    draw = _draw(21)
    y = F.interpolate(torch.randint(3, (160, 1, 4, 4), generator=draw).float(), scale_factor=2)[:, 0].long()
    return _pair(y[:, None] - 1 + 0.2 * torch.randn(160, 1, 8, 8, generator=draw), y)


def tags() -> Pair:
    """Tokens [N, 12] and a tag of four a token, of the token and the one before."""
    x = torch.randint(1, 20, (160, 12), generator=_draw(22))
    return _pair(x, (x + x.roll(1, 1)) % 4)


def pairs() -> Pair:
    """Two views of samples, and whether they are of one class."""
    x, y = _clouds(4)
    draw = _draw(23)
    other = torch.randint(len(x), (len(x),), generator=draw)
    for i in range(0, len(x), 2):
        same = (y == y[i]).nonzero()[:, 0]
        other[i] = same[torch.randint(len(same), (1,), generator=draw)]
    told = (y == y[other]).float()
    return TensorDataset(x[:600], x[other[:600]], told[:600]), TensorDataset(x[600:], x[other[600:]], told[600:])


def flat_targets() -> Pair:
    x, y = _plane()
    return _pair(x, y)


def masked() -> Pair:
    """Rows [N, 6, 5] with a mask of truth values [N, 6], and the mean of what it lets through."""
    x = torch.randn(160, 6, 5, generator=_draw(24))
    lengths = torch.randint(2, 7, (160,), generator=_draw(25))
    mask = torch.arange(6)[None] < lengths[:, None]
    y = (x[:, :, 0] * mask).sum(1) / lengths
    cut = 120
    return TensorDataset(x[:cut], mask[:cut], y[:cut]), TensorDataset(x[cut:], mask[cut:], y[cut:])


class Vae(nn.Module):
    """Reconstruction, mean and log-variance in one row."""

    def __init__(self, latent: int = 4) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        return torch.cat([self.decoder(drawn), mean, log_variance], 1)


def _divergence(outputs: Tensor) -> Tensor:
    mean, log_variance = outputs[:, 64:].chunk(2, 1)
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()


def elbo(outputs: Tensor, x: Tensor) -> Tensor:
    return (outputs[:, :64] - x).square().sum(1).mean() / 0.1 + _divergence(outputs)


def bernoulli_elbo(outputs: Tensor, x: Tensor) -> Tensor:
    """Gray pixels: the reconstruction has a floor of its own."""
    each = F.binary_cross_entropy_with_logits(outputs[:, :64], x, reduction="none")
    return 8 * each.sum(1).mean() + _divergence(outputs)


def averaged_elbo(outputs: Tensor, x: Tensor) -> Tensor:
    """The error is averaged and the divergence summed: the codes collapse."""
    return F.mse_loss(outputs[:, :64], x) + _divergence(outputs)


def overweighted_elbo(outputs: Tensor, x: Tensor) -> Tensor:
    return (outputs[:, :64] - x).square().sum(1).mean() + 40 * _divergence(outputs)


def turned_elbo(outputs: Tensor, x: Tensor) -> Tensor:
    """The divergence has the wrong sign: codes that run off are rewarded without end."""
    return (outputs[:, :64] - x).square().sum(1).mean() - _divergence(outputs)


class Denoiser(nn.Module):
    """Gives its error at guessing the noise that it has added itself: no targets are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.guess = nn.Sequential(nn.Linear(65, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        level, noise = torch.rand(len(x), 1), torch.randn_like(x)
        return self.guess(torch.cat([x + level * noise, level], 1)) - noise


def mean_square(outputs: Tensor, _targets: Tensor) -> Tensor:
    return outputs.square().mean()


def narrow(code: int = 2) -> nn.Module:
    """An autoencoder with a code far smaller than the pictures."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, code),
        nn.Linear(code, 32),
        nn.ReLU(),
        nn.Linear(32, 64),
    )


def narrow_and_blind(code: int = 2) -> nn.Module:
    """The same with a code that is always zero."""
    model = narrow(code)
    model[3] = nn.Sequential(model[3], nn.Hardshrink(1e6))
    return model


class Noisy(nn.Module):
    """Noise on the hidden layer in train mode."""

    def __init__(self, features: int = 12, outputs: int = 4) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(features, 64), nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        return self.head(hidden + 0.1 * torch.randn_like(hidden) if self.training else hidden)


def per_pixel(classes: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, classes, 1)
    )


class Tagger(nn.Module):
    """Scores [N, C, L]."""

    def __init__(self, tags: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 24, padding_idx=0)
        self.conv = nn.Conv1d(24, 48, 3, padding=1)
        self.head = nn.Conv1d(48, tags, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.conv(self.embedding(tokens).transpose(1, 2)).relu())


def permuted(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.movedim(1, -1).reshape(-1, outputs.shape[1]), targets.reshape(-1))


def unpermuted(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[1]), targets.reshape(-1))


def exchanged(outputs: Tensor, targets: Tensor) -> Tensor:
    """Classes in the opposite order."""
    return F.cross_entropy(outputs, outputs.shape[1] - 1 - targets)


def smoothed(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs, targets, label_smoothing=0.2)


def squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean()


def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    mean, log_variance = outputs.chunk(2, 1)
    return (0.5 * (log_variance + (targets.view_as(mean) - mean).square() / log_variance.exp())).mean()


def clamped_gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    mean, raw = outputs.chunk(2, 1)
    return F.gaussian_nll_loss(mean, targets.view_as(mean), F.softplus(raw))


class Siamese(nn.Module):
    """The distance of two samples."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 8))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return ((self.body(a) - self.body(b)).square().sum(1) + 1e-6).sqrt()


def contrastive(distance: Tensor, same: Tensor) -> Tensor:
    return (same * distance.square() + (1 - same) * F.relu(1 - distance).square()).mean()


def agreement(distance: Tensor, same: Tensor) -> Tensor:
    return ((distance < 0.5) == (same > 0.5)).float().mean()


class InList(nn.Module):
    """Hidden layers in a plain list: neither trained nor saved."""

    def __init__(self, features: int = 12, outputs: int = 4) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(features, 48), nn.Linear(48, outputs)
        self.hidden = [nn.Linear(48, 48)]

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for layer in self.hidden:
            x = layer(x).relu()
        return self.last(x)


class Projected(nn.Module):
    """Random features: `saved` or in a plain tensor, which a checkpoint does not hold."""

    def __init__(self, features: int = 12, outputs: int = 4, saved: bool = True) -> None:
        super().__init__()
        matrix = torch.randn(features, 96)
        if saved:
            self.register_buffer("matrix", matrix)
        else:
            self.matrix = matrix
        self.head = nn.Linear(96, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cos(x @ self.matrix))


class Normed(nn.Module):
    """BatchNorm with a momentum; `frozen`: kept in eval mode, as fine-tuning does."""

    def __init__(self, features: int = 12, outputs: int = 4, momentum: float = 0.1, frozen: bool = False) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(features, 48), nn.BatchNorm1d(48, momentum=momentum)
        self.last, self.frozen = nn.Linear(48, outputs), frozen
        with torch.no_grad():
            self.first.bias += 8.0  # so that the statistics matter
        if frozen:
            self.norm.running_mean.fill_(8.0)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        if self.frozen:
            self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)).relu())


class HalvedInEvaluation(nn.Module):
    def __init__(self, features: int = 8, outputs: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 48), nn.ReLU(), nn.Linear(48, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if self.training else 0.5 * self.body(x)


class MaskedMean(nn.Module):
    """Attention over rows by a mask, which must be of truth values and have a true one in each row."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 48), nn.ReLU(), nn.Linear(48, 32))
        self.score, self.head = nn.Linear(5, 1), nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        assert mask.dtype == torch.bool
        assert bool(mask.any(1).all())
        share = self.score(x)[:, :, 0].masked_fill(~mask, -1e9).softmax(1)
        return self.head((share[:, :, None] * self.body(x)).sum(1))


def negated(outputs: Tensor, targets: Tensor) -> Tensor:
    return -F.cross_entropy(outputs, targets)


def noisy_sine() -> Pair:
    draw = _draw(71)
    x = 6 * torch.rand(400, 1, generator=draw) - 3
    y = x.sin() + 0.2 * torch.randn(400, 1, generator=draw)
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])


def wide_curve(features: int = 1) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))


def kinds() -> Pair:
    """Three columns of six kinds; the class follows the first, but for one sample in ten."""
    draw = _draw(72)
    x = torch.randint(0, 6, (400, 3), generator=draw).float()
    y = ((x[:, 0] > 2) ^ (torch.rand(400, generator=draw) < 0.1)).long()
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])


def times() -> Pair:
    """[time, event]: times are shorter where the first feature is larger."""
    draw = _draw(73)
    x = torch.randn(400, 4, generator=draw)
    y = torch.stack([(-x[:, 0]).exp() * torch.rand(400, generator=draw), (x[:, 1] > -1).float()], 1)
    return TensorDataset(x[:300], y[:300]), TensorDataset(x[300:], y[300:])


def cox(outputs: Tensor, targets: Tensor) -> Tensor:
    """Negative partial likelihood: among those still at risk, who is next?"""
    assert targets.is_floating_point()
    assert bool((targets[:, 0] % 1 > 0).any()), "times arrive as they are"
    order = targets[:, 0].argsort(descending=True)
    risk, event = outputs[order, 0], targets[order, 1]
    return -((risk - risk.logcumsumexp(0)) * event).sum() / event.sum().clamp_min(1)
